import inspect
import pydoc
import subprocess
import sys

import pytest

import mssante_audit


def test_everything_promised_is_there():
    for name in mssante_audit.__all__:
        assert getattr(mssante_audit, name) is not None
    assert set(mssante_audit.__all__) == {*mssante_audit._MODULE, "AUDITS"}
    assert set(mssante_audit.__all__) <= set(dir(mssante_audit))


def test_completion_offers_what_is_promised_and_nothing_of_how_it_is_made():
    assert {name for name in dir(mssante_audit) if not name.startswith("_")} == set(mssante_audit.__all__)


def test_help_presents_every_name_and_shows_its_docstring():
    shown = pydoc.plain(pydoc.render_doc(mssante_audit))
    for name in mssante_audit.__all__:
        assert f"`{name}`" in mssante_audit.__doc__
        if name != "AUDITS":  # a tuple, which has no docstring
            assert inspect.getdoc(getattr(mssante_audit, name)).split("\n")[0] in shown


def test_nothing_else_is():
    with pytest.raises(AttributeError, match="no attribute 'load_everything'"):
        mssante_audit.load_everything  # noqa: B018


def test_the_command_line_answers_without_pandas():
    program = (
        "import sys, mssante_audit.cli.main; sys.exit('pandas' in sys.modules or 'papermill' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
