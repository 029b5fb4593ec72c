"""The seam for kinds of observations: one is made up here, by its module's name in the registry alone."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from mssante_audit.audits import audit, lacking
from mssante_audit.base.resources import resource
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.frame import Finding
from mssante_audit.findings.registry import Audit, register
from mssante_audit.nightly.retention import outdated_observations
from mssante_audit.nightly.settings import Retention
from mssante_audit.observe import kinds
from mssante_audit.observe.kinds import File, Frame, Kind
from mssante_audit.report.findings import unknown
from mssante_audit.report.results import provenance
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains

AS_OF = "2026-03-03T06:00:00Z"
RULE = Rule(
    code="SEAL_SEEN", severity="warning", confidence="certain", family="TLS", check="tls", source="none",
    title_fr="Certificat vu", title_en="Certificate seen", why_fr="Vu.", why_en="Seen.",
    remedy_fr="Rien.", remedy_en="Nothing.",
    observed_fr="Vu.", observed_en="Seen.",
)  # fmt: skip


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


def find(space: TrustSpace) -> Iterator[Finding]:
    listed = space.audited.groupby("domain")["row"].apply(tuple).to_dict()
    for domain, subject in space.given("seal").of.items():
        yield Finding("SEAL_SEEN", subject, listed[domain])


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    module: Any = ModuleType("made_up_kind")
    module.KIND = Kind(
        name="seal", need="seal", title="Certificats vus",
        lacks={"fr": "aucune observation des certificats", "en": "no observation of certificates"},
        remedy="Observez-les.", read=read,
        frames={"presented": Frame("A domain.", None, frame)},
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "made_up_kind", module)
    monkeypatch.setattr(kinds, "OURS", (*kinds.OURS, "made_up_kind"))
    monkeypatch.setattr(registry, "_registered", {})
    register(Audit("seal_seen", "TLS", (RULE,), find, needs=("seal",)))
    yield module.KIND
    registry.catalogue.cache_clear()


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


def test_without_a_file_its_audit_lacks_it_and_nothing_is_called_well(kind: Kind, data: Path) -> None:
    space = load_space(data, as_of=AS_OF)
    assert lacking(space)["seal_seen"] == ("seal",)
    assert audit("seal_seen", space).empty
    assert "seal_seen" in provenance(space)["not_made"]
    told = domains(space).iloc[0]
    assert told["tls"] == "unknown"
    assert "no_seal" in told["why"]["tls"]
    assert "aucune observation des certificats" in told["reasons"]
    assert unknown({"TLS": ["seal"]}).endswith("Observez-les.")


def test_with_a_file_its_audit_runs_and_results_say_where_that_comes_from(kind: Kind, data: Path) -> None:
    before = load_space(data, as_of=AS_OF)
    domain = before.audited["domain"].iloc[0]
    file = observed(data, domain)
    space = load_space(data, as_of=AS_OF)
    [told] = audit("seal_seen", space).to_dict("records")
    assert told["domain"] == domain
    assert "seal_seen" not in lacking(space)
    assert [(one["kind"], one["file"]) for one in provenance(space)["observed"]] == [
        ("Observation du DNS", before.observation.source), ("Certificats vus", file.name)
    ]  # fmt: skip
    assert space.observation.parts == space.observation.parts[:1], "a file of another kind"
    assert space.observation.sha256 == before.observation.sha256


def test_a_snapshot_keeps_its_frames_and_finds_it_again(kind: Kind, data: Path, tmp_path: Path) -> None:
    space = load_space(data, as_of=AS_OF)
    domain = space.audited["domain"].iloc[0]
    file = observed(data, domain)
    make_snapshot(load_space(data, as_of=AS_OF), tmp_path / "s", data=data)
    kept = load_space(tmp_path / "s")
    assert kept.given("seal").source == file.name
    assert kept.kept is not None
    presented = kept.kept("presented").set_index("domain")["subject"]
    assert presented[presented != ""].to_dict() == {domain: "CN=mx.example"}
    observed(data, "ch-autre.mssante.fr")
    assert load_space(tmp_path / "s").given("seal") is None, "another file than the one it was made with"


def test_its_old_files_are_removed_too(kind: Kind, data: Path) -> None:
    old, new = observed(data, "x", "2026-01-01T000000Z"), observed(data, "x", "2026-03-01T000000Z")
    late = datetime(2026, 3, 3, tzinfo=UTC) + timedelta(days=20)
    gone = outdated_observations(data, Retention(observation_days=30), late, {new.name})
    assert gone == [old]
