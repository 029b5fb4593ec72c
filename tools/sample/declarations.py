"""The made-up register of declarations of the made-up white list, in every format, with its truth.

Declarations that keep every rule are made from rows of the list; each defect is made on a declaration of its
own, of a new domain declared a few days before the list (too recent to be missed in it) where the form's
rules are concerned. The truth is written down as a defect is made; no audit has a part in it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.cells import read_box, read_date
from mssante_audit.declarations.headings import Field
from mssante_audit.declarations.register import fields
from mssante_audit.findings.places import row_ranges
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.whitelist.load import is_audit_domain
from tools.sample.operators import Operator, national, shifted, siren
from tools.sample.space import GENERATED_AT, Row, Truth

REGISTER = "declarations.csv"
FORM_PLACE = 4
"""Position of the declaration that is also there as a form."""
FIRST_ROW = {"declarations.csv": 2, "declarations.xlsx": 3, "declarations.json": 1, "declarations.jsonl": 1}
"""Row of the first declaration in each format."""
REMARKS = "Remarques"
"""A column that is no field of the form."""

DAY = GENERATED_AT.date()
RECENT = DAY - timedelta(days=5)
OLD = DAY - timedelta(days=400)

_DOMAIN = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,61}[a-z0-9]\.){1,4}mssante\.fr")
Cells = dict[str, str | int]


@dataclass
class Book:
    """The register being made up."""

    rows: list[Cells] = field(default_factory=list)
    truth: list[tuple[str, str, str, list[int], str]] = field(default_factory=list)
    """Rule, domain, operator, positions of the declarations, rows of the list."""
    second: list[tuple[str, str, str]] = field(default_factory=list)
    """As `SampleRegister.second`."""

    def add(self, cells: Cells) -> int:
        """Append a declaration; return its position."""
        self.rows.append(cells)
        return len(self.rows) - 1

    def record(self, rule: str, places: Sequence[int], listed: Sequence[int] = ()) -> None:
        """Write down that a rule must fire on these declarations, and name these rows of the list."""
        first = self.rows[places[0]]
        line = (rule, str(first["domain"]), str(first["structure_id"]), list(places), row_ranges(listed))
        self.truth.append(line)


@dataclass(frozen=True)
class SampleRegister:
    """A made-up register."""

    rows: list[Cells]
    """Cells by column name (and `REMARKS`); a number where a spreadsheet would hold one."""
    truth: list[tuple[str, str, str, list[int], str]]
    undeclared: list[tuple[str, str, str]]
    """Domain of the first row, operator and rows of listed domains that no declaration names."""
    second: list[tuple[str, str, str]]
    """Likewise of domains that only another operator declared."""

    def partial(self) -> tuple[SampleRegister, bytes]:
        """Return it as the register of some operators, and the ``scope.toml`` that says of which.

        Of what nobody declared that of the first operator is told, and no other's: they are outside.
        """
        operator = self.undeclared[0][1]
        inside = [line for line in self.undeclared if line[1] == operator]
        second = [line for line in self.second if line[1] == operator]
        scope = f'[scope]\noperators = ["{operator}"]\n'
        return replace(self, undeclared=inside, second=second), scope.encode()

    def truths(self, file: str, list_file: str) -> Iterator[Truth]:
        """Yield the lines of ``defects.csv`` for a file of this register."""
        name = file.rpartition("/")[2]
        if name.endswith(".pdf"):
            for rule, domain, operator, places, _ in self.truth:
                if places == [FORM_PLACE] and rule != "DECL_REDIRECTION_CHOSEN":  # alone, it is beside none
                    yield file, rule, domain, operator, f"{name}:1"
            return
        for rule, domain, operator, places, listed in self.truth:
            where = f"{name}:{row_ranges(place + FIRST_ROW[name] for place in places)}" if places else name
            if rule == "DECL_COLUMN":
                where = f"{name}:1" if name.endswith(("csv", "xlsx")) else name
            yield file, rule, domain, operator, f"{where}; {list_file}:{listed}" if listed else where
        for domain, operator, rows in self.undeclared:
            yield file, "RECO_NOT_DECLARED", domain, operator, rows
        for domain, operator, rows in self.second:
            yield file, "RECO_OPERATOR_UNDECLARED", domain, operator, rows


def build_register(rows: Sequence[Row], operators: Sequence[Operator]) -> SampleRegister:
    """Make up the register that goes with a list; the same list gives the same register.

    Parameters
    ----------
    rows
        The white list's rows, in order.
    operators
        Whose domains these are.
    """
    book = Book()
    by_id = {operator.id: operator for operator in operators}
    listed = list(_plain_rows(rows, by_id))
    _form_defects(book, operators)
    _reconciliation_defects(book, listed)
    _several_certificates(book, rows, by_id)
    plain = next(operator for operator in operators if not operator.cps)
    _contracts(book, plain)
    _twins(book, plain)
    _redirected(book)
    _undescribed(book)
    declared = {str(cells["domain"]).strip().lower() for cells in book.rows}
    return SampleRegister(book.rows, book.truth, list(_undeclared(rows, declared)), book.second)


def _undeclared(rows: Sequence[Row], declared: set[str]) -> Iterator[tuple[str, str, str]]:
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows, 1):
        dn = parse_dn(row[2])
        key = row[0].strip().lower().rstrip(".")
        if key not in declared and not is_test_row(row[0], dn.get("O")):
            groups.setdefault(parse_identifier(dn.get("OU")).value, []).append(number)
    for operator, numbers in groups.items():
        yield rows[numbers[0] - 1][0], operator, row_ranges(numbers)


def is_test_row(domain: str, name: str) -> bool:
    """Tell whether a row with this domain and O is a test entry."""
    return is_audit_domain(domain) or bool(re.search(r"\bTESTS?\d*\b", name, re.IGNORECASE))


def _plain_rows(rows: Sequence[Row], by_id: dict[str, Operator]) -> Iterator[tuple[int, Row, Operator]]:
    """Yield the rows (with their positions) of which a declaration that keeps every rule can be made."""
    times: dict[str, int] = {}
    for row in rows:
        times[row[0].lower()] = times.get(row[0].lower(), 0) + 1
    for number, row in enumerate(rows, 1):
        operator = by_id.get(parse_dn(row[2]).get("OU"))
        if operator and times[row[0].lower()] == 1 and _is_plain(row):
            yield number, row, operator


def _is_plain(row: Row) -> bool:
    dn, contacts = parse_dn(row[2]), [parse_contact(row[i]) for i in (3, 4)]
    domain = len(row[0]) <= 253 and _DOMAIN.fullmatch(row[0]) and not is_test_row(row[0], dn.get("O"))
    certificate = dn.order_ok and dn.text == dn.canonical and not parse_identifier(dn.get("OU")).problems
    reachable = all(len(c.phones) == len(c.emails) == 1 and not c.malformed for c in contacts)
    odd = any({"consumer", "markup"} & set(c.problems) for c in contacts) or not "".join(row).isprintable()
    return bool(domain and certificate and reachable and not odd)


def _declaration(operator: Operator, domain: str, serial: int, day: date = RECENT) -> Cells:
    """Return a declaration that keeps every rule."""
    certificate = operator.certificate(f"mss-{serial}")
    cells: Cells = dict.fromkeys(fields(), "")
    cells |= {
        "contract_number": f"{9_000_000_000 + int(operator.phone) % 1_000_000_000}",
        "structure_name": operator.name,
        "structure_id": operator.id,
        "beneficiary_id": operator.id,
        "representative_last_name": "FICTIF",
        "representative_first_name": "Paul",
        "postal_address": f"{serial} rue de la Fiction, 00000 {operator.name.title()}",
        "representative_phone": national(operator.phone),
        "representative_email": f"direction@{operator.mail}",
        "project_manager_last_name": "SPECIMEN",
        "project_manager_first_name": "Zoé",
        "project_manager_phone": national(operator.phone),
        "project_manager_email": f"projets@{operator.mail}",
        "public_project_phone": national(operator.phone),
        "public_project_email": f"mssante@{operator.mail}",
        "public_technical_phone": national(shifted(operator.phone, 1)),
        "public_technical_email": f"support@{operator.mail}",
        "domain": domain,
        "description": f"Domaine de messagerie de {operator.name}",
        "dn_igc_cps" if certificate.cps else "dn_igc_sante": certificate.dn,
        "delegation": "X",
        "primary_server": f"ns1.{operator.mail}",
        "secondary_server": f"ns2.{operator.mail}",
        "date": f"{day:%d/%m/%Y}",
        "signatory_last_name": "FICTIF",
        "signatory_first_name": "Paul",
        "signature_present": "oui",
    }
    return cells


def _as_listed(row: Row, operator: Operator, serial: int, day: date = OLD) -> Cells:
    """Return the declaration that a row of the list answers."""
    phones = [parse_contact(row[i]).phones[0] for i in (3, 4)]
    emails = [parse_contact(row[i]).emails[0] for i in (3, 4)]
    cps = parse_dn(row[2]).igc == "IGC-CPS"
    cells: Cells = {
        "structure_name": operator.name if cps else parse_dn(row[2]).get("O"),
        "description": row[1],
        "dn_igc_sante": "" if cps else row[2],
        "dn_igc_cps": row[2] if cps else "",
        "public_project_phone": phones[0],
        "public_project_email": emails[0],
        "public_technical_phone": phones[1],
        "public_technical_email": emails[1],
    }
    return _declaration(operator, row[0], serial, day) | cells


_WITHDRAWAL: Cells = {"withdrawal": "X", "delegation": "", "primary_server": "", "secondary_server": ""}
_METHOD_2: Cells = {"delegation": "", "primary_server": "", "secondary_server": "", "redirection": "X"}

FORM_DEFECTS: tuple[tuple[str, Cells], ...] = (
    ("DECL_METHOD", {"redirection": "X", "mail_server": "mx.valfictif.example"}),
    ("DECL_METHOD", {"delegation": "non", "primary_server": "", "secondary_server": ""}),
    ("DECL_SERVERS_MISSING", {"secondary_server": ""}),
    ("DECL_SERVERS_MISSING", _METHOD_2),
    ("DECL_SERVERS_OTHER", {"mail_server": "mx.valfictif.example"}),
    ("DECL_SERVER_NAME", {"primary_server": "ns1_valfictif.example"}),
    ("DECL_SERVER_NAME", {"primary_server": f"{'ns1-' * 14}a.valfictif.example"}),
    ("DECL_SERVER_SAME", {"primary_server": "ns1.a.example", "secondary_server": "NS1.a.example"}),
    ("DECL_DN_LINES", {"dn_igc_sante": "", "dn_igc_cps": ""}),
    ("DECL_DOMAIN_INVALID", {"domain": "ch valfictif.mssante.fr"}),
    ("DECL_DOMAIN_OUTSIDE", {"domain": "annexe-valfictif.example"}),
    ("DECL_DESCRIPTION_MISSING", {"description": ""}),
    ("DECL_PUBLIC_MISSING", {"public_technical_phone": ""}),
    ("DECL_CONTACT_MALFORMED", {"representative_email": "direction@valfictif"}),
    ("DECL_PUBLIC_CONSUMER", {"public_project_email": "mss@gmail.com"}),
    ("DECL_CONTRACT_SHAPE", {"contract_number": "N°-12"}),
    ("DECL_DATE_MISSING", {"date": ""}),
    ("DECL_SIGNATORY", {"signature_present": ""}),
    ("DECL_WITHDRAWAL_CONTRADICTED", _WITHDRAWAL | {"delegation": "X"}),
    ("DECL_UNREADABLE", {"date": "31/02/2026"}),
    ("DECL_UNREADABLE", {"signature_present": "peut-être"}),
    ("DECL_RECOVERED", {"representative_phone": 199000099}),
)  # fmt: skip
"""One declaration each: the rule that must fire, and the cells that make it."""

HAND_DEFECTS: tuple[tuple[str, Cells], ...] = (
    ("DECL_UNREADABLE", {"dn_igc_sante": "cf. certificat joint"}),
    ("DECL_UNREADABLE", {"date": "25/02/2924"}),
    ("DECL_UNREADABLE", {"postal_address": "idem"}),
    ("DECL_DEPARTMENT", {"postal_address": "1 rue de la Fiction, 69003 Lyon (31)"}),
    ("DECL_NAME", {"structure_name": "Clinique Quelconque"}),
    ("DECL_MANAGER_MISSING", {"project_manager_first_name": ""}),
    ("DECL_REPRESENTATIVE_MISSING", {"representative_phone": "-"}),
    ("DECL_ADDRESS_MISSING", {"postal_address": "néant"}),
    ("DECL_SIGNATORY", {"signatory_first_name": "-"}),
    ("DECL_SIGNATORY_OTHER", {"signatory_last_name": "SPECIMEN", "signatory_first_name": "Zoé"}),
    ("DECL_DATES_ORDER", {"received_on": f"{RECENT - timedelta(days=1):%d/%m/%Y}"}),
    ("DECL_PUBLIC_MISSING", {"public_project_email": "sans objet"}),
    ("DECL_DN_LINES", {"dn_igc_sante": "S.O.", "dn_igc_cps": "--"}),
)
"""Likewise, of what hands write where they leave a field."""

HAND_FINE: tuple[Cells, ...] = (
    {"dn_igc_cps": "néant", "mail_server": "-", "connector_vendor": "Sans objet", "redirection": "néant"},
    {f"technical_manager_{kind}": "idem" for kind in ("last_name", "first_name", "phone", "email")},
    {"beneficiary_id": "idem", "public_technical_phone": "Idem.", "public_technical_email": "cf. ci-dessus"},
    {"postal_address": "1 rue de la Fiction, 20090 Ajaccio (2A)"},
    {"project_manager_last_name": "Mme SPECIMEN Zoé", "project_manager_first_name": ""},
    {"signatory_last_name": "Dr Fictif", "signatory_first_name": "P."},
    {"received_on": f"{RECENT:%d/%m/%Y}", "answered_on": f"{DAY:%Y-%m-%d}", "effective_on": ""},
)
"""What looks like it and is none."""

FINE: tuple[Cells, ...] = (
    {"signature_present": "VRAI", "date": f"{RECENT:%Y-%m-%d}"},
    _METHOD_2 | {"mail_server": "mx.valfictif.example"},
    {"contract_number": ""},
    _WITHDRAWAL | {"dn_igc_sante": "", "dn_igc_cps": "", "description": ""},
)
"""What is easily mistaken for a defect and is none."""


def _form_defects(book: Book, operators: Sequence[Operator]) -> None:
    plain = [o for o in operators if not o.cps and not parse_identifier(o.id).problems]
    serial = iter(range(1, 1000))

    def new(operator: Operator, **changes: str | int) -> int:
        number = next(serial)
        return book.add(_declaration(operator, f"annexe{number}-valfictif.mssante.fr", number) | changes)

    for at, (rule, changes) in enumerate(FORM_DEFECTS):
        place = new(plain[at % len(plain)], **changes)
        book.record(rule, [place])
    for at, changes in enumerate(FINE):
        new(plain[at % len(plain)], **changes)
    here, other = plain[:2]
    dn = str(_declaration(here, "", 1)["dn_igc_sante"])
    book.record("DECL_DN_SHAPE", [new(here, dn_igc_sante=dn.replace("ST=", "L="))])
    book.record("DECL_DN_OPERATOR", [new(here, dn_igc_sante=other.certificate("mss").dn)])
    manager = {f"technical_manager_{k}": _declaration(here, "", 1)[f"project_manager_{k}"]
               for k in ("last_name", "first_name", "phone", "email")}  # fmt: skip
    book.record("DECL_TECHNICAL_COPY", [new(here, **manager)])
    wrong = here.id[:-1] + str((int(here.id[-1]) + 1) % 10)
    book.record("DECL_ID_LUHN", [new(here, beneficiary_id=wrong)])
    book.record("DECL_ID_SHAPE", [new(here, beneficiary_id="812345")])
    book.record("DECL_ID_MISSING", [new(here, structure_id="")])
    later = DAY + timedelta(days=40)
    book.record("DECL_DATE_FUTURE", [new(here, date=f"{later:%d/%m/%Y}")])
    first = new(here)
    second = new(here, domain=str(book.rows[first]["domain"]))
    book.record("DECL_SAME_DAY", [first, second])
    first = new(here)
    second = new(other, domain=str(book.rows[first]["domain"]), date=f"{RECENT + timedelta(days=1):%d/%m/%Y}")
    book.record("DECL_OPERATORS", [first, second])
    remark = new(other)
    book.rows[remark][REMARKS] = "à relancer"
    book.truth.append(("DECL_COLUMN", str(book.rows[0]["domain"]), "", [], ""))
    copy = {
        "technical_manager_last_name": "Spécimen",
        "technical_manager_first_name": "Zoé.",
        "technical_manager_phone": f"+33 {national(other.phone)[1:]}",
    }
    book.record("DECL_TECHNICAL_COPY", [new(other, **copy)])
    dn = str(_declaration(here, "", 1)["dn_igc_sante"])
    for rule, changes in (
        *HAND_DEFECTS,
        ("DECL_DN_SHAPE", {"dn_igc_sante": dn.replace("C=FR", "C=FRANCE")}),
        ("DECL_DN_SHAPE", {"dn_igc_sante": re.sub(r"\(\w+\)", "(988)", dn)}),
    ):
        book.record(rule, [new(here, **changes)])
    for changes in HAND_FINE:
        new(other, **changes)
    new(other, structure_name=f" {other.name.title()}.")


def _contracts(book: Book, like: Operator) -> None:
    """Add a contract of two operators, and an operator under two: of operators that declare nothing else."""
    names = tuple(f"RESIDENCE DES {stage}" for stage in ("BROUILLONS", "ESQUISSES", "EBAUCHES", "PROJETS"))
    first, second, third, fourth = (
        replace(like, id=f"2{siren(900 + at)}", name=name, mail=f"{name.split()[-1].lower()}.example")
        for at, name in enumerate(names)
    )
    serial = iter(range(2000, 2010))

    def new(operator: Operator, contract: str, **changes: str) -> int:
        number = next(serial)
        cells = _declaration(operator, f"contrat{number}-valfictif.mssante.fr", number)
        return book.add(cells | {"contract_number": contract} | changes)

    book.record("DECL_CONTRACT_SHARED", [new(first, "9100000001"), new(second, "9100000001")])
    book.record("DECL_CONTRACT_SEVERAL", [new(third, "9100000002"), new(third, "9100000003")])
    before = {"date": f"{RECENT - timedelta(days=2):%d/%m/%Y}", "project_manager_last_name": "MODELE"}
    book.record("DECL_PERSON_FORMER", [new(fourth, "9100000004", **before)])
    new(fourth, "9100000004")
    new(fourth, "9100000004", project_manager_last_name="Madame Spécimen")  # the same person


def _undescribed(book: Book) -> None:
    """Write down the declarations whose description, as the list's, says that it is still to come."""
    rows = [(at, cells) for at, cells in enumerate(book.rows) if cells["description"] == "À compléter"]
    plain = [(at, cells["structure_id"]) for at, cells in rows if not cells["withdrawal"]]
    for owner in dict.fromkeys(number for _, number in plain):
        book.record("DECL_DESCRIPTION_MISSING", [at for at, number in plain if number == owner])


