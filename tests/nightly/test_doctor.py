"""The doctor: what is missing, and what ails the nights; metrics, read by Prometheus's own parser."""

import errno
import json
import os
import re
import socket
import time
from contextlib import chdir, nullcontext
from datetime import UTC, datetime, timedelta
from importlib import metadata
from shutil import copytree

import pytest
from conftest import CATALOGUE, toml
from filelock import FileLock
from made_nights import night, rewrite, signs, state
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError
from mssante_audit.base.inputs import State
from mssante_audit.base.instants import stamp_of
from mssante_audit.base.staging import exclusive
from mssante_audit.cli.main import app
from mssante_audit.nightly import doctor
from mssante_audit.nightly.doctor import Sign, examine
from mssante_audit.nightly.mail import metrics

CASES = toml("nightly/doctor")


def by_name(place) -> dict[str, Sign]:
    return {sign.what: sign for sign in signs(place)}


def variant(name: str) -> bytes:
    return (CATALOGUE / "variants" / f"{name}.xml").read_bytes()


def test_who_reads_french_is_told_in_french(place, settings):
    settings(reports={"region": "Bretagn"}, fetch={"enabled": True})
    (place.folder / "data" / "list.xml").write_bytes(variant("unsigned"))
    french = ["doctor", "--lang", "fr", "--config", str(place.folder / "audit.toml")]
    for words in ((), ("--health",)):
        done = CliRunner().invoke(app, [*french, *words])
        out = done.stdout.translate({0xA0: " "}).replace("data.folder", "")
        assert not {"the", "is", "of", "in", "to", "a run", "no", "free", "none", "was"} & {*out.split()}, out
    shown = CliRunner().invoke(app, french).stdout.translate({0xA0: " "})
    assert "réglages : [reports] aucune région 'Bretagn'. Noms proches : Bretagne\n" in shown
    assert "signature : la liste ne fait pas foi : la liste n’est pas signée. Reprendre la liste\n" in shown


def test_a_machine_that_has_all(place):
    done = CliRunner().invoke(app, ["doctor", "--config", str(place.folder / "audit.toml")])
    assert (done.exit_code, done.stderr) == (0, "")
    assert not place.output.exists()
    shown = [(line[:9].strip(), line[9:].partition(": ")[0]) for line in done.stdout.splitlines()]
    assert {state for state, _ in shown} <= {"ok", "warn"}
    assert {subject for _, subject in shown} >= {
        "python", "packages", "memory", "time zone", "settings", "output", "disk", "white list", "signature"
    }  # fmt: skip
    assert [s for s in signs(place) if s.state != "ok" and not s.remedy] == []


def test_no_run_at_all_is_ill(place) -> None:
    assert told(place) == (1, "ill      last run: there was none. Look at what should start it\n")


def test_packages_that_are_missing_are_named(monkeypatch):
    real = metadata.distributions
    monkeypatch.setattr(metadata, "distributions", lambda name: () if name == "lxml" else real(name=name))
    monkeypatch.setattr(doctor, "lacking", lambda group: ["reportlab"] if group == "pdf" else [])
    named = {sign.what: sign for sign in examine()}
    assert named["packages"] == Sign("missing", "packages", "no lxml", "Install mssante-audit again")
    assert named["forms in PDF"].remedy == 'pip install "mssante-audit[pdf]"'
    assert "reports" not in named


@pytest.mark.parametrize(("zone", "state"), [("XYZ-9", "warn"), ("Europe/Paris", "ok")])
def test_a_time_zone_other_than_that_of_paris_is_said(monkeypatch, zone, state):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert [sign.state for sign in examine() if sign.what == "time zone"] == [state]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_little_memory_and_little_room(place, monkeypatch):
    monkeypatch.setattr(doctor, "MEMORY", 2**60)
    monkeypatch.setattr(doctor, "ROOM", 2**60)
    named = by_name(place)
    assert (named["memory"].state, named["memory"].remedy) == ("warn", "A run wants 1073741824.0 GB")
    assert named["disk"].state == "warn"


def test_what_runs_remember_and_what_cannot_be_looked_at_is_told(after_two, monkeypatch):
    ledger = after_two.output / "state" / "ledger.json"
    ledger.write_bytes(ledger.read_bytes().replace(b"DN_", b"DM_", 1))
    access, opened = os.access, PermissionError(errno.EACCES, "Permission denied", "data")
    monkeypatch.setattr(os, "access", lambda path, mode: "jsonl" not in str(path) and access(path, mode))
    monkeypatch.setattr(doctor, "open_space", lambda **_: (_ for _ in ()).throw(opened))
    lines = {sign.what: f"{sign.state} {sign.found}" for sign in signs(after_two)}
    assert re.fullmatch(r"missing \S+ledger\.json: was changed since .+ or remove it .+", lines["state"])
    assert re.fullmatch(r"missing \S+log\.jsonl cannot be written", lines["output"])
    assert lines["white list"] == "missing data: permission denied"


