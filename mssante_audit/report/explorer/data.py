"""What the explorer's page holds: the domains of a space as columns of numbers, and what these stand for.

Texts are there once and columns point at them; everything they say comes from the frames of domains,
findings, contacts, certificates and the archive. Nothing of it is HTML, no character is invisible, and
persons are masked unless the space shows contacts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import current_language, listing, typeset
from mssante_audit.base.markup import visible
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.findings.causes import Doubts
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.words import sentence
from mssante_audit.report.findings import title_of
from mssante_audit.report.first import COLUMNS, question
from mssante_audit.space.states import aged
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.values.person import Person, masks, unnamed
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, RESULTS
from mssante_audit.verdicts.domains import domains_touched
from mssante_audit.verdicts.doubts import doubts
from mssante_audit.verdicts.presented import expiries
from mssante_audit.verdicts.renewals import renewals
from mssante_audit.verdicts.words import causes, reason

TEXT = 300
"""Characters of one text that are shown."""

WORST_FIRST = {
    "arrives": ("no", "degraded", "unknown", "yes"),
    "order": ("urgent", "todo", "unknown", "ok"),
}
"""Answers to each question, in the order of the rows."""

CHANGES = ("dn", "description", "project_contact", "support_contact")
"""What may change of a listed domain, in the order of the bits that say so."""

CONTACTS = ("support_contact", "project_contact")


class _Once:
    """Values that are each kept once and known by their place."""

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}

    def __call__(self, value: Hashable) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> list[Any]:
        return list(self._places)


def explorer_data(space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame) -> dict[str, Any]:
    """Return what the explorer's script reads, as JSON types.

    Parameters
    ----------
    findings
        Of `mssante_audit.audits.audit_all`, in the language spoken.
    domains
        Of `mssante_audit.verdicts.domains`: those that are told of.

    Returns
    -------
    dict
        ``rows``: columns, a value a domain, the worst first and of these the one with most mailboxes; what is
        no number of its own is the place of something in ``texts``, ``whys``, ``findings``. ``facets``: what
        is filtered by, each with ``key``, ``values``, ``names`` and ``column``, the place of each domain's
        value. ``presented``, ``moves`` and ``history``: by the place of a row, for those that have one.
    """
    boxes = domains["mailboxes"].fillna(0).astype("int64")
    asked = question(domains)
    ranks = domains[COLUMNS[asked]].map(WORST_FIRST[asked].index)
    ordered = domains.assign(rank=ranks, boxes=-boxes).sort_values(["rank", "boxes", "domain"], kind="stable")
    names: list[str] = ordered["domain"].tolist()
    places = {name: place for place, name in enumerate(names)}
    listed = space.audited[space.audited["domain"].isin(set(names))]
    called = names
    if not space.show_contacts:  # as the findings have them
        columns = ("description", "operator")
        listed = listed.assign(**{name: list(map(unnamed, listed[name])) for name in columns})
        ordered = ordered.assign(operator=list(map(unnamed, ordered["operator"])))
        called = list(map(unnamed, names))
    whys, texts = _Once(), _Once()

    def placed(*columns: str) -> Iterator[tuple[int, ...]]:
        return zip(*(map(texts, map(_cut, listed[column])) for column in columns), strict=True)

    unsure = doubts(space, findings, domains)
    touching, told = _findings(space, findings, unsure, set(names), texts)
    rows: dict[str, list[Any]] = {
        "domain": [visible(name) for name in called],
        "description": [
            " / ".join(own) for own in _gathered(listed, names, map(_cut, listed["description"]))
        ],
        "boxes": [None if pd.isna(n) else int(n) for n in ordered["mailboxes"]],
        "why": [whys(tuple((c, tuple(codes)) for c, codes in why.items())) for why in ordered["why"]],
        "method": [texts(method) for method in ordered["method"]],
        "observed": [texts("" if pd.isna(at) else f"{at:%Y-%m-%d}") for at in ordered["observed_at"]],
        "owners": _gathered(listed, names, placed("operator_id", "operator")),
        "certificates": _gathered(listed, names, placed("cn", "igc")),
        **_contacts(space, listed, names, texts),
        "findings": [touching.get(name, []) for name in names],
    }
    rules = [catalogue()[code] for code in sorted(set(findings["rule"]))]
    return {
        "question": asked,
        "facets": _facets(ordered),
        "rows": rows,
        "findings": told,
        "presented": _presented(space, places, texts),
        "moves": _moves(space, places, texts),
        "history": _history(space, places),
        "contacts": any(any(rows[column]) for column in CONTACTS),  # a snapshot to hand on has none
        "texts": texts.values,
        "whys": [{check: list(codes) for check, codes in why} for why in whys.values],
        "codes": _codes({code for why in whys.values for _, codes in why for code in codes}),
        "rules": {r.code: [title_of(r.code), r.manager, r.check] for r in rules},
    }


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= TEXT else f"{shown[:TEXT]}…"


def _facets(shown: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what domains are filtered by: verdicts, severity, places, operators."""
    verdicts: dict[str, tuple[str, ...]] = {"arrives": RECEIVES, "order": ORDERS}
    verdicts |= dict.fromkeys(CHECKS, RESULTS)
    verdicts["severity"] = (*reversed(SEVERITIES), "")
    operators = dict(zip(shown["operator_id"], shown["operator"], strict=True))
    codes = sorted(set(shown["department"]), key=lambda code: (not code, code))
    named = sorted(operators, key=lambda one: (not one, operators[one], one))
    regions = sorted(set(shown["region"]), key=lambda region: (not region, region))
    return [
        *(_facet(key, shown[COLUMNS.get(key, key)].tolist(), values) for key, values in verdicts.items()),
        _facet("region", shown["region"].tolist(), regions, [one.replace("'", "’") for one in regions]),
        _facet("department", shown["department"].tolist(), codes, [place_name(code) for code in codes]),
        _facet("operator", shown["operator_id"].tolist(), named, [operators[one] or one for one in named]),
    ]


