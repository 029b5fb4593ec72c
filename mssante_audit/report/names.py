"""French names of what frames hold as codes, in the order of the reports."""

from __future__ import annotations

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

STATUS_STYLES = {
    "withdrawn-listed": "critical",
    "not-listed": "error",
    "differs": "warning",
    "not-declared": "warning",
    "as-declared": "strong",
    "under-way": "light",
}
"""How a bar of a status looks (`mssante_audit.report.charts.STYLES`); grey for the others."""

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
