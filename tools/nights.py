"""Nights made up: an output folder with a run a night, a data folder with an observation a night."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssante_audit.base.state import state_bytes
from mssante_audit.nightly.night import Result, Run, stamp_of

LAST = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
SETTINGS = 'data.folder = "data"\noutput.folder = "out"\nretention.runs = 0\n'


def make_nights(place: Path, nights: int) -> None:
    """Make folders ``data``, without a list, and ``out`` with one letter noted, and their ``audit.toml``."""
    data, output = place / "data", place / "out"
    for folder in (data / "observations", output / "runs", output / "state"):
        folder.mkdir(parents=True)
    audited = Result(step="audit", outcome="done").model_dump_json()
    audit = json.dumps({"results": {"findings": []}, "waived": [], "told": {"unknown": [], "status": []}})
    for night in reversed(range(nights)):
        at = LAST - timedelta(night)
        stamp, run = stamp_of(at), output / "runs" / stamp_of(at)
        line = json.dumps({"format": "mssante-audit dns observation", "at": at.isoformat()})
        (data / "observations" / f"dns-{stamp}.jsonl.gz").write_bytes(gzip.compress(f"{line}\n".encode()))
        (run / "steps").mkdir(parents=True)
        head = Run(stamp=stamp, as_of=at.isoformat(), status="finished", exit_status=0, good=stamp)
        for file in (run / "run.json", output / "state" / "run.json"):
            file.write_bytes(state_bytes(head.version, head.model_dump(exclude={"version"})))
        (run / "steps" / "audit.json").write_text(audited, encoding="utf-8")
        (run / "audit.json").write_text(audit, encoding="utf-8")
    letter = {"sent_on": "2026-01-05", "run": stamp_of(LAST), "told": ["0" * 16]}
    (output / "state" / "letters.json").write_bytes(state_bytes(1, {"letters": {"1759900001": letter}}))
    (place / "audit.toml").write_text(SETTINGS, encoding="utf-8")
