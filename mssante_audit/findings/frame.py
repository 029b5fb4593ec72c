"""Findings: what an audit says, one row a cause, in facts; words come last (`worded`).

The columns are `FRAME`, all defined even when there is no finding; files have those of `IN_FILES` too. Sorted
by severity (worst first), then by mailboxes touched (most first, unknown before them), by domains
touched (most first), rule, first row, and subject; ahead of all what says that the list is not to be relied
on (`Rule.affects_list`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.frames import columns_of, described, dtypes, frame_of
from mssante_audit.base.markup import html_of
from mssante_audit.findings.catalogue import CONFIDENCES, SEVERITIES
from mssante_audit.findings.facts import clear, plain, seen
from mssante_audit.findings.places import Place, Where, evidence, list_rows, places_from, places_of
from mssante_audit.findings.registry import rule
from mssante_audit.findings.templates import sentence
from mssante_audit.values.identifiers import is_manager, region_of
from mssante_audit.values.person import Person, unnamed
from mssante_audit.whitelist.rows import tuples

FRAME = columns_of("mssante_audit.findings", "findings", severity=SEVERITIES, confidence=CONFIDENCES)
IN_FILES = columns_of("mssante_audit.findings", "in_files", status=("", "new", "open", "unknown"))

__doc__ = described(__doc__, "Columns of a findings frame", FRAME)
_DTYPES = dtypes(FRAME)
COLUMNS = tuple(_DTYPES)
Severity: pd.CategoricalDtype = _DTYPES["severity"]

Subject = str | Person | tuple[str | Person, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, as an audit states it; `findings_frame` adds what follows from the rows."""

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


def parts_of(subject: Subject) -> tuple[str | Person, ...]:
    """Return what a subject is made of."""
    return subject if isinstance(subject, tuple) else (subject,)


def fingerprint(code: str, subject: Subject) -> str:
    """Return what a finding is known by from night to night: a hash of its rule and subject."""
    return digest(json.dumps([code, *clear(list(parts_of(subject)))], ensure_ascii=True))[:16]


def findings_frame(
    findings: Iterable[Finding],
    entries: pd.DataFrame,
    published: Mapping[str, int] | None = None,
    source: str = "",
) -> Findings:
    """Turn what an audit found, in any order, into a findings frame, as this module's docstring describes it.

    `observed`, `expected` and `evidence` are empty, and `subject` and `facts` name persons in clear.

    Parameters
    ----------
    entries
        The white list's rows: `row`, `domain`, `operator_id`, `operator`, and `department` where it is there.
    published
        Mailboxes by domain (`mssante_audit.space.trust.TrustSpace.published`), if they are known.
    source
        Name of the white list's file.

    Raises
    ------
    UnknownNameError, TypeError, ValueError
        For an unknown rule, a fact that is none, an unknown confidence.
    """
    listed = {row: texts for row, *texts in tuples(entries, "row", "domain", "operator_id", "operator")}
    seats = tuples(entries, "operator_id", "department") if "department" in entries else ()
    departments: dict[str, str] = dict(seats) | {"": ""}
    records = []
    for finding in findings:
        where = places_of(finding.where, source)
        rows, its_rule, facts = list_rows(where), rule(finding.rule), plain(finding.facts)
        domains = dict.fromkeys([*(listed[row][0] for row in rows), *finding.domains])
        owners = Counter(listed[row][1] for row in rows)
        owner = finding.operator_id or max(owners, key=owners.__getitem__, default="")
        confidence = finding.confidence or its_rule.confidence
        if confidence not in CONFIDENCES:
            raise ValueError(f"{confidence!r} is no confidence of a finding")
        department = departments.get(owner, "")
        names = (listed[row][2] for row in rows if listed[row][1] == owner)
        boxes = None if published is None or not domains else sum(published.get(d, 0) for d in domains)
        records.append({
            "rule": finding.rule,
            "audit": its_rule.audit or facts.get("audit", ""),
            "severity": its_rule.severity,
            "confidence": confidence,
            "subject": parts_of(finding.subject),
            "fingerprint": fingerprint(finding.rule, finding.subject),
            "domain": next(iter(domains), ""),
            "domains": len(domains),
            "mailboxes": boxes,
            "operator_id": owner,
            "operator": finding.operator or next(names, ""),
            "department": department,
            "region": region_of(department),
            **dict.fromkeys(("observed", "expected", "evidence"), ""),
            "first_seen": finding.first_seen.isoformat() if finding.first_seen else "",
            "rows": rows,
            "where": where,
            "facts": facts,
        })  # fmt: skip
    records.sort(key=lambda record: tuple(clear(list(record["subject"]))))
    return concat([of_records(records)])


