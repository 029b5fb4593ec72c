"""Machines as they are handed out: nothing there yet, no home, a user of no name, nothing to be written."""

import os
import re
import shlex
import shutil

import pytest
from commands import Done, ran
from conftest import CATALOGUE
from loopback import give, serving

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
    if not tools or ran("unshare", "--mount", "true").returncode:
        pytest.fail(HOW) if os.environ.get("CI") == "true" else pytest.skip(HOW)

    def run(*words: str, writable: tuple[str, ...] = (), **environment: str) -> Done:
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
        variables = {"PATH": os.environ["PATH"], **environment}
        return ran("unshare", "--mount", "sh", "-ec", "\n".join(lines), env=variables)

    return run


@pytest.mark.parametrize("home", ["", "/root"])
def test_a_night_without_a_home_or_a_name_on_a_root_that_is_read_only(place, settings, locked_in, home):
    space = open_space(data=str(place.folder / "data"), as_of="2026-03-03")
    dossiers = {"enabled": True, "operators": [space.entries["operator_id"].iloc[0]]}
    settings(reports={"enabled": True, "names": ["overview"]}, dossiers=dossiers)
    # The data folder's anchors are the catalogue's, not those of the sample that ships.
    writable, variables = ("output", "tmp"), {"TMPDIR": f"{HERE}/tmp", "MSSANTE_AUDIT_SAMPLE": str(CATALOGUE)}
    variables |= {"HOME": home} if home else {}
    done = locked_in(*place.command("doctor", "--config", "audit.toml"), writable=writable, **variables)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "missing" not in done.stdout
    done = locked_in(*place.command("run", "--as-of", "2026-03-03"), writable=writable, **variables)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (place.outcomes()["reports"], place.outcomes()["dossiers"]) == ("done", "done")


def test_where_nothing_can_be_written_the_doctor_says_what_and_a_run_is_one_line(place, locked_in):
    done = locked_in(*place.command("doctor", "--config", "audit.toml"))
    assert done.returncode == 1
    missing = {line.split(": ")[0] for line in done.stdout.splitlines() if line.startswith("missing")}
    assert missing == {"missing  temporary files", "missing  output"}
    done = locked_in(*place.command("run"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "output" in done.stderr


def test_a_home_that_cannot_be_known_is_no_crash(place, settings, locked_in):
    settings(data={"folder": "~/data", "anchors": []})
    done = locked_in(*place.command("doctor", "--config", "audit.toml"))
    assert done.returncode == 1
    assert re.search("missing  settings: .*~/data: no such data folder", done.stdout)


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
        fetched = {"enabled": True, "url": url, "ca_bundle": "igc"}
        settings(data={"folder": "data", "anchors": ["anchors"]}, fetch=fetched)
        for words in (("doctor",), ("run", "--as-of", "2026-03-03"), ("doctor", "--health")):
            command = place.command(words[0], "--config", "audit.toml", *words[1:])
            done = ran(*command, cwd=place.folder, env=environment)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (place.folder / "data" / "archive" / newest.name).read_bytes() == published
    assert place.outcomes()["fetch"] == "done"
