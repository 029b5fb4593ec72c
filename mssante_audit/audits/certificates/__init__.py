"""Audit of the certificates that mail servers present, against those that the list has for their domains.

A server is judged at the instant of the visit that counts; what was not seen is unknown, and never a fault.
What senders must check is ANS's second reference document (clients, v1.0, 2023); what hangs on IGC-Santé's
profile for servers, which is not public, is good practice.
"""

from importlib.resources import files

from mssante_audit.audits.certificates.chains import chain_findings, validity_findings
from mssante_audit.audits.certificates.names import name_findings, server_findings
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.registry import Audit

AUDIT = Audit(
    "certificates",
    {"fr": "Certificats présentés (TLS)", "en": "Certificates presented (TLS)"},
    load_rules(files(__package__) / "rules.toml"),
    (name_findings, validity_findings, chain_findings, server_findings),
    needs=("observation", "tls"),
)
