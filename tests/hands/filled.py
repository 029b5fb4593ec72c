"""A made-up register filled as hands fill it, with the lists beside it: the cases of the ``*.toml`` here.

``form.toml`` says what a case may hold.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stdnum import luhn

HERE = Path(__file__).parent
AUTUMN, WINTER, NOW, AS_OF = "2025-09-01", "2026-01-01", "2026-03-02", "2026-03-03T06:00:00Z"
LISTS = {"autumn": AUTUMN, "winter": WINTER, "listed": NOW}
SYLLABLES = re.findall("..", "bacodifugalominuparesotivazabedofijukema")
_NAMED = re.compile(r"\{(?:([A-Z])\.)?([a-z_]+)\}")
Cells = dict[str, Any]


@cache
def operator(serial: int) -> SimpleNamespace:
    """Make somebody up, of whom nothing is anybody else's."""

    def numbered(start: str) -> str:
        digits = f"{start}{serial:04}"
        return digits + luhn.calc_check_digit(digits)

    def dialled(start: str) -> str:
        digits = f"{start}{serial:04}"
        return " ".join(digits[at : at + 2] for at in range(0, 10, 2))

    number = serial * 7919 % len(SYLLABLES) ** 4  # every syllable hangs on the whole serial number
    word = "".join(SYLLABLES[number // len(SYLLABLES) ** n % len(SYLLABLES)] for n in range(4))
    name, mail, finess, siren = f"CH DE {word.upper()}", f"{word}.example", numbered("7599"), numbered("9990")
    siret = f"{siren}0001" + luhn.calc_check_digit(f"{siren}0001")
    described = (
        f"Domaine de messagerie MSSanté du {name}, de ses instituts de formation, de ses "
        "établissements pour personnes âgées, de ses centres de consultation, de ses équipes mobiles et "
        "de toutes les structures que le groupement sert au titre de la convention fictive du pays"
    )
    return SimpleNamespace(
        word=word, name=name, mail=mail, host=f"mss.{mail}", finess=finess, ou=f"1{finess}", siren=siren,
        siret=siret, site=numbered("7598"),  # FINESS of a site of the same structure
        typo=finess[:-1] + str((int(finess[-1]) + 4) % 10),  # the FINESS with a digit that is wrong
        dn=f"CN=mss.{mail},OU=1{finess},O={name},ST=Paris (75),C=FR",
        cps=f"CN=mss.{mail},OU=1{finess},L=Paris (75),O=GIP-CPS,C=FR",
        contract=f"7{serial:09}", boxed_contract=" ".join(f"7{serial:09}"), serial_text=f"{serial:06}",
        long_description=described, cut_description=described[:255],  # what the list keeps of it
        spaced_finess=" ".join(re.findall("...", finess)),
        spaced_siret=f"{siren[:3]} {siren[3:6]} {siren[6:]} {siret[9:]}",
        head_phone=dialled("035301"), chief_phone=dialled("046571"), project_phone=dialled("019900"),
        help_phone=dialled("026191"), other_phone=dialled("053649"),
        short=dialled("019900").replace(" ", "")[1:],  # the project's number without first zero and blanks
    )  # fmt: skip


@dataclass
class Case:
    """A situation, and what is to be told of it."""

    name: str
    why: str
    serial: int
    declared: list[Cells]
    lists: dict[str, list[Cells]]
    expected: list[str]
    may: list[str]
    says: list[str]
    state: str | dict[str, str]
    register: str
    moved: str
    places: list[int] = field(default_factory=list)  # rows of the register
    rows: list[int] = field(default_factory=list)  # rows of the list

    @property
    def clean(self) -> bool:
        return not self.expected and not self.may

    def operator(self, letter: str) -> SimpleNamespace:
        return operator(self.serial * 3 + "ABC".index(letter))

    @property
    def domain(self) -> str:
        return f"ch-{self.operator('A').word}.mssante.fr"

    def states(self) -> dict[str, str]:
        """What `status` must say, by domain."""
        by_domain = self.state if isinstance(self.state, dict) else {"{domain}": self.state}
        return {self.written(domain, "A"): state for domain, state in by_domain.items() if state != "?"}

    def written(self, value: Any, letter: str) -> Any:
        """Write out what a text names."""
        if not isinstance(value, str):
            return value

        def named(match: re.Match[str]) -> str:
            if match[2] == "domain":
                return self.domain
            return str(getattr(self.operator(match[1] or letter), match[2]))

        return _NAMED.sub(named, value)

    def filled(self, base: Cells, cells: Cells) -> Cells:
        letter = cells.get("by", "A")
        return {name: self.written(cells.get(name, text), letter) for name, text in base.items()} | {
            name: self.written(text, letter)
            for name, text in cells.items()
            if name not in base and name not in ("by", "none")
        }


def _spread(case: Cells) -> Iterator[Cells]:
    """Yield the situations of a case: one, or one a variant."""
    variants = case.pop("each", None)
    if variants is None:
        yield case
        return
    for number, variant in enumerate(variants, 1):
        changes = {k: variant.pop(k) for k in ("told", "state", "says", "why", "may") if k in variant}
        row = variant.pop("row", None)
        listed = {"listed": [row]} if row is not None else {}
        yield case | changes | listed | {"name": f"{case['name']}-{number}", "declared": [variant]}


def cases() -> list[Case]:
    situations: list[Case] = []
    for file in sorted(HERE.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        for case in (each for whole in content.get("case", ()) for each in _spread(whole)):
            now = [row for row in case.pop("listed", [{}]) if not row.get("none")]
            winter = case.pop("winter", now)
            lists = {"listed": now, "winter": winter, "autumn": case.pop("autumn", winter)}
            situations.append(
                Case(
                    case.pop("name"), case.pop("why"), len(situations), case.pop("declared", [{}]), lists,
                    case.pop("told", []), case.pop("may", []), case.pop("says", []),
                    case.pop("state", "as-declared"), case.pop("register", "main"),
                    case.pop("moved", "no"),
                )
            )  # fmt: skip
            if case:
                raise KeyError(f"{file.name}: {situations[-1].name}: {sorted(case)}")
    return situations


FORM: dict[str, Cells] = tomllib.loads((HERE / "form.toml").read_text(encoding="utf-8"))
