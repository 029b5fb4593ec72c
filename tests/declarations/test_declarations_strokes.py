"""Struck and referring cells: empty, what they refer to, or unreadable; the same in every field."""

import json

import pytest
from conftest import toml
from test_annexe1 import READ

from mssante_audit.declarations.cells import is_nothing
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import load_declarations

TEXTS = [name for name, field in fields().items() if field.kind not in ("box", "date")]
CELLS = toml("declarations/cells")
STROKES, STRUCK, WORDS = CELLS["strokes"], CELLS["strokes"]["struck"], CELLS["strokes"]["words"]
OF_FORM = ("structure", "representative", "project_manager", "public_project", "domain")
FULL = {name: text for name, text in READ.items() if name.startswith(OF_FORM)} | {"beneficiary_id": ""}


@pytest.fixture
def load(tmp_path):
    def made(*changes, without=()):
        names = [name for name in fields() if name not in without]
        rows = [{n: t for n, t in (dict.fromkeys(names, "") | c).items() if n in names} for c in changes]
        (tmp_path / "r.json").write_text(json.dumps(rows), encoding="utf-8")
        return load_declarations(tmp_path / "r.json")

    return made


def test_what_is_struck_out_is_empty_in_every_field_no_date_and_no_tick(load):
    register = load(*(dict.fromkeys(TEXTS, text) for text in STRUCK), {"domain": "a.mssante.fr"})
    assert (register.declarations.loc[: len(STRUCK) - 1, TEXTS] == "").all(axis=None)
    assert register.problems.empty
    register = load({"date": "néant", "withdrawal": "néant", "delegation": "x", "redirection": "/"})
    (row,) = register.declarations.to_dict("records")
    assert (row["date_text"], row["withdrawal"], row["delegation"]) == ("", False, True)
    assert register.problems["kind"].tolist() == ["box"]


def test_words_that_only_look_so_stay(load):
    names = ("structure_name", "description", "representative_last_name")
    register = load(*(dict.fromkeys(names, text) for text in WORDS))
    assert register.declarations["structure_name"].tolist() == WORDS
    assert register.declarations["description"].tolist() == WORDS
    assert register.problems.empty
    assert not any(map(is_nothing, WORDS))
    assert all(map(is_nothing, STROKES["longer"]))


@pytest.mark.parametrize(
    ("texts", "names"), [(STROKES["above"], [*CELLS["meant"]]), (STROKES["beside"], ["beneficiary_id"])]
)
def test_a_reference_is_what_the_form_has_above_or_opposite(load, texts, names):
    read = load(*(FULL | dict.fromkeys(names, text) for text in texts)).declarations
    for name in names:
        assert dict(zip(texts, read[name], strict=True)) == dict.fromkeys(texts, FULL[CELLS["meant"][name]])


def test_ditto_marks_are_what_form_and_table_have_above_if_that_is_the_same(load):
    name, above = "project_manager_phone", FULL["representative_phone"]
    rows = [FULL | {name: text} for text in (above, '"', "″", "04 65 71 00 99", '"', "idem", "″")]
    register = load(*rows)
    assert register.declarations[name].tolist() == [above, above, above, rows[3][name], "", above, above]
    assert register.problems[["row", "column", "kind"]].to_numpy().tolist() == [[5, name, "refers"]]


@pytest.mark.parametrize("case", CELLS["references"], ids=lambda case: " ".join(case["cells"].values()))
def test_a_reference_is_what_it_means_or_unreadable(load, case):
    register = load(FULL | case["cells"], without=case.get("without", ()))
    (row,) = register.declarations.to_dict("records")
    unread = case.get("unread", [])
    assert {name: row[name] for name in case.get("read", ())} == case.get("read", {})
    assert {name: row[name] for name in unread} == dict.fromkeys(unread, "")
    assert all(register.having(register.declarations, name).empty for name in unread)
    problems = register.problems[register.problems["kind"] != "column-missing"]
    problems = problems[["row", "column", "kind", "value"]].values.tolist()
    assert sorted(problems) == [[1, name, "refers", ""] for name in unread]
