import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

from mssante_audit.base import errors
from mssante_audit.nightly import steps
from mssante_audit.values.person import describe_error


@pytest.mark.parametrize(
    ("kind", "standard"),
    [
        (errors.AuditError, Exception), (errors.InputError, ValueError), (errors.WhiteListError, ValueError),
        (errors.ParameterError, ValueError), (errors.UnknownNameError, LookupError),
        (errors.OutputError, OSError), (errors.ReportError, RuntimeError),
    ],
)  # fmt: skip
def test_is_of_the_family_and_one_line_also_after_pickling(kind, standard):
    assert issubclass(kind, errors.AuditError)
    assert issubclass(kind, standard)
    error = kind("the root is not closed", file="a.xml", line=3, remedy="Use --recover")
    error.readable_rows = 12
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "a.xml, line 3: the root is not closed. Use --recover"
        assert (one.file, one.line, one.remedy, one.readable_rows) == ("a.xml", 3, "Use --recover", 12)


def _rule_of_somebody(_job):
    return {}["MY_RULE"]


def test_an_error_of_a_users_own_tells_type_message_and_place(monkeypatch):
    monkeypatch.setitem(steps.STEPS, "audit", _rule_of_somebody)
    result = steps.perform("audit", steps.Job(SimpleNamespace(lang="fr"), Path("20260303T060000Z"), ""))
    line = _rule_of_somebody.__code__.co_firstlineno + 1
    assert result.outcome == "failed"
    assert result.message == f"KeyError: 'MY_RULE' (test_errors.py, line {line})"


def test_only_contacts_are_masked_in_it():
    error = ValueError("MY_RULE cannot read\nM. DURAND Zoé, 04 65 71 00 01, zoe.durand@x.example in row 3")
    shown = "ValueError: MY_RULE cannot read •••, 04 •• •• •• 01, z•••@x.example in row 3"
    assert describe_error(error) == shown
    assert describe_error(KeyError()) == "KeyError"


def test_a_notebook_shows_of_it_what_is_wrong_and_what_to_do(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell(colors="nocolor")
    try:
        shell.run_cell(
            "from mssante_audit.base.errors import InputError\n"
            "raise InputError('holds no row', file='x.xml', line=3, remedy='Choose another')"
        )
    finally:
        shell.history_manager.end_session()
    shown = capsys.readouterr().out.strip().splitlines()
    assert shown == ["InputError: x.xml, line 3: holds no row", "Choose another"]