def place_name(code: str) -> str:
    """Return what to call a département, "" of none.

    >>> place_name("95")
    'Val-d’Oise (95)'
    """
    return f"{DEPARTMENTS[code]} ({code})".replace("'", "’") if code in DEPARTMENTS else code


def _facet(
    key: str, column: Sequence[str], values: Sequence[str], names: Sequence[str] = ()
) -> dict[str, Any]:
    places = {value: place for place, value in enumerate(values)}
    return {
        "key": key,
        "values": [visible(value) for value in values],
        "names": [_cut(name) for name in names],  # of a verdict the script has words for
        "column": [places[value] for value in column],
    }


def _gathered(listed: pd.DataFrame, names: Sequence[str], values: Iterable[Hashable]) -> list[list[Any]]:
    """Return for each domain the distinct values of its rows, of one value a row of the list."""
    told: defaultdict[str, dict[Hashable, None]] = defaultdict(dict)
    for domain, value in zip(listed["domain"].tolist(), values, strict=True):
        told[domain][value] = None
    return [list(told[name]) for name in names]


def _contacts(
    space: TrustSpace, listed: pd.DataFrame, names: Sequence[str], texts: _Once
) -> dict[str, list[list[int]]]:
    """Return for each domain its distinct contacts; two of the list that differ look different."""
    hidden = masks(Person(text) for column in CONTACTS for text in listed[column].unique())
    shown = {
        person.text: texts(_cut(person.text if space.show_contacts else mask))
        for person, mask in hidden.items()
    }
    told = {column: listed[listed[column] != ""] for column in CONTACTS}
    return {column: _gathered(rows, names, rows[column].map(shown)) for column, rows in told.items()}


