"""Files that are no files are refused at once, in one line; others are read up to a bound."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import open_regular, read_bytes


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "it is a pipe"),
    "folder": (Path.mkdir, "it is a folder"),
    "socket": (socket_at, "it is a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "nothing": (lambda path: None, "no such file or directory"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "no such file or directory"),
}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_regular_file_is_refused_at_once(kind: str, linked: bool, tmp_path: Path) -> None:
    make, why = NO_FILES[kind]
    path = tmp_path / "given"
    make(path)
    if linked:
        path = tmp_path / "link"
        path.symlink_to(tmp_path / "given")
    for read in (open_regular, lambda given: read_bytes(given, 10)):
        with pytest.raises(InputError) as raised:
            read(path)
        assert str(raised.value) == f"{path}: cannot be read ({why})"


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_is_read_up_to_a_bound(linked: bool, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"0123456789")
    if linked:
        path = tmp_path / "link"
        path.symlink_to(tmp_path / "given")
    assert read_bytes(path, 10) == b"0123456789"
    with open_regular(path) as file:
        assert file.read(3) == b"012"
    with pytest.raises(InputError, match="is larger than 9 bytes"):
        read_bytes(path, 9)


def test_a_file_without_a_size_is_bounded_too() -> None:
    with pytest.raises(InputError, match="is larger than 3 bytes"):
        read_bytes("/proc/self/status", 3)
