"""What is wrong with a register, for whoever keeps it: where, what, and what to type instead.

All of it is said in the current language.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from mssante_audit.audits.declarations.proposals import date_from
from mssante_audit.audits.declarations.rules import CODES, READING, form_findings
from mssante_audit.base import language
from mssante_audit.base.settings import Letter
from mssante_audit.base.text import is_hidden, visible
from mssante_audit.declarations.headings import fields, suggestion
from mssante_audit.declarations.mend import Mended
from mssante_audit.declarations.register import Register
from mssante_audit.declarations.values import LEVELS, column_letter
from mssante_audit.findings import findings_frame, rule, worded
from mssante_audit.findings.frame import NO_ENTRIES
from mssante_audit.findings.places import row_ranges
from mssante_audit.findings.templates import sentence
from mssante_audit.whitelist.rows import grouped

_WORDS = language.words_of("mssante_audit.audits.declarations")
FEW = 3  # rows up to which each has its own line; of more that say the same, one line tells
MOST = 20  # lines that say one thing of the same fields in other words; those after them are one line
MANY = 20_000  # lines of one rule in a file, and kinds of cells that one doubt is
RANGES = 20  # ranges of rows that one line names


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that is wrong, in one row or in many."""

    severity: str
    code: str
    file: str
    rows: tuple[int, ...]  # none of them for what concerns a file as a whole
    columns: tuple[str, ...]  # the form's fields concerned
    text: str  # what is wrong, and what to type instead, in words


def messages(register: Register, as_of: datetime, *, show_contacts: bool = False) -> list[Message]:
    """Return what is wrong with a register, in order of file and row; what repeats is one message.

    Declarations of after the day of `as_of` lie in the future; `show_contacts` names persons as they are.
    """
    of_rules = _of_rules(register, as_of, show_contacts)
    return sorted([*_of_cells(register, show_contacts), *of_rules], key=_order)


def line(message: Message, register: Register) -> str:
    """Return a message with where it is: file, sheet, cell or row, and the template's heading."""
    sheet = register.sheets.get(message.file, "")
    where = _numbered(register, message.file, message.rows, message.columns)
    place = [visible(message.file), _phrase("sheet", visible(sheet)) if sheet else "", where]
    labels = " – ".join(_quoted(label(name)) for name in message.columns)
    return language.colon().join(filter(None, [", ".join(filter(None, place)), labels, message.text]))


def bounded(every: Sequence[Message]) -> list[Message]:
    """Return at most `MOST` messages of one code and the same fields, the others merged."""
    limited: list[Message] = []
    for same in grouped(((m.file, m.code, m.columns), m) for m in every).values():
        limited += same[:MOST]
        if rest := same[MOST:]:
            rows = tuple(sorted({row for message in rest for row in message.rows}))
            text = _phrase("more", len(rest), _part(rest[0].code, "title"), rest[0].code)
            limited.append(replace(rest[0], rows=rows, text=text))
    return sorted(limited, key=_order)


def _order(message: Message) -> tuple[Any, ...]:
    return message.file, message.rows[:1], message.columns, message.code


def notes(every: Sequence[Message]) -> dict[tuple[str, int], dict[str, list[str]]]:
    """Return what is wrong by file and row: the texts of each column (`declarations.write.Notes`)."""
    texts = grouped(((m.file, row), (name, m.text)) for m in every for row in m.rows for name in m.columns)
    return {place: grouped(of_row) for place, of_row in texts.items()}


def label(name: str) -> str:
    """Return what the template calls a field."""
    return fields()[name].label if name in fields() else visible(name)


def _phrase(name: str, *values: object) -> str:
    """Return one of our phrases in the current language, filled with values."""
    return language.typeset(_WORDS[language.current_language()][name]).format(*values)


def _part(code: str, name: str) -> str:
    return language.localized(rule(code), name).strip()


def _quoted(text: str) -> str:
    return language.typeset(f"« {text} »") if language.french() else text


def _instead(name: str) -> str:
    field = fields()[name]
    free = field.kind == "text" and language.french()
    return _phrase("type", field.help if free else _phrase(f"kind-{field.kind}"))


