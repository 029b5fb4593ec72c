"""Whom a night is told to at its end: the user's own programs, a mail server, a web address.

Nothing that becomes of any of them changes the run.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mssante_audit.nightly import post
from mssante_audit.nightly.mail import message, record_of
from mssante_audit.nightly.night import FAILED, SITE, Night, Result, note
from mssante_audit.nightly.process import run_program
from mssante_audit.nightly.settings import Config

PREFIX = "MSSANTE_"
"""Of the variables that tell a program what happened."""
_TAIL = 300
"""Bytes of what a program that failed printed last, which are told."""


def run_hooks(config: Config, night: Night) -> Result:
    """Run the hooks whose time has come, then send mail and webhook; none stops the others."""
    variables, seconds = facts_of(config, night), config.hooks.seconds
    due = ["failure" if night.exit_status >= FAILED else "success"]
    due += ["new_findings"] if variables.get("count_new") else []
    ran: list[str] = []

    def keep(event: str, name: str, fault: str) -> None:
        ran.append(f"{name} ({event}): {fault}" if fault else "")
        note(night.folder, "hook", f"{event}: {name} {fault or 'done'}", program=name, fault=fault)

    shown = {name: value for name, value in os.environ.items() if name not in config.secret_variables}
    for event in due:
        environment = {f"{PREFIX}{n.upper()}": str(v) for n, v in (variables | {"event": event}).items()}
        for words in getattr(config.hooks, event):
            keep(event, words[0], run_hook(words, shown | environment, seconds))
    night = replace(night, results=night.results | {"hooks": _outcome(ran)})
    if config.mail.server and (event := next((e for e in due if e in config.mail.events), "")):
        keep(event, "mail", post.mail(message(night, config.mail), config.mail, seconds))
    if config.webhook.url and (event := next((e for e in due if e in config.webhook.events), "")):
        keep(event, "webhook", post.json(record_of(night), config.webhook, seconds))
    return _outcome(ran)


def facts_of(config: Config, night: Night) -> dict[str, Any]:
    """Return what a program is told, by the name of the variable without `PREFIX`, in small letters."""
    counts = night.audited.get("counts", {}) | night.audited.get("by_severity", {})
    return {
        "run": night.folder.name,
        "as_of": night.as_of,
        "exit_status": night.exit_status,
        "output": config.output.folder,
        "run_folder": night.folder,
        "site": config.output.folder / SITE / "index.html",
        "failed_steps": " ".join(r.step for r in night.results.values() if r.outcome == "failed"),
        "inputs": json.dumps([state.told(night.lang) for state in night.inputs]),
        **{f"count_{name}": number for name, number in counts.items()},
    }


def run_hook(words: Sequence[str], environment: dict[str, str], seconds: float) -> str:
    """Run a program; return why it failed, or ""."""
    with tempfile.TemporaryFile() as output:
        try:
            status = run_program(words, seconds=seconds, output=output, environment=environment)
        except (OSError, ValueError) as error:
            return f"cannot be started ({getattr(error, 'strerror', None) or error})"
        if status == 0:
            return ""
        if status is None:
            return f"not done after {seconds:g} s, and ended"
        output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL))
        last = " ".join(output.read().decode("utf-8", "replace").split())
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        return f"{how}: {last}" if last else how


def _outcome(ran: Sequence[str]) -> Result:
    """Return what became of hooks: of each which one failed and why, or ""."""
    outcome: Any = "failed" if any(ran) else "done" if ran else "off"
    return Result(step="hooks", outcome=outcome, message="; ".join(filter(None, ran)))
