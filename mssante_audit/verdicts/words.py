"""Verdicts in words: what decides each check, from the titles of rules, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mssante_audit.base.french import NBSP
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import catalogue, known_needs
from mssante_audit.verdicts.checks import NOT_AUDITED, OUTSIDE

CHECK_NAMES: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "listed": "Inscription",
        "certificate": "Certificat",
        "dns": "DNS",
        "mail": "Messagerie",
        "tls": "TLS",
        "contacts": "Contacts",
        "declaration": "Déclaration",
    },
    "en": {
        "listed": "Listing",
        "certificate": "Certificate",
        "dns": "DNS",
        "mail": "Mail",
        "tls": "TLS",
        "contacts": "Contacts",
        "declaration": "Declaration",
    },
}
"""Of `mssante_audit.findings.catalogue.CHECKS`."""

DOUBTS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "forged": "la signature de la liste est fausse",
        "unsigned": "la liste n’est pas signée",
        "untrusted": "le signataire de la liste n’est pas celui attendu",
        "damaged": "le fichier de la liste est endommagé",
        "undated": "la liste ne dit pas quand elle a été faite",
        "future": "la liste est datée du futur",
        "old": "la liste est trop ancienne",
    },
    "en": {
        "forged": "the list’s signature is wrong",
        "unsigned": "the list has no signature",
        "untrusted": "the list’s signer is not the one expected",
        "damaged": "the list’s file is damaged",
        "undated": "the list does not say when it was made",
        "future": "the list is of the future",
        "old": "the list is too old",
    },
}
"""Why a list is not to be relied on (`mssante_audit.whitelist.reliance.doubts`)."""

_OUTSIDE = {"fr": "hors du périmètre du registre", "en": "outside the scope of the register"}
_MARKS = {"fr": (f"{NBSP}: ", f"{NBSP}; "), "en": (": ", "; ")}


def reasons(why: Mapping[str, Sequence[str]], language: str = "fr") -> str:
    """Return why checks of a domain are not ok, in words; what is not audited yet is left out.

    Parameters
    ----------
    why
        Codes by check (`mssante_audit.verdicts.checks.Verdict`).
    language
        One of `mssante_audit.findings.templates.LANGUAGES`.
    """
    colon, semicolon = _MARKS[language]
    told = [
        CHECK_NAMES[language][check] + colon + semicolon.join(_reason(code, language) for code in why[check])
        for check in CHECKS
        if check in why and NOT_AUDITED not in why[check]
    ]
    return " ".join(f"{one}." for one in told)


def _reason(code: str, language: str) -> str:
    if code == OUTSIDE:
        return _OUTSIDE[language]
    if code in DOUBTS[language]:
        return DOUBTS[language][code]
    need = code.removeprefix("no_")
    if need != code:
        return known_needs()[need][language]
    title = str(getattr(catalogue()[code], f"title_{language}"))
    first, rest = title[:1], title[1:]
    return title if rest[:1].isupper() else first.lower() + rest
