"""The explorer's page: one file that asks for nothing, with the domains of a space packed inside.

Texts are there once and columns point at them. Nothing of them is HTML, no character is invisible, and
persons are masked unless the space shows contacts.
"""

import gzip
import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count as count_from
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import audit_all
from mssante_audit.base import errors, export, language, resources
from mssante_audit.base.language import current_language, using_language
from mssante_audit.base.markup import visible
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.templates import sentence
from mssante_audit.report import charts, first, results, tables
from mssante_audit.report.findings import title_of
from mssante_audit.report.html import macro, shipped, template
from mssante_audit.report.parameters import check_value
from mssante_audit.snapshot.make import unnamed_rows
from mssante_audit.space.states import aged
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts import words as verdict
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, RESULTS
from mssante_audit.verdicts.domains import answers, domains_touched, doubts
from mssante_audit.verdicts.domains import domains as domains_frame
from mssante_audit.verdicts.presented import expiries, renewals
from mssante_audit.whitelist.rows import grouped
from mssante_audit.whitelist.search import WORDS, documents

FILE = "explorer.html"  # What it is called beside reports and in a site
PARTS = ("search", "columns", "map", "card", "explorer")  # Files of the script, in order
TEXT = 300  # Characters of one text that are shown
# Answers to each question, in the order of the rows
WORST_FIRST = {"arrives": ("no", "degraded", "unknown", "yes"), "order": ("urgent", "todo", "unknown", "ok")}
# What may change of a listed domain, in the order of the bits that say so
CHANGES = ("dn", "description", "project_contact", "support_contact")
CONTACTS = ("support_contact", "project_contact")
Places = defaultdict[Any, int]  # Values that are each kept once and known by their place


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
    with using_language(check_value("lang", language or current_language())):
        frame = domains_frame(space)
        if domains is not None:
            frame = frame[frame["domain"].isin(set(domains))]
        return Explorer(explorer_html(space, audit_all(space), frame))


