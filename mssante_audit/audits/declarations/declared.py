"""The form's rules on a single declaration, each a check over a frame of declarations.

A check yields (index label of the row, facts). `CHECKS` names for each the columns that must be known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from functools import cache, partial
from typing import Any

import pandas as pd

from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import domain_keys, filled
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import IGC, parse_dn, pasted_dn
from mssante_audit.values.identifiers import (
    identifier_of,
    parse_department,
    parse_identifier,
    structure_key,
)
from mssante_audit.values.person import Person

Found = Iterator[tuple[Hashable, dict[str, Any]]]
Check = Callable[[pd.DataFrame], Found]

_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.I
)
_SERVER_MAX = 63
"""Characters of a server's name in all (form)."""
_EXTENSION = re.compile(r"(?:poste|p\.?|ext\.?)\s*[:.]?\s*[0-9]{1,6}", re.I)
"""The extension that a switchboard asks for after a number."""
_CONTRACT = re.compile(r"[0-9A-Za-z]{10}")

METHOD_1 = ("primary_server", "secondary_server")
SERVERS = (*METHOD_1, "mail_server")
METHODS = {"delegation": METHOD_1, "redirection": ("mail_server",)}
"""The boxes of the DNS methods, and the servers that each names."""
PUBLIC = ("public_project_phone", "public_project_email", "public_technical_phone", "public_technical_email")
PHONES = tuple(name for name, field in fields().items() if field.kind == "phone")
EMAILS = tuple(name for name, field in fields().items() if field.kind == "email")
LINES = {"dn_igc_sante": "IGC-Santé", "dn_igc_cps": "IGC-CPS"}
_contact, _identifier = cache(parse_contact), cache(parse_identifier)
MANAGERS = ("last_name", "first_name", "phone", "email")
_IDS = ("structure_id", "beneficiary_id")


def label(column: str) -> dict[str, str]:
    """Return a column as a fact, with the form's label of it, which is French whoever reads it."""
    return {"column": column, "label": fields()[column].label}


def cells(d: pd.DataFrame, *columns: str) -> Iterator[tuple[str, Any, str]]:
    """Yield column, row and text of the cells of some columns that hold anything."""
    for name in columns:
        for at, text in d.loc[filled(d, name), name].items():
            yield name, at, text


def ticked(d: pd.DataFrame, box: str) -> pd.Series:
    """Tell in which rows a box is certainly ticked."""
    return d[box].fillna(value=False)


def active(d: pd.DataFrame) -> pd.DataFrame:
    """Return the declarations that ask for no withdrawal."""
    return d[~d["withdrawal"].fillna(value=True)]


def method(d: pd.DataFrame) -> Found:
    """Check that exactly one DNS method is ticked."""
    d = active(d)
    both = d["delegation"] & d["redirection"]
    none = ~d["delegation"] & ~d["redirection"]
    for told, where in (("both", both), ("none", none)):
        yield from ((at, {"ticked": told}) for at in d.index[where.fillna(value=False)])


def servers_missing(d: pd.DataFrame) -> Found:
    """Check that method 1 names two servers, and method 2 the mail server."""
    d = active(d)
    for box, names in METHODS.items():
        for name in names:
            missing = ticked(d, box) & ~filled(d, name)
            yield from ((at, {"method": label(box), "server": label(name)}) for at in d.index[missing])


def servers_other(d: pd.DataFrame) -> Found:
    """Check that no server of the method that is not ticked, where the other one is."""
    d = active(d)
    for box, other in zip(METHODS, reversed(METHODS), strict=True):
        only = ticked(d, box) & ~d[other].fillna(value=True)
        for name in METHODS[other]:
            told = {"method": label(box), "server": label(name)}
            yield from ((at, told) for at in d.index[only & filled(d, name)])


def server_name(d: pd.DataFrame) -> Found:
    """Check that names of servers are FQDN of at most 63 characters: letters, digits, dot and hyphen."""
    for name, at, text in cells(d, *SERVERS):
        host = text.strip().removesuffix(".")
        if len(host) > _SERVER_MAX or not _HOST.fullmatch(host):
            yield at, {"server": label(name), "text": text}


def server_same(d: pd.DataFrame) -> Found:
    """Check that the secondary server is not the primary one."""
    first, second = (domain_keys(d[name]) for name in METHOD_1)
    yield from ((at, {"text": first[at]}) for at in d.index[(first == second) & (first != "")])


