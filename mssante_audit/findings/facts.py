"""The facts of a finding: typed values by name, told to people and to machines.

A fact is a text, a number, a truth value, a date or an instant, a `Person`, or a list or a mapping of those.
Dates become ISO 8601 texts here, so that a fact read back from a file is what it was in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from mssante_audit.values.person import Person, masks, unnamed

T = TypeVar("T")

_PLAIN = (str, int, float, type(None))

MARK = "person"
"""The one key of the mapping that stands for a `Person` in JSON that only its owner reads."""


class Shown(str):
    """A person's text as it is, because somebody asked for it."""

    __slots__ = ()


def plain(value: Any) -> Any:
    """Return a fact as JSON types and persons.

    What is none is a `TypeError`: a fact that a file cannot hold would be another one when read back.
    """
    if isinstance(value, (*_PLAIN, Person)):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "item"):  # a number of NumPy's
        return plain(value.item())
    raise TypeError(f"a {type(value).__name__} is no fact")


def hidden(facts: Any) -> Any:
    """Return facts with every person masked, those too that a text names; two that differ stay different.

    >>> hidden({"n": 2, "others": [Person("zoe@x.example"), Person("zac@x.example")]})
    {'n': 2, 'others': ['z•••@x.example (1)', 'z•••@x.example (2)']}
    """
    shown = masks(_of(Person, facts))
    return _replaced(facts, lambda person: shown[person], unnamed)


def clear(facts: Any) -> Any:
    """Return facts with every person as the list writes it: for one's own eyes."""
    return _replaced(facts, lambda person: Shown(person.text)) if _of(Person, facts) else facts


def told_to(facts: Any, own: Callable[[str], bool]) -> Any:
    """Return facts as somebody may read them: what of them is its own in clear, all other persons masked.

    >>> told_to([Person("zoe@x.example"), Person("zac@y.example")], lambda text: text.endswith("@x.example"))
    ['zoe@x.example', 'z•••@y.example']
    """
    if not _of(Person, facts):
        return facts
    return hidden(_replaced(facts, lambda person: Shown(person.text) if own(person.text) else person))


def names_persons(facts: Any) -> bool:
    """Tell whether facts hold a person's text as it is (`clear`).

    >>> names_persons(clear({"others": [Person("zoe@x.example")]})), names_persons({"n": 2})
    (True, False)
    """
    return bool(_of(Shown, facts))


def _of(kind: type[T], value: Any) -> list[T]:
    """Return what facts hold of a kind, in order."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, _PLAIN):
        return []
    parts = value.values() if isinstance(value, Mapping) else value
    return [found for part in parts for found in _of(kind, part)] if isinstance(parts, Iterable) else []


def _replaced(value: Any, told: Any, other: Callable[[str], str] = str) -> Any:
    """Return facts in which persons are what `told` makes of them, and texts what `other` does."""
    if isinstance(value, str) and not isinstance(value, Shown):
        return other(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Person):
        return told(value)
    if isinstance(value, Mapping):
        return {name: _replaced(part, told, other) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, told, other) for part in value]
    return value


def dumped(facts: Any) -> str:
    """Return facts as JSON text, persons marked and in clear: for files that only their owner reads."""
    marked = _replaced(facts, lambda person: {MARK: person.text})
    return json.dumps(marked, ensure_ascii=False, separators=(",", ":"))


def loaded(text: str) -> Any:
    """Return the facts of which `dumped` made a text."""
    if MARK not in text:
        return json.loads(text)
    return json.loads(text, object_hook=lambda part: Person(part[MARK]) if [*part] == [MARK] else part)
