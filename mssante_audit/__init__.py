"""Analysis and audit of the MSSanté trust space.

Start with `load_space`: a folder (or a white list) becomes a `TrustSpace`, whose ``entries`` is a frame.
`audit` and `audit_all` turn it into a frame of findings; `rule` explains each.

>>> from mssante_audit import load_space
>>> space = load_space(as_of="2026-03-03")
>>> space.whitelist.signature.status
'valid'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mssante_audit.audits import AUDITS, audit, audit_all
    from mssante_audit.contacts import mask, parse_contact
    from mssante_audit.declarations import load_declarations
    from mssante_audit.dn import parse_dn
    from mssante_audit.errors import AuditError
    from mssante_audit.identifiers import parse_department, parse_identifier
    from mssante_audit.rules import catalogue, rule
    from mssante_audit.signature import verify_signature
    from mssante_audit.space import Thresholds, TrustSpace, load_space
    from mssante_audit.whitelist import WhiteList, load_whitelist

_HOME = {
    "audits": ("AUDITS", "audit", "audit_all"),
    "contacts": ("mask", "parse_contact"),
    "declarations": ("load_declarations",),
    "dn": ("parse_dn",),
    "errors": ("AuditError",),
    "identifiers": ("parse_department", "parse_identifier"),
    "rules": ("catalogue", "rule"),
    "signature": ("verify_signature",),
    "space": ("Thresholds", "TrustSpace", "load_space"),
    "whitelist": ("WhiteList", "load_whitelist"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AUDITS",
    "AuditError",
    "Thresholds",
    "TrustSpace",
    "WhiteList",
    "audit",
    "audit_all",
    "catalogue",
    "load_declarations",
    "load_space",
    "load_whitelist",
    "mask",
    "parse_contact",
    "parse_department",
    "parse_dn",
    "parse_identifier",
    "rule",
    "verify_signature",
]


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the command line answers --help without loading pandas.
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
