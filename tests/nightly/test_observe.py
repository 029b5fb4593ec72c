"""The night's observation of the DNS, of a name server on loopback; killed and gone on with."""

from __future__ import annotations

import time

import pytest
from dnslab import free_port, need_servers, start_nsd

from mssante_audit.observe.observation import load_observation

PARENT = "127.0.53.40"
ZONE = "@ NS ns1\n@ SOA ns1 hostmaster 7 3600 600 86400 300\nns1 A 127.0.53.40\n* MX 10 ns1\n"


@pytest.fixture
def observing(place, settings, tmp_path):
    """A place whose nights ask a name server, slowly."""
    need_servers()
    port = free_port()
    daemon = start_nsd(tmp_path / "parent", [PARENT], port, {"mssante.fr": ZONE})
    settings(
        inputs={"tolerated": ["list:stale", "dns:future"]},  # the sample is of the past, the answers of now
        observe={
            "enabled": True,
            "parent_servers": [f"ns1.mssante.fr={PARENT}"],
            "resolvers": [PARENT],
            "port": port,
            "timeout": 0.5,
            "retries": 0,
            "per_server": 30,
            "only": "ch-*",
        },
    )
    yield place
    daemon.stop()


def observations(place):
    return sorted((place.folder / "data" / "observations").glob("*"))


def test_the_night_observes_and_a_killed_observation_is_gone_on_with_in_the_same_file(observing):
    process = observing.start()
    deadline = time.monotonic() + 60
    while not (found := observations(observing)) or found[0].stat().st_size < 500:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not load_observation(found[0]).complete
    process = observing.start()
    out, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, ""), out
    assert observing.outcomes()["observe"] == "done"
    assert observations(observing) == found
    assert found[0].name == f"dns-{observing.runs[-1].name}.jsonl.gz"
    seen = load_observation(found[0])
    assert (seen.complete, len(seen.replies) > 20) == (True, True)
    assert "gone on with" in out
