import ast
import inspect
import pydoc
import subprocess
import sys
from importlib import resources

import pytest

import mssante_audit
from mssante_audit.base import settings
from mssante_audit.cli import options
from mssante_audit.findings import registry


def test_everything_promised_is_there():
    for name in mssante_audit.__all__:
        assert getattr(mssante_audit, name) is not None
    offered = {name for name in dir(mssante_audit) if not name.startswith("_")}
    assert offered == set(mssante_audit.__all__), "and nothing of how it is made"
    with pytest.raises(AttributeError, match="load_everything"):
        mssante_audit.load_everything  # noqa: B018
    assert {"AUDITS", "load_space", "audit", "findings_table", "own_rule"} <= set(mssante_audit.__all__)


def test_help_presents_every_name_and_shows_its_docstring():
    shown = pydoc.plain(pydoc.render_doc(mssante_audit))
    for name in mssante_audit.__all__:
        if name != "AUDITS":  # a tuple, which has no docstring
            assert inspect.getdoc(getattr(mssante_audit, name)).split("\n")[0] in shown


def test_type_checkers_see_what_is_imported_late():
    stub = ast.parse((resources.files(mssante_audit) / "__init__.pyi").read_text(encoding="utf-8"))
    named = [name for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names]
    assert all(name.name == name.asname for name in named)  # only so a stub hands a name on
    assert {name.name for name in named} | {"AUDITS"} == set(mssante_audit.__all__)


def test_an_audit_registered_later_is_among_them(monkeypatch):
    before = mssante_audit.AUDITS
    monkeypatch.setitem(registry.registered, "own", mssante_audit.Audit("own", "Own", (), lambda _: ()))
    assert (*before, "own") == mssante_audit.AUDITS


def test_the_command_line_answers_without_what_takes_long_to_load():
    heavy = {"pandas", "papermill", "pydantic", "lxml", "signxml", "matplotlib", "nbconvert", "httpx"}
    program = "import sys, mssante_audit.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not heavy & set(done.stdout.split())
    assert options.LIMITS == settings.LIMITS
