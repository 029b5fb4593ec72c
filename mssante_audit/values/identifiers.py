"""Identifiers of structures (``OU`` of a certificate), départements (``ST`` or ``L``), places as people say.

Source: ANS, model of health objects (MOS), "identification nationale de structure".
"""

import difflib
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stdnum import luhn
from stdnum.fr import siret

from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold

# First character → kind. ADELI and RPPS stand for a practice (ADELI-rang, RPPS-rang), not a person.
KINDS = {"0": "ADELI", "1": "FINESS", "2": "SIREN", "3": "SIRET", "4": "RPPS"}

_SHAPES = {
    "ADELI": "(?:[0-9]{2}|2[AB])[0-9]{9}", "FINESS": "(?:[0-9]{2}|2[AB])[0-9]{7}", "SIREN": "[0-9]{9}",
    "SIRET": "[0-9]{14}", "RPPS": "[0-9]{14}",
}  # fmt: skip
# A word for a number, written before one whose kind is not named.
_NUMBER_OF = re.compile(r"^(?:N[Oº]?|NUM[EÉ]RO|ID(?:ENTIFIANT)?)(?=[0-9])")
# A kind by its name, and what follows it.
_KIND_BEFORE = re.compile(r"\b(ADELI|FINESS|SIREN|SIRET|RPPS)(?![A-Z])(.{1,60})", re.I | re.S)
# The same the other way round, of a text without blanks.
_KIND_AFTER = re.compile(r"([0-9A-Z]{9,15}?)(ADELI|FINESS|SIREN|SIRET|RPPS)[^\W\d_]*")
_TABLE = table_of("mssante_audit.values", "departments.toml")

_PLACES = [place.split(" ", 1) for group in (*_TABLE["regions"].values(), _TABLE["apart"]) for place in group]
# Code → official label, 101 départements and the overseas collectivities (see `departments.toml`).
DEPARTMENTS: dict[str, str] = dict(sorted(_PLACES, key=lambda place: re.sub("2[AB]", "20", place[0])))

# Region → codes of its départements: INSEE's 18 regions.
REGIONS: dict[str, tuple[str, ...]] = {
    name: tuple(place.split(" ")[0] for place in group) for name, group in _TABLE["regions"].items()
}

