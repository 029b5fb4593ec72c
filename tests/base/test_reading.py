"""Files that are no files are refused at once, in one line; others are read up to a bound."""

import time

import pytest

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import open_regular, parse_json, parse_toml, read_bytes, read_text


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_is_read_up_to_a_bound(linked, tmp_path):
    path = tmp_path / "given"
    path.write_bytes(b"0123456789")
    if linked:
        path = tmp_path / "link"
        path.symlink_to(tmp_path / "given")
    assert read_bytes(path, 10) == b"0123456789"
    with open_regular(path) as file:
        assert file.read(3) == b"012"
    with pytest.raises(InputError, match="is larger than 9 bytes"):
        read_bytes(path, 9)


def test_a_file_without_a_size_is_bounded_too():
    with pytest.raises(InputError, match="is larger than 3 bytes"):
        read_bytes("/proc/self/status", 3)


def test_a_text_is_utf_8_without_its_mark(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf" + "é".encode())
    assert read_text(path) == "é"
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a: cannot be read \(not utf-8\)$"):
        read_text(path)
    path.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(InputError, match=r"a: is larger than 1,048,576 bytes$"):
        read_text(path)


@pytest.mark.parametrize(
    "text",
    ["x=" + "[" * 20_000, "x=" + "{a=" * 20_000, "a." * 200_000 + "a=1", '"a".' * 20_000 + "a=1",
     "[" + "a . " * 9000],
)  # fmt: skip
def test_deep_toml_is_refused_in_no_time(tmp_path, text):
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    start = time.process_time()
    with pytest.raises(InputError, match=r"a\.toml: is (nested too deeply|not TOML: .*)$"):
        parse_toml(read_text(tmp_path / "a.toml"), "a.toml")
    assert time.process_time() - start < 2


def test_toml_may_say_anything_in_texts(tmp_path):
    parts = ("x.y." * 99, "x." * 99, "x.\n" * 99, "x." * 99)
    text = 'a = "{}"\nb = \'{}\'\nc = """{}\\""""\n# {}'.format(*parts)
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    told = parse_toml(read_text(tmp_path / "a.toml"), "a.toml")
    assert {name: len(value) for name, value in told.items()} == {"a": 396, "b": 198, "c": 298}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "not JSON: a number of thousands of digits"),
        (b"\xff", r"cannot be read \(not utf-8\)"),
        ("\n{", r"a.json, line 2: not JSON \(column 2\)"),
    ],
)
def test_json_that_cannot_be_used_is_one_line(content, words):
    with pytest.raises(InputError, match=words) as refused:
        parse_json(content, "a.json")
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("a.json")
