"""Findings as JUnit XML, which build servers draw: a suite an audit, a case a rule, a failure a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from lxml import etree

from mssante_audit.base.export import records, xml_text
from mssante_audit.base.language import translated
from mssante_audit.findings.catalogue import FAILED, Rule


def junit(
    findings: pd.DataFrame, waived: pd.DataFrame, lacking: Mapping[str, Sequence[str]], rules: Sequence[Rule]
) -> str:
    """Return findings as JUnit XML; what it takes, `mssante_audit.findings.sarif.sarif` says.

    A finding is a failure of its rule's case, but for information, which is output; so is a waived one. A
    rule that could not be evaluated is an error, the rules of an audit that was not made are skipped.
    """
    found, apart = records(findings), records(waived)
    root = etree.Element("testsuites", name="mssante-audit")
    for audit in dict.fromkeys([*(own.audit for own in rules), *(f["audit"] for f in found)]):
        cases = [own for own in rules if own.audit == audit]
        others = (f["rule"] for f in found if f["audit"] == audit)
        codes, name = dict.fromkeys([*(own.code for own in cases), *others]), audit or "mssante-audit"
        suite = etree.SubElement(root, "testsuite", name=name, tests=str(len(codes)))
        for code in codes:
            case = etree.SubElement(suite, "testcase", name=code, classname=name)
            if audit in lacking:
                etree.SubElement(case, "skipped").text = f"no {', no '.join(lacking[audit])}"
            _fill(case, [f for f in found if f["rule"] == code], [f for f in apart if f["rule"] == code])
        for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(counted, str(sum(case.find(tag) is not None for case in suite)))
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text.decode()


def _fill(case: Any, found: Sequence[Mapping[str, Any]], waived: Sequence[Mapping[str, Any]]) -> None:
    for finding in (f for f in found if f["severity"] != "info"):
        tag = "error" if finding["rule"] == FAILED else "failure"
        message = xml_text(" ".join(filter(None, (finding["domain"], finding["observed"]))))
        etree.SubElement(case, tag, type=finding["severity"], message=message).text = _line(finding)
    lines = [_line(f) for f in found if f["severity"] == "info"]
    lines += [f"{_line(f)} ; {translated('accepté :')} {xml_text(f['reason'])}" for f in waived]
    if lines:
        etree.SubElement(case, "system-out").text = "\n".join(lines)


def _line(finding: Mapping[str, Any]) -> str:
    names = ("domain", "operator", "observed", "expected", "evidence", "fingerprint")
    return xml_text(" ; ".join(finding[name] for name in names if finding[name]))
