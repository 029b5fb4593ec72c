"""The facts of one operator's dossier, and nothing of any other operator's.

Every text of a dossier passed `mssante_audit.dossiers.belongings`; peers appear only as counts and quartiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.inputs import LIST
from mssante_audit.base.language import format_text, gettext, listing, typeset
from mssante_audit.declarations.headings import fields
from mssante_audit.dossiers.belongings import ELSEWHERE
from mssante_audit.dossiers.points import Point, pairs, points_of
from mssante_audit.dossiers.survey import Peers, survey
from mssante_audit.findings import frame, places, registry, templates
from mssante_audit.findings.facts import shown_to
from mssante_audit.report.results import Results, record
from mssante_audit.snapshot.make import unnamed_rows
from mssante_audit.space.states import named
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.person import mask, unnamed
from mssante_audit.verdicts.domains import domains
from mssante_audit.whitelist.rows import grouped, operator_names, tuples

ANOTHER = "un autre opérateur"


def dossier(space: TrustSpace, operator_id: str | None, *, masked: bool = False) -> Dossier:
    """Gather the facts of one operator, who is to read them: its own contacts are in clear, nobody else's.

    Parameters
    ----------
    operator_id
        As in the column of that name. ``None``, for who explores, is the operator with the most findings;
        where the list names none it is a `ParameterError`. One without a row is an `UnknownNameError`.
    masked
        Mask its own contacts as well, as the space shows them elsewhere: for whoever but the operator.
    """
    common = survey(space)
    if not operator_id:
        listed = sorted(map(str, common.standing.index))
        if not listed:
            raise ParameterError("a dossier is about one operator", remedy="This list names none")
        operator_id = max(listed, key=lambda listed_id: len(common.touching.get(listed_id, ())))
    if operator_id not in common.positions:
        raise UnknownNameError("no operator {} in this list", repr(operator_id))
    return Dossier(space, operator_id, masked=masked and not space.show_contacts)


class Dossier:
    """Everything that one operator learns of itself.

    Its `rows` of the list, and of these the `entries`, test entries left out unless there are no others; its
    `name`, as its certificates have it, or ""; `records` of the findings that touch it, with its own rows and
    domains only, and by fingerprint its `remedies`; of those that it can mend `todo`, which make its
    `points`, and those `doubted`, which would if they were known to hold.
    """

    def __init__(self, space: TrustSpace, operator_id: str, *, masked: bool) -> None:
        self.space, self.operator_id, self.masked = space, operator_id, masked
        self.kind = parse_identifier(operator_id).kind
        self.common = common = survey(space)
        self.rows = space.entries.iloc[common.positions[operator_id]]
        if masked:
            self.rows = unnamed_rows(space, self.rows, "domain", "operator", "description", "o", "cn")
        tests = self.rows["is_audit_entry"]
        self.entries = self.rows if tests.all() else self.rows[~tests]
        self._domain_of, self.domain_of = (
            dict(zip(rows["row"].tolist(), rows["domain"].tolist(), strict=True))
            for rows in (self.rows, self.entries)
        )
        self.name = operator_names(self.entries)[operator_id]
        self._first_name = next(filter(None, self.rows["operator"].tolist()), "")
        self.records, differing, is_own = list[dict[str, Any]](), {}, self._own_contacts()
        for finding in map(dict, common.touching.get(operator_id, ())):
            key, facts = finding["fingerprint"], finding["facts"]
            if not masked and (clear := shown_to(common.facts[key], is_own)) is not common.facts[key]:
                facts, rule = {**clear, "evidence": finding["evidence"]}, registry.rule(finding["rule"])
                finding |= {part: templates.sentence(rule, part, facts) for part in ("observed", "expected")}
            text_pairs = pairs(finding["rule"], facts)
            differing[key] = tuple(pair for pair in text_pairs if not any(map(self.foreign, pair)))
            self.records.append(self._cut(finding))
        self.remedies = {key: typeset(self.safe(common.remedies[key])) for key in differing}
        actionable = [finding for finding in self.records if finding["fingerprint"] in common.asked]
        self.doubted = [finding for finding in actionable if finding["fingerprint"] in common.unsure]
        self.todo = [finding for finding in actionable if finding["fingerprint"] not in common.unsure]
        self.points: tuple[Point, ...] = points_of(self.todo, self.domain_of, self.remedies, differing)

    @property
    def label(self) -> str:
        """What to call the operator."""
        return self.name or format_text("Opérateur {id}", id=self.operator_id)

    @property
    def caveat(self) -> str:
        """How many findings are not known to hold, and why; "" if all are."""
        unsure = [self.common.unsure[finding["fingerprint"]] for finding in self.doubted]
        inputs = list(dict.fromkeys(named(name) for names in unsure for name in names))
        text = "{n:constat reste|constats restent} à confirmer ; en doute ou trop ancien : {what}."
        return format_text(text, n=len(unsure), what=listing(inputs)) if unsure else ""

    def foreign(self, text: str) -> bool:
        """Tell whether a text holds what is others'."""
        return bool(self.common.belongings.foreign(text, self.operator_id))

    def safe(self, text: str, instead: str | None = None) -> str:
        """Return a text as the operator may read it (`Belongings.safe`)."""
        safe_text = self.common.belongings.safe(text, self.operator_id, instead)
        return unnamed(safe_text) if self.masked else safe_text

    def _cut(self, finding: dict[str, Any]) -> dict[str, Any]:
        """Return a finding with nothing of others in it."""
        rows = tuple(row for row in finding["rows"] if row in self._domain_of)
        domains = list(dict.fromkeys(self._domain_of[row] for row in rows))
        all_own = len(rows) == len(finding["rows"])
        if not domains and self.common.belongings.is_own_domain(finding["domain"], self.operator_id):
            domains = [finding["domain"]]
        count = finding["domains"] if all_own and not rows else len(domains)
        if not all_own:
            file = next(place.file for place in finding["where"] if place.source == LIST)
            finding |= {"evidence": places.row_ranges(rows), "where": places.places_of(rows, file)}
        return {
            **finding,
            "domain": (unnamed(domains[0]) if self.masked else domains[0]) if domains else "",
            "domains": count if domains else 0,
            "operator_id": self.operator_id,
            "operator": self._first_name,
            **{part: self.safe(finding[part]) for part in ("observed", "expected", "evidence")},
            "rows": rows,
            "subject": (),
            "facts": {},  # they may name others
        }

    def _own_contacts(self) -> Callable[[str], bool]:
        """Return a test whether a contact, or a part of it, is the operator's own.

        It is where its rows of the list or its declarations hold it, and no list gives it to others.
        """
        texts = {*self.rows["project_contact"], *self.rows["support_contact"]}
        if self.space.register is not None:
            register = self.space.register.declarations
            declared = register[register["operator_id"] == self.operator_id]
            texts.update(*(declared[name] for name, field in fields().items() if field.personal))
        texts.discard("")
        reached = {part for parsed in map(parse_contact, texts) for part in (*parsed.phones, *parsed.emails)}

        def is_own(text: str) -> bool:
            contact = parse_contact(text)
            parts = {*contact.phones, *contact.emails}
            same = not text.strip() or any(text in written for written in texts)
            # Written otherwise, and still nothing in it but what it reaches.
            extra = contact.names or contact.malformed or contact.leftovers
            return not self.foreign(text) and (same or (bool(parts) and parts <= reached and not extra))

        return is_own

    @cached_property
    def findings(self) -> pd.DataFrame:
        """The findings of `records`, as a frame."""
        return frame.of_records(self.records)

    @cached_property
    def domains(self) -> pd.DataFrame:
        """A row a domain: `domain`, `description`, `certificates`, `declared`, `method`, `why`, `status`."""
        names, texts, keys = (self.entries[n].tolist() for n in ("domain", "description", "dn_key"))
        described, certified = (grouped(zip(names, column, strict=True)) for column in (texts, keys))
        methods, statuses = self.common.methods.reindex(list(described), fill_value=""), self.common.statuses
        return pd.DataFrame({
            "domain": list(described),
            "description": [self.safe(" | ".join(dict.fromkeys(texts))) for texts in described.values()],
            "certificates": [len(set(keys)) for keys in certified.values()],
            **{name: methods[name].tolist() for name in ("declared", "method")},
            "why": list(map(self.safe, methods["why"])),
            "status": [statuses.get((domain_key(domain), self.operator_id), "") for domain in described],
        })  # fmt: skip

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Its domains' rows of `mssante_audit.verdicts.domains.domains`."""
        rows = domains(self.space)
        return rows[rows["domain"].isin(self.entries["domain"])]

    @cached_property
    def certificates(self) -> pd.DataFrame:
        """One row a certificate name: `cn`, `igc`, `domains`, most first."""
        rows = tuples(self.entries, "cn", "dn", "igc", "domain")
        counted = _by_domains(((cn or dn, igc), domain) for cn, dn, igc, domain in rows)
        return pd.DataFrame(counted, columns=["cn", "igc", "domains"])

    @cached_property
    def presented(self) -> pd.DataFrame | None:
        """One row a certificate of its own that its domains' servers present, the nearest end first.

        Columns: `until`, `days`, `cn`, `hosts`, `domains`, `alone` (how many of them have no other), `spare`
        (days that the one before it had left; NaN if none is known). ``None`` where TLS was not observed.
        """
        if (rows := self.common.ending) is None:
            return None
        certs = rows[rows["domain"].isin(self.entries["domain"]) & rows["key"].isin(self.entries["dn_key"])]
        names = certs["name"].map(lambda name: self.safe(parse_dn(name).get("CN") or name))
        certs = certs.assign(
            cn=names, host=certs["host"].map(self.safe), alone=certs["domain"].where(certs["alone"])
        )
        presented = certs.groupby("certificate", sort=False).agg(
            until=("until", "first"), days=("days", "first"), cn=("cn", "first"),
            hosts=("host", lambda hosts: tuple(hosts.unique())), domains=("domain", "nunique"),
            alone=("alone", "nunique"), spare=("spare", "first"),
        )  # fmt: skip
        return presented.sort_values(["until", "cn"], ignore_index=True)

    @cached_property
    def contacts(self) -> pd.DataFrame:
        """One row a contact: `kind` (``project`` or ``support``), `contact`, `domains`."""

        def own_text(text: str) -> str:
            if self.foreign(text):
                return gettext(ELSEWHERE)
            return mask(text, self.space.contacts == "services") if self.masked else text

        counted, domains = list[tuple[Any, ...]](), self.entries["domain"].tolist()
        for kind in ("project", "support"):
            texts = self.entries[f"{kind}_contact"].tolist()
            counted += _by_domains(zip(((kind, own_text(text)) for text in texts), domains, strict=True))
        return pd.DataFrame(counted, columns=["kind", "contact", "domains"])

    @cached_property
    def changes(self) -> pd.DataFrame | None:
        """Since the last list, re-stamps left out; ``None`` where there is no earlier list.

        Columns: `kind`, `domain`, `before`, `after`, `confidence`. The other side of a move is not named.
        """
        if self.common.step is None:
            return None
        changes = self.common.step.changes
        touched = (changes[["operator_before", "operator_after"]] == self.operator_id).any(axis=1)
        touching = changes[touched & (changes["kind"] != "restamped")].reset_index(drop=True)
        table = worded_changes(touching, contacts=self.space.contacts if self.masked else "all")
        clear = worded_changes(touching, contacts="all")  # what is masked is looked through as well
        for side in ("before", "after"):
            table[side] = table[side].mask(clear[side].map(self.foreign).astype("bool"), gettext(ANOTHER))
        table["domain"] = [self.safe(domain, "–") for domain in table["domain"]]
        return table[["kind", "domain", "before", "after", "confidence"]]

    @cached_property
    def held(self) -> list[tuple[datetime, int]]:
        """How many domains it held in lists of the archive."""
        times, history = self.common.history
        spells = history[history["operator_id"] == self.operator_id]
        listed = ((spells["first_seen"] <= time) & (time <= spells["last_seen"]) for time in times)
        counts = (spells.loc[during, "domain"].nunique() for during in listed)
        return list(zip(times, counts, strict=True))

    @cached_property
    def peers(self) -> Peers:
        """Where it stands among operators of its size."""
        return self.common.peers(self.operator_id)

    def record(self) -> Results:
        """Return its results (`mssante_audit.report.results.record`); their origin names no other either."""
        results = record(self.space, self.findings, name="operator", title=self.label)
        # Of who signed the list the name is enough: the rest of the DN may be an operator's.
        origin = {**results.provenance, "signer": parse_dn(results.provenance["signer"]).get("CN")}
        texts = ((key, value) for key, value in origin.items() if isinstance(value, str))
        return replace(results, provenance=origin | {k: self.safe(t, gettext(ANOTHER)) for k, t in texts})


def _by_domains(rows: Iterable[tuple[tuple[str, ...], str]]) -> list[tuple[Any, ...]]:
    """Return texts that stand together in rows, and on how many domains they do, most first."""
    counts = [(*texts, len({*domains})) for texts, domains in grouped(rows).items()]
    return sorted(counts, key=lambda row: -row[-1])
