"""What is wrong with a register, for whoever keeps it: where, what, and what to type instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import pandas as pd

from mssante_audit.audits.declarations.rules import READING, form_findings
from mssante_audit.base.text import is_hidden, visible
from mssante_audit.base.typography import TYPOGRAPHY, words_of
from mssante_audit.declarations.headings import Field, fields, suggestion
from mssante_audit.declarations.mend import Mended
from mssante_audit.declarations.register import Register
from mssante_audit.declarations.values import KINDS
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.frame import NO_ENTRIES, Finding, findings_frame
from mssante_audit.findings.places import Place, row_ranges
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence, worded

_TOLD = words_of("mssante_audit.audits.declarations")
WORDS: Mapping[str, Mapping[str, str]] = _TOLD | {
    "fr": {name: TYPOGRAPHY["fr"].typeset(text) for name, text in _TOLD["fr"].items()}
}
"""By language and name."""
FEW = 3
"""Rows up to which each has its own line; of more that say the same, one line tells."""
MOST = 20
"""Lines that say one thing of the same fields in other words; those after them are told by one."""
MENDED_BY_READER = (
    "leading-zero", "decimals", "date-number", "formula", "struck-row", "headings-again", "remark",
)  # fmt: skip
"""Kinds of problems that are none any more in a register that is written again."""
MANY = 20_000
"""Times that one rule is told, and kinds of cells that one doubt is; a register with more is no register."""
RANGES = 20
"""Ranges of rows that one line names."""

TO_DO = (
    "DECL_CONTRACT_SEVERAL", "DECL_CONTRACT_SHARED", "DECL_DATE_FUTURE", "DECL_DEPARTMENT",
    "DECL_DOMAIN_OUTSIDE", "DECL_WITHDRAWAL_CONTRADICTED",
)  # fmt: skip
"""Rules of one field that another text in it does not settle."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that is wrong, in one row or in many."""

    severity: str
    code: str
    file: str
    rows: tuple[int, ...]
    """None of them for what concerns a file as a whole."""
    columns: tuple[str, ...]
    """The form's fields concerned."""
    text: str
    """What is wrong, and what to type instead, in words."""


def messages(
    register: Register, as_of: datetime, *, language: str = "fr", show_contacts: bool = False
) -> list[Message]:
    """Return what is wrong with a register, in order of file and row; what repeats is one message.

    Declarations of after the day of `as_of` lie in the future; `show_contacts` names persons as they are.
    """
    of_cells = _of_cells(register, language, show_contacts)
    return sorted([*of_cells, *_of_rules(register, as_of, language, show_contacts)], key=_order)


def line(message: Message, register: Register, language: str = "fr") -> str:
    """Return a message with where it is: file, sheet, row, and the form's own label."""
    words = WORDS[language]
    sheet = register.sheets.get(message.file, "")
    place = [visible(message.file), words["sheet"].format(visible(sheet)) if sheet else ""]
    if message.rows:
        place.append(_numbered(message.rows, language))
    labels = " – ".join(words["quoted"].format(label(name)) for name in message.columns)
    return words["colon"].join(filter(None, [", ".join(filter(None, place)), labels, message.text]))


def bounded(told: Sequence[Message], language: str = "fr") -> list[Message]:
    """Return messages of which at most `MOST` say one thing of the same fields, the others told at once."""
    groups: dict[tuple[Any, ...], list[Message]] = {}
    for one in told:
        groups.setdefault((one.file, one.code, one.columns), []).append(one)
    kept: list[Message] = []
    for same in groups.values():
        kept += same[:MOST]
        if rest := same[MOST:]:
            code, rows = rest[0].code, tuple(sorted({row for one in rest for row in one.rows}))
            text = WORDS[language]["more"].format(len(rest), _text(code, "title", language), code)
            kept.append(replace(rest[0], rows=rows, text=text))
    return sorted(kept, key=_order)


def _order(one: Message) -> tuple[Any, ...]:
    return one.file, one.rows[:1], one.columns, one.code


def notes(told: Sequence[Message]) -> dict[tuple[str, int], dict[str, list[str]]]:
    """Return what is wrong by file and row: the texts of each column (`declarations.write.Notes`)."""
    found: dict[tuple[str, int], dict[str, list[str]]] = {}
    for one in told:
        for row in one.rows:
            for name in one.columns:
                found.setdefault((one.file, row), {}).setdefault(name, []).append(one.text)
    return found


