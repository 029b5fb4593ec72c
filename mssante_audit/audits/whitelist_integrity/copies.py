"""Rows copied and not changed in all fields; descriptions that contradict their domain's number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mssante_audit.audits.whitelist_integrity.descriptions import (
    GROUPS,
    KINDS,
    labels_of,
    mentioned,
    named_by,
)
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.values.slips import one_slip
from mssante_audit.whitelist.rows import grouped, rows_by

MOST_ALIKE = 3
"""A description on more domains with one certificate and the same contacts is a group's. No source."""
_TEST = re.compile(r"(?:test|ndd|nouveaudomaine|essai|exemple)\w*")
_NUMBERED = re.compile(r"([^\W\d]{2,})[-.]?(\d{1,3})(?!\d)")
_NUMBER = re.compile(r"(?<!\w)\d{1,3}(?!\w)")
_PLACES = {code: fold(name) for code, name in DEPARTMENTS.items() if len(name) > len("Nord")}
_OF = re.compile(r"\b(?:de la|de l|des?|du|en|d) ")


def copies(space: TrustSpace) -> Iterator[Finding]:
    """Find rows with the description, certificate and contacts of another that it fits, and they do not.

    Their domain names another establishment, is a test's, or has the next number. One that only is another
    word may be an alias or a brand; a description of many domains is a group's.
    """
    texts = ("description", "dn", "project_contact", "support_contact")
    uses = rows_by(space.audited, *texts, "domain").items()
    names = space.operator_names
    operator_of = dict(zip(space.audited["row"].tolist(), space.audited["operator_id"].tolist(), strict=True))
    for (text, *_), held in grouped((key[:4], (key[4], rows)) for key, rows in uses).items():
        named = named_by(text)
        if not 1 < len(held) <= MOST_ALIKE or not named or not GROUPS.isdisjoint(named):
            continue
        fitting = [domain for domain, _ in held if mentioned(labels_of(domain), named)]
        for domain, rows in held:
            if original := next((other for other in fitting if _is_copy(domain, other, named)), ""):
                owner = operator_of[rows[0]]
                facts = {
                    "domain": domain, "description": text, "other": original,
                    "owner": {"operator": owner, "name": names.get(owner, "")},
                }  # fmt: skip
                yield Finding("LIST_ROW_COPIED", domain, rows, facts)


def _is_copy(domain: str, other: str, named: list[str]) -> bool:
    """Tell whether a description that fits another domain is left behind under a domain by a copy."""
    if domain == other:
        return False
    labels = labels_of(domain)
    if any(map(_TEST.fullmatch, labels)):
        return True
    (stem, number), (other_stem, other_number) = _parted(domain), _parted(other)
    if stem == other_stem and number and other_number and int(number) == int(other_number) + 1:
        return other_number in named and number not in named
    own = [word for word in labels if word not in labels_of(other) or word in KINDS]
    telling = [word for word in own if len(word) > 3 and word not in KINDS]
    spelt = any(one_slip(word, said) for word in telling for said in named)
    return len(own) > 1 and bool(telling) and not spelt and not mentioned(labels, named)


def _parted(domain: str) -> tuple[str, str]:
    """Return a domain without the number that its name ends in, and that number."""
    name = domain.rsplit(".", 2)[0]
    stem = name.rstrip("0123456789")
    return stem, name[len(stem) :][:9]


def contradictions(space: TrustSpace) -> Iterator[Finding]:
    """Find descriptions that give a domain's name another number, or another département than its number is.

    What also has the domain's own number, or its département's name, contradicts nothing.
    """
    for (domain, text), rows in rows_by(space.audited, "domain", "description").items():
        if (numbered := _NUMBERED.search(domain.rsplit(".", 2)[0])) is None:
            continue
        stem, number = numbered.groups()
        said = fold(text)
        numbers = _NUMBER.findall(said)
        if number in numbers or f"{stem}{number}" in said or _PLACES.get(number, number) in said:
            continue
        others = [other for other in numbers if f"{stem} {other}" in said and int(other) != int(number)]
        if number in DEPARTMENTS and not others:
            parts = _OF.split(said)[1:]
            others = [code for code, name in _PLACES.items() if any(part.startswith(name) for part in parts)]
            others += [code for code in re.findall(r"\((\w{2,3})\)", text) if code in DEPARTMENTS]
        if others:
            facts = {"domain": domain, "description": text, "number": number, "others": others}
            yield Finding("LIST_DESCRIPTION_NUMBER", (domain, text), rows, facts)
