"""The made-up operators of the sample: invented names, identifiers, certificates and contacts.

Nothing here belongs to anybody: places are two invented words, e-mail domains end in ``.example``, phone
numbers come from the ranges that ARCEP keeps for fiction, and identifiers satisfy the shape and the check
digit of real ones in ranges that are not attributed (SIREN 999…, FINESS with 99 after the département).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import Any

from stdnum import luhn

PLACES = (
    "Val", "Roche", "Bourg", "Champ", "Mont", "Puy", "Ville", "Lande", "Clair", "Combe",
    "Havre", "Plan", "Tertre", "Digue", "Moulin", "Source", "Verger", "Fort", "Gravier", "Chemin",
)  # fmt: skip
FICTIONS = (
    "fable", "songe", "mirage", "chimère", "utopie", "leurre", "légende", "mythe", "fantôme", "fictif",
    "factice", "inventé", "imaginé", "rêvé", "feint", "simulé", "virtuel", "conté", "irréel", "supposé",
)  # fmt: skip
"""No two words of a list are one edit apart: no e-mail domain made of them looks like a typo of another."""

PHONE_RANGES = ("019900", "026191", "035301", "046571", "053649")
"""First six digits of the fixed-line numbers that ARCEP keeps for fiction."""

DEPARTMENTS = (
    ("Paris", "75"), ("Bas-Rhin", "67"), ("Loire-Atlantique", "44"), ("Val d'Oise", "95"), ("Réunion", "974"),
    ("Corse-du-Sud", "2A"), ("Rhône", "69"), ("Nord", "59"), ("Côte-d'Or", "21"), ("Guadeloupe", "971"),
    ("Hérault", "34"), ("Mayotte", "976"), ("Haute-Corse", "2B"), ("Val-d'Oise", "95"), ("Gironde", "33"),
    ("Martinique", "972"), ("Isère", "38"), ("Guyane", "973"), ("Ain", "01"), ("La Réunion", "974"),
)  # fmt: skip
"""Labels as real certificates write them, with both spellings where both are right."""
OVERSEAS = {"971": "9701", "972": "9702", "973": "9703", "974": "9704", "976": "9805"}
"""How a FINESS number starts, where it does not start with the département."""

PERSONS = ("M. FICTIF Paul, ", "Mme SPECIMEN Zoé, ", "M. EXEMPLE Luc, ", "Mme MODELE Ida, ")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What stands in a certificate's DN."""

    cn: str
    ou: str
    o: str
    st: str
    """Label and code: ``Paris (75)``. Written as ``L`` in an IGC-CPS certificate."""
    country: str = "FR"
    cps: bool = False

    @property
    def dn(self) -> str:
        """The DN in the form's own order, values as they are.

        >>> Certificate("mss.valfable.example", "1759900001", "CH DE VALFABLE", "Paris (75)").dn
        'CN=mss.valfable.example,OU=1759900001,O=CH DE VALFABLE,ST=Paris (75),C=FR'
        """
        place = f"L={self.st},O=GIP-CPS" if self.cps else f"O={self.o},ST={self.st}"
        return f"CN={self.cn},OU={self.ou},{place},C={self.country}"

    def but(self, **fields: str) -> Certificate:
        """Return this certificate with other values in some fields."""
        changes: dict[str, Any] = dict(fields)
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Operator:
    """A made-up operator."""

    id: str
    """Structure identifier, as in a DN's OU."""
    name: str
    """As in a DN's O: upper case, without accents, never of 40 characters (which would look cut)."""
    st: str
    mail: str
    """Its e-mail and host name domain."""
    phone: str
    """Ten digits; the support's number is the next one."""
    zone: str
    """Labels between its hosted domains and ``mssante.fr``, "" for most."""
    cps: bool
    project: str
    support: str

    def certificate(self, host: str) -> Certificate:
        """Return a certificate of the operator for `host` under its own domain."""
        return Certificate(f"{host}.{self.mail}", self.id, self.name, self.st, cps=self.cps)


