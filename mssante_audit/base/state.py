"""State files: what a run leaves for the next one, as JSON with a version and a digest of all its bytes.

A file of another version, or with a changed letter, is refused and stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import json_bytes, sync_folder, write_bytes
from mssante_audit.base.reading import MB, read_bytes

MAX_BYTES = 1024 * MB
ANEW = "Put back a copy of it, or remove it to start anew"


def state_bytes(version: int, content: Mapping[str, Any]) -> bytes:
    """Return a state, in JSON types, as its file has it."""
    text = json_bytes({"version": version, "digest": "", **content})
    return text.replace(_line(""), _line(digest(text)), 1)


def write_state(path: Path, version: int, content: Mapping[str, Any]) -> None:
    """Write a state whole or not at all, for good; what cannot be written is an `OutputError`."""
    write_bytes(path, state_bytes(version, content))
    sync_folder(path.parent)


def read_state(path: Path, version: int, *, remedy: str = ANEW) -> dict[str, Any] | None:
    """Return the content of a state file, ``None`` if there is none.

    One that cannot be read, is of another version, or was changed since it was written is an `InputError`.
    """

    def refused(message: str) -> InputError:
        return InputError(message, file=str(path), remedy=remedy)

    try:
        if not path.exists():
            return None
        text = read_bytes(path, MAX_BYTES)
        state = json.loads(text)
    except (OSError, ValueError, RecursionError):
        raise refused("cannot be read") from None
    if not isinstance(state, dict) or not isinstance(state.get("version"), int):
        raise refused("does not say its version")
    if state.pop("version") != version:
        raise refused(f"is not of version {version}, the only one that this program knows")
    known = str(state.pop("digest", ""))
    if digest(text.replace(_line(known), _line(""), 1)) != known:
        raise refused("was changed since it was written")
    return state


def _line(known: str) -> bytes:
    return f'"digest": "{known}"'.encode()
