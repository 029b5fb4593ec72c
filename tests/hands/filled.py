"""A made-up register filled as hands fill it, with the lists beside it: the cases of the ``*.toml`` here.

``form.toml`` has the form of whoever fills it well, and the row of the list that answers it. A case names
what differs, and says what is to be told and why:

``name``, ``why``
    Of the situation, and why a person who knows the form would say so.
``declared``
    Declarations: cells over the form (one of nothing else if not given). `by` is the letter of who declares:
    A, the default, B, C.
``listed``
    Rows of the list: cells over the row; one of A if not given. `none` leaves one out.
``autumn``, ``winter``
    Rows of the list of 1 September and of 1 January before; the later list's if not given.
``each``
    Variants instead of ``declared``: every one is a situation of its own, with operators of its own. One may
    have ``told``, ``state``, ``says`` and ``why`` of its own, and ``row``, cells of the list's row.
``told``
    Exactly the rules that must be told; nothing if not given. ``X|Y`` takes either.
``may``
    Rules that nobody would mind beside them.
``state``
    What `status` says of the domain: ``as-declared`` if not given; ``?`` is not looked at, "" is no row.
    ``X|Y`` takes either; a table where a case has several domains.
``moved``
    Whether the archive tells of operators that came, left or handed over: "no" if not given, "yes", or ``?``.
``says``
    Texts that the findings must show.
``register``
    Which register it is written into: `REGISTERS`.

Texts may name what belongs to an operator: ``{dn}`` is the DN of whoever declares, ``{B.dn}`` that of B;
``{domain}`` is the case's, and every attribute of `Operator` can be named.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stdnum import luhn

HERE = Path(__file__).parent
AUTUMN, WINTER, NOW, AS_OF = "2025-09-01", "2026-01-01", "2026-03-02", "2026-03-03T06:00:00Z"
LISTS = {"autumn": AUTUMN, "winter": WINTER, "listed": NOW}
SYLLABLES = re.findall("..", "bacodifugalominuparesotivazabedofijukema")
_NAMED = re.compile(r"\{(?:([A-Z])\.)?([a-z_]+)\}")
Cells = dict[str, Any]


@dataclass(frozen=True)
class Operator:
    """Somebody made up, of whom nothing is anybody else's."""

    serial: int

    @property
    def word(self) -> str:
        """A name that resembles no other: every syllable hangs on the whole serial number."""
        number = self.serial * 7919 % len(SYLLABLES) ** 4
        return "".join(SYLLABLES[number // len(SYLLABLES) ** n % len(SYLLABLES)] for n in range(4))

    @property
    def name(self) -> str:
        return f"CH DE {self.word.upper()}"

    def _numbered(self, start: str) -> str:
        digits = f"{start}{self.serial:04}"
        return digits + luhn.calc_check_digit(digits)

    @property
    def finess(self) -> str:
        return self._numbered("7599")

    @property
    def site(self) -> str:
        """FINESS of a site of the same structure."""
        return self._numbered("7598")

    @property
    def siren(self) -> str:
        return self._numbered("9990")

    @property
    def siret(self) -> str:
        digits = f"{self.siren}0001"
        return digits + luhn.calc_check_digit(digits)

    @property
    def typo(self) -> str:
        """The FINESS with a digit that is wrong."""
        return self.finess[:-1] + str((int(self.finess[-1]) + 4) % 10)

    @property
    def ou(self) -> str:
        return f"1{self.finess}"

    @property
    def host(self) -> str:
        return f"mss.{self.mail}"

    @property
    def mail(self) -> str:
        return f"{self.word}.example"

    @property
    def dn(self) -> str:
        return f"CN={self.host},OU={self.ou},O={self.name},ST=Paris (75),C=FR"

    @property
    def cps(self) -> str:
        return f"CN={self.host},OU={self.ou},L=Paris (75),O=GIP-CPS,C=FR"

    @property
    def contract(self) -> str:
        return f"7{self.serial:09}"

    @property
    def cut_description(self) -> str:
        """What the list keeps of a description that is too long for it."""
        return self.long_description[:255]

    @property
    def long_description(self) -> str:
        return (
            f"Domaine de messagerie MSSanté du {self.name}, de ses instituts de formation, de ses "
            "établissements pour personnes âgées, de ses centres de consultation, de ses équipes mobiles et "
            "de toutes les structures que le groupement sert au titre de la convention fictive du pays"
        )

    @property
    def spaced_finess(self) -> str:
        return " ".join(re.findall("...", self.finess))

    @property
    def spaced_siret(self) -> str:
        return f"{self.siren[:3]} {self.siren[3:6]} {self.siren[6:]} {self.siret[9:]}"

    @property
    def boxed_contract(self) -> str:
        return " ".join(self.contract)

    @property
    def serial_text(self) -> str:
        return f"{self.serial:06}"

    def _dialled(self, start: str) -> str:
        digits = f"{start}{self.serial:04}"
        return " ".join(digits[at : at + 2] for at in range(0, 10, 2))

    @property
    def head_phone(self) -> str:
        return self._dialled("035301")

    @property
    def chief_phone(self) -> str:
        return self._dialled("046571")

    @property
    def project_phone(self) -> str:
        return self._dialled("019900")

    @property
    def help_phone(self) -> str:
        return self._dialled("026191")

    @property
    def other_phone(self) -> str:
        return self._dialled("053649")

    @property
    def short(self) -> str:
        """The project's number without its first zero and without blanks."""
        return self.project_phone.replace(" ", "")[1:]


@dataclass
class Case:
    """A situation, and what is to be told of it."""

    name: str
    why: str
    serial: int
    declared: list[Cells]
    lists: dict[str, list[Cells]]
    told: list[str]
    may: list[str]
    says: list[str]
    state: str | dict[str, str]
    register: str
    moved: str
    places: list[int] = field(default_factory=list)
    """Rows of the register."""
    rows: list[int] = field(default_factory=list)
    """Rows of the list."""

    @property
    def clean(self) -> bool:
        return not self.told and not self.may

    def operator(self, letter: str) -> Operator:
        return Operator(self.serial * 3 + "ABC".index(letter))

    @property
    def domain(self) -> str:
        return f"ch-{self.operator('A').word}.mssante.fr"

    def states(self) -> dict[str, str]:
        """What `status` must say, by domain."""
        told = self.state if isinstance(self.state, dict) else {"{domain}": self.state}
        return {self.written(domain, "A"): state for domain, state in told.items() if state != "?"}

    def written(self, value: Any, own: str) -> Any:
        """Write out what a text names."""
        if not isinstance(value, str):
            return value

        def named(match: re.Match[str]) -> str:
            if match[2] == "domain":
                return self.domain
            return str(getattr(self.operator(match[1] or own), match[2]))

        return _NAMED.sub(named, value)

    def filled(self, base: Cells, cells: Cells) -> Cells:
        """Fill in a form or a row."""
        own = cells.get("by", "A")
        return {name: self.written(cells.get(name, text), own) for name, text in base.items()} | {
            name: self.written(text, own)
            for name, text in cells.items()
            if name not in base and name not in ("by", "none")
        }


def _spread(told: Cells) -> Iterator[Cells]:
    """Yield the situations of a case: one, or one a variant."""
    variants = told.pop("each", None)
    if variants is None:
        yield told
        return
    for number, variant in enumerate(variants, 1):
        own = {k: variant.pop(k) for k in ("told", "state", "says", "why", "may") if k in variant}
        row = variant.pop("row", None)
        listed = {"listed": [row]} if row is not None else {}
        yield told | own | listed | {"name": f"{told['name']}-{number}", "declared": [variant]}


def cases() -> list[Case]:
    """Return every situation, in the order of the files."""
    found: list[Case] = []
    for file in sorted(HERE.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        for told in (told for case in content.get("case", ()) for told in _spread(case)):
            now = [row for row in told.pop("listed", [{}]) if not row.get("none")]
            winter = told.pop("winter", now)
            lists = {"listed": now, "winter": winter, "autumn": told.pop("autumn", winter)}
            found.append(
                Case(
                    told.pop("name"), told.pop("why"), len(found), told.pop("declared", [{}]), lists,
                    told.pop("told", []), told.pop("may", []), told.pop("says", []),
                    told.pop("state", "as-declared"), told.pop("register", "main"),
                    told.pop("moved", "no"),
                )
            )  # fmt: skip
            if told:
                raise KeyError(f"{file.name}: {found[-1].name}: {sorted(told)}")
    return found


FORM: dict[str, Cells] = tomllib.loads((HERE / "form.toml").read_text(encoding="utf-8"))
