"""Expiries of certificates as a calendar that other programs read (iCalendar, RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from mssante_audit.base.language import current_language, format_text, gettext, using_language
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
        title = _text(gettext("Échéances de certificats MSSanté"))
        lines += ["CALSCALE:GREGORIAN", f"X-WR-CALNAME:{title}"]
        for end in ends.itertuples(index=False):
            lines += _event(end, as_of)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line))


DO = (
    "Avant cette date : installer un nouveau certificat ; si son nom change, envoyer d’abord à l’ANS une "
    "« annexe 1 », et attendre qu’il soit dans la liste blanche."
)
"""What an event asks for."""


def _event(end: Any, as_of: datetime) -> Iterator[str]:
    domains, name = end.falling, end.name
    title = format_text("Fin du certificat {name}", name=parse_dn(name).get("CN") or name)
    if domains:
        text = "{title} : {domains:domaine} sans autre certificat"
        title = format_text(text, title=title, domains=len(domains))
    body = [format_text("Opérateur : {name}", name=end.operator)] if end.operator else []
    body += [format_text("Région : {name}", name=end.region)] if end.region else []
    body.append(format_text("Nom du certificat : {name}", name=name))
    body.append(format_text("Serveurs : {names}", names=_some(end.hosts)))
    if domains:
        body.append(format_text("Domaines qui n’ont pas d’autre certificat : {names}", names=_some(domains)))
    else:
        body.append(gettext("Chaque domaine a un autre certificat, qui finit plus tard."))
    if domains and end.mailboxes is not pd.NA:
        boxes = int(end.mailboxes)
        body.append(format_text("Boîtes publiées de ces domaines : {boxes}", boxes=boxes))
    yield "BEGIN:VEVENT"
    yield f"UID:{end.certificate}@mssante-audit"
    yield f"DTSTAMP:{as_of:{_TIME}}"
    yield f"DTSTART:{end.until:{_TIME}}"
    yield f"SUMMARY:{_text(title)}"
    yield f"DESCRIPTION:{_text(*body, gettext(DO))}"
    if end.region:
        yield f"CATEGORIES:{_text(end.region)}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _some(names: tuple[str, ...]) -> str:
    shown, more = ", ".join(names[:MOST]), len(names) - MOST
    return format_text("{shown} et {more} de plus", shown=shown, more=more) if more > 0 else shown


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
