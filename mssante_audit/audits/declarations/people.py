"""The form's rules on persons: who is named, who stands there twice, who signed; checks as in `declared`."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any

import pandas as pd

from mssante_audit.base.text import fold
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import filled
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.slips import one_slip

Found = Iterator[tuple[Hashable, dict[str, Any]]]
Check = Callable[[pd.DataFrame], Found]

REPRESENTATIVE = (
    "structure_name", "representative_last_name", "representative_first_name", "representative_phone",
    "representative_email",
)  # fmt: skip
MANAGER = tuple(f"project_manager_{kind}" for kind in ("last_name", "first_name", "phone", "email"))
TECHNICAL = tuple(name.replace("project", "technical") for name in MANAGER)
SIGNATORY = ("signatory_last_name", "signatory_first_name")

_TITLES = "m mr mme mlle monsieur madame mademoiselle dr docteur pr professeur me maitre"
_FOR = "p o po pour par delegation ordre"
_NO_NAME = frozenset(f"{_TITLES} {_FOR}".split())
_LITTLE = "de du des la le les l d da di el al ben bel van von der den ter"
_PARTICLES = frozenset(_LITTLE.split())
_ENDS = re.compile(r"^[\s.,;]+|(?<![\s.,;])[\s.,;]+$")


def label(column: str) -> dict[str, str]:
    """Return a column as a fact, with the form's label of it, which is French whoever reads it."""
    return {"column": column, "label": fields()[column].label}


def missing(lacks: pd.DataFrame) -> Found:
    """Yield the rows where fields are missing, one fact a row; `lacks` has a column of truths a field."""
    for at, row in lacks[lacks.any(axis=1)].iterrows():
        yield at, {"missing": [label(str(name)) for name in row.index[row]]}


@cache
def words(*names: str) -> frozenset[str]:
    """Return the words of a person's names, without accents, titles and what says for whom one signs.

    >>> sorted(words("P/O Mme SPÉCIMEN", "Jean-Marie."))
    ['jean', 'marie', 'specimen']
    """
    return frozenset(fold(" ".join(names)).split()) - _NO_NAME


def _unnamed(d: pd.DataFrame, name: str, other: str) -> pd.Series:
    """Tell where one of the two names of a person is missing, and the other cell cannot hold both."""
    whole = [len(words(text) - _PARTICLES) > 1 for text in d[other]]
    return ~filled(d, name) & ~pd.Series(whole, index=d.index, dtype="bool")


def incomplete(*names: str) -> Check:
    """Return the check that a person is named, with all else that is asked; one cell may hold both names."""
    last, first = (name for name in names if name.endswith("_name") and name != "structure_name")
    other = {last: first, first: last}

    def check(d: pd.DataFrame) -> Found:
        lacks = {
            name: _unnamed(d, name, other[name]) if name in other else ~filled(d, name) for name in names
        }
        return missing(pd.DataFrame(lacks))

    return check


def signatory(d: pd.DataFrame) -> Found:
    """Check that the declaration is signed, by somebody who is named."""
    unsigned = ~d["signature_present"].fillna(value=True)
    lacks = {SIGNATORY[0]: _unnamed(d, *SIGNATORY), "signature_present": unsigned}
    return missing(pd.DataFrame(lacks))


def first_name_missing(d: pd.DataFrame) -> Found:
    """Check that a signatory whose last name is given also has a first name."""
    last, first = SIGNATORY
    return missing(pd.DataFrame({first: _unnamed(d, first, last) & filled(d, last)}))


def signatory_other(d: pd.DataFrame) -> Found:
    """Tell the declarations that somebody else than the legal representative signed."""
    columns = [*SIGNATORY, *REPRESENTATIVE[1:3]]
    for at, last, first, *whose in d[columns].itertuples(name=None):
        signed, named = words(last, first), words(*whose)
        if signed and named and not same_person(signed, named):
            yield at, {}


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


def technical_copy(d: pd.DataFrame) -> Found:
    """Check that the technical manager is given only if another than the project manager."""
    given = d[filled(d, TECHNICAL[0])]
    for at, *texts in given[[*TECHNICAL, *MANAGER]].itertuples(name=None):
        ours, theirs = texts[:4], texts[4:]
        named, other = words(*ours[:2]), words(*theirs[:2])
        same = named and (named == other or (not ours[1].strip() and named == words(theirs[0])))
        if same and all(_same_reach(*pair) for pair in zip(ours[2:], theirs[2:], strict=True)):
            yield at, {}


def _same_reach(ours: str, theirs: str) -> bool:
    """Tell whether a number or address is the other one, however spelt; an empty one is."""
    first, second = _ENDS.sub("", ours), _ENDS.sub("", theirs)
    if not first or first.casefold() == second.casefold():
        return True
    reached = parse_contact(first).coordinates
    return any(reached) and reached == parse_contact(second).coordinates
