"""What the dossiers of all operators of a space have in common, computed once. Never shown as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from mssante_audit.archive.changes import side_of
from mssante_audit.archive.events import Span, between
from mssante_audit.archive.history import with_operators
from mssante_audit.audits import parted
from mssante_audit.audits.reconciliation.matching import match, no_statuses
from mssante_audit.base.language import current_language
from mssante_audit.declarations.register import domain_key
from mssante_audit.dossiers.belongings import Belongings
from mssante_audit.dossiers.remedies import remedy, theirs
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.facts import told_to
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import LIST, audits
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.verdicts.domains import domains, doubts, hosts, method_records
from mssante_audit.verdicts.presented import expiries, renewals

LISTS = 12
"""Lists of the archive that are counted at most, the last among them."""
HELD = ["operator_id", "domain", "first_seen", "last_seen"]
"""What dossiers use of the archive's history."""


def survey(space: TrustSpace) -> Survey:
    """Return what the dossiers of a space have in common in the language spoken."""
    kept: dict[str, Survey] = vars(space).setdefault("_survey", {})
    return kept.setdefault(current_language(), Survey(space))


class Survey:
    """What all dossiers of a space have in common, each part computed when it is first asked for."""

    def __init__(self, space: TrustSpace) -> None:
        self.space = space

    @cached_property
    def _raw(self) -> pd.DataFrame:
        return concat(parted(name, self.space)[0] for name in audits())

    @cached_property
    def findings(self) -> pd.DataFrame:
        """The findings of all audits in words; persons masked unless the space shows contacts."""
        return worded(self._raw, contacts="all" if self.space.show_contacts else "none")

    @cached_property
    def facts(self) -> dict[str, Mapping[str, Any]]:
        """Fingerprint → the facts of a finding, persons in clear."""
        return dict(zip(self._raw["fingerprint"], self._raw["facts"], strict=True))

    @cached_property
    def kinds(self) -> dict[str, frozenset[str]]:
        """Fingerprint → the kinds of contact, ``project`` and ``support``, that a finding tells of."""
        return {key: kinds for key, facts in self.facts.items() if (kinds := _kinds(facts))}

    @cached_property
    def remedies(self) -> dict[str, str]:
        """Fingerprint → what an operator does about a finding."""
        codes = zip(self._raw["fingerprint"], self._raw["rule"], strict=True)
        return {key: remedy(code, told_to(self.facts[key], lambda _: False)) for key, code in codes}

    @cached_property
    def unsure(self) -> dict[str, tuple[str, ...]]:
        """Fingerprint → inputs in doubt or too old that a finding rests on, but for the list.

        No operator is asked to put right what nobody knows to be so today; the list's date it is told.
        """
        found = doubts(self.space, self.findings, domains(self.space))
        return {
            key: doubted
            for key, why in found.items()
            if (doubted := tuple(name for name in why if name != LIST))
        }

    @cached_property
    def belongings(self) -> Belongings:
        """Whose is what."""
        return Belongings(self.space)

    @cached_property
    def owners(self) -> dict[int, str]:
        """Row of the list → operator."""
        entries = self.space.entries
        return dict(zip(entries["row"].tolist(), entries["operator_id"].tolist(), strict=True))

    @cached_property
    def found(self) -> dict[str, list[int]]:
        """Operator → positions of the findings that touch it (`mssante_audit.report.results.touching`)."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        columns = zip(self.findings["rows"], self.findings["operator_id"], strict=True)
        for position, (rows, named) in enumerate(columns):
            for operator_id in {named, *(self.owners[row] for row in rows)} - {""}:
                found[operator_id].append(position)
        return dict(found)

    @cached_property
    def standing(self) -> pd.DataFrame:
        """One row an operator (index ``operator_id``): `domains`, its points by severity, and `todo`, all."""
        audited = self.space.audited
        held = audited[audited["operator_id"] != ""].groupby("operator_id")["domain"].nunique()
        asked = theirs(self.findings[~self.findings["fingerprint"].isin(self.unsure)])
        ranks = asked["severity"].map(SEVERITIES.index).astype("int64")
        ranked = dict(
            zip(asked.index, zip(asked["fingerprint"].map(self.remedies), ranks, strict=True), strict=True)
        )
        counts = []
        for operator_id in held.index:
            worst: dict[str, int] = {}  # of all that one remedy mends
            for what, rank in (ranked[at] for at in self.found.get(str(operator_id), ()) if at in ranked):
                worst[what] = max(rank, worst.get(what, 0))
            counts.append([list(worst.values()).count(rank) for rank in range(1, len(SEVERITIES))])
        frame = pd.DataFrame(counts, index=held.index, columns=list(SEVERITIES[1:]), dtype="int64")
        return frame.assign(domains=held, todo=frame.sum(axis=1))

    @cached_property
    def methods(self) -> dict[str, dict[Any, Any]]:
        """Domain → its record of `mssante_audit.verdicts.method_records`."""
        return {str(r["domain"]): r for r in method_records(self.space).to_dict("records")}

    @cached_property
    def hosts(self) -> dict[tuple[str, str], list[str]]:
        """``NS`` or ``MX``, and domain in lower case → the servers that the DNS names for it."""
        named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for kind in ("NS", "MX"):
            for domain, host in hosts(self.space, kind).itertuples(index=False):
                named[kind, domain_key(domain)].add(host.rstrip("."))
        return {key: sorted(names) for key, names in named.items()}

    @cached_property
    def statuses(self) -> dict[tuple[str, str], str]:
        """Domain in lower case and operator that declared it or has its rows → the worst of its statuses."""
        parties = no_statuses() if self.space.register is None else match(self.space).statuses
        worst: dict[tuple[str, str], str] = {}
        columns = ["domain", "operator_id", "status", "rows"]
        for domain, operator_id, status, rows in parties[columns].itertuples(index=False, name=None):
            for owner in {operator_id, *(self.owners[row] for row in rows)}:
                worst.setdefault((domain, owner), str(status))  # the worst come first
        return worst

    @cached_property
    def step(self) -> Span | None:
        """What changed between the last two lists: of the archive, or from its last to a newer one."""
        space = self.space
        if space.archive is None:
            return None
        known, made = space.archive.until(space.as_of), space.whitelist.generated_at
        newer = bool(known) and made is not None and known[-1].generated_at < made <= space.as_of
        if len(known) < 2 and not newer:
            return None
        last = [side_of(space.whitelist)] if newer else []
        before, after = (*(space.side_of(archived) for archived in known[-1 if newer else -2 :]), *last)
        return between(before.audited, after.audited)

    @cached_property
    def times(self) -> list[datetime]:
        """Lists of the archive to count domains in."""
        archive = self.space.archive
        times = [s.generated_at for s in archive.until(self.space.as_of)] if archive else []
        last = len(times) - 1
        if last < LISTS:
            return times
        return [times[at] for at in sorted({round(i * last / (LISTS - 1)) for i in range(LISTS)})]

    @cached_property
    def history(self) -> pd.DataFrame:
        """Which operator held which domain from when to when."""
        if self.space.archive is None:
            return pd.DataFrame(columns=HELD)
        return with_operators(self.space.archive.history)[HELD]

    @cached_property
    def ending(self) -> pd.DataFrame | None:
        """Ends of certificates presented, with the name's `key` and what the one before had left, `spare`."""
        if self.space.tls is None:
            return None
        ending, moves = expiries(self.space), renewals(self.space)
        keys = {name: parse_dn(name).key for name in ending["name"].unique()}
        spares = dict(zip(moves["certificate"], moves["spare"].tolist(), strict=True))
        return ending.assign(key=ending["name"].map(keys), spare=ending["certificate"].map(spares))


def _kinds(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of contact in the facts of a finding; what would be right is none of them."""
    holders = [facts, *facts["contacts"]] if isinstance(facts.get("contacts"), list) else [facts]
    kinds = (holder.get("kind") for holder in holders if isinstance(holder, Mapping))
    return frozenset(kind for kind in kinds if kind in ("project", "support"))
