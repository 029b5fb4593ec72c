"""What the report on certificates has of its own: names side by side, ends as a calendar (RFC 5545)."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

import pandas as pd

from mssante_audit.base.language import current_language, format_text, gettext, using_language
from mssante_audit.base.markup import SHOWN_TEXT, data, visible
from mssante_audit.report.html import Html, macro, paragraph
from mssante_audit.report.tables import Cell, csv_link, number_cell, rows_table
from mssante_audit.values.dn import parse_dn

COLUMNS = ("Nom présenté", "Nom inscrit le plus proche", "Lignes", "Serveurs", "Opérateur")
# Octets of a calendar's line, without its end (RFC 5545, 3.1); domains and hosts that an event names
WIDTH, MOST = 75, 20
# What an event asks for
DO = (
    "Avant cette date : installer un nouveau certificat ; si son nom change, envoyer d’abord à l’ANS une "
    "« annexe 1 », et attendre qu’il soit dans la liste blanche."
)
_TIME = "%Y%m%dT%H%M%SZ"
_WORDS = re.compile(r"\w+|\s|[^\w\s]")


def names_compared(findings: pd.DataFrame, *, name: str, limit: int, empty: str) -> Html:
    """Show names presented, of findings, beside the nearest one listed, what differs marked in both."""
    if findings.empty:
        return paragraph("none", empty)
    pairs, rows = [], []
    for facts in findings["facts"]:
        presented, names = str(facts["presented"]), facts.get("wanted") or facts.get("listed") or [""]
        likeness = [SequenceMatcher(None, presented[:SHOWN_TEXT], n[:SHOWN_TEXT]).ratio() for n in names]
        pairs.append((presented, names[likeness.index(max(likeness))]))
    for pair, finding in zip(pairs[:limit], findings.to_dict("records"), strict=False):
        sides = zip(compared(*pair), pair, strict=True)
        marked = [Cell(macro("pieces.compared", side), text) for side, text in sides]
        hosts = Cell(data(", ".join(finding["facts"]["hosts"]), 200))
        rows.append([*marked, number_cell(len(finding["rows"])), hosts, Cell(data(finding["operator"], 200))])
    both = pd.DataFrame(pairs, columns=["presented", "listed"])
    both = both.join(findings[["rule", "domain", "operator"]].reset_index(drop=True))
    caption = format_text("{n:nom} à comparer, ce qui diffère est souligné", n=len(findings))
    return rows_table(name, caption, COLUMNS, rows, csv_link(both, len(rows), name))


def compared(*texts: str) -> tuple[Sequence[tuple[str, bool]], ...]:
    """Return two texts in parts, each with whether it differs from the other text."""
    words = [_WORDS.findall(visible(text[:SHOWN_TEXT])) for text in texts]
    parts: tuple[list[tuple[str, bool]], ...] = ([], [])
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        for part, its in ((parts[0], words[0][a1:a2]), (parts[1], words[1][b1:b2])):
            if its:
                part.append(("".join(its), kind != "equal"))
    return parts


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
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//mssante-audit//certificates//EN"]
    with using_language(lang or current_language()):
        title = _text(gettext("Échéances de certificats MSSanté"))
        lines += ["CALSCALE:GREGORIAN", f"X-WR-CALNAME:{title}"]
        for end in ends.itertuples(index=False):
            lines += _event(end, as_of)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line))


def _event(end: Any, as_of: datetime) -> list[str]:
    domains, name = end.falling, end.name
    title = format_text("Fin du certificat {name}", name=parse_dn(name).get("CN") or name)
    if domains:
        text = "{title} : {domains:domaine} sans autre certificat"
        title = format_text(text, title=title, domains=len(domains))
        others = format_text("Domaines qui n’ont pas d’autre certificat : {names}", names=_some(domains))
    else:
        others = gettext("Chaque domaine a un autre certificat, qui finit plus tard.")
    boxes = None if end.mailboxes is pd.NA or not domains else int(end.mailboxes)
    body = [
        format_text("Opérateur : {name}", name=end.operator) if end.operator else "",
        format_text("Région : {name}", name=end.region) if end.region else "",
        format_text("Nom du certificat : {name}", name=name),
        format_text("Serveurs : {names}", names=_some(end.hosts)),
        others,
        "" if boxes is None else format_text("Boîtes publiées de ces domaines : {boxes}", boxes=boxes),
        gettext(DO),
    ]
    return [
        "BEGIN:VEVENT", f"UID:{end.certificate}@mssante-audit", f"DTSTAMP:{as_of:{_TIME}}",
        f"DTSTART:{end.until:{_TIME}}", f"SUMMARY:{_text(title)}",
        f"DESCRIPTION:{_text(*filter(None, body))}",
        *([f"CATEGORIES:{_text(end.region)}"] if end.region else []), "TRANSP:TRANSPARENT", "END:VEVENT",
    ]  # fmt: skip


def _some(names: tuple[str, ...]) -> str:
    shown, more = ", ".join(names[:MOST]), len(names) - MOST
    return format_text("{shown} et {more} de plus", shown=shown, more=more) if more > 0 else shown


def _text(*lines: str) -> str:
    """Return lines as a value of type TEXT (RFC 5545, 3.3.11)."""
    return r"\n".join(re.sub(r"([\\;,])", r"\\\1", visible(line)) for line in lines)


def _fold(line: str) -> Iterator[str]:
    """Yield a line in parts of at most `WIDTH` octets, no character cut in two (RFC 5545, 3.1)."""
    while len(octets := line.encode()) > WIDTH:
        part = octets[:WIDTH].decode(errors="ignore")
        yield part
        line = f" {line.removeprefix(part)}"
    yield line
