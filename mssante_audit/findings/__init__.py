"""Findings: what audits say, in facts; catalogue and registry; what became of them from run to run."""

from mssante_audit.findings.catalogue import Rule, load_rules
from mssante_audit.findings.frame import Finding, findings_frame, worded
from mssante_audit.findings.places import Place
from mssante_audit.findings.registry import Audit, audits, catalogue, register, rule

__all__ = [
    "Audit", "Finding", "Place", "Rule", "audits", "catalogue", "findings_frame", "load_rules", "register",
    "rule", "worded",
]  # fmt: skip
