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

_NUMBERED = re.compile(r"(?<![^\W\d])([^\W\d]{2,})[-.]?(2[ab](?![^\W_])|\d{1,3}(?!\d))")
_PLACES = {code: fold(name) for code, name in DEPARTMENTS.items() if len(name) > len("Nord")}
_OF = re.compile(
    rf"\b(?:de la|de l|des?|du|en|d) ({'|'.join(sorted(_PLACES.values(), key=len, reverse=True))})\b"
)


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
    found = {domain: _NUMBERED.search(domain.rsplit(".", 2)[0]) for domain in space.domain_rows}
    numbered = {domain: match.groups() for domain, match in found.items() if match}
    entries = space.audited[space.audited["domain"].isin(numbered)]
    for (domain, text), rows in rows_by(entries, "domain", "description").items():
        stem, number = numbered[domain]
        words = fold(text)
        code = number.upper()
        if number in words.split() or f"{stem}{number}" in words or _PLACES.get(code, number) in words:
            continue
        others = [
            other
            for other in words.split()
            if other.isdecimal() and len(other) < 4 and f"{stem} {other}" in words
            if other.lstrip("0") != number.lstrip("0")
        ]
        if code in DEPARTMENTS and not others:
            named = {*_OF.findall(words)}
            others = [code for code, name in _PLACES.items() if name in named]
            others += [code for code in re.findall(r"\((\w{2,3})\)", text) if code in DEPARTMENTS]
        if others:
            others = list(dict.fromkeys(others))
            facts = {"domain": domain, "description": text, "number": code, "others": others}
            yield Finding("LIST_DESCRIPTION_NUMBER", (domain, text), rows, facts)
