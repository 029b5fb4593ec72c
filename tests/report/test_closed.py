"""What hostile input and a bad disk did to the program once, and do no more: a test each."""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF
from explored import PACKED, unpacked
from made_up import xml_of
from typer.testing import CliRunner

from mssante_audit import audits
from mssante_audit.archive.store import import_lists, open_archive
from mssante_audit.base.errors import OutputError, WhiteListError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.staging import locked, publish
from mssante_audit.cli.main import app
from mssante_audit.observe.file import MAX_PROBLEMS
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import load_observation
from mssante_audit.site.build import build_site
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist import load
from mssante_audit.whitelist.listxml import FIELDS
from mssante_audit.whitelist.load import NAMESPACE, load_whitelist

HEAD = f'<ListeBlancheMSSante xmlns="{NAMESPACE}"><DateDeGeneration>{AS_OF}</DateDeGeneration><ListeDomaines>'
EMPTY = "".join(f"<{name}/>" for name in FIELDS)


def bomb(row, rows):
    return gzip.compress(f"{HEAD}{row * rows}</ListeDomaines></ListeBlancheMSSante>".encode())


@pytest.mark.parametrize("filled", ["", EMPTY, "".join(f"<{name}> </{name}>" for name in FIELDS)])
def test_a_list_of_empty_elements_is_refused_early(filled):
    row = f"<Domaine>{filled}</Domaine>"
    with pytest.raises(WhiteListError, match="this is no white list") as caught:
        load_whitelist(bomb(f"<Domaine>{row}</Domaine>", 150_000))
    assert caught.value.readable_rows <= 150_000


def test_an_observation_of_unreadable_lines_is_refused(tmp_path):
    (tmp_path / "dns.jsonl.gz").write_bytes(gzip.compress(b"\n" * (MAX_PROBLEMS + 2)))
    with pytest.raises(ObservationError, match=r"dns\.jsonl\.gz: .*no observation"):
        load_observation(tmp_path / "dns.jsonl.gz")


def test_a_list_that_memory_does_not_hold_goes_to_quarantine(tmp_path, monkeypatch):
    listed = CATALOGUE / "listeblanchemssante.xml.gz"
    monkeypatch.setattr(load, "entries_frame", lambda _: (_ for _ in ()).throw(MemoryError))
    (record,) = import_lists(open_archive(tmp_path / "archive"), [listed])
    assert (record.outcome, "more memory" in record.message) == ("quarantined", True)


def test_findings_without_end_are_capped_and_told(tmp_path, monkeypatch):
    (tmp_path / "list.xml.gz").write_bytes(bomb("", 0))
    head, *rows = (CATALOGUE / "declarations.csv").read_bytes().splitlines(keepends=True)
    others = [row.replace(b"valfictif", b"autre-%d" % n) for n in range(30) for row in rows]
    (tmp_path / "declarations.csv").write_bytes(head + b"".join(others))
    monkeypatch.setattr(audits, "MAX_FINDINGS", 5)
    findings = audits.audit("declarations", load_space(tmp_path, as_of=AS_OF))
    assert findings["rule"].value_counts().max() == 5
    (observed,) = findings.loc[findings["rule"] == "AUDIT_RULE_FAILED", "observed"]
    assert "more than 5 findings of DECL_" in observed


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
    ("error", "line"),
    [
        ("KeyError('zoe.durand@ch-fable.example')", "mssante-audit: KeyError: 'z•••@ch-fable.example' ("),
        ("MemoryError", "mssante-audit: takes more memory than there is."),
        ("RuntimeError('two\\nlines \\x9b1m')", "mssante-audit: RuntimeError: two lines \\u009b1m"),
    ],
)
def test_a_crash_is_one_line_and_status_3(error, line):
    words = [sys.executable, "-c", CRASH.format(error=error)]
    done = subprocess.run([*words, "rules"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert done.stderr.startswith(line)
    shown = subprocess.run([*words, "--debug", "rules"], capture_output=True, text=True, check=False)
    assert "Traceback" in shown.stderr


SECRET = re.compile(r"(?i)durand|zoe|zoé|12.?34.?56|\x9b|\u202e")


@pytest.fixture
def naming(tmp_path):
    """A data folder whose list names a person where nobody should be named, and steers terminals."""
    listed = (
        ("ch-a.mssante.fr", "de zoe.durand@ch-fable.example, 06 12 34 56 78 \x85\u202e", "CH FABLE"),
        ("ch-b.mssante.fr", "pour Mme DURAND Zoé", "Dr Zoé DURAND"),
        ("ch-b.mssante.fr", "a \x9b2J", "M. DURAND Zoé 0612345678"),
        ("zoe.durand@ch-c.mssante.fr", "x", "zoe.durand@ch-fable.example"),
    )
    dn = "CN=a.example,OU=10101000{:02},O={},ST=Ain (01),C=FR"
    rows = [{"domain": d, "description": x, "dn": dn.format(n, o)} for n, (d, x, o) in enumerate(listed)]
    (tmp_path / "list.xml").write_bytes(xml_of(*rows))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "findings all --all --format csv", "findings all --all --format json", "findings all --format sarif",
        "domains --format json", "check ch-b.mssante.fr", "check fable",
    ],
)  # fmt: skip
def test_nobody_is_named_where_nobody_should_be(naming, words):
    done = CliRunner().invoke(app, [*words.split(), "--data", str(naming), "--as-of", AS_OF])
    assert done.exit_code in (0, 1, 4), done.output
    assert "ch-b.mssante.fr" in done.output or "fable" in done.output
    assert SECRET.findall(done.output) == []


