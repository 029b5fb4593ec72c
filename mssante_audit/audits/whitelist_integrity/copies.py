"""Rows copied and not changed in all fields; descriptions that contradict their domain's number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.whitelist.copies import copies
from mssante_audit.whitelist.rows import rows_by

_NUMBERED = re.compile(r"(?<![^\W\d])([^\W\d]{2,})[-.]?(\d{1,3})(?!\d)")
_NUMBER = re.compile(r"(?<!\w)\d{1,3}(?!\w)")
_PLACES = {code: fold(name) for code, name in DEPARTMENTS.items() if len(name) > len("Nord")}
_OF = re.compile(r"\b(?:de la|de l|des?|du|en|d) ")


def copied_rows(space: TrustSpace) -> Iterator[Finding]:
    """Report the rows that are copies (`mssante_audit.whitelist.copies.copies`), with whose they are."""
    operator_of = dict(zip(space.audited["row"].tolist(), space.audited["operator_id"].tolist(), strict=True))
    for copy in copies(space.audited):
        owner = operator_of[copy.rows[0]]
        facts = {
            "domain": copy.domain, "description": copy.description, "other": copy.original,
            "owner": {"operator": owner, "name": space.operator_names.get(owner, "")},
        }  # fmt: skip
        yield Finding("LIST_ROW_COPIED", copy.domain, copy.rows, facts)


def contradictions(space: TrustSpace) -> Iterator[Finding]:
    """Find descriptions that give a domain's name another number, or another département than its number is.

    What also has the domain's own number, or its département's name, contradicts nothing.
    """
    for (domain, text), rows in rows_by(space.audited, "domain", "description").items():
        if (numbered := _NUMBERED.search(domain.rsplit(".", 2)[0])) is None:
            continue
        stem, number = numbered.groups()
        words = fold(text)
        numbers = _NUMBER.findall(words)
        if number in numbers or f"{stem}{number}" in words or _PLACES.get(number, number) in words:
            continue
        others = [other for other in numbers if f"{stem} {other}" in words and int(other) != int(number)]
        if number in DEPARTMENTS and not others:
            parts = _OF.split(words)[1:]
            others = [code for code, name in _PLACES.items() if any(part.startswith(name) for part in parts)]
            others += [code for code in re.findall(r"\((\w{2,3})\)", text) if code in DEPARTMENTS]
        if others:
            facts = {"domain": domain, "description": text, "number": number, "others": others}
            yield Finding("LIST_DESCRIPTION_NUMBER", (domain, text), rows, facts)
