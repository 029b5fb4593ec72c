"""The form's rules on a single declaration: each check yields the rules that a row breaks, with the facts."""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from functools import cache
from typing import Any

from mssante_audit.audits.declarations import names, proposals
from mssante_audit.declarations.cells import WEEKDAYS
from mssante_audit.declarations.headings import fields
from mssante_audit.observe.dns.names import is_under
from mssante_audit.values import identifiers
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import DN, IGC, parse_dn, pasted_dn
from mssante_audit.values.hosts import ZONE, domain_key, in_zone, is_host
from mssante_audit.values.identifiers import DEPARTMENTS, identifier_of, parse_department, structure_key
from mssante_audit.values.person import Person

Row = Mapping[str, Any]  # a declaration: its cells by column
Faults = Iterable[tuple[str, dict[str, Any]]]  # rule and facts
Check = Callable[[Row], Faults]

_SERVER_MAX = 63  # characters of a server's name in all (form)
# The extension that a switchboard asks for, and who answers; hours; what stands before a contract's number.
_EXTENSION = re.compile(
    r"(?i)(?:(?:(?:poste?|p\.?|ext\.?|int\.?|choix|#)\s*+[:.]?\s*+(?:n[°º]\s*)?[0-9](?:\s?[0-9]){0,5}"
    r"|standard|accueil|secr[ée]tariat|bureau|ligne directe|ld|dsi|astreinte|hot ?line|support|t|☎|📞"
    r"|num[ée]ro|n[°º]|vert|(?:service )?(?:appel )?gratuits?)"
    r"[\s():-]*+)*+"
)
_DISPLAYED = re.compile(r"\A[^<>@]*<([^<>\s]+@[^<>\s]+)>[\s.,;]*\Z")  # an address as mail programs show it
_HOURS = re.compile(
    r"(?i)\(?(?:\bde )?\b\d{1,2} ?h(?: ?\d\d)? ?[-–à] ?\d{1,2} ?h(?: ?\d\d)?\)?"
    r"|\(?\b(?:24 ?h? ?/ ?24(?: ?h)?|7 ?j? ?/ ?7(?: ?j)?|24/7|h ?24|(?:jours|heures) ouvr[ée]e?s|hn?o|l-v)"
    rf"\b\)?|\(?(?:\b(?:du|au|et|{'|'.join(WEEKDAYS)})\b ?)+\)?"
)
_NUMBER_OF = re.compile(
    r"(?:votre )?(?:(?:contrat|num[ée]ro|r[ée]f)\b\.?|n[°º]|no(?=[\s.:]))(?:\s*(?:de |du )?contrat\b)?"
    r"(?:\s*mssant[ée])?(?:\s*n[°º])?\s*:?",
    re.I,
)
_POSTCODE = re.compile(r"(?<!\d)(97133|97150|97[1-6](?=\d\d\b)|98[4-8](?=\d\d\b)|\d\d(?=\d{3}\b))")
# Beginnings of postal codes of several départements: Saint-Barthélemy and Saint-Martin left 971 in 2007.
_DEPARTMENTS_OF = {"20": ("2A", "2B"), "97133": ("971", "977"), "97150": ("971", "978")}
_CODE = re.compile(r"\(\s*(\d{2,3}|2[AB])\s*\)", re.I)
# What the form prints as an example, in names, a description and a DN.
_EXAMPLE = re.compile(r"\bch[ -]?xyz\b|\bchxxx - xxx|\b1012345678\b", re.I)

# The boxes of the DNS methods, and the servers that each names.
METHODS = {"delegation": ("primary_server", "secondary_server"), "redirection": ("mail_server",)}
SERVERS = (*METHODS["delegation"], *METHODS["redirection"])
# Days of which the first is never after the second.
DATES = (
    ("date", "received_on"), ("date", "answered_on"), ("received_on", "answered_on"),
    ("answered_on", "effective_on"), ("received_on", "effective_on"),
)  # fmt: skip
PUBLIC = ("public_project_phone", "public_project_email", "public_technical_phone", "public_technical_email")
CONTACTS = tuple(name for name, field in fields().items() if field.kind in ("phone", "email"))
LINES = {"dn_igc_sante": "IGC-Santé", "dn_igc_cps": "IGC-CPS"}
IDS = ("structure_id", "beneficiary_id")
_PERSON = ("last_name", "first_name", "phone", "email")
REPRESENTATIVE = ("structure_name", *(f"representative_{part}" for part in _PERSON))
MANAGER = tuple(f"project_manager_{part}" for part in _PERSON)
TECHNICAL = tuple(f"technical_manager_{part}" for part in _PERSON)
SIGNATORY = ("signatory_last_name", "signatory_first_name")
_ID_RULES = {"kind": "DECL_ID_SHAPE", "shape": "DECL_ID_SHAPE", "luhn": "DECL_ID_LUHN"}
_identifier, _identifier_of = cache(identifiers.parse_identifier), cache(identifier_of)


