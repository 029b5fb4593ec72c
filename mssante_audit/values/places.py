"""Régions and départements as people name them: by name or code, in any case, accents forgiven."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.text import fold
from mssante_audit.values.identifiers import DEPARTMENTS, REGIONS, parse_department

NEAR = 3
"""How many near names are given."""


class Places(NamedTuple):
    """Places that were named."""

    regions: tuple[str, ...]
    departments: tuple[str, ...]
    """Codes of the départements that were named themselves."""
    codes: frozenset[str]
    """Of the départements meant: those of the regions, those named, or where both are named those in both."""


def places(region: str | None = None, department: str | None = None) -> Places | None:
    """Return the places meant; ``None`` where none is named.

    `region` and `department` are names (of départements also codes), with commas between them. One that is
    no name of any, or no département named in the regions named, is an `UnknownNameError`.

    >>> places("ile de france").codes == frozenset("75 77 78 91 92 93 94 95".split())
    True
    >>> places(department="2a, PARIS").departments, places("Corse", "2A").codes
    (('2A', '75'), frozenset({'2A'}))
    """
    regions, departments = _each(region, _region), _each(department, _department)
    if not regions and not departments:
        return None
    held = {code for name in regions for code in REGIONS[name]}
    codes = held & {*departments} if regions and departments else held | {*departments}
    if not codes:
        named = ", ".join(_label(code) for code in departments)
        raise UnknownNameError(f"{named}: not in {', '.join(regions)}", remedy="Name one of the two")
    return Places(regions, departments, frozenset(codes))


def _each(text: str | None, meant: Callable[[str], str]) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(dict.fromkeys(meant(part.strip()) for part in text.split(",") if part.strip()))
    if not names:
        raise UnknownNameError(f"{text!r} names no place")
    return names


def _region(text: str) -> str:
    names = {fold(name): name for name in REGIONS}
    code = _code(text)
    if name := names.get(fold(text)) or (code and names.get(fold(DEPARTMENTS[code]))):
        return name
    remedy = f"{_label(code)} is a département" if code else _near(text, names)
    raise UnknownNameError(f"no region {text!r}", remedy=remedy or f"There are: {', '.join(REGIONS)}")


def _department(text: str) -> str:
    if code := _code(text):
        return code
    names = {fold(label): _label(known) for known, label in DEPARTMENTS.items()}
    begun = [_label(known) for known in DEPARTMENTS if known.startswith(text.upper())]
    region = [f"{name} is a region" for name in REGIONS if fold(name) == fold(text)]
    remedy = region[0] if region else _near(text, names, begun)
    remedy = remedy or "Write a code, such as 75, or a name, such as Paris"
    raise UnknownNameError(f"no département {text!r}", remedy=remedy)


def _code(text: str) -> str:
    """Return the code of a département that is written as its code, its name or both; "" if it is none."""
    written, place = text.upper().zfill(2), parse_department(text)
    if written in DEPARTMENTS:
        return written
    return "" if {"unknown", "mismatch"} & {*place.problems} else place.code


def _label(code: str) -> str:
    return f"{DEPARTMENTS[code]} ({code})"


def _near(text: str, names: Mapping[str, str], begun: Sequence[str] = ()) -> str:
    near = begun or [names[name] for name in difflib.get_close_matches(fold(text), names, NEAR, cutoff=0.6)]
    return f"Near: {'; '.join(near[:NEAR])}" if near else ""
