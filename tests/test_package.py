import subprocess
import sys

import pytest

import mssante_audit


def test_everything_promised_is_there():
    for name in mssante_audit.__all__:
        assert getattr(mssante_audit, name) is not None
    assert set(mssante_audit.__all__) == set(mssante_audit._MODULE)
    assert set(mssante_audit.__all__) <= set(dir(mssante_audit))


def test_nothing_else_is():
    with pytest.raises(AttributeError, match="no attribute 'load_everything'"):
        mssante_audit.load_everything  # noqa: B018


def test_the_command_line_answers_without_pandas():
    program = "import sys, mssante_audit.cli; sys.exit('pandas' in sys.modules or 'papermill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
