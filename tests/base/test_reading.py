"""Files that are no files are refused at once, in one line; others are read up to a bound."""

import time

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import (
    open_regular,
    parse_json,
    parse_toml,
    read_bytes,
    read_parquet,
    read_text,
)


def test_a_file_is_read_up_to_a_bound(tmp_path):
    path, link = tmp_path / "given", tmp_path / "link"
    path.write_bytes(b"0123456789")
    link.symlink_to(path)
    for given in (path, link):
        assert read_bytes(given, 10) == b"0123456789"
        with open_regular(given) as file:
            assert file.read(3) == b"012"
    for bounded, bound in (
        (path, 9),
        (link, 9),
        ("/proc/self/status", 3),
    ):  # which says that it is empty
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
