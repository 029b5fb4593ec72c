"""A night works each thing out once, whatever number of processes it takes: counted in all of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from shutil import copy, copytree

import pytest

from mssante_audit import AUDITS
from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import open_archive
from mssante_audit.base.resources import resource

AS_OF = "2026-03-03T06:00:00Z"

COUNTING = """
import json
from mssante_audit import audits
from mssante_audit.whitelist import load, signature


def counted(module, name, what):
    plain = getattr(module, name)

    def call(*args, **named):
        on = named.get("source") or getattr(args[0], "source", args[0])
        with open({log!r}, "a") as out:
            out.write(json.dumps([what, on]) + "\\n")
        return plain(*args, **named)

    setattr(module, name, call)


counted(load, "read_list", "parse")
counted(signature, "verify_signature", "check")
counted(audits, "findings_of", "audit")
"""
"""Run at the start of every interpreter: the run's (its steps and workers are forks) and each kernel's."""


@pytest.fixture
def night(place, settings, tmp_path):
    """A function that does a night, and returns what was called in it: what, and on what."""
    log = tmp_path / "calls"
    (tmp_path / "counting").mkdir()
    (tmp_path / "counting" / "sitecustomize.py").write_text(COUNTING.format(log=str(log)))
    path = os.pathsep.join(filter(None, [str(tmp_path / "counting"), os.environ.get("PYTHONPATH", "")]))

    def run(as_of: str = AS_OF) -> list[tuple[str, str]]:
        log.write_text("")
        status, _, errors = place.run(as_of, fresh=True, PYTHONPATH=path)
        assert (status, errors) == (0, "")
        assert set(place.outcomes().values()) <= {"done", "off"}
        return [(what, Path(on).name) for what, on in map(json.loads, log.read_text().splitlines())]

    return run


def whole_data(place) -> str:
    """Put beside the archive all that audits ask for; return the name of its last list."""
    sample, data = resource("data/sample"), place.folder / "data"
    copy(sample / "declarations.csv", data)
    copytree(sample / "observations", data / "observations")
    bring_up_to_date(open_archive(data / "archive", [data / "anchors"]))  # as fetch and import leave it
    return max(file.name for file in (data / "archive").glob("*.xml.gz"))


def test_a_night_checks_parses_and_audits_once(place, settings, night):
    current = whole_data(place)
    settings(reports={"enabled": True}, dossiers={"enabled": True, "jobs": 2})
    calls = Counter(night())
    assert {on: n for (what, on), n in calls.items() if what == "audit"} == dict.fromkeys(AUDITS, 1)
    assert calls["parse", current] == 1
    # A check reads the signed bytes themselves, so that no other rows than theirs are vouched for.
    assert (calls["check", current], calls["parse", "<bytes>"]) == (1, 1)
    lists = {file.name for file in (place.folder / "data" / "archive").glob("*.xml.gz")}
    assert {on for what, on in calls if what == "parse"} == lists | {"<bytes>"}
    assert {on for what, on in calls if what == "check"} == {current}
    reports = {path.stem for path in (place.runs[-1] / "reports").glob("*.html")}
    assert {"changes", "declarations", "delegation_vs_redirection", "overview"} <= reports
    assert len([*(place.runs[-1] / "dossiers").glob("*.eml")]) > 10


def test_what_is_found_again_the_next_night_is_open_in_every_report(place, settings, night):
    whole_data(place)
    settings(reports={"enabled": True})
    night()
    assert all('"data": "data"' in scope for scope in place.state("ledger.json"))  # as 0.1 wrote it
    night("2026-03-04T06:00:00Z")
    files = sorted((place.runs[-1] / "reports").glob("*.results.json"))
    told = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    found = sum(one["counts"]["findings"] for one in told)
    assert found > 200
    # The observation and some dates are a day older, which is all that is new.
    assert sum(one["since_previous"]["open"] for one in told) > 0.97 * found
