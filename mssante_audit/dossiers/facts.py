"""The facts of one operator's dossier, and nothing of any other operator's.

What is computed over the whole space (`survey`) is computed once and shared by every dossier made from that
space; load the space and call `survey` before forking workers. Every text that goes into a dossier has
passed `mssante_audit.dossiers.belongings`; peers appear only as counts and quartiles (`dossiers.peers`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import pandas as pd

from mssante_audit.archive.events import Span, between
from mssante_audit.archive.sides import side_of
from mssante_audit.audits import parted
from mssante_audit.audits.reconciliation.matching import match, no_statuses
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.language import spoken, tell, tr
from mssante_audit.declarations.register import domain_key
from mssante_audit.dossiers.belongings import Belongings, belongings
from mssante_audit.dossiers.own import own_contacts
from mssante_audit.dossiers.peers import Peers, peers_of, standing_of
from mssante_audit.dossiers.points import Point, caveat, points_of, unsure_of
from mssante_audit.dossiers.remedies import remedy, theirs
from mssante_audit.findings.facts import told_to
from mssante_audit.findings.frame import concat, of_records, row_ranges
from mssante_audit.findings.registry import audits, rule
from mssante_audit.findings.words import sentence, worded
from mssante_audit.report import results
from mssante_audit.report.results import Results
from mssante_audit.report.summary import Provenance
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.person import mask
from mssante_audit.verdicts.methods import hosts, method_records
from mssante_audit.verdicts.presented import expiries
from mssante_audit.verdicts.renewals import renewals
from mssante_audit.whitelist.rows import CPS_ISSUER

POINTS = 12
"""Lists of the archive that are counted at most, the last among them."""
SPAN = ("domain", "first_seen", "last_seen")
"""What dossiers use of the archive's history."""
ANOTHER = "un autre opérateur"


@dataclass(frozen=True, eq=False)
class Survey:
    """What all dossiers of a space have in common. Never shown as it is."""

    findings: pd.DataFrame
    """Of all audits, waived ones left out, in words; persons masked unless the space shows contacts."""
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
    rows: Mapping[Any, Any]
    """For each operator, the positions of its rows in the list."""
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


@dataclass(frozen=True, eq=False)
class Dossier:
    """Everything that is told to one operator of itself."""

    space: TrustSpace
    operator_id: str
    name: str
    """As its certificates have it, or "" """
    kind: str
    """Kind of its identifier (FINESS, SIREN…), or ""."""
    entries: pd.DataFrame
    """Its rows of the list, test entries left out unless it has no others."""
    findings: pd.DataFrame
    """Those that touch it (`mssante_audit.findings.frame`), with its own rows and domains only."""
    domains: pd.DataFrame
    """One row a domain: `domain`, `description`, `certificates`, `declared`, `method`, `why`, `status`."""
    certificates: pd.DataFrame
    """One row a certificate name: `cn`, `igc`, `domains`, most first."""
    presented: pd.DataFrame | None
    """One row a certificate of its own that its domains' servers present, the nearest end first: `until`,
    `days`, `cn`, `hosts`, `domains`, `alone` (how many of them have no other), `spare` (days that the one
    before it had left; NaN if none is known); ``None`` where TLS was not observed."""
    contacts: pd.DataFrame
    """One row a contact: `kind` (``project`` or ``support``), `contact`, `domains`."""
    changes: pd.DataFrame | None
    """Since the last list: `kind`, `domain`, `before`, `after`; ``None`` where there is no earlier list."""
    span: tuple[datetime | None, datetime | None]
    """The two lists compared."""
    held: tuple[tuple[datetime, int], ...]
    """How many domains it held in lists of the archive."""
    peers: Peers
    points: tuple[Point, ...]
    """What it has to put right, worst first."""
    remedies: Mapping[str, str]
    """Fingerprint of a finding → what to do about it."""
    unsure: Mapping[str, tuple[str, ...]]
    """Fingerprint of those that are not known to hold → inputs beside the list why: they make no point."""
    masked: bool
    """Whether its own contacts are masked, as everybody else's always are."""

    @property
    def label(self) -> str:
        """What to call the operator."""
        return self.name or tell("Opérateur {id}", id=self.operator_id)

    @property
    def todo(self) -> pd.DataFrame:
        """The findings that its points are made of."""
        return theirs(self.findings[~self.findings["fingerprint"].isin(self.unsure)])

    @property
    def doubted(self) -> pd.DataFrame:
        """Those that would make points if they were known to hold."""
        return theirs(self.findings[self.findings["fingerprint"].isin(self.unsure)])

    @property
    def caveat(self) -> str:
        """How many findings are not known to hold, and why; "" if all are."""
        return caveat([self.unsure[key] for key in self.doubted["fingerprint"]])


