"""Reading files: regular ones only, up to a bound, and never a wait."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.base.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MB = 1024 * 1024
# What a Parquet file may hold, unpacked: a few kilobytes can say a value a million times.
MAX_CELLS, MAX_TEXTS = 100_000_000, 1024 * MB
_KINDS = {
    stat.S_IFDIR: "it is a folder", stat.S_IFIFO: "it is a pipe", stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device", stat.S_IFBLK: "it is a device",
}  # fmt: skip
_TOML_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*\'?|#[^\n]*',
    re.DOTALL,
)
_TOML_VALUE = re.compile(r"""'(?:[^'\\]|\\.)+'|"(?:[^"\\]|\\.)+"|\(.+\)""")  # what tomllib's errors quote
# A key of so many parts is no setting, and takes tomllib time by the square of their number.
_LONG_KEY = re.compile(r"(?<![\w-])(?:[\w-]++\s*+\.\s*+){20}")


def open_regular(path: str | Path) -> BufferedReader:
    """Open a file to read its bytes; what cannot be opened, or is no regular file, is an `InputError`."""

    def at_once(path: str, flags: int) -> int:  # should the file become a pipe meanwhile
        return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
        if kind != stat.S_IFREG:
            raise unreadable(path, _KINDS.get(kind, "it is no file"))
        return open(path, "rb", opener=at_once)
    except OSError as error:
        raise unreadable(path, error.strerror or type(error).__name__) from error


def read_bytes(path: str | Path, limit: int) -> bytes:
    """Return what a file holds; an `InputError` if it is larger than `limit`, or as for `open_regular`."""
    with open_regular(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > limit else file.read((size or limit) + 1)
        except OSError as error:
            raise unreadable(path, error.strerror or type(error).__name__) from error
    if max(size, len(content)) > limit:
        raise InputError("is larger than {} bytes", f"{limit:,}", file=str(path))
    return content


def unreadable(path: str | Path, why: str) -> InputError:
    """Return the error for a file that cannot be read."""
    return InputError("cannot be read ({})", f"{why[:1].lower()}{why[1:]}", file=str(path))


def read_text(path: str | Path, limit: int = MB) -> str:
    """Return a text in UTF-8, without its mark; errors as in `read_bytes`."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable(path, "not utf-8") from None


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Return what TOML says, an `InputError` if it is none."""
    try:
        if _LONG_KEY.search(_TOML_TEXT.sub("text", text)):
            raise RecursionError
        return tomllib.loads(text)
    except RecursionError:
        raise InputError("is nested too deeply", file=file) from None
    except ValueError as error:
        problem, _, place = str(error).rpartition(" (at ")
        line = re.match(r"line (\d+)", place)
        values = [value.strip("(),").replace("', '", ".") for value in _TOML_VALUE.findall(problem)]
        message = f"is not TOML: {_TOML_VALUE.sub('{}', problem)} (line {{}})"
        at = line[1] if line else text.count("\n") + 1  # "at end of document"
        raise InputError(message, *values, at, file=file) from None


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return what a TOML file that a person writes says; errors as in `read_text` and `parse_toml`."""
    return parse_toml(read_text(path), str(path))


def parse_json(content: bytes | str, file: str, **hooks: Any) -> Any:
    """Return what JSON says, an `InputError` if it is none; `hooks` are those of `json.loads`."""
    try:
        return json.loads(content, **hooks)
    except json.JSONDecodeError as error:
        raise InputError("not JSON (column {})", error.colno, file=file, line=error.lineno) from None
    except UnicodeDecodeError:
        raise unreadable(file, "not utf-8") from None
    except RecursionError:
        raise InputError("is nested too deeply", file=file) from None
    except ValueError:
        raise InputError("not JSON: a number of thousands of digits", file=file) from None


def read_parquet(path: str | Path, content: bytes | None = None) -> pd.DataFrame:
    """Return the frame of a Parquet file; one that holds too much is an `InputError`, others as pandas'.

    Its `content` is read if it is given.
    """
    import pyarrow
    from pyarrow import compute, parquet

    source = path if content is None else pyarrow.BufferReader(content)
    file = parquet.ParquetFile(source)
    schema = file.schema_arrow
    if file.metadata.num_rows * len(schema) > MAX_CELLS:
        raise InputError("holds more than {} values", f"{MAX_CELLS:,}", file=str(path))
    texts = [f.name for f in schema if f.type in (pyarrow.string(), pyarrow.large_string())]
    # Each distinct text once, until it is known how long they are together.
    table = parquet.ParquetFile(source, read_dictionary=texts).read(use_threads=False)
    chunks = [chunk for name in texts for chunk in table[name].chunks]
    lengths = (compute.binary_length(chunk.dictionary).take(chunk.indices) for chunk in chunks)
    if sum(compute.sum(array).as_py() or 0 for array in lengths) > MAX_TEXTS:
        raise InputError("holds more than {} MB of texts", MAX_TEXTS // MB, file=str(path))
    frame: pd.DataFrame = table.cast(schema).to_pandas()
    return frame
