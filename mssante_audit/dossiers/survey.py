"""What the dossiers of all operators of a space have in common, computed once. Never shown as it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mssante_audit.archive.changes import side_of
from mssante_audit.archive.events import Span, between
from mssante_audit.archive.history import with_operators
from mssante_audit.audits import parted
from mssante_audit.audits.reconciliation import matching
from mssante_audit.base.inputs import LIST
from mssante_audit.base.language import current_language, localized
from mssante_audit.dossiers.belongings import Belongings, dossier_words
from mssante_audit.findings.catalogue import FAILED, SEVERITIES
from mssante_audit.findings.facts import shown_to
from mssante_audit.findings.frame import concat, worded
from mssante_audit.findings.registry import audits, rule
from mssante_audit.findings.templates import sentence
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.hosts import domain_key
from mssante_audit.verdicts.domains import domains, doubts, hosts, method_records
from mssante_audit.verdicts.presented import expiries, renewals
from mssante_audit.whitelist.rows import grouped, tuples

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
    Rows have `owners`, operators `positions` of their rows, and the records of the findings `touching` them.
    """

    def __init__(self, space: TrustSpace) -> None:
        self.space, self.belongings = space, Belongings(space)
        raw = concat(parted(name, space)[0] for name in audits())
        self.findings = worded(raw, contacts="all" if space.show_contacts else "none")
        self.facts: dict[str, Mapping[str, Any]] = dict(zip(raw["fingerprint"], raw["facts"], strict=True))
        self.kinds = {key: kinds for key, facts in self.facts.items() if (kinds := _kinds(facts))}
        codes = zip(raw["fingerprint"], raw["rule"], strict=True)
        self.remedies = {key: remedy(code, shown_to(self.facts[key], lambda _: False)) for key, code in codes}
        rows, ids = space.entries["row"].tolist(), space.entries["operator_id"].tolist()
        self.owners: dict[int, str] = dict(zip(rows, ids, strict=True))
        self.positions = grouped((operator_id, at) for at, operator_id in enumerate(ids))
        self.touching: dict[str, list[dict[Any, Any]]] = grouped(
            (operator_id, finding)
            for finding in self.findings.to_dict("records")
            for operator_id in {finding["operator_id"], *map(self.owners.__getitem__, finding["rows"])} - {""}
        )

    @cached_property
    def asked(self) -> set[str]:
        """The fingerprints of what operators can put right themselves."""
        return set(theirs(self.findings)["fingerprint"].tolist())

    @cached_property
    def unsure(self) -> dict[str, tuple[str, ...]]:
        """Fingerprint → inputs in doubt or too old that a finding rests on, but for the list.

        No operator is asked to put right what nobody knows to be so today; the list's date is shown.
        """
        doubted = doubts(self.space, self.findings, domains(self.space)).items()
        return {key: inputs for key, names in doubted if (inputs := tuple(n for n in names if n != LIST))}

    @cached_property
    def standing(self) -> pd.DataFrame:
        """One row an operator (index ``operator_id``): `domains`, its points by severity, and `todo`, all."""
        audited = self.space.audited
        sizes = audited[audited["operator_id"] != ""].groupby("operator_id")["domain"].nunique()
        counts = []
        for operator_id in sizes.index:
            worst: dict[str, int] = {}  # of all that one remedy mends
            for finding in self.touching.get(operator_id, ()):
                if (key := finding["fingerprint"]) in self.asked and key not in self.unsure:
                    rank = SEVERITIES.index(finding["severity"])
                    worst[self.remedies[key]] = max(rank, worst.get(self.remedies[key], 0))
            counts.append([list(worst.values()).count(rank) for rank in range(1, len(SEVERITIES))])
        frame = pd.DataFrame(counts, index=sizes.index, columns=list(SEVERITIES[1:]), dtype="int64")
        return frame.assign(domains=sizes, todo=frame.sum(axis=1))

    def peers(self, operator_id: str) -> Peers:
        """Compare with the operators that hold about as many domains: counts and quartiles, nobody's face."""
        standing = self.standing
        size, points = (standing[column].get(operator_id, 0) for column in ("domains", "todo"))
        low, high = next(band for band in SIZES if band[1] is None or size <= band[1])
        others = standing[standing["domains"].between(low, high or inf) & (standing.index != operator_id)]
        if len(others) < PEERS_MIN or not size:
            return Peers(low, high)
        quartiles = np.quantile(others[[*SEVERITIES[1:], "todo"]], [0.25, 0.5, 0.75], axis=0).tolist()
        medians, whole = dict(zip(SEVERITIES[1:], quartiles[1], strict=False)), (q[-1] for q in quartiles)
        return Peers(low, high, len(others), medians, tuple(whole), int((others["todo"] > points).sum()))

    @cached_property
    def alone(self) -> dict[str, list[str]]:
        """The domains without another certificate, by the CN of the one that they have."""
        return grouped(tuples(self.space.alone, "cn", "domain"))

    @cached_property
    def methods(self) -> pd.DataFrame:
        """Domain → `declared`, `method` and `why` of `mssante_audit.verdicts.domains.method_records`."""
        return method_records(self.space).set_index("domain")[["declared", "method", "why"]]

    @cached_property
    def hosts(self) -> dict[tuple[str, str], list[str]]:
        """``NS`` or ``MX``, and domain in lower case → the servers that the DNS names for it."""
        pairs = (
            (kind, *pair) for kind in ("NS", "MX") for pair in hosts(self.space, kind).itertuples(index=False)
        )
        named = grouped(((kind, domain_key(domain)), host.rstrip(".")) for kind, domain, host in pairs)
        return {key: sorted(set(names)) for key, names in named.items()}

    @cached_property
    def statuses(self) -> dict[tuple[str, str], str]:
        """Domain in lower case and operator that declared it or has its rows → the worst of its statuses."""
        worst: dict[tuple[str, str], str] = {}
        columns = ["domain", "operator_id", "status", "rows"]
        parties = matching.statuses(self.space)[columns].itertuples(index=False, name=None)
        for domain, operator_id, status, rows in parties:
            for owner in {operator_id, *(self.owners[row] for row in rows)}:
                worst.setdefault((domain, owner), str(status))  # the worst come first
        return worst

    @cached_property
    def step(self) -> Span | None:
        """What changed between the last two lists: of the archive, or from its last to a newer one."""
        space = self.space
        archived = space.archive.until(space.as_of) if space.archive else ()
        listed = space.whitelist.generated_at
        newer = bool(archived) and listed is not None and archived[-1].generated_at < listed <= space.as_of
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
        spares = dict(zip(moves["certificate"], moves["spare"].tolist(), strict=True))
        keys = [parse_dn(name).key for name in ending["name"]]
        return ending.assign(key=keys, spare=ending["certificate"].map(spares))


def _kinds(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of contact in the facts of a finding, without those proposed as right."""
    holders = [facts, *facts["contacts"]] if isinstance(facts.get("contacts"), list) else [facts]
    kinds = {holder.get("kind", "") for holder in holders if isinstance(holder, Mapping)}
    return frozenset({"project", "support"} & kinds)


def remedy(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """Return a finding's remedy for an operator, reworded where the catalogue's is not for it."""
    text = dossier_words()["remedies"][current_language()].get(code)
    if not text:
        text = localized(rule(code), "remedy") if facts is None else sentence(rule(code), "remedy", facts)
    return str(text).strip()


def theirs(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that the operator itself can do something about; information and hints left out."""
    excluded = {FAILED, *dossier_words()["others"]}
    excluded |= {code for code in findings["rule"].unique() if rule(code).manager}
    idle = (findings["severity"] == "info") | (findings["confidence"] == "hint")
    return findings[~(idle | findings["rule"].isin(excluded))]
