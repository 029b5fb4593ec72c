import pickle

import pytest

from mssante_audit.base import errors

FAMILY = [
    (errors.InputError, ValueError),
    (errors.WhiteListError, ValueError),
    (errors.ParameterError, ValueError),
    (errors.UnknownNameError, LookupError),
    (errors.OutputError, OSError),
    (errors.ReportError, RuntimeError),
]


@pytest.mark.parametrize(("kind", "standard"), FAMILY)
def test_is_caught_as_the_family_and_as_the_standard_type(kind, standard):
    with pytest.raises(errors.AuditError):
        raise kind("no")
    with pytest.raises(standard):
        raise kind("no")


@pytest.mark.parametrize("kind", [errors.AuditError, *(kind for kind, _ in FAMILY)])
def test_is_one_line_with_file_place_and_remedy_also_after_pickling(kind):
    error = kind("the root is not closed", file="a.xml", line=3, remedy="Use --recover")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "a.xml, line 3: the root is not closed. Use --recover"
        assert (one.file, one.line, one.remedy) == ("a.xml", 3, "Use --recover")


def test_readable_rows_survive_pickling():
    error = errors.WhiteListError("cut")
    error.readable_rows = 12
    assert pickle.loads(pickle.dumps(error)).readable_rows == 12
