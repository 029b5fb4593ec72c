"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone."""

from importlib.resources import files

from mssante_audit.audits.delegation_vs_redirection.rules import PARTS
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "delegation_vs_redirection",
    {"fr": "Délégation ou redirection (DNS)", "en": "Delegation or redirection (DNS)"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
    needs=("observation",),
)
