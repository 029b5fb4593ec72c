"""audit.toml: each key documented once, each mistake one line that names file, line, key and the nearest."""

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from conftest import toml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from mssante_audit.archive.fetch import Settings as FetchSettings
from mssante_audit.base.errors import InputError, OutputError
from mssante_audit.base.settings import Fetch, Observe
from mssante_audit.cli.main import app
from mssante_audit.nightly.config import (
    Config,
    checked,
    load_config,
    schema,
    sections,
    template,
    write_template,
)
from mssante_audit.nightly.night import Night
from mssante_audit.nightly.supervise import NIGHT, request_of
from mssante_audit.observe.dns.settings import ObserveSettings

CASES = toml("nightly/settings")
SMALLEST = '[data]\nfolder = "data"\n'


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "audit.toml").write_text(text, encoding="utf-8")
        return tmp_path / "audit.toml"

    return write


def test_the_schema_is_one_that_takes_what_is_right_and_nothing_else():
    assert json.loads(CliRunner().invoke(app, ["schema", "settings"]).stdout) == schema()
    Draft202012Validator.check_schema(schema())
    editor = Draft202012Validator(schema())
    assert editor.is_valid(tomllib.loads(template()))
    for text in ("data = 3", '[data]\nfolder = ""', '[data]\nfolder = "d"\n[observe]\nport = 0', "x = 1"):
        assert not editor.is_valid(tomllib.loads(text)), text


def test_defaults_are_those_of_what_is_set():
    for section, used in ((Fetch(), FetchSettings(Fetch().url)), (Observe(), ObserveSettings())):
        for key, value in section.model_dump(exclude={"enabled"}).items():
            assert getattr(used, key) == value, key


def test_init_writes_what_load_reads_with_every_key_and_its_meaning(tmp_path, written):
    short = load_config(written(SMALLEST)).model_dump()  # what it leaves out is the same
    (tmp_path / "audit.toml").unlink()
    write_template(tmp_path / "audit.toml")
    assert load_config(tmp_path / "audit.toml").model_dump() == short
    text = (tmp_path / "audit.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    assert list(values) == list(Config.model_fields)
    for name, section in sections().items():
        assert list(values[name]) == list(section.model_fields)
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
    mark = "\ufeff"  # that editors leave at the start is passed over
    text = (
        f'{mark}[data]\nfolder = "in/data"\nanchors = ["a.pem", "/abs/b.pem"]\n[output]\nfolder = "out"\n'
        '[fetch]\nca_bundle = "ca"\n[reports]\nnames = ["overview", "own/mine.ipynb"]\n'
    )
    config = load_config(written(text))
    paths = (config.data.folder, *config.data.anchors, config.output.folder, config.fetch.ca_bundle)
    assert paths == tuple(tmp_path / name for name in ("in/data", "a.pem", "/abs/b.pem", "out", "ca"))
    assert config.reports.names == ("overview", str(tmp_path / "own" / "mine.ipynb"))


def test_settings_survive_the_way_to_a_step(written):
    text = '[fetch]\nca_bundle = ""\n[mail]\npassword = "file:x"\n[hooks]\nsuccess = [["a", "b c"]]\n'
    night = Night(load_config(written(SMALLEST + text)), Path("run"), "2026-03-03")
    again = NIGHT.validate_python(json.loads(request_of(night)))
    assert again.config.model_dump() == night.config.model_dump()
    assert night.config.hooks.success == (("a", "b c"),)


@pytest.mark.parametrize(("text", "line", "message"), CASES["mistakes"])
def test_a_mistake_is_one_line_with_file_place_and_remedy(written, text, line, message):
    with pytest.raises(InputError) as raised:
        load_config(written('[data]\nfolder = "d"' + text if text.startswith("\n") else text))
    assert raised.value.line == (line or None)
    place = f", line {line}" if line else ""
    assert re.fullmatch(rf"\S+audit\.toml{place}: .*", str(raised.value))
    assert message in str(raised.value)


@pytest.mark.parametrize(("section", "line"), CASES["secrets"])
def test_a_secret_written_into_the_settings_is_refused_and_not_shown(written, section, line):
    with pytest.raises(InputError) as raised:
        load_config(written(f"{SMALLEST}[{section}]\n{line}\n"))
    assert (raised.value.line, "SECRET" in str(raised.value)) == (4, False)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file. `mssante-audit init` writes one"),
        ("folder", "cannot be read (it is a folder)"),
        ("pipe", "cannot be read (it is a pipe)"),
        (b"\xff\xfe", "cannot be read (not utf-8). `mssante-audit init` writes one"),
        (b"a." * 20_000 + b"a = 1", "audit.toml: is nested too deeply"),
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
