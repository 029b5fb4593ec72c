"""The made-up public extractions of mailboxes: that of the list's time, the one before it, and one cut short.

Nobody in them exists. Every listed domain has a mailbox or a few but for those that the truth names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from mssante_audit.base.errors import ParameterError
from mssante_audit.findings.places import row_ranges
from tools.sample.operators import Operator
from tools.sample.space import Truth

EXTRACTION = "Extraction_Correspondance_MSSante_202603011013.txt"
BEFORE = "Extraction_Correspondance_MSSante_202601151013.txt"
CUT = "extractions/Extraction_Correspondance_MSSante_202602281013.txt"
"""Apart, since it would be the one before."""

HEADINGS = (
    "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|"
    "Type identifiant structure|Identification Structure|Service de rattachement|Civilité d'exercice|"
    "Nom d'exercice|Prénom d'exercice|Catégorie profession|Libellé de catégorie profession|Code Profession|"
    "Libellé Profession|Code savoir-faire|Libellé savoir-faire|Dématérialisation|"
    "Raison Sociale structure BAL|Enseigne commerciale structure BAL|L2COMPLEMENTLOCALISATION|"
    "L3COMPLEMENTDISTRIBUTION|L4NUMEROVOIE|L4COMPLEMENTNUMEROVOIE|NL4TYPEVOIE|L4LIBELLEVOIE|"
    "L5LIEUDITMENTION|L6LIGNEACHEMINEMENT|Code postal|Département|Pays"
)

_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", re.A)
_PERSONS = (("FICTIF", "Paul"), ("SPECIMEN", "Zoé"), ("EXEMPLE", "Luc"), ("MODÈLE", "Ida"))
ELSEWHERE = "1759900996"
"""Structure of most mailboxes: a site of nobody on the list."""


@dataclass(slots=True)
class Directory:
    """The directory at two times, and what has been written down."""

    now: dict[str, int]
    """Mailboxes by domain."""
    before: dict[str, int]
    structures: dict[str, str] = field(default_factory=dict)
    """Structure of a domain's mailboxes, where it is not `ELSEWHERE`."""
    truth: list[Truth] = field(default_factory=list)

    def files(self) -> dict[str, bytes]:
        """Return the three files by their paths."""
        now = mailbox_text(self.now, self.structures)
        return {
            EXTRACTION: now,
            BEFORE: mailbox_text(self.before, self.structures),
            CUT: now[: len(now) // 2],
        }


def build_mailboxes(entries: pd.DataFrame, operators: tuple[Operator, ...]) -> Directory:
    """Make up the mailboxes of a list, with a true and a false case of each rule.

    Parameters
    ----------
    entries
        All rows of the list, loaded.
    operators
        Those made up, the largest first.
    """
    entries = entries[~entries["is_audit_entry"]]
    rows = {name: listed["row"].tolist() for name, listed in entries.groupby("domain", sort=False)}
    owner = {
        name: Counter(listed["operator_id"].tolist()).most_common(1)[0][0]
        for name, listed in entries.groupby("domain", sort=False)
    }
    numbers = {name: 1 + i % 3 for i, name in enumerate(rows) if _HOST.fullmatch(name)}
    directory = Directory(dict(numbers), dict(numbers))

    def record(rule: str, names: Iterable[str], operator: str) -> None:
        domains = list(names)
        places = row_ranges(row for name in domains for row in rows.get(name, []))
        directory.truth.append(
            (EXTRACTION, rule, min(domains, key=lambda n: rows.get(n, [0])), operator, places)
        )

    largest = operators[0].id
    plain = [name for name in numbers if owner[name] == largest and name == name.lower() and len(name) < 60]
    if len(plain) < 9:
        raise ParameterError("the sample's mailboxes want nine plain domains of the largest operator")
    bare, spelt, above, lost, half, few, other, theirs, removed = plain[-9:]
    directory.now |= {lost: 11, half: 12, few: 1, other: 12, theirs: 12}
    directory.before |= {lost: 24, half: 24, few: 9, other: 12, theirs: 12, removed: 1}
    record("MAILBOX_LOST", [lost], largest)  # not of 24 that became 12, nor of 9 that became 1
    directory.structures |= {other: operators[1].id, theirs: largest}
    record("MAILBOX_STRUCTURE", [other], largest)  # not where they are the operator's own
    _unlisted(directory, spelt, above)
    for name in ("ch-disparu-songe.mssante.fr", f"messagerie.{above}", spelt.upper()):
        operator = "" if name.startswith("ch-disparu") else largest
        directory.truth.append((EXTRACTION, "MAILBOX_UNLISTED", name, operator, ""))
    for name in (bare, spelt):
        del directory.now[name], directory.before[name]
    without: dict[str, list[str]] = {}
    for name in rows:  # not `spelt`: its mailboxes are told of under the other spelling
        if name not in directory.now and name != spelt:
            without.setdefault(owner[name], []).append(name)
    for operator, names in without.items():
        record("MAILBOX_NONE", names, operator)
    directory.truth.append((CUT, "MAILBOX_UNUSABLE", "", "", ""))
    return directory


def _unlisted(directory: Directory, spelt: str, above: str) -> None:
    """Add mailboxes in domains that are not listed, those of a test entry among them."""
    more = {
        "ch-disparu-songe.mssante.fr": 4,
        f"messagerie.{above}": 2,
        spelt.upper(): 3,
        "operateur-test.mssante.fr": 5,
    }
    directory.now |= more
    directory.before |= more


def mailbox_text(numbers: dict[str, int], structures: dict[str, str]) -> bytes:
    """Return an extraction of so many mailboxes a domain."""
    lines = [HEADINGS]
    for domain, number in sorted(numbers.items()):
        for i in range(number):
            name, first = _PERSONS[i % len(_PERSONS)]
            structure = structures.get(domain, ELSEWHERE)
            lines.append(_line("ORG" if i % 4 == 3 else "PER", f"bal.{i}@{domain}", structure, name, first))
    lines.append(lines[-1])  # an address that comes again
    return "".join(f"{line}\n" for line in lines).encode()


def _line(kind: str, address: str, structure: str, name: str, first: str) -> str:
    person = ("8", "10000000000", "810000000000") if kind == "PER" else ("", "", "")
    work = ("M", name, first, "C", "Civil", "10", "Médecin") if kind == "PER" else ("",) * 7
    place = ("STRUCTURE INVENTÉE", *("",) * 8, "00000 NULLE-PART", "00000", "00", "FRANCE")
    return "|".join((kind, address, *person, structure[0], structure[1:], "", *work, "", "", "O", *place))
