"""The explorer's page: one file that asks for nothing, with the domains of a space packed inside.

Texts are there once and columns point at them; everything they say comes from the frames of domains,
findings, contacts, certificates and the archive. Nothing of it is HTML, no character is invisible, and
persons are masked unless the space shows contacts.
"""

import gzip
import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import count as count_from
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import audit_all
from mssante_audit.base import errors, export, resources
from mssante_audit.base import language as spoken
from mssante_audit.base.markup import visible
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.words import sentence
from mssante_audit.report import charts, first, page, results, tables
from mssante_audit.report.findings import title_of
from mssante_audit.report.html import macro, template
from mssante_audit.space.states import aged
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts import words as told
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, RESULTS
from mssante_audit.verdicts.domains import answers, domains_touched, doubts
from mssante_audit.verdicts.domains import domains as domains_frame
from mssante_audit.verdicts.presented import expiries, renewals
from mssante_audit.whitelist.search import WORDS, documents

FILE = "explorer.html"
"""What it is called beside reports and in a site."""
PARTS = ("search", "columns", "map", "card", "explorer")
"""Files of the script, in order."""
TEXT = 300
"""Characters of one text that are shown."""
WORST_FIRST = {"arrives": ("no", "degraded", "unknown", "yes"), "order": ("urgent", "todo", "unknown", "ok")}
"""Answers to each question, in the order of the rows."""
CHANGES = ("dn", "description", "project_contact", "support_contact")
"""What may change of a listed domain, in the order of the bits that say so."""
CONTACTS = ("support_contact", "project_contact")
Places = defaultdict[Any, int]
"""Values that are each kept once and known by their place."""


