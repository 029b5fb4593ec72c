"""What reading a white list's XML yields: texts of the rows, what is wrong with the file, what is refused."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from mssante_audit.base.errors import WhiteListError

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

MAX_DEPTH = 32
MAX_OTHERS = 100_000
"""Most elements, attributes and namespace declarations beside the rows and their fields: every name met is
kept by expat and by Python."""
MAX_PROBLEMS = 100_000
"""More problems than this and it is no white list: their frame would be the memory bomb."""


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
    source: str = ""
    """Name of the file, for messages."""

    def error(self, message: str, line: int | None, remedy: str | None = None) -> WhiteListError:
        """Return what refuses the list, with how many of its rows are readable."""
        error = WhiteListError(message, file=self.source, line=line, remedy=remedy)
        error.readable_rows = len(self.lines)
        return error

    def add(self, problem: Problem) -> None:
        """Take note of a problem; raises `error` if there are more than `MAX_PROBLEMS`."""
        if len(self.problems) >= MAX_PROBLEMS:
            raise self.error(f"more than {MAX_PROBLEMS} problems: this is no white list", problem.line)
        self.problems.append(problem)


def shown_name(name: str) -> str:
    """Return a name as messages show it: without its namespace, and not for pages."""
    return name.rpartition(" ")[2][:64]