def test_settings_that_cannot_be_used_and_what_they_name_and_is_not_there(place, settings):
    settings(data={"folder": "nowhere", "anchors": ["none.pem"]}, hooks={"success": [["/nowhere/tell"]]})
    texts = [sign.found for sign in signs(place) if sign.state != "ok"]
    for words in ("nowhere: no such data folder", "none.pem: no such", "/nowhere/tell is no program here"):
        assert any(words in text for text in texts)
    (place.folder / "audit.toml").write_text("nonsense = 1")
    sign = by_name(place)["settings"]
    assert (sign.state, "audit.toml, line 1: unknown key 'nonsense'" in sign.found) == ("missing", True)


@pytest.mark.parametrize(
    ("content", "fetch", "subject", "state", "words"),
    [
        (b"", True, "white list", "warn", "none yet"),
        (b"", False, "white list", "missing", "no "),
        (variant("untrusted"), False, "signature", "warn", "no authority known here vouches"),
        (variant("wrong-purpose"), False, "signature", "warn", "is not meant for this"),
        (variant("unsigned"), False, "signature", "missing", "has no signature"),
        (variant("tampered"), False, "signature", "missing", "signature is wrong"),
        (variant("unsigned").replace(b"Generation>2026", b"Generation>2126"), False, "clock", "missing",
         "the list is of 2126-03-02 05:30 UTC, after now"),
    ],
)  # fmt: skip
def test_what_is_there_of_a_list_is_told(place, settings, content, fetch, subject, state, words):
    for file in (place.folder / "data" / "archive").glob("*.gz"):
        file.unlink()
    if content:
        (place.folder / "data" / "list.xml").write_bytes(content)
    settings(fetch={"enabled": fetch})
    (sign,) = signs(place, subject)
    assert (sign.state, words in sign.found) == (state, True), sign


@pytest.mark.long
@pytest.mark.parametrize(("proxy", "not_for", "state", "words"), CASES["proxies"])
def test_a_proxy_is_tried_and_no_password_told(place, settings, monkeypatch, proxy, not_for, state, words):
    settings(fetch={"enabled": True, "url": "https://liste.example/list.xml"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", proxy.format(where))
        monkeypatch.setenv("NO_PROXY", not_for)
        shown = [(sign.state, sign.found) for sign in signs(place, "proxy")]
    assert shown == ([(state, words.format(where))] if state else [])


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "mode", "state"), [(0, 0o600, "ok"), (0, 0o640, "warn"), (1, 0o440, "ok"), (1, 0o444, "warn")]
)
def test_a_secret_of_roots_for_a_group_is_as_kubernetes_hands_it_over(place, settings, owner, mode, state):
    file = place.folder / "smtp"
    file.write_text("open sesame")
    file.chmod(mode)
    os.chown(file, owner, owner)
    settings(webhook={"url": f"file:{file}", "token": f"file:{file}"})
    assert {sign.state for sign in signs(place, "secret")} == {state}


def test_a_lock_that_is_held_and_a_run_that_failed(place, failed_night):
    copytree(failed_night[0].output, place.output, symlinks=True)
    named = by_name(place)
    assert (named["lock"].found, named["last run"].state) == ("free", "warn")
    assert "UTC, exit status 3" in named["last run"].found
    with FileLock(place.output / ".lock"):
        assert by_name(place)["lock"].state == "warn"
    (place.output / "state" / "run.json").write_text(json.dumps({"version": 0}))
    assert "another version" in by_name(place)["last run"].found


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o606])
@pytest.mark.parametrize("subject", ["settings", "program", "argument", "folder", "above"])
def test_hooks_that_others_can_write_are_told(place, settings, tmp_path, subject, mode):
    folder = tmp_path / "above" / "hooks"
    folder.mkdir(mode=0o755, parents=True)
    program, argument = folder / "tell", folder / "words.txt"
    for file in (program, argument, place.folder / "audit.toml"):
        file.touch()
        file.chmod(0o700)
    place.folder.chmod(0o755)
    settings(hooks={"failure": [[str(program), str(argument), "--now"]]})
    changed = {"settings": place.folder / "audit.toml", "folder": folder, "above": folder.parent}
    changed = {**changed, "program": program, "argument": argument}[subject]
    changed.chmod(mode | 0o110)
    hooks = [(sign.state, sign.found, sign.remedy) for sign in signs(place, "hook")]
    expected = ("warn", f"{changed} can be written by others", f"chmod go-w {changed}")
    assert hooks == ([] if mode == 0o600 else [expected])
    settings()
    assert signs(place, "hook") == []


@pytest.mark.parametrize("way", ["hooks/tell", "folder/tell"])
def test_each_link_on_the_way_to_a_hook_is_looked_at(place, settings, tmp_path, way):
    for name in ("safe", "between", "hooks"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "safe" / "tell").touch(mode=0o700)
    (tmp_path / "between" / "tell").symlink_to("../safe/tell")
    (tmp_path / "between" / "folder").symlink_to("../safe")
    (tmp_path / "hooks" / "tell").symlink_to("../between/tell")
    (tmp_path / "folder").symlink_to("between/folder")
    place.folder.chmod(0o755)
    settings(hooks={"failure": [[str(tmp_path / way)]]})
    assert signs(place, "hook") == []
    (tmp_path / "between").chmod(0o777)
    texts = [sign.found for sign in signs(place, "hook")]
    assert texts[-1].endswith("between can be written by others")


