"""The form's rules on a single declaration: each check yields (index label of the row, facts)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, partial
from typing import Any

import pandas as pd

from mssante_audit.audits.declarations import people
from mssante_audit.audits.declarations.names import may_be_one, named_like, one_structure
from mssante_audit.audits.declarations.people import Check, Found, label, missing
from mssante_audit.audits.declarations.proposals import (
    HOST,
    contract_from,
    digit_apart,
    dn_from,
    domain_from,
    host_from,
    identifier_from,
    place_of,
)
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import domain_key, filled
from mssante_audit.declarations.values import domain_keys
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import DN, IGC, parse_dn, pasted_dn
from mssante_audit.values.hosts import ZONE, in_zone
from mssante_audit.values.identifiers import (
    DEPARTMENTS,
    identifier_of,
    parse_department,
    parse_identifier,
    structure_key,
)
from mssante_audit.values.person import Person

_SERVER_MAX = 63
"""Characters of a server's name in all (form)."""
_EXTENSION = re.compile(
    r"(?:poste?|p\.?|ext\.?|int\.?)\s*[:.]?\s*[0-9]{1,6}"
    r"|standard|accueil|secr[ée]tariat|bureau|ligne directe|t",
    re.I,
)
"""The extension that a switchboard asks for, and who answers."""
_HOURS = re.compile(r"\(?\b\d{1,2} ?h(?: ?\d\d)? ?[-–à] ?\d{1,2} ?h(?: ?\d\d)?\)?", re.I)
_POSTCODE = re.compile(r"(?<!\d)(97133|97150|97[1-6](?=\d\d\b)|98[4-8](?=\d\d\b)|\d\d(?=\d{3}\b))")
_DEPARTMENTS_OF = {"20": ("2A", "2B"), "97133": ("971", "977"), "97150": ("971", "978")}
"""Beginnings of postal codes of several départements: Saint-Barthélemy and Saint-Martin left 971 in 2007."""
_CODE = re.compile(r"\(\s*(\d{2,3}|2[AB])\s*\)", re.I)
_CONTRACT = re.compile(r"[0-9A-Za-z]{10}")
_NUMBER_OF = re.compile(
    r"(?:(?:contrat|num[ée]ro)\b|n[°º]|no(?=[\s.:]))(?:\s*(?:de |du )?contrat\b)?(?:\s*n[°º])?\s*:?", re.I
)

METHOD_1 = ("primary_server", "secondary_server")
SERVERS = (*METHOD_1, "mail_server")
DATES = (
    ("date", "received_on"), ("date", "answered_on"), ("received_on", "answered_on"),
    ("answered_on", "effective_on"), ("received_on", "effective_on"),
)  # fmt: skip
"""Days of which the first is never after the second."""
METHODS = {"delegation": METHOD_1, "redirection": ("mail_server",)}
"""The boxes of the DNS methods, and the servers that each names."""
PUBLIC = ("public_project_phone", "public_project_email", "public_technical_phone", "public_technical_email")
PHONES = tuple(name for name, field in fields().items() if field.kind == "phone")
EMAILS = tuple(name for name, field in fields().items() if field.kind == "email")
LINES = {"dn_igc_sante": "IGC-Santé", "dn_igc_cps": "IGC-CPS"}
_identifier, _identifier_of = cache(parse_identifier), cache(identifier_of)
IDS = ("structure_id", "beneficiary_id")


def cells(d: pd.DataFrame, *columns: str) -> Iterator[tuple[str, Any, str]]:
    """Yield column, row and text of the cells of some columns that hold anything."""
    for name in columns:
        for at, text in d.loc[filled(d, name), name].items():
            yield name, at, text


def ticked(d: pd.DataFrame, box: str) -> pd.Series:
    """Tell in which rows a box is certainly ticked."""
    return d[box].fillna(value=False)


def asked(check: Check) -> Check:
    """Return a check that looks only at the declarations that ask for no withdrawal."""
    return lambda d: check(d[~d["withdrawal"].fillna(value=True)])


def _where(found: pd.Series, **facts: Any) -> Found:
    """Yield the rows where something is so, each with the same facts."""
    return ((at, facts) for at in found.index[found])


def _method(d: pd.DataFrame) -> Found:
    yield from _where((d["delegation"] & d["redirection"]).fillna(value=False), ticked="both")
    yield from _where((~d["delegation"] & ~d["redirection"]).fillna(value=False), ticked="none")


