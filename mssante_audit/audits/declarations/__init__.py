"""Audit: the form's own rules, held against the declarations of a register."""

from importlib.resources import files

from mssante_audit.audits.declarations.rules import form
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "declarations",
    {"fr": "Déclarations des opérateurs", "en": "Operators’ declarations"},
    load_rules(files(__package__) / "rules.toml"),
    form,
    needs=("declarations",),
)
