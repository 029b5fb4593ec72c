"""Files that are no files are refused at once; others are read up to a bound; an error is one line."""

import pickle
import re
import time

import numpy as np
import pyarrow as pa
import pytest
from conftest import toml
from pyarrow import parquet

from mssante_audit.base import errors
from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import (
    open_regular,
    parse_json,
    parse_toml,
    read_bytes,
    read_parquet,
    read_text,
)
from mssante_audit.report.parameters import check_value
from mssante_audit.values.person import describe_error


def test_a_file_is_read_up_to_a_bound(tmp_path):
    path, link = tmp_path / "given", tmp_path / "link"
    path.write_bytes(b"0123456789")
    link.symlink_to(path)
    for source in (path, link):
        assert read_bytes(source, 10) == b"0123456789"
        with open_regular(source) as file:
            assert file.read(3) == b"012"
    for bounded, bound in ((path, 9), (link, 9), ("/proc/self/status", 3)):  # which says that it is empty
        with pytest.raises(InputError, match=f"is larger than {bound} bytes"):
            read_bytes(bounded, bound)


def test_a_text_is_utf_8_without_its_mark(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf" + "é".encode())
    assert read_text(path) == "é"
    too_large = "is larger than 1,048,576 bytes"
    for content, why in ((b"\xff", r"cannot be read \(not utf-8\)"), (b" " * 1_048_577, too_large)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"a: {why}$"):
            read_text(path)


@pytest.mark.parametrize(
    "text",
    ["x=" + "[" * 20_000, "x=" + "{a=" * 20_000, "a." * 200_000 + "a=1", '"a".' * 20_000 + "a=1",
     "[" + "a . " * 9000],
)  # fmt: skip
def test_deep_toml_is_refused_in_no_time(text):
    start = time.process_time()
    with pytest.raises(InputError, match=r"a\.toml: is (nested too deeply|not TOML: .*)$"):
        parse_toml(text, "a.toml")
    assert time.process_time() - start < 2


def test_toml_may_say_anything_in_texts():
    parts = ("x.y." * 99, "x." * 99, "x.\n" * 99, "x." * 99)
    read = parse_toml('a = "{}"\nb = \'{}\'\nc = """{}\\""""\n# {}'.format(*parts), "a.toml")
    assert {name: len(value) for name, value in read.items()} == {"a": 396, "b": 198, "c": 298}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "nested too deeply"), ("9" * 5000, "not JSON: a number of thousands of digits"),
        (b"\xff", r"cannot be read \(not utf-8\)"), ("\n{", r"a.json, line 2: not JSON \(column 2\)"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_used_is_one_line(content, words):
    with pytest.raises(InputError, match=words) as refused:
        parse_json(content, "a.json")
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("a.json")


@pytest.mark.parametrize(
    ("rows", "text", "words"),
    [
        (10**6, "x" * 10**6, "holds more than 1024 MB of texts"),
        (10**8 + 1, "x", "holds more than 100,000,000 values"),
    ],
)
def test_a_few_kilobytes_of_parquet_do_not_fill_the_memory(tmp_path, rows, text, words):
    same = pa.DictionaryArray.from_arrays(np.zeros(rows, "int8"), [text])
    parquet.write_table(pa.table({"a": same}), tmp_path / "a.parquet", compression="zstd", store_schema=False)
    with pytest.raises(InputError, match=words):
        read_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("kind", "standard"),
    [
        (errors.AuditError, Exception), (errors.InputError, ValueError), (errors.WhiteListError, ValueError),
        (errors.ParameterError, ValueError), (errors.UnknownNameError, LookupError),
        (errors.OutputError, OSError), (errors.ReportError, RuntimeError),
    ],
)  # fmt: skip
def test_is_of_the_family_and_one_line_also_after_pickling(kind, standard):
    assert issubclass(kind, errors.AuditError)
    assert issubclass(kind, standard)
    error = kind("the root is not closed", file="a.xml", line=3, remedy="Use --recover")
    error.readable_rows = 12
    for copy in (error, pickle.loads(pickle.dumps(error))):
        assert str(copy) == "a.xml, line 3: the root is not closed. Use --recover"
        assert (copy.file, copy.line, copy.remedy, copy.readable_rows) == ("a.xml", 3, "Use --recover", 12)


def _rule_of_somebody():
    return {}["MY_RULE"]


def test_an_error_of_a_users_own_tells_type_message_and_place():
    with pytest.raises(KeyError) as caught:
        _rule_of_somebody()
    line = _rule_of_somebody.__code__.co_firstlineno + 1
    assert describe_error(caught.value) == f"KeyError: 'MY_RULE' (test_reading.py, line {line})"


def test_only_contacts_are_masked_in_it():
    error = ValueError("MY_RULE cannot read\nM. DURAND Zoé, 04 65 71 00 01, zoe.durand@x.example in row 3")
    shown = "ValueError: MY_RULE cannot read •••, 04 •• •• •• 01, z•••@x.example in row 3"
    assert describe_error(error) == shown
    assert describe_error(KeyError()) == "KeyError"


def test_a_notebook_shows_of_it_what_is_wrong_and_what_to_do(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell(colors="nocolor")
    try:
        shell.run_cell(
            "from mssante_audit.base.errors import InputError\n"
            "raise InputError('holds no row', file='x.xml', line=3, remedy='Choose another')"
        )
    finally:
        shell.history_manager.end_session()
    shown = capsys.readouterr().out.strip().splitlines()
    assert shown == ["InputError: x.xml, line 3: holds no row", "Choose another"]


@pytest.mark.parametrize("text", toml("base/texts")["no_toml"])
def test_what_is_no_toml_is_said_in_french_too(text):
    with pytest.raises(InputError) as raised:
        parse_toml(text, "a.toml")
    raised.value.language = "fr"
    assert re.fullmatch(r"a\.toml : n’est pas du TOML : .+ \(ligne \d\)", str(raised.value))


@pytest.mark.parametrize(("name", "value", "text"), toml("base/texts")["wanted"])
def test_what_a_value_must_be_is_said_in_french_too(name, value, text):
    with pytest.raises(errors.ParameterError) as raised:
        check_value(name, value)
    raised.value.language = "fr"
    assert str(raised.value) == f"{name} {text}"