# Département or region by its name, folded.
_LABELS = {fold(label): code for code, label in DEPARTMENTS.items()}
_LABELS |= {fold(label): code for label, code in _TABLE["variants"].items()}
_REGIONS = {fold(name): name for name in REGIONS}
_REGION_OF = {code: region for region, codes in REGIONS.items() for code in codes}
_OVERSEAS = {"9701": "971", "9702": "972", "9703": "973", "9704": "974", "9805": "976"}


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier of a structure, read."""

    kind: str  # one of `KINDS`, "" if the first character is none of theirs
    value: str  # without blanks, in upper case, first character included
    problems: tuple[str, ...]
    """``kind`` (unknown first character); ``shape`` (wrong length or characters, blanks inside); ``luhn``
    (check digit wrong; an ADELI-rang has none, and of a FINESS of Corsica no rule is published)."""
    department: str  # of a FINESS, such as "75", "2A", "971"; "" if unknown or of another kind


@dataclass(frozen=True, slots=True)
class DepartmentName:
    """What a certificate says of its département, read."""

    label: str  # as written, without the code
    code: str  # code in `DEPARTMENTS`: the one written, else the label's; "" if it is not known
    problems: tuple[str, ...]
    """``form`` (not ``Label (code)``); ``unknown`` (label or code not in the table); ``mismatch`` (label and
    code of two départements)."""


def parse_identifier(text: str) -> Identifier:
    """Read an identifier of a structure; never raises.

    >>> parse_identifier("1970100015")
    Identifier(kind='FINESS', value='1970100015', problems=('luhn',), department='971')
    """
    value = "".join(text.split()).upper()
    kind, number = KINDS.get(value[:1], ""), value[1:]
    if not _kind_of(value) or value != text.strip().upper():
        return Identifier(kind, value, ("shape" if kind else "kind",), "")
    problems = () if _checked(kind, number) else ("luhn",)
    return Identifier(kind, value, problems, finess_department(number) if kind == "FINESS" else "")


def identifier_of(text: str) -> str:
    """Return an identifier as the list writes it, whoever wrote it: kind and number, digits and letters only.

    A number of nine digits alone may be FINESS or SIREN, and stays as it is.
    """
    value = _NUMBER_OF.sub("", re.sub(r"[\W_]+", "", text).upper())
    if _kind_of(value):
        return value
    if re.fullmatch(_SHAPES["SIRET"], value) and _checked("SIRET", value):
        return f"3{value}"
    if after := _KIND_AFTER.fullmatch(value):
        text = f"{after[2]} {after[1]}"
    if before := _KIND_BEFORE.search(text) or _KIND_BEFORE.search(value):
        named, number = before[1].upper(), re.sub(r"^[^0-9]+|[\W_]+", "", before[2]).upper()
        for first, kind in KINDS.items():
            match = re.match(rf"{first}?({_SHAPES[kind]})(?![0-9])", number)
            if match and (kind == named or {kind, named} == {"SIREN", "SIRET"}):
                return first + match[1]
    return value


# The manager of the space (ANS), as `structure_key` has it (source: the public register of companies).
MANAGER = "2187512751"


def structure_key(text: str, among: Container[str] = ()) -> str:
    """Return what a structure is known by, whichever of its numbers is written: kind and FINESS, or SIREN.

    Nine digits alone may be either: the keys `among` which it is decide, if one of both is there; else the
    département that a FINESS starts with, where it is none. What neither decides stays as it is.

    >>> structure_key("399900000300015"), structure_key("75990000 4", {"1759900004"})
    ('2999000003', '1759900004')
    """
    value = identifier_of(text)
    if (kind := _kind_of(value)) in ("FINESS", "SIREN", "SIRET"):
        return value if kind == "FINESS" else f"2{value[1:10]}"
    if len(value) != 9:
        return value
    finess = f"1{value}" if re.fullmatch(_SHAPES["FINESS"], value) and finess_department(value) else ""
    siren = f"2{value}" if re.fullmatch(_SHAPES["SIREN"], value) else ""
    matches = [key for key in (finess, siren) if key and key in among]
    if len(matches) == 1:
        return matches[0]
    return (finess or siren or value) if bool(finess) != bool(siren) and _checked("SIREN", value) else value


def is_manager(operator_id: str) -> bool:
    """Tell whether an operator is the manager of the space, whose technical entries lead nothing."""
    return structure_key(operator_id) == MANAGER


def _kind_of(value: str) -> str:
    """Return the kind of an identifier that is well formed, "" of any other text."""
    kind = KINDS.get(value[:1], "")
    return kind if kind and re.fullmatch(_SHAPES[kind], value[1:]) else ""


def _checked(kind: str, number: str) -> bool:
    if kind == "ADELI" or not number.isdigit():
        return True
    return bool(siret.is_valid(number) if kind == "SIRET" else luhn.is_valid(number))


def finess_department(number: str) -> str:
    """Return the code of the département a FINESS starts with, in two characters or four (data), or "".

    >>> finess_department("2A0000001"), finess_department("980590012"), finess_department("990000000")
    ('2A', '976', '')
    """
    code = _OVERSEAS.get(number[:4], number[:2])
    return code if code in DEPARTMENTS else ""


def region_of(department: str) -> str:
    """Return the region of a département by its code, "" if it lies in none.

    >>> region_of("2A"), region_of("976"), region_of("988")
    ('Corse', 'Mayotte', '')
    """
    return _REGION_OF.get(department, "")


def parse_department(text: str) -> DepartmentName:
    """Read a département written ``Label (code)``; never raises.

    >>> parse_department("Val d’Oise (95)")
    DepartmentName(label='Val d’Oise', code='95', problems=())
    >>> parse_department("Paris(75)").problems, parse_department("Ain (75)").problems
    (('form',), ('mismatch',))
    """
    label, opened, rest = text.partition("(")
    code, closed, tail = (part.strip() for part in rest.partition(")"))
    plain = not code or (code.isascii() and code.isalnum())
    complete = bool(opened and closed and plain and not tail and ")" not in label)
    label, code = (label.strip(), code.upper()) if complete else (text.strip(), "")
    problems = () if text == f"{label} ({code})" else ("form",)
    named = _LABELS.get(fold(label), "")
    right = code if code in DEPARTMENTS else ""
    unknown = not named or (complete and not right)
    extra = ("unknown",) if unknown else ("mismatch",) if right not in ("", named) else ()
    return DepartmentName(label, right or named, (*problems, *extra))


NEAR = 3  # how many near names `places` gives


class Places(NamedTuple):
    """Places that were named."""

    regions: tuple[str, ...]
    departments: tuple[str, ...]  # codes of the départements that were named themselves
    codes: frozenset[str]  # of those meant: the regions', those named, or where both are named those in both


def places(region: str | None = None, department: str | None = None) -> Places | None:
    """Return the places meant; ``None`` where none is named.

    `region` and `department` are names (of départements also codes), with commas between them. One that is
    no name of any, or no département named in the regions named, is an `UnknownNameError`.

    >>> places("ile de france").codes == frozenset("75 77 78 91 92 93 94 95".split())
    True
    >>> places(department="2a, PARIS").departments, places("Corse", "2A").codes
    (('2A', '75'), frozenset({'2A'}))
    """
    regions, departments = _resolved(region, _region), _resolved(department, _department)
    if not regions and not departments:
        return None
    in_regions = {code for name in regions for code in REGIONS[name]}
    codes = in_regions & {*departments} if regions and departments else in_regions | {*departments}
    if not codes:
        named = ", ".join(_label(code) for code in departments)
        raise UnknownNameError("{}: not in {}", named, ", ".join(regions), remedy="Name one of the two")
    return Places(regions, departments, frozenset(codes))


def _resolved(text: str | None, resolve: Callable[[str], str]) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(dict.fromkeys(resolve(part.strip()) for part in text.split(",") if part.strip()))
    if not names:
        raise UnknownNameError("{} names no place", repr(text))
    return names


def _region(text: str) -> str:
    code = _code(text)
    if name := _REGIONS.get(fold(text)) or (code and _REGIONS.get(fold(DEPARTMENTS[code]))):
        return name
    remedy = ("{} is a département", _label(code)) if code else _nearest(text, _REGIONS)
    raise UnknownNameError("no region {}", repr(text), remedy=remedy or ("There are: {}", ", ".join(REGIONS)))


def _department(text: str) -> str:
    if code := _code(text):
        return code
    names = {fold(label): _label(code) for code, label in DEPARTMENTS.items()}
    begun = [_label(code) for code in DEPARTMENTS if code.startswith(text.upper())]
    region = ("{} is a region", _REGIONS[fold(text)]) if fold(text) in _REGIONS else ()
    remedy = region or _nearest(text, names, begun) or ("Write a code, such as 75, or a name, such as Paris",)
    raise UnknownNameError("no département {}", repr(text), remedy=remedy)


def _code(text: str) -> str:
    """Return the code of a département that is written as its code, its name or both; "" if it is none."""
    if (code := text.upper().zfill(2)) in DEPARTMENTS:
        return code
    place = parse_department(text)
    return "" if {"unknown", "mismatch"} & {*place.problems} else place.code


def _label(code: str) -> str:
    return f"{DEPARTMENTS[code]} ({code})"


def _nearest(text: str, names: Mapping[str, str], begun: Sequence[str] = ()) -> tuple[str, ...]:
    labels = begun or [names[name] for name in difflib.get_close_matches(fold(text), names, NEAR, cutoff=0.6)]
    return ("Near: {}", "; ".join(labels[:NEAR])) if labels else ()
