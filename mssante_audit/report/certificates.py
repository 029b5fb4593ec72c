"""What the report on certificates has of its own: names side by side, ends as a calendar (RFC 5545)."""

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from functools import partial

import pandas as pd

from mssante_audit.base.language import current_language, format_text, using_language
from mssante_audit.base.markup import SHOWN_TEXT, data, visible
from mssante_audit.base.text import compared, likeness
from mssante_audit.report.html import Html, macro, names, paragraph, template
from mssante_audit.report.tables import Cell, cell_of, csv_link, rows_table
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import tuples

COLUMNS = ("Nom présenté", "Nom inscrit le plus proche", "Lignes", "Serveurs", "Opérateur")
# Octets of a calendar's line, without its end (RFC 5545, 3.1); domains and hosts that an event names
WIDTH, MOST = 75, 20
_WORDS = re.compile(r"\w+|\s|[^\w\s]")


def names_compared(findings: pd.DataFrame, *, name: str, limit: int, empty: str) -> Html:
    """Show names presented, of findings, beside the nearest one listed, what differs marked in both."""
    if findings.empty:
        return paragraph("none", empty)
    pairs, groups = [], dict[tuple[str, ...], set[int]]()  # several rules may tell of the same names
    for facts, rows, operator in tuples(findings, "facts", "rows", "operator"):
        presented, listed = str(facts["presented"]), facts.get("wanted") or facts.get("listed") or [""]
        pairs.append((presented, max(listed, key=partial(likeness, presented))))
        groups.setdefault((*pairs[-1], ", ".join(facts["hosts"]), operator), set()).update(rows)
    cells = []
    for (*pair, hosts, operator), numbers in [*groups.items()][:limit]:
        sides = compared(*(_WORDS.findall(visible(text[:SHOWN_TEXT])) for text in pair))
        marked = [Cell(macro("pieces.compared", side), text) for side, text in zip(sides, pair, strict=True)]
        cells.append([*marked, cell_of(len(numbers)), Cell(data(hosts, 200)), Cell(data(operator, 200))])
    frame = pd.DataFrame(pairs, columns=["presented", "listed"])
    frame = frame.join(findings[["rule", "domain", "operator"]].reset_index(drop=True))
    caption = format_text("{n:nom} à comparer, ce qui diffère est souligné", n=len(groups))
    return rows_table(
        name, caption, COLUMNS, cells, csv_link(frame, len(frame) if len(groups) <= limit else limit, name)
    )


def worded_moves(moves: pd.DataFrame) -> pd.DataFrame:
    """Return changes of certificates (`mssante_audit.verdicts.presented`) with words in place of codes."""
    words = {"kind": names("certificate_changes"), "order": names("certificate_orders")}
    replaced = moves["after"].where(moves["kind"] == "replaced", "")
    return moves.assign(after=replaced, **{column: moves[column].map(its) for column, its in words.items()})


def calendar_link(text: str, events: int) -> Html:
    """Return the link to a calendar, held in the report itself."""
    if not events:
        return Html()
    content = b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    return macro("pieces.calendar_link", f"data:text/calendar;charset=utf-8;base64,{content}", events)


def calendar(ends: pd.DataFrame, as_of: datetime, lang: str = "") -> str:
    """Return the ends of certificates as a calendar, an event each, whose identifier is the certificate's.

    `ends` are as `mssante_audit.verdicts.presented.certificates` returns them, known as of `as_of`; `lang` is
    ``fr`` or ``en``, the current language if "".
    """
    boxes = ends["mailboxes"].astype("object")
    counted = ends.assign(mailboxes=boxes.where(boxes.notna(), None))
    with using_language(lang or current_language()):
        lines = template("calendar.ics.j2").render(
            ends=counted.to_dict("records"), as_of=as_of, most=MOST, text=_text,
            cn=lambda name: parse_dn(name).get("CN") or name,
        )  # fmt: skip
    return "".join(f"{part}\r\n" for line in lines.strip("\n").split("\n") for part in _fold(line))


def _text(*lines: str) -> str:
    """Return lines as a value of type TEXT (RFC 5545, 3.3.11)."""
    return r"\n".join(re.sub(r"([\\;,])", r"\\\1", visible(line)) for line in lines if line)


def _fold(line: str) -> Iterator[str]:
    """Yield a line in parts of at most `WIDTH` octets, no character cut in two (RFC 5545, 3.1)."""
    while len(octets := line.encode()) > WIDTH:
        part = octets[:WIDTH].decode(errors="ignore")
        yield part
        line = f" {line.removeprefix(part)}"
    yield line
