"""Audit of the public extraction of mailboxes against the white list."""

from importlib.resources import files

from mssante_audit.audits.mailboxes.rules import PARTS
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "mailboxes",
    {"fr": "Boîtes aux lettres publiées", "en": "Published mailboxes"},
    load_rules(files(__package__) / "rules.toml"),
    PARTS,
    needs=("mailboxes",),
    uses=("archive",),
)
