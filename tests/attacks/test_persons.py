"""Persons drawn by seed into every text of a list: no file that a night makes to be shown names one."""

import base64
import random
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import pandas as pd
import pytest
from conftest import toml
from made_up import xml_of

CASES = toml("attacks/persons")
ASKED = ("--data", "data", "--as-of", "2026-03-03")


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file, of what is packed or encoded too."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink() or {"private", "data"} & set(path.parts):
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content = pd.read_parquet(path).astype("str").to_csv().encode()
        elif is_zipfile(BytesIO(content)):
            archive = ZipFile(BytesIO(content))
            content = b"".join(map(archive.read, archive.namelist()))
        yield path.name, (text := content.decode("utf-8", "replace"))
        for inner in re.findall(r"base64,([A-Za-z0-9+/=]{80,})", text):
            yield path.name, base64.b64decode(inner).decode("utf-8", "replace")


@pytest.mark.long
def test_no_file_that_is_shown_names_anybody(tmp_path, monkeypatch, run):
    drawn, names, numbers, rows = random.Random(28), [], [], []

    def person(form: str) -> str:
        first, last = ("zq" + "".join(drawn.choices("aeiou", k=5)) + "fictif" for _ in range(2))
        phone = f"06399{drawn.randrange(10**5):05}"
        names.extend((first, last))
        numbers.append(phone)
        spaced = drawn.choice(" .-/\xa0").join(phone[at : at + 2] for at in range(0, 10, 2))
        return form.format(first=first.title(), last=last.title(), LAST=last.upper(), phone=spaced)

    for number, form in enumerate(CASES["forms"] * 3):
        contact = f"{person('{LAST} {first}, {phone}')}, {person('{last}')}@ch-fable.example"
        shown, place = person(form), number // len(CASES["forms"])
        named = f"CH FABLE {shown.replace(',', '')}"
        operator = named if place == 2 else "CH FABLE"
        rows.append({
            "domain": shown if place == 0 else f"ch-{number}.mssante.fr",
            "description": named if place == 1 else "CH FABLE",
            "dn": f"C=FR,ST=Ain (01),O={operator},OU=10101000{number % 4:02},CN=a{number}.ch-fable.example",
            "project_contact": contact, "support_contact": contact,
        })  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/list.xml").write_bytes(xml_of(*rows))
    Path("audit.toml").write_text(CASES["settings"], encoding="utf-8")
    for command in CASES["made"]:
        done = run(*command.split(), *(ASKED if not command.startswith("run") else ()))
        assert done.returncode in (0, 1), (command, done.stderr)
        Path(f"{len(command)}.out").write_text(done.stdout + done.stderr, encoding="utf-8")
    person_named, leaks = re.compile("|".join(names), re.IGNORECASE), set()
    for name, text in texts(tmp_path):
        leaks |= {(name, match) for match in person_named.findall(text)}
        dialled = {re.sub(r"\D", "", run) for run in re.findall(r"0(?:[\s./-]?\d){9}", text)}
        leaks |= {(name, number) for number in dialled & set(numbers)}
    assert sorted(leaks) == []