def test_a_hook_in_a_folder_that_may_not_be_entered_is_no_program(place, settings, monkeypatch):
    real = os.stat

    def stat(path, *words, **more):
        if str(path) == "/locked/tell":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *words, **more)

    settings(hooks={"failure": [["/locked/tell"]]})
    monkeypatch.setattr(os, "stat", stat)
    (sign,) = signs(place, "hook")
    assert sign.found == "/locked/tell is no program here"


NOW = datetime.now(UTC)


def told(place, *words: str) -> tuple[int, str]:
    with chdir(place.folder):  # its audit.toml is found without a word
        done = CliRunner().invoke(app, ["doctor", "--health", *words])
    return done.exit_code, done.output


def ago(hours: float) -> str:
    return stamp_of(NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("change", "ill"),
    [
        ({"good": ago(40)}, "last good run"),
        ({"good": ""}, "last good run: there was none"),
        ({"exit_status": 3}, "exit status 3"),
        ({"exit_status": 4}, "exit status 4"),
        ({"stamp": ago(40), "status": "running", "exit_status": None}, "running since"),
        ({"stamp": ago(1), "status": "running", "exit_status": None, "killed": True}, "was killed, it began"),
        ({"status": "abandoned", "exit_status": None}, "abandoned since"),
        ({"stamp": ago(-5)}, "after now"),
        ({"good": ago(-5)}, "last good run: began at .*, after now"),
        ({"stamp": 7}, "cannot be read"),
        ({"stamp": ""}, "cannot be read"),
        ({"steps": [{"step": "hooks", "outcome": "failed", "message": "535 no"}]}, "hooks: 535 no"),
        ({"exit_status": 1}, ""),  # findings are no illness
        ({"stamp": ago(1), "status": "running", "exit_status": None}, ""),  # nor is a run at work
        ({}, ""),
    ],
)
def test_what_is_ill_is_told_and_nothing_else(later, change, ill) -> None:
    killed = change.get("killed")
    rewrite(later.output / "state", **{name: value for name, value in change.items() if name != "killed"})
    with nullcontext() if killed else exclusive(later.output, "at work"):
        status, out = told(later)
    assert status == bool(ill)
    assert [line.startswith("ill ") for line in out.splitlines()].count(True) == status
    assert not ill or re.search(f"^ill  .*{ill}", out, re.MULTILINE)


def test_a_changed_letter_of_the_last_run_is_told_in_one_line_and_stays(later) -> None:
    file, line = later.output / "state" / "run.json", "run.json: was changed since it was written. Remove it"
    changed = file.read_bytes().replace(b'"exit_status": 0', b'"exit_status": 1')
    file.write_bytes(changed)
    status, out = told(later)
    assert (status, out.count("\n"), line in out) == (1, 1, True)
    assert [sign.state for sign in signs(later, "state")] == ["missing"]
    with pytest.raises(InputError, match=re.escape(line)):
        later.play()
    assert file.read_bytes() == changed


def parsed(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {f.name: {tuple(s.labels.values()): s.value for s in f.samples} for f in families}


def test_the_metrics_of_a_night(later) -> None:
    samples = parsed((later.output / "state" / "metrics.prom").read_text(encoding="utf-8"))
    assert samples["mssante_audit_exit_status"] == {(): 0}
    last = "mssante_audit_last_{}_timestamp_seconds"
    (good,), (ended,) = (samples[last.format(event)].values() for event in ("success", "run"))
    assert 0 < ended - good < 3600
    findings = json.loads((later.runs[-1] / "findings.json").read_text(encoding="utf-8"))
    counted = samples["mssante_audit_findings"]
    assert sum(n for (_, s), n in counted.items() if s in ("new", "open")) == len(findings)
    assert set(samples["mssante_audit_step_seconds"]) >= {("audit",), ("site",), ("hooks",)}
    assert samples["mssante_audit_input_ok"]["list", "ok"] == 1


def test_metrics_of_any_night_can_be_parsed() -> None:
    names = 'evil"name\\', "two\nlines"
    inputs = (state("list", "stale"), *(State(name, "ok", 3) for name in names))
    blind = night(*inputs, failed=("audit",))
    samples = parsed(metrics(blind, NOW))
    assert samples["mssante_audit_findings"] == {}
    assert samples["mssante_audit_last_success_timestamp_seconds"] == {(): 0}, "an alert on its age fires"
    blind.good_before = ago(-5)
    assert "last_success_timestamp_seconds 0\n" in metrics(blind, NOW), "nor is one of a wrong clock to come"
    assert samples["mssante_audit_step_failed"]["audit",] == 1
    assert {labels[0] for labels in samples["mssante_audit_input_ok"]} == {"list", *names}
