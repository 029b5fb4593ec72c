"""What can be put right in a register without guessing: layout, and letters that mean nothing.

A certificate's name is left as it is: a blank in it may be its own.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from mssante_audit.base.text import is_hidden
from mssante_audit.declarations.headings import Field, fields
from mssante_audit.declarations.register import Register, records
from mssante_audit.declarations.values import mapped
from mssante_audit.values.contacts import national, read_phone
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import identifier_of


@dataclass(frozen=True, slots=True)
class Mended:
    """One way in which cells of one column were put right."""

    column: str
    what: str  # a key of `STEPS`' mappings, or of `_understood`
    file: str
    rows: tuple[int, ...]


def _identifier(text: str, shape: str = "[0-9]+[ABab]?[0-9]+") -> str:
    bare = re.sub(r"[\s-]|\.(?=[0-9]{3})", "", text)
    return bare if re.fullmatch(shape, bare) else text


def _phone(text: str) -> str:
    match = re.fullmatch(r"\+?[0-9 .()/-]+", text)
    return national(phone) if match and (phone := read_phone(text)) else text


Steps = Mapping[str, Callable[[str], str]]
_contract = partial(_identifier, shape="(?=.{10}$)(?=.*[0-9])[0-9A-Za-z]*")
_prefix = partial(re.compile(r"^mailto: ?", re.IGNORECASE).sub, "")
_HOST: Steps = {
    "capitals": lambda text: text.lower() if re.fullmatch(r"[A-Za-z0-9._-]+", text) else text,
    "dot": lambda text: text.removesuffix("."),
}
_ANY: Steps = {
    "invisible": lambda text: "".join(c for c in text if c in "\t\r\n" or not is_hidden(c)),
    "spaces": lambda text: " ".join(text.split()),
}
# By kind of field, what is put right, in order.
STEPS: Mapping[str, Steps] = {
    "text": _ANY,
    "phone": {**_ANY, "phone": _phone},
    "email": {**_ANY, "prefix": _prefix},
    "contract": {**_ANY, "separators": _contract},
    "identifier": {**_ANY, "separators": _identifier},
    "domain": {**_ANY, **_HOST},
    "server": {**_ANY, **_HOST},
}


def mended(register: Register) -> tuple[Register, tuple[Mended, ...]]:
    """Return a register put right, and what was done to it that is not among its problems."""
    frame = register.declarations.copy()
    read = records(frame)
    mendings: list[Mended] = []
    doubtful = frozenset(register.problems[["file", "row", "column"]].itertuples(index=False, name=None))
    for name, field in fields().items():
        cells = [(file, row, name) for file, row in zip(frame["file"], frame["row"], strict=True)]
        readable, silent = (
            np.array([cell not in c for cell in cells], dtype="bool") for c in (register.lost, doubtful)
        )
        understood = _understood(field, register.cells[name], read[name])
        changes = {step_key: changed & silent for step_key, changed in understood.items()}
        for step_key, step in STEPS.get(field.kind, {}).items():
            after = mapped(frame[name], step)
            changes[step_key] = (after != frame[name]) & readable
            frame[name] = frame[name].mask(changes[step_key], after)
        for step_key, changed in changes.items():
            for file, rows in frame.loc[changed, "row"].groupby(frame["file"], sort=False):
                mendings.append(Mended(name, step_key, str(file), tuple(map(int, rows))))
    frame["domain_key"] = mapped(frame["domain"], domain_key)
    frame["operator_id"] = mapped(frame["structure_id"], identifier_of)
    return replace(register, declarations=frame), tuple(mendings)


def _understood(field: Field, before: pd.Series, after: pd.Series) -> dict[str, pd.Series]:
    """Tell in which rows the reader understood a cell that is written otherwise than it was, and how."""
    changed = before != after
    if field.kind in ("date", "box"):
        return {field.kind: changed}
    parted = pd.Series([new in old for new, old in zip(after, before, strict=True)], index=after.index)
    filled = after != ""
    return {
        "struck": changed & ~filled,
        "names": changed & filled & parted,
        "referred": changed & ~parted,
    }
