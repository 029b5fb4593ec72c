"""Analysis and audit of the MSSanté trust space.

Start with `load_space`: a folder (or a white list) becomes a `TrustSpace`, whose ``entries`` is a frame.
`audit` and `audit_all` turn it into a frame of findings; `rule` explains each.

>>> from mssante_audit import load_space
>>> space = load_space(as_of="2026-03-03")
>>> space.whitelist.signature.status
'valid'

=================================  ==================================================================
`load_space`                       a folder or a file as a `TrustSpace`, with `Thresholds`
`load_whitelist`                   a single file as a `WhiteList`
`load_declarations`                the declarations of operators (Annexe 1) in a folder
`verify_signature`                 what the signature of a `WhiteList` is worth, and why
`audit`, `audit_all`               findings of one of `AUDITS`, or of all
`rule`, `catalogue`                what a rule means, why it matters, what to do; all rules by code
`parse_dn`, `parse_identifier`,    a certificate's name, an identifier, a département or a contact,
`parse_department`                 read from its text with what is wrong with it; these never fail
`parse_contact`
`mask`                             a text without the persons, numbers and addresses in it
`AuditError`                       what all errors of this package are
=================================  ==================================================================

``help(load_space)`` tells of one of them; the columns of ``space.entries`` and of findings are described in
``help("mssante_audit.whitelist.load")`` and ``help("mssante_audit.findings.frame")``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mssante_audit.audits import AUDITS, audit, audit_all
    from mssante_audit.base.errors import AuditError
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.findings.catalogue import catalogue, rule
    from mssante_audit.space.trust import Thresholds, TrustSpace, load_space
    from mssante_audit.values.contacts import mask, parse_contact
    from mssante_audit.values.dn import parse_dn
    from mssante_audit.values.identifiers import parse_department, parse_identifier
    from mssante_audit.whitelist.load import WhiteList, load_whitelist
    from mssante_audit.whitelist.signature import verify_signature

_HOME = {
    "audits": ("AUDITS", "audit", "audit_all"),
    "values.contacts": ("mask", "parse_contact"),
    "declarations.register": ("load_declarations",),
    "values.dn": ("parse_dn",),
    "base.errors": ("AuditError",),
    "values.identifiers": ("parse_department", "parse_identifier"),
    "findings.catalogue": ("catalogue", "rule"),
    "whitelist.signature": ("verify_signature",),
    "space.trust": ("Thresholds", "TrustSpace", "load_space"),
    "whitelist.load": ("WhiteList", "load_whitelist"),
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
    # What a user may want, and not what this module is made of: completion and help() show these.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
