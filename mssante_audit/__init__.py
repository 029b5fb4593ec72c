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
`audit`, `audit_all`, `lacking`    findings of one of `AUDITS`, or of all; those that lack their input
`Audit`, `register`, `Finding`     an audit of one's own, in a notebook or a package
`Rule`, `load_rules`, `Person`     its rules; a text that names a person, as a fact
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
    AUDITS: tuple[str, ...]
    from mssante_audit.audits import audit, audit_all, lacking
    from mssante_audit.base.errors import AuditError
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.findings.catalogue import Rule, load_rules
    from mssante_audit.findings.frame import Finding
    from mssante_audit.findings.registry import Audit, catalogue, register, rule
    from mssante_audit.snapshot.load import load_space
    from mssante_audit.space.trust import Thresholds, TrustSpace
    from mssante_audit.values.contacts import mask, parse_contact
    from mssante_audit.values.dn import parse_dn
    from mssante_audit.values.identifiers import parse_department, parse_identifier
    from mssante_audit.values.person import Person
    from mssante_audit.whitelist.load import WhiteList, load_whitelist
    from mssante_audit.whitelist.signature import verify_signature

_HOME = {
    "audits": (
        "audit",
        "audit_all",
        "lacking",
    ),
    "base.errors": ("AuditError",),
    "declarations.register": ("load_declarations",),
    "findings.catalogue": (
        "Rule",
        "load_rules",
    ),
    "findings.frame": ("Finding",),
    "findings.registry": (
        "Audit",
        "catalogue",
        "register",
        "rule",
    ),
    "snapshot.load": ("load_space",),
    "space.trust": ("Thresholds", "TrustSpace"),
    "values.contacts": (
        "mask",
        "parse_contact",
    ),
    "values.dn": ("parse_dn",),
    "values.identifiers": (
        "parse_department",
        "parse_identifier",
    ),
    "values.person": ("Person",),
    "whitelist.load": (
        "WhiteList",
        "load_whitelist",
    ),
    "whitelist.signature": ("verify_signature",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AUDITS",
    "Audit",
    "AuditError",
    "Finding",
    "Person",
    "Rule",
    "Thresholds",
    "TrustSpace",
    "WhiteList",
    "audit",
    "audit_all",
    "catalogue",
    "lacking",
    "load_declarations",
    "load_rules",
    "load_space",
    "load_whitelist",
    "mask",
    "parse_contact",
    "parse_department",
    "parse_dn",
    "parse_identifier",
    "register",
    "rule",
    "verify_signature",
]


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the command line answers --help without loading pandas.
    if name == "AUDITS":
        from mssante_audit.findings.registry import audits

        return tuple(audits())
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    # What a user may want, and not what this module is made of: completion and help() show these.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