def survey(space: TrustSpace) -> Survey:
    """Return what the dossiers of a space have in common, computed at a language's first call and kept."""
    kept: dict[str, Survey] = vars(space).setdefault("_survey", {})
    if spoken() not in kept:
        kept[spoken()] = _survey(space)
    return kept[spoken()]


def dossier(space: TrustSpace, operator_id: str | None, *, masked: bool = False) -> Dossier:
    """Gather the facts of one operator, who is to read them: its own contacts are in clear, nobody else's.

    Parameters
    ----------
    operator_id
        As in the column of that name (`mssante_audit.report.results.select_operator` finds it by name).
        ``None``, for who explores, is the operator with the most findings; no report is made without one.
    masked
        Mask its own contacts as well, as everywhere else: for whoever but the operator.

    Raises
    ------
    ParameterError
        If the list names no operator: a dossier is about one.
    UnknownNameError
        If the list has no row of it.
    """
    common = survey(space)
    operator_id = operator_id or _most_found(common)
    if operator_id not in common.rows:
        raise UnknownNameError(f"no operator {operator_id!r} in this list")
    own = space.entries.take(common.rows[operator_id])
    entries = own[~own["is_audit_entry"]] if not own["is_audit_entry"].all() else own
    names = entries.loc[~entries["operator"].isin(["", CPS_ISSUER]), "operator"]
    span = (common.step.start, common.step.end) if common.step else (None, None)
    show = space.show_contacts or not masked
    findings, remedies = _findings(
        common, own, operator_id, own_contacts(space, own, operator_id, common.belongings) if show else None
    )
    return Dossier(
        space,
        operator_id,
        str(names.mode().iloc[0]) if len(names) else "",
        parse_identifier(operator_id).kind,
        entries,
        findings,
        _domains(common, entries, operator_id),
        _certificates(entries),
        _presented(common, entries, operator_id),
        _contacts(common, entries, operator_id, show=show),
        None if common.step is None else _changes(common, operator_id, show=show),
        span,
        _held(common, operator_id),
        peers_of(common.standing, operator_id),
        points_of(findings[~findings["fingerprint"].isin(common.unsure)], entries, remedies),
        remedies,
        {key: common.unsure[key] for key in findings["fingerprint"] if key in common.unsure},
        not show,
    )


def record(told: Dossier) -> Results:
    """Return a dossier's results (`report.results.record`); their origin names no other either."""
    made = results.record(told.space, told.findings, name="operator")
    whose = survey(told.space).belongings
    origin = {
        key: whose.safe(value, told.operator_id, tr(ANOTHER)) if isinstance(value, str) else value
        for key, value in made.provenance.items()
    }
    return replace(made, provenance=cast(Provenance, origin))


# -- over the whole space -----------------------------------------------------------------------------------


