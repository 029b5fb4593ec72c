"""French names of what frames hold as codes, in the order of the reports; what terms mean."""

from __future__ import annotations

from collections.abc import Mapping

from mssante_audit.audits.delegation_vs_redirection.method import METHOD_NAMES
from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import (
    current_language,
    gettext,
    severity_names,
    signatures,
    words,
    words_of,
)
from mssante_audit.base.text import fold
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts.words import SAID

NAMES: dict[str, Mapping[str, str]] = {
    # Statuses of a domain in the register (`mssante_audit.audits.reconciliation`), worst first.
    "statuses": {
        "withdrawn-listed": "retiré, toujours listé",
        "not-listed": "déclaré, absent de la liste",
        "differs": "listé, avec des écarts",
        "not-declared": "listé, jamais déclaré",
        "unknown": "déclaré, date ou retrait illisible",
        "under-way": "en cours, dans le délai",
        "as-declared": "listé comme déclaré",
        "withdrawn": "retiré, absent de la liste",
        "later": "déclaré à une date future",
        "outside": "hors du périmètre du registre",
    },
    # How what is listed compares with what was declared; "" for no gap.
    "matches": {"same": "", "spelling": "autre écriture", "differs": "différent"},
    # Whether domains receive mail (`mssante_audit.network.mail.RECEIVES`).
    "received": {"yes": "Reçoivent", "degraded": "À risque", "no": "Ne reçoivent pas", "unknown": "Inconnus"},
    # What was declared of the DNS.
    "declared": {
        "delegation": "délégation",
        "redirection": "redirection",
        "withdrawal": "retrait",
        "": "rien",
    },
    # What is compared of two observations of the DNS (`mssante_audit.verdicts.differences`).
    "aspects": {
        "method": "Méthode",
        "servers": "Serveurs de noms",
        "exchangers": "Serveurs de messagerie",
        "receives": "Reçoit",
    },
    # Whether mail to a domain arrives (`mssante_audit.network.mail`).
    "receives": {"yes": "oui", "degraded": "en partie", "no": "non", "unknown": "inconnu"},
    # Kinds of changes (`mssante_audit.archive.changes.KINDS`).
    "changes": {
        "added": "Domaines ajoutés",
        "removed": "Domaines retirés",
        "renamed": "Domaines renommés",
        "moved": "Domaines passés à un autre opérateur",
        "dn_added": "Certificats ajoutés",
        "dn_retired": "Certificats retirés",
        "dn_replaced": "Certificats remplacés",
        "dn_respelt": "Certificats écrits autrement",
        "contact_changed": "Contacts changés",
        "description_changed": "Descriptions changées",
        "duplicated": "Lignes en double",
        "restamped": "Lignes redatées : rien d’autre n’a changé",
    },
    # French names of `mssante_audit.archive.events.EVENTS`, in its order.
    "events": {
        "signer": "Changement de signataire de la liste",
        "migration": "Domaines passés d’un opérateur à un autre",
        "arrival": "Première apparition d’un opérateur",
        "departure": "Dernière apparition d’un opérateur",
        "renewal": "Certificat remplacé partout",
        "replacement": "Certificat remplacé en partie",
        "certificate_added": "Certificat ajouté",
        "certificate_retired": "Certificat retiré",
        "rename": "Domaines renommés",
        "added": "Domaines ajoutés",
        "removed": "Domaines retirés",
        "correction": "Correction en masse",
        "contact": "Contact changé",
        "description": "Description changée",
        "respelling": "Certificat écrit autrement",
        "duplication": "Lignes en double",
        "restamp": "Lignes redatées sans changement",
    },
    # Kinds of contact.
    "contacts": {"project": "projet", "support": "support"},
    # How sure changes and events are (`mssante_audit.archive.sides.CONFIDENCES`).
    "confidences": {"certain": "certain", "likely": "probable", "unknown": "non établi"},
    # What became of a list that was fetched (`mssante_audit.archive.log`).
    "fetches": {
        "kept": "nouvelle liste gardée",
        "same": "liste déjà gardée",
        "unchanged": "liste inchangée",
        "quarantined": "liste mise en quarantaine",
        "failed": "échec",
    },
    # What is odd about one.
    "flags": {
        "older": "plus ancienne que la dernière",
        "shrunk": "a perdu beaucoup de lignes",
        "future": "datée de l’avenir",
        "same-second": "une autre de la même seconde",
    },
    # Why revocation is unknown (`mssante_audit.whitelist.revocation.Status.doubt`).
    "revocation_doubts": {
        "": "",
        "none": "aucune liste de révocation dans le dossier de données",
        "unreadable": "liste illisible",
        "other": "aucune liste de cette autorité",
        "forged": "liste que cette autorité n’a pas signée",
        "scope": "liste partielle",
        "late": "liste faite après la fin du certificat",
        "stale": "liste périmée à la date de la visite",
    },
    # What revocation lists say of a certificate (`mssante_audit.whitelist.revocation.Status.said`).
    "revocations": {"good": "non révoqué", "revoked": "révoqué", "unknown": "inconnu"},
    # Kinds of changes of certificates (`mssante_audit.observe.tls.history`).
    "certificate_changes": {"renewed": "renouvelé", "issuer": "autre autorité", "replaced": "autre nom"},
    # What came first (`mssante_audit.verdicts.renewals`).
    "certificate_orders": {
        "": "",
        "listed-first": "inscrit, puis présenté",
        "presented-first": "présenté avant d’être inscrit",
        "unlisted": "pas encore inscrit",
    },
    "methods": METHOD_NAMES,
}
"""Names by what they are codes of."""


def names(kind: str) -> dict[str, str]:
    """Return the names of codes, such as ``statuses`` or ``methods``, in the reader's language.

    Raises
    ------
    UnknownNameError
        If there is no such kind of codes.

    Examples
    --------
    >>> names("contacts")
    {'project': 'projet', 'support': 'support'}
    """
    known = NAMES | {
        "departments": DEPARTMENTS,
        "outcomes": SAID[current_language()],
        "severities": {severity: plural for severity, (_, plural) in severity_names().items()},
        "signatures": signatures(),
    }
    if kind not in known:
        raise UnknownNameError(f"no names of {kind!r}", remedy=f"There are: {', '.join(known)}")
    return words(known[kind])


def signature_names() -> dict[str, str]:
    """Return the names of the signature's verdicts, in a sentence."""
    other = "mathématiquement juste, mais ce n’est pas celle du signataire attendu"
    return {**signatures(), "valid-untrusted": gettext(other)}


def glossary() -> list[tuple[str, str]]:
    """Return each term that readers meet and what it means, in the order of a dictionary."""
    entries = words_of("mssante_audit.report", "glossary.toml")[current_language()].values()
    return sorted(((entry["term"], entry["meaning"]) for entry in entries), key=lambda entry: fold(entry[0]))
