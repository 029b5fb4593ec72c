"""Machines as they are handed out: nothing there yet, no home, a user of no name, nothing to be written."""

import os
import shlex
import shutil
import socket
import subprocess

import pytest
from conftest import CATALOGUE
from loopback import give, serving
from made_nights import signs

from mssante_audit.nightly.doctor import Sign
from mssante_audit.report.results import open_space

HOW = "needs mount namespaces: be root, with `unshare` and `setpriv` (apt-get install util-linux)"
HERE = "/mnt"
"""Where such a user finds the place."""
USER = 10001
"""Of no name, as in a container."""


@pytest.fixture
def locked_in(place):
    """A function that runs a command as in a container: a user of no name, a root that is read-only."""
    tools = shutil.which("unshare") and shutil.which("setpriv")
    if not tools or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.fail(HOW) if os.environ.get("CI") == "true" else pytest.skip(HOW)

    def run(*words: str, writable: tuple[str, ...] = (), **environment: str) -> subprocess.CompletedProcess:
        place.folder.chmod(0o755)
        folders = [place.folder / name for name in writable]
        for folder in folders:
            folder.mkdir(exist_ok=True)
            os.chown(folder, USER, USER)
        # It may pass through the folders of an interpreter that is root's, and write nowhere else.
        right = "--inh-caps=+dac_read_search --ambient-caps=+dac_read_search"
        lines = [
            f"mount --bind {shlex.quote(str(place.folder))} {HERE}",  # pytest's folders are for nobody else
            *(f"mount --bind {HERE}/{folder.name} {HERE}/{folder.name}" for folder in folders),
            "mount -o remount,bind,ro /",
            f"mount -o remount,bind,ro {HERE}",
            f"cd {HERE}",
            f"exec setpriv --reuid={USER} --regid={USER} --clear-groups {right} {shlex.join(words)}",
        ]
        given = {"PATH": os.environ["PATH"], **environment}
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", "\n".join(lines)],
            env=given, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("home", ["", "/root"])
def test_a_night_without_a_home_or_a_name_on_a_root_that_is_read_only(place, settings, locked_in, home):
    space = open_space(data=str(place.folder / "data"), as_of="2026-03-03")
    settings(
        reports={"enabled": True, "names": ["overview"]},
        dossiers={"enabled": True, "operators": [space.entries["operator_id"].iloc[0]]},
    )
    # The data folder's anchors are the catalogue's, not those of the sample that ships.
    writable, given = ("output", "tmp"), {"TMPDIR": f"{HERE}/tmp", "MSSANTE_AUDIT_SAMPLE": str(CATALOGUE)}
    given |= {"HOME": home} if home else {}
    done = locked_in(*place.command("doctor", "--config", "audit.toml"), writable=writable, **given)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "missing" not in done.stdout
    done = locked_in(*place.command("run", "--as-of", "2026-03-03"), writable=writable, **given)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (place.outcomes()["reports"], place.outcomes()["dossiers"]) == ("done", "done")


def test_where_nothing_can_be_written_the_doctor_says_what_and_a_run_is_one_line(place, locked_in):
    done = locked_in(*place.command("doctor", "--config", "audit.toml"))
    assert done.returncode == 1
    told = {line.split(": ")[0] for line in done.stdout.splitlines() if line.startswith("missing")}
    assert told == {"missing  temporary files", "missing  output"}
    done = locked_in(*place.command("run"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "output" in done.stderr


def test_a_home_that_cannot_be_known_is_no_crash(place, settings, locked_in):
    settings(data={"folder": "~/data", "anchors": []})
    done = locked_in(*place.command("doctor", "--config", "audit.toml"))
    assert done.returncode == 1
    assert "missing  settings: " in done.stdout
    assert "~/data: no such data folder" in done.stdout


def test_on_a_runner_that_begins_with_nothing_a_night_is_made(place, settings, authority):
    """As in the recipes: no data, no git, no home; the authority's certificates in a folder."""
    bundle, context = authority
    newest = max((place.folder / "data" / "archive").glob("*.gz"))
    published = newest.read_bytes()
    (place.folder / "igc").mkdir()
    shutil.copy(bundle, place.folder / "igc")
    (place.folder / "data" / "anchors").rename(place.folder / "anchors")
    shutil.rmtree(place.folder / "data")
    bare = dict.fromkeys(("HOME", "USER", "LOGNAME", "GIT_CONFIG_GLOBAL", "MPLCONFIGDIR", "LANG"), "")
    environment = {name: value for name, value in os.environ.items() if name not in bare}
    with serving(give(published), context) as url:
        settings(
            data={"folder": "data", "anchors": ["anchors"]},
            fetch={"enabled": True, "url": url, "ca_bundle": "igc"},
        )
        for words in (("doctor",), ("run", "--as-of", "2026-03-03"), ("doctor", "--health")):
            done = subprocess.run(
                place.command(words[0], "--config", "audit.toml", *words[1:]),
                cwd=place.folder, env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (place.folder / "data" / "archive" / newest.name).read_bytes() == published
    assert place.outcomes()["fetch"] == "done"


# -- proxies ------------------------------------------------------------------------------------------------


def test_the_proxy_before_the_list_is_tried_and_its_password_not_told(place, settings, monkeypatch):
    settings(fetch={"enabled": True, "url": "https://liste.example/list.xml"})
    assert signs(place, "proxy") == []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://zoe:secret@{where}")
        (sign,) = signs(place, "proxy")
        assert (sign.state, sign.found) == ("missing", f"http://•••@{where}: connection refused")
        server.listen()
        assert signs(place, "proxy") == [Sign("ok", "proxy", f"http://•••@{where}")]
        monkeypatch.setenv("NO_PROXY", ".example")
        assert signs(place, "proxy") == []


@pytest.mark.parametrize("address", ["socks5://proxy.example:1080", "ftp://proxy.example"])
def test_a_proxy_of_no_kind_that_can_be_used_is_told(place, settings, monkeypatch, address):
    settings(fetch={"enabled": True})
    monkeypatch.setenv("HTTPS_PROXY", address)
    (sign,) = signs(place, "proxy")
    assert sign.state == "missing"
    assert sign.found == f"{address} is of no kind that can be used"


# -- secrets ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("owner", "mode", "state"),
    [(None, 0o600, "ok"), (None, 0o640, "warn"), (1, 0o440, "ok"), (1, 0o444, "warn")],
)
def test_a_secret_of_roots_for_a_group_is_as_kubernetes_hands_it_over(place, settings, owner, mode, state):
    file = place.folder / "smtp"
    file.write_text("open sesame")
    file.chmod(mode)
    if owner:
        os.chown(file, owner, owner)
    settings(webhook={"url": "https://hook.example/", "token": f"file:{file}"} | {"url": f"file:{file}"})
    found = signs(place, "secret")
    assert {sign.state for sign in found} == {state}
