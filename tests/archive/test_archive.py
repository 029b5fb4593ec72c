"""The archive: what is kept, quarantined, flagged; killed, locked, tampered with; as docs/archive.md says."""

import gzip
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import ran
from conftest import CATALOGUE
from made_lists import START, row, xml
from typer.testing import CliRunner

from mssante_audit.archive.events import span
from mssante_audit.archive.history import VERSION, bring_up_to_date, history_of
from mssante_audit.archive.store import (
    Archive,
    LogLine,
    append,
    import_lists,
    locked,
    open_archive,
    read_log,
    verify,
)
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.state import write_state
from mssante_audit.cli.main import app
from mssante_audit.findings.waivers import load_waivers
from tools.sample.signing import make_chain, sign

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = [row(f"ch-{name}") for name in ("fable", "songe", "mirage", "leurre", "mythe", "conte")]


def fresh(archive: Archive) -> Archive:
    return replace(archive)


def put(archive: Archive, *contents: bytes, now: datetime = NOW) -> list[LogLine]:
    folder = archive.folder.parent / "collected"
    folder.mkdir(exist_ok=True)
    files = []
    for content in contents:
        files.append(folder / f"list-{len(list(folder.iterdir()))}.xml")
        files[-1].write_bytes(content)
    return list(import_lists(archive, files, now=now))


def faults_of(archive: Archive) -> dict[str, str]:
    return {name: fault for name, fault in verify(fresh(archive)) if fault}


def test_a_list_is_there_for_good_before_the_log_says_so(archive, chain, monkeypatch):
    synced, real = [], os.fsync

    def sync(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    put(archive, sign(xml(ROWS), chain))
    folder = str(archive.folder)
    assert (synced[0].startswith(f"{folder}/."), synced[1:3]) == (True, [folder, f"{folder}/log.jsonl"])


def test_original_bytes_are_kept_under_time_and_hash(archive, chain) -> None:
    content = sign(xml(ROWS), chain)
    (record,) = put(archive, content)
    assert (record.outcome, record.rows, record.flags) == ("kept", 6, ())
    assert record.file == f"2026-01-01T053000Z-{record.sha256[:8]}.xml.gz"
    kept = (archive.folder / record.file).read_bytes()
    assert (gzip.decompress(kept), kept[4:8]) == (content, bytes(4)), "no time of packing"
    assert fresh(archive).until(NOW)[-1].name == record.file


def test_same_bytes_twice_are_nothing_new_and_put_a_damaged_file_right(archive, chain) -> None:
    content = sign(xml(ROWS), chain)
    (first,), (second,) = put(archive, content), put(archive, gzip.compress(content))
    assert (second.outcome, second.file, len(fresh(archive).snapshots)) == ("same", first.file, 1)
    assert [r.outcome for r in read_log(archive.folder)] == ["kept", "same"]
    (archive.folder / "log.jsonl").unlink()
    (again,) = put(archive, content)
    assert (again.outcome, again.file) == ("same", first.file), "killed before it could be recorded"
    (archive.folder / first.file).write_bytes(gzip.compress(b"<other/>"))
    with pytest.raises(InputError):
        fresh(archive).load(fresh(archive).snapshots[0])
    (again,) = put(archive, content)
    assert (again.outcome, faults_of(archive)) == ("kept", {})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda signed, bare: signed[:-40], "rows are readable"),
        (lambda signed, bare: bare, "signature is absent"),
        (lambda signed, bare: signed.replace(b"ch-fable", b"ch-sable"), "signature is invalid"),
        (lambda signed, bare: b"<html><body>Maintenance</body></html>", "html|root|namespace|white list"),
        (lambda signed, bare: b"", "empty|no element|not"),
        (lambda signed, bare: sign(bare, make_chain()), "valid-untrusted"),
    ],
)
def test_bad_lists_go_to_quarantine_with_the_reason(archive, chain, spoil, why) -> None:
    (good,) = put(archive, sign(xml(ROWS), chain))
    later = xml(ROWS, START + DAY)
    bad = spoil(sign(later, chain), later)
    (record,) = put(archive, bad)
    assert record.outcome == "quarantined"
    kept = archive.folder / "quarantine" / record.file
    assert gzip.decompress(kept.read_bytes()) == bad
    reason = kept.with_name(f"{kept.name}.reason.txt").read_text(encoding="utf-8")
    assert reason.strip() == record.message
    assert re.search(why, reason)
    assert fresh(archive).until(NOW)[-1].name == good.file, "the last good list stays current"


