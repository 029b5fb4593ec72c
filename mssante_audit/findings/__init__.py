"""Findings: what audits say, their catalogue, what became of them from run to run."""

from mssante_audit.findings.catalogue import catalogue, rule
from mssante_audit.findings.frame import Finding, findings_frame

__all__ = ["Finding", "catalogue", "findings_frame", "rule"]
