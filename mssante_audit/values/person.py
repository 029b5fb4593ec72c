"""A text that names a person, as a type of its own: shown as it is only where somebody asks for that."""

from __future__ import annotations

import re
import traceback
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mssante_audit.values.contacts import mask

_WORD = r"[^\W\d_](?:[\w’-]|'(?=\w))*"
_NAMING = re.compile(
    r"[^\s'\"<>(),;:=]+@[^\s'\"<>(),;:=]+"
    r"|(?<![\w.:])(?:\+\d{1,3}[ .-]?)?\(?0?\d(?:[ .-]?\d\d){4}(?![\w.:])"
    rf"|\b(?:M\.|Mr|Mme|Mlle|Dr|Pr|Monsieur|Madame|Docteur|Professeur)\.?\s+{_WORD}(?:\s+{_WORD})?"
)


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """A contact, or a part of one, as a list or a form writes it.

    Whoever formats it without thinking shows it masked.

    >>> f"{Person('M. DURAND Zoé, 04 65 71 00 01')}"
    '•••, 04 •• •• •• 01'
    """

    text: str

    def __str__(self) -> str:
        return mask(self.text)


def masks(persons: Iterable[Person]) -> dict[Person, str]:
    """Return what to show of each person, in the order given: those that differ look different.

    >>> list(masks([Person("zoe@x.example"), Person("zac@x.example"), Person("yan@x.example")]).values())
    ['z•••@x.example (1)', 'z•••@x.example (2)', 'y•••@x.example']
    """
    alike: defaultdict[str, list[Person]] = defaultdict(list)
    for person in dict.fromkeys(persons):
        alike[str(person)].append(person)
    return {
        person: shown if len(same) == 1 else f"{shown} ({number})"
        for shown, same in alike.items()
        for number, person in enumerate(same, 1)
    }


def masked_message(text: str) -> str:
    """Return the message of an error with what may name a person masked, and all else as it is.

    >>> masked_message("KeyError: 'MY_RULE' for zoe.durand@x.example, M. DURAND Zoé, 04 65 71 00 01")
    "KeyError: 'MY_RULE' for z•••@x.example, •••, 04 •• •• •• 01"
    """
    return _NAMING.sub(lambda found: mask(found[0]), text)


def told_error(error: BaseException) -> str:
    """Return type, message and place of an error that nobody foresaw, in one line that names no person.

    The place is that of the innermost frame: the line of the code, maybe a user's own, that raised it.
    """
    message = masked_message(" ".join(str(error).split()))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {message}".rstrip(": ") + place