def slug(text: str) -> str:
    """Return `text` as labels of a host name are written.

    >>> slug("L'Étape de Montrêvé")
    'l-etape-de-montreve'
    """
    words = "".join(c if c.isalnum() else " " for c in _ascii(text).lower())
    return "-".join(words.split())


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def towns(random: Random) -> list[str]:
    """Return the 400 invented towns, in a random order."""
    names = [place + fiction for place, fiction in product(PLACES, FICTIONS)]
    random.shuffle(names)
    return names


def national(phone: str) -> str:
    """Return ten digits in pairs, as most of the real list writes them.

    >>> national("0199000001")
    '01 99 00 00 01'
    """
    return " ".join(phone[i : i + 2] for i in range(0, len(phone), 2))


def shifted(phone: str, by: int) -> str:
    """Return the number `by` after `phone`.

    >>> shifted("0199000009", 2)
    '0199000011'
    """
    return f"{int(phone) + by:0{len(phone)}d}"


def finess(code: str, serial: int) -> str:
    """Return an invented FINESS number of nine characters in the département `code`."""
    start = OVERSEAS[code] + "9" if code in OVERSEAS else code + "99"
    body = f"{start}{serial:0{8 - len(start)}d}"
    return body + (luhn.calc_check_digit(body) if body.isdigit() else "0")


def siren(serial: int) -> str:
    """Return an invented SIREN number of nine digits."""
    body = f"999{serial:05d}"
    return body + luhn.calc_check_digit(body)


def siret(serial: int) -> str:
    """Return an invented SIRET number of fourteen digits."""
    body = f"{siren(serial)}0001"
    return body + luhn.calc_check_digit(body)


def operators(random: Random, count: int, places: list[str]) -> Iterator[Operator]:
    """Yield `count` operators: a vendor, regional platforms, laboratories, clinics, then hospitals."""
    for index in range(count):
        town = places[index % len(places)]
        if index >= len(places):
            town += f"-lès-{places[(index + index // len(places)) % len(places)]}"
        label, code = DEPARTMENTS[index % len(DEPARTMENTS)]
        # Two départements stand twice in the table, once in each half.
        number = "1" + finess(code, index // len(DEPARTMENTS) * 2 + (index % len(DEPARTMENTS) > 9))
        zone = ""
        match index:
            case 0:
                kind, name, number = "mss", "MESSAGERIES FICTIVES DE", "3" + siret(index)
            case 1 | 4:
                kind, name, zone = "gcs", "GROUPEMENT E-SANTE DE", slug(town)
            case 2:
                kind, name, number = "labo", "LABORATOIRES & CIE DE", "3" + siret(index)
            case 6:
                kind, name, number = "clinique", "CLINIQUES DE", "2" + siren(index)
            case _:
                kind, name = random.choice((("ch", "CENTRE HOSPITALIER DE"), ("ehpad", "RESIDENCE DE")))
        name = _ascii(f"{name} {town}").upper()
        yield Operator(
            id=number,
            name=f"{name} SA" if len(name) == 40 else name,
            st=f"{label} ({code})",
            mail=f"{kind}-{slug(town)}.example",
            zone=zone,
            cps=index in (7, 9),
            **_contacts(random, index, f"{kind}-{slug(town)}.example"),
        )


def _contacts(random: Random, index: int, mail: str) -> dict[str, str]:
    phone = f"{random.choice(PHONE_RANGES)}{random.randrange(9000):04d}"
    person = random.choice(PERSONS) if index % 4 == 1 else ""
    written = national(phone) if index % 3 else phone
    desk = random.choice(("projet-mssante", "contact-mssante", "dsi"))
    help_desk = random.choice(("support-mssante", "exploitation", "support"))
    # Services whose names a rule about persons' addresses must know.
    desk = {3: "dsi.secretariat", 8: "itsupport"}.get(index, desk)
    help_desk = {3: "astreinte.si"}.get(index, help_desk)
    return {
        "phone": phone,
        "project": f"{person}{written}, {desk}@{mail}",
        "support": f"{national(shifted(phone, 1))}, {help_desk}@{mail}",
    }