def _servers(d: pd.DataFrame, *, missing: bool) -> Found:
    """Check that no server of a ticked method is missing, or that none of the other method alone is given."""
    for box, other in zip(METHODS, reversed(METHODS), strict=True):
        rows = ticked(d, box) if missing else ticked(d, box) & ~d[other].fillna(value=True)
        for name in METHODS[box if missing else other]:
            wrong = rows & (filled(d, name) != missing)
            yield from _where(wrong, method=label(box), server=label(name))


def _server_name(d: pd.DataFrame) -> Found:
    for name, at, text in cells(d, *SERVERS):
        host = text.strip().removesuffix(".")
        if len(host) > _SERVER_MAX or not HOST.fullmatch(host):
            yield at, {"server": label(name), "text": text, "write": host_from(text)}


def _server_same(d: pd.DataFrame) -> Found:
    first, second = (domain_keys(d[name]) for name in METHOD_1)
    return ((at, {"text": first[at]}) for at in d.index[(first == second) & (first != "")])


def _dn_lines(d: pd.DataFrame) -> Found:
    first, second = (filled(d, name) for name in LINES)
    yield from _where(first & second, filled="both")
    yield from _where(~first & ~second & ~d["withdrawal"].fillna(value=True), filled="none")


def _dn_shape(d: pd.DataFrame) -> Found:
    for name, at, text in cells(d, *LINES):
        if fault := _dn_fault(text, LINES[name]):
            yield at, {"field": label(name), "line": LINES[name], "text": text, **fault}


@cache
def _dn_fault(text: str, igc: str) -> dict[str, Any] | None:
    """Return None for a text of the right shape, else what is wrong and what would be right, if one knows."""
    dn = parse_dn(pasted_dn(text))
    if dn.igc != igc or (igc == "IGC-CPS" and dn.get("O") != "GIP-CPS"):
        fault, right = "attributes", ",".join(f"{kind}=…" for kind in IGC[igc])
    elif not dn.order_ok:
        fault, right = "order", dn.canonical
    elif dn.get("C").strip().upper() != "FR":
        fault, right = "country", "C=FR"
    elif parse_department(dn.get("ST") or dn.get("L")).problems:
        fault, right = "department", ""
    else:
        return None
    place = place_of(dn) if fault == "department" else {}
    return {"fault": fault, "right": right, "place": place, "write": dn_from(dn, fault)}


def dn_operator(d: pd.DataFrame, listed: Mapping[str, frozenset[str]]) -> Found:
    """Check that OU is one of the structure's numbers; not of what is none, nor what a site may share.

    `listed` are names of the list's operators by number: what is another's is neither a site's nor shared.
    """
    for _, at, text in cells(d, *LINES):
        dn, known = parse_dn(pasted_dn(text)), _ids_of(d, at)
        ou, name = identifier_of(dn.get("OU")), d["structure_name"][at]
        faults = [(identifier, {*_identifier(identifier).problems}) for identifier in known.values()]
        malformed = any(
            {"kind", "shape"} & why or ("luhn" in why and digit_apart(identifier, ou))
            for identifier, why in faults
        )
        same = _is_one(ou, known.values()) if ou else True
        same = same or any(one_structure(name, identifier, dn.get("O"), ou) for identifier in known.values())
        whose = _of_another(d["structure_id"][at], ou, [name, dn.get("O")], listed)
        if known and not malformed and (whose or not same):
            numbers = [
                {**label(column), "id": number, "whose": whose if column == IDS[0] else ""}
                for column, number in known.items()
            ]
            yield at, {"ou": ou, "known": numbers}


def _of_another(number: str, ou: str, names: Collection[str], listed: Mapping[str, frozenset[str]]) -> str:
    """Return which listed operator's an identifier is, where that is none of some names, and OU another."""
    theirs = listed.get(structure_key(number, listed), frozenset())
    operators = [name for name in names if name.strip() and name != "GIP-CPS"]
    akin = any(may_be_one(a, b) for a in operators for b in theirs)
    if not ou or not operators or _is_one(ou, [number]) or akin:
        return ""
    return min(theirs, default="")


def _ids_of(d: pd.DataFrame, at: Any) -> dict[str, str]:
    return {name: number for name in IDS if (number := _identifier_of(d[name][at]))}


def _is_one(ou: str, known: Collection[str]) -> bool:
    """Tell whether an identifier is the structure's of one of others, whichever of its numbers they are."""
    key = structure_key(ou, {structure_key(identifier) for identifier in known})
    return key in {structure_key(identifier, {key}) for identifier in known}


