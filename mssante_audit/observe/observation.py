"""The observation file: what the DNS said, one line a query, and the frames read from it.

JSON Lines in gzip members, appended as the observation goes, so it can be read while it grows and after a
kill. Lines are of four kinds. A *header* opens each run (``format``, ``version``, ``at``, ``parent_zone``,
``sibling``, the label asked for to find wildcards, ``ipv6``, ``settings``). A *query* has the fields of
`Observed`. A *note* says what was left out and why. An *end* closes a run (``complete``, and what was thrown
away as no reply of ours).

Columns of `Observation.queries`, one row a query sent (``attempt`` 0: not sent, the address had been found
silent):

============== =============== ==========================================================
column         dtype           meaning
============== =============== ==========================================================
``line``       int64           line of the file, 1-based; key of `Observation.records`
``at``         datetime64 UTC  when it was sent
``domain``     str             the listed domain it was first asked for ("" for the parent zone itself)
``step``       category        why, one of `STEPS`
``zone``       str             the zone whose server was asked; "" for a resolver
``qname``      str             name asked, canonical (`canonical`)
``qtype``      str             type asked
``server``     str             name of the server, "" for a resolver
``address``    str             its address
``transport``  category        ``udp`` or ``tcp``
``edns``       bool            whether the query carried EDNS
``rd``         bool            whether it asked for recursion
``attempt``    int64           1, 2, 3…
``outcome``    category        one of `OUTCOMES`
``rcode``      str             "" without a reply
``flags``      str             of the reply, in this order: ``aa tc ra edns signed cut`` (`Reply`)
``cut``        str             of a referral: the name delegated
``rtt``        float64         milliseconds; NaN without a reply
``ignored``    int64           messages with this query's id that were not its reply
============== =============== ==========================================================

`Observation.records`: ``line`` int64, ``section`` category, ``owner`` str, ``ttl`` int64, ``type`` str,
``data`` str. `Observation.problems`: ``line`` int64, ``kind`` str (``cut``, ``damaged``, ``record``),
``message`` str. `Observation.notes`: ``line`` int64, ``zone`` str, ``text`` str.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mssante_audit.base.digest import digest
from mssante_audit.base.frames import frame_of
from mssante_audit.observe.kinds import pattern_of
from mssante_audit.observe.lines import (
    OUTCOMES,
    PROBLEMS,
    SECTIONS,
    STEPS,
    TRANSPORTS,
    ObservationError,
    Observed,
    Record,
    Scan,
    bytes_of,
    check_header,
    parse_query,
)

_CHUNK = 5_000
_TEXT, _TEXTS = pa.large_string(), pd.StringDtype("python", na_value=np.nan)
_TYPES = {
    "line": pa.int64(), "at": pa.timestamp("us", "UTC"), "edns": pa.bool_(), "rd": pa.bool_(),
    "attempt": pa.int64(), "rtt": pa.float64(), "ignored": pa.int64(), "ttl": pa.int64(),
}  # fmt: skip
"""Of the columns that are not texts."""
_CHOICES = {"step": STEPS, "transport": TRANSPORTS, "outcome": OUTCOMES, "section": SECTIONS}


@dataclass(frozen=True)
class Observation:
    """An observation file, read."""

    queries: pd.DataFrame
    records: pd.DataFrame
    problems: pd.DataFrame
    notes: pd.DataFrame
    source: str
    sha256: str
    parent_zone: str
    siblings: tuple[str, ...]
    """The labels that no domain has, one a run."""
    ipv6: bool
    """Whether IPv6 addresses could be asked."""
    started_at: datetime
    complete: bool
    """Whether the last run came to its end."""
    only: str = ""
    """The pattern of the domains that the last run asked about; "" for all of the list."""
    domains: frozenset[str] = frozenset()
    """Of one of the `older`: the domains, as the list writes them, that it answers for."""
    older: tuple[Observation, ...] = ()
    """Those that answer for what this one does not, newest first (`mssante_audit.observe.merged`)."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Messages that answered nothing asked, by source address, over all runs."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The options of the last run, as its header has them."""
    found: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was worked out of it, once (`mssante_audit.observe.dns.view.view_of`)."""

    @cached_property
    def keeps_signatures(self) -> bool:
        """Whether it kept any: observations made before that could not."""
        return bool((self.records["type"] == "RRSIG").any())

    @property
    def whole(self) -> bool:
        """Whether it was to answer for the whole list, and came to its end."""
        return self.complete and not self.only

    @property
    def size(self) -> int:
        """How many domains the files answer for."""
        return int(self.queries["domain"].nunique()) + sum(len(part.domains) for part in self.older)

    @property
    def parts(self) -> tuple[Observation, ...]:
        """All the files that answer, the newest first."""
        return (self, *self.older)

    def shares(self, domains: Iterable[str]) -> Iterator[tuple[Observation, list[str]]]:
        """Yield each file that answers for some of `domains`, and those; what none does is the newest's."""
        of = {domain: part for part in self.older for domain in part.domains}
        own: dict[int, list[str]] = {}
        for domain in dict.fromkeys(domains):
            own.setdefault(id(of.get(domain, self)), []).append(domain)
        yield from ((part, own[id(part)]) for part in self.parts if id(part) in own)


