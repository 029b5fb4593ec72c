"""The made-up white list before any defect: what real lists look like when nothing is wrong.

It holds what is easily mistaken for a defect and is none, so that the audits are tested both ways: overseas
and Corsican FINESS numbers, both spellings of a département, a name such as ``foyer-protestant``, a label of
63 characters, one contact spelt in several ways (no blank after the comma), mailboxes of services that a
person might have, persons' names with a service's mailbox, sub-domains of the same operator, support numbers
that follow project numbers, IGC-CPS certificates, test entries full of defects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from xml.sax.saxutils import escape

from mssante_audit.findings.places import row_ranges
from mssante_audit.whitelist.listxml import FIELDS, NAMESPACE
from tools.sample.operators import Certificate, Operator, national, operators, slug, towns

GENERATED_AT = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)

STRUCTURES = (
    ("ch", "le Centre Hospitalier de"), ("ehpad", "l'EHPAD de"), ("labo", "le Laboratoire de tests de"),
    ("clinique", "la Clinique de"), ("ssiad", "le SSIAD de"), ("cpts", "la CPTS de"),
    ("msp", "la Maison de santé de"), ("had", "l'HAD de"), ("pharmacie", "la Pharmacie de"),
    ("csi", "le Centre de soins infirmiers de"),
)  # fmt: skip
LONGEST_LABEL = "groupement-de-cooperation-sanitaire-des-etablissements-fictifs1"
"""63 characters: as long as a label may be."""
ZONE = "mssante.fr"
TEST_DESCRIPTION = "xxx"

Row = tuple[str, str, str, str, str, str]
Truth = tuple[str, str, str, str, str]
"""A line of ``defects.csv``: file, rule, first row's domain, operator of most rows, rows."""

LARGEST_SHARE = 0.55
"""Share of the domains that the largest operator hosts (real list: 2,729 of 4,944)."""
DOMAINS_A_CERTIFICATE = 30


@dataclass(slots=True, eq=False)
class Entry:
    """One row of the white list, which a defect may still change."""

    domain: str
    description: str
    certificate: Certificate
    project: str
    support: str
    stamp: str
    """Time of update, as text."""
    operator: str
    """The operator's identifier as the row's DN has it, or "" where the DN is unreadable."""
    dn: str = ""

    def __post_init__(self) -> None:
        self.dn = self.dn or self.certificate.dn

    def row(self) -> Row:
        """Return the six fields in the order of the list."""
        return self.domain, self.description, self.dn, self.project, self.support, self.stamp


@dataclass(slots=True)
class Space:
    """The list being made up."""

    random: Random
    operators: tuple[Operator, ...]
    entries: list[Entry] = field(default_factory=list)
    untouched: list[list[list[Entry]]] = field(default_factory=list)
    """For each operator the rows of each domain that no defect has taken yet."""
    truth: list[tuple[str, list[Entry]]] = field(default_factory=list)
    """Rules that must fire, with the rows they must name."""

    def take(self, operator: int) -> Entry:
        """Take a domain of an operator that no defect has touched; return the first of its rows."""
        return self.untouched[operator].pop()[0]

    def add(self, like: Entry, certificate: Certificate | None = None, dn: str = "", **changes: str) -> Entry:
        """Append a row like another one, with another certificate or other texts."""
        certificate = certificate or like.certificate
        entry = replace(
            like, certificate=certificate, dn=dn or certificate.dn, operator=certificate.ou, **changes
        )
        self.entries.append(entry)
        return entry

    def rows_of(self, operator: int) -> list[Entry]:
        """Return the rows of an operator (by its position), while its identifier is the right one."""
        return [entry for entry in self.entries if entry.operator == self.operators[operator].id]

    def same_domain(self, like: Entry) -> list[Entry]:
        """Return the rows of the domain of `like`."""
        return [entry for entry in self.entries if entry.domain == like.domain]

    def listed(self) -> list[Entry]:
        """Return the rows in order of domain, those of one domain in the order in which they were made up."""
        return sorted(self.entries, key=lambda entry: entry.domain)

    def truths(self, file: str) -> Iterator[Truth]:
        """Yield what was recorded, as lines of ``defects.csv`` for a file that lists the rows."""
        position = {id(entry): number for number, entry in enumerate(self.listed(), start=1)}
        for rule, entries in self.truth:
            rows = sorted(entries, key=lambda entry: position[id(entry)])
            owners = [entry.operator for entry in rows]
            owner = max(dict.fromkeys(owners), key=owners.count, default="")
            domain = rows[0].domain if rows else ""
            yield file, rule, domain, owner, row_ranges(position[id(entry)] for entry in rows)

    def record(self, rule: str, entries: list[Entry]) -> None:
        """Write down that `rule` must fire once, on `entries`."""
        self.truth.append((rule, list(entries)))


def stamp(instant: datetime) -> str:
    """Write a time as the list does.

    >>> stamp(GENERATED_AT)
    '2026-03-02T05:30:00Z'
    """
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def clean_space(random: Random, domains: int, count: int) -> Space:
    """Make up a list of `domains` domains under `count` operators on which no rule fires."""
    places = towns(random)
    space = Space(random, tuple(operators(random, count, places)))
    structures = _structures(places)
    for operator, size in zip(space.operators, _sizes(domains, count), strict=True):
        hosted = [list(_rows(random, operator, i, *next(structures))) for i in range(size)]
        space.untouched.append(hosted)
        space.entries.extend(entry for rows in hosted for entry in rows)
    _near_misses(space)
    _test_entries(space)
    return space