def _redirected(book: Book) -> None:
    """Write down the redirections of operators that delegate other domains."""
    plain = [at for at, cells in enumerate(book.rows) if not cells["withdrawal"] and cells["structure_id"]]
    ticked = {at: (book.rows[at]["delegation"], book.rows[at]["redirection"]) for at in plain}
    for owner in dict.fromkeys(book.rows[at]["structure_id"] for at in plain):
        places = [at for at in plain if book.rows[at]["structure_id"] == owner]
        redirected = [at for at in places if ticked[at] == ("", "X")]
        if redirected and any(ticked[at][0] == "X" and ticked[at][1] != "X" for at in places):
            book.record("DECL_REDIRECTION_CHOSEN", redirected)


def _reconciliation_defects(book: Book, listed: Sequence[tuple[int, Row, Operator]]) -> None:
    rows = iter(listed)
    serial = iter(range(1000, 2000))

    def answered(day: date = OLD, changes: Cells | None = None) -> tuple[int, int, Row, Operator]:
        number, row, operator = next(rows)
        return book.add(_as_listed(row, operator, next(serial), day) | (changes or {})), number, row, operator

    for _ in range(6):
        answered()
    for _ in range(2):
        answered(OLD, _METHOD_2 | {"mail_server": "mx.valfictif.example"})
    place, number, row, operator = answered(OLD, _WITHDRAWAL)
    book.record("RECO_WITHDRAWN_LISTED", [place], [number])
    _, number, row, operator = answered(OLD - timedelta(days=50), _WITHDRAWAL)
    place = book.add(_as_listed(row, operator, next(serial)))
    book.record("RECO_RELISTED", [place], [number])
    absent = book.add(_declaration(operator, "annexe-oubliee-valfictif.mssante.fr", 1, OLD))
    book.record("RECO_NOT_LISTED", [absent])
    book.add(_declaration(operator, "annexe-retiree-valfictif.mssante.fr", 2, OLD) | _WITHDRAWAL)
    for rule, old, new in (
        ("RECO_DN_DIFFERS", "CN=", "CN=autre-"),
        ("RECO_DN_SPELLING", ".example", ".EXAMPLE"),
    ):
        number, row, operator = next(rows)
        line = "dn_igc_cps" if parse_dn(row[2]).igc == "IGC-CPS" else "dn_igc_sante"
        cells = _as_listed(row, operator, next(serial)) | {line: row[2].replace(old, new)}
        book.record(rule, [book.add(cells)], [number])
    place, number, row, operator = answered(OLD, {"public_project_phone": "06 39 98 00 99"})
    book.record("RECO_CONTACT", [place], [number])
    place, number, row, operator = answered(OLD, {"description": "Autre description"})
    book.record("RECO_DESCRIPTION", [place], [number])
    number, row, operator = next(rows)
    other = next(o for _, _, o in listed if o.id != operator.id and not o.cps)
    cells = _declaration(other, row[0], next(serial), OLD)
    as_listed = _as_listed(row, operator, 1)
    cells |= {
        column: as_listed[column]
        for column in as_listed
        if column.startswith("public_") or column == "description"
    }
    book.record("RECO_OPERATOR", [book.add(cells)], [number])
    _whose_counts(book, reversed(list(rows)), serial)  # the first are for defects of the DNS