def explorer_html(
    space: TrustSpace,
    findings: pd.DataFrame,
    domains: pd.DataFrame,
    *,
    pages: Mapping[str, Sequence[str]] | None = None,
    home: str = "",
) -> str:
    """Return the explorer's page of some domains.

    `pages` has addresses by operator: its page and its dossier, "" for none; `home` is where the page
    belongs, if it does not stand alone.
    """
    lang, question = current_language(), first.question(domains)
    code = "\n".join([tables.script(), *(shipped(f"explorer/{part}.js") for part in PARTS)])
    words = language.words_of("mssante_audit.report.explorer")[lang]
    content = explorer_data(space, findings, domains) | {
        "words": {**words["script"], "colon": language.colon(), "semicolon": language.semicolon()},
        "checks": verdict.CHECK_NAMES[lang],
        "vocabulary": WORDS,
        "receiving": verdict.RECEIVING[lang],
        "tiles": {c: [*at, _place(c)] for c, at in charts.tile_places(collectivities=True).items()},
        "outlines": resources.table_of("mssante_audit.report.explorer", "outlines.toml"),
        "pages": {visible(operator): list(places) for operator, places in (pages or {}).items()},
    }
    counts = []
    for axis in sorted(first.QUESTIONS, key=lambda axis: axis != question):
        named = zip(answers(domains)[axis].items(), words["script"]["values"][axis], strict=True)
        counts.append((axis, [(a, n, first.MARKS[first.RESULT_OF[a]], text) for (a, n), text in named]))
    return template("explorer.html.j2").render(
        title=first.question_asked(domains), answer=first.answer(domains), counts=counts,
        part=len(domains), whole=len(domains_frame(space)),
        words={**words["page"], "colon": language.colon()}, blind=first.unchecked(domains), home=home,
        script=code, style=shipped("explorer/explorer.css"), data=packed(content),
        doubts=[verdict.DOUBTS[lang][d] for d in space.list_doubts], provenance=results.provenance(space),
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
    question = first.question(domains)
    ranks = domains[first.COLUMNS[question]].map(WORST_FIRST[question].index)
    ordered = domains.assign(rank=ranks, boxes=-domains["mailboxes"].fillna(0).astype("int64"))
    ordered = ordered.sort_values(["rank", "boxes", "domain"], kind="stable")
    names: list[str] = ordered["domain"].tolist()
    places = {name: place for place, name in enumerate(names)}
    listed = space.audited[space.audited["domain"].isin(set(names))]
    if not space.show_contacts:
        listed = unnamed_rows(space, listed, "description", "operator")
    ordered = ordered.assign(operator=list(map(space.shown, ordered["operator"])))
    whys, texts = (Places(count_from().__next__) for _ in range(2))

    def gathered(*columns: str) -> list[list[Any]]:
        placed = (map(texts.__getitem__, map(_cut, listed[column])) for column in columns)
        return _gathered(listed, names, zip(*placed, strict=True))

    found_by = {document.domain: document.other for document in documents(listed)}
    touching, records = _findings(space, findings, domains, set(names), texts)
    described = _gathered(listed, names, map(_cut, listed["description"]))
    rows: dict[str, list[Any]] = {
        "domain": [visible(space.shown(name)) for name in names],
        "description": [" / ".join(parts) for parts in described],
        "boxes": [None if pd.isna(n) else int(n) for n in ordered["mailboxes"]],
        "why": [whys[tuple((c, tuple(codes)) for c, codes in why.items())] for why in ordered["why"]],
        "method": [texts[method] for method in ordered["method"]],
        "observed": [texts["" if pd.isna(at) else f"{at:%Y-%m-%d}"] for at in ordered["observed_at"]],
        "found_by": [texts[visible(found_by[name])] for name in names],
        "owners": gathered("operator_id", "operator"),
        "certificates": gathered("cn", "igc"),
    }
    contacts = (text for column in CONTACTS for text in listed[column].unique())
    masks = {text: texts[_cut(mask)] for text, mask in space.shown_contacts(contacts).items()}
    for column in CONTACTS:  # two of the list that differ look different
        filled = listed[listed[column] != ""]
        rows[column] = _gathered(filled, names, filled[column].map(masks))
    rows["findings"] = [touching.get(name, []) for name in names]
    causes, codes = verdict.causes(), sorted({code for why in whys for _, codes in why for code in codes})
    rules = [catalogue()[code] for code in sorted(set(findings["rule"]))]
    expiry, moves = expiries(space), renewals(space).explode("domains").rename(columns={"domains": "domain"})
    return {
        "question": question,
        "facets": _facets(ordered),
        "rows": rows,
        "findings": records,
        "presented": _by_row(places, texts, expiry, "host", "name", "until", "days"),
        "moves": _by_row(places, texts, moves, "host", "at", "kind", "order", "spare"),
        "history": _history(space, places),
        "contacts": any(any(rows[column]) for column in CONTACTS),  # a snapshot to hand on has none
        "texts": list(texts),
        "whys": [{check: list(codes) for check, codes in why} for why in whys],
        "codes": {c: [language.typeset(verdict.reason(c)), causes.get(c, {}).get("do", "")] for c in codes},
        "rules": {r.code: [title_of(r.code), r.manager, r.check] for r in rules},
    }


def _cut(text: str) -> str:
    visible_text = visible(text)
    return visible_text if len(visible_text) <= TEXT else f"{visible_text[:TEXT]}…"


def _facets(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what domains are filtered by: verdicts (the script has words for), places, operators."""
    verdicts: dict[str, tuple[str, ...]] = {"arrives": RECEIVES, "order": ORDERS}
    verdicts |= dict.fromkeys(CHECKS, RESULTS) | {"severity": (*reversed(SEVERITIES), "")}
    operators = dict(zip(frame["operator_id"], frame["operator"], strict=True))
    identifiers = sorted(operators, key=lambda i: (not i, operators[i], i))
    codes, regions = (
        sorted(set(frame[name]), key=lambda place: (not place, place)) for name in ("department", "region")
    )

    def facet(key: str, values: Sequence[str], names: Iterable[str] = (), column: str = "") -> dict[str, Any]:
        places = pd.Index(values).get_indexer(pd.Index(frame[column or first.COLUMNS.get(key, key)])).tolist()
        texts = {"values": list(map(visible, values)), "names": list(map(_cut, names))}
        return {"key": key, **texts, "column": places}

    return [
        *(facet(key, values) for key, values in verdicts.items()),
        facet("region", regions, [name.replace("'", "’") for name in regions]),
        facet("department", codes, map(_place, codes)),
        facet("operator", identifiers, [operators[i] or i for i in identifiers], "operator_id"),
    ]


def _place(code: str) -> str:
    """Return what to call a département."""
    return f"{DEPARTMENTS[code]} ({code})".replace("'", "’") if code in DEPARTMENTS else code


def _gathered(listed: pd.DataFrame, names: Sequence[str], values: Iterable[Hashable]) -> list[list[Any]]:
    """Return for each domain the distinct values of its rows, of one value a row of the list."""
    values_of = grouped(zip(listed["domain"].tolist(), values, strict=True))
    return [list(dict.fromkeys(values_of.get(name, ()))) for name in names]


def _findings(
    space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame, names: set[str], texts: Places
) -> tuple[dict[str, list[int]], list[list[Any]]]:
    """Return the findings that touch each domain, and of each that touches one what is said of it.

    That is its rule, its severity, whether it asks for something, what is observed and expected, since when,
    how many domains it touches, its remedy, and the inputs in doubt where it is not known to hold.
    """
    touching: defaultdict[str, list[int]] = defaultdict(list)
    records: list[list[Any]] = []
    unsure, touched = doubts(space, findings, domains), domains_touched(space.audited, findings)
    for finding, touches in zip(findings.to_dict("records"), touched, strict=True):
        if not (common := touches & names):
            continue
        for name in common:
            touching[name].append(len(records))
        severity, rule = str(finding["severity"]), catalogue()[finding["rule"]]
        doubt = [aged(name, days) for name, days in unsure.get(finding["fingerprint"], {}).items()]
        is_action = int(severity != "info" and finding["confidence"] != "hint")
        words = [_cut(finding["observed"]), _cut(finding["expected"]), finding["first_seen"][:10]]
        remedy = visible(language.typeset(sentence(rule, "remedy", finding["facts"])))
        placed = [texts[text] for text in (*words, remedy, language.listing(doubt))]
        records.append([rule.code, severity, is_action, *placed[:3], finding["domains"], *placed[3:]])
    return touching, records


def _by_row(
    places: Mapping[str, int], texts: Places, events: pd.DataFrame, *columns: str
) -> dict[int, list[list[Any]]]:
    """Return of each row the events of its domain: of each some columns, the last one a number."""
    rows, pairs = events[events["domain"].isin(places.keys())], list[tuple[int, list[Any]]]()
    for name, *parts, number in rows[["domain", *columns]].itertuples(index=False, name=None):
        written = (part if isinstance(part, str) else f"{part:%Y-%m-%d}" for part in parts)
        pairs.append((places[name], [*(texts[_cut(part)] for part in written), number]))
    return grouped(pairs)


def _history(space: TrustSpace, places: Mapping[str, int]) -> dict[str, Any]:
    """Return since when domains are listed and what changed when, as the lists of the archive have it.

    ``lists``: their days. ``rows``: for each row in one of them the first list it is in and, for each later
    one with a value that it never had before, that list's place and which of `CHANGES`, as bits.
    """
    if space.archive is None:
        return {"lists": [], "rows": {}}
    try:
        history = space.archive.history
    except errors.InputError:  # a list of it cannot be read: nothing is known rather than half of it
        return {"lists": [], "rows": {}}
    times = [pd.Timestamp(snapshot.generated_at) for snapshot in space.archive.until(space.as_of)]
    history = history[history["domain"].isin(places.keys()) & history["first_seen"].isin(times)]
    history = history.sort_values("first_seen", kind="stable")
    new = {name: ~history.duplicated(["domain", name]) for name in CHANGES}
    changed = history.assign(**new).groupby(["domain", "first_seen"], sort=False)[list(CHANGES)].any()
    rows: dict[int, list[Any]] = {}
    for (domain, time), *flags in changed.itertuples(name=None):
        row = rows.setdefault(places[domain], [])
        if bits := sum(flag << at for at, flag in enumerate(flags)):
            row.append([times.index(time), bits] if row else times.index(time))
    return {"lists": [f"{time:%Y-%m-%d}" for time in times], "rows": rows}
