"""The facts of one operator's dossier, and nothing of any other operator's.

What is computed over the whole space is in `mssante_audit.dossiers.survey`. Every text of a dossier passed
`mssante_audit.dossiers.belongings`; peers appear only as counts and quartiles (`dossiers.peers`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import pandas as pd

from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.language import format_text, gettext, typeset
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import domain_key
from mssante_audit.dossiers.belongings import Belongings
from mssante_audit.dossiers.peers import Peers, peers_of
from mssante_audit.dossiers.points import Point, caveat, points_of
from mssante_audit.dossiers.remedies import theirs
from mssante_audit.dossiers.survey import SPAN, Survey, survey
from mssante_audit.findings.facts import told_to
from mssante_audit.findings.frame import of_records
from mssante_audit.findings.places import LIST, places_of, row_ranges
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.report.results import Results, record
from mssante_audit.report.summary import Provenance
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.person import mask
from mssante_audit.whitelist.rows import CPS_ISSUER

ANOTHER = "un autre opérateur"


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
    todo: pd.DataFrame
    """Those that its points are made of."""
    doubted: pd.DataFrame
    """Those that would make points if they were known to hold."""
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
        return self.name or format_text("Opérateur {id}", id=self.operator_id)

    @property
    def caveat(self) -> str:
        """How many findings are not known to hold, and why; "" if all are."""
        return caveat([self.unsure[key] for key in self.doubted["fingerprint"]])

    def record(self) -> Results:
        """Return its results (`mssante_audit.report.results.record`); their origin names no other either."""
        made, whose = record(self.space, self.findings, name="operator"), survey(self.space).belongings
        texts = {key: value for key, value in made.provenance.items() if isinstance(value, str)}
        safe = {key: whose.safe(text, self.operator_id, gettext(ANOTHER)) for key, text in texts.items()}
        return replace(made, provenance=cast(Provenance, {**made.provenance, **safe}))


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
    if not operator_id:
        if common.standing.empty:
            raise ParameterError("a dossier is about one operator", remedy="This list names none")
        known = sorted(map(str, common.standing.index))
        operator_id = max(known, key=lambda one: len(common.found.get(one, ())))
    if operator_id not in common.rows:
        raise UnknownNameError(f"no operator {operator_id!r} in this list")
    own = common.rows[operator_id]
    entries = own[~own["is_audit_entry"]] if not own["is_audit_entry"].all() else own
    names = entries.loc[~entries["operator"].isin(["", CPS_ISSUER]), "operator"]
    span = (common.step.start, common.step.end) if common.step else (None, None)
    show = space.show_contacts or not masked
    findings, remedies = _findings(
        common, own, operator_id, _own_contacts(space, own, operator_id, common.belongings) if show else None
    )
    asked = theirs(findings)
    sure = ~asked["fingerprint"].isin(common.unsure)
    todo = asked[sure]
    return Dossier(
        space,
        operator_id,
        str(names.mode().iloc[0]) if len(names) else "",
        parse_identifier(operator_id).kind,
        entries,
        findings,
        todo,
        asked[~sure],
        _domains(common, entries, operator_id),
        _certificates(entries),
        _presented(common, entries, operator_id),
        _contacts(common, entries, operator_id, show=show),
        _changes(common, operator_id, show=show),
        span,
        _held(common, operator_id),
        peers_of(common.standing, operator_id),
        points_of(todo, entries, remedies),
        remedies,
        {key: common.unsure[key] for key in findings["fingerprint"] if key in common.unsure},
        not show,
    )


def _findings(
    common: Survey, own: pd.DataFrame, operator_id: str, is_own: Callable[[str], bool] | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return an operator's findings with nothing of others in them, and what to do about each.

    Its own contacts are in clear where there is something that knows them, `is_own`.
    """
    domain_of = dict(zip(own["row"].tolist(), own["domain"].tolist(), strict=True))
    names = own.loc[own["operator"] != "", "operator"]
    whose = common.belongings
    records = []
    for found in (common.records[at] for at in common.found.get(operator_id, ())):
        rows = tuple(row for row in found["rows"] if row in domain_of)
        domains = list(dict.fromkeys(domain_of[row] for row in rows))
        alone = len(rows) == len(found["rows"])
        if not domains and whose.is_own_domain(found["domain"], operator_id):
            domains = [found["domain"]]
        count = found["domains"] if alone and not rows else len(domains)
        evidence, where = found["evidence"], found["where"]
        if not alone:
            evidence = row_ranges(rows)
            where = places_of(rows, next(place.file for place in where if place.source == LIST))
        if is_own and (facts := common.facts.get(found["fingerprint"])):
            seen = {**told_to(facts, is_own), "evidence": found["evidence"]}
            told = rule(found["rule"])
            found = {**found, **{part: sentence(told, part, seen) for part in ("observed", "expected")}}
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
                "where": where,
                "subject": (),
                "facts": {},  # they may name others
            }
        )
    keys = (one["fingerprint"] for one in records)
    return of_records(records), {key: typeset(whose.safe(common.remedies[key], operator_id)) for key in keys}


def _own_contacts(
    space: TrustSpace, entries: pd.DataFrame, operator_id: str, whose: Belongings
) -> Callable[[str], bool]:
    """Return what tells whether a contact, or a part of one, is an operator's own.

    It is where its rows of the list or its declarations hold it, and no list gives it to others.
    """
    texts = {*entries["project_contact"], *entries["support_contact"]}
    if space.declarations is not None:
        register = space.declarations.declarations
        declared = register[register["operator_id"] == operator_id]
        personal = [name for name, field in fields().items() if field.personal]
        texts.update(text for name in personal for text in declared[name])
    texts.discard("")
    read = [parse_contact(text) for text in texts]
    reached = {part for one in read for part in (*one.phones, *one.emails)}

    def is_own(text: str) -> bool:
        if whose.foreign(text, operator_id):
            return False
        if not text.strip() or any(text in known for known in texts):
            return True
        told = parse_contact(text)
        parts, more = {*told.phones, *told.emails}, (told.names, told.malformed, told.leftovers)
        # Written otherwise, and still nothing in it but what it reaches.
        return bool(parts) and parts <= reached and not any(more)

    return is_own


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


def _changes(common: Survey, operator_id: str, *, show: bool) -> pd.DataFrame | None:
    """Return what changed for an operator, re-stamps left out; the other side of a move is not named."""
    if common.step is None:
        return None
    columns = ["kind", "domain", "before", "after", "confidence"]
    found, whose = common.step.changes, common.belongings
    touched = (found["operator_before"] == operator_id) | (found["operator_after"] == operator_id)
    own = found[touched & (found["kind"] != "restamped")]
    told = worded_changes(own, show_contacts=show)[columns].reset_index(drop=True)
    told["domain"] = [whose.safe(domain, operator_id, "–") for domain in told["domain"]]
    for side in ("before", "after"):  # what is masked is looked through as well
        texts = zip(told[side], worded_changes(own, show_contacts=True)[side], strict=True)
        told[side] = [
            gettext(ANOTHER) if whose.foreign(clear, operator_id) else text for text, clear in texts
        ]
    return told


def _held(common: Survey, operator_id: str) -> tuple[tuple[datetime, int], ...]:
    spans = list(_rows(common.held[operator_id], *SPAN)) if operator_id in common.held else []
    return tuple(
        (time, len({domain for domain, first, last in spans if first <= time <= last}))
        for time in common.times
    )
