"""What the commands say, and where: lines to the terminal, frames to a file or to standard output."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.base.errors import OutputError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

debug: list[bool] = []
"""Whether tracebacks are wanted, each time that ``--debug`` could be given: before the command, behind it."""


class Format(StrEnum):
    """Formats of records."""

    csv = "csv"
    json = "json"


class Layout(StrEnum):
    """Formats of what is said."""

    text = "text"
    json = "json"


def say(text: str, file: Any = None) -> None:
    """Print lines; characters that could steer a terminal or hide in it are escaped."""
    write(_UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", text) + "\n", file)


def write(text: str, file: Any = None) -> None:
    """Print a text as it is.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    stream = file or sys.stdout
    try:
        stream.buffer.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", file="standard output") from None


def write_frame(frame: pd.DataFrame, format: str, out: Path | None) -> None:  # noqa: A002 - the option's name
    """Write a frame in a format (``csv``, ``json``, ``xlsx``) to a file, or print it.

    Raises
    ------
    ParameterError
        If it is no format to print.
    """
    from mssante_audit.base import export

    if out is not None:
        export.WRITERS[format](frame, out)
    elif format == "xlsx":
        raise ParameterError("xlsx is not for the terminal", remedy="Name a file with --out")
    else:
        write(export.json_text(frame) if format == "json" else export.csv_text(frame))
