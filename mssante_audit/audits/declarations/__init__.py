"""Audit: the form's own rules, held against the declarations of a register."""

from importlib.resources import files

from mssante_audit.audits.declarations.rules import PARTS
from mssante_audit.findings.registry import Audit
from mssante_audit.findings.rules import load_rules

AUDIT = Audit(
    "declarations",
    {"fr": "Déclarations des opérateurs", "en": "Operators’ declarations"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
    needs=("declarations",),
)
