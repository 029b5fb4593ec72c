"""Write the page on data: what the columns of every frame mean, as the package declares them.

Usage: ``python tools/data_dictionary.py docs/data.md``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from mssante_audit.base.frames import Column
from mssante_audit.findings.frame import IN_FILES
from mssante_audit.snapshot.dictionary import FRAMES

HEAD = """# Data

Written by `make dictionary` from the columns that the package declares. `mssante-audit schema
NAME` prints a JSON Schema (2020-12) of `results` (`results.json`), of `findings`, `domains`, `changes` and
`events` (lists of rows, as JSON has them) and of `settings` (`audit.toml`).

Frames lie in memory (`space.entries`, `audit(…)`), in a [snapshot](snapshot.md), in the archive
(`history.parquet`) and in what the commands write. A dtype is that of the frame in memory. In JSON, tuples
are lists, instants ISO 8601, missing values null. In Parquet, an `object` is JSON text and a category text;
`rank` beside `severity` keeps its order. In CSV and XLSX, `subject`, `rows`, `where`, `facts` and `why` are
left out.

In a snapshot, what names persons of `entries` and `register` lies in `private/`. In what is written for
others, persons are masked unless `--contacts all`; two that differ stay different.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for name, (description, columns_of) in FRAMES.items():
        parts.append(f"## {name}\n\n{description}\n\n{_columns(columns_of())}")
        if name == "findings":
            parts.append(f"Files of findings may have beside them:\n\n{_columns(IN_FILES)}")
    return "\n".join(parts)


def _columns(columns: Iterable[Column]) -> str:
    lines = []
    for column in columns:
        meaning = re.sub("``(.+?)``", r"`\1`", column.meaning)
        meaning = re.sub(r"\b(may )?names? persons\b", r"**\g<0>**", meaning)
        lines.append(f"- `{column.name}` ({column.dtype}): {meaning}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
