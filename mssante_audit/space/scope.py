"""Whom a register covers (`mssante_audit.declarations.register.Scope`), among the operators of a list."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.base.text import fold
from mssante_audit.declarations.register import SCOPE
from mssante_audit.declarations.values import mapped
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import places, structure_key
from mssante_audit.whitelist.rows import tuples

if TYPE_CHECKING:
    from mssante_audit.space.trust import TrustSpace


def covered(space: TrustSpace) -> frozenset[str] | None:
    """Return the identifiers of the list's operators that the register covers; ``None`` for all of them.

    If the scope names an operator that neither list nor register knows, or one that may be several, or a
    place where none sits, it is an `InputError`.
    """
    if space.register is None or (scope := space.register.scope) is None:
        return None
    try:
        named = places(scope.region.strip() or None, scope.department.strip() or None)
    except UnknownNameError as error:
        raise error.within(InputError, SCOPE) from None
    entries, same = space.audited, space.structures
    sitting = entries[entries["department"].isin(named.codes)] if named else entries.iloc[:0]
    if named and sitting.empty:
        where = ", ".join((*named.regions, *named.departments))
        remedy = ("There are operators in: {}", ", ".join(sorted({*entries["department"]} - {""})))
        raise InputError("no operator of this list sits in {}", where, file=SCOPE, remedy=remedy)
    declared = dict.fromkeys(tuples(space.register.declarations, "operator_id", "structure_name"))
    operators = (*space.operator_names.items(), *declared)
    identified = [(number, name) for number, name in operators if number]
    structures = {same[operator] for operator in sitting["operator_id"].unique() if operator}
    structures |= {_structure(text, identified, same) for text in scope.operators}
    return frozenset(o for o in entries["operator_id"].unique() if same.get(o) in structures)


def outside(space: TrustSpace) -> frozenset[str]:
    """Return the listed domains of which the register says nothing, as it covers none of their operators."""
    operators = space.covered
    if operators is None or space.register is None:
        return frozenset()
    entries = space.audited
    declared = mapped(entries["domain"], domain_key).isin(space.register.declarations["domain_key"])
    inside = entries.loc[declared | entries["operator_id"].isin(operators), "domain"]
    return frozenset(entries["domain"]) - frozenset(inside)


def _structure(text: str, operators: list[tuple[str, str]], same: dict[str, str]) -> str:
    """Return the structure that a scope names by one of its numbers, or by its whole name."""
    known_keys = {structure_key(number) for number, _ in operators}
    keys = {number: structure_key(number, known_keys) for number, _ in operators}
    listed = {structure_key(number, known_keys): first for number, first in same.items()}
    roots = {number: listed.get(key, number) for number, key in keys.items()}  # the register may have another
    matches = {roots[number] for number, key in keys.items() if key == structure_key(text, known_keys)}
    matches = matches or {roots[number] for number, name in operators if fold(name) == fold(text) != ""}
    if len(matches) == 1:
        return matches.pop()
    if matches:
        remedy: tuple[str, ...] = ("Such as: {}", "; ".join(sorted(matches)[:5]))
        raise InputError("{} may mean {} operators", repr(text), len(matches), file=SCOPE, remedy=remedy)
    names = {fold(name): name for _, name in operators}
    similar = "; ".join(names[name] for name in difflib.get_close_matches(fold(text), names, n=3))
    remedy = ("Near: {}", similar) if similar else ("Write its identifier, or its name",)
    raise InputError("no operator {} in list or register", repr(text), file=SCOPE, remedy=remedy)