def dn_lines(d: pd.DataFrame) -> Found:
    """Check that exactly one of the two lines of DN is filled; none will do for a withdrawal."""
    first, second = (filled(d, name) for name in LINES)
    none = ~first & ~second & ~d["withdrawal"].fillna(value=True)
    for told, where in (("both", first & second), ("none", none)):
        yield from ((at, {"filled": told}) for at in d.index[where])


def dn_shape(d: pd.DataFrame) -> Found:
    """Check that a line of DN has its own shape: attributes, order, ``Label (code)``, ``O=GIP-CPS``."""
    for name, at, text in cells(d, *LINES):
        if fault := _dn_fault(text, LINES[name]):
            yield at, {"line": LINES[name], "text": text, "fault": fault[0], "right": fault[1]}


@cache
def _dn_fault(text: str, igc: str) -> tuple[str, str] | None:
    """Return None for a text of the right shape, else what is wrong and what would be right, if one knows."""
    dn = parse_dn(pasted_dn(text))
    order = ",".join(f"{kind}=…" for kind in IGC[igc])
    if dn.igc != igc or (igc == "IGC-CPS" and dn.get("O") != "GIP-CPS"):
        return "attributes", order
    if not dn.order_ok:
        return "order", dn.canonical
    return ("department", "") if "form" in parse_department(dn.get("ST") or dn.get("L")).problems else None


def dn_operator(d: pd.DataFrame) -> Found:
    """Check that the DN's OU is the identifier of the representative's or of the beneficiary's structure."""
    ids = [d[name].map(identifier_of) for name in _IDS]
    for _, at, text in cells(d, *LINES):
        ou, known = identifier_of(parse_dn(pasted_dn(text)).get("OU")), {own[at] for own in ids} - {""}
        own_key = structure_key(ou, {structure_key(one) for one in known})
        if ou and known and own_key not in {structure_key(one, {own_key}) for one in known}:
            yield at, {"ou": ou, "known": sorted(known)}


def is_domain(text: str) -> bool:
    """Tell whether a text is a host name of at least two labels."""
    return bool(_HOST.fullmatch(text.strip().removesuffix(".")))


def domain_invalid(d: pd.DataFrame) -> Found:
    """Check that the domain is a host name of at least two labels."""
    for at, text in d["domain"].items():
        if not is_domain(text):
            yield at, {"text": text}


def domain_outside(d: pd.DataFrame) -> Found:
    """Check that the domain is under mssante.fr (one outside is legitimate, and rare)."""
    for at, key in d["domain_key"].items():
        if _HOST.fullmatch(key) and not key.endswith(".mssante.fr"):
            yield at, {"text": key}


def absent(d: pd.DataFrame, column: str) -> Found:
    """Check that a field holds anything."""
    yield from ((at, {}) for at in d.index[~filled(d, column)])


def description_missing(d: pd.DataFrame) -> Found:
    """Check that the description is there."""
    yield from absent(active(d), "description")


def public_missing(d: pd.DataFrame) -> Found:
    """Check that both public contacts have a phone number and an e-mail address."""
    d = active(d)
    yield from _missing(pd.DataFrame({name: ~filled(d, name) for name in PUBLIC}))


def _missing(lacks: pd.DataFrame) -> Found:
    for at, row in lacks[lacks.any(axis=1)].iterrows():
        yield at, {"missing": [label(str(name)) for name, missing in row.items() if missing]}


def contact_malformed(d: pd.DataFrame) -> Found:
    """Check that whatever phone number and address is given can be used."""
    for names, kind in ((PHONES, "phones"), (EMAILS, "emails")):
        for name, at, text in cells(d, *names):
            if not _reaches(text, kind):
                yield at, {"field": label(name)}


def _reaches(text: str, kind: str) -> bool:
    contact = _contact(text)
    left = [rest for rest in contact.leftovers if kind != "phones" or not _EXTENSION.fullmatch(rest.strip())]
    return len(getattr(contact, kind)) == 1 and not contact.malformed and not left


def public_consumer(d: pd.DataFrame) -> Found:
    """Check that the public contacts' addresses are professional."""
    who = {"public_project_email": "project", "public_technical_email": "support"}
    for name, at, text in cells(d, *who):
        if "consumer" in _contact(text).problems:
            yield at, {"contacts": [{"kind": who[name], "text": Person(text)}]}