def _sizes(domains: int, count: int) -> list[int]:
    """Share `domains` out: one large operator, then fewer and fewer, one at least for each."""
    rest = count - 1
    largest = max(round(domains * LARGEST_SHARE), min(65, domains - 2 * rest))
    left = domains - largest - rest
    if left < 0:
        largest, left = domains - rest, 0
    weights = [1 / (rank + 1) for rank in range(rest)]
    sizes = [1 + int(left * weight / sum(weights)) for weight in weights]
    for i in range(domains - largest - sum(sizes)):
        sizes[i % rest] += 1
    return [largest, *sizes]


def _structures(places: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (label, description) of made-up structures, no label twice in 1.6 million."""
    number = 0
    while True:
        tier, turn, place = number // 4000, number // 400, number % 400
        kind, title = STRUCTURES[(number + turn) % len(STRUCTURES)]
        town = places[place] + (f"-lès-{places[(place + tier) % 400]}" if tier else "")
        yield f"{kind}-{slug(town)}", f"{title} {town}"
        number += 1


def _rows(random: Random, operator: Operator, index: int, label: str, title: str) -> Iterator[Entry]:
    if operator.zone:
        domain = f"{label}.{operator.zone}.{ZONE}" if index else f"{operator.zone}.{ZONE}"
        description = f"Domaine de messagerie MSSanté géré par {operator.name} pour {title}"
    else:
        domain, description = f"{label}.{ZONE}", f"Domaine de messagerie MSSanté pour {title}"
    age = timedelta(seconds=random.randrange(86400, 700 * 86400))
    changed = GENERATED_AT - age if index % 4 else (GENERATED_AT - age).replace(hour=12, minute=34, second=56)
    host = index // DOMAINS_A_CERTIFICATE + 1
    for role in ("mss", "smtp", "relais")[: random.choices((1, 2, 3), (78, 15, 7))[0]]:
        certificate = operator.certificate(f"{role}-{host}")
        yield Entry(
            domain, description, certificate, operator.project, operator.support, stamp(changed), operator.id
        )


def _near_misses(space: Space) -> None:
    """Give some rows, most of them out of reach of the defects, texts that are odd but right."""
    largest = space.operators[0]
    for label in (
        LONGEST_LABEL,
        "foyer-protestant-valfictif",
        "maison-protest-valfictif",
        "3-sources-fictives",
    ):
        for entry in space.untouched[0].pop(0):
            entry.domain = f"{label}.{ZONE}"
            entry.stamp = stamp(GENERATED_AT)
            entry.project = f"+33 {national(largest.phone)[1:]},{largest.project.split(', ')[1].upper()}"
    space.add(entry, largest.certificate("mss-bis"), description=entry.description.upper())
    parent = space.untouched[0].pop(0)[0]
    for child in space.untouched[0].pop(0):
        child.domain = f"secretariat.{parent.domain}"
    if len(space.operators) > 3:
        # One edit apart, but neither is rarer than the other.
        usual, mail = space.operators[-2].mail, space.operators[-1].mail
        for entry in space.rows_of(len(space.operators) - 1):
            entry.project = entry.project.replace(mail, f"{usual.removesuffix('.example')}s.example")
    for operator, hosted in zip(space.operators, space.untouched, strict=True):
        rows = [entry for domain in hosted for entry in domain]
        if operator.cps:
            # GIP-CPS is what the form wants as O there, not a second name of the operator.
            space.add(rows[0], replace(operator.certificate("mss-igc-sante"), cps=False))


def _test_entries(space: Space) -> None:
    """Add entries made for testing, each with defects that nobody should hear of."""
    operator = space.operators[0]
    old = stamp(GENERATED_AT - timedelta(days=3000))
    for domain, name in (
        ("certificat-fictif.espacedeconfiance.mssante.fr", operator.name),
        ("test-valfictif.mssante.fr", operator.name),
        ("ch-valfictif-test.mssante.fr", operator.name),
        ("preprodtest-valfictif.mssante.fr", operator.name),
        ("recette-valfictif.mssante.fr", "EDITEUR FICTIF TEST"),
    ):
        certificate = Certificate("serveur", "5123", name, "Atlantide (00)", country="BE")
        entry = Entry(domain, TEST_DESCRIPTION, certificate, "Personne Fictive", "", old, "")
        entry.support = "ResponsableContact>01 99 00 12, a.b@@c.example"
        space.entries += [entry, replace(entry)]


def whitelist_chunks(rows: Iterable[Row], generated_at: datetime = GENERATED_AT) -> Iterator[bytes]:
    """Yield the unsigned white list of `rows` in pieces, laid out like the real one."""
    yield (
        f'<?xml version="1.0" encoding="UTF-8"?><ListeBlancheMSSante xmlns="{NAMESPACE}">\n'
        f"    <DateDeGeneration>{stamp(generated_at)}</DateDeGeneration>\n    <ListeDomaines>\n"
    ).encode()
    for row in rows:
        yield row_xml(row).encode()
    yield b"    </ListeDomaines>\n</ListeBlancheMSSante>\n"


def row_xml(row: Row) -> str:
    """Return one row as the list writes it."""
    fields = (
        f"            <{name}>{escape(text)}</{name}>\n" for name, text in zip(FIELDS, row, strict=True)
    )
    return f"        <Domaine>\n{''.join(fields)}        </Domaine>\n"
