"""The audits: from a trust space to findings, a folder an audit; run here, each once for a space.

Importing this room puts ours into `mssante_audit.findings.registry`, which knows those of others too.
"""

from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from itertools import product
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from mssante_audit.audits import certificates, dn_consistency, mailboxes, stale_contacts, whitelist_integrity
from mssante_audit.audits.declarations import rules as declarations
from mssante_audit.audits.delegation_vs_redirection import zones as delegation
from mssante_audit.audits.reconciliation import rules as reconciliation
from mssante_audit.base.errors import AuditError
from mssante_audit.base.language import LANGUAGES, current_language
from mssante_audit.findings.catalogue import CONFIDENCES, FAILED, load_rules
from mssante_audit.findings.facts import hidden, plain
from mssante_audit.findings.frame import Finding, concat, findings_frame, parts_of, typed, worded
from mssante_audit.findings.held import failure_of, held
from mssante_audit.findings.places import Place
from mssante_audit.findings.registry import Audit, Finder, audit_named, input_of, known_needs, ours, provide
from mssante_audit.findings.registry import audits as audits
from mssante_audit.findings.registry import catalogue as catalogue
from mssante_audit.findings.registry import register as register
from mssante_audit.findings.registry import rule as rule
from mssante_audit.findings.registry import unusable as unusable
from mssante_audit.findings.templates import sentence
from mssante_audit.findings.waivers import load_waivers, split
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import Person


def _ours(
    module: ModuleType, fr: str, en: str, needs: tuple[str, ...] = (), uses: tuple[str, ...] = ()
) -> Audit:
    """Return one of our audits, made of the rules and functions in its folder."""
    name = module.__name__.removeprefix(f"{__package__}.").partition(".")[0]
    rules = load_rules(files(f"{__package__}.{name}") / "rules.toml")
    return Audit(name, {"fr": fr, "en": en}, rules, module.RUNS, needs, uses)


_ARCHIVE, _REGISTER = ("archive",), ("declarations",)
provide((
    _ours(whitelist_integrity, "Intégrité de la liste blanche", "Integrity of the white list", uses=_ARCHIVE),
    _ours(dn_consistency, "Noms de certificat", "Certificate names"),
    _ours(stale_contacts, "Contacts", "Contacts", uses=_ARCHIVE),
    _ours(declarations, "Déclarations des opérateurs", "Operators’ declarations", _REGISTER),
    _ours(reconciliation, "Registre et liste rapprochés", "Register and list reconciled",
          _REGISTER, _ARCHIVE),
    _ours(delegation, "Délégation ou redirection (DNS)", "Delegation or redirection (DNS)",
          ("observation",), _REGISTER),
    _ours(certificates, "Certificats présentés (TLS)", "Certificates presented (TLS)",
          ("observation", "tls")),
    _ours(mailboxes, "Boîtes aux lettres publiées", "Published mailboxes", ("mailboxes",), _ARCHIVE),
))  # fmt: skip

# Of a rule in one part of an audit, or two a row of the list; more is left out (`AUDIT_RULE_FAILED`).
MAX_FINDINGS = 20_000


def audit(name: str, space: TrustSpace, *, language: str = "") -> pd.DataFrame:
    """Run one audit; an `UnknownNameError` if there is none of that name.

    Returns
    -------
    DataFrame
        Findings, as described in `mssante_audit.findings.frame`, in words of a language; persons in it are
        masked unless the space was loaded with ``contacts="all"``. Waived ones are left out (`waived` has
        them). Empty where what the audit needs is not there (`lacking`).
    """
    return worded(parted(name, space)[0], language=language, contacts=space.contacts)


def audit_all(space: TrustSpace, *, language: str = "") -> pd.DataFrame:
    """Run every audit and return all findings in one frame, worst first."""

    def make() -> pd.DataFrame:
        findings = concat(parted(name, space)[0] for name in audits())
        return worded(findings, language=language, contacts=space.contacts)

    language = language or current_language()
    return typed(space.once(("worded", language, space.contacts, *audits().values()), make))


def waived(space: TrustSpace, *names: str, language: str = "") -> pd.DataFrame:
    """Return the findings of audits (of all by default) that are waived, with `reason`, `who`, `until`."""
    language, names = language or current_language(), names or tuple(audits())

    def make() -> pd.DataFrame:
        findings = pd.concat([parted(name, space)[1] for name in names], ignore_index=True)
        return worded(findings, language=language, contacts=space.contacts)

    return typed(space.once(("waived", language, space.contacts, *names), make))


def lacking(space: TrustSpace) -> dict[str, tuple[str, ...]]:
    """Return the audits that were not made, each with what it needs and the space does not have."""
    return {name: needs for name, entry in audits().items() if (needs := entry.lacking(space))}


def unsure(space: TrustSpace) -> dict[str, tuple[str, ...]]:
    """Return the audits without a result, each with the inputs that are missing or in doubt."""
    doubtful, inputs = {state.name for state in space.states if state.doubtful}, {}
    for name, entry in audits().items():
        if names := {*map(input_of, entry.lacking(space)), *doubtful.intersection(entry.rests)}:
            inputs[name] = tuple(sorted(names))
    return inputs


def missing(space: TrustSpace) -> dict[str, list[str]]:
    """Return for each audit the inputs that it uses and that are missing."""
    absent = {input_of(need) for need in known_needs() if space.given(need) is None}
    return {name: sorted(absent.intersection(entry.rests)) for name, entry in audits().items()}