def _department(d: pd.DataFrame) -> Found:
    for _, at, text in cells(d, *LINES):
        dn = parse_dn(pasted_dn(text))
        finess, name = _identifier(dn.get("OU")), parse_department(dn.get("ST") or dn.get("L"))
        sure = finess.department and name.code and not name.problems and finess.department != name.code
        if sure and _is_one(finess.value, _ids_of(d, at).values()):  # of another OU, that is the finding
            field = {"column": "dn", "label": "DN"}
            yield at, {"field": field, **_two(finess.department, name.code)}
    for _, at, text in cells(d, "postal_address"):
        written, codes = {found.upper() for found in _CODE.findall(text)}, {*_POSTCODE.findall(text)}
        for code in written & {*DEPARTMENTS} if len(codes) == 1 else ():
            if code not in _DEPARTMENTS_OF.get(first := min(codes), (first,)):
                yield at, {"field": label("postal_address"), **_two(first[:3], code)}


def _two(code: str, other: str) -> dict[str, Any]:
    """Return two codes of départements with what these are called."""
    return {"code": code, "other": other, "place": [DEPARTMENTS.get(c, "") for c in (code, other)]}


def structure_name(d: pd.DataFrame, known: Mapping[str, frozenset[str]]) -> Found:
    """Check that the structure's name may be the DN's O, where OU is its number; `known`: names by it."""
    for _, at, text in cells(d, "dn_igc_sante"):
        dn, number, name = parse_dn(pasted_dn(text)), d["structure_id"][at], d["structure_name"][at].strip()
        o, ou = dn.get("O"), dn.get("OU")
        same = dn.igc == "IGC-Santé" and name and number.strip() and _is_one(ou, [number])
        if same and not may_be_one(name, o):
            mine = structure_key(ou)
            another = any(named_like(o, names) for other, names in known.items() if other != mine)
            yield at, {"name": " ".join(name.split()), "o": o, "another": "yes" if another else "no"}


def is_domain(text: str) -> bool:
    """Tell whether a text is a host name of at least two labels."""
    return bool(HOST.fullmatch(text.strip().removesuffix(".")))


def _texts(
    column: str, is_wrong: Callable[[str], object], write: Callable[[str], str] = lambda _: ""
) -> Check:
    """Return the check that the texts of a column are none that is wrong, and what to write instead."""
    return lambda d: (
        (at, {"text": text, "write": write(text)}) for at, text in d[column].items() if is_wrong(text)
    )


def _absent(column: str) -> Check:
    """Return the check that a field holds anything."""
    return lambda d: _where(~filled(d, column))


def _contact_malformed(d: pd.DataFrame) -> Found:
    for name, at, text in cells(d, *PHONES, *EMAILS):
        phone = name in PHONES
        contact = parse_contact(_HOURS.sub("", text) if phone else text)
        left = [r for r in contact.leftovers if not phone or not _EXTENSION.fullmatch(r.strip(" \t()[]:.-"))]
        if len(contact.phones if phone else contact.emails) != 1 or contact.malformed or left:
            yield at, {"field": label(name)}


def _public_consumer(d: pd.DataFrame) -> Found:
    who = {"public_project_email": "project", "public_technical_email": "support"}
    for name, at, text in cells(d, *who):
        if "consumer" in parse_contact(text).problems:
            yield at, {"contacts": [{"kind": who[name], "text": Person(text, registered=True)}]}


def contract_number(text: str) -> str:
    """Return a contract number without what hands put between and before its characters, in capitals.

    >>> contract_number("N° de contrat : 01 2345-6789"), contract_number("N°-12")
    ('0123456789', '12')
    """
    return re.sub(r"[\W_]", "", _NUMBER_OF.sub("", text)).upper()


def _ids_wrong(d: pd.DataFrame, *problems: str) -> Found:
    """Check that identifiers have none of some problems; a number without its kind may be in the DN's OU."""
    wrong: dict[tuple[Any, str, str], list[dict[str, str]]] = {}
    for name, at, text in cells(d, *IDS):
        value = _identifier_of(text)
        if set(problems).isdisjoint(_identifier(value).problems):
            continue
        dns = [parse_dn(pasted_dn(d[line][at])) for line in LINES]
        bare = value.isdigit() and len(value) == 9
        if not (bare and any(_confirms(dn, d["structure_name"][at], value) for dn in dns)):
            write = next(filter(None, (identifier_from(value, dn.get("OU")) for dn in dns)), "")
            wrong.setdefault((at, text, write), []).append(label(name))
    for (at, text, write), where in wrong.items():
        yield at, {"text": text, "fields": where, "write": write}


def _confirms(dn: DN, name: str, number: str) -> bool:
    """Tell whether a DN shows what nine digits are: its OU has them, or is of the same structure."""
    ou = dn.get("OU")
    if not ou:
        return False
    finess = _identifier(f"1{number}")
    same = not finess.problems and one_structure(name, finess.value, dn.get("O"), ou)
    return same or _is_one(ou, [number])