def label(column: str, **facts: Any) -> dict[str, Any]:
    """Return a column as a fact, with the form's label, French whoever reads it, and what it holds."""
    return {"column": column, "label": fields()[column].label, **facts}


def _cells(row: Row, *columns: str) -> list[tuple[str, str]]:
    """Return column and text of the cells of some columns that hold anything."""
    return [(name, row[name]) for name in columns if row[name].strip()]


def _dns(row: Row) -> list[tuple[str, DN]]:
    """Return the DN of the lines that hold one, with the line."""
    return [(name, parse_dn(pasted_dn(text))) for name, text in _cells(row, *LINES)]


def _if_active(check: Check) -> Check:
    """Return a check that looks only at the declarations that ask for no withdrawal."""
    return lambda row: check(row) if row["withdrawal"] is False else ()


def _lacks(row: Row, name: str) -> bool:
    """Tell whether a cell is empty; where it is one of a person's two names, the other may hold both."""
    other = name.replace("_last_", "_first_") if "_last_" in name else name.replace("_first_", "_last_")
    holds_both = other != name and len(names.words(row[other]) - names.PARTICLES) > 1
    return not row[name].strip() and not holds_both


def _missing(code: str, *columns: str) -> Check:
    """Return the check that no field is missing, which yields all those that are."""

    def check(row: Row) -> Faults:
        if lacking := [label(name) for name in columns if _lacks(row, name)]:
            yield code, {"missing": lacking}

    return check


def _method(row: Row) -> Faults:
    for ticked, boxes in ((True, "both"), (False, "none")):
        if row["delegation"] is ticked and row["redirection"] is ticked:
            yield "DECL_METHOD", {"ticked": boxes}


def _servers(row: Row) -> Faults:
    """Check that no server of a ticked method is missing, and none of the other method alone is given."""
    for box, other in zip(METHODS, reversed(METHODS), strict=True):
        if row[box] is True:
            missing = [name for name in METHODS[box] if not row[name].strip()]
            others = dict(_cells(row, *METHODS[other])) if row[other] is False else ()
            for code, servers in (("DECL_SERVERS_MISSING", missing), ("DECL_SERVERS_OTHER", others)):
                yield from ((code, {"method": label(box), "server": label(name)}) for name in servers)


def _server_names(row: Row) -> Faults:
    for name, text in _cells(row, *SERVERS):
        host = text.strip().removesuffix(".")
        if len(host) > _SERVER_MAX or not is_host(host):
            write = "" if "@" in text else proposals.host_from(text)  # what stands before @ may be the host
            yield "DECL_SERVER_NAME", {"server": label(name), "text": text, "write": write}
    first, second = (domain_key(row[name]) for name in METHODS["delegation"])
    if first and first == second:
        yield "DECL_SERVER_SAME", {"text": first}


def server_glue(row: Row, listed: Container[str]) -> Faults:
    """Tell the name servers of a delegation that lie in the domain; of a `listed` one they may be known."""
    if row["delegation"] is True and row["withdrawal"] is False and row["domain_key"]:
        hosts = [(name, domain_key(text)) for name, text in _cells(row, *METHODS["delegation"])]
        inside = [(name, host) for name, host in hosts if is_under(host, row["domain_key"])]
        if servers := [label(name, text=host) for name, host in inside if is_host(host)]:
            yield "DECL_SERVER_GLUE", {"servers": servers, "is_listed": row["domain_key"] in listed}


def _example(row: Row) -> Faults:
    """Check that nothing is left of the form's examples."""
    texts = _cells(row, *(name for name, field in fields().items() if field.kind not in ("box", "date")))
    matches = ((name, _EXAMPLE.search(text)) for name, text in texts)
    if examples := [label(name, text=match[0]) for name, match in matches if match]:
        yield "DECL_EXAMPLE", {"fields": examples}


def _dn_lines(row: Row) -> Faults:
    lines = len(_cells(row, *LINES))
    if lines == 2 or (lines == 0 and row["withdrawal"] is False):
        yield "DECL_DN_LINES", {"filled": "both" if lines else "none"}


