"""Audit: the register of declarations against the white list, as of a date."""

from importlib.resources import files

from mssante_audit.audits.reconciliation.rules import reconciled
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "reconciliation",
    {"fr": "Registre et liste rapprochés", "en": "Register and list reconciled"},
    load_rules(files(__package__) / "rules.toml"),
    reconciled,
    needs=("declarations",),
    uses=("archive",),
)