def test_an_older_a_shrunken_and_a_future_list_are_kept_and_flagged(archive, chain) -> None:
    put(archive, sign(xml(ROWS, START + 2 * DAY), chain))
    few, minutes = ROWS[:5], timedelta(minutes=5)  # a clock a few minutes ahead is no future
    lists = (ROWS, START + DAY), (few, START + 3 * DAY), (few, NOW + 30 * DAY), (few, NOW + minutes)
    records = put(archive, *(sign(xml(*content), chain) for content in lists))
    assert [r.flags for r in records] == [("older",), ("shrunk",), ("future",), ()]
    assert {r.outcome for r in records} == {"kept"}
    _, shrunk, future, skewed = records
    assert "5 rows, 6 in the list before" in shrunk.message
    less, none = archive.folder.parent / "less.xml", archive.folder.parent / "none.xml"
    less.write_bytes(sign(xml(ROWS[:4], START + 4 * DAY), chain))
    failed, allowed = import_lists(archive, [none, less], max_loss=0.5, now=NOW)
    assert (failed.outcome, "no such file" in failed.message) == ("failed", True), "the rest is imported"
    assert allowed.flags == ("older",), "how much may be lost is a parameter"
    assert fresh(archive).until(NOW)[-1].name == skewed.file, "a list of the future is not current yet"
    assert fresh(archive).until(NOW + 31 * DAY)[-1].name == future.file


def test_two_lists_of_one_second(archive, chain) -> None:
    first, second = put(archive, sign(xml(ROWS), chain), sign(xml([*ROWS[:5], row("ch-autre")]), chain))
    assert second.flags == ("same-second",)
    names, opened = sorted((first.file, second.file)), fresh(archive)
    assert [*(s.name for s in opened.snapshots), opened.until(NOW)[-1].name] == [*names, names[-1]]


def test_dates_and_names_find_lists(archive, chain) -> None:
    first, second = put(archive, sign(xml(ROWS), chain), sign(xml(ROWS, START + 2 * DAY), chain))
    opened = fresh(archive)
    for text in ("2026-01-01", "2026-01-02", "2026-01-03T05:00:00Z"):  # a date is its whole day
        assert opened.find(text).name == first.file
    for text in ("2027-01-01", second.file):
        assert opened.find(text).name == second.file
    with pytest.raises(InputError, match=r"no list of 2025-12-31 or before.*2026-01-01"):
        opened.find("2025-12-31")
    with pytest.raises(InputError, match="is not a date"):
        opened.find("hier")


def test_verify_tells_files_deleted_truncated_replaced_and_renamed(archive, chain) -> None:
    lists = [sign(xml(ROWS, START + i * DAY), chain) for i in range(5)]
    paths = [archive.folder / record.file for record in put(archive, *lists)]
    assert faults_of(archive) == {}
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-200])
    paths[2].write_bytes(gzip.compress(lists[0]))
    moved = paths[3].rename(paths[3].with_name(paths[3].name.replace("2026-01-04", "2026-01-14")))
    why = {paths[0]: "gone", paths[1]: "", paths[2]: "other bytes", paths[3]: "gone", moved: "another time"}
    faults = faults_of(archive)
    assert faults.keys() == {path.name for path in why}
    assert all(fault in faults[path.name] for path, fault in why.items())


def test_a_comparison_does_not_believe_the_log(archive, chain) -> None:
    (record,) = put(archive, sign(xml(ROWS), chain))
    forged = sign(xml(ROWS[1:], START + DAY), make_chain())
    file = f"2026-01-02T053000Z-{digest(forged)[:8]}.xml.gz"
    (archive.folder / file).write_bytes(gzip.compress(forged))
    append(archive.folder, replace(record, file=file, sha256=digest(forged)))
    assert span(fresh(archive), "2026-01-01", "2026-01-02").doubts == ((), ("untrusted",))


def test_a_torn_line_of_the_log_harms_no_other(tmp_path) -> None:
    append(tmp_path, LogLine("2026-01-01T00:00:00+00:00", "fetch", "kept", flags=("older",)))
    with (tmp_path / "log.jsonl").open("ab") as log:
        log.write(b'{"at": "2026-01-02T0')
    append(tmp_path, LogLine("2026-01-03T00:00:00+00:00", "fetch", "failed"))
    assert [(r.outcome, r.flags) for r in read_log(tmp_path)] == [("kept", ("older",)), ("failed", ())]


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_a_log_of_another_version_is_refused_and_left_as_it_is(archive, chain, version) -> None:
    put(archive, sign(xml(ROWS), chain))
    log = archive.folder / "log.jsonl"
    record = json.loads(log.read_text()) | {"version": version}
    log.write_text(f"{log.read_text()}{json.dumps(record)}\n")
    before = log.read_bytes()
    with pytest.raises(InputError, match=r"log.jsonl, line 2: written by another version .*Update"):
        put(archive, sign(xml(ROWS, START + DAY), chain))
    assert log.read_bytes() == before
    assert len(fresh(archive).snapshots) == 1, "nothing is kept that cannot be recorded"