@cache
def label(name: str) -> str:
    """Return what the form calls a field, or the template where the form prints that several times."""
    if name not in fields():
        return visible(name)
    printed = Counter(field.form for field in fields().values())
    field = fields()[name]
    return field.form if field.form and printed[field.form] == 1 else field.label


def _instead(field: Field, language: str) -> str:
    words = WORDS[language]
    free = field.kind == "text" and language == "fr"
    return words["type"].format(field.help if free else words[f"kind-{field.kind}"])


def _at(column: str, rows: Sequence[int], language: str) -> str:
    place = _numbered(rows, language) if any(rows) else ""
    named = WORDS[language]["quoted"].format(label(column)) if column else ""
    return " ".join(filter(None, [named, place]))


def _numbered(rows: Sequence[int], language: str) -> str:
    """Return rows as ranges, of more than `RANGES` the first ones and how many rows there are."""
    words, ranges = WORDS[language], row_ranges(rows).split(", ")
    if len(ranges) > RANGES:
        ranges[RANGES:] = [words["in-all"].format(len(rows))]
    return words["rows" if len(rows) > 1 else "row"].format(", ".join(ranges))


def _rest(code: str, file: str, language: str) -> Message:
    text = WORDS[language]["over"].format(MANY, _text(code, "title", language), code)
    return Message(rule(code).severity, code, file, (), (), text)


def _of_cells(register: Register, language: str, show_contacts: bool) -> Iterator[Message]:
    problems = register.problems.assign(row=register.problems["row"].fillna(0).astype("int64"))
    for (file, kind), group in problems.groupby(["file", "kind"], sort=False):
        level = KINDS[str(kind)].level
        if (level == "recovered" or kind == "column-missing") and len(group) > FEW:
            yield _repeated(str(file), str(kind), group, language)
            continue
        for number, ((column, value), same) in enumerate(group.groupby(["column", "value"], sort=False)):
            if number == MANY:
                yield _rest(READING[level], str(file), language)
                break
            rows = tuple(row for row in same["row"].tolist() if row)
            each = [(row,) for row in rows] if len(rows) <= FEW else [rows]
            for those in each or [()]:
                place = (str(file), those, str(column))
                cell = _cell(register, *place, show_contacts) if kind == "control" else ""
                yield _of_cell(*place, str(kind), str(value), cell, language)


def _of_cell(
    file: str, rows: tuple[int, ...], column: str, kind: str, value: str, cell: str, language: str
) -> Message:
    words, level, told = WORDS[language], KINDS[kind].level, _ruled(kind)
    held = visible(value.strip(" ()"), spaces=True) if value.strip() and level != "column" else None
    text = _said(kind, language, column, cell if kind == "control" else held)
    if column in fields() and level == "unread":
        text = f"{text}. {_instead(fields()[column], language)}"
    elif kind == "column-unknown" and (near := suggestion(column)):
        text = f"{text}. {words['meant'].format(near)}"
    elif kind in ("column-unknown", "column-ambiguous"):
        text = f"{text}. {words['do'].format(_text(told.code, 'remedy', language))}"
    text = f"{text.rstrip('.')} ({told.code})"
    return Message(told.severity, told.code, file, rows, (column,) if column else (), text)


def _ruled(kind: str) -> Rule:
    return rule(READING[KINDS[kind].level])


def _said(kind: str, language: str, column: str = "", value: str | None = None) -> str:
    """Return how the rule of a kind of problem words it."""
    values = [value] if value is not None else []
    facts = {"field": {"column": column, "label": ""}, "kind": kind, "values": values, "evidence": ""}
    return sentence(_ruled(kind), "observed", facts, language)


def _repeated(file: str, kind: str, group: pd.DataFrame, language: str) -> Message:
    """Return one message on cells that were all read with the same doubt."""
    told, by_column = _ruled(kind), group.groupby("column", sort=False)
    where = [_at(str(name), [*map(int, same["row"])], language) for name, same in by_column]
    text = WORDS[language]["times"].format(len(group), _said(kind, language), " ; ".join(where))
    return Message(told.severity, told.code, file, (), (), f"{text} ({told.code})")


def _cell(register: Register, file: str, rows: tuple[int, ...], column: str, show_contacts: bool) -> str:
    """Return the first of some cells with what is invisible in it visible: of a person's, only that."""
    every = register.declarations
    if column not in fields() or not rows:
        return ""
    found = every.loc[(every["file"] == file) & (every["row"] == rows[0]), column]
    text = str(found.iloc[0]) if len(found) else ""
    if fields()[column].personal and not show_contacts:
        return ", ".join(visible(character) for character in dict.fromkeys(text) if is_hidden(character))
    return visible(text, spaces=True)