def _whose_counts(book: Book, rows: Iterator[tuple[int, Row, Operator]], serial: Iterator[int]) -> None:
    """Add declarations of which one counts and others do not: without a date, of a former operator, young."""
    dateless = {operator for rule, _, operator, _, _ in book.truth if rule == "DECL_DATE_MISSING"}
    number, row, operator = next(choice for choice in rows if choice[2].id not in dateless)
    place = book.add(_as_listed(row, operator, next(serial)) | _WITHDRAWAL | {"date": ""})
    book.record("RECO_WITHDRAWAL_UNDATED", [place], [number])
    book.record("DECL_DATE_MISSING", [place])
    _, row, operator = next(rows)
    book.add(_as_listed(row, operator, next(serial)))
    former = next(cells for cells in book.rows if cells["structure_id"] not in ("", operator.id))
    columns = ("contract_number", "structure_name", "structure_id", "beneficiary_id")
    named = {name: former[name] for name in columns}
    withdrawn = (
        _WITHDRAWAL
        | named
        | {"date": f"{OLD + timedelta(days=30):%d/%m/%Y}", "dn_igc_sante": "", "dn_igc_cps": ""}
    )
    book.add(_as_listed(row, operator, next(serial)) | withdrawn)
    number, row, operator = next(choice for choice in rows if choice[2].id != former["structure_id"])
    book.add(_as_listed(row, operator, next(serial)) | withdrawn)
    book.second.append((row[0], operator.id, str(number)))
    for changes in (_WITHDRAWAL, {"public_project_phone": "06 39 98 00 99"}):
        _, row, operator = next(rows)
        book.add(_as_listed(row, operator, next(serial), RECENT) | changes)

    _, row, operator = next(choice for choice in rows if choice[2].id.startswith("3"))
    siren = dict.fromkeys(("structure_id", "beneficiary_id"), f"2{operator.id[1:10]}")
    book.add(_as_listed(row, operator, next(serial)) | siren)
    below = _declaration(operator, f"antenne.{row[0]}", next(serial), OLD - timedelta(days=1))
    book.record("RECO_NOT_LISTED", [book.add(below)])