def test_a_history_of_another_version_is_refused_and_left_as_it_is(archive, chain) -> None:
    put(archive, sign(xml(ROWS), chain))
    write_state(archive.folder / ".history.json", 99, {"sha256": []})
    before = (archive.folder / "history.parquet").read_bytes()
    for use in (lambda: history_of(fresh(archive)), lambda: put(archive, sign(xml(ROWS[1:]), chain))):
        with pytest.raises(InputError, match=r"history.json: is not of version .* Update"):
            use()
    assert (archive.folder / "history.parquet").read_bytes() == before
    (archive.folder / "history.parquet").unlink()
    os.mkfifo(archive.folder / "history.parquet")
    (archive.folder / ".history.json").unlink()
    with pytest.raises(InputError, match=r"history.parquet: cannot be read \(it is a pipe\)"):
        history_of(fresh(archive))


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from mssante_audit.archive import history, store
import mssante_audit.whitelist.signature, filelock

folder, anchors, file, instant = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), 0
left = None

def hook(event, arguments):
    global left
    if left is not None and any(str(folder) in str(a) for a in arguments):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
while True:
    child = os.fork()
    if not child:
        left = instant
        archive = store.open_archive(folder, [anchors], "liste.fictif.example")
        list(store.import_lists(archive, [file], now=datetime(2026, 3, 1, tzinfo=UTC)))
        left = None
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(instant, status, flush=True)
    sys.stdin.readline()
    if status == 0:
        break
    instant += 1
"""


@pytest.mark.long
def test_a_kill_at_any_instant_leaves_a_usable_archive(archive, chain, tmp_path) -> None:
    """The process is killed before its 1st, 2nd, 3rd… access to a file of the archive, until it survives."""
    (first,) = put(archive, sign(xml(ROWS), chain))
    new = tmp_path / "new.xml"
    new.write_bytes(sign(xml(ROWS[1:], START + DAY), chain))
    command = [sys.executable, "-W", "ignore", "-c", KILLED, archive.folder, archive.anchors[0], new]
    saved = {f.name: f.read_bytes() for f in archive.folder.iterdir() if f.is_file()}
    kills, seen = 0, set()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            _, status = map(int, line.split())
            opened = fresh(archive)
            state = tuple(s.name for s in opened.snapshots)
            assert (first.file in state, faults_of(archive)) == (True, {}), line
            assert len(history_of(opened)) == len(ROWS)
            assert {r.file for r in opened.log} <= set(state), "nothing is recorded that is not kept"
            seen.add(len(state))
            kills += status != 0
            if status:
                for file in archive.folder.iterdir():  # back to the start, but for what a kill leaves about
                    if file.is_file() and file.name not in saved and not file.name.startswith("."):
                        file.unlink()
                for name, bytes_ in saved.items():
                    (archive.folder / name).write_bytes(bytes_)
            process.stdin.write("\n")
            process.stdin.flush()
    assert (kills > 20, seen) == (True, {1, 2}), "killed before and after the list was kept"
    assert [r.outcome for r in read_log(archive.folder)] == ["kept", "kept"]
    assert list(archive.folder.glob(".*.tmp")) == []


def story(chain) -> list[bytes]:
    """Six lists in which rows come, go, come back and are re-stamped."""
    back = [ROWS, ROWS[1:], ROWS[1:], ROWS, [*ROWS, ROWS[0]], ROWS[2:]]
    stamped = [
        [(*r[:5], f"2026-01-0{day}T10:00:00Z") if r == ROWS[3] else r for r in rows]
        for day, rows in enumerate(back, 1)
    ]
    return [sign(xml(rows, START + day * DAY), chain) for day, rows in enumerate(stamped)]


def test_history_is_the_same_in_whatever_order_lists_are_imported(archive, chain) -> None:
    lists = story(chain)
    put(archive, *lists)
    expected = (archive.folder / "history.parquet").read_bytes()
    for seed in range(3):
        shuffled = random.Random(seed).sample(lists, len(lists))
        other = replace(archive, folder=archive.folder.parent / f"other-{seed}")
        for content in shuffled:
            put(other, content)
        assert (other.folder / "history.parquet").read_bytes() == expected
        with locked(other.folder):
            history = bring_up_to_date(fresh(other), rebuild=True)
        assert (other.folder / "history.parquet").read_bytes() == expected
        pd.testing.assert_frame_equal(history, history_of(fresh(archive)))


def test_what_the_history_says(archive, chain) -> None:
    empty = history_of(archive)
    assert (len(empty), empty.dtypes["first_seen"]) == (0, "datetime64[us, UTC]")
    put(archive, *story(chain))
    history = history_of(fresh(archive)).set_index("domain")
    fable = history.loc["ch-fable.mssante.fr"]
    assert (fable["first_seen"], fable["last_seen"], fable["snapshots"]) == (START, START + 4 * DAY, 3)
    assert history.loc["ch-mirage.mssante.fr", "snapshots"] == 6
    leurre = history.loc["ch-leurre.mssante.fr"]
    dates = [f"{leurre[name]:%m-%d}" for name in ("stamp_first", "stamp_last")]
    assert (leurre["snapshots"], dates) == (6, ["01-01", "01-06"]), "a new date is no new content"


def test_the_history_is_read_without_a_thread(archive, chain) -> None:
    """One that still held a Python object when the interpreter ended would abort a run that is over."""
    put(archive, *story(chain))
    done = ran(sys.executable, "-c", THREADS, archive.folder, archive.anchors[0])
    assert done == (0, f"{len(history_of(fresh(archive)))} 0\n", "")


THREADS = """
import os, sys
from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import open_archive