def _of_rules(register: Register, as_of: datetime, language: str, show_contacts: bool) -> Iterator[Message]:
    counts: Counter[str] = Counter()
    found = findings_frame(_some(form_findings(register, as_of, each=True), counts), NO_ENTRIES)
    yield from (_rest(code, register.source, language) for code, n in counts.items() if n > MANY)
    raw = found[~found["rule"].isin(READING.values())]
    told = worded(raw, language=language, show_contacts=show_contacts)
    groups: dict[tuple[Any, ...], list[tuple[int, ...]]] = {}
    for one in told.to_dict("records"):
        files: dict[str, list[Place]] = {}
        for place in one["where"]:
            files.setdefault(place.file, []).append(place)
        for file, own in files.items():
            columns = tuple(place.column for place in own if place.column)
            key = (one["rule"], str(one["severity"]), file, columns, one["observed"], one["expected"])
            groups.setdefault(key, []).append(own[0].rows)
    for (code, severity, file, columns, observed, expected), places in groups.items():
        together = len(places) > FEW
        for rows in [tuple(sorted({row for place in places for row in place}))] if together else places:
            text = _of_rule(code, columns, observed, expected, language)
            yield Message(severity, code, file, rows, columns, text)


def _some(found: Iterable[Finding], counts: Counter[str]) -> Iterator[Finding]:
    """Yield findings, of each rule at most `MANY`, and count them."""
    for one in found:
        counts[one.rule] += 1
        if counts[one.rule] <= MANY:
            yield one


def _of_rule(code: str, columns: Sequence[str], observed: str, expected: str, language: str) -> str:
    words = WORDS[language]
    title = _text(code, "title", language)
    named = observed in {fields()[name].label for name in columns}
    text = f"{title} ({observed})" if observed and not named else title
    if expected:
        text = f"{text}. {words['right'].format(expected)}"
    if len(columns) == 1 and code not in TO_DO:
        text = f"{text}. {_instead(fields()[columns[0]], language)}"
    else:
        text = f"{text}. {words['do'].format(_text(code, 'remedy', language))}"
    return f"{text.rstrip('.')} ({code})"


def _text(code: str, part: str, language: str) -> str:
    return str(getattr(rule(code), f"{part}_{language}")).strip()


def summary(register: Register, told: Sequence[Message], language: str = "fr") -> list[str]:
    """Return the lines that sum up: sheets that were not read, and how much there is to do."""
    words = WORDS[language]

    def named(names: Sequence[str]) -> str:
        quoted = [words["quoted"].format(visible(name)) for name in names]
        return TYPOGRAPHY[language].listing(quoted)

    lines = [
        words["unread"].format(visible(file), named(names), visible(register.sheets[file]))
        for file, names in register.unread.items()
        if names
    ]
    todo = sum(one.severity in ("warning", "error", "critical") for one in told)
    count, counts = len(register.declarations), {"todo": todo, "look": len(told) - todo}
    found = [words[f"{name}{'s' if n > 1 else ''}"].format(n) for name, n in counts.items() if n]
    several = count > 1 if language == "fr" else count != 1
    many = words["declarations" if several else "declaration"].format(count)
    ends = words["colon"].join([visible(register.source), many])
    return [*lines, f"{ends}, {words['and'].join(found) or words['nothing']}"]


def mendings(register: Register, done: Sequence[Mended], language: str = "fr") -> list[str]:
    """Return what was put right, a line for each way: by the reader, and by `declarations.mend`."""
    words = WORDS[language]
    by_reader = register.problems[register.problems["kind"].isin(MENDED_BY_READER)]
    ways: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for (kind, column), same in by_reader.groupby(["kind", "column"], sort=False):
        ways.setdefault(_said(str(kind), language), []).append((str(column), tuple(map(int, same["row"]))))
    for one in done:
        ways.setdefault(words[one.what], []).append((one.column, one.rows))
    lines = []
    for what, places in ways.items():
        where = [_at(name, rows, language) for name, rows in places]
        count = sum(len(rows) for _, rows in places)
        lines.append(words["mended"].format(count, words["colon"].join([what, " ; ".join(where)])))
    return lines
