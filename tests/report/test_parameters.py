"""Parameters: typed, in range, known, and refused before anything runs."""

import pytest

from mssante_audit.base.errors import ParameterError
from mssante_audit.report.parameters import check_value, declared, parse_assignments, shown_value


def notebook(source, tags=("parameters",)):
    return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source}]}


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("data", None, None), ("data", 3, "3"), ("operator", "Hôpital d’Alpha", "Hôpital d’Alpha"),
        ("operator", 399900000130016, "399900000130016"), ("contacts", "none", "none"),
        ("as_of", "2026-03-01T06:00:00+01:00", "2026-03-01T06:00:00+01:00"),
        ("anchors", "a.pem", ["a.pem"]), ("anchors", ("a.pem", "b.pem"), ["a.pem", "b.pem"]),
        ("anchors", [], []), ("anchors", 1, ["1"]),
        ("recover", "True", True), ("recover", "1", True), ("recover", 1, True), ("recover", "no", False),
        ("recover", "false", False),
        ("row_limit", "1", 1), ("row_limit", 1_000_000, 1_000_000), ("stale_after_days", "0", 0),
    ],
)  # fmt: skip
def test_a_value_of_the_right_type_is_taken(name, given, value):
    taken = check_value(name, given)
    assert (taken, type(taken)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("data", "", "data is empty"),
        ("data", 3.5, "data wants a text, not 3.5"),
        ("data", True, "data wants a text, not true"),
        ("data", "a\x00b", "is not of the right form"),
        ("operator", "x" * 5000, "is not of the right form"),
        ("as_of", "yesterday", "as_of: 'yesterday' is not a date. Write it as"),
        ("anchors", None, "anchors wants a text, not null"),
        ("anchors", [{}], "anchors wants a text, not {}"),
        ("recover", "maybe", 'recover wants true or false, not "maybe"'),
        ("recover", 2, "recover wants true or false, not 2"),
        ("recover", 1.0, "recover wants true or false, not 1.0"),
        ("recover", None, "recover wants true or false, not null"),
        ("row_limit", "1e3", 'row_limit wants a whole number, not "1e3"'),
        ("row_limit", 1.0, "row_limit wants a whole number, not 1.0"),
        ("row_limit", True, "row_limit wants a whole number, not true"),
        ("row_limit", None, "row_limit wants a whole number, not null"),
        ("row_limit", 0, "row_limit wants 1 to 1000000, not 0"),
        ("row_limit", "9" * 19, "row_limit wants a whole number"),
        ("stale_after_days", "-1", "stale_after_days wants 0 to 36500, not -1"),
        ("concentration_min", "1", "concentration_min wants 2 to"),
        ("colour", "blue", "no parameter 'colour'. There are: data, as_of"),
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


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("colour = 'blue'", "a: its parameter 'colour' is not right: no parameter 'colour'"),
        ("row_limit = '500'x", "a, line 1: its parameters cell is not Python"),
        ("row_limit = None", "a: its parameter 'row_limit' is not right: row_limit wants a whole number"),
        ("row_limit = 5 * 100", "a: its parameter 'row_limit' is not right"),
        ("import os", "a: its parameters cell does more than name = value"),
    ],
)
def test_a_cell_that_is_no_list_of_parameters_is_refused(source, why):
    with pytest.raises(ParameterError) as caught:
        declared(notebook(source), "a")
    assert str(caught.value).startswith(why)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("data", "/home/somebody/lists/real", "real"), ("anchors", ["/a/b.pem", "c"], "b.pem, c"),
        ("anchors", [], "—"), ("operator", None, "—"), ("recover", True, "oui"), ("contacts", "all", "all"),
        ("row_limit", 500, "500"), ("as_of", "2025-03-01", "1er mars 2025 à 00 h 00 UTC"),
    ],
)  # fmt: skip
def test_a_reader_sees_words_and_no_folder(name, value, shown):
    assert shown_value(name, value).replace("\N{NO-BREAK SPACE}", " ") == shown