def _dn_shape(row: Row) -> Faults:
    for name, text in _cells(row, *LINES):
        if fault := _dn_fault(text, LINES[name]):
            yield "DECL_DN_SHAPE", {"field": label(name), "line": LINES[name], "text": text, **fault}


@cache
def _dn_fault(text: str, igc: str) -> dict[str, Any] | None:
    """Return None for a well-formed text, else the fault and the right text, if it is known."""
    dn = parse_dn(pasted_dn(text))
    place: dict[str, str] = {}
    unclosed = any(value.count('"') % 2 for _, value in dn.rdns)
    if dn.igc != igc or (igc == "IGC-CPS" and dn.get("O") != "GIP-CPS") or unclosed:
        fault, right, write = "attributes", ",".join(f"{kind}=…" for kind in IGC[igc]), ""
    elif not dn.order_ok:
        fault, right, write = "order", dn.canonical, dn.canonical
    elif dn.get("C").strip().upper() != "FR":
        fault, right, write = "country", "C=FR", re.sub(r",C=[^,]*$", ",C=FR", dn.canonical)
    elif parse_department(dn.get("ST") or dn.get("L")).problems:
        fault, right, (place, write) = "department", "", proposals.department_from(dn)
    elif not is_host(dn.get("CN").strip()):
        fault, right, write = "name", "CN=serveur.ch-xyz.fr", ""
    else:
        return None
    return {"fault": fault, "right": right, "place": place, "write": write}


def dn_operator(row: Row, listed: Mapping[str, frozenset[str]]) -> Faults:
    """Check that OU is one of the structure's numbers; not of what is none, nor what a site may share.

    `listed` are names of the list's operators by number: what is another's is neither a site's nor shared.
    """
    numbers, name = _ids_of(row), row["structure_name"]
    faults = [(number, {*_identifier(number).problems}) for number in numbers.values()]
    # Names of another listed operator whose number it is: none of those that stand there.
    other_names = listed.get(structure_key(row["structure_id"], listed), frozenset())
    for _, dn in _dns(row) if numbers else ():
        ou, o = identifier_of(dn.get("OU")), dn.get("O")
        wrong = {*_identifier(dn.get("OU")).problems}
        malformed = any(
            {"kind", "shape"} & problems or ("luhn" in problems and proposals.digit_apart(number, ou))
            for number, problems in faults
        )
        same = not ou or (not wrong & {"kind", "shape"} and names.is_number_of(ou, *numbers.values()))
        site = not wrong and any(names.one_structure(name, number, o, ou) for number in numbers.values())
        named = [text for text in (name, o) if text.strip() and text != "GIP-CPS"]
        akin = any(names.may_be_one(ours, other) for ours in named for other in other_names)
        strange = ou and named and not akin and not names.is_number_of(ou, row["structure_id"])
        owner = min(other_names, default="") if strange else ""
        if not malformed and (owner or not (same or site)):
            ids = [label(c, id=number, whose=owner if c == IDS[0] else "") for c, number in numbers.items()]
            yield "DECL_DN_OPERATOR", {"ou": ou, "known": ids}


def _ids_of(row: Row) -> dict[str, str]:
    return {name: number for name in IDS if (number := _identifier_of(row[name]))}


def _department(row: Row) -> Faults:
    for line, dn in _dns(row):
        finess, name = _identifier(dn.get("OU")), parse_department(dn.get("ST") or dn.get("L"))
        sure = finess.department and name.code and not name.problems and finess.department != name.code
        # Where it is the OU of another, that is the finding.
        if sure and names.is_number_of(finess.value, *_ids_of(row).values()):
            places = _places(finess.department, name.code)
            yield "DECL_DEPARTMENT", {"field": {"column": "dn", "label": "DN"}, **places, "at": line}
    text = row["postal_address"]
    written, postcodes = set(map(str.upper, _CODE.findall(text))), {*_POSTCODE.findall(text)}
    for code in written & {*DEPARTMENTS} if len(postcodes) == 1 else ():
        first = min(postcodes)
        if code not in _DEPARTMENTS_OF.get(first, (first,)):
            yield "DECL_DEPARTMENT", {"field": label("postal_address"), **_places(first[:3], code)}


def _places(code: str, other: str) -> dict[str, Any]:
    """Return two codes of départements with what these are called."""
    return {"code": code, "other": other, "place": [DEPARTMENTS.get(c, "") for c in (code, other)]}


