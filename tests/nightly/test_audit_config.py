"""audit.toml: each key documented once, each mistake one line that names file, line, key and the nearest."""

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from mssante_audit.archive.fetch import Settings as FetchSettings
from mssante_audit.base.errors import InputError, OutputError
from mssante_audit.base.settings import Fetch, Observe, Parameters, Thresholds
from mssante_audit.cli.main import app
from mssante_audit.nightly import steps
from mssante_audit.nightly.config import checked, load_config, schema, sections, template, write_template
from mssante_audit.nightly.settings import Config, Deadlines
from mssante_audit.observe.dns.settings import ObserveSettings

SMALLEST = '[data]\nfolder = "data"\n'


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "audit.toml").write_text(text, encoding="utf-8")
        return tmp_path / "audit.toml"

    return write


# -- the schema -------------------------------------------------------------------------------------


def test_the_schema_is_one_that_takes_what_is_right_and_nothing_else():
    assert json.loads(CliRunner().invoke(app, ["schema", "settings"]).stdout) == schema()
    Draft202012Validator.check_schema(schema())
    editor = Draft202012Validator(schema())
    assert editor.is_valid(tomllib.loads(template()))
    for text in ("data = 3", '[data]\nfolder = ""', '[data]\nfolder = "d"\n[observe]\nport = 0', "x = 1"):
        assert not editor.is_valid(tomllib.loads(text)), text


def test_each_key_is_documented_and_has_a_default():
    for name, field in Config.model_fields.items():
        assert field.description.endswith((".", ")")), name
    for name, section in sections().items():
        for key, one in section.model_fields.items():
            assert one.description.endswith((".", ")")), f"{name}.{key}"
            assert not one.is_required() or one.examples, f"{name}.{key}"


def test_defaults_are_those_of_what_is_set():
    fetch, wanted = Fetch(), FetchSettings(Fetch().url)
    assert (fetch.url, fetch.attempts, fetch.attempt_seconds, fetch.max_loss, fetch.ca_bundle) == (
        wanted.url, wanted.attempts, wanted.attempt_seconds, wanted.max_loss, wanted.ca_bundle,
    )  # fmt: skip
    for key, value in Observe().model_dump(exclude={"enabled"}).items():
        assert getattr(ObserveSettings(), key) == value, key


def test_a_notebook_has_the_same_thresholds_and_meanings():
    for name, field in Thresholds.model_fields.items():
        own = Parameters.model_fields[name]
        for told in ("annotation", "default", "title", "description", "metadata"):
            assert getattr(own, told) == getattr(field, told), (name, told)
    for name in ("recover", "any_namespace"):
        told = sections()["data"].model_fields[name].description
        assert Parameters.model_fields[name].description == told


def test_the_steps_have_deadlines():
    assert tuple(Deadlines.model_fields) == (*steps.STEPS, "package")


# -- the commented file -----------------------------------------------------------------------------


