"""Verdicts in words: what decides each check, from the titles of rules, in the reader's language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from mssante_audit.base.french import NBSP
from mssante_audit.findings.registry import catalogue, known_needs
from mssante_audit.verdicts.checks import NOT_AUDITED, OUTSIDE
from mssante_audit.verdicts.mail import Mail

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
        "shrunk": "la liste a perdu trop de lignes d’un coup",
        "older": "la liste publiée est plus ancienne que la précédente",
        "quarantined": "la liste publiée est refusée",
        "changed-signer": "le signataire de la liste publiée n’est pas celui attendu",
    },
    "en": {
        "forged": "the list’s signature is wrong",
        "unsigned": "the list has no signature",
        "untrusted": "the list’s signer is not the one expected",
        "damaged": "the list’s file is damaged",
        "undated": "the list does not say when it was made",
        "future": "the list is of the future",
        "old": "the list is too old",
        "shrunk": "the list lost too many rows at once",
        "older": "the list published is older than the one before",
        "quarantined": "the list published is refused",
        "changed-signer": "the signer of the list published is not the one expected",
    },
}
"""Why a list is not to be relied on: by itself (`mssante_audit.whitelist.reliance.doubts`), or by what was
there before or is published (`mssante_audit.space.states`)."""

RECEIVING: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "yes": "Les messages arrivent.",
        "degraded": f"Les messages n’arrivent pas toujours{NBSP}:",
        "no": f"Aucun message n’arrive{NBSP}:",
        "unknown": f"On ne sait pas si les messages arrivent{NBSP}:",
    },
    "en": {
        "yes": "Mail arrives.",
        "degraded": "Mail does not always arrive:",
        "no": "No mail arrives:",
        "unknown": "It is not known whether mail arrives:",
    },
}
"""Of `mssante_audit.verdicts.mail.RECEIVES`."""

SAID: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "referral": "délégué à",
        "answer": "réponse",
        "found": "réponse",
        "nodata": "rien de ce type",
        "nxdomain": "ce nom n’existe pas",
        "loop": "alias en boucle",
        "failed": "aucun serveur ne le dit",
        "silent": "silence",
        "dim": "silence en UDP",
        "refused": "refus",
        "servfail": "échec (SERVFAIL)",
        "lame": "ne fait pas autorité",
        "truncated": "réponse tronquée, et rien en TCP",
        "malformed": "réponse illisible",
        "edns": "silence, sauf sans EDNS",
        "dead": "sans adresse joignable",
        "unheard": "rien d’entendu qui décide",
        "presented": "certificat présenté",
        "no-starttls": "pas de STARTTLS",
        "handshake-failed": "négociation TLS échouée",
        "busy": "occupé",
        "slow": "trop lent",
        "garbage": "réponse qui n’est pas du SMTP",
        "plaintext-injected": "texte en clair après STARTTLS",
        "no-source": "non visité, sans adresse source de cette famille",
        "lost": "certificat que le fichier n’a plus",
        "unvisited": "pas encore visité",
    },
    "en": {
        "referral": "handed over to",
        "answer": "answer",
        "found": "answer",
        "nodata": "nothing of this type",
        "nxdomain": "there is no such name",
        "loop": "aliases in a circle",
        "failed": "no server tells",
        "silent": "silence",
        "dim": "silence over UDP",
        "refused": "refused",
        "servfail": "failure (SERVFAIL)",
        "lame": "without authority",
        "truncated": "truncated, and nothing over TCP",
        "malformed": "unreadable",
        "edns": "silence, unless asked without EDNS",
        "dead": "no address to reach it at",
        "unheard": "nothing heard that decides",
        "presented": "certificate presented",
        "no-starttls": "no STARTTLS",
        "handshake-failed": "TLS handshake failed",
        "busy": "busy",
        "slow": "too slow",
        "garbage": "an answer that is no SMTP",
        "plaintext-injected": "plain text after STARTTLS",
        "no-source": "not visited, no source address of that family",
        "lost": "a certificate that the file has lost",
        "unvisited": "not visited yet",
    },
}
"""Of `mssante_audit.verdicts.mail.Step.said`, and of visits to mail servers."""

_RECEIVING = {"fr": "Réception", "en": "Receiving"}
_OUTSIDE = {"fr": "hors du périmètre du registre", "en": "outside the scope of the register"}
_NOT_AUDITED = {"fr": "pas encore jugé domaine par domaine", "en": "not judged domain by domain yet"}
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
    told: dict[str, str] = {}
    names = {**CHECK_NAMES[language], "receives": _RECEIVING[language]}
    for check in names:
        codes = why.get(check, ())
        new = check != "receives" or not any(set(codes) <= set(why.get(one, ())) for one in ("dns", "mail"))
        if codes and NOT_AUDITED not in codes and new:
            told[check] = semicolon.join(reason(code, language) for code in codes)
    return " ".join(f"{names[check]}{colon}{text}." for check, text in told.items())


@cache
def causes() -> dict[str, dict[str, str]]:
    """Return the words of what decides whether mail arrives (`mssante_audit.verdicts.mail.CAUSES`).

    By cause: ``fr`` and ``en``, what is met; ``do_fr`` and ``do_en``, what to do about it, or "".
    """
    return tomllib.loads((files(__package__) / "causes.toml").read_text(encoding="utf-8"))


def about(mail: Mail, language: str = "fr") -> str:
    """Return what decides whether mail to a domain arrives, with its zone, servers or hosts in brackets."""
    named = [mail.facts[name] for name in ("zone", "servers", "hosts") if mail.facts.get(name)]
    told = ", ".join(text if isinstance(text, str) else ", ".join(text) for text in named)
    return causes()[mail.cause][language] + (f" ({told})." if told else ".")


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def reason(code: str, language: str = "fr") -> str:
    """Return what one code of `why` means, in words (`mssante_audit.verdicts.domains`)."""
    if code == NOT_AUDITED:
        return _NOT_AUDITED[language]
    if code == OUTSIDE:
        return _OUTSIDE[language]
    if code in DOUBTS[language]:
        return DOUBTS[language][code]
    if code in causes():
        return causes()[code][language]
    need = code.removeprefix("no_")
    if need != code:
        return known_needs()[need][language]
    title = str(getattr(catalogue()[code], f"title_{language}"))
    first, rest = title[:1], title[1:]
    return title if rest[:1].isupper() else first.lower() + rest
