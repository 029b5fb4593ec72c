"""Certificate names spelt otherwise than their certificate: one finding an operator, whatever its texts have.

What is proposed is what another row of the operator writes, or the same values as the form writes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mssante_audit.base.text import has_hidden, is_hidden
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import DN, parse_dn
from mssante_audit.values.identifiers import DEPARTMENTS, parse_department
from mssante_audit.whitelist.rows import all_rows, rows_by

_LAYOUT = ("spacing", "nbsp", "control", "separator", "escape")
"""Problems of a DN that no certificate has."""
USUAL_SHARE = 0.2
"""A spelling of a département that is not official is proposed if so many of its rows bear it. No source."""
_UNSURE = {"inside", "department"}
"""Faults that the certificate may have: a quotation mark in a name, a département without its blank."""


@dataclass(slots=True)
class _Text:
    """One text of one name by one operator."""

    dn: DN
    faults: list[str]
    best: str
    """The same values as the form writes them, "" if that cannot be told."""
    domains: dict[str, list[int]] = field(default_factory=dict)

    @property
    def rows(self) -> list[int]:
        return list(all_rows(self.domains.values()))

    @property
    def is_wrong(self) -> bool:
        return not _UNSURE.issuperset(self.faults)


def spellings(space: TrustSpace) -> Iterator[Finding]:
    """Find names in several spellings, and spellings that no certificate has."""
    usual = {text.casefold() for text in usual_departments(space)}
    written: dict[str, _Text] = {}
    operators: dict[str, dict[str, dict[str, _Text]]] = {}
    made_up_for: set[str] = set()
    for (operator_id, key, text, domain), rows in rows_by(
        space.audited, "operator_id", "dn_key", "dn", "domain"
    ).items():
        read = written.get(text) or written.setdefault(text, _read(text, usual))
        if "unreadable" in read.dn.problems or not key:
            continue  # DN_UNREADABLE; an absent DN is LIST_UNREADABLE_ROW
        read.domains[domain] = rows
        operators.setdefault(operator_id or key, {}).setdefault(key, {})[text] = read
        if not read.is_wrong and read.dn.igc:
            made_up_for.add(domain)
    for operator, names in operators.items():
        odd = {
            k: texts for k, texts in names.items() if len(texts) > 1 or any(t.faults for t in texts.values())
        }
        if odd:
            yield _finding(operator, odd, made_up_for)


def _finding(operator: str, names: Mapping[str, Mapping[str, _Text]], made_up_for: set[str]) -> Finding:
    every = [text for texts in names.values() for text in texts.values()]
    every.sort(key=lambda text: (not text.is_wrong, not text.faults, -len(text.rows)))
    wrong = [(domain, rows) for text in every if text.is_wrong for domain, rows in text.domains.items()]
    alone = {domain for domain, _ in wrong if domain not in made_up_for}
    proposed = [_proposed(text, texts) for texts in names.values() for text in texts.values()]
    facts: dict[str, Any] = {
        "texts": [{"rows": len(t.rows), "dn": t.dn.text, "faults": t.faults} for t in every],
        "alone": len(alone),
        "best": list(dict.fromkeys(filter(None, proposed))),
    }
    if not alone:
        # Of each name those of its texts that have faults, or all where none of several has.
        faulty = ([t for t in texts.values() if t.faults] or [*texts.values()] for texts in names.values())
        return Finding("DN_SPELLINGS", operator, all_rows(t.rows for some in faulty for t in some), facts)
    only_wrong = all_rows(rows for domain, rows in wrong if domain in alone)
    return Finding("DN_NOT_CANONICAL", operator, only_wrong, facts)


def _proposed(text: _Text, spelt: Mapping[str, _Text]) -> str:
    """Return what is to be written in place of a text, "" if it is right or that cannot be told."""
    right = [other for other, read in spelt.items() if not read.faults]
    if not text.faults or text.best in right:
        return text.best if text.faults else ""
    if not right:
        same = {read.best for read in spelt.values()}
        return text.best if len(same) == 1 else ""
    # A program puts a name in quotes for its doubled spaces (RFC 1779): so they are in the certificate.
    doubled = "quotes" in text.faults and "doubled" in text.dn.problems
    return right[0] if len(right) == 1 and not doubled else ""


def _read(text: str, usual: Collection[str]) -> _Text:
    dn = parse_dn(text)
    best = dn.canonical
    if has_hidden(best):
        best = "".join(" " if c.isspace() else c for c in best if c.isspace() or not is_hidden(c))
    faults: list[str] = [fault for fault in _LAYOUT if fault in dn.problems]
    if "control" not in faults and has_hidden(text) and any(map(is_hidden, text)):
        faults.append("control")  # letters that print nothing, which a comparison of names keeps
    if "quotes" in dn.problems:
        faults.append("inside" if any('"' in value for _, value in dn.rdns) else "quotes")
    if dn.igc and not dn.order_ok:
        faults.append("order")
    if dn.igc and not faults and best != text:
        faults.append("form")
    place = spaced_department(dn.get("ST") or dn.get("L"))
    if place:
        faults.append("department")
        best = best.replace(dn.get("ST") or dn.get("L"), place) if place.casefold() in usual else ""
    return _Text(dn, faults, "" if "inside" in faults else best)


def usual_departments(space: TrustSpace) -> set[str]:
    """Return the spellings of départements that may be proposed: official ones, and those of many rows."""
    borne = Counter(space.audited["st"].tolist())
    read = {text: parse_department(text) for text in borne}
    sizes = Counter[str]()
    for text, name in read.items():
        sizes[name.code] += borne[text]
    often = {
        text
        for text, name in read.items()
        if not name.problems and borne[text] >= USUAL_SHARE * sizes[name.code]
    }
    return often | {f"{label} ({code})" for code, label in DEPARTMENTS.items()}


def spaced_department(text: str) -> str:
    """Return a département with its blanks as the form has them, "" if more is wrong with it, or nothing.

    >>> spaced_department("Paris(75)"), spaced_department("Paris (75)"), spaced_department("Paris")
    ('Paris (75)', '', '')
    """
    read = parse_department(text)
    right = f"{read.label} ({read.code})"
    same = "".join(text.split()).casefold() == "".join(right.split()).casefold()
    return right if read.problems == ("form",) and same else ""
