"""What the columns of every frame mean: put together from the docstrings that define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from mssante_audit.archive import changes, events, history, sides
from mssante_audit.base.frames import Column, columns, json_schema
from mssante_audit.declarations import register
from mssante_audit.declarations.headings import fields
from mssante_audit.findings import causes
from mssante_audit.findings import frame as findings
from mssante_audit.findings.catalogue import CHECKS, CONFIDENCES, SEVERITIES
from mssante_audit.mailboxes import counts
from mssante_audit.network.methods import METHODS
from mssante_audit.observe.kinds import kinds
from mssante_audit.space import story
from mssante_audit.verdicts import checks, domains
from mssante_audit.whitelist import load


def _of(module: ModuleType, at: int = 0) -> Callable[[], tuple[Column, ...]]:
    return lambda: columns(module.__doc__, at)


def _worded(module: ModuleType, names: Sequence[str]) -> Callable[[], tuple[Column, ...]]:
    def told() -> tuple[Column, ...]:
        known = {one.name: one for one in (*columns(module.__doc__), *columns(story.__doc__))}
        return tuple(known[name] for name in names)

    return told


def _register() -> tuple[Column, ...]:
    own = {one.name: one for one in columns(register.__doc__)}
    told = {name: own[name] for name in ("file", "row")}
    for name, field in fields().items():
        meaning = f"« {field.label} »" + ("; names persons" if field.personal else "")
        told[name] = own.get(name, Column(name, "boolean" if field.kind == "box" else "str", meaning))
        if field.kind == "date":
            told[f"{name}_text"] = own[f"{name}_text"]
    return tuple((told | own).values())


_OBSERVED = {name: frame for kind in kinds() for name, frame in kind.frames.items()}
FRAMES: Mapping[str, tuple[str, Callable[[], tuple[Column, ...]]]] = {
    "entries": ("A row of the white list.", _of(load)),
    "problems": ("What could not be read of the white list.", _of(load, 1)),
    "findings": ("A cause that an audit found.", _of(findings)),
    "causes": ("What is to be put right: findings merged by operator and remedy.", _of(causes)),
    "domains": ("A domain of the list.", _of(domains)),
    "mailboxes": ("Mailboxes published of one domain, kind and structure.", _of(counts)),
    **{name: (one.what, partial(columns, one.about)) for name, one in _OBSERVED.items()},
    "changes": ("A change between two lists.", _worded(changes, story.CHANGES)),
    "events": ("Changes that belong together.", _worded(events, story.EVENTS)),
    "register": ("A declaration of Annexe 1.", _register),
    "history": ("A content that the list ever had.", _of(history)),
}
"""For each frame what a row is, and its columns in order."""

in_files = _of(findings, 1)
"""The columns that files of findings may have beside their own."""

_CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "findings": {"severity": SEVERITIES, "confidence": CONFIDENCES, "status": ("", "new", "open", "unknown")},
    "domains": {
        **dict.fromkeys(CHECKS, checks.RESULTS),
        "state": checks.STATES,
        "receives": checks.RECEIVES,
        "order": checks.ORDERS,
        "severity": ("", *SEVERITIES),
        "method": METHODS,
    },
    "mailboxes": {"kind": counts.KINDS},
    **{name: one.choices for name, one in _OBSERVED.items()},
    "changes": {"kind": changes.KINDS, "confidence": sides.CONFIDENCES},
    "events": {"kind": events.EVENTS, "confidence": sides.CONFIDENCES},
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a frame of `FRAMES`, as files have its rows."""
    what, told = FRAMES[name]
    more = in_files() if name == "findings" else ()
    return json_schema(f"{name}: {what}", told(), _CHOICES.get(name, {}), more)