def findings_of(name: str, space: TrustSpace) -> pd.DataFrame:
    """Return the findings of one audit in facts, persons in clear, waived ones too."""
    audit = audit_named(name)
    parts = () if audit.lacking(space) else audit.parts
    findings = (finding for part in parts for finding in _made_by(audit, part, space))
    source = Path(space.whitelist.source).name
    return dated(findings_frame(findings, space.entries, space.published, source), space)


def dated(findings: pd.DataFrame, space: TrustSpace) -> pd.DataFrame:
    """Return findings with `first_seen` where the texts of their rows tell it (`Rule.texts`).

    That is the first list in which a row had these texts; where only all rows together make the finding, the
    first in which the last of them had. It never says too much: the finding may be older than that.
    """
    rules = [rule(code) for code in findings["rule"]]
    columns = {definition.texts for definition in rules if definition.texts}
    if not columns or space.past is None:
        return findings
    since: dict[tuple[str, ...], dict[int, Any]] = {}
    for texts in columns:
        first = space.past[0].groupby([*texts], sort=False)["first_seen"].min().rename("since").reset_index()
        listed_first = space.entries[["row", *texts]].merge(first, on=[*texts])
        since[texts] = dict(zip(listed_first["row"].tolist(), listed_first["since"], strict=True))
    instants = []
    for definition, instant, rows in zip(rules, findings["first_seen"], findings["rows"], strict=True):
        listed = since.get(definition.texts, {})
        dates = [listed[row] for row in rows if row in listed]
        if not instant and dates and len(dates) == len(rows):
            instant = (max(dates) if definition.needs_all_rows else min(dates)).isoformat()
        instants.append(instant)
    return findings.assign(first_seen=pd.Series(instants, index=findings.index, dtype="str"))


def parted(name: str, space: TrustSpace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the findings of one audit and the waived ones; worked out once for a space."""

    def make() -> tuple[pd.DataFrame, pd.DataFrame]:
        waivers = load_waivers(space.waivers) if space.waivers else ()
        return split(findings_of(name, space), waivers, space.as_of)

    return space.once(audit_named(name), make)


def _made_by(audit: Audit, part: Finder, space: TrustSpace) -> list[Finding]:
    """Return the findings of one part of an audit; if it raises, those so far and the failure."""
    cut = "cut" in space.whitelist.damage_kinds
    rules = {rule.code: rule for rule in audit.rules}
    limit, counts = max(MAX_FINDINGS, 2 * len(space.entries)), dict.fromkeys(rules, 0)
    results: list[Finding] = []
    try:
        # Ours are held to it by their tests: to say all twice takes its time.
        findings = part(space) if audit.name in ours() else held(lambda: _checked(audit, part, space))
        for finding in findings:
            if cut and rules[finding.rule].compares:
                continue
            counts[finding.rule] += 1
            if counts[finding.rule] <= limit:
                results.append(finding)
            elif sum(counts.values()) > 5 * limit:
                break
        if over := [code for code, count in counts.items() if count > limit]:
            raise AuditError(f"more than {limit} findings of {', '.join(over)}: the others are left out")
    except Exception as error:
        name, (text, place) = getattr(part, "__name__", type(part).__name__), failure_of(error)
        facts = {"audit": audit.name, "part": name, "error": text, "place": place}
        results.append(Finding(FAILED, (audit.name, name), facts=facts))
    return results


def _checked(audit: Audit, part: Finder, space: TrustSpace) -> Iterator[Finding]:
    """Yield what a part of somebody else's audit finds, refusing what would fail later."""
    rules, rows = {rule.code: rule for rule in audit.rules}, set(space.entries["row"].tolist())
    for finding in part(space):
        if not isinstance(finding, Finding):
            raise TypeError(f"what it yields is of type {type(finding).__name__}, and no Finding")
        if finding.rule not in rules:
            raise LookupError(f"the audit {audit.name!r} has no rule {finding.rule!r}")
        where = tuple(finding.where) if isinstance(finding.where, list | tuple) else (None,)
        fields: dict[str, tuple[tuple[object, ...], Any]] = {
            "subject": (parts_of(finding.subject), str | Person),
            "where": (where, Integral | Place),
            "domains": (finding.domains if isinstance(finding.domains, tuple) else (None,), str),
            "first_seen": ((finding.first_seen,), datetime | None),
            "operator": ((finding.operator_id, finding.operator), str),
        }
        its = f"a finding of {finding.rule}"
        for name, (values, kind) in fields.items():
            if not all(isinstance(value, kind) for value in values):
                raise TypeError(f"{name} of {its} holds what it may not (help(Finding))")
        if strange := sorted(set(finding.rows) - rows):
            raise LookupError(f"{its} names the row {strange[0]}, which the list has not")
        if finding.confidence not in ("", *CONFIDENCES):
            raise ValueError(f"{its} has the confidence {finding.confidence!r}")
        f"{finding.operator_id}{finding.operator}".encode()  # half a character is none of a column's
        facts = hidden(plain(finding.facts))
        for text, language in product(("observed", "expected", "evidence"), LANGUAGES):
            sentence(rules[finding.rule], text, {**facts, "evidence": ""}, language)
        yield finding
