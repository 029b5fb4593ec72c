"""Audit of the contacts: incomplete, badly written, personal, and in disagreement within an operator."""

from importlib.resources import files

from mssante_audit.audits.stale_contacts.rules import PARTS
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "stale_contacts",
    {"fr": "Contacts", "en": "Contacts"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
    uses=("archive",),
)
