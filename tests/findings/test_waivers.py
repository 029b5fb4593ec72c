"""Waivers: what is accepted is told apart until its day has come, and nothing else is."""

from pathlib import Path
from shutil import copytree

import pandas as pd
import pytest
from conftest import CATALOGUE

from mssante_audit.audits import audit_all, waived
from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import resource
from mssante_audit.findings.waivers import load_waivers
from mssante_audit.report.findings import findings_table
from mssante_audit.space.trust import TrustSpace, load_space

AS_OF = "2026-03-03T06:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copytree(CATALOGUE, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def before() -> pd.DataFrame:
    """What is found where nothing is accepted."""
    return audit_all(load_space(as_of=AS_OF, anchors=[CATALOGUE / "anchors"]))


def space_of(folder: Path, text: str, as_of: str = AS_OF) -> TrustSpace:
    (folder / "waivers.toml").write_text(text, encoding="utf-8")
    return load_space(folder, as_of=as_of, anchors=[folder / "anchors"])


def waiver(**fields: str) -> str:
    usual = {"rule": "DN_CONCENTRATION", "reason": "Suivi <b>", "who": "Cellule", "until": "2026-12-31"}
    texts = {name: text if name == "until" else repr(text) for name, text in (usual | fields).items() if text}
    lines = [f"{name} = {text}" for name, text in texts.items()]
    return "[[waiver]]\n" + "\n".join(lines) + "\n"


def test_what_is_accepted_is_shown_apart_and_is_back_when_its_day_is_over(folder, before) -> None:
    (concentration,) = before[before["rule"] == "DN_CONCENTRATION"].itertuples()
    text = "version = 1\n" + waiver(operator=concentration.operator_id)
    space = space_of(folder, text)
    after = audit_all(space)
    assert len(after) == len(before) - 1
    assert after.dtypes.equals(before.dtypes)
    assert "DN_CONCENTRATION" not in set(after["rule"])
    (accepted,) = waived(space).itertuples()
    assert (accepted.rule, accepted.reason) == ("DN_CONCENTRATION", "Suivi <b>")
    assert (accepted.who, accepted.until) == ("Cellule", "2026-12-31")
    for audits, words in (((), "Suivi &lt;b&gt;"), (("dn_consistency",), "Suivi &lt;b&gt;"),
                          (("stale_contacts",), "Aucun constat"),
                          (("stale_contacts", "dn_consistency"), "Suivi")):  # fmt: skip
        assert words in findings_table(waived(space, *audits)).text, "each report shows its own"
    last_day = space_of(folder, text, "2026-12-31T23:00:00Z")
    assert "DN_CONCENTRATION" in set(waived(last_day)["rule"])
    over = space_of(folder, text, "2027-01-01T00:00:00Z")
    assert waived(over).empty
    assert "DN_CONCENTRATION" in set(audit_all(over)["rule"])


@pytest.mark.parametrize(
    "name", ["dn_consistency", "stale_contacts", "declarations", "delegation_vs_redirection"]
)
def test_notebooks_that_leave_findings_out_show_them(name) -> None:
    text = (resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8")
    assert f'ms.open_report(\\n",\n    "    \\"{name}\\"' in text
    assert '"report.accepted()"' in text


def test_another_operator_or_domain_is_not_covered_nor_what_touches_many(folder, before) -> None:
    (domain,) = before.loc[before["rule"] == "DN_CONCENTRATION", "domain"]
    for fields in ({"operator": "1999"}, {"domain": "ailleurs.mssante.fr"}, {"domain": domain}):
        space = space_of(folder, waiver(**fields))
        assert waived(space).empty
        assert "aucun" in findings_table(waived(space)).text.lower()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (waiver(operator="x", rule="NO_SUCH"), "waiver 1 names no rule 'NO_SUCH'"),
        (waiver(operator="x", rule="AUDIT_RULE_FAILED"), "what was not evaluated is unknown"),
        (waiver(), "neither a domain nor an operator"),
        (waiver(operator="x", who=""), "lacks 'who'"),
        (waiver(operator="x", until="'demain'"), "not a date"),
        (waiver(operator="x", until="2026-12-31T10:00:00"), "not a date"),
        (waiver(operator="x", raison="x"), "unknown field 'raison'"),
        ("[other]\na = 1\n", "something else"),
        ("waiver = [1]\n", "something else"),
        ("version = 2\n" + waiver(operator="x"), "is of version 2, and this program knows 1"),
        ("[[waiver]\n", "is not TOML"),
    ],
)
def test_a_file_that_is_not_right(tmp_path, text, why) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why):
        load_waivers(file)
