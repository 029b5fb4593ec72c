"""Expiries of certificates as a calendar that other programs read (iCalendar, RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from mssante_audit.base.language import count, current_language, number, using_language, words_of
from mssante_audit.base.markup import visible
from mssante_audit.values.dn import parse_dn

WIDTH = 75
"""Octets of a line, without its end (RFC 5545, 3.1)."""
MOST = 20
"""Domains and hosts that are named."""
_TIME = "%Y%m%dT%H%M%SZ"


def calendar(ends: pd.DataFrame, as_of: datetime, lang: str = "") -> str:
    """Return the ends of certificates as a calendar, an event each, whose identifier is the certificate's.

    Parameters
    ----------
    ends
        As `mssante_audit.verdicts.presented.certificates` returns them.
    as_of
        When that was known.
    lang
        ``fr`` or ``en``; the current language if "".
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//mssante-audit//certificates//EN"]
    with using_language(lang or current_language()):
        words = words_of("mssante_audit.report")[current_language()]["calendar"]
        lines += ["CALSCALE:GREGORIAN", f"X-WR-CALNAME:{_text(words['title'])}"]
        for end in ends.itertuples(index=False):
            lines += _event(end, as_of, words)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line))


def _event(end: Any, as_of: datetime, words: dict[str, str]) -> Iterator[str]:
    domains, name = end.falling, end.name
    title = words["end"].format(name=parse_dn(name).get("CN") or name)
    if domains:
        title += words["falls"].format(domains=count(len(domains), "domaine"))
    body = [words[part].format(text) for part in ("operator", "region") if (text := getattr(end, part))]
    body += [words["name"].format(name), words["hosts"].format(_some(end.hosts, words))]
    body.append(words["domains"].format(_some(domains, words)) if domains else words["none"])
    if domains and end.mailboxes is not pd.NA:
        body.append(words["boxes"].format(number(int(end.mailboxes))))
    yield "BEGIN:VEVENT"
    yield f"UID:{end.certificate}@mssante-audit"
    yield f"DTSTAMP:{as_of:{_TIME}}"
    yield f"DTSTART:{end.until:{_TIME}}"
    yield f"SUMMARY:{_text(title)}"
    yield f"DESCRIPTION:{_text(*body, words['do'])}"
    if end.region:
        yield f"CATEGORIES:{_text(end.region)}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _some(names: tuple[str, ...], words: dict[str, str]) -> str:
    shown = ", ".join(names[:MOST])
    return words["more"].format(shown, len(names) - MOST) if len(names) > MOST else shown


def _text(*lines: str) -> str:
    """Return lines as a value of type TEXT (RFC 5545, 3.3.11): no character of the data ends it."""
    return r"\n".join(re.sub(r"([\\;,])", r"\\\1", visible(line)) for line in lines)


def _fold(line: str) -> Iterator[str]:
    """Yield a line in parts of at most `WIDTH` octets, no character cut in two (RFC 5545, 3.1)."""
    part, size = "", 0
    for character in line:
        octets = len(character.encode("utf-8", "backslashreplace"))
        if size + octets > WIDTH:
            yield part
            part, size = " ", 1
        part, size = part + character, size + octets
    yield part
