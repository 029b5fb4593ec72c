"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone.

What could not be observed is reported as such, and never as absent. All rules report in the same facts:
`seen`, each thing that was seen, and `wanted`, each that would be right.
"""

from importlib.resources import files

from mssante_audit.audits.delegation_vs_redirection.delegation import delegation_findings
from mssante_audit.audits.delegation_vs_redirection.mail import mail_findings
from mssante_audit.audits.delegation_vs_redirection.method import method_findings
from mssante_audit.audits.delegation_vs_redirection.observed import by_file
from mssante_audit.audits.delegation_vs_redirection.servers import parent_findings, server_findings
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

RULES = (method_findings, server_findings, delegation_findings, mail_findings, parent_findings)

AUDIT = Audit(
    "delegation_vs_redirection",
    {"fr": "Délégation ou redirection (DNS)", "en": "Delegation or redirection (DNS)"},
    load_rules(files(__package__) / "rules.toml"),
    tuple(map(by_file, RULES)),
    needs=("observation",),
    uses=("declarations",),
)
