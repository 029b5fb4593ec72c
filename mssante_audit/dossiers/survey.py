"""What the dossiers of all operators of a space have in common, computed once and shared by them.

Load the space and call `survey` before forking workers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from mssante_audit.archive.events import Span, between
from mssante_audit.archive.history import with_operators
from mssante_audit.archive.sides import side_of
from mssante_audit.audits import parted
from mssante_audit.audits.reconciliation.matching import match, no_statuses
from mssante_audit.base.language import current_language
from mssante_audit.declarations.register import domain_key
from mssante_audit.dossiers.belongings import Belongings, belongings
from mssante_audit.dossiers.peers import standing_of
from mssante_audit.dossiers.points import unsure_of
from mssante_audit.dossiers.remedies import remedy
from mssante_audit.findings.facts import told_to
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import audits
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.verdicts.methods import hosts, method_records
from mssante_audit.verdicts.presented import expiries
from mssante_audit.verdicts.renewals import renewals

POINTS = 12
"""Lists of the archive that are counted at most, the last among them."""
SPAN = ("domain", "first_seen", "last_seen")
"""What dossiers use of the archive's history."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What all dossiers of a space have in common. Never shown as it is."""

    records: Sequence[Mapping[Any, Any]]
    """The findings of all audits, one by one and in words; persons masked unless the space shows contacts."""
    facts: Mapping[str, Mapping[str, Any]]
    """Fingerprint → what the words of a finding that names persons are made of, in clear."""
    kinds: Mapping[str, frozenset[str]]
    """Fingerprint → the kinds of contact, ``project`` and ``support``, that a finding tells of."""
    remedies: Mapping[str, str]
    """Fingerprint → what an operator does about it."""
    unsure: Mapping[str, tuple[str, ...]]
    """Fingerprint → inputs beside the list that are in doubt or too old, on which a finding rests."""
    belongings: Belongings
    found: Mapping[str, tuple[int, ...]]
    """For each operator, the positions of the findings that touch it."""
    rows: Mapping[Any, pd.DataFrame]
    """For each operator, its rows in the list."""
    standing: pd.DataFrame
    """One row an operator (index ``operator_id``): `domains`, points by severity, and `todo`, all of them."""
    methods: Mapping[str, Mapping[Any, Any]]
    """Domain → its record of `mssante_audit.verdicts.method_records`."""
    servers: Mapping[str, tuple[str, ...]]
    """Domain in lower case → the name servers that its zone and the parent's name."""
    exchangers: Mapping[str, tuple[str, ...]]
    """Domain in lower case → its mail servers."""
    statuses: Mapping[tuple[str, str], str]
    """Domain in lower case and operator → that operator's status in the register; empty without one."""
    step: Span | None
    """What changed from the last list to this one; ``None`` where there is no earlier one."""
    held: Mapping[str, pd.DataFrame]
    """Operator → the `SPAN` of its rows of the archive's history."""
    times: tuple[datetime, ...]
    """Lists of the archive to count domains in, at most `POINTS`."""
    ending: pd.DataFrame | None
    """When certificates presented end (`mssante_audit.verdicts.presented.expiries`), with `key` of the name;
    ``None`` where TLS was not observed."""
    at: Mapping[str, Any]
    """Domain → positions of its rows there."""
    spares: Mapping[str, int]
    """Certificate (SHA-256) → days that the one before it still had when it was first seen."""


def survey(space: TrustSpace) -> Survey:
    """Return what the dossiers of a space have in common, computed at a language's first call and kept."""
    kept: dict[str, Survey] = vars(space).setdefault("_survey", {})
    if current_language() not in kept:
        kept[current_language()] = _survey(space)
    return kept[current_language()]


