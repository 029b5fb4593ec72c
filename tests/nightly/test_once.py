"""A night works each thing out once, whatever number of processes it takes: counted in all of them."""

import json
from collections import Counter
from pathlib import Path
from shutil import copy, copytree

import pytest
from conftest import CATALOGUE
from made_nights import AS_OF, customised

from mssante_audit import AUDITS
from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.keep import import_lists
from mssante_audit.archive.store import open_archive
from mssante_audit.observe.observation import load_observation

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
    counting = customised(tmp_path / "counting", COUNTING.format(log=str(log)))

    def run() -> list[tuple[str, str]]:
        good_night(place, AS_OF, fresh=True, **counting)
        return [(what, Path(on).name) for what, on in map(json.loads, log.read_text().splitlines())]

    return run


def good_night(place, as_of: str, **how) -> None:
    status, _, errors = place.run(as_of, **how)
    assert (status, errors) == (0, "")
    assert set(place.outcomes().values()) <= {"done", "off"}


def whole_data(place) -> str:
    """Put beside the archive all that audits ask for; return the name of its last list."""
    sample, data = CATALOGUE, place.folder / "data"
    copy(sample / "declarations.csv", data)
    copytree(sample / "observations", data / "observations")
    lists = sorted((data / "archive").glob("*.xml.gz"))
    list(import_lists(open_archive(data / "archive", [data / "anchors"]), lists))  # as a fetch leaves it
    return lists[-1].name


def test_a_night_checks_parses_and_audits_once_and_what_it_finds_is_open_in_every_report_of_the_next(
    place, settings, night
):
    current = whole_data(place)
    names = {"enabled": True, "names": ["changes", "declarations", "overview"]}
    settings(reports=names, dossiers={"enabled": True, "jobs": 2})
    calls = Counter(night())
    assert {on: n for (what, on), n in calls.items() if what == "audit"} == dict.fromkeys(AUDITS, 1)
    assert calls["parse", current] == 1
    # A check reads the signed bytes themselves, so that no other rows than theirs are vouched for.
    assert (calls["check", current], calls["parse", "<bytes>"]) == (1, 1)
    lists = {file.name for file in (place.folder / "data" / "archive").glob("*.xml.gz")}
    assert {on for what, on in calls if what == "parse"} == lists | {"<bytes>"}
    assert {on for what, on in calls if what == "check"} == {current}
    reports = {path.stem for path in (place.runs[-1] / "reports").glob("*.html")}
    assert {*names["names"]} <= reports
    assert len([*(place.runs[-1] / "dossiers").glob("*.eml")]) > 10

    assert all('"data": "data"' in scope for scope in place.state("ledger.json"))  # as 0.1 wrote it
    settings(reports=names)
    assert place.play("2026-03-04T06:00:00Z", pages=False)[0] == 0
    files = sorted((place.runs[-1] / "reports").glob("*.results.json"))
    told = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    found = sum(one["counts"]["findings"] for one in told)
    assert found > 200
    # The observation and some dates are a day older, which is all that is new.
    assert sum(one["since_previous"]["open"] for one in told) > 0.97 * found


def test_a_night_that_fetches_and_observes_judges_the_new_list_once_as_it_comes_and_once_as_it_is_kept(
    place, settings, served, night, zone
):
    current = whole_data(place)
    archive = place.folder / "data" / "archive"
    url = served((archive / current).read_bytes())
    (archive / current).unlink()
    before = open_archive(archive)
    bring_up_to_date(before)
    settings(
        inputs={"tolerated": ["dns:future", "dns:absent"]},  # as of then, and observed now
        fetch={"enabled": True, "url": url},
        observe=zone | {"per_server": 100},
    )
    calls = night()
    assert (archive / current).is_file()
    (seen,) = (place.folder / "data" / "observations").glob(f"dns-{place.runs[-1].name}*")
    assert len(load_observation(seen).replies) > 20
    # What came is judged before it is kept, by its bytes and by those that are signed. The history reads the
    # rows of the kept file, and the observation takes them from there; the audit judges that file anew.
    assert Counter(on for what, on in calls if what == "check") == {"<bytes>": 1, current: 1}
    lists = {snapshot.name: 1 for snapshot in before.snapshots[-1:]}  # what changed since
    assert Counter(on for what, on in calls if what == "parse") == {"<bytes>": 3, current: 2, **lists}
