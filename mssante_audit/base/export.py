"""Frames to files: CSV and XLSX that no spreadsheet takes for formulas, JSON, Parquet; never half written."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from mssante_audit.base.errors import AuditError, OutputError
from mssante_audit.base.resources import real_path

if TYPE_CHECKING:
    import pandas as pd

# Columns that hold Python's own objects: in JSON and Parquet, and in no flat table.
OBJECTS = ("subject", "rows", "where", "facts", "why")
XLSX_TEXT = 32_767  # characters a cell may hold; openpyxl cuts there silently, so we cut before, visibly
XLSX_ROWS = 1_048_576

_SIGNS = "=+\\-@＝＋－＠﹦﹢﹣﹫\u2212"
# Blanks, quotes and what prints nothing: a spreadsheet may leave them out.
_BLANKS = "\\s\"'\\x00\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
_BLANKS += "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
_FORMULA = re.compile(rf"""[{_BLANKS}]*[{_SIGNS}]|'*[\t\r\n]""")
# A spreadsheet may split our commas' file at semicolons, tabs or line ends, even inside quoted cells.
_INNER_START = re.compile(rf"""([;\t\r\n][;{_BLANKS}]*+)([{_SIGNS}])?""")
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A spreadsheet reads _x0041_ as A (ECMA-376, ST_Xstring).
_XLSX_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


class Values(NamedTuple):
    """A frame as files have it, for who writes several of it."""

    names: list[str]
    flat: list[int]  # positions of the columns that a table has: all but `OBJECTS`
    rows: list[tuple[Any, ...]]  # JSON types: tuples as lists, missing values ``None``, instants ISO 8601

    def lines(self) -> Iterator[list[Any]]:
        """Yield the heading and the rows of a table, a list of values as a text."""
        for row in (self.names, *self.rows):
            cells = (row[at] for at in self.flat)
            yield [" ".join(map(str, cell)) if isinstance(cell, list) else cell for cell in cells]


def values(frame: pd.DataFrame | Values) -> Values:
    """Return the values of a frame, or those given as they are."""
    if isinstance(frame, Values):
        return frame
    names = [str(name) for name in frame.columns]
    kinds = zip(names, frame.dtypes.tolist(), strict=True)
    flat = [at for at, (name, dtype) in enumerate(kinds) if name not in OBJECTS or dtype != "object"]
    columns = [[_plain(value) for value in column.tolist()] for _, column in frame.items()]
    return Values(names, flat, list(zip(*columns, strict=True)))


def csv_text(frame: pd.DataFrame | Values) -> str:
    r"""Return `frame` as CSV (commas, ``\n``, no index) without `OBJECTS`: texts are `guarded`.

    >>> import pandas as pd
    >>> print(csv_text(pd.DataFrame({"a": ["=1+1", "b;=1"], "n": [-1, 2]})), end="")
    a,n
    '=1+1,-1
    b;'=1,2
    """
    lines: list[str] = []
    # Cells are quoted for characters of the line end: with a lone line feed a carriage return would not be.
    rows: Any = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for cells in values(frame).lines():
        rows.writerow(guarded(cell) if isinstance(cell, str) else cell for cell in cells)
    return "".join(f"{line[:-2]}\n" for line in lines)


def guarded(text: str) -> str:
    """Return a text with an apostrophe wherever a spreadsheet could start to read a formula.

    That is before a sign, tab or line end at its start, and a sign behind a semicolon, tab or line end.
    """
    inner = _INNER_START.sub(lambda run: f"{run[1]}'{run[2]}" if run[2] else run[0], text)
    return f"'{inner}" if _FORMULA.match(text) else inner


def unguarded(text: str) -> str:
    r"""Return the text that `guarded` was given.

    >>> unguarded(guarded("=1;\t@a")) == "=1;\t@a"
    True
    """
    if text.startswith("'") and _FORMULA.match(text, 1):
        text = text[1:]
    return _INNER_START.sub(lambda run: run[1].removesuffix("'") + run[2] if run[2] else run[0], text)


def json_text(frame: pd.DataFrame | Values) -> str:
    """Return `records` of `frame` as JSON, a line each; what is no Unicode is escaped."""
    lines = ",\n".join(map(_COMPACT.encode, records(frame)))
    text = f"[\n{lines}\n]\n" if lines else "[]\n"
    return text.encode("utf-8", "backslashreplace").decode()


def records(frame: pd.DataFrame | Values) -> list[dict[str, Any]]:
    """Return the rows of `frame` as JSON has them: tuples as lists, missing values ``None``, instants ISO."""
    table = values(frame)
    return [dict(zip(table.names, row, strict=True)) for row in table.rows]


