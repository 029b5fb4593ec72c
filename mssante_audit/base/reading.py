"""Reading files: regular ones only, up to a bound, and never a wait."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from mssante_audit.base.errors import InputError

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


def open_regular(path: str | Path) -> BufferedReader:
    """Open a file to read its bytes.

    Raises
    ------
    InputError
        If it cannot be opened, or is no regular file, also behind a link: a pipe is not waited for.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
        if kind != stat.S_IFREG:
            raise unreadable(path, _KINDS.get(kind, "it is no file"))
        return open(path, "rb", opener=_at_once)
    except OSError as error:
        raise unreadable(path, error.strerror or type(error).__name__) from error


def read_bytes(path: str | Path, limit: int) -> bytes:
    """Return what a file holds.

    Raises
    ------
    InputError
        If it is larger than `limit` bytes, or as for `open_regular`.
    """
    with open_regular(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > limit else file.read((size or limit) + 1)
        except OSError as error:
            raise unreadable(path, error.strerror or type(error).__name__) from error
    if size > limit or len(content) > limit:
        raise InputError(f"is larger than {limit:,} bytes", file=str(path))
    return content


def unreadable(path: str | Path, why: str) -> InputError:
    """Return the error for a file that cannot be read."""
    return InputError(f"cannot be read ({why[:1].lower()}{why[1:]})", file=str(path))


def _at_once(path: str, flags: int) -> int:
    """Open without waiting, should the file have become a pipe meanwhile."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