archive, before = open_archive(sys.argv[1], [sys.argv[2]]), len(os.listdir("/proc/self/task"))
print(len(bring_up_to_date(archive)), len(os.listdir("/proc/self/task")) - before)
"""


def test_a_history_that_was_changed_is_not_believed_and_told(archive, chain) -> None:
    records = put(archive, *story(chain))
    good, file = history_of(fresh(archive)), archive.folder / "history.parquet"
    whole = file.read_bytes()
    for broken in (b"", b"PAR1", whole[:-10]):
        file.write_bytes(broken)
        pd.testing.assert_frame_equal(history_of(fresh(archive)), good)
    file.write_bytes(whole)
    assert faults_of(archive) == {}
    for place in range(5, len(whole), len(whole) // 20):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        pd.testing.assert_frame_equal(history_of(fresh(archive)), good)
    assert "archive rebuild" in faults_of(archive)["history.parquet"]
    with locked(archive.folder):
        bring_up_to_date(fresh(archive))
    assert file.read_bytes() == whole
    # One whose hash is right, and that still holds what no list does.
    table = pq.read_table(file)
    pq.write_table(table.set_column(2, "description", pa.array(["other"] * len(table))), file)
    hashed = hashlib.sha256(file.read_bytes()).hexdigest()
    write_state(archive.folder / ".history.json", VERSION, {"sha256": [hashed]})
    assert faults_of(archive)["history.parquet"].startswith("does not hold")
    (archive.folder / records[0].file).unlink()
    history = history_of(fresh(archive))
    assert history["first_seen"].min() == START + DAY, "a list that is gone is no longer counted"


ROOT = Path(__file__).parents[2]


def block(language: str, about: str = "") -> str:
    text = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")
    (fits,) = [code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if about in code]
    return fits


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    bring_up_to_date(open_archive(tmp_path / "archive"))
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path / "archive"


def test_the_history_can_be_asked(here: Path) -> None:
    rows = duckdb.sql(block("sql", "history.parquet")).fetchall()
    assert [str(row[2])[:10] for row in rows] == ["2025-09-01"] * 10
    assert rows[0][3] > 20
    exec(block("python", "history.parquet"), names := {})
    assert 0 < len(names["gone"]) < len(names["history"])
    assert names["came"].sum() == names["history"]["domain"].nunique()
    assert pd.api.types.is_string_dtype(names["history"]["domain"])


def test_the_facts_of_events_can_be_asked(here: Path) -> None:
    words = "changes 2025-09-01 2025-11-03 --archive . --events --format parquet --out events.parquet"
    done = CliRunner().invoke(app, [*words.split(), "--anchors", str(CATALOGUE / "anchors")])
    assert done.exit_code == 0, done.output
    rows = duckdb.sql(block("sql", "events.parquet")).fetchall()
    assert rows == [("GROUPEMENT E-SANTE DE CHEMINSONGE", "MESSAGERIES FICTIVES DE LANDEFACTICE", 4)]


def test_compare(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copytree(here, here.parent / "data" / "archive")
    copytree(CATALOGUE / "anchors", here.parent / "igc-sante")
    monkeypatch.chdir(here.parent)
    exec(block("python", "compare"), names := {})
    assert names["found"].doubts == ((), ())
    assert set(names["found"].events["confidence"]) == {"certain", "likely"}


def test_waiver(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(block("toml"), encoding="utf-8")
    assert load_waivers(file)[0].rule == "DN_CONCENTRATION"
