"""The snapshot: the same as what it was made of, whole or refused, no names where shared; docs/data.md."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import jsonschema
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF
from made_up import make_space, xml_of
from pandas.testing import assert_frame_equal
from test_report import CANARY, canary_list
from tlsmade import write_tls
from typer.testing import CliRunner

from mssante_audit import load_space
from mssante_audit.archive.changes import Side
from mssante_audit.archive.events import between, span
from mssante_audit.audits import audit_all, waived
from mssante_audit.audits.certificates import presented
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import resource
from mssante_audit.base.settings import Thresholds
from mssante_audit.base.state import write_state
from mssante_audit.cli.main import app
from mssante_audit.declarations.register import load_declarations
from mssante_audit.declarations.write import template_book, write_register
from mssante_audit.findings.causes import causes
from mssante_audit.findings.frame import IN_FILES
from mssante_audit.findings.places import Place
from mssante_audit.network import methods
from mssante_audit.report.results import provenance
from mssante_audit.snapshot import is_snapshot, make_snapshot
from mssante_audit.snapshot.dictionary import FRAMES, register_schema
from mssante_audit.snapshot.load import FILE, PACKAGE, PRIVATE, VERSION, read_snapshot
from mssante_audit.snapshot.make import bound_to, fresh, naming, unnamed_texts
from mssante_audit.space.story import worded_changes, worded_events
from mssante_audit.verdicts import domains_of
from mssante_audit.verdicts.presented import expiries, revocations, servers_shown
from mssante_audit.whitelist.load import load_whitelist
from tools.data_dictionary import page


@pytest.fixture(scope="module")
def private(space, tmp_path_factory):
    out = tmp_path_factory.mktemp("snapshots") / "whole"
    make_snapshot(space, out, bound="x", data=CATALOGUE)
    return out


@pytest.fixture(scope="module")
def shared(space, tmp_path_factory):
    out = tmp_path_factory.mktemp("snapshots") / "shared"
    make_snapshot(space, out, data=CATALOGUE, shareable=True)
    return out


def test_a_space_from_its_snapshot_is_the_one_it_was_made_of(space, private, tmp_path):
    again = load_space(copytree(private, tmp_path / "s"))
    shutil.rmtree(tmp_path / "s")  # what it has is made of what was loaded, whatever becomes of the folder
    assert_frame_equal(again.entries[list(space.entries.columns)], space.entries)
    assert_frame_equal(audit_all(again), audit_all(space))
    assert_frame_equal(waived(again), waived(space))
    assert_frame_equal(again.changes, space.changes)
    for part in (
        lambda s: s.whitelist.signature, lambda s: s.published, lambda s: (s.as_of, s.thresholds),
        lambda s: len(s.register.declarations),
    ):  # fmt: skip
        assert part(again) == part(space) is not None


def test_what_was_accepted_is_still_that_for_a_report_and_not_fixed(tmp_path):
    space = load_space(resource("data/sample"), as_of=AS_OF)
    make_snapshot(space, tmp_path / "s")
    accepted = provenance(space)["waived"]
    again = load_space(tmp_path / "s")
    audit_all(again)
    assert [finding["rule"] for finding in accepted] == ["CONTACT_PERSONAL"]
    assert provenance(again)["waived"] == accepted


def test_servers_are_judged_by_the_same_certificates_and_lists(space, tmp_path):
    data = shutil.copytree(CATALOGUE, tmp_path / "data")
    write_tls(space, data, ["<b>"])
    before = load_space(data, as_of=AS_OF, anchors=[data / "anchors"])
    make_snapshot(before, tmp_path / "kept", data=data)
    after = load_space(tmp_path / "kept")
    for table in (expiries, revocations, servers_shown):
        assert_frame_equal(table(before), table(after))
    for loaded in (before, after):
        assert {s.chain.state for s in presented(loaded).servers.values() if s.chain} == {"unknown"}


def test_contacts_are_there_for_who_may_read_them(space, private, shared):
    clear = audit_all(load_space(as_of=AS_OF, contacts="all"))
    assert_frame_equal(audit_all(load_space(private, contacts="all")), clear)
    with pytest.raises(InputError, match="holds no contacts"):
        load_space(shared, contacts="all")
    findings = audit_all(load_space(shared))
    assert findings["fingerprint"].tolist() == audit_all(space)["fingerprint"].tolist()
    assert findings["observed"].tolist() == audit_all(replace(space, contacts="none"))["observed"].tolist()


def text_of(file):
    return pd.read_parquet(file).to_csv() if file.suffix == ".parquet" else file.read_text(encoding="utf-8")


def test_only_the_owner_reads_what_names_persons_and_none_of_it_is_shared(space, private, shared):
    assert stat.S_IMODE((private / PRIVATE).stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (private / PRIVATE).iterdir()} == {0o600}
    assert not (shared / PRIVATE).exists()
    emails = {*space.entries["project_email"], *space.entries["support_email"]} - {""}
    assert len(emails) > 2
    for file in (file for folder in (private, shared) for file in folder.glob("*") if file.is_file()):
        text = text_of(file)
        assert not [email for email in emails if email in text], file
        assert not re.search(r"\w@\w[\w.-]*mssante\.fr", text), file  # a domain may name somebody
    named = space.entries.index[space.entries["domain"].str.contains("@")]
    assert len(named)
    assert load_space(private).entries.loc[named, "domain"].equals(space.entries.loc[named, "domain"])
    assert load_space(shared).entries.loc[named, "domain"].str.contains("•••@").all()


def test_texts_are_masked_and_numbers_that_look_like_a_phone_are_not():
    same = {"ou": ["0341234567", ""], "operator_id": ["0341234567", ""], "o": ["CH DU DR SCHWEITZER", ""]}
    about, dn = "Cabinet de zoe.durand@x.example, 06 12 34 56 78", "CN=zoe@x.example,OU=0341234567,O=CH"
    frame = pd.DataFrame({"description": [about, None], "dn": [dn, "CN=x.example"], **same}, dtype="str")
    masked = unnamed_texts(frame)
    assert masked.keys() == {"description", "dn"}
    assert masked["description"][0] == "Cabinet de z•••@x.example, 06 •• •• •• 78"
    assert masked["dn"].tolist() == ["CN=z•••@x.example,OU=0341234567,O=CH", "CN=x.example"]


def test_it_is_kept_while_it_is_bound_to_the_same_and_whole(space, tmp_path):
    data, out = shutil.copytree(CATALOGUE, tmp_path / "data"), tmp_path / "s"
    bound = bound_to(data, {"as_of": AS_OF})
    make_snapshot(space, out, bound=bound)
    assert fresh(out, bound)
    assert not fresh(out, bound_to(data, {"as_of": AS_OF, "concentration_min": 3}))
    assert not fresh(out, bound, shareable=True)
    register = data / "declarations.csv"
    register.write_bytes(register.read_bytes()[:-1])
    assert not fresh(out, bound_to(data, {"as_of": AS_OF}))
    content = bytearray((out / "entries.parquet").read_bytes())
    content[100] ^= 1
    (out / "entries.parquet").write_bytes(content)
    assert not fresh(out, bound)
    make_snapshot(space, out, bound=bound)
    assert fresh(out, bound)
    assert {path.name for path in tmp_path.iterdir()} == {".s.lock", "s", "data"}


def _edited(folder):
    text = (folder / FILE).read_text(encoding="utf-8")
    (folder / FILE).write_text(text.replace('"shareable": false', '"shareable": true'), encoding="utf-8")


def _without_column(folder):
    head, file = read_snapshot(folder).head, folder / "findings.parquet"
    pd.read_parquet(file).drop(columns="fingerprint").to_parquet(file)
    shutil.rmtree(folder / PRIVATE)
    head["files"] = {name: sha for name, sha in head["files"].items() if not name.startswith(PRIVATE)}
    head["files"][file.name] = digest(file.read_bytes())
    write_state(folder / FILE, VERSION, head)


def _of_another(folder):
    other = folder.parent / "other"
    make_snapshot(make_space({}), other)
    (folder / "domains.parquet").write_bytes((other / "findings.parquet").read_bytes())


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            lambda folder: write_state(folder / FILE, 99, read_snapshot(folder).head),
            "is not of version 5, the only one",
        ),
        (_edited, "was changed since it was written"),
        (lambda folder: (folder / FILE).write_text("{", encoding="utf-8"), "cannot be read"),
        (lambda folder: (folder / FILE).unlink(), "no snapshot, or one half written"),
        (lambda folder: (folder / "domains.parquet").unlink(), "is missing in the snapshot"),
        (_without_column, "lacks the column 'fingerprint'"),
        (_of_another, "is not the file that the snapshot was made with"),
    ],
)
def test_what_is_no_whole_snapshot_is_refused_in_a_line(private, tmp_path, harm, words):
    folder = shutil.copytree(private, tmp_path / "s")
    harm(folder)
    with pytest.raises(InputError, match=rf"^[^\n]*({words})[^\n]*Make it again[^\n]*\Z"):
        load_space(folder)


def test_who_may_not_read_it_gets_one_line(private, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(InputError, match="may be read by its owner only"):
        load_space(private)


def test_one_half_written_is_made_again_and_what_is_none_stays(space, private, tmp_path):
    folder = tmp_path / "s"
    shutil.copytree(private, folder)
    (folder / FILE).unlink()
    make_snapshot(space, folder)
    assert len(load_space(folder).entries) == len(space.entries)
    (folder / FILE).unlink()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="holds something else than a snapshot"):
        make_snapshot(space, folder)


def test_other_settings_than_it_was_made_with_are_refused(private):
    with pytest.raises(InputError, match="as_of"):
        load_space(private, as_of="2026-03-04")
    with pytest.raises(InputError, match="anchors"):
        load_space(private, anchors=[CATALOGUE / "anchors"])


def test_a_notebook_has_some_of_the_thresholds_and_hands_over_its_defaults(private, tmp_path):
    folder, limits = shutil.copytree(private, tmp_path / "s"), {"list_max_age_days": 30, "listing_days": 20}
    head = read_snapshot(folder).head
    write_state(folder / FILE, VERSION, head | {"thresholds": head["thresholds"] | limits})
    for name, days in limits.items():
        assert load_space(folder, thresholds=Thresholds(**{name: days})).thresholds == Thresholds(**limits)
        with pytest.raises(InputError, match=r"list_max_age_days=30 .* listing_days=20 .* not as asked"):
            load_space(folder, thresholds=Thresholds(**{name: days + 1}))


def test_the_command_makes_it_and_leaves_what_is_up_to_date(tmp_path):
    out, data = tmp_path / "s", tmp_path / "data"
    data.mkdir()
    (data / "list.xml").write_bytes(xml_of({}))
    arguments = ["snapshot", str(out), "--data", str(data), "--as-of", "2026-03-03"]
    first, again = (CliRunner().invoke(app, arguments) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert is_snapshot(out)
    assert "is up to date" in again.output
    other = CliRunner().invoke(app, ["snapshot", str(tmp_path), "--data", str(data)])
    assert isinstance(other.exception, InputError)


ARROW = {"integer": "int", "number": "double", "boolean": "bool", "datetime": "timestamp", "string": "string"}


def held(content, profile):
    schemas = Path(__file__).parents[1] / "schemas"
    jsonschema.Draft4Validator(json.loads((schemas / profile).read_text("utf-8"))).validate(content)


def test_what_is_handed_on_says_what_its_files_and_columns_are(private, shared):
    package = json.loads((shared / PACKAGE).read_text(encoding="utf-8"))
    held(package, "data-package.json")
    assert {r["path"] for r in package["resources"]} == {file.name for file in shared.glob("*.parquet")}
    assert not (private / PACKAGE).exists()
    for resource_of in package["resources"]:
        file, schema = shared / resource_of["path"], resource_of["schema"]
        held(schema, "table-schema.json")
        fields = {field["name"]: field for field in schema["fields"]}
        columns = pq.read_schema(file)
        assert list(fields) == columns.names
        described = {column.name: column for column in FRAMES[resource_of["name"]][1]()}
        frame = pd.read_parquet(file)
        for name, field in fields.items():
            assert ARROW[field["type"]] in str(columns.field(name).type), (file.name, name)
            assert name not in described or field["description"] == described[name].meaning
            choices = field.get("constraints", {}).get("enum")
            assert choices is None or set(frame[name].dropna()) <= {"", *choices}


def test_a_form_can_check_a_register_by_its_headings(tmp_path):
    schema = register_schema()
    held(schema, "table-schema.json")
    headings = [cell.value for cell in template_book().active[1]]
    assert [field["name"] for field in schema["fields"]] == headings
    held({"name": "x", "resources": [{"name": "x", "path": "x.csv", "schema": schema}]}, "data-package.json")
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    write_register(load_declarations(CATALOGUE / "declarations.csv").declarations.tail(1), tmp_path / "x.csv")
    written = pd.read_csv(tmp_path / "x.csv", dtype="str", keep_default_na=False)
    right = written.rename(columns={field["title"]: field["name"] for field in schema["fields"]})
    for mail, status in (("dsi@ch-x.example", 0), ("no address", 1)):
        filled = right.assign(Date="25/02/2026", **{"Courriel du contact projet (public)": mail})
        filled.to_csv(tmp_path / "x.csv", index=False)
        done = frictionless("x.csv", "--schema", "schema.json", folder=tmp_path)
        assert done.returncode == status, done.stdout


def frictionless(*words, folder):
    """Run ``frictionless validate``, wide enough to tell everything."""
    command = [sys.executable, "-m", "frictionless", "validate", *words]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_frictionless_validates_what_is_handed_on(shared, tmp_path):
    """Both ways: with a file that is not as its schema says, it is not valid."""
    package = json.loads((shared / PACKAGE).read_text(encoding="utf-8"))
    done = frictionless(PACKAGE, folder=shared)
    assert (done.returncode, "INVALID" in done.stdout) == (0, False), done.stdout
    assert done.stdout.count(" VALID ") == len(package["resources"])
    (domains,) = (each for each in package["resources"] if each["name"] == "domains")
    shutil.copy(shared / domains["path"], tmp_path)
    (receives,) = (field for field in domains["schema"]["fields"] if field["name"] == "receives")
    receives["constraints"]["enum"] = ["no"]
    (tmp_path / PACKAGE).write_text(json.dumps(package | {"resources": [domains]}), encoding="utf-8")
    done = frictionless(PACKAGE, folder=tmp_path)
    assert (done.returncode, "INVALID" in done.stdout) == (1, True), done.stdout


ROOT = Path(__file__).parents[2]


def dtype_of(series):
    """Return a dtype as docstrings name it."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordered category" if series.dtype.ordered else "category"
    if series.dtype != "object":
        return str(series.dtype)
    kinds = {type(value) for value in series}
    if kinds != {tuple}:
        return f"object ({', '.join(kind.__name__ for kind in kinds)})"
    (inside,) = {type(part) for value in series for part in value}
    return "object (places)" if inside is Place else f"object (tuple of {inside.__name__})"