class _Rows:
    """Rows that become a frame; chunk by chunk they go to Arrow, which keeps each value of a chunk once."""

    def __init__(self, *names: str) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._chunks: dict[str, list[Any]] = {name: [] for name in names}

    def add(self, *row: Any) -> None:
        self._rows.append(row)
        if len(self._rows) >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        for (name, chunks), values in zip(self._chunks.items(), zip(*self._rows, strict=True), strict=True):
            chunks.append(pa.array(values).cast(_TYPES.get(name, _TEXT)).dictionary_encode())
        self._rows.clear()

    def frame(self) -> pd.DataFrame:
        if self._rows:
            self._flush()
        columns: dict[str, Any] = {}
        for name, chunks in self._chunks.items():
            kind = _TYPES.get(name, _TEXT)
            told = pa.chunked_array(chunks, pa.dictionary(pa.int32(), kind))
            if name in _TYPES:
                columns[name] = told.cast(kind).to_pandas().array
            else:  # as objects of Python, equal ones as one: Arrow would write each text out for every row
                coded = told.unify_dictionaries().combine_chunks()
                once = np.array([*map(sys.intern, coded.dictionary.to_pylist())], dtype="object")
                columns[name] = pd.array(once[coded.indices.to_numpy()], dtype=_TEXTS)
            chunks.clear()
        frame = pd.DataFrame(columns)
        return frame.astype({n: pd.CategoricalDtype(list(c)) for n, c in _CHOICES.items() if n in columns})


def load_observation(source: str | Path, names: Collection[str] | None = None) -> Observation:
    """Read an observation file.

    A file that is still growing, was cut, is damaged, or holds lines that are not as they should be is read
    as far as possible: what could not be read is in `Observation.problems`.

    Parameters
    ----------
    source
        The file.
    names
        Leave out what says nothing of these names (`mssante_audit.observe.dns.names.canonical`): other names,
        and zones that none of them lies in. Servers and mail hosts stay.

    Raises
    ------
    ObservationError
        If the file cannot be opened, is no observation, or was written by a newer version.
    """
    path = Path(source)
    data = bytes_of(path)
    scan = Scan(data)
    headers: list[dict[str, Any]] = []
    notes: list[tuple[int, str, str]] = []
    ignored: dict[str, int] = {}
    complete = False
    tells = _telling(names)

    def queries() -> Iterator[tuple[int, Observed]]:
        nonlocal complete
        for line, content in scan.lines():
            if not headers or "format" in content:
                headers.append(check_header(content, path))
                complete = False
            elif "note" in content:
                notes.append((line, str(content.get("zone", "")), str(content["note"])))
            elif "end" in content:
                complete = content.get("complete") is True
                told = content.get("ignored")
                counts = told.items() if isinstance(told, dict) else ()
                own = {address: n for address, n in counts if type(n) is int and 0 <= n < 1 << 31}
                ignored.update({address: ignored.get(address, 0) + n for address, n in own.items()})
            else:
                try:
                    query = parse_query(content)
                except ValueError as error:
                    scan.problem("record", str(error))
                    continue
                if tells(query):
                    yield line, query

    asked, records = _Rows("line", *Observed._fields[:-1]), _Rows("line", *Record._fields)
    for line, query in queries():
        asked.add(line, *query[:-1])
        for record in query.records:
            records.add(line, *record)
    frames = asked.frame(), records.frame()
    pa.default_memory_pool().release_unused()  # Arrow keeps twice what the frames take
    if not headers:
        raise ObservationError(
            "not a DNS observation", file=str(path), remedy="`mssante-audit observe dns` makes one"
        )
    return Observation(
        *frames,
        problems=frame_of(scan.problems, PROBLEMS),
        notes=frame_of(notes, {"line": "int64", "zone": "str", "text": "str"}),
        source=path.name,
        sha256=digest(data),
        parent_zone=headers[0]["parent_zone"],
        siblings=tuple(dict.fromkeys(h["sibling"] for h in headers)),
        ipv6=all(h.get("ipv6") is True for h in headers),
        started_at=datetime.fromisoformat(headers[0]["at"]).astimezone(UTC),
        complete=complete,
        only=pattern_of(headers[-1]),
        ignored=ignored,
        settings=given if isinstance(given := headers[-1].get("settings"), dict) else {},
    )


def _telling(names: Collection[str] | None) -> Callable[[Observed], bool]:
    """Return what tells whether a query says something of names, or may."""
    if names is None:
        return lambda _: True
    above = {"."}
    for name in names:
        while name and name not in above:
            above.add(name)
            name = name.partition(".")[2]

    def tells(query: Observed) -> bool:
        if query.step == "apex":
            return query.zone in above
        if query.step == "sibling":
            return query.qname.partition(".")[2] in above
        return query.step != "walk" or query.qname in above

    return tells
