"""Rows of a list by what they hold; names of operators, and which identifiers stand for one structure."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from mssante_audit.values.contacts import fold

Rows = dict[tuple[str, ...], list[int]]

CPS_ISSUER = "GIP-CPS"
"""The O of every IGC-CPS certificate: the authority, not the operator (source: form)."""


def rows_by(entries: pd.DataFrame, *columns: str) -> Rows:
    """Return, for each combination of texts in some columns, in list order, its row numbers, ascending."""
    rows: Rows = {}
    texts = zip(*(entries[column].tolist() for column in columns), strict=True)
    for key, row in zip(texts, entries["row"].tolist(), strict=True):
        rows.setdefault(key, []).append(row)
    return rows


def all_rows(groups: Iterable[list[int]]) -> tuple[int, ...]:
    """Return the rows of several groups in one tuple."""
    return tuple(row for group in groups for row in group)


def operator_names(entries: pd.DataFrame) -> dict[str, str]:
    """Return the name of each operator by its identifier, "" where its certificates bear none."""
    names: dict[str, str] = {}
    for operator_id, name in rows_by(entries, "operator_id", "operator"):
        names[operator_id] = names.get(operator_id) or (name if name != CPS_ISSUER else "")
    return names


def structures(entries: pd.DataFrame) -> dict[str, str]:
    """Tell which operator identifiers stand for one structure: each → the first of the structure's, in order.

    Two do if they are SIREN or SIRET numbers of one SIREN, or if their certificates bear the same name and
    the same département: the same name alone may be a homonym. "" (no identifier) is left out.
    """
    parent: dict[object, object] = {}

    def root(key: object) -> object:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]  # keeps chains short, whatever the list
            key = parent[key]
        return key

    ids = []
    for operator_id, name, department, kind in rows_by(
        entries, "operator_id", "operator", "department", "operator_kind"
    ):
        if not operator_id:
            continue
        ids.append(operator_id)
        if kind in ("SIREN", "SIRET") and len(operator_id) > 9:
            parent[root(("SIREN", operator_id[1:10]))] = root(operator_id)
        if name and department and name != CPS_ISSUER:
            parent[root((fold(name), department))] = root(operator_id)
    first: dict[object, str] = {}  # whatever the order of the list, which moves from night to night
    for operator_id in sorted(ids):
        first.setdefault(root(operator_id), operator_id)
    return {operator_id: first[root(operator_id)] for operator_id in ids}