def frames_of(space):
    frame = audit_all(space)
    changed = span(space.archive, "2025-09-01", "2026-03-02")
    return {
        "entries": space.entries,
        "problems": load_whitelist(canary_list()[:-200], recover=True).problems,
        "findings": frame,
        "causes": causes(frame, space.audited, space.published, {frame["fingerprint"].iloc[0]: {"dns": 9}}),
        "domains": domains_of(space, frame),
        "mailboxes": space.mailboxes.counts.frame,
        "methods": methods(space.observation, space.audited["domain"]),
        "changes": worded_changes(changed.changes),
        "events": worded_events(changed.events),
        "register": space.register.declarations,
        "history": space.archive.history,
    }


@pytest.fixture(scope="module")
def frames(sample_space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls") / "data"
    copytree(CATALOGUE, folder)
    write_tls(sample_space, folder, ["421 later"])
    return {**frames_of(sample_space), "servers": load_space(folder, as_of=AS_OF).tls.servers}


def test_the_page_is_what_would_be_written():
    assert (ROOT / "docs" / "data.md").read_text(encoding="utf-8") == page(), "run `make dictionary`"


@pytest.mark.parametrize("name", FRAMES)
def test_every_column_is_described_as_it_is_and_none_besides(name, frames):
    frame = frames[name]
    assert len(frame)
    assert [(col.name, col.dtype) for col in FRAMES[name][1]()] == [(c, dtype_of(frame[c])) for c in frame]


def test_every_file_of_a_snapshot_is_described(sample_space, tmp_path):
    make_snapshot(sample_space, tmp_path / "s", shareable=True)
    make_snapshot(sample_space, tmp_path / "own")
    files = {file.stem: pd.read_parquet(file) for file in (tmp_path / "s").glob("*.parquet")}
    assert files.keys() == FRAMES.keys() - {"causes", "events", "history"}
    for name, frame in files.items():
        described = [column.name for column in FRAMES[name][1]()]
        private = tmp_path / "own" / PRIVATE / f"{name}.parquet"
        apart = list(pd.read_parquet(private).columns) if name in ("entries", "register") else []
        apart = [c for c in apart if c not in frame.columns]  # the others are masked where all may read
        more = [column.name for column in IN_FILES] if name == "findings" else []
        assert [c for c in frame.columns if c not in more] == [c for c in described if c not in apart]
        assert set(frame.columns) <= {*described, *more}


@pytest.mark.parametrize("name", ["entries", "register", "history"])
def test_what_is_said_to_name_persons_is_what_lies_apart(name, frames):
    assert [column.name for column in FRAMES[name][1]() if column.personal] == naming(frames[name])


def test_no_column_names_a_person_that_is_not_said_to(tmp_path):
    (tmp_path / "list.xml").write_bytes(canary_list())
    space = load_space(tmp_path / "list.xml", as_of=AS_OF, contacts="all")
    before = space.entries.assign(project_contact="m. canari, canari@ch-alpha.example")
    changed = between(Side(before), Side(space.entries))
    frames = {
        "entries": space.entries,
        "findings": audit_all(space),
        "events": worded_events(changed.events),
        "changes": worded_changes(changed.changes, contacts="all"),
        "domains": domains_of(space, audit_all(space)),
    }
    for name, frame in frames.items():
        naming_some = {c for c in frame.columns if CANARY.search(frame[c].to_csv().encode())}
        assert naming_some <= {column.name for column in FRAMES[name][1]() if column.personal}, name
        assert naming_some or name in ("events", "domains"), name
    hidden = worded_changes(changed.changes)
    assert not CANARY.search(hidden.to_csv().encode())
    assert hidden["before"].nunique() == 1
    assert hidden["after"].nunique() == changed.changes["facts"].map(lambda facts: facts["after"]).nunique()
