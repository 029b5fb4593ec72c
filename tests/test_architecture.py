"""The drawing of docs/architecture.md, the linter's contracts and the folders are one."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]


def layers() -> list[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    return next(contract["layers"] for contract in contracts if contract["type"] == "layers")


def test_the_drawing_is_the_contract() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = [layer.strip("()") for layer in layers()]
    drawn = re.findall(r"^    (\w+) --> (\w+)$", text.partition("```mermaid")[2].partition("```")[0], re.M)
    assert drawn == list(pairwise(rooms))
    told = re.findall(r"^\| `(\w+)` \| (to come)?", text, re.M)
    assert told == [(layer.strip("()"), "to come" if "(" in layer else "") for layer in layers()]


def test_every_file_that_the_walk_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)
    assert len(named) > 20
    assert [
        name for name in named if not any((base / name).exists() for base in (ROOT / "mssante_audit", ROOT))
    ] == []


def test_before_a_commit_the_checks_of_lint_are_made() -> None:
    lint = re.search(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert lint
    hooks = re.findall(r"^ *entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"), re.M)
    expanded = "python tools/check_notebooks.py notebooks/*.ipynb"
    made = [f".venv-dev/bin/{expanded}" if "check_notebooks" in hook else hook for hook in hooks]
    assert made == [line.strip() for line in lint[1].splitlines()]


def test_the_package_does_without_the_generator() -> None:
    package = (ROOT / "mssante_audit").rglob("*.py")
    assert [
        file.name for file in package if re.search(r"^\s*(from|import) tools", file.read_text("utf-8"), re.M)
    ] == []
