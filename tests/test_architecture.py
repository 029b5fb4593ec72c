"""The drawing of docs/architecture.md, the linter's contracts and the folders are one."""

import re
import tomllib
from importlib import import_module
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]


def layers() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    return next(contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")


def test_the_drawing_is_the_contract():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawn = re.findall(r"^    (\w+) --> (\w+)$", text.partition("```mermaid")[2].partition("```")[0], re.M)
    assert drawn == list(pairwise(layers()))
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == layers()
    assert {path.parent.name for path in (ROOT / "mssante_audit").glob("*/__init__.py")} == set(layers())


def test_every_file_that_the_walk_names_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", text)
    assert len(named) > 20
    bases = (ROOT / "mssante_audit", ROOT)
    assert [name for name in named if not any((base / name).exists() for base in bases)] == []


def test_before_a_commit_the_checks_of_lint_are_made():
    lint = re.search(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert lint
    hooks = re.findall(r"^ *entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"), re.M)
    checks = [f"{hook} notebooks/*.ipynb" if "check_notebooks" in hook else hook for hook in hooks]
    assert checks == [line.strip() for line in lint[1].splitlines()]


def test_every_bench_finds_what_it_imports():
    assert all(import_module(f"bench.{file.stem}").benches for file in ROOT.glob("bench/bench_*.py"))
