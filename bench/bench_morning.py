"""A night with all its inputs on the real list: fetched, register, DNS, TLS, mailboxes; and its mail.

The list is fetched from a server on loopback. All else is made up after it, so that it is audited as of a day
after that. CPU is measured against `findings all` on the same inputs. When the mail was ready the log tells.
Ten years of nights are there when the mail is made again: runs, trend, log and ledger.
"""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.bench_declarations import register
from bench.bench_night import REAL, spent
from mssante_audit.base.instants import stamp_of, stamped
from mssante_audit.base.state import write_state
from mssante_audit.declarations.register import fields
from mssante_audit.findings import trend
from mssante_audit.findings.ledger import read_ledger, write_ledger
from mssante_audit.nightly.night import Run, read_run, write_run
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.dns import OBSERVATION, build_dns
from tools.sample.mailboxes import build_mailboxes
from tools.sample.make import build
from tools.sample.tls import TLS, build_tls

AS_OF = "2026-03-03T06:00:00Z"
NIGHTS = 3650
SETTINGS = """
[data]
folder = "data"
anchors = ["{anchors}"]
[thresholds]
list_max_age_days = 800
[inputs]
register_max_age_days = 800
tolerated = ["mailboxes"]
[fetch]
enabled = true
url = "{url}"
[retention]
runs = 0
"""
AGAIN = """
import sys, time
from pathlib import Path
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.run import run
config = load_config(Path("audit.toml"))
begin = time.process_time()
night = run(config, as_of=sys.argv[1])
print(time.process_time() - begin)
assert night.resumed
"""


def benches() -> Iterator[tuple[str, float, float]]:
    """Yield what is promised of such a night: name, what was measured, and its upper limit."""
    if not REAL.is_dir():
        print(f"skipped: {REAL} is not there", flush=True)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _make_inputs(folder / "data")
        with _serving(folder) as url:
            (folder / "audit.toml").write_text(SETTINGS.format(anchors=REAL / "igc-sante", url=url))
            night, _ = spent(["run", "--as-of", AS_OF], folder)
        found, _ = spent(["findings", "all", "--data", "data", "--as-of", AS_OF], folder)
        yield "CPU of a night with fetch and all inputs / of `findings all`", night / found, 18
        yield "seconds from the snapshot to the mail", _waited(folder / "output"), 10
        yield f"CPU seconds of mail and metrics after {NIGHTS:,} nights", _after_years(folder), 1


def _make_inputs(data: Path) -> None:
    entries = load_whitelist(_list()).entries
    names = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")
    rows = list(zip(*(entries[name] for name in names), strict=True))
    made = build().operators
    dns = build_dns(rows, made, defects=False, signed=False)
    owners = entries["operator_id"].value_counts().index
    own = tuple(replace(one, id=owner) for one, owner in zip(made, owners, strict=False))
    files = build_mailboxes(entries, own).files()
    files |= {OBSERVATION: dns.observation(), TLS: build_tls(dns, rows).observation()}
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    with (data / "declarations.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(fields()), delimiter=";")
        writer.writeheader()
        writer.writerows(register(rows))


def _list() -> Path:
    return max(REAL.glob("*.xml.gz"))


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve the list as it is published; yield its address."""
    (folder / "served").mkdir()
    (folder / "served" / "list.xml").write_bytes(gzip.decompress(_list().read_bytes()))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder / "served")) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/list.xml"
        finally:
            server.shutdown()


def _waited(output: Path) -> float:
    """Return the seconds from the snapshot, whose folder changed last when it was whole, to the mail."""
    snapshot = next((output / "runs").iterdir()) / "snapshot"
    log = [json.loads(line) for line in (output / "state" / "log.jsonl").read_text().splitlines()]
    (ready,) = (datetime.fromisoformat(one["at"]) for one in log if one["event"] == "mail")
    return ready.timestamp() - snapshot.stat().st_mtime


def _after_years(folder: Path) -> float:
    """Put ten years of nights before the last one, and return the CPU that its end takes."""
    output = folder / "output"
    (last,) = (output / "runs").iterdir()
    head = read_run(last)
    assert head
    state = output / "state"
    log = state / "log.jsonl"
    (point,), told = trend.read_trend(state / trend.FILE), log.read_text()
    points, lines = [asdict(point)], [told]
    for number in range(1, NIGHTS):
        at = stamped(last.name) - timedelta(days=number)
        earlier = output / "runs" / stamp_of(at)
        earlier.mkdir()
        write_run(earlier, Run(stamp=earlier.name, as_of=at.isoformat(), status="finished", exit_status=0))
        points.insert(0, points[-1] | {"at": (at - timedelta(days=365)).astimezone(UTC).isoformat()})
        lines.insert(0, told)
    log.write_text("".join(lines))
    for place in (state, last):
        write_state(place / trend.FILE, trend.VERSION, {"points": points})
        ledger = read_ledger(place)
        for part in ledger.values():
            part["first_seen"] |= {
                f"{key}-{n}": at for key, at in part["first_seen"].items() for n in range(9)
            }
        write_ledger(place, ledger)
    write_run(last, head.model_copy(update={"status": "running"}))
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, AS_OF], cwd=folder, check=True, capture_output=True, text=True
    )
    return float(done.stdout)
