"""The archive: two lists compared, and a history of 1,000 daily lists of 8,700 rows, made up.

Of one domain with many certificates the time must grow as their number does, whatever became of them: eight
times, and what sorting and memory add.

The 1,000 lists are written as history, one day after the other; as files only the first, the last but one and
the last, which are all that is read. Each day some rows come, go or change, and hundreds are re-stamped.
"""

from __future__ import annotations

import gzip
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssante_audit.archive.changes import Side
from mssante_audit.archive.events import between, span
from mssante_audit.archive.history import CHECK, FILE, bring_up_to_date, merged, rows_of, write
from mssante_audit.archive.store import Archive
from mssante_audit.whitelist.load import WhiteList, load_whitelist
from tools.sample.make import build
from tools.sample.space import Row, whitelist_chunks

DAYS, ROWS, BATCH = 1000, 8700, 40
START = datetime(2023, 6, 1, 5, 30, tzinfo=UTC)
RUNS = 5


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of the archive: name, what was measured, and its upper limit."""
    rows = build(domains=6900, operators=321, defects=False).rows[:ROWS]
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names, tables, batch = [], [], []
        first = _list(rows, START)
        for day in range(DAYS - 1):
            at = START + timedelta(days=day)
            if day:
                rows = _next_day(rows, chance, at)

            whitelist = _list(rows, at)
            batch.append(rows_of(whitelist.entries, at))
            names.append(_keep(folder, whitelist, at, whole=day in (0, DAYS - 2)))
            if len(batch) == BATCH:
                tables, batch = [merged([*tables, *batch])], []
        table = merged([*tables, *batch])
        write(folder, table, names)
        before, after = _list(rows, START), _list(_next_day(rows, chance, START), START)
        at = START + timedelta(days=DAYS - 1)
        rows = _next_day(rows, chance, at)
        newest = _list(rows, at)
        path = folder / _keep(folder, newest, at, whole=True)
        stale = {name: (folder / name).read_bytes() for name in (CHECK, FILE)}

        def add() -> None:
            bring_up_to_date(Archive(folder))

        def again() -> None:
            for name, content in stale.items():
                (folder / name).write_bytes(content)

        load = _cpu(lambda: load_whitelist(path))
        adding = _cpu(add, again)
        size = (folder / FILE).stat().st_size / 1e6
        last = f"{at:%Y-%m-%d}"
        spans = [
            _median(lambda day=day: span(Archive(folder), day, last))
            for day in (f"{START:%Y-%m-%d}", f"{at - timedelta(days=1):%Y-%m-%d}")
        ]
        loading = _cpu(lambda: load_whitelist(path))
        alike = _cpu(lambda: between(Side(before.entries), Side(after.entries))) / loading
        apart = _cpu(lambda: between(Side(first.entries), Side(newest.entries))) / loading
        crowded = {change: _crowd(MANY, changed) / _crowd(FEW, changed) for change, changed in CROWDS.items()}
        return [
            (f"CPU of comparing {len(before.entries)} rows a day apart / loading one list", alike, 3),
            ("the same, 1,000 days apart", apart, 3),
            (f"MB of the history of {DAYS} lists ({len(table)} contents)", size, 60),
            ("CPU of adding a day to it, its list loaded too / loading that list", adding / load, 2),
            ("seconds on the clock for a span of 1,000 days or of one, the slower", max(spans), 2),
            *(
                (f"CPU of {MANY} certificates of one domain, {change} / of {FEW}", ratio, 12)
                for change, ratio in crowded.items()
            ),
        ]


def _crowd(number: int, changed: Callable[[int], Row]) -> float:
    """Return the CPU of comparing a domain of so many certificates with what became of it."""
    before, after = (
        Side(_list([make(place) for place in range(number)], START).entries)
        for make in (_certificate, changed)
    )
    return _cpu(lambda: between(before, after))


def _certificate(place: int, name: str = "mss", owner: str = "1759900001", phone: int = 1) -> Row:
    dn = f"CN={name}-{place}.alpha.example,OU={owner},O=CH {owner},ST=Paris (75),C=FR"
    contacts = (f"01 99 00 {phone // 100:02} {phone % 100:02}, {who}@alpha.example" for who in ("p", "s"))
    return ("ch-alpha.mssante.fr", "CH Alpha", dn, *contacts, "2025-12-01T10:00:00Z")


MANY, FEW = 8000, 1000
CROWDS: dict[str, Callable[[int], Row]] = {
    "moved to another operator": lambda place: _certificate(place, owner="1679900001"),
    "each replaced": lambda place: _certificate(place, name="mx"),
    "each with another contact": lambda place: _certificate(place, phone=2 + place),
}
"""What becomes of the certificates of a domain."""


def _list(rows: list[Row], at: datetime) -> WhiteList:
    return load_whitelist(b"".join(whitelist_chunks(rows, at)))


def _keep(folder: Path, whitelist: WhiteList, at: datetime, *, whole: bool) -> str:
    name = f"{at:%Y-%m-%dT%H%M%SZ}-{whitelist.sha256[:8]}.xml.gz"
    (folder / name).write_bytes(gzip.compress(whitelist.content()) if whole else b"")
    return name


def _next_day(rows: list[Row], chance: random.Random, at: datetime) -> list[Row]:
    """Change ten rows, take away and add five, re-stamp 300."""
    rows = list(rows)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    for index in chance.sample(range(len(rows)), 300):
        rows[index] = (*rows[index][:5], stamp)
    for index in chance.sample(range(len(rows)), 10):
        phone = f"01 99 00 {chance.randrange(100):02} {chance.randrange(100):02}"
        rows[index] = (*rows[index][:3], f"{phone}, projet@alpha.example", *rows[index][4:])
    for index in sorted(chance.sample(range(len(rows)), 5), reverse=True):
        removed = rows.pop(index)
        label = f"ch-nouveau-{chance.randrange(10**9)}.mssante.fr"
        rows.append((label, f"Messagerie de {label}", *removed[2:]))
    return rows


def _cpu(run: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    return _median(run, prepare, time.process_time)


def _median(
    run: Callable[[], object],
    prepare: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the median seconds of several runs."""
    seconds = []
    for _ in range(RUNS):
        prepare()
        begin = clock()
        run()
        seconds.append(clock() - begin)
    return sorted(seconds)[RUNS // 2]
