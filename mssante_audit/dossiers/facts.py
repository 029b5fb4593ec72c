"""The facts of one operator's dossier, and nothing of any other operator's.

Every text of a dossier passed `mssante_audit.dossiers.belongings`; peers appear only as counts and quartiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, cast

import pandas as pd

from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.language import format_text, gettext, typeset
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import domain_key
from mssante_audit.dossiers.belongings import Belongings
from mssante_audit.dossiers.differences import Pair, pairs
from mssante_audit.dossiers.peers import Peers, peers_of
from mssante_audit.dossiers.points import Point, caveat, points_of
from mssante_audit.dossiers.remedies import theirs
from mssante_audit.dossiers.survey import survey
from mssante_audit.findings.facts import told_to
from mssante_audit.findings.frame import of_records
from mssante_audit.findings.places import LIST, places_of, row_ranges
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.report.results import Results, record
from mssante_audit.snapshot.make import unnamed_texts
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.person import mask, unnamed
from mssante_audit.whitelist.rows import CPS_ISSUER

ANOTHER = "un autre opérateur"
CHANGES = ["kind", "domain", "before", "after", "confidence"]


def dossier(space: TrustSpace, operator_id: str | None, *, masked: bool = False) -> Dossier:
    """Gather the facts of one operator, who is to read them: its own contacts are in clear, nobody else's.

    Parameters
    ----------
    operator_id
        As in the column of that name (`mssante_audit.report.results.select_operator` finds it by name).
        ``None``, for who explores, is the operator with the most findings; no report is made without one.
    masked
        Mask its own contacts as well, as the space shows them elsewhere: for whoever but the operator.

    Raises
    ------
    ParameterError
        If the list names no operator: a dossier is about one.
    UnknownNameError
        If the list has no row of it.
    """
    common = survey(space)
    if not operator_id:
        if common.standing.empty:
            raise ParameterError("a dossier is about one operator", remedy="This list names none")
        known = sorted(map(str, common.standing.index))
        operator_id = max(known, key=lambda known_id: len(common.found.get(known_id, ())))
    if not (space.entries["operator_id"] == operator_id).any():
        raise UnknownNameError(f"no operator {operator_id!r} in this list")
    return Dossier(space, operator_id, masked=masked and not space.show_contacts)


class Dossier:
    """Everything that is told to one operator of itself."""

    def __init__(self, space: TrustSpace, operator_id: str, *, masked: bool) -> None:
        self.space, self.operator_id, self.masked = space, operator_id, masked
        self.kind = parse_identifier(operator_id).kind
        self.common = survey(space)
        self.rows = space.entries[space.entries["operator_id"] == operator_id]
        if masked:
            columns = ["domain", "operator", "description", "o", "cn"]
            self.rows = self.rows.assign(**unnamed_texts(self.rows[columns]))

    @cached_property
    def entries(self) -> pd.DataFrame:
        """Its rows of the list, test entries left out unless it has no others."""
        tests = self.rows["is_audit_entry"]
        return self.rows if tests.all() else self.rows[~tests]

    @cached_property
    def name(self) -> str:
        """As its certificates have it, or ""."""
        names = self.entries.loc[~self.entries["operator"].isin(["", CPS_ISSUER]), "operator"]
        return str(names.mode().iloc[0]) if len(names) else ""

    @property
    def label(self) -> str:
        """What to call the operator."""
        return self.name or format_text("Opérateur {id}", id=self.operator_id)

    def safe(self, text: str, instead: str | None = None) -> str:
        """Return a text as the operator may read it (`Belongings.safe`)."""
        shown = self.common.belongings.safe(text, self.operator_id, instead)
        return unnamed(shown) if self.masked else shown

    @cached_property
    def findings(self) -> pd.DataFrame:
        """Those that touch it (`mssante_audit.findings.frame`), with its own rows and domains only."""
        return of_records([self._told(finding) for finding, _ in self._found])

    @cached_property
    def remedies(self) -> dict[str, str]:
        """Fingerprint of a finding → what to do about it."""
        keys = (finding["fingerprint"] for finding, _ in self._found)
        return {key: typeset(self.safe(self.common.remedies[key])) for key in keys}

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """What it has to put right, worst first."""
        foreign = self.common.belongings.foreign
        differing: dict[str, tuple[Pair, ...]] = {}
        for finding, facts in self._found:
            found = pairs(finding["rule"], facts)
            differing[finding["fingerprint"]] = tuple(
                pair for pair in found if not any(foreign(text, self.operator_id) for text in pair)
            )
        return points_of(self.todo, self.entries, self.remedies, differing)

    @cached_property
    def _found(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Findings that touch it, and the facts of each, its own contacts in clear unless all are masked."""
        common, found = self.common, list[tuple[dict[str, Any], dict[str, Any]]]()
        for finding in common.findings.iloc[common.found.get(self.operator_id, [])].to_dict("records"):
            facts, known = finding["facts"], common.facts[finding["fingerprint"]]
            if not self.masked and (clear := told_to(known, self._is_own)) is not known:
                facts, code = {**clear, "evidence": finding["evidence"]}, rule(finding["rule"])
                finding |= {part: sentence(code, part, facts) for part in ("observed", "expected")}
            found.append((cast(dict[str, Any], finding), facts))
        return found

    def _told(self, finding: dict[str, Any]) -> dict[str, Any]:
        """Return a finding with nothing of others in it."""
        domain_of = dict(zip(self.rows["row"].tolist(), self.rows["domain"].tolist(), strict=True))
        names = self.rows.loc[self.rows["operator"] != "", "operator"]
        rows = tuple(row for row in finding["rows"] if row in domain_of)
        domains = list(dict.fromkeys(domain_of[row] for row in rows))
        alone = len(rows) == len(finding["rows"])
        if not domains and self.common.belongings.is_own_domain(finding["domain"], self.operator_id):
            domains = [finding["domain"]]
        count = finding["domains"] if alone and not rows else len(domains)
        evidence, where = finding["evidence"], finding["where"]
        if not alone:
            evidence = row_ranges(rows)
            where = places_of(rows, next(place.file for place in where if place.source == LIST))
        return {
            **finding,
            "domain": (unnamed(domains[0]) if self.masked else domains[0]) if domains else "",
            "domains": count if domains else 0,
            "operator_id": self.operator_id,
            "operator": names.iloc[0] if len(names) else "",
            "observed": self.safe(finding["observed"]),
            "expected": self.safe(finding["expected"]),
            "evidence": self.safe(evidence),
            "rows": rows,
            "where": where,
            "subject": (),
            "facts": {},  # they may name others
        }

    @cached_property
    def _is_own(self) -> Callable[[str], bool]:
        return own_contacts(self.space, self.rows, self.operator_id, self.common.belongings)

    @cached_property
    def todo(self) -> pd.DataFrame:
        """Findings that its points are made of."""
        asked = theirs(self.findings)
        return asked[~asked["fingerprint"].isin(self.common.unsure)]

    @cached_property
    def doubted(self) -> pd.DataFrame:
        """Findings that would make points if they were known to hold."""
        asked = theirs(self.findings)
        return asked[asked["fingerprint"].isin(self.common.unsure)]

    @property
    def caveat(self) -> str:
        """How many findings are not known to hold, and why; "" if all are."""
        return caveat([self.common.unsure[key] for key in self.doubted["fingerprint"]])

    @cached_property
    def domains(self) -> pd.DataFrame:
        """A row a domain: `domain`, `description`, `certificates`, `declared`, `method`, `why`, `status`."""
        grouped = self.entries.groupby("domain", sort=False)
        listed = grouped.agg(
            description=("description", lambda texts: self.safe(" | ".join(dict.fromkeys(texts)))),
            certificates=("dn_key", "nunique"),
        ).reset_index()
        methods = [self.common.methods.get(domain, {}) for domain in listed["domain"]]
        statuses = ((domain_key(domain), self.operator_id) for domain in listed["domain"])
        return listed.assign(
            declared=[str(method.get("declared", "")) for method in methods],
            method=[str(method.get("method", "")) for method in methods],
            why=[self.safe(str(method.get("why", ""))) for method in methods],
            status=[self.common.statuses.get(key, "") for key in statuses],
        )

    @cached_property
    def certificates(self) -> pd.DataFrame:
        """One row a certificate name: `cn`, `igc`, `domains`, most first."""
        named = self.entries.assign(cn=self.entries["cn"].where(self.entries["cn"] != "", self.entries["dn"]))
        held = named.groupby(["cn", "igc"], sort=False)["domain"].nunique()
        return held.sort_values(ascending=False, kind="stable").reset_index(name="domains")

    @cached_property
    def presented(self) -> pd.DataFrame | None:
        """One row a certificate of its own that its domains' servers present, the nearest end first.

        Columns: `until`, `days`, `cn`, `hosts`, `domains`, `alone` (how many of them have no other), `spare`
        (days that the one before it had left; NaN if none is known). ``None`` where TLS was not observed.
        """
        seen = self.common.ending
        if seen is None:
            return None
        known = seen["domain"].isin(self.entries["domain"]) & seen["key"].isin(self.entries["dn_key"])
        records = []
        for _, rows in seen[known].groupby("certificate", sort=False):
            first = rows.iloc[0]
            cn = self.safe(parse_dn(first["name"]).get("CN") or first["name"])
            hosts = tuple(dict.fromkeys(self.safe(host) for host in rows["host"]))
            alone = rows.loc[rows["alone"], "domain"].nunique()
            held = rows["domain"].nunique()
            records.append((first["until"], first["days"], cn, hosts, held, alone, first["spare"]))
        columns = ["until", "days", "cn", "hosts", "domains", "alone", "spare"]
        frame = pd.DataFrame(records, columns=columns)
        return frame.sort_values(["until", "cn"], kind="stable", ignore_index=True)

    @cached_property
    def contacts(self) -> pd.DataFrame:
        """One row a contact: `kind` (``project`` or ``support``), `contact`, `domains`."""
        named = {"project_contact": "project", "support_contact": "support"}
        each = self.entries.rename(columns=named).melt("domain", list(named.values()), "kind", "contact")
        readable = each["contact"].map(lambda text: self.common.belongings.safe(text, self.operator_id))
        masked, services = self.masked & (readable == each["contact"]), self.space.contacts == "services"
        each["contact"] = readable.where(~masked, readable.map(lambda text: mask(text, services)))
        held = each.drop_duplicates().groupby(["kind", "contact"], sort=False).size()
        return held.reset_index(name="domains").sort_values(
            ["kind", "domains"], ascending=[True, False], kind="stable", ignore_index=True
        )

    @cached_property
    def changes(self) -> pd.DataFrame | None:
        """Since the last list: `CHANGES`, re-stamps left out; ``None`` where there is no earlier list.

        The other side of a move is not named.
        """
        if self.common.step is None:
            return None
        found = self.common.step.changes
        touched = (found["operator_before"] == self.operator_id) | (
            found["operator_after"] == self.operator_id
        )
        touching = found[touched & (found["kind"] != "restamped")]
        contacts = self.space.contacts if self.masked else "all"
        shown = worded_changes(touching, contacts=contacts)[CHANGES].reset_index(drop=True)
        shown["domain"] = [self.safe(domain, "–") for domain in shown["domain"]]
        clear, foreign = worded_changes(touching, contacts="all"), self.common.belongings.foreign
        for side in ("before", "after"):  # what is masked is looked through as well
            hidden = [bool(foreign(text, self.operator_id)) for text in clear[side]]
            shown[side] = shown[side].mask(pd.Series(hidden, dtype="bool"), gettext(ANOTHER))
        return shown

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """The two lists compared."""
        step = self.common.step
        return (step.start, step.end) if step else (None, None)

    @cached_property
    def held(self) -> list[tuple[datetime, int]]:
        """How many domains it held in lists of the archive."""
        history = self.common.history
        listed = history[history["operator_id"] == self.operator_id]
        first, last = listed["first_seen"], listed["last_seen"]
        within = ((first <= time) & (time <= last) for time in self.common.times)
        counts = [listed.loc[held, "domain"].nunique() for held in within]
        return list(zip(self.common.times, counts, strict=True))

    @cached_property
    def peers(self) -> Peers:
        """Where it stands among operators of its size."""
        return peers_of(self.common.standing, self.operator_id)

    def record(self) -> Results:
        """Return its results (`mssante_audit.report.results.record`); their origin names no other either."""
        made = record(self.space, self.findings, name="operator", title=self.label)
        texts = {key: value for key, value in made.provenance.items() if isinstance(value, str)}
        safe = {key: self.safe(text, gettext(ANOTHER)) for key, text in texts.items()}
        return replace(made, provenance={**made.provenance, **safe})


def own_contacts(
    space: TrustSpace, rows: pd.DataFrame, operator_id: str, whose: Belongings
) -> Callable[[str], bool]:
    """Return what tells whether a contact, or a part of one, is an operator's own.

    It is where its rows of the list or its declarations hold it, and no list gives it to others.
    """
    texts = {*rows["project_contact"], *rows["support_contact"]}
    if space.register is not None:
        register = space.register.declarations
        declared = register[register["operator_id"] == operator_id]
        personal = [name for name, field in fields().items() if field.personal]
        texts.update(text for name in personal for text in declared[name])
    texts.discard("")
    read = [parse_contact(text) for text in texts]
    reached = {part for contact in read for part in (*contact.phones, *contact.emails)}

    def is_own(text: str) -> bool:
        if whose.foreign(text, operator_id):
            return False
        if not text.strip() or any(text in known for known in texts):
            return True
        contact = parse_contact(text)
        parts, more = (
            {*contact.phones, *contact.emails},
            (contact.names, contact.malformed, contact.leftovers),
        )
        # Written otherwise, and still nothing in it but what it reaches.
        return bool(parts) and parts <= reached and not any(more)

    return is_own