def _at(register: Register, file: str, column: str, rows: Sequence[int]) -> str:
    cells = _numbered(register, file, rows, (column,))
    return " ".join(filter(None, [_quoted(label(column)) if column else "", cells]))


def _numbered(register: Register, file: str, rows: Sequence[int], columns: Sequence[str]) -> str:
    """Return rows as ranges, or their cells as spreadsheets name them (``AB18:AB20``), `RANGES` at most."""
    if not any(rows):
        return ""
    places = register.places.get(file, {})
    letters = [column_letter(places[name]) for name in columns] if {*columns} <= {*places} else []
    ranges = row_ranges(rows).split(", ")
    named = [":".join(f"{c}{row}" for row in part.split("-")) for c in letters for part in ranges[:RANGES]]
    noun = ("cell" if letters else "row") + "s" * (len(rows) > 1 or len(letters) > 1)
    rest = [_phrase("in-all", len(rows))] if len(ranges) > RANGES else []
    return _phrase(noun, ", ".join([*(named or ranges[:RANGES]), *rest]))


def _rest(code: str, file: str) -> Message:
    text = _phrase("over", MANY, _part(code, "title"), code)
    return Message(rule(code).severity, code, file, (), (), text)


def _of_cells(register: Register, show_contacts: bool) -> Iterator[Message]:
    problems = register.problems.assign(row=register.problems["row"].fillna(0).astype("int64"))
    for key, group in problems.groupby(["file", "kind"], sort=False):
        file, kind = map(str, key)
        level = LEVELS[kind]
        code = READING[level]
        severity = rule(code).severity
        if (level == "recovered" or kind == "column-missing") and len(group) > FEW:
            by_column = group.groupby("column", sort=False)["row"]
            where = [_at(register, file, str(name), rows.tolist()) for name, rows in by_column]
            text = _phrase("times", len(group), _doubt_text(kind), language.semicolon().join(where))
            yield Message(severity, code, file, (), (), f"{text} ({code})")
            continue
        for number, (cell, same) in enumerate(group.groupby(["column", "value"], sort=False)["row"]):
            if number == MANY:
                yield _rest(code, file)
                break
            column, value = map(str, cell)
            rows = tuple(row for row in same.tolist() if row)
            for row_numbers in [(row,) for row in rows] if 0 < len(rows) <= FEW else [rows]:
                quoted = visible(value.strip(), spaces=True) if value.strip() and level != "column" else None
                if kind == "control":
                    quoted = _cell(register, file, row_numbers, column, show_contacts)
                remedy = _of_cell(kind, level, column, value)
                text = ". ".join(filter(None, [_doubt_text(kind, column, quoted), remedy]))
                columns = (column,) if column else ()
                yield Message(severity, code, file, row_numbers, columns, f"{text.rstrip('.')} ({code})")


def _of_cell(kind: str, level: str, column: str, value: str) -> str:
    """Return what to do about a cell or a column of which the reader is in doubt."""
    if level == "unread" and column in fields():
        write = date_from(value) if kind == "date-two-digits" else ""
        return _phrase("type", write) if write else _instead(column)
    if kind == "column-unknown" and (closest := suggestion(column)):
        return _phrase("meant", closest)
    unclear = kind in ("column-unknown", "column-ambiguous")
    return _phrase("do", _part(READING[level], "remedy")) if unclear else ""


def _doubt_text(kind: str, column: str = "", value: str | None = None) -> str:
    values = [value] if value is not None else []
    facts = {"field": {"column": column, "label": ""}, "kind": kind, "values": values, "evidence": ""}
    return sentence(rule(READING[LEVELS[kind]]), "observed", facts)


def _cell(register: Register, file: str, rows: tuple[int, ...], column: str, show_contacts: bool) -> str:
    """Return the first cell with hidden characters escaped; of a personal field, only those."""
    if column not in fields() or not rows:
        return ""
    frame = register.declarations
    text = "".join(frame.loc[(frame["file"] == file) & (frame["row"] == rows[0]), column][:1])
    if fields()[column].personal and not show_contacts:
        return ", ".join(visible(character) for character in dict.fromkeys(text) if is_hidden(character))
    return visible(text, spaces=True)


