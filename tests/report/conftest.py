"""What tests of reports have in common."""

import pytest

from mssante_audit.audits import audit_all


@pytest.fixture(scope="module")
def space(sample_space):
    return sample_space


@pytest.fixture(scope="module")
def findings(space):
    return audit_all(space)
