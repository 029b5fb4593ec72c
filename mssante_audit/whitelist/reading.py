"""What reading a white list's XML yields: texts of the rows, and what is wrong with the file."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "https://listeblanche.mssante.fr/schema"
FIELDS = {
    "Nom": "domain",
    "Description": "description",
    "DNCertificatOperateur": "dn",
    "ResponsableContact": "project_contact",
    "SupportContact": "support_contact",
    "DateMAJ": "updated_at_text",
}
"""Elements of a row, in the order real lists have them, and the columns they fill."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as the form of a white list has it."""

    row: int | None
    line: int
    kind: str
    """``unexpected``, ``missing``, ``repeated``, ``order``, ``misplaced`` (a row outside the list), ``text``
    (outside the fields), ``attribute``, ``cut`` (a row broken off); the loader adds ``empty``, ``date``."""
    element: str
    message: str


@dataclass(slots=True)
class Reading:
    """What could be read."""

    namespace: str = ""
    generated: str = ""
    """Text of DateDeGeneration."""
    lines: array[int] = field(default_factory=lambda: array("q"))
    """Line of each row's start tag, 1-based."""
    columns: list[list[Any]] = field(default_factory=lambda: [[] for _ in FIELDS])
    """Texts of the rows in the order of `FIELDS`, in chunks; "" where the element is missing."""
    problems: list[Problem] = field(default_factory=list)
    signed: bool = False
    """Whether the root has a Signature child: says nothing of its value."""
    damage_kinds: tuple[str, ...] = ()
    """``namespace`` (an element instead of a declaration), ``compressed`` (breaks off), ``unclosed`` (the
    root), ``cut`` (elsewhere), ``trailing`` (something after the list), ``signature`` (one stands elsewhere
    than at the end), ``broken`` (XML, elsewhere)."""
    damage: str = ""
    """The same in words; "" if the file is whole."""
    damage_line: int | None = None
