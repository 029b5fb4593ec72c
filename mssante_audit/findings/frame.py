"""Findings: what an audit says, one row a cause, in facts; words come last (`mssante_audit.findings.words`).

Columns of a findings frame, all defined even when it is empty:

===============  =====================  =====================================================================
column           dtype                  meaning
===============  =====================  =====================================================================
``rule``         str                    code in the catalogue
``audit``        str                    the audit that found it
``severity``     ordered category       ``info`` < ``warning`` < ``error`` < ``critical``
``confidence``   str                    ``certain``, ``likely``, ``hint``: the rule's, or its own
``subject``      object (tuple of str)  what it is about: a certificate name, an operator and a contact, a
                                        server, a domain; with the rule, what it is known by; may name
                                        persons
``fingerprint``  str                    16 hexadecimal digits of rule and subject: the same every night
``domain``       str                    the domain concerned; when several, the first in list order
``domains``      int64                  how many distinct domains the cause touches
``mailboxes``    Int64                  how many mailboxes are published in them; <NA> where that is unknown,
                                        or it touches no domain by name
``operator_id``  str                    operator of most of the rows (ties: the first row's), or ""
``operator``     str                    that operator's name, or ""
``department``   str                    code of the département of that operator's certificates, or "": where
                                        the operator is, not the establishments it serves
``region``       str                    the region of that département, or ""
``observed``     str                    what the file (or the network) says, in words; may name persons
``expected``     str                    what would be right, "" where there is no single answer; may name
                                        persons
``evidence``     str                    `where` in words: the rows, as ``"3-5, 9"``, those of the register, or
                                        lines of the observation; may name persons
``first_seen``   str                    time of the first archived list that shows it (ISO 8601), or ""
``rows``         object (tuple of int)  the rows of the white list that `where` names, 1-based positions
``where``        object (places)        where it stands, a place for each file and column: `source`, `file`,
                                        `rows`, `column`, `label` (`mssante_audit.findings.places`); may name
                                        persons
``facts``        object (dict)          what the words are made of (`mssante_audit.findings.facts`), by name;
                                        may name persons
===============  =====================  =====================================================================

Columns that files of findings may have beside them:

================  =====================  =====================================================================
column            dtype                  meaning
================  =====================  =====================================================================
``status``        str                    ``new``, ``open`` or ``unknown``; "" if known, without a run before
``reason``        str                    why it is accepted, where it is (`mssante_audit.findings.waivers`)
``who``           str                    by whom
``until``         str                    until when
``rank``          int64                  order of its severity, 0 the mildest, in Parquet, which keeps none
================  =====================  =====================================================================

Sorted by severity (worst first), then by mailboxes touched (most first, unknown before them), by domains
touched (most first), rule, first row, and subject; ahead of all what says that the list is not to be relied
on (`Rule.affects_list`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.markup import html_of
from mssante_audit.findings.catalogue import CONFIDENCES, SEVERITIES, named
from mssante_audit.findings.facts import clear, plain
from mssante_audit.findings.places import Place, Where, list_rows, places_from, places_of
from mssante_audit.findings.registry import rule
from mssante_audit.values.identifiers import region_of
from mssante_audit.values.person import Person

COLUMNS = (
    "rule", "audit", "severity", "confidence", "subject", "fingerprint", "domain", "domains", "mailboxes",
    "operator_id", "operator", "department", "region", "observed", "expected", "evidence", "first_seen",
    "rows", "where", "facts",
)  # fmt: skip

Severity = pd.CategoricalDtype(list(SEVERITIES), ordered=True)

_DTYPES: dict[str, Any] = {
    **dict.fromkeys(COLUMNS, pd.api.types.pandas_dtype("str")),
    **dict.fromkeys(("subject", "rows", "where", "facts"), pd.api.types.pandas_dtype("object")),
    "severity": Severity,
    "domains": pd.api.types.pandas_dtype("int64"),
    "mailboxes": pd.Int64Dtype(),
}

Subject = str | Person | tuple[str | Person, ...]


@named
@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, as an audit states it; `findings_frame` adds what follows from the rows.

    >>> Finding("LIST_OLD", "list", facts={"days": 12}).facts["days"]
    12
    """

    rule: str
    subject: Subject
    """What the rule is about, in values that do not move from list to list: never a sentence, a count, a row,
    nor the first domain of a group. No two findings of one rule share it."""
    where: Where = ()
    """Rows of the white list by their numbers, `Place` for those of other files."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What its words are made of. What names a person is a `mssante_audit.values.person.Person`."""
    domains: tuple[str, ...] = ()
    """Domains concerned beyond those of the rows."""
    operator_id: str = ""
    """Only where the rows do not tell the operator."""
    operator: str = ""
    confidence: str = ""
    """One of `mssante_audit.findings.catalogue.CONFIDENCES`, only where the evidence makes it surer, or less
    sure, than its rule in general."""
    first_seen: datetime | None = None
    """Only where the audit knows it from earlier lists; what the rows' texts tell is added later."""

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows of the white list."""
        return tuple(place for place in self.where if not isinstance(place, Place))


def fingerprint(code: str, subject: Subject) -> str:
    """Return what a finding is known by from night to night: a hash of its rule and subject.

    >>> fingerprint("LIST_OLD", "list") == fingerprint("LIST_OLD", ("list",))
    True
    """
    parts = subject if isinstance(subject, tuple) else (subject,)
    told = json.dumps([code, *clear(list(parts))], ensure_ascii=True)
    return digest(told)[:16]


def findings_frame(
    found: Iterable[Finding],
    entries: pd.DataFrame,
    published: Mapping[str, int] | None = None,
    source: str = "",
) -> pd.DataFrame:
    """Turn what an audit found into a findings frame.

    Parameters
    ----------
    found
        The findings, in any order.
    entries
        The white list's rows (columns `row`, `domain`, `operator_id`, `operator` are used, and `department`
        where it is there).
    published
        Mailboxes by domain (`mssante_audit.space.trust.TrustSpace.published`), if they are known.
    source
        Name of the white list's file.

    Returns
    -------
    DataFrame
        One row a finding, columns as in this module's docstring; `observed`, `expected` and `evidence` are
        empty, and `subject` and `facts` name persons in clear.

    Raises
    ------
    UnknownNameError
        If a finding names no rule of the catalogue.
    TypeError
        If a fact is none (`mssante_audit.findings.facts.plain`).
    ValueError
        If a finding's own confidence is none there is.
    """
    domain, operator_id, operator = (
        dict(zip(entries["row"].tolist(), entries[column].tolist(), strict=True))
        for column in ("domain", "operator_id", "operator")
    )
    place: dict[str, str] = {}
    if "department" in entries:
        place = dict(zip(entries["operator_id"].tolist(), entries["department"].tolist(), strict=True))
    columns: dict[str, list[Any]] = {name: [] for name in _DTYPES}
    for finding in found:
        where = places_of(finding.where, source)
        rows = list_rows(where)
        domains = dict.fromkeys([*(domain[row] for row in rows), *finding.domains])
        owner = finding.operator_id
        if not owner:
            counts = Counter(operator_id[row] for row in rows)
            owner = max(counts, key=lambda o: counts[o], default="")
        name = finding.operator or next((operator[row] for row in rows if operator_id[row] == owner), "")
        told = rule(finding.rule)
        confidence = finding.confidence or told.confidence
        if confidence not in CONFIDENCES:
            raise ValueError(f"{confidence!r} is no confidence of a finding")
        mailboxes = None if published is None else sum(published.get(name, 0) for name in domains)
        facts = plain(finding.facts)
        subject = finding.subject if isinstance(finding.subject, tuple) else (finding.subject,)
        record = {
            "rule": finding.rule,
            "audit": told.audit or facts.get("audit", ""),
            "severity": told.severity,
            "confidence": confidence,
            "subject": subject,
            "fingerprint": fingerprint(finding.rule, subject),
            "domain": next(iter(domains), ""),
            "domains": len(domains),
            "mailboxes": mailboxes if domains else None,
            "operator_id": owner,
            "operator": name,
            "department": place.get(owner, "") if owner else "",
            "region": region_of(place.get(owner, "")) if owner else "",
            "observed": "",
            "expected": "",
            "evidence": "",
            "first_seen": finding.first_seen.isoformat() if finding.first_seen else "",
            "rows": rows,
            "where": where,
            "facts": facts,
        }
        for column, value in record.items():
            columns[column].append(value)
    keys = [tuple(clear(list(subject))) for subject in columns["subject"]]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return concat([_framed({name: [told[at] for at in order] for name, told in columns.items()})])


def _framed(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    # Arrays: pandas would put the rows of series side by side, by their index.
    return pd.DataFrame({n: pd.Series(told, dtype=_DTYPES[n]).array for n, told in columns.items()})


def of_records(records: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Return findings, a mapping each, with the dtypes of this module's docstring."""
    return _framed({name: [told[name] for told in records] for name in _DTYPES})


