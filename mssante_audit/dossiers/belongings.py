"""What belongs to whom: the identifiers, names, domains, hosts, certificate names and contacts of operators.

A dossier is sent to the operator it is about, so nothing of any other may stand in it. What the white list
(today's, or an earlier one of the archive) gives an operator is its own, and so is a domain that it declares
itself; what only a declaration names (a server, a certificate) belongs to those who declare it unless a list
gives it to others.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache, lru_cache
from typing import Any

import pandas as pd

from mssante_audit.archive.history import with_operators
from mssante_audit.base.language import gettext, localized
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold, visible
from mssante_audit.findings.registry import catalogue
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.hosts import domain_key
from mssante_audit.whitelist.rows import CPS_ISSUER, grouped

# What stands, in the reader's language, in place of a text that names another operator or what is its.
ELSEWHERE = "Concerne aussi un autre opérateur, qui n’est pas nommé ici. Demander le détail à l’expéditeur."
COMMON = 8  # operators from whose names on a word tells none of them apart (CENTRE, HOSPITALIER, SAINT…)
SHORT, LONG = 3, 5  # letters from which on a name of one word is looked for: in capitals, and in any case

_NAME_MAX = 300  # characters of a host name that are looked at: more than a list's field holds
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_DIGITS = re.compile(r"(?<![0-9a-z])\+?[0-9](?:[ .\-()/]{0,2}[0-9]){7,16}(?![0-9a-z])")
_TOKEN = re.compile(r"[^\W_]+")
_IDENTIFIER = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{7,20}(?![0-9A-Za-z])")
_FIELDS = re.compile(r"[,;|:=()\n«»]")
_PLAIN = re.compile(r"[a-z0-9._-]+")
_CAPITALS = re.compile(r"(?<!\w)[A-Z0-9]+(?!\w)")

KINDS = ("host", "identifier", "phone", "name", "person", "odd")
Claim = tuple[str, str, str]  # one of `KINDS`, a text, and whose it is
Owners = Set[str]  # operator identifiers; "" stands for rows and declarations that name none
Owned = tuple[str, Owners]  # something of somebody's in a text, and whose it is


@cache
def dossier_words() -> dict[str, Any]:
    """Return what ``dossier.toml`` says: `generic`, `others`, `remedies` by language, `fields`."""
    words = table_of("mssante_audit.dossiers", "dossier.toml")
    for shared in words.pop("shared"):
        for language, remedies in words["remedies"].items():
            remedies |= dict.fromkeys(shared["rules"], shared[language])
    return words


class Belongings:
    """Whose is what, over a whole trust space: its list, the archive's earlier ones and its register."""

    def __init__(self, space: TrustSpace) -> None:
        listed, declared = list(_of_list(space.entries)), list[Claim]()
        if space.archive is not None:
            past = with_operators(space.archive.history)
            listed += _of_list(past.assign(o="", cn=[parse_dn(dn).get("CN") for dn in past["dn"]]))
        if space.register is not None:
            for row in space.register.declarations.to_dict("records"):
                declaration = {str(name): str(text) for name, text in row.items()}
                listed += _of_hosts(declaration["operator_id"], [declaration["domain"]])
                declared += _of_declaration(declaration)
        by_list, by_register = _by_kind(listed), _by_kind(declared)
        self.hosts, self.declared = by_list["host"], by_register["host"]
        # Of what both know, what the lists say counts.
        union = {kind: {**by_register[kind], **by_list[kind]} for kind in KINDS}
        self.identifiers, self.phones = union["identifier"], union["phone"]  # phones: their last nine digits
        self.odd = union["odd"]  # domains and certificate names that are no host names
        self.names: defaultdict[str, dict[tuple[str, ...], Owners]] = defaultdict(dict)  # by their first word
        self.fields: dict[str, Owners] = {}  # names too short or too common to be found inside a text
        self._sort_names(union["name"], union["person"])
        self.public = {"mssante.fr", space.observation.parent_zone if space.observation else ""}

    def foreign(self, text: str, operator_id: str) -> tuple[str, ...]:
        """Return what in a text belongs to others and not to `operator_id`."""
        return tuple(name for name, owners in _owned(self, text) if operator_id not in owners)

    def safe(self, text: str, operator_id: str, instead: str | None = None) -> str:
        """Return a text as `operator_id` may read it: `instead`, or `ELSEWHERE`, if it holds others'."""
        if not (text and self.foreign(text, operator_id)):
            return text
        return gettext(ELSEWHERE) if instead is None else instead

    def is_own_domain(self, domain: str, operator_id: str) -> bool:
        """Tell whether the lists or a declaration give a domain to `operator_id`."""
        key = domain_key(domain)
        return operator_id in (self.hosts.get(key) or self.odd.get(key) or ())

    def _sort_names(self, named: Mapping[str, Owners], persons: Mapping[str, Owners]) -> None:
        owned: defaultdict[str, Owners] = defaultdict(set)
        for text, owners in named.items():
            if text != CPS_ISSUER and (key := fold(text)):
                owned[key] = owned[key] | owners
        used = Counter(part for key in owned for part in set(key.split()))
        texts = (localized(rule, p) for rule in catalogue().values() for p in ("title", "why", "remedy"))
        common = {*dossier_words()["generic"], *fold(" ".join(texts)).split()}
        common |= {part for part, n in used.items() if n >= COMMON}
        for key, owners in owned.items():
            parts = key.split()
            distinct = any(part not in common and not part.isdigit() for part in parts)
            if not distinct or (len(parts) == 1 and len(key) < SHORT):
                self.fields[key] = owners
        inside = [pair for pair in owned.items() if pair[0] not in self.fields]
        for key, owners in (*inside, *persons.items()):
            name = tuple(key.split())
            self.names[name[0]][name] = self.names[name[0]].get(name, set()) | owners


