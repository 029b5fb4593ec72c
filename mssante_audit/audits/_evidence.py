"""What the audits share: rows by value, texts made safe to show, names of operators and of hosts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import pandas as pd

from mssante_audit.contacts import fold

Rows = dict[tuple[str, ...], list[int]]

CPS_ISSUER = "GIP-CPS"
"""The O of every IGC-CPS certificate: the authority, not the operator (source: form)."""

_HIDDEN = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that print nothing (Unicode: Default_Ignorable_Code_Point)."""
_MOST_SHOWN = 20
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def rows_by(entries: pd.DataFrame, *columns: str) -> Rows:
    """Return the rows that hold each combination of texts, in list order.

    Parameters
    ----------
    entries
        Rows of a white list.
    columns
        Names of text columns.

    Returns
    -------
    dict
        Tuple of the texts → row numbers, ascending.
    """
    rows: Rows = {}
    texts = zip(*(entries[column].tolist() for column in columns), strict=True)
    for key, row in zip(texts, entries["row"].tolist(), strict=True):
        rows.setdefault(key, []).append(row)
    return rows


def all_rows(groups: Iterable[list[int]]) -> tuple[int, ...]:
    """Return the rows of several groups in one tuple."""
    return tuple(row for group in groups for row in group)


def shown(text: str, *, spaces: bool = False) -> str:
    r"""Return a text with what a reader cannot see written as an escape.

    Parameters
    ----------
    spaces
        Also escape spaces other than U+0020.

    >>> shown("ch-\u202efr.x"), shown("a\u00a0b"), shown("a\u00a0b", spaces=True)
    ('ch-\\u202efr.x', 'a\xa0b', 'a\\u00a0b')
    """
    if not has_hidden(text):
        return text
    return "".join(_escaped(c) if hidden(c) or (spaces and c != " " and c.isspace()) else c for c in text)


def has_hidden(text: str) -> bool:
    """Tell whether a text may hold something a reader cannot see, or a space other than U+0020."""
    return not text.isprintable() or bool(_BLANK.search(text))


def hidden(character: str) -> bool:
    """Tell whether a character is a control, direction, zero-width, blank, private-use or unassigned one."""
    return unicodedata.category(character) in _HIDDEN or bool(_BLANK.match(character))


def _escaped(character: str) -> str:
    point = ord(character)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def enumerated(texts: Iterable[str], separator: str = " | ", most: int = _MOST_SHOWN) -> str:
    """Join texts for display, and say how many are left out when there are too many to read.

    >>> enumerated(["a", "b", "c", "d"], ", ", most=2)
    'a, b, et 2 autres'
    """
    listed = list(texts)
    rest = [f"et {len(listed) - most} autres"] if len(listed) > most else []
    return separator.join(listed[:most] + rest)


def host_faults(name: str, *, any_case: bool = False) -> list[str]:
    """Say in French what keeps a text from being a full host name; nothing if it is one.

    Sources: RFC 1035 (2.3.4) for the lengths, RFC 1123 (2.1) for letters, digits and hyphens; that capitals
    are a fault is the form's (domains are compared letter for letter).

    >>> host_faults("ch-alpha.mssante.fr"), host_faults("CH_alpha.mssante.fr"), host_faults("alpha")
    ([], ['majuscules', 'caractère interdit : _'], ['pas de point'])
    """
    if _HOST.fullmatch(name) and len(name) < 254:
        return []
    faults = []
    lower = name.lower()
    if lower != name and not any_case:
        faults.append("majuscules")
    odd = "".join(dict.fromkeys(re.sub(r"[a-z0-9.-]", "", lower)))[:_MOST_SHOWN]
    if odd:
        what = "caractères interdits" if len(odd) > 1 else "caractère interdit"
        faults.append(f"{what} : {shown(odd, spaces=True).replace(' ', 'espace')}")
    labels = lower.split(".")
    if any(not label for label in labels):
        faults.append("deux points de suite, ou un point au bord")
    elif not odd and not all(map(_LABEL.fullmatch, labels)):
        faults.append("trait d’union au bord d’un mot")
    longest = max(map(len, labels))
    if longest > 63:
        faults.append(f"{longest} caractères entre deux points (63 au plus)")
    if len(name) > 253:
        faults.append(f"{len(name)} caractères (253 au plus)")
    if len(labels) == 1:
        faults.append("pas de point")
    elif labels[-1].isdigit():
        faults.append("se termine par un nombre")
    return faults


def operator_names(entries: pd.DataFrame) -> dict[str, str]:
    """Return what to call each operator: ``NAME (identifier)``."""
    names: dict[str, str] = {}
    for operator_id, name in rows_by(entries, "operator_id", "operator"):
        if operator_id not in names or names[operator_id] == operator_id:
            known = name and name != CPS_ISSUER
            names[operator_id] = f"{shown(name)} ({shown(operator_id)})" if known else shown(operator_id)
    return names


def structures(entries: pd.DataFrame) -> dict[str, str]:
    """Tell which operator identifiers stand for one structure.

    Two do if they are SIREN or SIRET numbers of one SIREN, or if their certificates bear the same name and
    the same département: the same name alone may be a homonym.

    Returns
    -------
    dict
        operator_id → one of the identifiers of the structure. "" (no identifier) is left out.
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
    return {operator_id: str(root(operator_id)) for operator_id in ids}
