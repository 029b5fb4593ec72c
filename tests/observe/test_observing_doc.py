"""docs/observing.md says what is so: its lines are the sample's, its options the command's."""

import gzip
import re
from pathlib import Path

from conftest import CATALOGUE
from typer.main import get_command

from mssante_audit.cli.observe import app
from mssante_audit.observe.dns.run import ObserveSettings
from mssante_audit.observe.lines import OUTCOMES, STEPS, Reply

TEXT = (Path(__file__).parents[2] / "docs" / "observing.md").read_text(encoding="utf-8")
OPTIONS = {p.opts[0]: p for p in get_command(app).commands["dns"].params if p.opts[0] != "--data"}  # type: ignore[attr-defined]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    lines = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")
    ][2:]


def test_quoted_lines_are_the_sample_s():
    (file,) = (CATALOGUE / "observations").glob("dns-*.gz")
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    quoted = re.findall(r"```json\n(.*)\n```", TEXT)
    assert len(quoted) == 3
    assert quoted[1] == lines[18]
    assert set(quoted) <= set(lines)


def test_every_option_is_told_with_its_default():
    defaults = {cells[0].strip("`").split()[0]: cells[1].strip("`") for cells in rows("Options")}
    assert defaults.keys() == OPTIONS.keys()
    for name, option in OPTIONS.items():
        if isinstance(option.default, int | float) and not isinstance(option.default, bool):
            assert float(defaults[name]) == option.default
        elif isinstance(option.default, str) and option.default:
            assert defaults[name] == option.default


def test_politeness_is_the_settings_own():
    given = {name: field.default for name, field in ObserveSettings.model_fields.items()}
    assert f"at most {given['per_second']:.0f} queries a second in all" in TEXT
    assert f"{given['per_server_in_flight']} under way to one address" in TEXT
    assert f"after {given['retry_delay']:.0f} and {3 * given['retry_delay']:.0f} seconds" in TEXT


def test_every_field_step_and_outcome_is_told():
    fields = re.findall(r"`(\w+)`", " ".join(cells[0] for cells in rows("The file")))
    assert fields == list(Reply._fields[:-1])
    assert all(f"`{step}`" in TEXT for step in STEPS)
    assert [cells[0].strip("`") for cells in rows("Outcomes")] == list(OUTCOMES)
