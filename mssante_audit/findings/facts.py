"""What an audit says: a finding and its facts, typed values by name, told to people and to machines.

A fact is a text, a number, a truth value, a date or an instant, a `Person`, or a list or a mapping of those.
Dates become ISO 8601 texts here, so that a fact read back from a file is what it was in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from mssante_audit.values.person import Person, masks

MARK = "person"
"""The one key of the mapping that stands for a `Person` in JSON that only its owner reads."""


Subject = str | Person | tuple[str | Person, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, as an audit states it; `findings_frame` adds what follows from the rows.

    >>> Finding("LIST_OLD", "list", facts={"days": 12}).facts["days"]
    12
    """

    rule: str
    subject: Subject
    """What the rule is about, in values that do not move from list to list: never a sentence, a count, a row,
    nor the first domain of a group. No two findings of one rule share it."""
    rows: tuple[int, ...] = ()
    domains: tuple[str, ...] = ()
    """Domains concerned beyond those of the rows."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What its words are made of. What names a person is a `mssante_audit.values.person.Person`."""
    evidence: str = ""
    """Only for evidence that is not rows of the white list: a register's rows, an observation."""
    operator_id: str = ""
    """Only where the rows do not tell the operator."""
    operator: str = ""
    first_seen: datetime | None = None
    """Only where the audit knows it from earlier lists; what the rows' texts tell is added later."""


def plain(value: Any) -> Any:
    """Return a fact as JSON types and persons.

    Raises
    ------
    TypeError
        If it is none: a fact that a file cannot hold would be another one when read back.
    """
    if value is None or isinstance(value, str | bool | int | float | Person):
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


def persons(value: Any) -> Iterator[Person]:
    """Yield the persons that facts name, in order."""
    if isinstance(value, Person):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from persons(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from persons(part)


def hidden(facts: Any) -> Any:
    """Return facts with every person masked; two that differ stay different.

    >>> hidden({"n": 2, "others": [Person("zoe@x.example"), Person("zac@x.example")]})
    {'n': 2, 'others': ['z•••@x.example (1)', 'z•••@x.example (2)']}
    """
    shown = masks(persons(facts))
    return _replaced(facts, lambda person: shown[person]) if shown else facts


def clear(facts: Any) -> Any:
    """Return facts with every person as the list writes it: for one's own eyes."""
    return _replaced(facts, lambda person: person.text)


def _replaced(value: Any, told: Any) -> Any:
    if isinstance(value, Person):
        return told(value)
    if isinstance(value, Mapping):
        return {name: _replaced(part, told) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(part, told) for part in value]
    return value


def dumped(facts: Any) -> str:
    """Return facts as JSON text, persons marked and in clear: for files that only their owner reads."""
    marked = _replaced(facts, lambda person: {MARK: person.text})
    return json.dumps(marked, ensure_ascii=False, separators=(",", ":"))


def loaded(text: str) -> Any:
    """Return the facts of which `dumped` made a text."""
    return json.loads(text, object_hook=lambda part: Person(part[MARK]) if set(part) == {MARK} else part)
