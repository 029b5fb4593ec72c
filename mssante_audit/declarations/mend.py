"""What can be put right in a register without guessing: layout, and letters that mean nothing.

A certificate's name is left as it is: a blank in it may be the certificate's own. What the reader understood
already (dates, boxes, zeros that a spreadsheet dropped, « idem ») is written plainly by
`mssante_audit.declarations.write.write_register`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from mssante_audit.base.text import is_hidden
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import Register, domain_keys, mapped
from mssante_audit.values.identifiers import identifier_of
from mssante_audit.values.phones import national, read_phone


@dataclass(frozen=True, slots=True)
class Mended:
    """One way in which cells of one column were put right."""

    column: str
    what: str
    """A key of `STEPS`' mappings."""
    file: str
    rows: tuple[int, ...]


def _identifier(text: str) -> str:
    bare = re.sub(r"[\s.-]", "", text)
    return bare if re.fullmatch(r"[0-9A-Za-z]*[0-9][0-9A-Za-z]*", bare, re.ASCII) else text


def _contract(text: str) -> str:
    bare = _identifier(text)
    return bare if len(bare) == 10 else text


def _phone(text: str) -> str:
    alone = re.fullmatch(r"\+?[0-9 .()/-]+", text)
    read = read_phone(text) if alone else ""
    return national(read) if read else text


def _host(text: str) -> str:
    return text.lower() if re.fullmatch(r"[A-Za-z0-9._-]+", text) else text


_prefix = partial(re.compile(r"^mailto: ?", re.IGNORECASE).sub, "")
_HOST: Mapping[str, Callable[[str], str]] = {"capitals": _host, "dot": lambda text: text.removesuffix(".")}
_ANY: Mapping[str, Callable[[str], str]] = {
    "invisible": lambda text: "".join(c for c in text if c in "\t\r\n" or not is_hidden(c)),
    "spaces": lambda text: " ".join(text.split()),
}
STEPS: Mapping[str, Mapping[str, Callable[[str], str]]] = {
    "text": _ANY,
    "phone": {**_ANY, "phone": _phone},
    "email": {**_ANY, "prefix": _prefix},
    "contract": {**_ANY, "separators": _contract},
    "identifier": {**_ANY, "separators": _identifier},
    "domain": {**_ANY, **_HOST},
    "server": {**_ANY, **_HOST},
}
"""By kind of field, what is put right, in order."""


def mended(register: Register) -> tuple[Register, tuple[Mended, ...]]:
    """Return a register put right, and what was done to it; what could not be read stays as it is."""
    frame = register.declarations.copy()
    done: list[Mended] = []
    for name, field in fields().items():
        places = [(file, row) for file, row, column in register.lost if column == name]
        lost = pd.MultiIndex.from_tuples([*places, ("", 0)])
        known = ~pd.MultiIndex.from_frame(frame[["file", "row"]]).isin(lost)
        for what, step in STEPS.get(field.kind, {}).items():
            after = mapped(frame[name], step)
            changed = (after != frame[name]) & known
            frame[name] = frame[name].mask(changed, after)
            for file, rows in frame.loc[changed, "row"].groupby(frame["file"], sort=False):
                done.append(Mended(name, what, str(file), tuple(map(int, rows))))
    frame["domain_key"] = domain_keys(frame["domain"])
    frame["operator_id"] = mapped(frame["structure_id"], identifier_of)
    return replace(register, declarations=frame), tuple(done)