@dataclass(frozen=True, slots=True)
class Explorer:
    """An explorer's page; in a notebook it shows itself."""

    html: str = field(repr=False)

    def save(self, path: str | Path) -> None:
        """Write the page into a file of its own, or raise an `OutputError`."""
        export.write_bytes(Path(path), self.html.encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        # In a sandbox without an origin: it can reach nothing of the notebook it stands in.
        return macro("pieces.explorer", self.html)


def explore(space: TrustSpace, *, domains: Collection[str] | None = None, language: str = "") -> Explorer:
    """Return the explorer of a space: its domains (all, or those given), to search, filter and look at.

    `language` is ``fr`` or ``en``; the current language if "".
    """
    with spoken.using_language(language or spoken.current_language()):
        findings, shown = audit_all(space), domains_frame(space)
        if domains is not None:
            shown = shown[shown["domain"].isin(set(domains))]
        return Explorer(explorer_html(space, findings, shown))


def explorer_html(
    space: TrustSpace,
    findings: pd.DataFrame,
    domains: pd.DataFrame,
    *,
    pages: Mapping[str, Sequence[str]] | None = None,
    home: str = "",
) -> str:
    """Return the explorer's page of some domains.

    `pages` says where more is said of an operator, by its identifier: its page and its dossier, "" for none;
    `home` where the page belongs, "" if it stands alone.
    """
    language, asked = spoken.current_language(), first.question(domains)
    parts = [(files(__package__) / f"{part}.js").read_text(encoding="utf-8") for part in PARTS]
    code = "\n".join([tables.script(), *parts]).replace("\r\n", "\n")
    words, checks = spoken.words_of("mssante_audit.report.explorer")[language], told.CHECK_NAMES[language]
    content = explorer_data(space, findings, domains) | {
        "words": {**words["script"], "colon": spoken.colon(), "semicolon": spoken.semicolon()},
        "checks": checks,
        "spoken": WORDS,
        "receiving": told.RECEIVING[language],
        "tiles": {c: [*at, _place(c)] for c, at in charts.tile_places(collectivities=True).items()},
        "outlines": resources.table_of("mssante_audit.report.explorer", "outlines.toml"),
        "pages": {visible(operator): list(places) for operator, places in (pages or {}).items()},
    }
    counts = []
    for axis in sorted(first.QUESTIONS, key=lambda axis: axis != asked):
        held = zip(answers(domains)[axis].items(), words["script"]["values"][axis], strict=True)
        counts.append((axis, [(a, n, first.MARKS[first.RESULT_OF[a]], text) for (a, n), text in held]))
    return template("explorer.html.j2").render(
        title=first.question_asked(domains), words={**words["page"], "colon": spoken.colon()}, counts=counts,
        answer=first.answer(domains), policy=page.policy_of(tables.source_of(code)), script=code, home=home,
        style=(files(__package__) / "explorer.css").read_text(encoding="utf-8"), data=packed(content),
        doubts=[told.DOUBTS[language][d] for d in space.list_doubts], provenance=results.provenance(space),
        blind=[checks[c] for c in CHECKS if len(domains) and (domains[c] == "unknown").all()],
    )  # fmt: skip


def packed(content: Mapping[str, Any]) -> str:
    """Return JSON that a page may hold anywhere, and small: compressed, in letters and digits."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return b64encode(gzip.compress(text, mtime=0)).decode("ascii")


def explorer_data(space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame) -> dict[str, Any]:
    """Return what the explorer's script reads of some domains and all findings, as JSON types.

    ``rows``: columns, a value a domain, the worst first and of these the one with most mailboxes; what is no
    number of its own is the place of something in ``texts``, ``whys``, ``findings``. ``facets``: what is
    filtered by, with the place of each domain's value. The others: by the place of a row.
    """
    boxes, asked = domains["mailboxes"].fillna(0).astype("int64"), first.question(domains)
    ranks = domains[first.COLUMNS[asked]].map(WORST_FIRST[asked].index)
    ordered = domains.assign(rank=ranks, boxes=-boxes).sort_values(["rank", "boxes", "domain"], kind="stable")
    names: list[str] = ordered["domain"].tolist()
    places = {name: place for place, name in enumerate(names)}
    listed = space.audited[space.audited["domain"].isin(set(names))]
    descriptions, owners = (list(map(space.shown, listed[name])) for name in ("description", "operator"))
    listed = listed.assign(description=descriptions, operator=owners)  # as the findings have them
    ordered = ordered.assign(operator=list(map(space.shown, ordered["operator"])))
    whys, texts = (Places(count_from().__next__) for _ in range(2))

    def gathered(*columns: str) -> list[list[Any]]:
        placed = (map(texts.__getitem__, map(_cut, listed[column])) for column in columns)
        return _gathered(listed, names, zip(*placed, strict=True))

    found_by = {found.domain: found.other for found in documents(listed)}
    touching, shown = _findings(space, findings, domains, set(names), texts)
    described = _gathered(listed, names, map(_cut, listed["description"]))
    rows: dict[str, list[Any]] = {
        "domain": [visible(space.shown(name)) for name in names],
        "description": [" / ".join(each) for each in described],
        "boxes": [None if pd.isna(n) else int(n) for n in ordered["mailboxes"]],
        "why": [whys[tuple((c, tuple(codes)) for c, codes in why.items())] for why in ordered["why"]],
        "method": [texts[method] for method in ordered["method"]],
        "observed": [texts["" if pd.isna(at) else f"{at:%Y-%m-%d}"] for at in ordered["observed_at"]],
        "found_by": [texts[visible(found_by[name])] for name in names],
        "owners": gathered("operator_id", "operator"),
        "certificates": gathered("cn", "igc"),
    }
    every = (text for column in CONTACTS for text in listed[column].unique())
    masks = {text: texts[_cut(mask)] for text, mask in space.shown_contacts(every).items()}
    for column in CONTACTS:  # two of the list that differ look different
        given = listed[listed[column] != ""]
        rows[column] = _gathered(given, names, given[column].map(masks))
    rows["findings"] = [touching.get(name, []) for name in names]
    codes = sorted({code for why in whys for _, codes in why for code in codes})
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
        "codes": {c: [spoken.typeset(told.reason(c)), told.causes().get(c, {}).get("do", "")] for c in codes},
        "rules": {r.code: [title_of(r.code), r.manager, r.check] for r in rules},
    }


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= TEXT else f"{shown[:TEXT]}…"


def _facets(shown: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what domains are filtered by: verdicts (the script has words for), places, operators."""
    verdicts: dict[str, tuple[str, ...]] = {"arrives": RECEIVES, "order": ORDERS}
    verdicts |= dict.fromkeys(CHECKS, RESULTS) | {"severity": (*reversed(SEVERITIES), "")}
    operators = dict(zip(shown["operator_id"], shown["operator"], strict=True))
    codes = sorted(set(shown["department"]), key=lambda code: (not code, code))
    identifiers = sorted(operators, key=lambda i: (not i, operators[i], i))
    regions = sorted(set(shown["region"]), key=lambda region: (not region, region))
    parts: list[tuple[str, str, Sequence[str], Sequence[str]]] = [
        *((key, first.COLUMNS.get(key, key), values, ()) for key, values in verdicts.items()),
        ("region", "region", regions, [name.replace("'", "’") for name in regions]),
        ("department", "department", codes, list(map(_place, codes))),
        ("operator", "operator_id", identifiers, [operators[i] or i for i in identifiers]),
    ]
    facets = []
    for key, column, values, names in parts:
        places = {value: place for place, value in enumerate(values)}
        texts = {"values": [visible(value) for value in values], "names": [_cut(name) for name in names]}
        facets.append({"key": key, **texts, "column": [places[value] for value in shown[column].tolist()]})
    return facets


def _place(code: str) -> str:
    """Return what to call a département, "" of none."""
    return f"{DEPARTMENTS[code]} ({code})".replace("'", "’") if code in DEPARTMENTS else code


def _gathered(listed: pd.DataFrame, names: Sequence[str], values: Iterable[Hashable]) -> list[list[Any]]:
    """Return for each domain the distinct values of its rows, of one value a row of the list."""
    distinct: defaultdict[str, dict[Hashable, None]] = defaultdict(dict)
    for domain, value in zip(listed["domain"].tolist(), values, strict=True):
        distinct[domain][value] = None
    return [list(distinct[name]) for name in names]


def _findings(
    space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame, names: set[str], texts: Places
) -> tuple[dict[str, list[int]], list[list[Any]]]:
    """Return the findings that touch each domain, and of each that touches one what is said of it.

    That is its rule, its severity, whether it asks for something, what is observed and expected, since when,
    how many domains it touches, its remedy, and the inputs in doubt where it is not known to hold.
    """
    touching: defaultdict[str, list[int]] = defaultdict(list)
    shown: list[list[Any]] = []
    unsure, touched = doubts(space, findings, domains), domains_touched(space.audited, findings)
    for finding, its in zip(findings.to_dict("records"), touched, strict=True):
        if not (here := its & names):
            continue
        for name in here:
            touching[name].append(len(shown))
        severity, rule = str(finding["severity"]), catalogue()[finding["rule"]]
        doubt = [aged(name, days) for name, days in unsure.get(finding["fingerprint"], {}).items()]
        asks = int(severity != "info" and finding["confidence"] != "hint")
        words = [_cut(finding["observed"]), _cut(finding["expected"]), finding["first_seen"][:10]]
        remedy = visible(spoken.typeset(sentence(rule, "remedy", finding["facts"])))
        placed = [texts[text] for text in (*words, remedy, spoken.listing(doubt))]
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
    except errors.InputError:  # a list of it cannot be read: nothing is known rather than half of it
        return unknown
    times = [pd.Timestamp(held.generated_at) for held in archive.until(space.as_of)]
    known = {time: at for at, time in enumerate(times)}
    history = history[history["domain"].isin(places.keys()) & history["first_seen"].isin(times)]
    history = history.sort_values("first_seen", kind="stable")
    new = [~history.duplicated(["domain", name]) for name in CHANGES]
    found: dict[str, dict[int, int]] = {}
    for domain, time, *changed in zip(history["domain"], history["first_seen"], *new, strict=True):
        steps, bits = found.setdefault(domain, {known[time]: 0}), sum(b << at for at, b in enumerate(changed))
        if bits:
            steps[known[time]] = steps.get(known[time], 0) | bits
    rows = {
        places[domain]: [next(iter(steps)), *([at, bits] for at, bits in list(steps.items())[1:])]
        for domain, steps in found.items()
    }
    return {"lists": [f"{time:%Y-%m-%d}" for time in times], "rows": rows}