@lru_cache(maxsize=8192)
def _owned(owned: Belongings, text: str) -> tuple[Owned, ...]:
    """Return all that is somebody's in a text."""
    plain = text.casefold()
    matches = [(host, _owners_of_host(owned, host[-_NAME_MAX:].strip(".-"))) for host in _HOST.findall(plain)]
    for odd, owners in owned.odd.items():
        if odd in plain and re.search(rf"(?<![\w.-]){re.escape(odd)}(?![\w-])", plain):
            matches.append((odd, owners))
    matches += [(token, owned.identifiers.get(token.upper(), set())) for token in _IDENTIFIER.findall(text)]
    for run in _DIGITS.findall(plain):
        digits = "".join(filter(str.isdigit, run))
        owners = owned.identifiers.get(digits, set()) if digits != run else set()
        matches.append((run, owners or owned.phones.get(digits[-9:], set())))
    matches += _names(owned, re.sub(_HOST.pattern, " . ", text, flags=re.IGNORECASE))
    fields = (field.strip(' \t"') for field in _FIELDS.split(text))
    keys = (fold(field) for field in fields if field == field.upper()) if owned.fields else ()
    matches += [(key, owned.fields.get(key, set())) for key in keys]
    return tuple(match for match in matches if match[1])


def _owners_of_host(owned: Belongings, host: str) -> Owners:
    """Return the owners of a host: the longest known name that fits it decides."""
    labels = host.split(".")
    for index in (owned.hosts, owned.declared):
        for start in range(len(labels) - 1):
            name = ".".join(labels[start:])
            if name in owned.public:
                break
            if name in index:
                return index[name]
    return set()


def _names(owned: Belongings, text: str) -> Iterator[Owned]:
    """Find names word by word; where several start at one word the longest is meant."""
    words, capitals = _TOKEN.findall(fold(text)), set(_CAPITALS.findall(text))
    at = 0
    while at < len(words):
        names = [name for name in owned.names.get(words[at], ()) if tuple(words[at : at + len(name)]) == name]
        name = max(names, key=len, default=())
        if len(name) > 1 or (name and (len(name[0]) >= LONG or name[0].upper() in capitals)):
            yield " ".join(name), owned.names[name[0]][name]
        at += len(name) or 1


def _by_kind(claims: Iterable[Claim]) -> dict[str, dict[str, Owners]]:
    """Return the owners of each text by kind (`KINDS`)."""
    owned = grouped(((kind, text), owner) for kind, text, owner in claims)
    return {kind: {text: {*owners} for (key, text), owners in owned.items() if key == kind} for kind in KINDS}


def _of_list(rows: pd.DataFrame) -> Iterator[Claim]:
    """Yield what rows of lists give their operators."""
    columns = ["operator_id", "operator", "o", "domain", "cn", "project_contact", "support_contact"]
    distinct = rows[columns].drop_duplicates().itertuples(index=False, name=None)
    for owner, name, o, domain, cn, *contacts in distinct:
        yield from _of_operator(owner, (name, o), filter(None, (domain, cn)), contacts)


def _of_declaration(row: Mapping[str, str]) -> Iterator[Claim]:
    """Yield what a declaration names beside its domain."""
    owner = row["operator_id"]
    hosts = [parse_dn(row[column]).get("CN") for column in ("dn_igc_sante", "dn_igc_cps")]
    servers = (row[column] for column in ("primary_server", "secondary_server", "mail_server"))
    hosts = [*filter(None, hosts), *(server for server in servers if "." in server)]
    contacts = [text for name, text in row.items() if name.endswith(("_phone", "_email"))]
    yield from _of_operator(owner, [row["structure_name"]], hosts, contacts)
    if len(contract := row["contract_number"].strip()) >= LONG:
        yield "identifier", contract.upper(), owner
    for role in ("representative", "project_manager", "technical_manager", "signatory"):
        last, first = fold(row[f"{role}_last_name"]), fold(row[f"{role}_first_name"])
        if last and first:
            yield "person", f"{last} {first}", owner
            yield "person", f"{first} {last}", owner


def _of_operator(
    owner: str, names: Iterable[str], hosts: Iterable[str], contacts: Iterable[str]
) -> Iterator[Claim]:
    """Yield an operator's identifier, with and without the digit of its kind, names, hosts and contacts."""
    kind = "identifier" if any(map(str.isdigit, owner)) and len(owner) >= LONG else "name"
    yield kind, owner, owner
    if kind == "identifier" and len(owner) > 9:
        yield kind, owner[1:], owner
    for name in names:
        yield "name", name, owner
    yield from _of_hosts(owner, hosts)
    for contact in map(parse_contact, contacts):
        for phone in contact.phones:
            yield "phone", phone[-9:], owner
        for person in map(fold, contact.names):
            if " " in person:
                yield "person", person, owner
        for email in contact.emails:
            host = email.partition("@")[2]
            if "consumer" in parse_contact(f"a@{host}").problems:  # the provider is nobody's, the address is
                yield "odd", email, owner
            else:
                yield from _of_hosts(owner, [host])


def _of_hosts(owner: str, hosts: Iterable[str]) -> Iterator[Claim]:
    """Yield domains, certificate names or servers."""
    for key in map(domain_key, hosts):
        if _PLAIN.fullmatch(key):  # a certificate for a bare word: only its mention as one is looked for
            yield ("host", key, owner) if "." in key else ("odd", f"cn={key}", owner)
        elif len(key) >= LONG:
            for text in {key, visible(key, spaces=True).lower()}:
                yield "odd", text, owner
