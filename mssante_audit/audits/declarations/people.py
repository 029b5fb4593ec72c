"""The form's rules on persons: who is named, who stands there twice, who signed; checks as in `declared`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from mssante_audit.base.text import fold
from mssante_audit.declarations.headings import fields
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.slips import one_slip

Row = Mapping[str, Any]
"""A declaration: its cells by column."""
Found = Iterable[dict[str, Any]]
Check = Callable[[Row], Found]

REPRESENTATIVE = (
    "structure_name", "representative_last_name", "representative_first_name", "representative_phone",
    "representative_email",
)  # fmt: skip
MANAGER = tuple(f"project_manager_{kind}" for kind in ("last_name", "first_name", "phone", "email"))
TECHNICAL = tuple(name.replace("project", "technical") for name in MANAGER)
SIGNATORY = ("signatory_last_name", "signatory_first_name")

_TITLES = "m mr mme mlle monsieur madame mademoiselle dr docteur pr professeur me maitre"
_NO_NAME = frozenset(f"{_TITLES} p o po pour par delegation ordre".split())
_LITTLE = "de du des la le les l d da di el al ben bel van von der den ter"
_PARTICLES = frozenset(_LITTLE.split())
_ENDS = re.compile(r"^[\s.,;]+|(?<![\s.,;])[\s.,;]+$")


def label(column: str) -> dict[str, str]:
    """Return a column as a fact, with the form's label of it, which is French whoever reads it."""
    return {"column": column, "label": fields()[column].label}


def missing(lacks: Mapping[str, bool]) -> Found:
    """Yield one fact of all fields that are missing."""
    if any(lacks.values()):
        yield {"missing": [label(name) for name, lack in lacks.items() if lack]}


@cache
def words(*names: str) -> frozenset[str]:
    """Return the words of a person's names, without accents, titles and what says for whom one signs.

    >>> sorted(words("P/O Mme SPÉCIMEN", "Jean-Marie."))
    ['jean', 'marie', 'specimen']
    """
    return frozenset(fold(" ".join(names)).split()) - _NO_NAME


def _unnamed(row: Row, name: str, other: str) -> bool:
    """Tell whether one of the two names of a person is missing, and the other cell cannot hold both."""
    return not row[name].strip() and len(words(row[other]) - _PARTICLES) < 2


def incomplete(*names: str) -> Check:
    """Return the check that a person is named, with all else that is asked; one cell may hold both names."""
    last, first = (name for name in names if name.endswith("_name") and name != "structure_name")
    other = {last: first, first: last}
    return lambda row: missing({
        name: _unnamed(row, name, other[name]) if name in other else not row[name].strip() for name in names
    })  # fmt: skip


def signatory(row: Row) -> Found:
    """Check that the declaration is signed, by somebody who is named."""
    unsigned = row["signature_present"] is False
    return missing({SIGNATORY[0]: _unnamed(row, *SIGNATORY), "signature_present": unsigned})


def first_name_missing(row: Row) -> Found:
    """Check that a signatory whose last name is given also has a first name."""
    last, first = SIGNATORY
    return missing({first: bool(row[last].strip()) and _unnamed(row, first, last)})


def signatory_other(row: Row) -> Found:
    """Tell the declarations that somebody else than the legal representative signed."""
    signed, named = (words(*(row[name] for name in of)) for of in (SIGNATORY, REPRESENTATIVE[1:3]))
    if signed and named and not same_person(signed, named):
        yield {}


def same_person(some: frozenset[str], others: frozenset[str]) -> bool:
    """Tell whether words may name one person: all of the shorter are in the longer, a slip or an initial.

    >>> [same_person(words(name), words("Zoé MARTIN")) for name in ("MARTIN", "Z. MARTIM", "Paul MARTIN")]
    [True, True, False]
    """
    if "".join(sorted(some)) == "".join(sorted(others)):
        return True
    few, many = sorted((some, others), key=len)

    def same_word(a: str, b: str) -> bool:
        short = min(len(a), len(b))
        return a == b or (short == 1 and a[0] == b[0]) or (short > 3 and one_slip(a, b))

    return all(any(same_word(word, other) for other in many) for word in few)


def technical_copy(row: Row) -> Found:
    """Check that the technical manager is given only if another than the project manager."""
    ours, theirs = ([row[name] for name in of] for of in (TECHNICAL, MANAGER))
    named = words(*ours[:2]) if ours[0].strip() else None
    same = named and (named == words(*theirs[:2]) or (not ours[1].strip() and named == words(theirs[0])))
    if same and all(_same_reach(*pair) for pair in zip(ours[2:], theirs[2:], strict=True)):
        yield {}


def _same_reach(ours: str, theirs: str) -> bool:
    """Tell whether a number or address is the other one, however spelt; an empty one is."""
    first, second = _ENDS.sub("", ours), _ENDS.sub("", theirs)
    if not first or first.casefold() == second.casefold():
        return True
    reached = parse_contact(first).coordinates
    return any(reached) and reached == parse_contact(second).coordinates
