"""Audit of the certificate names (DN)."""

from importlib.resources import files

from mssante_audit.audits.dn_consistency.rules import PARTS
from mssante_audit.findings.registry import Audit
from mssante_audit.findings.rules import load_rules

AUDIT = Audit(
    "dn_consistency",
    {"fr": "Noms de certificat", "en": "Certificate names"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
)
