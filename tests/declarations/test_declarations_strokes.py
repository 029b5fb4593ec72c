"""Struck and referring cells: empty, what they refer to, or unreadable; the same in every field."""

import json
import tomllib
from pathlib import Path

import pytest
from test_annexe1 import READ

from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.references import is_nothing
from mssante_audit.declarations.register import load_declarations

TEXTS = [name for name, field in fields().items() if field.kind not in ("box", "date")]
STROKES = tomllib.loads(Path(__file__).with_name("cells.toml").read_text(encoding="utf-8"))["strokes"]
STRUCK, WORDS, OTHER = STROKES["struck"], STROKES["words"], STROKES["other"]
OF_FORM = ("structure", "representative", "project_manager", "public_project", "domain")
FULL = {name: text for name, text in READ.items() if name.startswith(OF_FORM)} | {"beneficiary_id": ""}


@pytest.fixture
def load(tmp_path):
    """Return a function that loads records, each over nothing."""

    def made(*changes, without=()):
        names = [name for name in fields() if name not in without]
        rows = [{n: t for n, t in (dict.fromkeys(names, "") | c).items() if n in names} for c in changes]
        (tmp_path / "r.json").write_text(json.dumps(rows), encoding="utf-8")
        return load_declarations(tmp_path / "r.json")

    return made


def unread(register):
    found = register.problems[register.problems["kind"] == "refers"]
    return sorted(zip(found["row"], found["column"], strict=True))


def test_what_is_struck_out_is_empty_in_every_field(load):
    register = load(*(dict.fromkeys(TEXTS, text) for text in STRUCK), {"domain": "a.mssante.fr"})
    assert (register.declarations.loc[: len(STRUCK) - 1, TEXTS] == "").all(axis=None)
    assert register.problems.empty


def test_a_stroke_is_no_date_and_no_tick_and_a_cross_is_one(load):
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
    names = {"domain": "voir-loin.mssante.fr", "public_project_email": "idem@ch-alpha.example"}
    (row,) = load(names).declarations[list(names)].to_dict("records")
    assert row == names


def test_fields_other_than_texts_say_so_at_more_length(load):
    struck = {"mail_server": "pas de serveur", "technical_manager_email": "Pas d’adresse"}
    struck["contract_number"] = "xxx"
    (row,) = load(struck).declarations[list(struck)].to_dict("records")
    assert set(row.values()) == {""}
    for text in ("Sans objet (IGC Santé)", "non utilisé", "N.C.", "Ø", "aucun(e)", "(néant)"):
        assert is_nothing(text), text


MEANT = {
    "beneficiary_id": "structure_id", "project_manager_phone": "representative_phone",
    "public_technical_phone": "public_project_phone", "public_technical_email": "public_project_email",
}  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "names"), [(STROKES["above"], [*MEANT]), (STROKES["beside"], ["beneficiary_id"])]
)
def test_a_reference_is_what_the_form_has_above_or_opposite(load, texts, names):
    read = load(*(FULL | dict.fromkeys(names, text) for text in texts)).declarations
    for name in names:
        assert dict(zip(texts, read[name], strict=True)) == dict.fromkeys(texts, FULL[MEANT[name]])


def test_the_same_person_or_house_is_nobody_where_the_form_wants_only_another(load):
    part = {f"technical_manager_{kind}": "idem" for kind in ("last_name", "first_name", "phone", "email")}
    register = load(
        FULL | part | {"connector_vendor": "idem"},
        FULL | part | {"technical_manager_last_name": "AUTRE", "technical_manager_first_name": "Luc"},
        FULL | {"technical_manager_last_name": "même que le chef de projet"},
    )
    first, second, third = register.declarations.to_dict("records")
    assert [first[name] for name in (*part, "connector_vendor")] == [""] * 5
    assert second["technical_manager_phone"] == FULL["project_manager_phone"]
    assert third["technical_manager_last_name"] == ""
    assert register.problems.empty


def test_a_reference_names_whom_it_means(load):
    changes = dict.fromkeys(("signatory_last_name", "signatory_first_name"), "idem représentant légal")
    changes["public_project_phone"] = "même que le chef de projet"
    (row,) = load(FULL | changes).declarations.to_dict("records")
    assert (row["signatory_last_name"], row["signatory_first_name"]) == ("FICTIVE", "Zoé")
    assert row["public_project_phone"] == FULL["project_manager_phone"]


def test_any_other_reference_is_unreadable(load):
    register = load(*(FULL | {name: text} for name, text in OTHER))
    assert unread(register) == [(row, name) for row, (name, _) in enumerate(OTHER, 1)]
    for row, (name, _) in enumerate(OTHER, 1):
        assert register.declarations[name].tolist()[row - 1] == ""
        assert row not in register.having(register.declarations, name)["row"].tolist()
    assert set(register.problems["value"]) == {""}


def test_a_reference_to_what_is_not_known_is_unreadable(load):
    chain = FULL | {"structure_id": "voir annexe", "beneficiary_id": "idem"}
    assert unread(load(chain)) == [(1, "beneficiary_id"), (1, "structure_id")]
    register = load(FULL | {"public_technical_phone": "idem"}, without=("public_project_phone",))
    assert unread(register) == [(1, "public_technical_phone")]
