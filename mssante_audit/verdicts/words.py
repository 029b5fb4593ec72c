"""Verdicts in words: what decides each check, from the titles of rules, in the reader's language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from mssante_audit.base.french import NBSP
from mssante_audit.base.language import by_language, spoken
from mssante_audit.findings.registry import catalogue, known_needs
from mssante_audit.verdicts.checks import NOT_AUDITED, OUTSIDE
from mssante_audit.verdicts.mail import Mail

CHECK_NAMES = by_language(
    {
        "listed": ("Inscription", "Listing"),
        "certificate": ("Certificat", "Certificate"),
        "dns": ("DNS", "DNS"),
        "mail": ("Messagerie", "Mail"),
        "tls": ("TLS", "TLS"),
        "contacts": ("Contacts", "Contacts"),
        "declaration": ("Déclaration", "Declaration"),
    }
)
"""Of `mssante_audit.findings.catalogue.CHECKS`."""

DOUBTS = by_language(
    {
        "forged": ("la signature de la liste est fausse", "the list’s signature is wrong"),
        "unsigned": ("la liste n’est pas signée", "the list has no signature"),
        "untrusted": (
            "le signataire de la liste n’est pas celui attendu",
            "the list’s signer is not the one expected",
        ),
        "damaged": ("le fichier de la liste est endommagé", "the list’s file is damaged"),
        "undated": ("la liste ne dit pas quand elle a été faite", "the list does not say when it was made"),
        "future": ("la liste est datée du futur", "the list is of the future"),
        "old": ("la liste est trop ancienne", "the list is too old"),
        "shrunk": ("la liste a perdu trop de lignes d’un coup", "the list lost too many rows at once"),
        "older": (
            "la liste publiée est plus ancienne que la précédente",
            "the list published is older than the one before",
        ),
        "quarantined": ("la liste publiée est refusée", "the list published is refused"),
        "changed-signer": (
            "le signataire de la liste publiée n’est pas celui attendu",
            "the signer of the list published is not the one expected",
        ),
    }
)
"""Why a list is not to be relied on: by itself (`mssante_audit.whitelist.reliance.doubts`), or by what was
there before or is published (`mssante_audit.space.states`)."""

RECEIVING = by_language(
    {
        "yes": ("Les messages arrivent.", "Mail arrives."),
        "degraded": (f"Les messages n’arrivent pas toujours{NBSP}:", "Mail does not always arrive:"),
        "no": (f"Aucun message n’arrive{NBSP}:", "No mail arrives:"),
        "unknown": (
            f"On ne sait pas si les messages arrivent{NBSP}:",
            "It is not known whether mail arrives:",
        ),
    }
)
"""Of `mssante_audit.verdicts.mail.RECEIVES`."""

SAID = by_language(
    {
        "referral": ("délégué à", "handed over to"),
        "answer": ("réponse", "answer"),
        "found": ("réponse", "answer"),
        "nodata": ("rien de ce type", "nothing of this type"),
        "nxdomain": ("ce nom n’existe pas", "there is no such name"),
        "loop": ("alias en boucle", "aliases in a circle"),
        "failed": ("aucun serveur ne le dit", "no server tells"),
        "silent": ("silence", "silence"),
        "dim": ("silence en UDP", "silence over UDP"),
        "refused": ("refus", "refused"),
        "servfail": ("échec (SERVFAIL)", "failure (SERVFAIL)"),
        "lame": ("ne fait pas autorité", "without authority"),
        "truncated": ("réponse tronquée, et rien en TCP", "truncated, and nothing over TCP"),
        "malformed": ("réponse illisible", "unreadable"),
        "edns": ("silence, sauf sans EDNS", "silence, unless asked without EDNS"),
        "dead": ("sans adresse joignable", "no address to reach it at"),
        "unheard": ("rien d’entendu qui décide", "nothing heard that decides"),
        "presented": ("certificat présenté", "certificate presented"),
        "no-starttls": ("pas de STARTTLS", "no STARTTLS"),
        "handshake-failed": ("négociation TLS échouée", "TLS handshake failed"),
        "busy": ("occupé", "busy"),
        "slow": ("trop lent", "too slow"),
        "garbage": ("réponse qui n’est pas du SMTP", "an answer that is no SMTP"),
        "plaintext-injected": ("texte en clair après STARTTLS", "plain text after STARTTLS"),
        "no-source": (
            "non visité, sans adresse source de cette famille",
            "not visited, no source address of that family",
        ),
        "lost": ("certificat que le fichier n’a plus", "a certificate that the file has lost"),
        "unvisited": ("pas encore visité", "not visited yet"),
    }
)
"""Of `mssante_audit.verdicts.mail.Step.said`, and of visits to mail servers."""

_RECEIVING = {"fr": "Réception", "en": "Receiving"}
_OUTSIDE = {"fr": "hors du périmètre du registre", "en": "outside the scope of the register"}
_NOT_AUDITED = {"fr": "pas encore jugé domaine par domaine", "en": "not judged domain by domain yet"}
_MARKS = {"fr": (f"{NBSP}: ", f"{NBSP}; "), "en": (": ", "; ")}


def reasons(why: Mapping[str, Sequence[str]], language: str = "") -> str:
    """Return why checks of a domain are not ok, in words; what is not audited yet is left out.

    Parameters
    ----------
    why
        Codes by check (`mssante_audit.verdicts.checks.Verdict`).
    language
        One of `mssante_audit.findings.templates.LANGUAGES`; "": `mssante_audit.base.language.spoken`.
    """
    language = language or spoken()
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


def about(mail: Mail, language: str = "") -> str:
    """Return what decides whether mail to a domain arrives, with its zone, servers or hosts in brackets."""
    named = [mail.facts[name] for name in ("zone", "servers", "hosts") if mail.facts.get(name)]
    told = ", ".join(text if isinstance(text, str) else ", ".join(text) for text in named)
    return causes()[mail.cause][language or spoken()] + (f" ({told})." if told else ".")


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def reason(code: str, language: str = "") -> str:
    """Return what one code of `why` means, in words (`mssante_audit.verdicts.domains`)."""
    language = language or spoken()
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
