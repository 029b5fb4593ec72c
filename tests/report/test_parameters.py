"""Parameters: typed, in range, known, and refused before anything runs."""

import pytest
from conftest import toml

from mssante_audit.base.errors import ParameterError
from mssante_audit.report.parameters import check_value, declared, parse_assignments, shown_value

CASES = toml("report/parameters")


def notebook(source, tags=("parameters",)):
    return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}]}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [("data", None, None), ("anchors", ("a.pem",), ["a.pem"]), *CASES["taken"]],
)
def test_a_value_of_the_right_type_is_taken(name, given, value):
    taken = check_value(name, given)
    assert (taken, type(taken)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("operator", "x" * 5000, "is not of the right form"),
        ("anchors", None, "anchors wants a text, not null"),
        ("recover", None, "recover wants true or false, not null"),
        ("row_limit", None, "row_limit wants a whole number, not null"),
        ("row_limit", "9" * 19, "row_limit wants a whole number"),
        *CASES["refused"],
    ],
)
def test_another_value_is_refused_with_what_is_wanted(name, given, why):
    with pytest.raises(ParameterError) as caught:
        check_value(name, given)
    assert why in str(caught.value)


def test_a_notebook_accepts_what_its_cell_assigns():
    source = ["data: str | None = None\n", "row_limit = 500\n", "anchors: list[str] = []\n"]
    assert declared(notebook(source), "a") == {"data": None, "row_limit": 500, "anchors": []}
    assert declared(notebook(source, tags=()), "a") == {}


def test_assignments_come_once_but_for_lists():
    assert parse_assignments(["data=a=b"]) == {"data": "a=b"}
    with pytest.raises(ParameterError, match="'row_limit' is given twice"):
        parse_assignments(["row_limit=1", "row_limit=2"])
    with pytest.raises(ParameterError, match="'row_limit' is not name=value"):
        parse_assignments(["row_limit"])


@pytest.mark.parametrize(("source", "why"), CASES["cells"])
def test_a_cell_that_is_no_list_of_parameters_is_refused(source, why):
    with pytest.raises(ParameterError) as caught:
        declared(notebook(source), "a")
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(("name", "value", "shown"), [("operator", None, "—"), *CASES["shown"]])
def test_a_reader_sees_words_and_no_folder(name, value, shown):
    assert shown_value(name, value).replace("\N{NO-BREAK SPACE}", " ") == shown
