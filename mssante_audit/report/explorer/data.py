"""What the explorer's page holds: the domains of a space as columns of numbers, and what these stand for.

Texts are there once and columns point at them; everything they say comes from the frames of domains,
findings, contacts, certificates and the archive. Nothing of it is HTML, no character is invisible, and
persons are masked unless the space shows contacts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import count as count_from
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import listing, typeset
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
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, RESULTS
from mssante_audit.verdicts.domains import domains_touched, doubts
from mssante_audit.verdicts.presented import expiries, renewals
from mssante_audit.verdicts.words import causes, reason
from mssante_audit.whitelist.search import documents

TEXT = 300
"""Characters of one text that are shown."""

WORST_FIRST = {"arrives": ("no", "degraded", "unknown", "yes"), "order": ("urgent", "todo", "unknown", "ok")}
"""Answers to each question, in the order of the rows."""

CHANGES = ("dn", "description", "project_contact", "support_contact")
"""What may change of a listed domain, in the order of the bits that say so."""

CONTACTS = ("support_contact", "project_contact")


Places = defaultdict[Any, int]
"""Values that are each kept once and known by their place."""


def explorer_data(space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame) -> dict[str, Any]:
    """Return what the explorer's script reads of some domains and all findings, as JSON types.

    ``rows``: columns, a value a domain, the worst first and of these the one with most mailboxes; what is no
    number of its own is the place of something in ``texts``, ``whys``, ``findings``. ``facets``: what is
    filtered by, with the place of each domain's value. The others: by the place of a row.
    """
    boxes = domains["mailboxes"].fillna(0).astype("int64")
    asked = question(domains)
    ranks = domains[COLUMNS[asked]].map(WORST_FIRST[asked].index)
    ordered = domains.assign(rank=ranks, boxes=-boxes).sort_values(["rank", "boxes", "domain"], kind="stable")
    names: list[str] = ordered["domain"].tolist()
    places = {name: place for place, name in enumerate(names)}
    listed = space.audited[space.audited["domain"].isin(set(names))]
    descriptions, owners = (list(map(space.shown, listed[name])) for name in ("description", "operator"))
    listed = listed.assign(description=descriptions, operator=owners)  # as the findings have them
    ordered = ordered.assign(operator=list(map(space.shown, ordered["operator"])))
    whys, texts = (Places(count_from().__next__) for _ in range(2))

    def placed(*columns: str) -> Iterator[tuple[int, ...]]:
        return zip(*(map(texts.__getitem__, map(_cut, listed[column])) for column in columns), strict=True)

    found_by = {found.domain: found.other for found in documents(listed)}
    touching, shown = _findings(space, findings, doubts(space, findings, domains), set(names), texts)
    described = _gathered(listed, names, map(_cut, listed["description"]))
    rows: dict[str, list[Any]] = {
        "domain": [visible(space.shown(name)) for name in names],
        "description": [" / ".join(each) for each in described],
        "boxes": [None if pd.isna(n) else int(n) for n in ordered["mailboxes"]],
        "why": [whys[tuple((c, tuple(codes)) for c, codes in why.items())] for why in ordered["why"]],
        "method": [texts[method] for method in ordered["method"]],
        "observed": [texts["" if pd.isna(at) else f"{at:%Y-%m-%d}"] for at in ordered["observed_at"]],
        "found_by": [texts[visible(found_by[name])] for name in names],
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
        "findings": shown,
        "presented": _presented(space, places, texts),
        "moves": _moves(space, places, texts),
        "history": _history(space, places),
        "contacts": any(any(rows[column]) for column in CONTACTS),  # a snapshot to hand on has none
        "texts": list(texts),
        "whys": [{check: list(codes) for check, codes in why} for why in whys],
        "codes": {
            code: [typeset(reason(code)), causes().get(code, {}).get("do", "")]
            for code in sorted({code for why in whys for _, codes in why for code in codes})
        },
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
    identifiers = sorted(operators, key=lambda i: (not i, operators[i], i))
    regions = sorted(set(shown["region"]), key=lambda region: (not region, region))
    return [
        *(_facet(key, shown[COLUMNS.get(key, key)].tolist(), values) for key, values in verdicts.items()),
        _facet("region", shown["region"].tolist(), regions, [name.replace("'", "’") for name in regions]),
        _facet("department", shown["department"].tolist(), codes, list(map(place_name, codes))),
        _facet(
            "operator", shown["operator_id"].tolist(), identifiers, [operators[i] or i for i in identifiers]
        ),
    ]


def place_name(code: str) -> str:
    """Return what to call a département, "" of none."""
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
    distinct: defaultdict[str, dict[Hashable, None]] = defaultdict(dict)
    for domain, value in zip(listed["domain"].tolist(), values, strict=True):
        distinct[domain][value] = None
    return [list(distinct[name]) for name in names]


def _contacts(
    space: TrustSpace, listed: pd.DataFrame, names: Sequence[str], texts: Places
) -> dict[str, list[list[int]]]:
    """Return for each domain its distinct contacts; two of the list that differ look different."""
    every = (text for column in CONTACTS for text in listed[column].unique())
    shown = {text: texts[_cut(mask)] for text, mask in space.shown_contacts(every).items()}
    given = {column: listed[listed[column] != ""] for column in CONTACTS}
    return {column: _gathered(rows, names, rows[column].map(shown)) for column, rows in given.items()}


def _findings(
    space: TrustSpace, findings: pd.DataFrame, unsure: Doubts, names: set[str], texts: Places
) -> tuple[dict[str, list[int]], list[list[Any]]]:
    """Return the findings that touch each domain, and of each that touches one what is said of it.

    That is its rule, its severity, whether it asks for something, what is observed and expected, since when,
    how many domains it touches, its remedy, and the inputs in doubt where it is not known to hold.
    """
    touching: defaultdict[str, list[int]] = defaultdict(list)
    shown: list[list[Any]] = []
    touched = domains_touched(space.audited, findings)
    for finding, domains in zip(findings.to_dict("records"), touched, strict=True):
        if not (here := domains & names):
            continue
        for name in here:
            touching[name].append(len(shown))
        severity, rule = str(finding["severity"]), catalogue()[finding["rule"]]
        doubt = [aged(name, days) for name, days in unsure.get(finding["fingerprint"], {}).items()]
        asks = int(severity != "info" and finding["confidence"] != "hint")
        words = [_cut(finding["observed"]), _cut(finding["expected"]), finding["first_seen"][:10]]
        remedy = visible(typeset(sentence(rule, "remedy", finding["facts"])))
        placed = [texts[text] for text in (*words, remedy, listing(doubt))]
        shown.append([rule.code, severity, asks, *placed[:3], finding["domains"], *placed[3:]])
    return touching, shown


def _presented(space: TrustSpace, places: Mapping[str, int], texts: Places) -> dict[int, list[list[int]]]:
    """Return for each row whose servers were seen: host, name of the certificate, its end, days to it."""
    found: defaultdict[int, list[list[int]]] = defaultdict(list)
    for end in expiries(space).to_dict("records"):
        if end["domain"] in places:
            parts = (end["host"], end["name"], f"{end['until']:%Y-%m-%d}")
            found[places[end["domain"]]].append([*(texts[_cut(part)] for part in parts), end["days"]])
    return found


def _moves(space: TrustSpace, places: Mapping[str, int], texts: Places) -> dict[int, list[list[int]]]:
    """Return for each row whose servers' certificates changed: host, day, kind, order, days to spare."""
    found: defaultdict[int, list[list[int]]] = defaultdict(list)
    for move in renewals(space).to_dict("records"):
        parts = (move["host"], f"{move['at']:%Y-%m-%d}", move["kind"], move["order"])
        for name in places.keys() & set(move["domains"]):
            found[places[name]].append([*(texts[_cut(part)] for part in parts), move["spare"]])
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
    times = [pd.Timestamp(held.generated_at) for held in archive.until(space.as_of)]
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