def json_bytes(content: Any) -> bytes:
    """Return JSON types as a file has them: in UTF-8, to read; what is no Unicode is escaped."""
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    return text.encode("utf-8", "backslashreplace")


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Return `frame` as Parquet: objects as JSON text, an ordered category as text with its `rank` beside it.

    Parquet keeps no order of categories: rank 0 is the lowest, -1 none.
    """
    import pandas as pd

    def text(value: Any) -> str | None:
        value = _plain(value)
        written = value if value is None or isinstance(value, str) else _COMPACT.encode(value)
        # What is no Unicode is escaped as in the other formats.
        return None if written is None else written.encode("utf-8", "backslashreplace").decode()

    plain = frame.copy(deep=False)
    for at, (name, dtype) in reversed(list(enumerate(frame.dtypes.items()))):
        if isinstance(dtype, pd.CategoricalDtype):
            if dtype.ordered:
                plain.insert(at + 1, "rank", frame[name].cat.codes.astype("int64"))
            plain[name] = frame[name].astype("str")
        elif dtype == "object":
            plain[name] = pd.Series([*map(text, frame[name])], index=frame.index, dtype="str")
    out = io.BytesIO()
    plain.to_parquet(out, index=False)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if type(value) in (str, int, bool):  # nearly all are
        return value
    if hasattr(value, "_asdict"):  # a named tuple
        value = value._asdict()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(v) for name, v in value.items()}
    import pandas as pd  # here: a night's supervisor writes files, and no frames

    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, bool | int | float) else str(value)


def _xlsx_cell(sheet: Any, value: Any) -> Any:
    from openpyxl.cell.cell import ERROR_CODES, WriteOnlyCell

    if not isinstance(value, str):
        return value
    text = _NOT_XML.sub(lambda m: f"\\x{ord(m[0]):02x}", _XLSX_ESCAPE.sub("_x005F_", value))
    if len(text) > XLSX_TEXT:
        note = f"… [coupé : {len(text)} caractères]"
        text = text[: XLSX_TEXT - len(note)] + note
    if not _FORMULA.match(text) and text not in ERROR_CODES:
        return text  # openpyxl takes it for nothing else
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    cell.quotePrefix = True  # without it the text becomes a formula as soon as someone edits the cell
    return cell


def write_csv(frame: pd.DataFrame | Values, path: Path) -> None:
    """Write `csv_text` of `frame` in UTF-8 with a byte order mark, without which Excel garbles accents."""
    write_bytes(path, csv_text(frame).encode("utf-8-sig", "backslashreplace"))


def write_workbook(frames: Mapping[str, pd.DataFrame | Values], path: Path) -> None:
    """Write frames as an XLSX workbook, a sheet each by its name (at most 31 letters), every text a text.

    `OBJECTS` are left out. A frame of more rows than a sheet has is an `OutputError`.
    """
    from lxml.etree import SerialisationError
    from openpyxl import Workbook

    book, out = Workbook(write_only=True), io.BytesIO()
    with writing(path):
        try:
            for name, frame in frames.items():
                table = values(frame)
                if (count := len(table.rows)) >= XLSX_ROWS:
                    raise OutputError("{} rows do not fit a sheet", count, remedy="Write them as csv")
                sheet = book.create_sheet(name)
                sheet.freeze_panes = "A2"
                for cells in table.lines():
                    sheet.append([_xlsx_cell(sheet, cell) for cell in cells])
            book.save(out)
        except SerialisationError as error:  # openpyxl drafts its sheets, by lxml, among the temporary files
            raise OSError(None, f"no room for temporary files ({error})") from error
    write_bytes(path, out.getvalue())


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": write_csv,
    "json": lambda frame, path: write_bytes(path, json_text(frame).encode()),
    "xlsx": lambda frame, path: write_workbook({"findings": frame}, path),
    "parquet": lambda frame, path: write_bytes(path, parquet_bytes(frame)),
}


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, even if the power goes: beside it, synced, then renamed.

    A device is written into, and a pipe that somebody reads: nobody is waited for. What cannot be written (no
    permission, disk full), or is a link, is an `OutputError`; what was there before still is.
    """
    with writing(path):
        if _is_stream(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK)
            os.set_blocking(descriptor, True)
            with open(descriptor, "wb") as stream:
                stream.write(content)
            return
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with draft.open("xb") as file:
                _write_synced(file, content)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _write_synced(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a power cut."""
    with writing(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_stream(path: Path) -> bool:
    """Tell whether a path leads to a device, a pipe, or standard output; refuse other links, and sockets."""
    # What /dev/stdout leads to may be a file, which is written into where it stands.
    standard = path.exists() and str(path.parent) in ("/dev", "/dev/fd")
    if standard or path.is_char_device() or path.is_fifo():
        return True
    if path.is_symlink():
        remedy = ("Name the file itself: {}", str(real_path(path)))
        raise OutputError("is a link, which would be replaced by a file", file=str(path), remedy=remedy)
    if not path.name or path.is_socket() or path.is_block_device():
        raise OutputError("is neither a file nor a pipe", file=str(path), remedy="Name another")
    return False


def append_line(path: Path, line: str) -> None:
    """Write a line at the end of a file, on a line of its own whatever a killed run left there."""
    content = line.encode("utf-8", "backslashreplace") + b"\n"
    with writing(path), path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            content = content if file.read(1) == b"\n" else b"\n" + content
        _write_synced(file, content)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into an `OutputError` of `path`."""
    try:
        yield
    except AuditError:
        raise
    except OSError as error:
        # Of a whole tree that could not be copied, what was wrong with the first file.
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        reason = (reason or type(error).__name__).lower()
        advice = "Give this user the right" if isinstance(error, PermissionError) else "Free some space"
        remedy = f"{advice} or choose another place"
        raise OutputError("cannot be written: {}", reason, file=str(path), remedy=remedy) from error
