"""Words in which a register's keeper is told where something is wrong, and what to type instead."""

from __future__ import annotations

from collections.abc import Mapping

from mssante_audit.base.french import typeset
from mssante_audit.base.language import by_language

_WORDS = {
    "sheet": ("feuille « {} »", "sheet {!r}"),
    "row": ("ligne {}", "row {}"),
    "rows": ("lignes {}", "rows {}"),
    "quoted": ("« {} »", "{}"),
    "colon": (" : ", ": "),
    "and": (" ; ", ", "),
    "type": ("À écrire : {}", "Type: {}"),
    "right": ("Attendu : {}", "Right: {}"),
    "do": ("À faire : {}", "To do: {}"),
    "meant": ("Est-ce « {} » ?", "Did you mean {!r}?"),
    "times": ("{} fois, {} : {}", "{} times, {}: {}"),
    "more": ("de même {} fois, {} ({})", "likewise {} times, {} ({})"),
    "over": ("plus de {} fois, {} ; les suivantes ne sont pas dites ({})",
        "more than {} times, {}; those after them are not told ({})"),
    "in-all": ("… ({} lignes en tout)", "… ({} rows in all)"),
    "unread": ("{} : non lu, {} ; seule la feuille « {} » l'est (--sheet en choisit une autre)",
        "{}: not read, {}; only the sheet {!r} is (--sheet chooses another)"),
    "declaration": ("{} déclaration", "{} declaration"),
    "declarations": ("{} déclarations", "{} declarations"),
    "todo": ("{} point à corriger", "{} to correct"),
    "todos": ("{} points à corriger", "{} to correct"),
    "look": ("{} à vérifier", "{} to check"),
    "looks": ("{} à vérifier", "{} to check"),
    "nothing": ("rien à signaler", "no findings"),
    "mended": ("Corrigé sans rien deviner, {} fois, {}", "Mended without guessing, {} times, {}"),
    "invisible": ("caractères invisibles ôtés", "invisible characters removed"),
    "spaces": ("espaces en trop ôtées", "needless spaces removed"),
    "capitals": ("majuscules mises en minuscules", "capitals made small"),
    "dot": ("point final ôté", "final dot removed"),
    "separators": ("séparateurs ôtés", "separators removed"),
    "phone": ("numéro écrit comme on le compose", "number written as it is dialled"),
    "prefix": ("« mailto: » ôté", "mailto: removed"),
    "kind-text": ("", "the text itself"),
    "kind-box": ("X pour cocher, rien sinon", "X to tick it, nothing not to"),
    "kind-date": ("JJ/MM/AAAA, par exemple 01/03/2026", "DD/MM/YYYY"),
    "kind-contract": ("les 10 caractères attribués par le gestionnaire",
        "the 10 characters that the manager gave"),
    "kind-identifier": ("1 + FINESS, 2 + SIREN, 3 + SIRET… (par exemple 1 puis les 9 caractères du FINESS)",
        "1 + FINESS, 2 + SIREN, 3 + SIRET…"),
    "kind-phone": ("10 chiffres, par exemple 01 99 00 00 01", "10 digits, such as 01 99 00 00 01"),
    "kind-email": ("une seule adresse, par exemple service@ch-xyz.fr",
        "one address, such as service@ch-xyz.fr"),
    "kind-dn": ("CN=…,OU=…,O=…,ST=… (…),C=FR, comme dans le certificat", "CN=…,OU=…,O=…,ST=… (…),C=FR"),
    "kind-server": ("un nom d'hôte complet, par exemple ns.ch-xyz.fr",
        "a full host name, such as ns.ch-xyz.fr"),
    "kind-domain": ("le nom exact, par exemple ch-xyz.mssante.fr", "such as ch-xyz.mssante.fr"),
}  # fmt: skip
_TOLD = by_language(_WORDS)
WORDS: Mapping[str, Mapping[str, str]] = _TOLD | {"fr": {n: typeset(t) for n, t in _TOLD["fr"].items()}}
"""By language and name."""
