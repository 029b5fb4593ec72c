"""Nightly runs of the sample's archive, started as cron starts them: in a process of their own."""

from collections.abc import Mapping
from contextlib import ExitStack
from shutil import copytree

import pytest
from dnslab import free_port, need_servers, start_nsd
from loopback import give, serving
from made_nights import AS_OF, HOOKED, MONTH_BEFORE, SETTINGS, Place, make_place, with_anchors


@pytest.fixture
def place(tmp_path) -> Place:
    """A folder with the sample's archive and the shortest settings."""
    return make_place(tmp_path)


@pytest.fixture(scope="session")
def first_said(tmp_path_factory) -> tuple[Place, tuple[int, str, str]]:
    """A place after a run as of a month before, not to be changed, and status, output and errors of that."""
    place = make_place(tmp_path_factory.mktemp("first"), HOOKED)
    return place, place.run(MONTH_BEFORE)


@pytest.fixture(scope="session")
def first_night(first_said) -> Place:
    """A place after a good run as of a month before; not to be changed."""
    place, (status, _, errors) = first_said
    assert status == 0, errors
    return place


@pytest.fixture(scope="session")
def two_nights(first_said, first_night, tmp_path_factory):
    """The sample's list of February, then that of March: a place not to be changed, and what was said."""
    place = make_place(tmp_path_factory.mktemp("second"), HOOKED)
    copytree(first_night.output, place.output, symlinks=True)
    return place, first_said[1], place.run(AS_OF)


@pytest.fixture(scope="session")
def failed_night(first_night, tmp_path_factory):
    """A place after a good night and one whose audit failed, not to be changed, and what was said then."""
    place = make_place(tmp_path_factory.mktemp("failed"), HOOKED)
    copytree(first_night.output, place.output, symlinks=True)
    (place.folder / "data" / "waivers.toml").write_text("nonsense = 1")
    return place, place.run(AS_OF)


@pytest.fixture
def after_two(two_nights, place) -> Place:
    """A place where there were good runs as of a month before and of now."""
    before, _, (status, _, errors) = two_nights
    assert status == 0, errors
    copytree(before.output, place.output, symlinks=True)
    place.settings(with_anchors(HOOKED))
    return place


@pytest.fixture
def later(first_night, place) -> Place:
    """A place where there was a good run as of a month before."""
    copytree(first_night.output, place.output, symlinks=True)
    return place


@pytest.fixture
def settings(place):
    def change(**sections):
        merged = {
            name: {**SETTINGS.get(name, {}), **value} if isinstance(value, Mapping) else value
            for name, value in sections.items()
        }
        place.settings(with_anchors({**SETTINGS, **merged}))

    return change


@pytest.fixture
def zone(tmp_path):
    """A name server whose zone names one mail server for all; yields what ``[observe]`` is to say."""
    need_servers()
    address, port = "127.0.53.41", free_port()
    text = f"@ NS ns1\n@ SOA ns1 hostmaster 7 3600 600 86400 300\nns1 A {address}\n* MX 10 ns1\n"
    daemon = start_nsd(tmp_path / "parent", [address], port, {"mssante.fr": text})
    yield {
        "enabled": True, "parent_servers": [f"ns1.mssante.fr={address}"], "resolvers": [address],
        "port": port, "timeout": 0.5, "retries": 0, "per_server": 1000, "only": "ch-*",
    }  # fmt: skip
    daemon.stop()


@pytest.fixture
def served():
    with ExitStack() as servers:
        yield lambda content: servers.enter_context(serving(give(content)))