def _findings(
    space: TrustSpace, findings: pd.DataFrame, unsure: Doubts, names: set[str], texts: _Once
) -> tuple[dict[str, list[int]], list[list[Any]]]:
    """Return the findings that touch each domain, and of each that touches one what is said of it.

    That is its rule, its severity, whether it asks for something, what is observed and expected, since when,
    how many domains it touches, its remedy, and the inputs in doubt where it is not known to hold.
    """
    touching: defaultdict[str, list[int]] = defaultdict(list)
    told: list[list[Any]] = []
    touched = domains_touched(space.audited, findings)
    for finding, own in zip(findings.to_dict("records"), touched, strict=True):
        if not (here := own & names):
            continue
        for name in here:
            touching[name].append(len(told))
        severity, rule = str(finding["severity"]), catalogue()[finding["rule"]]
        doubt = [aged(name, days) for name, days in unsure.get(finding["fingerprint"], {}).items()]
        told.append(
            [
                rule.code,
                severity,
                int(severity != "info" and finding["confidence"] != "hint"),
                texts(_cut(finding["observed"])),
                texts(_cut(finding["expected"])),
                texts(finding["first_seen"][:10]),
                finding["domains"],
                texts(visible(typeset(sentence(rule, "remedy", finding["facts"])))),
                texts(listing(doubt)),
            ]
        )
    return touching, told


def _codes(codes: Iterable[str]) -> dict[str, list[str]]:
    """Return for each code of `why` its words, and what to do where it is no rule's."""
    known = causes()
    return {
        code: [typeset(reason(code)), known[code][f"do_{current_language()}"] if code in known else ""]
        for code in sorted(codes)
    }


def _presented(space: TrustSpace, places: Mapping[str, int], texts: _Once) -> dict[int, list[list[int]]]:
    """Return for each row whose servers were seen: host, name of the certificate, its end, days to it."""
    found: defaultdict[int, list[list[int]]] = defaultdict(list)
    for told in expiries(space).to_dict("records"):
        if told["domain"] in places:
            until = f"{told['until']:%Y-%m-%d}"
            values = [texts(_cut(told["host"])), texts(_cut(told["name"])), texts(until), told["days"]]
            found[places[told["domain"]]].append(values)
    return found


def _moves(space: TrustSpace, places: Mapping[str, int], texts: _Once) -> dict[int, list[list[int]]]:
    """Return for each row whose servers' certificates changed: host, day, kind, order, days to spare."""
    found: defaultdict[int, list[list[int]]] = defaultdict(list)
    for told in renewals(space).to_dict("records"):
        parts = (told["host"], f"{told['at']:%Y-%m-%d}", told["kind"], told["order"])
        for name in places.keys() & set(told["domains"]):
            found[places[name]].append([*(texts(_cut(part)) for part in parts), told["spare"]])
    return found


def _history(space: TrustSpace, places: Mapping[str, int]) -> dict[str, Any]:
    """Return since when domains are listed and what changed when, as the lists of the archive have it.

    ``lists``: their days. ``rows``: for each row in one of them the first list it is in and, for each later
    one with a value that it never had before, that list's place and which of `CHANGES`, as bits.
    """
    archive = space.archive
    unknown: dict[str, Any] = {"lists": [], "rows": {}}
    if archive is None:
        return unknown
    try:
        history = archive.history
    except InputError:  # a list of it cannot be read: nothing is known rather than half of it
        return unknown
    times = [pd.Timestamp(one.generated_at) for one in archive.until(space.as_of)]
    known = {time: at for at, time in enumerate(times)}
    history = history[history["domain"].isin(places.keys()) & history["first_seen"].isin(times)]
    history = history.sort_values("first_seen", kind="stable")
    had: defaultdict[str, list[set[str]]] = defaultdict(lambda: [set() for _ in CHANGES])
    found: dict[str, dict[int, int]] = {}
    parts = (history[name].tolist() for name in ("domain", "first_seen", *CHANGES))
    for domain, time, *values in zip(*parts, strict=True):
        steps = found.setdefault(domain, {known[time]: 0})
        for bit, (value, before) in enumerate(zip(values, had[domain], strict=True)):
            if value not in before:
                steps[known[time]] = steps.get(known[time], 0) | 1 << bit
                before.add(value)
    rows = {
        places[domain]: [next(iter(steps)), *([at, bits] for at, bits in list(steps.items())[1:])]
        for domain, steps in found.items()
    }
    return {"lists": [f"{time:%Y-%m-%d}" for time in times], "rows": rows}
