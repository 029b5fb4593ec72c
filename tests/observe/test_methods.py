"""The method in use, as derived from what real servers say."""

from dnsworld import DOMAINS, METHODS

from mssante_audit.network import methods
from mssante_audit.observe.observation import Observation


def test_every_domain_has_its_method(observed: Observation) -> None:
    frame = methods(observed, DOMAINS)
    found = {d: (m, c) for d, m, c in zip(frame["domain"], frame["method"], frame["cut"], strict=True)}
    assert found == METHODS
    assert list(frame["domain"]) == DOMAINS


def test_the_file_is_whole(observed: Observation) -> None:
    assert observed.complete
    assert observed.problems.empty
    assert not observed.notes
