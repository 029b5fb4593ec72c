"""What hostile input and a bad disk did to the program once, and do no more: a test each."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from mssante_audit import audits
from mssante_audit.archive.keep import import_lists
from mssante_audit.archive.store import open_archive
from mssante_audit.base.errors import WhiteListError
from mssante_audit.base.resources import resource
from mssante_audit.observe.lines import MAX_PROBLEMS, ObservationError
from mssante_audit.observe.observation import load_observation
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist import load
from mssante_audit.whitelist.load import NAMESPACE, load_whitelist
from mssante_audit.whitelist.reading import FIELDS

AS_OF = "2026-03-03T06:00:00Z"
HEAD = (
    f'<ListeBlancheMSSante xmlns="{NAMESPACE}"><DateDeGeneration>2026-03-02T05:30:00Z</DateDeGeneration>'
    "<ListeDomaines>"
).encode()
EMPTY = "".join(f"<{name}/>" for name in FIELDS)
BLANK = "".join(f"<{name}> </{name}>" for name in FIELDS)


def bomb(row: str, rows: int) -> bytes:
    return gzip.compress(HEAD + row.encode() * rows + b"</ListeDomaines></ListeBlancheMSSante>")


@pytest.mark.parametrize(
    "row",
    ["<Domaine/>", f"<Domaine>{EMPTY}</Domaine>", f"<Domaine>{EMPTY.replace('/>', '> </x>')}</Domaine>"],
)
def test_a_list_of_empty_elements_is_refused_early(row: str) -> None:
    for name in FIELDS:
        row = row.replace(f"<{name}> </x>", f"<{name}> </{name}>")
    with pytest.raises(WhiteListError, match="this is no white list") as caught:
        load_whitelist(bomb(f"<Domaine>{row}</Domaine>", 150_000))
    assert caught.value.readable_rows <= 150_000


def test_an_observation_of_unreadable_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dns.jsonl.gz").write_bytes(gzip.compress(b"\n" * (MAX_PROBLEMS + 2)))
    with pytest.raises(ObservationError, match="no observation"):
        load_observation(tmp_path / "dns.jsonl.gz")


def test_a_list_that_memory_does_not_hold_goes_to_quarantine(tmp_path: Path, monkeypatch) -> None:
    listed = resource("data/sample") / "listeblanchemssante.xml.gz"
    monkeypatch.setattr(load, "entries_frame", lambda _: (_ for _ in ()).throw(MemoryError))
    (record,) = import_lists(open_archive(tmp_path / "archive"), [listed])
    assert (record.outcome, "more memory" in record.message) == ("quarantined", True)


def test_findings_without_end_are_capped_and_told(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "list.xml.gz").write_bytes(bomb("", 0))
    head, *rows = (resource("data/sample") / "declarations.csv").read_bytes().splitlines(keepends=True)
    others = [row.replace(b"valfictif", b"autre-%d" % n) for n in range(30) for row in rows]
    (tmp_path / "declarations.csv").write_bytes(head + b"".join(others))
    monkeypatch.setattr(audits, "MAX_FINDINGS", 5)
    found = audits.audit("declarations", load_space(tmp_path, as_of=AS_OF))
    assert found["rule"].value_counts().max() == 5
    (told,) = found.loc[found["rule"] == "AUDIT_RULE_FAILED", "observed"]
    assert "more than 5 findings of DECL_" in told


CRASH = """
import sys
from mssante_audit.cli import main
from mssante_audit.findings import registry
def crash(*_):
    raise {error}
registry.catalogue = crash
main.main()
"""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("KeyError('zoe.durand@ch-fable.example')", "mssante-audit: KeyError: 'z•••@ch-fable.example' ("),
        ("MemoryError", "mssante-audit: takes more memory than there is."),
        ("RuntimeError('two\\nlines \\x9b1m')", "mssante-audit: RuntimeError: two lines \\u009b1m"),
    ],
)
def test_a_crash_is_one_line_and_status_3(error: str, told: str) -> None:
    words = [sys.executable, "-c", CRASH.format(error=error)]
    done = subprocess.run([*words, "rules"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1
    shown = subprocess.run([*words, "--debug", "rules"], capture_output=True, text=True, check=False)
    assert "Traceback" in shown.stderr
