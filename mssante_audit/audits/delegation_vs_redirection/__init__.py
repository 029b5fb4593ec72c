"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone."""

from importlib.resources import files

from mssante_audit.audits.delegation_vs_redirection.rules import PARTS
from mssante_audit.findings.registry import Audit
from mssante_audit.findings.rules import load_rules

AUDIT = Audit(
    "delegation_vs_redirection",
    {"fr": "Délégation ou redirection (DNS)", "en": "Delegation or redirection (DNS)"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
    needs=("observation",),
)
