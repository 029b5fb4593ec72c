"""French names of what frames hold as codes, in the order of the reports; what terms mean."""

from __future__ import annotations

from collections.abc import Mapping

from mssante_audit.audits.delegation_vs_redirection.method import METHOD_NAMES
from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import current_language, gettext, severity_names, signatures, words
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts.words import SAID

STATUSES = {
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
}
"""Statuses of a domain in the register (`mssante_audit.audits.reconciliation`), worst first."""

MATCHES = {"same": "", "spelling": "autre écriture", "differs": "différent"}
"""How what is listed compares with what was declared; "" for no gap."""

RECEIVED = {"yes": "Reçoivent", "degraded": "À risque", "no": "Ne reçoivent pas", "unknown": "Inconnus"}
"""Whether domains receive mail (`mssante_audit.network.mail.RECEIVES`)."""

DECLARED = {"delegation": "délégation", "redirection": "redirection", "withdrawal": "retrait", "": "rien"}
"""What was declared of the DNS."""

ASPECTS = {
    "method": "Méthode", "servers": "Serveurs de noms", "exchangers": "Serveurs de messagerie",
    "receives": "Reçoit",
}  # fmt: skip
"""What is compared of two observations of the DNS (`mssante_audit.verdicts.differences`)."""

RECEIVES = {"yes": "oui", "degraded": "en partie", "no": "non", "unknown": "inconnu"}
"""Whether mail to a domain arrives (`mssante_audit.network.mail`)."""

KINDS = {
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
}
"""Kinds of changes (`mssante_audit.archive.changes.KINDS`)."""

EVENTS = {
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
}
"""French names of `mssante_audit.archive.events.EVENTS`, in its order."""

CONTACTS = {"project": "projet", "support": "support"}
"""Kinds of contact."""

CONFIDENCES = {"certain": "certain", "likely": "probable", "unknown": "non établi"}
"""How sure changes and events are (`mssante_audit.archive.sides.CONFIDENCES`)."""

OUTCOMES = {
    "kept": "nouvelle liste gardée",
    "same": "liste déjà gardée",
    "unchanged": "liste inchangée",
    "quarantined": "liste mise en quarantaine",
    "failed": "échec",
}
"""What became of a list that was fetched (`mssante_audit.archive.log`)."""

FLAGS = {
    "older": "plus ancienne que la dernière",
    "shrunk": "a perdu beaucoup de lignes",
    "future": "datée de l’avenir",
    "same-second": "une autre de la même seconde",
}
"""What is odd about one."""

REVOCATION_DOUBTS = {
    "": "",
    "none": "aucune liste de révocation dans le dossier de données",
    "unreadable": "liste illisible",
    "other": "aucune liste de cette autorité",
    "forged": "liste que cette autorité n’a pas signée",
    "scope": "liste partielle",
    "late": "liste faite après la fin du certificat",
    "stale": "liste périmée à la date de la visite",
}
"""Why revocation is unknown (`mssante_audit.whitelist.revocation.Status.doubt`)."""

REVOCATIONS = {"good": "non révoqué", "revoked": "révoqué", "unknown": "inconnu"}
"""What revocation lists say of a certificate (`mssante_audit.whitelist.revocation.Status.said`)."""

CERTIFICATE_CHANGES = {"renewed": "renouvelé", "issuer": "autre autorité", "replaced": "autre nom"}
"""Kinds of changes of certificates (`mssante_audit.observe.tls.history`)."""

CERTIFICATE_ORDERS = {
    "": "",
    "listed-first": "inscrit, puis présenté",
    "presented-first": "présenté avant d’être inscrit",
    "unlisted": "pas encore inscrit",
}
"""What came first (`mssante_audit.verdicts.renewals`)."""


def names(kind: str) -> dict[str, str]:
    """Return names of codes, in the reader's language.

    Parameters
    ----------
    kind
        What they are codes of, such as ``statuses``, ``methods`` or ``departments``.

    Raises
    ------
    UnknownNameError
        If there is no such kind.

    Examples
    --------
    >>> names("contacts")
    {'project': 'projet', 'support': 'support'}
    """
    known = _NAMES | {
        "departments": DEPARTMENTS,
        "outcomes": SAID[current_language()],
        "severities": {severity: plural for severity, (_, plural) in severity_names().items()},
        "signatures": signatures(),
    }
    if kind not in known:
        raise UnknownNameError(f"no names of {kind!r}", remedy=f"There are: {', '.join(known)}")
    return words(known[kind])


_NAMES: dict[str, Mapping[str, str]] = {
    "aspects": ASPECTS, "certificate_changes": CERTIFICATE_CHANGES, "certificate_orders": CERTIFICATE_ORDERS,
    "changes": KINDS, "confidences": CONFIDENCES, "contacts": CONTACTS, "declared": DECLARED,
    "events": EVENTS, "matches": MATCHES, "methods": METHOD_NAMES, "received": RECEIVED, "receives": RECEIVES,
    "revocation_doubts": REVOCATION_DOUBTS, "revocations": REVOCATIONS, "statuses": STATUSES,
}  # fmt: skip


def signature_names() -> dict[str, str]:
    """Return the names of the signature's verdicts, in a sentence."""
    other = "mathématiquement juste, mais ce n’est pas celle du signataire attendu"
    return {**signatures(), "valid-untrusted": gettext(other)}


def glossary() -> list[tuple[str, str]]:
    """Return each term that readers meet and what it means, in the order of a dictionary.

    >>> dict(glossary())["MX"]
    'L’enregistrement du DNS qui nomme le serveur de messagerie d’un domaine.'
    """
    entries = table_of("mssante_audit.report", "glossary.toml").values()
    terms = [(term, meaning) for term, meaning in (entry[current_language()] for entry in entries)]
    return sorted(terms, key=lambda entry: fold(entry[0]))
