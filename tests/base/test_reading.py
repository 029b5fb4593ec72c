"""Files read: nothing but files, bounded, never a wait; each refusal is one line that names the file."""

import os
import socket
import time

import pytest

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import open_regular, parse_json, read_bytes, read_text, read_toml


def pipe(path):
    os.mkfifo(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


MADE = {
    "a folder": (lambda path: path.mkdir(), "is a directory"),
    "a pipe": (pipe, "is a pipe"),
    "a socket": (listening, "is a socket"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "nothing": (lambda path: None, "no such file or directory"),
    "a link in a circle": (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", MADE)
def test_what_is_no_file_is_refused_at_once(tmp_path, monkeypatch, kind, linked):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make, words = MADE[kind]
    make(tmp_path / "it")
    path = tmp_path / "it"
    if linked:
        path = tmp_path / "link"
        path.symlink_to("it")
    for read in (open_regular, lambda path: read_bytes(path, 10), read_text, read_toml):
        with pytest.raises(InputError) as refused:
            read(path)
        assert str(refused.value) == f"{path}: cannot be read ({words})"


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf" + "é".encode())
    assert (read_bytes(path, 5), read_text(path)) == (b"\xef\xbb\xbf\xc3\xa9", "é")
    with open_regular(path) as file:
        assert file.read() == path.read_bytes()
    with pytest.raises(InputError, match=r"a: larger than 4 bytes$"):
        read_bytes(path, 4)
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a: cannot be read \(not utf-8\)$"):
        read_text(path)
    path.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(InputError, match=r"a: larger than 1 MB$"):
        read_toml(path)


@pytest.mark.parametrize(
    "text",
    [
        "x=" + "[" * 20_000,
        "x=" + "{a=" * 20_000,
        "a." * 200_000 + "a=1",
        '"a".' * 20_000 + "a=1",
        "[" + "a . " * 9000,
    ],
)
def test_deep_toml_is_refused_in_no_time(tmp_path, text):
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    start = time.process_time()
    with pytest.raises(InputError, match=r"a\.toml: (nested too deeply|is not TOML: .*)$"):
        read_toml(tmp_path / "a.toml")
    assert time.process_time() - start < 2


def test_toml_may_say_anything_in_texts(tmp_path):
    text = (
        'a = "'
        + "x.y." * 99
        + "\"\nb = '"
        + "x." * 99
        + '\'\nc = """'
        + "x.\n" * 99
        + '\\""""\n# '
        + "x." * 99
    )
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    assert {name: len(value) for name, value in read_toml(tmp_path / "a.toml").items()} == {
        "a": 396,
        "b": 198,
        "c": 298,
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "not JSON: Exceeds the limit"),
        (b"\xff", r"cannot be read \(not utf-8\)"),
        ("\n{", "a.json, line 2: not JSON: Expecting property name"),
    ],
)
def test_json_that_cannot_be_used_is_one_line(content, words):
    with pytest.raises(InputError, match=words) as refused:
        parse_json(content, "a.json")
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("a.json")
