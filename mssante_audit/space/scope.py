"""Whom a register covers (`mssante_audit.declarations.scope`), among the operators of a list."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.base.text import fold
from mssante_audit.declarations.register import domain_keys
from mssante_audit.declarations.scope import FILE
from mssante_audit.values.identifiers import structure_key
from mssante_audit.values.places import places

if TYPE_CHECKING:
    from mssante_audit.space.trust import TrustSpace


def covered(space: TrustSpace) -> frozenset[str] | None:
    """Return the identifiers of the list's operators that the register covers; ``None`` for all of them.

    If the scope names an operator that neither list nor register knows, or one that may be several, or a
    place where none sits, it is an `InputError`.
    """
    scope = space.declarations.scope if space.declarations else None
    if scope is None:
        return None
    try:
        named = places(scope.region.strip() or None, scope.department.strip() or None)
    except UnknownNameError as error:
        raise InputError(error.message, file=FILE, remedy=error.remedy) from None
    entries, same = space.audited, space.structures
    sitting = entries[entries["department"].isin(named.codes)] if named else entries.iloc[:0]
    if named and sitting.empty:
        where = ", ".join((*named.regions, *named.departments))
        known = ", ".join(sorted({*entries["department"]} - {""}))
        told = f"no operator of this list sits in {where}"
        raise InputError(told, file=FILE, remedy=f"There are operators in: {known}")
    structures = {same[one] for one in sitting["operator_id"].unique() if one}
    known_names = _known(space)
    structures |= {_meant(text, known_names, same) for text in scope.operators}
    return frozenset(one for one in entries["operator_id"].unique() if same.get(one) in structures)


def outside(space: TrustSpace) -> frozenset[str]:
    """Return the listed domains of which the register says nothing, as it covers none of their operators."""
    own = space.covered
    if own is None or space.declarations is None:
        return frozenset()
    entries = space.audited
    declared = domain_keys(entries["domain"]).isin(space.declarations.declarations["domain_key"])
    inside = entries.loc[declared | entries["operator_id"].isin(own), "domain"]
    return frozenset(entries["domain"]) - frozenset(inside)


def _known(space: TrustSpace) -> list[tuple[str, str]]:
    """Return the operators of list and register: identifier and name, as either has them."""
    known = list(space.operator_names.items())
    if space.declarations is not None:
        rows = space.declarations.declarations[["operator_id", "structure_name"]].drop_duplicates()
        known += rows.itertuples(index=False, name=None)
    return [pair for pair in known if pair[0]]


def _meant(text: str, known: list[tuple[str, str]], same: dict[str, str]) -> str:
    """Return the structure that a scope names by one of its numbers, or by its whole name."""
    among = {structure_key(one) for one, _ in known}
    listed = {structure_key(one, among): first for one, first in same.items()}
    keys = {one: structure_key(one, among) for one, _ in known}
    roots = {one: listed.get(key, one) for one, key in keys.items()}  # the register may have another number
    meant = structure_key(text, among)
    found = {roots[one] for one, key in keys.items() if key == meant}
    found = found or {roots[one] for one, name in known if fold(name) == fold(text) != ""}
    if len(found) == 1:
        return found.pop()
    if found:
        some = "; ".join(sorted(found)[:5])
        raise InputError(f"{text!r} may mean {len(found)} operators", file=FILE, remedy=f"Such as: {some}")
    names = {fold(name): name for _, name in known}
    near = "; ".join(names[one] for one in difflib.get_close_matches(fold(text), names, n=3))
    told = f"no operator {text!r} in list or register"
    raise InputError(told, file=FILE, remedy=f"Near: {near}" if near else "Write its identifier, or its name")