def technical_copy(d: pd.DataFrame) -> Found:
    """Check that the technical manager is given only if another than the project manager."""
    same = filled(d, "technical_manager_last_name")
    for kind in MANAGERS:
        ours, theirs = (
            d[f"{who}_{kind}"].str.strip().str.lower() for who in ("technical_manager", "project_manager")
        )
        same &= (ours == theirs) | (ours == "")
    yield from ((at, {}) for at in d.index[same])


def contract_shape(d: pd.DataFrame) -> Found:
    """Check that a contract number has 10 characters; the manager fills it, so that it may be empty."""
    for _, at, text in cells(d, "contract_number"):
        if not _CONTRACT.fullmatch(text.strip()):
            yield at, {"text": text}


def ids(d: pd.DataFrame, *problems: str) -> Found:
    """Check that the structures' identifiers have none of some problems (`parse_identifier`)."""
    for _, at, text in cells(d, *_IDS):
        if not set(problems).isdisjoint(_identifier(text).problems):
            yield at, {"text": text}


def date_given(d: pd.DataFrame) -> Found:
    """Tell the dates of declarations that lie in the future."""
    yield from ((at, {"text": text}) for at, text in d["date_text"].items())


def signatory(d: pd.DataFrame) -> Found:
    """Check that the declaration is signed, by somebody who is named."""
    unnamed, unsigned = ~filled(d, "signatory_last_name"), ~d["signature_present"].fillna(value=True)
    yield from _missing(pd.DataFrame({"signatory_last_name": unnamed, "signature_present": unsigned}))


def withdrawal_contradicted(d: pd.DataFrame) -> Found:
    """Check that a withdrawal asks for nothing else: no DNS method, no server."""
    d = d[ticked(d, "withdrawal")]
    for name in METHODS:
        yield from ((at, {"field": label(name)}) for at in d.index[ticked(d, name)])
    for name, at, _ in cells(d[~ticked(d, "delegation") & ~ticked(d, "redirection")], *SERVERS):
        yield at, {"field": label(name)}


_METHODS = (*METHODS, "withdrawal")
_MANAGERS = tuple(f"{who}_{k}" for who in ("technical_manager", "project_manager") for k in MANAGERS)
CHECKS: tuple[tuple[str, tuple[str, ...], Check], ...] = (
    ("DECL_METHOD", _METHODS, method),
    ("DECL_SERVERS_MISSING", (*_METHODS, *SERVERS), servers_missing),
    ("DECL_SERVERS_OTHER", (*_METHODS, *SERVERS), servers_other),
    ("DECL_SERVER_NAME", (), server_name),
    ("DECL_SERVER_SAME", (), server_same),
    ("DECL_DN_LINES", ("withdrawal", *LINES), dn_lines),
    ("DECL_DN_SHAPE", (), dn_shape),
    ("DECL_DN_OPERATOR", _IDS, dn_operator),
    ("DECL_DOMAIN_INVALID", ("domain",), domain_invalid),
    ("DECL_DOMAIN_OUTSIDE", ("domain",), domain_outside),
    ("DECL_DESCRIPTION_MISSING", ("description", "withdrawal"), description_missing),
    ("DECL_PUBLIC_MISSING", (*PUBLIC, "withdrawal"), public_missing),
    ("DECL_CONTACT_MALFORMED", (), contact_malformed),
    ("DECL_PUBLIC_CONSUMER", (), public_consumer),
    ("DECL_TECHNICAL_COPY", _MANAGERS, technical_copy),
    ("DECL_CONTRACT_SHAPE", ("contract_number",), contract_shape),
    ("DECL_ID_MISSING", ("structure_id",), partial(absent, column="structure_id")),
    ("DECL_ID_SHAPE", (), lambda d: ids(d, "kind", "shape")),
    ("DECL_ID_LUHN", (), lambda d: ids(d, "luhn")),
    ("DECL_DATE_MISSING", ("date",), partial(absent, column="date_text")),
    ("DECL_SIGNATORY", ("signatory_last_name", "signature_present"), signatory),
    ("DECL_WITHDRAWAL_CONTRADICTED", (*_METHODS, *SERVERS), withdrawal_contradicted),
)  # fmt: skip
"""Rule, the columns it must know, and its check. Rules without columns look only at cells that are filled."""
