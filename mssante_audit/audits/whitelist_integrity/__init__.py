"""Audit of the white list as a file and as a table: signature, age, damage, rows, domains, descriptions."""

from importlib.resources import files

from mssante_audit.audits.whitelist_integrity.rules import PARTS
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "whitelist_integrity",
    {"fr": "Intégrité de la liste blanche", "en": "Integrity of the white list"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
    uses=("archive",),
)
