"""The seam for kinds of observations: one is made up here, by its module's name in the registry alone."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from mssante_audit.base.resources import resource
from mssante_audit.findings.registry import input_of, known_needs
from mssante_audit.nightly.retention import outdated_observations
from mssante_audit.nightly.settings import Retention
from mssante_audit.observe import kinds
from mssante_audit.observe.kinds import File, Frame, Kind, read_observations


@dataclass(frozen=True)
class Presented:
    """What the newest file says: a certificate a domain."""

    source: str
    sha256: str
    started_at: datetime
    of: dict[str, str]
    complete: bool = True
    size: int = 1

    @property
    def problems(self) -> pd.DataFrame:
        return pd.DataFrame({"line": [], "kind": [], "message": []})

    @property
    def parts(self) -> tuple[Presented, ...]:
        return (self,)


def read(files: Sequence[File], names: Sequence[str], as_of: datetime, since: datetime) -> Any:
    newest, content = files[0], files[0].path.read_bytes()
    of = dict(json.loads(line)["of"] for line in gzip.decompress(content).splitlines()[1:])
    return Presented(newest.path.name, hashlib.sha256(content).hexdigest(), newest.begun, of), []


def frame(seen: Presented | None, names: Sequence[str]) -> pd.DataFrame:
    """column ``domain``: str; column ``subject``: str."""
    return pd.DataFrame(
        {"domain": list(names), "subject": [seen.of.get(n, "") if seen else "" for n in names]}
    )


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Kind:
    module: Any = ModuleType("made_up_kind")
    module.KIND = Kind(
        name="seal", need="seal", title="Certificats vus",
        lacks={"fr": "aucune observation des certificats", "en": "no observation of certificates"},
        remedy="Observez-les.", read=read,
        frames={"presented": Frame("A domain.", None, frame)},
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "made_up_kind", module)
    monkeypatch.setattr(kinds, "OURS", (*kinds.OURS, "made_up_kind"))
    return module.KIND


@pytest.fixture
def data(tmp_path: Path) -> Path:
    copytree(resource("data/sample"), tmp_path / "data", ignore=ignore_patterns("tls-*"))
    return tmp_path / "data"


def observed(data: Path, domain: str, at: str = "2026-03-02T070000Z") -> Path:
    header = {"format": "made up", "at": "2026-03-02T07:00:00Z"}
    lines = [header, {"of": [domain, "CN=mx.example"]}]
    file = data / "observations" / f"seal-{at}.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return file


def test_a_folder_is_read_by_each_kind(kind: Kind, data: Path) -> None:
    at = datetime(2026, 3, 3, 6, tzinfo=UTC)
    names = ["a.mssante.fr"]
    assert read_observations(data, names, at, at - timedelta(30))[0]["seal"] is None
    file = observed(data, "a.mssante.fr")
    found, _, files = read_observations(data, names, at, at - timedelta(30))
    assert (found["seal"].source, found["seal"].of) == (file.name, {"a.mssante.fr": "CN=mx.example"})
    assert found["observation"].parts == found["observation"].parts[:1], "a file of another kind"
    assert [one.path for one in files["seal"]] == [file]
    assert known_needs()["seal"] == kind.lacks
    assert input_of("seal") == "seal"


def test_its_old_files_are_removed_too(kind: Kind, data: Path) -> None:
    old, new = observed(data, "x", "2026-01-01T000000Z"), observed(data, "x", "2026-03-01T000000Z")
    late = datetime(2026, 3, 3, tzinfo=UTC) + timedelta(days=20)
    gone = outdated_observations(data, Retention(observation_days=30), late, {new.name})
    assert gone == [old]