def structure_name(row: Row, known: Mapping[str, frozenset[str]]) -> Faults:
    """Check that the structure's name may be the DN's O, where OU is its number; `known`: names by it."""
    number, name = row["structure_id"], row["structure_name"].strip()
    for line, dn in _dns(row):
        o, ou = dn.get("O"), dn.get("OU")
        comparable = line == "dn_igc_sante" and dn.igc == "IGC-Santé" and name and number.strip()
        if comparable and names.is_number_of(ou, number) and not names.may_be_one(name, o):
            own_key = structure_key(ou)
            others = (name for key, key_names in known.items() if key != own_key for name in key_names)
            another = names.telling(o) and any(names.telling(o) == names.telling(other) for other in others)
            facts = {"name": " ".join(name.split()), "o": o, "another": "yes" if another else "no"}
            yield "DECL_NAME", facts


def _domain(row: Row) -> Faults:
    text, key = row["domain"], row["domain_key"]
    if not is_host(text.strip().removesuffix(".")) or in_zone(key) or key == ZONE:
        yield "DECL_DOMAIN_INVALID", {"text": text, "write": proposals.domain_from(text)}
    elif not key.endswith(f".{ZONE}"):
        yield "DECL_DOMAIN_OUTSIDE", {"text": key, "write": ""}


def _absent(code: str, column: str) -> Check:
    return lambda row: () if row[column].strip() else [(code, {})]


def _contacts(row: Row) -> Faults:
    domains: dict[str, str] = {}  # of the address in a field that holds one
    for name, text in _cells(row, *CONTACTS):
        phone = fields()[name].kind == "phone"
        contact = parse_contact(_HOURS.sub("", text) if phone else _DISPLAYED.sub(r"\1", text))
        rest = (leftover.strip(" \t()[]:.-'’") for leftover in contact.leftovers)
        leftover = not all(map(_EXTENSION.fullmatch, rest)) if phone else contact.leftovers
        of_each_kind = (len(contact.phones), len(contact.emails))
        if of_each_kind != ((1, 0) if phone else (0, 1)) or contact.malformed or leftover:
            yield "DECL_CONTACT_MALFORMED", {"field": label(name), "meant": ""}
        elif not phone:
            domains[name] = contact.emails[0].partition("@")[2]
    times = Counter(domains.values())
    for name, domain in domains.items():
        often = frozenset(other for other in times if times[other] > times[domain])
        if correction := proposals.mail_domain_from(domain, often):
            yield "DECL_CONTACT_MALFORMED", {"field": label(name), "meant": f"@{correction}"}
    for name, kind in (("public_project_email", "project"), ("public_technical_email", "support")):
        if "consumer" in parse_contact(row[name]).problems:
            contacts = [{"kind": kind, "text": Person(row[name], registered=True)}]
            yield "DECL_PUBLIC_CONSUMER", {"contacts": contacts, "at": name}


def contract_number(text: str) -> str:
    """Return a contract number without what hands put between and before its characters, in capitals.

    >>> contract_number("N° de contrat : 01 2345-6789"), contract_number("N°-12")
    ('0123456789', '12')
    """
    return re.sub(r"[\W_]", "", _NUMBER_OF.sub("", text)).upper()


def _contract_shape(row: Row) -> Faults:
    """Check a contract number, which may be empty: the manager fills it."""
    number = contract_number(row["contract_number"])
    if row["contract_number"].strip() and not re.fullmatch("[0-9A-Z]{10}", number):
        is_cut = re.fullmatch("[0-9]{9}", number)  # a spreadsheet drops a leading zero
        yield "DECL_CONTRACT_SHAPE", {"text": row["contract_number"], "write": f"0{number}" if is_cut else ""}


def _ids(row: Row) -> Faults:
    """Check the identifiers; a number without its kind may be in the DN's OU."""
    wrong: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    dns = [dn for _, dn in _dns(row)]
    for name, text in _cells(row, *IDS):
        value = _identifier_of(text)
        is_shown = value.isdigit() and len(value) == 9 and any(_shows(row, value, dn) for dn in dns)
        rules = {_ID_RULES[problem] for problem in _identifier(value).problems if problem in _ID_RULES}
        for code in rules if not is_shown else ():
            writings = (proposals.identifier_from(value, ou) for ou in (*(dn.get("OU") for dn in dns), ""))
            wrong.setdefault((code, text, next(filter(None, writings), "")), []).append(label(name))
    for (code, text, write), where in wrong.items():
        yield code, {"text": text, "fields": where, "write": write}


