"""The facts of a finding: typed values by name, shown to people and read by machines.

A fact is a text, a number, a truth value, a date or an instant, a `Person`, or a list or a mapping of those.
Dates become ISO 8601 texts here, so that a fact read back from a file is what it was in memory.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from mssante_audit.values.person import Person, masks, unnamed

# The one key of the mapping that stands for a `Person` in JSON that only its owner reads, by whose it is.
MARKS = ("person", "registered")


class ClearText(str):
    """A person's text as it is, because somebody asked for it."""

    __slots__ = ()


def plain(value: Any) -> Any:
    """Return a fact as JSON types and persons; what a file cannot hold is a `TypeError`."""
    match value:
        case str() | int() | float() | Person() | None:
            return value
        case date() | datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(part) for name, part in value.items()}
        case set() | frozenset():
            return [plain(part) for part in sorted(value)]
        case list() | tuple():
            return [plain(part) for part in value]
    if hasattr(value, "item"):  # a number of NumPy's
        return plain(value.item())
    raise TypeError(f"a {type(value).__name__} is no fact")


def seen(contacts: str) -> Callable[[Any], Any]:
    """Return what shows facts with these contacts (`mssante_audit.values.person.CONTACTS`)."""
    return clear if contacts == "all" else lambda facts: hidden(facts, contacts=contacts)


def hidden(facts: Any, is_own: Callable[[str], bool] = lambda _: False, contacts: str = "none") -> Any:
    """Return facts with persons masked, in texts too, but for the reader's own; those that differ stay so.

    >>> hidden([Person("zoe@x.example"), Person("zac@y.example")], lambda text: text.endswith("@x.example"))
    ['zoe@x.example', 'z•••@y.example']
    """
    persons = (part for part in _leaves(facts) if isinstance(part, Person) and not is_own(part.text))
    masked = masks(persons, contacts)
    return _replaced(facts, lambda person: masked.get(person) or ClearText(person.text), unnamed)


def shown_to(facts: Any, is_own: Callable[[str], bool]) -> Any:
    """Return facts as somebody may read them: `hidden`, but as they are where they hold no person."""
    return hidden(facts, is_own) if any(isinstance(part, Person) for part in _leaves(facts)) else facts


def clear(facts: Any) -> Any:
    """Return facts with every person as the list writes it: for one's own eyes."""
    return _replaced(facts, lambda person: ClearText(person.text), str)


def names_persons(facts: Any) -> bool:
    """Tell whether facts hold a person's text as it is (`clear`)."""
    return any(isinstance(part, ClearText) for part in _leaves(facts))


def _leaves(facts: Any) -> Iterator[Any]:
    if isinstance(facts, Mapping | list | tuple):
        for part in facts.values() if isinstance(facts, Mapping) else facts:
            yield from _leaves(part)
    else:
        yield facts


def _replaced(facts: Any, of_person: Callable[[Person], Any], of_text: Callable[[str], str]) -> Any:
    match facts:
        case str():
            return facts if isinstance(facts, ClearText) else of_text(facts)
        case Person():
            return of_person(facts)
        case list() | tuple():
            return [_replaced(part, of_person, of_text) for part in facts]
        case Mapping():
            return {name: _replaced(part, of_person, of_text) for name, part in facts.items()}
    return facts


def dumped(facts: Any) -> str:
    """Return facts as JSON text, persons marked and in clear: for files that only their owner reads."""
    marked = _replaced(facts, lambda person: {MARKS[person.registered]: person.text}, str)
    return json.dumps(marked, ensure_ascii=False, separators=(",", ":"))


def loaded(text: str) -> Any:
    """Return the facts of which `dumped` made a text."""

    def person(part: dict[str, Any]) -> Any:
        if len(part) == 1:
            for mark in part.keys() & MARKS:
                return Person(part[mark], mark == MARKS[1])
        return part

    return json.loads(text, object_hook=person)