def _several_certificates(book: Book, rows: Sequence[Row], by_id: Mapping[str, Operator]) -> None:
    """Declare one of the certificates of a domain, and all of those of another."""
    groups: dict[str, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows, 1):
        groups.setdefault(row[0].lower(), []).append((number, row))
    alike = [
        (group, by_id[parse_dn(group[0][1][2]).get("OU")])
        for group in groups.values()
        if len({row[2] for _, row in group}) == len(group) == 2
        and len({(row[0], row[1], *row[3:5], parse_dn(row[2]).get("OU")) for _, row in group}) == 1
        and all(_is_plain(row) for _, row in group)
        and parse_dn(group[0][1][2]).get("OU") in by_id
    ]
    (((_, first), (other, _)), operator), (both, owner) = alike[-4], alike[-3]  # the first: see above
    book.record("RECO_DN_UNDECLARED", [book.add(_as_listed(first, operator, 2000))], [other])
    for at, (_, row) in enumerate(both):
        book.add(_as_listed(row, owner, 2001 + at, OLD + timedelta(days=at)))


def _twins(book: Book, operator: Operator) -> None:
    """Declare what resembles defects above and is none: what hands write, of new domains."""
    dn = str(_declaration(operator, "", 1)["dn_igc_sante"])
    fine: tuple[Cells, ...] = (
        {"dn_igc_sante": f"subject={dn}"},
        {"dn_igc_sante": f"DN : {dn}"},
        {"dn_igc_sante": dn.replace(",", ",\n")},
        {"date": f"Pau, le {RECENT:%d/%m/%Y}"},
        {"public_project_phone": f"{national(operator.phone)} poste 4512"},
        {"structure_id": f"n° {operator.id}"},
    )
    for at, changes in enumerate(fine):
        cells = _declaration(operator, f"jumeau{at}-valfictif.mssante.fr", 2100 + at)
        book.add(cells | changes)


