"""Files read: only what is a file, bounded, at once. Anything else is an `InputError` of one line."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from mssante_audit.base.errors import InputError

MB = 1024 * 1024
_KINDS = (
    (stat.S_ISDIR, "is a directory"), (stat.S_ISFIFO, "is a pipe"), (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"), (stat.S_ISBLK, "is a device"),
)  # fmt: skip
_TOML_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*\'?|#[^\n]*',
    re.DOTALL,
)
_LONG_KEY = re.compile(r"(?:[\w-]+\s*\.\s*){20}")
"""A key of so many parts is no setting, and takes tomllib time by the square of their number."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. A folder, pipe, device or socket, or a link to one, is refused at once."""
    try:
        # Should it have become a pipe since, opening it does not wait either.
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except (OSError, ValueError) as error:
        raise unreadable(error, path) from None
    kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "is no file")
    raise InputError(f"cannot be read ({kind})", file=str(path))


def read_bytes(path: Path, limit: int) -> bytes:
    """Return what a file holds; one of more than `limit` bytes is refused."""
    with open_regular(path) as file:
        try:
            content = file.read(limit + 1)
        except OSError as error:
            raise unreadable(error, path) from None
    if len(content) > limit:
        size = f"{limit // MB} MB" if limit >= MB else f"{limit} bytes"
        raise InputError(f"larger than {size}", file=str(path))
    return content


def read_text(path: Path, limit: int = MB) -> str:
    """Return a text in UTF-8, without its mark."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("cannot be read (not utf-8)", file=str(path)) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file that a person writes says."""
    content = read_text(path)
    try:
        if _LONG_KEY.search(_TOML_TEXT.sub("text", content)):
            raise RecursionError
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not TOML: {error}", file=str(path)) from None
    except RecursionError:
        raise InputError("nested too deeply", file=str(path)) from None


def parse_json(content: bytes | str, file: str, **hooks: Any) -> Any:
    """Return what JSON says; `hooks` are those of `json.loads`."""
    try:
        return json.loads(content, **hooks)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=file, line=error.lineno) from None
    except UnicodeDecodeError:
        raise InputError("cannot be read (not utf-8)", file=file) from None
    except RecursionError:
        raise InputError("nested too deeply", file=file) from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"not JSON: {error}", file=file) from None


def unreadable(error: Exception, path: Path) -> InputError:
    """Return the `InputError` that tells a user why a file cannot be read."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"cannot be read ({reason.lower()})", file=str(path))