def _survey(space: TrustSpace) -> Survey:
    raw = concat(parted(name, space)[0] for name in audits())
    findings = worded(raw, show_contacts=space.show_contacts)
    known = dict(zip(raw["fingerprint"], raw["facts"], strict=True))
    masked = {key: told_to(facts, lambda _: False) for key, facts in known.items()}
    codes = zip(raw["fingerprint"], raw["rule"], strict=True)
    remedies = {key: remedy(code, masked[key]) for key, code in codes}
    unsure = unsure_of(space, findings)
    found = _by_operator(findings, space.entries)
    held, times = _history(space)
    ending, spares = _ending(space)
    at = {} if ending is None else {str(d): rows for d, rows in ending.groupby("domain").indices.items()}
    return Survey(
        findings.to_dict("records"),
        {key: facts for key, facts in known.items() if masked[key] is not facts},
        {key: kinds for key, facts in known.items() if (kinds := _kinds(facts))},
        remedies,
        unsure,
        belongings(space),
        found,
        dict(iter(space.entries.groupby("operator_id"))),
        standing_of(findings[~findings["fingerprint"].isin(unsure)], found, remedies, space),
        {str(r["domain"]): r for r in method_records(space).to_dict("records")},
        _hosts(space, "NS"),
        _hosts(space, "MX"),
        _statuses(space),
        _last_step(space),
        held,
        times,
        ending,
        at,
        spares,
    )


def _kinds(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of contact in the facts of a finding; what would be right is none of them."""
    told = [facts, *facts["contacts"]] if isinstance(facts.get("contacts"), list) else [facts]
    kinds = (one.get("kind") for one in told if isinstance(one, Mapping))
    return frozenset(kind for kind in kinds if kind in ("project", "support"))


def _hosts(space: TrustSpace, kind: str) -> dict[str, tuple[str, ...]]:
    named: defaultdict[str, set[str]] = defaultdict(set)
    for domain, host in hosts(space, kind).itertuples(index=False):
        named[domain_key(domain)].add(host.rstrip("."))
    return {domain: tuple(sorted(names)) for domain, names in named.items()}


def _statuses(space: TrustSpace) -> dict[tuple[str, str], str]:
    """Return the status of each domain for each operator that declared it or has its rows, the worst."""
    parties = no_statuses() if space.declarations is None else match(space).statuses
    owner = dict(zip(space.entries["row"].tolist(), space.entries["operator_id"].tolist(), strict=True))
    told: dict[tuple[str, str], str] = {}
    columns = (parties[name].tolist() for name in ("domain", "operator_id", "status", "rows"))
    for domain, operator_id, status, rows in zip(*columns, strict=True):  # the worst first
        for own in {operator_id, *(owner[row] for row in rows)}:
            told.setdefault((domain, own), str(status))
    return told


def _by_operator(findings: pd.DataFrame, entries: pd.DataFrame) -> dict[str, tuple[int, ...]]:
    """Return what `mssante_audit.report.results.touching` chooses for each operator, as positions."""
    owner = dict(zip(entries["row"].tolist(), entries["operator_id"].tolist(), strict=True))
    found: defaultdict[str, list[int]] = defaultdict(list)
    told = zip(findings["rows"], findings["operator_id"], strict=True)
    for position, (rows, named) in enumerate(told):
        for operator_id in sorted({named, *(owner[row] for row in rows)}):
            found[operator_id].append(position)
    return {operator_id: tuple(positions) for operator_id, positions in found.items() if operator_id}


def _last_step(space: TrustSpace) -> Span | None:
    """Return what changed between the last two lists: of the archive, or from its last to a newer one."""
    if space.archive is None:
        return None
    known, made = space.archive.until(space.as_of), space.whitelist.generated_at
    newer = bool(known) and made is not None and known[-1].generated_at < made <= space.as_of
    if len(known) < 2 and not newer:
        return None
    last = [side_of(space.whitelist)] if newer else []
    before, after = (*(space.side_of(one) for one in known[-1 if newer else -2 :]), *last)
    return between(before.audited, after.audited)


def _history(space: TrustSpace) -> tuple[dict[str, pd.DataFrame], tuple[datetime, ...]]:
    if space.archive is None:
        return {}, ()
    times = [s.generated_at for s in space.archive.until(space.as_of)]
    last = len(times) - 1
    points = sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)}) if last >= POINTS else None
    chosen = times if points is None else [times[i] for i in points]
    grouped = with_operators(space.archive.history[[*SPAN, "dn"]]).groupby("operator_id", sort=False)
    return {str(o): rows[list(SPAN)] for o, rows in grouped}, tuple(chosen)


def _ending(space: TrustSpace) -> tuple[pd.DataFrame | None, dict[str, int]]:
    if space.tls is None:
        return None, {}
    ending, moves = expiries(space), renewals(space)
    keys = {name: parse_dn(name).key for name in ending["name"].unique()}
    spares = dict(zip(moves["certificate"], moves["spare"].tolist(), strict=True))
    return ending.assign(key=ending["name"].map(keys)), spares