def register_of(rows: Sequence[Row], operators: Sequence[Operator], changes: Mapping[str, Cells]) -> bytes:
    """Return a register, as CSV, that declares what a list says, but for some `changes` by domain."""
    return _csv(cells_of(rows, operators, changes), dict(fields()))


def cells_of(rows: Sequence[Row], operators: Sequence[Operator], changes: Mapping[str, Cells]) -> list[Cells]:
    """Return the declarations of `register_of`."""
    by_id = {operator.id: operator for operator in operators}
    first = {row[0]: row for row in reversed(rows) if _is_plain(row)}
    return [
        _as_listed(row, by_id[parse_dn(row[2]).get("OU")], serial) | changes.get(domain, {})
        for serial, (domain, row) in enumerate(sorted(first.items()), 1)
    ]


def register_csv(register: SampleRegister) -> bytes:
    """Return the register as `REGISTER`."""
    return _csv(register.rows, {**fields(), REMARKS: None})


def register_files(register: SampleRegister) -> dict[str, bytes]:
    """Return the register in every format, by file name; as PDF only with the extra ``pdf``."""
    files = {
        REGISTER: register_csv(register),
        "declarations.xlsx": _xlsx(register.rows),
        "declarations.json": (json.dumps(register.rows, ensure_ascii=False, indent=1) + "\n").encode(),
        "declarations.jsonl": "".join(
            json.dumps(r, ensure_ascii=False) + "\n" for r in register.rows
        ).encode(),
    }
    try:
        from mssante_audit.declarations.form import write_form

        files["annexe1.pdf"] = write_form(_as_form(register.rows[FORM_PLACE]))
    except InputError:
        pass
    return files