def test_the_site_names_nobody_either(naming, tmp_path):
    space = load_space(naming, as_of=AS_OF)
    (tmp_path / "site").mkdir()
    findings = audits.audit_all(space)
    build_site(tmp_path / "site", space, findings, waived=audits.waived(space), told=None, points=())
    pages = {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "site").rglob("*.html")}
    explorer = pages.pop("explorer.html")
    texts = [*pages.values(), PACKED.sub("", explorer), json.dumps(unpacked(explorer), ensure_ascii=False)]
    assert "ch-b.mssante.fr" in texts[-1]
    assert [SECRET.findall(text) for text in texts if SECRET.search(text)] == []


def ran(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "mssante_audit", *words], capture_output=True, text=True, check=False, **more
    )


def test_a_device_and_a_pipe_are_written_into_and_a_link_is_not_replaced(tmp_path):
    write_bytes(Path("/dev/null"), b"x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="pipe"):  # which nobody reads: nobody is waited for
        write_bytes(tmp_path / "pipe", b"x")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(tmp_path / "pipe", b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    (tmp_path / "file").write_text("before")
    for name, where in (("link", "file"), ("nowhere", "not-there"), ("null", "/dev/null")):
        (tmp_path / name).symlink_to(where)
    for name in ("link", "nowhere"):
        with pytest.raises(OutputError, match="is a link"):
            write_bytes(tmp_path / name, b"x")
    write_bytes(tmp_path / "null", b"x")
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "file").read_text() == "before"
    assert all((tmp_path / name).is_symlink() for name in ("link", "nowhere", "null"))


def test_standard_output_can_be_named_as_a_file(naming, tmp_path):
    words = ("domains", "--data", str(naming), "--as-of", AS_OF, "--out", "/dev/stdout")
    piped = ran(*words)
    assert piped.stdout.removeprefix("\ufeff").startswith("domain,"), piped.stderr
    with (tmp_path / "o.csv").open("w") as out:
        subprocess.run([sys.executable, "-m", "mssante_audit", *words], stdout=out, check=True)
    assert (tmp_path / "o.csv").read_text() == piped.stdout


def test_what_names_persons_only_its_owner_can_read(naming, tmp_path):
    options, out = ("--data", str(naming), "--as-of", AS_OF), tmp_path / "reports"
    ran("findings", "all", *options, "--contacts", "all", "--out", str(tmp_path / "f.csv"))
    ran("report", "dn_consistency", *options, "-p", "contacts=all", "--out", str(out))
    paths = [tmp_path / "f.csv", out, *out.rglob("*")]
    assert len(paths) > 3
    assert [path for path in paths if path.stat().st_mode & 0o077] == []
    ran("findings", "all", *options, "--out", str(tmp_path / "shared.csv"))
    assert (tmp_path / "shared.csv").stat().st_mode & 0o044


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    out, elsewhere, staging = (tmp_path / name for name in ("out", "elsewhere", "staging"))
    for folder in (out, elsewhere, staging / "failed"):
        folder.mkdir(parents=True)
    (out / "failed").symlink_to(elsewhere)
    (elsewhere / "a.html").write_text("theirs")
    (staging / "failed" / "a.html").write_text("ours")
    with pytest.raises(OutputError, match="is a link"):
        publish(staging, out, [])
    (staging / "failed" / "a.html").unlink()
    with pytest.raises(OutputError, match="is a link"):
        publish(staging, out, [Path("failed", "a.html")])
    assert (elsewhere / "a.html").read_text() == "theirs"


def test_what_a_killed_run_or_somebody_left_stops_no_run(tmp_path):
    (left := tmp_path / ".run-left").mkdir()
    (left / ".kernel-a").write_bytes(b"\xff\xfe\x00")
    (left / ".kernel-b").write_bytes(f"{tempfile.gettempdir()}/mssante-kernel-\0".encode())
    (left / ".kernel-c").mkdir()
    (tmp_path / ".run-file").write_bytes(b"\xff")
    with locked(tmp_path) as staging:
        assert staging.is_dir()
    assert not left.exists()