def of_records(records: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Return findings, a mapping each, with the dtypes of this module's docstring."""
    return frame_of([[record[name] for name in COLUMNS] for record in records], _DTYPES)


def from_json(findings: pd.DataFrame) -> pd.DataFrame:
    """Return findings that a file of JSON has, with tuples and places where it has lists and mappings."""
    kinds: dict[str, Callable[[Any], Any]] = {"subject": tuple, "rows": tuple, "where": places_from}
    return findings.assign(**{name: findings[name].map(kind) for name, kind in kinds.items()})


# What `findings_frame` is given where there is no white list.
NO_ENTRIES = pd.DataFrame(columns=["row", "domain", "operator_id", "operator", "department"])


class Findings(pd.DataFrame):
    """A findings frame, which shows itself in a notebook by severity, folded; otherwise any frame."""

    @property
    def _constructor(self) -> type[Findings]:
        return Findings

    def _repr_html_(self) -> str | None:
        html = html_of(self) if {*COLUMNS} <= {*self.columns} else None
        return html or pd.DataFrame(self)._repr_html_()  # type: ignore[operator]


def typed(findings: pd.DataFrame) -> Findings:
    """Return `findings` with the dtypes of this module's docstring, also when it has no row."""
    dtypes_of = dict(zip(findings.columns, findings.dtypes, strict=True))
    wrong = {name: dtype for name, dtype in _DTYPES.items() if dtypes_of[name] != dtype}
    return Findings(findings.astype(wrong) if wrong else findings)


def concat(frames: Iterable[pd.DataFrame]) -> Findings:
    """Put findings frames together, in the order of this module's docstring, keeping the dtypes."""
    frame = typed(pd.concat([of_records([]), *frames], ignore_index=True))
    columns = tuples(frame, "rule", "operator_id", "mailboxes", "domains", "rows")
    severities = frame["severity"].cat.codes.tolist()
    ranks = [
        (not rule(code).affects_list, is_manager(owner), -severity, -inf if boxes is pd.NA else -boxes,
         -domains, code, rows[:1])
        for severity, (code, owner, boxes, domains, rows) in zip(severities, columns, strict=True)
    ]  # fmt: skip
    return Findings(frame.iloc[sorted(range(len(ranks)), key=ranks.__getitem__)].reset_index(drop=True))


def worded(findings: pd.DataFrame, *, language: str = "", contacts: str = "none") -> pd.DataFrame:
    """Return findings with `observed`, `expected`, `evidence` in words; `contacts`: who is shown."""
    frame = findings.copy(deep=False)
    show = seen(contacts)
    frame["facts"] = facts = list(map(show, frame["facts"]))
    # Apart from the facts: the key of a contact is another text than the contact, and nobody counts it.
    frame["subject"] = [tuple(show(list(subject))) for subject in frame["subject"]]
    sentences: dict[str, list[str]] = {"observed": [], "expected": [], "evidence": []}
    for code, its_facts, where in zip(frame["rule"].tolist(), facts, frame["where"].tolist(), strict=True):
        values = {**its_facts, "evidence": evidence(where)}
        for part, texts in sentences.items():
            texts.append(sentence(rule(code), part, values, language))
    if contacts != "all":
        frame["domain"], frame["operator"] = (list(map(unnamed, frame[n])) for n in ("domain", "operator"))
    return typed(frame.assign(**sentences))