def test_init_writes_what_load_reads_with_every_key_and_its_meaning(tmp_path, written):
    short = load_config(written(SMALLEST)).model_dump()  # what it leaves out is the same
    (tmp_path / "audit.toml").unlink()
    write_template(tmp_path / "audit.toml")
    assert load_config(tmp_path / "audit.toml").model_dump() == short
    text = (tmp_path / "audit.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    assert list(values) == list(Config.model_fields)
    assert {name: list(values[name]) for name in sections()} == {
        name: list(section.model_fields) for name, section in sections().items()
    }
    assert json.loads(load_config(tmp_path / "audit.toml").model_dump_json()).keys() == values.keys()
    plain = " ".join(text.replace("#", " ").split())
    for section in sections().values():
        for field in section.model_fields.values():
            assert " ".join(field.description.split()) in plain
    assert max(len(line) for line in text.splitlines() if line.startswith("#")) <= 100


def test_init_never_overwrites(tmp_path):
    (tmp_path / "audit.toml").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        write_template(tmp_path / "audit.toml")
    assert (tmp_path / "audit.toml").read_text() == "mine"
    (tmp_path / "link.toml").symlink_to(tmp_path / "nowhere.toml")
    with pytest.raises(OutputError):
        write_template(tmp_path / "link.toml")
    assert not (tmp_path / "nowhere.toml").exists()


def test_paths_are_seen_from_the_file(written, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    config = load_config(
        written(
            '[data]\nfolder = "in/data"\nanchors = ["a.pem", "/abs/b.pem"]\n[output]\nfolder = "out"\n'
            '[fetch]\nca_bundle = "ca"\n[reports]\nnames = ["overview", "own/mine.ipynb"]\n'
        )
    )
    assert config.data.folder == tmp_path / "in" / "data"
    assert config.data.anchors == (tmp_path / "a.pem", Path("/abs/b.pem"))
    assert config.output.folder == tmp_path / "out"
    assert config.fetch.ca_bundle == tmp_path / "ca"
    assert config.reports.names == ("overview", str(tmp_path / "own" / "mine.ipynb"))


def test_settings_survive_the_way_to_a_step(written):
    text = '[fetch]\nca_bundle = ""\n[mail]\npassword = "file:x"\n[hooks]\nsuccess = [["a", "b c"]]\n'
    job = steps.Job(load_config(written(SMALLEST + text)), Path("run"), "2026-03-03")
    again = steps.HANDED.validate_python(json.loads(steps.HANDED.dump_json(job, exclude_none=True)))
    assert again.config.model_dump() == job.config.model_dump()
    assert job.config.hooks.success == (("a", "b c"),)


def test_parameters_are_those_that_differ_from_a_reports_own(written):
    text = 'contacts = "all"\n[data]\nfolder = "data"\n[thresholds]\nlisting_days = 3\n'
    given = load_config(written(text)).parameters("2026-03-03")
    assert (given["contacts"], given["listing_days"], given["as_of"]) == ("all", 3, "2026-03-03")
    assert "recover" not in given


# -- mistakes ---------------------------------------------------------------------------------------

D = '[data]\nfolder = "d"\n'
MISTAKES = [
    (D + '[fetch]\nurll = "x"', 4, "unknown key 'urll' in [fetch]. Nearest: 'url'"),
    (D + '[fetsh]\nurl = "x"', 3, "unknown key 'fetsh'. Nearest: 'fetch'"),
    ('falder = "d"\n' + D, 1, "unknown key 'falder'. There are: lang, contacts"),
    (D + '\n[observe]\n"Retries" = 3', 5, "unknown key 'Retries' in [observe]. Nearest: 'ret"),
    ('[data]\nFolder = "d"', 2, "unknown key 'Folder' in [data] (and 1 more). Nearest: 'folder'"),
    (D + "[fetch]\nretries = 3", 4, "unknown key 'retries' in [fetch]. It goes into [observe]"),
    ("", None, "lacks data. `mssante-audit init` writes"),
    ('lang = "de"\n' + D, 1, 'lang wants one of "fr", "en", not "de"'),
    (D + '[mail]\nevents = ["sucess"]', 4, 'mail.events wants one of "success", "failure", "new_findings",'),
    ('data = "d"', 1, 'data wants a table, not "d"'),
    ('[data]\nfolder = ""', 2, "data.folder is empty"),
    (D + "[observe]\nport = 70000", 4, "observe.port wants 1 to 65535, not 70000"),
    (D + "[hooks]\nseconds = 0", 4, "hooks.seconds wants more than 0, at most 86400, not 0"),
    (D + "[deadlines]\nsite = inf", 4, "deadlines.site wants more than 0, at most 604800, not"),
    (D + "[inputs]\nmax_loss = nan", 4, "inputs.max_loss wants 0 to 1, not"),
    (D + '[hooks]\nsuccess = ["rm -rf /"]', 4, 'hooks.success wants a list, not "rm -rf /"'),
    (D + '[hooks]\nsuccess = [["a\\u0000b"]]', 4, 'hooks.success: "a\\u0000b" is not of the'),
    (D + '[fetch]\nurl = "ftp://x"', 4, 'fetch.url: "ftp://x" is not of the right form. Where'),
    (D + "[fetch]\nurl = 2026-01-01", 4, 'fetch.url wants a text, not "2026-01-01"'),
    ('[data]\nfolder = "d', None, "is not TOML: Unterminated string"),
]


@pytest.mark.parametrize(("text", "line", "message"), MISTAKES)
def test_a_mistake_is_one_line_with_file_place_and_remedy(written, text, line, message):
    with pytest.raises(InputError) as told:
        load_config(written(text))
    assert told.value.line == line
    said = str(told.value)
    assert "\n" not in said
    place = f", line {line}" if line else ""
    assert re.match(rf"\S+audit\.toml{place}: ", said)
    assert message in said.partition(": ")[2]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file. `mssante-audit init` writes one"),
        ("folder", "cannot be read (it is a folder)"),
        ("pipe", "cannot be read (it is a pipe)"),
        (b"\xff\xfe", "cannot be read (not utf-8). `mssante-audit init` writes one"),
    ],
)
def test_what_is_no_text_file_is_said(tmp_path, content, why):
    file = tmp_path / "audit.toml"
    if content in ("folder", "pipe"):
        {"folder": os.mkdir, "pipe": os.mkfifo}[content](file)
    elif content:
        file.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(why)):
        load_config(file)


def test_keys_of_thousands_of_parts_are_refused_at_once(tmp_path):
    (tmp_path / "audit.toml").write_text("a." * 20_000 + "a = 1")
    with pytest.raises(InputError, match=r"audit\.toml: is nested too deeply$"):
        load_config(tmp_path / "audit.toml")


def test_a_mark_that_editors_leave_at_the_start_is_passed_over(tmp_path):
    (tmp_path / "audit.toml").write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load_config(tmp_path / "audit.toml").data.folder == tmp_path / "data"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    section=st.sampled_from(sorted(sections())),
    values=st.dictionaries(st.text(max_size=10), _VALUES, max_size=3),
)
def test_whatever_a_section_holds_it_is_taken_or_refused_in_one_line(section, values):
    whole = {"data": {"folder": "d"}, section: values}
    refused = ""
    try:
        checked(whole, "", Path("audit.toml"))
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused
