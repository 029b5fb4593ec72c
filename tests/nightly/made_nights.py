"""Nights as they might have been, hostile names among them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mssante_audit.nightly.night import Night, Result
from mssante_audit.space.states import State

STEPS = ("fetch", "observe", "observe_tls", "audit", "reports", "dossiers", "site", "retention", "hooks")
HOSTILE = (
    "ch-a.mssante.fr",
    "x" * 150,
    "<script>",
    "\N{RIGHT-TO-LEFT OVERRIDE}nwp",
    "a\nb\tc\x1b[2J\x9b1m",
    "é\x00",
)
NOTHING = dict.fromkeys(("critical", "error", "warning", "info"), 0)
WHY = {
    "error": "not gzip", "made": "2026-03-03", "before": "2026-03-02", "signer": "alb",
    "days": 9, "limit": 7,
}  # fmt: skip


def state(name: str, what: str, *, tolerated: bool = False) -> State:
    more = {
        "shrunk": {"size": 16, "before": 33},
        "quarantined": {"doubt": "forged"},
        "unverified": {"doubt": "forged"},
    }
    why = WHY | more.get(what, {}) | {"input": name}
    return State(name, what, 9, why, tolerated)


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
    *inputs: State,
    new: int = 0,
    fixed: int = 0,
    critical: int = 0,
    lost: int = 0,
    failed: tuple[str, ...] = (),
    names: tuple[str, ...] = HOSTILE[:1],
    previous: str = "2026-03-02T06",
    lang: str = "en",
    status: int = 0,
) -> Night:
    facts = {
        "by_severity": {"critical": 12345, "error": 12345, "warning": 12345, "info": 12345},
        "counts": {"waived": 1},
        "new_by_severity": NOTHING | {"error": new},
        "fixed_by_severity": NOTHING | {"error": fixed},
        "shown": {
            "new": new, "open": 4, "fixed": fixed, "unknown": lost, "asking": 4 + new, "criticals": critical,
            "new_criticals": min(new, critical), "lost_criticals": lost,
        },
        "failed_rules": [],
        "previous": previous,
        "critical": causes(critical, names),
        "lost": causes(lost, names, mailboxes=None),
        "new": causes(new, names),
        "fixed": causes(fixed, names),
        "first": causes(1, names)["named"][0] | {
            "manager": False, "row": 57, "contact": "02 •• •• •• 10", "remedy": "Do it.",
        },
        "arrives": {"yes": 78, "degraded": 18, "no": 9, "unknown": 0},
        "order": {"ok": 41, "todo": 9, "urgent": 56, "unknown": 0},
        "list": {"generated_at": "2026-03-03T05:30:00+00:00", "rows": 86550, "signature": "valid-untrusted"},
    }  # fmt: skip
    results = {
        step: Result(
            step=step,
            outcome="failed" if step in failed else "done",
            message="a cause, " * 90,
            seconds=12345.6,
            facts=facts if step == "audit" and step not in failed else {},
        )
        for step in STEPS
    }
    folder = Path("/srv/output/runs/2026-03-03T060000Z")
    return Night(folder, "2026-03-03T06:00:00Z", results, status, True, inputs, lang)


def customised(folder: Path, text: str) -> dict[str, str]:
    """Return the environment of interpreters that first run some lines, which are kept in a folder."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(text)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))}