def _survey(space: TrustSpace) -> Survey:
    raw = concat(parted(name, space)[0] for name in audits())
    findings = worded(raw, show_contacts=space.show_contacts)
    known = dict(zip(raw["fingerprint"], raw["facts"], strict=True))
    masked = {key: told_to(facts, lambda _: False) for key, facts in known.items()}
    remedies = {
        key: remedy(code, masked[key]) for key, code in zip(raw["fingerprint"], raw["rule"], strict=True)
    }
    unsure = unsure_of(space, findings)
    found = _by_operator(findings, space.entries)
    records = method_records(space)
    held, times = _history(space)
    ending, spares = _ending(space)
    at = {} if ending is None else {str(d): rows for d, rows in ending.groupby("domain").indices.items()}
    return Survey(
        findings,
        {key: facts for key, facts in known.items() if masked[key] is not facts},
        {key: kinds for key, facts in known.items() if (kinds := _kinds(facts))},
        remedies,
        unsure,
        belongings(space),
        found,
        space.entries.groupby("operator_id").indices,
        standing_of(findings[~findings["fingerprint"].isin(unsure)], found, remedies, space),
        {str(r["domain"]): r for r in records.to_dict("records")},
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
    register = space.declarations
    parties = no_statuses() if register is None else match(register, space).statuses
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


def _most_found(common: Survey) -> str:
    listed = sorted(map(str, common.standing.index))
    if not listed:
        raise ParameterError("a dossier is about one operator", remedy="This list names none")
    return max(listed, key=lambda operator_id: len(common.found.get(operator_id, ())))


def _last_step(space: TrustSpace) -> Span | None:
    """Return what changed between the last two lists: of the archive, or from its last to a newer one."""
    if space.archive is None:
        return None
    known = space.archive.until(space.as_of)
    made = space.whitelist.generated_at
    newer = bool(known) and made is not None and known[-1].generated_at < made <= space.as_of
    if len(known) < 2 and not newer:
        return None
    sides = [space.side_of(s) for s in known[-1 if newer else -2 :]]
    if newer:
        sides.append(side_of(space.whitelist))
    before, after = (side.audited for side in sides)
    return between(before, after)


def _history(space: TrustSpace) -> tuple[dict[str, pd.DataFrame], tuple[datetime, ...]]:
    if space.archive is None:
        return {}, ()
    times = [s.generated_at for s in space.archive.until(space.as_of)]
    last = len(times) - 1
    points = sorted({round(i * last / (POINTS - 1)) for i in range(POINTS)}) if last >= POINTS else None
    chosen = times if points is None else [times[i] for i in points]
    history = space.archive.history[[*SPAN, "dn"]]
    owner = {dn: parse_identifier(parse_dn(dn).get("OU")).value for dn in history["dn"].unique()}
    grouped = history.assign(operator_id=history["dn"].map(owner)).groupby("operator_id", sort=False)
    return {str(o): rows[list(SPAN)] for o, rows in grouped}, tuple(chosen)


def _ending(space: TrustSpace) -> tuple[pd.DataFrame | None, dict[str, int]]:
    if space.given("tls") is None:
        return None, {}
    ending, moves = expiries(space), renewals(space)
    keys = {name: parse_dn(name).key for name in ending["name"].unique()}
    spares = dict(zip(moves["certificate"], moves["spare"].tolist(), strict=True))
    return ending.assign(key=ending["name"].map(keys)), spares


# -- of one operator ----------------------------------------------------------------------------------------


def _findings(
    common: Survey, own: pd.DataFrame, operator_id: str, is_own: Callable[[str], bool] | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return an operator's findings with nothing of others in them, and what to do about each.

    Its own contacts are in clear where there is something that knows them, `is_own`.
    """
    positions = list(common.found.get(operator_id, ()))
    domain_of = dict(zip(own["row"].tolist(), own["domain"].tolist(), strict=True))
    names = own.loc[own["operator"] != "", "operator"]
    whose = common.belongings
    records = []
    for found in common.findings.iloc[positions].to_dict("records"):
        rows = tuple(row for row in found["rows"] if row in domain_of)
        domains = list(dict.fromkeys(domain_of[row] for row in rows))
        alone = len(rows) == len(found["rows"])
        if not domains and whose.is_own_domain(found["domain"], operator_id):
            domains = [found["domain"]]
        count = found["domains"] if alone and not rows else len(domains)
        evidence = found["evidence"] if alone else row_ranges(rows)
        if is_own and (facts := common.facts.get(found["fingerprint"])):
            seen = {**told_to(facts, is_own), "evidence": found["evidence"]}
            told = rule(found["rule"])
            found |= {part: sentence(told, part, seen) for part in ("observed", "expected")}
        records.append(
            {
                **found,
                "domain": domains[0] if domains else "",
                "domains": count if domains else 0,
                "operator_id": operator_id,
                "operator": names.iloc[0] if len(names) else "",
                "observed": whose.safe(found["observed"], operator_id),
                "expected": whose.safe(found["expected"], operator_id),
                "evidence": whose.safe(evidence, operator_id),
                "rows": rows,
                "subject": (),
                "facts": {},  # they may name others
            }
        )
    keys = (one["fingerprint"] for one in records)
    return of_records(records), {key: whose.safe(common.remedies[key], operator_id) for key in keys}


def _domains(common: Survey, entries: pd.DataFrame, operator_id: str) -> pd.DataFrame:
    whose, records = common.belongings, []
    named: dict[str, tuple[dict[str, None], set[str]]] = {}
    for domain, description, key in _rows(entries, "domain", "description", "dn_key"):
        descriptions, keys = named.setdefault(domain, ({}, set()))
        descriptions[description] = None
        keys.add(key)
    for domain, (descriptions, keys) in named.items():
        told = common.methods.get(domain, {})
        records.append(
            (
                domain,
                whose.safe(" | ".join(descriptions), operator_id),
                len(keys),
                str(told.get("declared", "")),
                str(told.get("method", "")),
                whose.safe(str(told.get("why", "")), operator_id),
                common.statuses.get((domain_key(domain), operator_id), ""),
            )
        )
    columns = ["domain", "description", "certificates", "declared", "method", "why", "status"]
    return pd.DataFrame(records, columns=columns)


def _certificates(entries: pd.DataFrame) -> pd.DataFrame:
    held: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for cn, dn, igc, domain in _rows(entries, "cn", "dn", "igc", "domain"):
        held[cn or dn, igc].add(domain)
    records = sorted(((*named, len(domains)) for named, domains in held.items()), key=lambda r: -r[2])
    return pd.DataFrame(records, columns=["cn", "igc", "domains"])


def _presented(common: Survey, entries: pd.DataFrame, operator_id: str) -> pd.DataFrame | None:
    """Return the certificates of an operator that are presented for its domains; others' are not its own."""
    if common.ending is None:
        return None
    positions = [at for domain in entries["domain"].unique() for at in common.at.get(domain, ())]
    seen = common.ending.take(positions)
    seen = seen[seen["key"].isin(set(entries["dn_key"]))]
    records = []
    for certificate, own in seen.groupby("certificate", sort=False):
        name, whose = own["name"].iloc[0], common.belongings
        cn = whose.safe(parse_dn(name).get("CN") or name, operator_id)
        hosts = dict.fromkeys(whose.safe(host, operator_id) for host in own["host"])
        falling = own.loc[own["alone"], "domain"].nunique()
        spare = common.spares.get(str(certificate), float("nan"))
        told = (own["until"].iloc[0], own["days"].iloc[0], cn, tuple(hosts), own["domain"].nunique())
        records.append((*told, falling, spare))
    columns = ["until", "days", "cn", "hosts", "domains", "alone", "spare"]
    frame = pd.DataFrame(records, columns=columns)
    return frame.sort_values(["until", "cn"], kind="stable", ignore_index=True)


def _contacts(common: Survey, entries: pd.DataFrame, operator_id: str, *, show: bool) -> pd.DataFrame:
    whole: Counter[tuple[str, str]] = Counter()
    for kind, column in (("project", "project_contact"), ("support", "support_contact")):
        held: defaultdict[str, set[str]] = defaultdict(set)
        for text, domain in _rows(entries, column, "domain"):
            held[text].add(domain)
        for text, domains in held.items():
            own = common.belongings.safe(text, operator_id)
            whole[kind, own if show or own != text else mask(own)] += len(domains)
    records = sorted(((*named, n) for named, n in whole.items()), key=lambda r: (r[0], -r[2]))
    return pd.DataFrame(records, columns=["kind", "contact", "domains"])


def _rows(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Return rows of a frame as tuples: with one operator's few, pandas' ways cost more than they save."""
    return zip(*(frame[name].tolist() for name in columns), strict=True)


def _changes(common: Survey, operator_id: str, *, show: bool) -> pd.DataFrame:
    """Return what changed for an operator, re-stamps left out; the other side of a move is not named."""
    columns = ["kind", "domain", "before", "after", "confidence"]
    if common.step is None:
        return pd.DataFrame(columns=columns)
    found, whose = common.step.changes, common.belongings
    touched = (found["operator_before"] == operator_id) | (found["operator_after"] == operator_id)
    own = found[touched & (found["kind"] != "restamped")]
    told = worded_changes(own, show_contacts=show)[columns].reset_index(drop=True)
    told["domain"] = [whose.safe(domain, operator_id, "–") for domain in told["domain"]]
    for side in ("before", "after"):  # what is masked is looked through as well
        texts = zip(told[side], worded_changes(own, show_contacts=True)[side], strict=True)
        told[side] = [tr(ANOTHER) if whose.foreign(clear, operator_id) else text for text, clear in texts]
    return told


def _held(common: Survey, operator_id: str) -> tuple[tuple[datetime, int], ...]:
    spans = list(_rows(common.held[operator_id], *SPAN)) if operator_id in common.held else []
    return tuple(
        (time, len({domain for domain, first, last in spans if first <= time <= last}))
        for time in common.times
    )
