"""Nights of the sample's archive, and nights as they might have been, hostile names among them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

from conftest import CATALOGUE

from mssante_audit.base.inputs import State
from mssante_audit.base.state import state_bytes
from mssante_audit.nightly.config import Config, load_config
from mssante_audit.nightly.doctor import Sign, examine
from mssante_audit.nightly.faults import check
from mssante_audit.nightly.night import Night, Result
from mssante_audit.nightly.run import run
from mssante_audit.nightly.steps import perform

AS_OF = "2026-03-03T06:00:00Z"
MONTH_BEFORE = "2026-02-03T06:00:00Z"

Values = Mapping[str, Mapping[str, Any] | Any]


@dataclass(frozen=True)
class Place:
    """A folder with data, settings and, once there was a run, output."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def site(self) -> Path:
        return self.output / "site"

    @property
    def runs(self) -> list[Path]:
        return sorted(f for f in (self.output / "runs").iterdir() if not f.name.startswith("."))

    def settings(self, values: Values) -> None:
        plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
        lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
        for name, section in values.items():
            if isinstance(section, Mapping):
                lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        (self.folder / "audit.toml").write_text("\n".join(lines), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "mssante_audit", *words]

    def start(self, *words: str, fresh: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start a run and let it go on; a `fresh` one and its steps are no forks, but parent and children."""
        return subprocess.Popen(
            [sys.executable, *(["-u"] if fresh else []), *self.command("run", *words)[1:]], cwd=self.folder,
            env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, as_of: str = AS_OF, *, fresh: bool = False, **environment: str) -> tuple[int, str, str]:
        process = self.start(*(("--as-of", as_of) if as_of else ()), fresh=fresh, **environment)
        out, errors = process.communicate(timeout=300)
        return process.returncode, out, errors

    def night(self, as_of: str = AS_OF, *, pages: bool = True) -> Night:
        """Do a night in this process. Without pages its site is empty."""

        def quick(step: str, tonight: Night) -> Result:
            return Result(step=step, outcome="done") if step == "site" else perform(step, tonight)

        config = load_config(self.folder / "audit.toml")
        check(config)
        return run(config, as_of=as_of, perform=perform if pages else quick)

    def play(self, as_of: str = AS_OF, *, pages: bool = True) -> tuple[int, str, str]:
        """Do a night in this process; return status, mail and ""."""
        night = self.night(as_of, pages=pages)
        return night.exit_status, (night.folder / "summary.txt").read_text(encoding="utf-8"), ""

    def state(self, name: str) -> Any:
        content = json.loads((self.output / "state" / name).read_text(encoding="utf-8"))
        return content.get("scopes") or content.get("points") or content

    def log(self) -> list[dict[str, Any]]:
        lines = (self.output / "state" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def outcomes(self) -> dict[str, str]:
        return {step["step"]: step["outcome"] for step in self.state("run.json")["steps"]}


OFF = {"enabled": False}
SETTINGS = {"data": {"folder": "data"}, "reports": OFF, "dossiers": OFF, "mail": {"lang": "en"}}
"""The shortest night: audit and site."""
TELL = 'cd "$MSSANTE_OUTPUT/.." && mkdir -p told && env | grep ^MSSANTE_ > told/$MSSANTE_EVENT'
HOOKED = SETTINGS | {"hooks": {on: [["sh", "-c", TELL]] for on in ("success", "failure", "new_findings")}}
"""Of the nights that many tests look at: hooks write down what they are told, too."""


def make_place(folder: Path, settings: Values = SETTINGS) -> Place:
    for name in ("archive", "anchors"):
        copytree(CATALOGUE / name, folder / "data" / name)
    place = Place(folder)
    place.settings(with_anchors(settings))
    return place


def with_anchors(values: Values) -> dict[str, Any]:
    return {**values, "data": {"folder": "data", "anchors": ["data/anchors"], **values.get("data", {})}}


STEPS = ("fetch", "observe", "observe_tls", "audit", "reports", "dossiers", "site", "retention", "hooks")
HOSTILE = (
    "ch-a.mssante.fr", "x" * 150, "<script>", "\N{RIGHT-TO-LEFT OVERRIDE}nwp", "a\nb\tc\x1b[2J\x9b1m",
    "é\x00",
)  # fmt: skip
NOTHING = dict.fromkeys(("critical", "error", "warning", "info"), 0)
WHY = {
    "error": "not gzip", "made": "2026-03-03", "before": "2026-03-02", "signer": "alb",
    "days": 9, "limit": 7,
}  # fmt: skip


def state(name: str, kind: str, *, tolerated: bool = False) -> State:
    forged = {"doubt": "forged"}
    refused = forged | {"listed": ""}
    more = {"shrunk": {"size": 16, "before": 33}, "quarantined": refused, "unverified": forged}
    why = WHY | more.get(kind, {}) | {"input": name}
    return State(name, kind, 9, why, tolerated)


def causes(number: int, names: tuple[str, ...] = HOSTILE[:1], **more: Any) -> dict[str, Any]:
    named = [
        {
            "severity": "critical", "title": "Aucun serveur ne répond", "operator": "CH A",
            "domain": names[n % len(names)], "domains": n + 1, "mailboxes": n or None,
            "since": "2026-02-03T06:00:00+00:00", "unknown": False, "whole_list": False,
            "operator_id": "1679900001", **more,
        }
        for n in range(min(number, 10))
    ]  # fmt: skip
    return {"count": number, "findings": number, "named": named}


def night(
    *inputs: State, new=0, fixed=0, critical=0, unsure=0, lost=0, failed=(), names=HOSTILE[:1],
    previous="2026-03-02T06", lang="en", resumed=True, **settings: Any,
) -> Night:  # fmt: skip
    """Return a night that found what is said, of `settings` as audit.toml has them."""
    (first,) = causes(1, names, manager=False, row=57, contact="02 •• •• •• 10", remedy="Do it.")["named"]
    facts = {
        "by_severity": {"critical": 12345, "error": 12345, "warning": 12345, "info": 12345},
        "counts": {"waived": 1},
        "new_by_severity": NOTHING | {"error": new},
        "fixed_by_severity": NOTHING | {"error": fixed},
        "shown": {
            "new": new, "open": 4, "fixed": fixed, "unknown": lost, "asking": 4 + new, "criticals": critical,
            "new_criticals": min(new, critical), "unsure_criticals": unsure, "lost_criticals": lost,
        },
        "failed_rules": [], "previous": previous, "first": first,
        "critical": causes(critical, names), "lost": causes(lost, names, mailboxes=None),
        "new": causes(new, names), "fixed": causes(fixed, names),
        "arrives": {"yes": 78, "degraded": 18, "no": 9, "unknown": 0},
        "order": {"ok": 41, "todo": 9, "urgent": 56, "unknown": 0},
        "list": {"generated_at": "2026-03-03T05:30:00+00:00", "rows": 86550, "signature": "valid-untrusted"},
    }  # fmt: skip
    results = {
        step: Result(
            step=step, outcome="failed" if step in failed else "done", message="a cause, " * 90,
            seconds=12345.6, facts=facts if step == "audit" and step not in failed else {},
            inputs=inputs if step == "audit" else (),
        )
        for step in STEPS
    }  # fmt: skip
    config = Config.model_validate({"data": {"folder": "/srv/data"}, "lang": lang, **settings})
    folder = Path("/srv/output/runs/2026-03-03T060000Z")
    return Night(config, folder, "2026-03-03T06:00:00Z", results, resumed)


def rewrite(run: Path, **changes: object) -> None:
    """Change what a run's folder, or that of the state, says of a run, as a state file."""
    head = json.loads((run / "run.json").read_text()) | changes
    (run / "run.json").write_bytes(state_bytes(head.pop("version"), head | {"digest": ""}))


def killed_after_audit(run: Path) -> Path:
    """Let a run look as if it had been killed after its audit."""
    rewrite(run, status="running", exit_status=None)
    (run / "steps" / "site.json").unlink()
    return run


def signs(place: Any, subject: str = "") -> list[Sign]:
    """Return what the doctor sees of a place, or of one thing there."""
    return [sign for sign in examine(place.folder / "audit.toml") if subject in ("", sign.what)]


def customised(folder: Path, text: str) -> dict[str, str]:
    """Return the environment of interpreters that first run some lines, which are kept in a folder."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(text)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))}