def _as_form(cells: Cells) -> dict[str, str]:
    texts = {name: str(cells[name]) for name in fields()}
    boxes = [name for name, field_ in fields().items() if field_.kind == "box"]
    return texts | {name: "X" if read_box(texts[name]) else "" for name in boxes}


def _csv(rows: Sequence[Cells], columns: Mapping[str, Field | None]) -> bytes:
    """Write what a French Excel would: semicolons, Windows characters, the form's labels."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow([f.label if f else REMARKS for f in columns.values()])
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return out.getvalue().encode("cp1252")


def _xlsx(rows: Sequence[Cells]) -> bytes:
    """Write the template, filled, dates as dates and numbers as numbers, with a column too many."""
    from mssante_audit.declarations.write import SHEET, book_bytes, template_book

    book = template_book()
    sheet = book[SHEET]
    sheet.cell(1, len(fields()) + 1, REMARKS)
    for at, row in enumerate(rows, FIRST_ROW["declarations.xlsx"]):
        for column, name in enumerate((*fields(), REMARKS), 1):
            value: Any = row.get(name, "")
            if name == "date" and isinstance(value, str):
                value = _day(value)
            if value != "":
                sheet.cell(at, column, value)
    return book_bytes(book)


def _day(text: str) -> Any:
    day, _ = read_date(text)
    return day or text
