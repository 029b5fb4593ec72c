"""What tests of reports have in common."""

import pytest


@pytest.fixture(scope="module")
def space(sample_space):
    return sample_space