def from_json(findings: pd.DataFrame) -> pd.DataFrame:
    """Return findings that a file of JSON has, with tuples and places where it has lists and mappings."""
    made = {name: list(map(tuple, findings[name])) for name in ("subject", "rows")}
    made["where"] = list(map(places_from, findings["where"]))
    columns = {name: pd.Series(told, findings.index, dtype="object") for name, told in made.items()}
    return findings.assign(**columns)


NO_ENTRIES = pd.DataFrame(columns=["row", "domain", "operator_id", "operator", "department"])
"""What `findings_frame` is given where there is no white list."""


class Findings(pd.DataFrame):
    """A findings frame, which shows itself in a notebook by severity, folded; otherwise any frame."""

    @property
    def _constructor(self) -> type[Findings]:
        return Findings

    def _repr_html_(self) -> str | None:
        shown = html_of(self) if {*COLUMNS} <= {*self.columns} else None
        return shown or pd.DataFrame(self)._repr_html_()  # type: ignore[operator]


def typed(findings: pd.DataFrame) -> Findings:
    """Return `findings` with the dtypes of this module's docstring, also when it has no row."""
    there = dict(zip(findings.columns, findings.dtypes, strict=True))
    other = {name: dtype for name, dtype in _DTYPES.items() if there[name] != dtype}
    return Findings(findings.astype(other) if other else findings)


def concat(frames: Iterable[pd.DataFrame]) -> Findings:
    """Put findings frames together, in the order of this module's docstring, keeping the dtypes."""
    whole = typed(pd.concat([of_records([]), *frames], ignore_index=True))
    told = (whole[name].tolist() for name in ("rule", "mailboxes", "domains", "rows"))
    ranks = [
        (
            not rule(code).affects_list,
            -severity,
            -inf if boxes is pd.NA else -boxes,
            -domains,
            code,
            rows[0] if rows else 0,
        )
        for severity, code, boxes, domains, rows in zip(
            whole["severity"].cat.codes.tolist(), *told, strict=True
        )
    ]
    return Findings(whole.iloc[sorted(range(len(ranks)), key=ranks.__getitem__)].reset_index(drop=True))