def date_given(d: pd.DataFrame) -> Found:
    """Tell the dates of declarations that lie in the future."""
    yield from ((at, {"date": f"{day:%Y-%m-%d}"}) for at, day in d["date"].items())


def _dates_order(d: pd.DataFrame) -> Found:
    names = list(dict.fromkeys(name for pair in DATES for name in pair))
    for at, *days in d[names].itertuples(name=None):
        day = dict(zip(names, days, strict=True))
        if wrong := [pair for pair in DATES if day[pair[0]] > day[pair[1]]]:  # never of a missing one
            yield at, {"days": [{**label(name), "date": f"{day[name]:%Y-%m-%d}"} for name in wrong[0]]}


def _withdrawal_contradicted(d: pd.DataFrame) -> Found:
    d = d[ticked(d, "withdrawal")]
    for name in METHODS:
        yield from _where(ticked(d, name), field=label(name))
    for name, at, _ in cells(d[~ticked(d, "delegation") & ~ticked(d, "redirection")], *SERVERS):
        yield at, {"field": label(name)}


def _outside(key: str) -> bool:
    return bool(HOST.fullmatch(key)) and not key.endswith(f".{ZONE}") and not in_zone(key)


_METHODS = (*METHODS, "withdrawal")
CHECKS: tuple[tuple[str, tuple[str, ...], Check], ...] = (
    ("DECL_METHOD", _METHODS, asked(_method)),
    ("DECL_SERVERS_MISSING", (*_METHODS, *SERVERS), asked(partial(_servers, missing=True))),
    ("DECL_SERVERS_OTHER", (*_METHODS, *SERVERS), asked(partial(_servers, missing=False))),
    ("DECL_SERVER_NAME", (), _server_name),
    ("DECL_SERVER_SAME", (), _server_same),
    ("DECL_DN_LINES", ("withdrawal", *LINES), _dn_lines),
    ("DECL_DN_SHAPE", (), _dn_shape),
    ("DECL_DEPARTMENT", (), _department),
    ("DECL_DOMAIN_INVALID", ("domain",),
     _texts("domain", lambda text: not is_domain(text) or in_zone(domain_key(text)), domain_from)),
    ("DECL_DOMAIN_OUTSIDE", ("domain",),
     _texts("domain_key", _outside)),
    ("DECL_DESCRIPTION_MISSING", ("withdrawal", "description"), asked(_absent("description"))),
    ("DECL_PUBLIC_MISSING", (*PUBLIC, "withdrawal"),
     asked(lambda d: missing(pd.DataFrame({name: ~filled(d, name) for name in PUBLIC})))),
    ("DECL_CONTACT_MALFORMED", (), _contact_malformed),
    ("DECL_PUBLIC_CONSUMER", (), _public_consumer),
    ("DECL_MANAGER_MISSING", ("withdrawal", *people.MANAGER), asked(people.incomplete(*people.MANAGER))),
    ("DECL_TECHNICAL_COPY", (*people.TECHNICAL, *people.MANAGER), people.technical_copy),
    ("DECL_CONTRACT_SHAPE", ("contract_number",),  # the manager fills it, so that it may be empty
     _texts("contract_number", lambda t: t.strip() and not _CONTRACT.fullmatch(contract_number(t)),
            lambda t: contract_from(contract_number(t)))),
    ("DECL_REPRESENTATIVE_MISSING", ("withdrawal", *people.REPRESENTATIVE),
     asked(people.incomplete(*people.REPRESENTATIVE))),
    ("DECL_ADDRESS_MISSING", ("withdrawal", "postal_address"), asked(_absent("postal_address"))),
    ("DECL_ID_MISSING", ("structure_id",), _absent("structure_id")),
    ("DECL_ID_SHAPE", (), lambda d: _ids_wrong(d, "kind", "shape")),
    ("DECL_ID_LUHN", (), lambda d: _ids_wrong(d, "luhn")),
    ("DECL_DATE_MISSING", ("date",), _absent("date_text")),
    ("DECL_DATES_ORDER", (), _dates_order),
    ("DECL_SIGNATORY", ("signatory_last_name", "signature_present"), people.signatory),
    ("DECL_SIGNATORY", people.SIGNATORY, people.first_name_missing),
    ("DECL_SIGNATORY_OTHER", (*people.SIGNATORY, *people.REPRESENTATIVE[1:3]), people.signatory_other),
    ("DECL_WITHDRAWAL_CONTRADICTED", (*_METHODS, *SERVERS), _withdrawal_contradicted),
)  # fmt: skip
"""Rule, the columns it must know, and its check. Rules without columns look only at cells that are filled."""