def _shows(row: Row, value: str, dn: DN) -> bool:
    """Tell whether a DN's OU has these nine digits, or another number of the structure."""
    finess, ou = _identifier(f"1{value}"), dn.get("OU")
    same = not finess.problems and names.one_structure(row["structure_name"], finess.value, dn.get("O"), ou)
    return not _identifier(ou).problems and (same or names.is_number_of(ou, value))


def _dates_order(row: Row) -> Faults:
    wrong = next((pair for pair in DATES if row[pair[0]] > row[pair[1]]), None)  # never of a missing one
    if wrong:
        yield "DECL_DATES_ORDER", {"days": [label(name, date=f"{row[name]:%Y-%m-%d}") for name in wrong]}


def _withdrawal_contradicted(row: Row) -> Faults:
    if row["withdrawal"] is True:
        boxes = [name for name in METHODS if row[name] is True]
        for name in boxes or dict(_cells(row, *SERVERS)):
            yield "DECL_WITHDRAWAL_CONTRADICTED", {"field": label(name)}


def _signatory(row: Row) -> Faults:
    """Check that the declaration is signed, by somebody who is named."""
    lacks = {SIGNATORY[0]: _lacks(row, SIGNATORY[0]), "signature_present": row["signature_present"] is False}
    if any(lacks.values()):
        yield "DECL_SIGNATORY", {"missing": [label(name) for name, lack in lacks.items() if lack]}


def _first_name(row: Row) -> Faults:
    """Check that a signatory whose last name is given also has a first name."""
    return _missing("DECL_SIGNATORY", SIGNATORY[1])(row) if row[SIGNATORY[0]].strip() else ()


def _signatory_other(row: Row) -> Faults:
    """Tell the declarations that somebody else than the legal representative signed."""
    signed, named = (names.words(*map(row.__getitem__, keys)) for keys in (SIGNATORY, REPRESENTATIVE[1:3]))
    if signed and named and not names.same_person(signed, named):
        yield "DECL_SIGNATORY_OTHER", {}


def _technical_copy(row: Row) -> Faults:
    """Check that the technical manager is given only if another than the project manager."""
    ours, theirs = ([row[name] for name in keys] for keys in (TECHNICAL, MANAGER))
    named = names.words(*ours[:2]) if ours[0].strip() else None
    same = named == names.words(*theirs[:2]) or (not ours[1].strip() and named == names.words(theirs[0]))
    if named and same and all(map(_same_reach, ours[2:], theirs[2:])):
        yield "DECL_TECHNICAL_COPY", {}


def _same_reach(ours: str, theirs: str) -> bool:
    """Tell whether a number or address is the other one, however spelt; an empty one is."""
    first, second = (re.sub(r"^[\s.,;]+|(?<![\s.,;])[\s.,;]+$", "", text) for text in (ours, theirs))
    reached = parse_contact(first).coordinates
    same = any(reached) and reached == parse_contact(second).coordinates
    return not first or first.casefold() == second.casefold() or same


_METHODS = (*METHODS, "withdrawal")
# The columns that a check must know, and the check. Those without columns look only at cells that are filled.
CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (_METHODS, _if_active(_method)),
    ((*_METHODS, *SERVERS), _if_active(_servers)),
    *(((), c) for c in (_server_names, _dn_shape, _department, _contacts, _ids, _dates_order, _example)),
    (("withdrawal", *LINES), _dn_lines),
    (("domain",), _domain),
    (("withdrawal", "description"), _if_active(_absent("DECL_DESCRIPTION_MISSING", "description"))),
    (("withdrawal", *PUBLIC), _if_active(_missing("DECL_PUBLIC_MISSING", *PUBLIC))),
    (("withdrawal", *MANAGER), _if_active(_missing("DECL_MANAGER_MISSING", *MANAGER))),
    ((*TECHNICAL, *MANAGER), _technical_copy),
    (("contract_number",), _contract_shape),
    (("withdrawal", *REPRESENTATIVE), _if_active(_missing("DECL_REPRESENTATIVE_MISSING", *REPRESENTATIVE))),
    (("withdrawal", "postal_address"), _if_active(_absent("DECL_ADDRESS_MISSING", "postal_address"))),
    (("structure_id",), _absent("DECL_ID_MISSING", "structure_id")),
    (("date",), _absent("DECL_DATE_MISSING", "date_text")),
    (("signatory_last_name", "signature_present"), _signatory),
    (SIGNATORY, _first_name),
    ((*SIGNATORY, *REPRESENTATIVE[1:3]), _signatory_other),
    ((*_METHODS, *SERVERS), _withdrawal_contradicted),
)
