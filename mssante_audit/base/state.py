"""State files: what a run leaves for the next one, as JSON with a version and a digest of all its bytes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import json_bytes, sync_folder, write_bytes
from mssante_audit.base.reading import MB, read_bytes

MAX_BYTES = 1024 * MB


def state_bytes(version: int, content: Mapping[str, Any]) -> bytes:
    """Return a state, in JSON types, as its file has it."""
    text = json_bytes({"version": version, "digest": "", **content})
    return text.replace(_line(""), _line(digest(text)), 1)


def write_state(path: Path, version: int, content: Mapping[str, Any]) -> None:
    """Write a state whole or not at all, for good; what cannot be written is an `OutputError`."""
    write_bytes(path, state_bytes(version, content))
    sync_folder(path.parent)


def read_state(
    path: Path, version: int, *keys: str, remedy: str = "Put back a copy of it, or remove it to start anew"
) -> dict[str, Any] | None:
    """Return the content of a state file, ``None`` if there is none.

    One that cannot be read, is of another version, was changed, or lacks one of `keys` is an `InputError`.
    """
    fault, state = "", {}
    try:
        if not os.path.lexists(path):
            return None
        text = read_bytes(path, MAX_BYTES)
        state = json.loads(text)
        if not isinstance(state, dict) or not isinstance(state.get("version"), int):
            fault = "does not say its version"
        elif state.pop("version") != version:
            fault = "is not of version {}, the only one that this program knows"
        elif digest(text.replace(_line(noted := str(state.pop("digest", ""))), _line(""), 1)) != noted:
            fault = "was changed since it was written"
        elif not state.keys() >= {*keys}:
            fault = "is the state of something else"
    except InputError as error:
        raise error.within(InputError, str(path), remedy) from None
    except (OSError, ValueError, RecursionError):
        fault = "cannot be read"
    if fault:
        raise InputError(fault, version, file=str(path), remedy=remedy)
    return state


def copy_state(path: Path, folder: Path) -> bool:
    """Copy a state file, if there is one, into another folder; return whether there is."""
    if exists := os.path.lexists(path):
        write_bytes(folder / path.name, read_bytes(path, MAX_BYTES))
    return exists


def _line(noted: str) -> bytes:
    return f'"digest": "{noted}"'.encode()