def _of_rules(register: Register, as_of: datetime, show_contacts: bool) -> Iterator[Message]:
    by_rule = grouped((finding.rule, finding) for finding in form_findings(register, as_of, each=True))
    yield from (_rest(code, register.source) for code, findings in by_rule.items() if len(findings) > MANY)
    first = (f for code, findings in by_rule.items() if code not in READING.values() for f in findings[:MANY])
    raw = findings_frame(first, NO_ENTRIES)
    lines: dict[tuple[Any, ...], list[tuple[int, ...]]] = {}
    table = worded(raw, contacts="all" if show_contacts else "none")
    columns = (table[name] for name in ("rule", "severity", "where", "observed", "expected"))
    for facts, code, severity, where, observed, expected in zip(raw["facts"], *columns, strict=True):
        write = visible(facts.get("write") or "", spaces=True)
        # What is expected is shown unless it is what to write.
        place = isinstance(facts.get("place"), Mapping) and facts["place"]
        right = expected if place or not expected else "" if write else _phrase("right", expected)
        for file, places in grouped((place.file, place) for place in where).items():
            names = tuple(place.column for place in places if place.column)
            key = (code, str(severity), file, names, observed, right, write)
            lines.setdefault(key, []).append(places[0].rows)
    for (code, severity, file, names, *words), row_groups in lines.items():
        text = _of_rule(code, names, *words)
        for rows in [tuple(sorted({*chain(*row_groups)}))] if len(row_groups) > FEW else row_groups:
            yield Message(severity, code, file, rows, names, text)


def _of_rule(code: str, columns: Sequence[str], observed: str, expected: str, write: str) -> str:
    labels = "|".join(re.escape(fields()[name].label) for name in columns)
    observed = re.sub(rf"^(?:{labels})(?:\s*: |$)", "", observed)
    title = _part(code, "title")
    if write:
        remedy = _phrase("type", write)
    elif len(columns) == 1 and code not in CODES["to_do"]:
        remedy = _instead(columns[0])
    else:
        remedy = _phrase("do", _part(code, "remedy"))
    text = ". ".join(filter(None, [f"{title} ({observed})" if observed else title, expected, remedy]))
    if code in CODES["by_mail"]:
        text = f"{text.rstrip('.')}. {_phrase('mail', Letter().contacts_to)}"
    return f"{text.rstrip('.')} ({code})"


def summary(register: Register, every: Sequence[Message]) -> list[str]:
    """Return the lines that sum up: sheets that were not read, and how much there is to do."""
    lines = []
    for file, names in register.unread.items():
        if names:
            named = language.listing([_quoted(visible(name)) for name in names])
            lines.append(_phrase("unread", visible(file), named, visible(register.sheets[file])))
    todo = sum(message.severity in ("warning", "error", "critical") for message in every)
    count, counts = len(register.declarations), {"todo": todo, "look": len(every) - todo}
    parts = [_phrase(f"{name}{'s' if n > 1 else ''}", n) for name, n in counts.items() if n]
    many = _phrase("declaration" if language.singular(count) else "declarations", count)
    head = language.colon().join([visible(register.source), many])
    to_do = (language.semicolon() if language.french() else ", ").join(parts)
    return [*lines, f"{head}, {to_do or _phrase('nothing')}"]


def mendings(register: Register, done: Sequence[Mended]) -> list[str]:
    """Return a line for each kind of correction, and what the written register leaves out."""
    by_reader = register.problems[register.problems["kind"].isin(CODES["mended_by_reader"])]
    ways = [
        (_doubt_text(str(kind)), (str(file), str(column), tuple(map(int, same["row"]))))
        for (file, kind, column), same in by_reader.groupby(["file", "kind", "column"], sort=False)
    ]
    ways += [(_phrase(mend.what), (mend.file, mend.column, mend.rows)) for mend in done]
    lines = []
    for way, places in grouped(ways).items():
        where = language.semicolon().join(_at(register, *place) for place in places)
        count = sum(len(rows) for _, _, rows in places)
        lines.append(_phrase("mended", count, language.colon().join([way, where])))
    unwritten = register.problems[register.problems["kind"].isin(CODES["not_written"])]
    not_written = _of_cells(replace(register, problems=unwritten), False)
    return [*lines, *(line(message, register) for message in not_written)]
