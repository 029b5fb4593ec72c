"""What the dossiers of all operators of a space have in common, computed once. Never shown as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mssante_audit.archive.changes import side_of
from mssante_audit.archive.events import Span, between
from mssante_audit.archive.history import with_operators
from mssante_audit.audits import parted
from mssante_audit.audits.reconciliation import matching
from mssante_audit.base.language import current_language
from mssante_audit.declarations.register import domain_key
from mssante_audit.dossiers.belongings import Belongings
from mssante_audit.dossiers.remedies import remedy, theirs
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.facts import told_to
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import LIST, audits
from mssante_audit.findings.words import worded
from mssante_audit.snapshot.make import unnamed_rows
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.verdicts.domains import domains, doubts, hosts, method_records
from mssante_audit.verdicts.presented import expiries, renewals
from mssante_audit.whitelist.rows import grouped

LISTS = 12  # lists of the archive that are counted at most, the last among them
PEERS_MIN = 5  # fewer operators of a size are not compared with: the numbers could give one of them away
SIZES = ((1, 1), (2, 9), (10, 49), (50, None))  # operators by how many domains they hold: the peers of each


class Peers(NamedTuple):
    """Where an operator stands among those of its size. Without peers enough, only `low` and `high`."""

    low: int
    high: int | None  # domains of the operators compared with, from `low` to `high`
    number: int = 0  # how many they are, this operator not counted; 0 if they are too few to be shown
    # Median of their points to put right, by severity; `whole` has the quartiles of all of them.
    medians: Mapping[str, float] | None = None
    whole: tuple[float, ...] = (0.0, 0.0, 0.0)
    more: int = 0  # how many of them have more points than this operator


def survey(space: TrustSpace) -> Survey:
    """Return what the dossiers of a space have in common in the current language."""
    return space.once(("survey", current_language()), lambda: Survey(space))


class Survey:
    """What all dossiers of a space have in common; what not all of them take, when it is first asked for.

    Findings are in words, persons masked unless the space shows contacts; by fingerprint are the `facts` of
    each (persons in clear), the `kinds` of contact in it (``project``, ``support``), and the `remedies`.
    Rows have `owners`, operators the positions of the findings `touching` them.
    """

    def __init__(self, space: TrustSpace) -> None:
        self.space, entries = space, space.entries
        raw = concat(parted(name, space)[0] for name in audits())
        self.findings = worded(raw, contacts="all" if space.show_contacts else "none")
        self.facts: dict[str, Mapping[str, Any]] = dict(zip(raw["fingerprint"], raw["facts"], strict=True))
        self.kinds = {key: kinds for key, facts in self.facts.items() if (kinds := _kinds(facts))}
        codes = zip(raw["fingerprint"], raw["rule"], strict=True)
        self.remedies = {key: remedy(code, told_to(self.facts[key], lambda _: False)) for key, code in codes}
        self.records: list[dict[Any, Any]] = self.findings.to_dict("records")
        self.owners = dict(zip(entries["row"].tolist(), entries["operator_id"].tolist(), strict=True))
        self.touching: defaultdict[str, list[int]] = defaultdict(list)
        columns = zip(self.findings["rows"], self.findings["operator_id"], strict=True)
        for position, (rows, named) in enumerate(columns):
            for operator_id in {named, *(self.owners[row] for row in rows)} - {""}:
                self.touching[operator_id].append(position)

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Operator → the positions of its rows in the list."""
        return grouped((operator_id, at) for at, operator_id in enumerate(self.owners.values()))

    @cached_property
    def unnamed(self) -> pd.DataFrame:
        """The list's rows, whom their texts name masked."""
        columns = ("domain", "operator", "description", "o", "cn")
        return _objects(unnamed_rows(self.space, self.space.entries, *columns))

    @cached_property
    def answers(self) -> pd.DataFrame:
        """What `mssante_audit.verdicts.domains.domains` says of the space's domains."""
        return _objects(domains(self.space))

    @cached_property
    def entries(self) -> pd.DataFrame:
        """The list's rows."""
        return _objects(self.space.entries)

    @cached_property
    def answer_of(self) -> dict[str, int]:
        """Domain → the position of its row in `answers`."""
        return {domain: at for at, domain in enumerate(self.answers["domain"].tolist())}

    @cached_property
    def alone(self) -> dict[str, set[str]]:
        """Name (CN) of a certificate → the domains that have no other."""
        rows = self.space.alone
        held = grouped(zip(rows["cn"].tolist(), rows["domain"].tolist(), strict=True))
        return {cn: set(its) for cn, its in held.items()}

    @cached_property
    def asked(self) -> set[str]:
        """The fingerprints of what operators can put right themselves."""
        return set(theirs(self.findings)["fingerprint"].tolist())

    @cached_property
    def belongings(self) -> Belongings:
        """Whose is what."""
        return Belongings(self.space)

    @cached_property
    def unsure(self) -> dict[str, tuple[str, ...]]:
        """Fingerprint → inputs in doubt or too old that a finding rests on, but for the list.

        No operator is asked to put right what nobody knows to be so today; the list's date is shown.
        """
        doubted = doubts(self.space, self.findings, self.answers).items()
        return {key: why for key, names in doubted if (why := tuple(n for n in names if n != LIST))}

    @cached_property
    def standing(self) -> pd.DataFrame:
        """One row an operator (index ``operator_id``): `domains`, its points by severity, and `todo`, all."""
        audited = self.space.audited
        held = audited[audited["operator_id"] != ""].groupby("operator_id")["domain"].nunique()
        asked = self.findings[self.findings["fingerprint"].isin(self.asked - self.unsure.keys())]
        remedies, ranks = asked["fingerprint"].map(self.remedies), asked["severity"].map(SEVERITIES.index)
        ranked = dict(zip(asked.index, zip(remedies, ranks.astype("int64"), strict=True), strict=True))
        counts = []
        for operator_id in held.index:
            worst: dict[str, int] = {}  # of all that one remedy mends
            for what, rank in (ranked[at] for at in self.touching.get(str(operator_id), ()) if at in ranked):
                worst[what] = max(rank, worst.get(what, 0))
            counts.append([list(worst.values()).count(rank) for rank in range(1, len(SEVERITIES))])
        frame = pd.DataFrame(counts, index=held.index, columns=list(SEVERITIES[1:]), dtype="int64")
        return frame.assign(domains=held, todo=frame.sum(axis=1))

    def peers(self, operator_id: str) -> Peers:
        """Compare with the operators that hold about as many domains: counts and quartiles, nobody's face."""
        size, own = self._counts[operator_id][-2:] if operator_id in self._counts else (0, 0)
        low, high = next((band for band in SIZES if band[1] is None or size <= band[1]), SIZES[-1])
        others = [
            counts for other, counts in self._counts.items()
            if low <= counts[-2] <= (high or counts[-2]) and other != operator_id
        ]  # fmt: skip
        if len(others) < PEERS_MIN or not size:
            return Peers(low, high)
        table = np.array(others)
        medians = dict(zip(SEVERITIES[1:], np.median(table, axis=0).tolist(), strict=False))
        whole, more = np.quantile(table[:, -1], (0.25, 0.5, 0.75)), int((table[:, -1] > own).sum())
        return Peers(low, high, len(others), medians, tuple(whole.tolist()), more)

    @cached_property
    def _counts(self) -> dict[str, tuple[int, ...]]:
        """Operator → its row of `standing`: points by severity, domains, and all points."""
        return {str(row[0]): row[1:] for row in self.standing.itertuples(name=None)}

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
        worst: dict[tuple[str, str], str] = {}
        columns = ["domain", "operator_id", "status", "rows"]
        for domain, operator_id, status, rows in matching.statuses(self.space)[columns].itertuples(
            index=False, name=None
        ):
            for owner in {operator_id, *(self.owners[row] for row in rows)}:
                worst.setdefault((domain, owner), str(status))  # the worst come first
        return worst

    @cached_property
    def step(self) -> Span | None:
        """What changed between the last two lists: of the archive, or from its last to a newer one."""
        space = self.space
        archived = space.archive.until(space.as_of) if space.archive else ()
        made = space.whitelist.generated_at
        newer = bool(archived) and made is not None and archived[-1].generated_at < made <= space.as_of
        if len(archived) < 2 and not newer:
            return None
        after = side_of(space.whitelist) if newer else space.side_of(archived[-1])
        return between(space.side_of(archived[-1 if newer else -2]).audited, after.audited)

    @cached_property
    def history(self) -> tuple[list[datetime], pd.DataFrame]:
        """Lists of the archive to count domains in, and which operator held which from when to when."""
        archive = self.space.archive
        if archive is None:
            return [], pd.DataFrame(columns=["operator_id", "domain", "first_seen", "last_seen"])
        times = [snapshot.generated_at for snapshot in archive.until(self.space.as_of)]
        if (last := len(times) - 1) >= LISTS:
            times = [times[at] for at in sorted({round(i * last / (LISTS - 1)) for i in range(LISTS)})]
        return times, with_operators(archive.history)

    @cached_property
    def ending(self) -> pd.DataFrame | None:
        """Ends of certificates presented, with the name's `key` and what the one before had left, `spare`."""
        if self.space.tls is None:
            return None
        ending, moves = expiries(self.space), renewals(self.space)
        keys = {name: parse_dn(name).key for name in ending["name"].unique()}
        spares = dict(zip(moves["certificate"], moves["spare"].tolist(), strict=True))
        return ending.assign(key=ending["name"].map(keys), spare=ending["certificate"].map(spares))


def _objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its texts as Python's, of which a few rows are taken ten times as fast."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("str").columns, "object")).copy()


def _kinds(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of contact in the facts of a finding; what would be right is no contact of it."""
    holders = [facts, *facts["contacts"]] if isinstance(facts.get("contacts"), list) else [facts]
    kinds = {holder.get("kind", "") for holder in holders if isinstance(holder, Mapping)}
    return frozenset({"project", "support"} & kinds)
