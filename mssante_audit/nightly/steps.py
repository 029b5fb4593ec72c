"""The steps of a nightly run, each in a process of its own, forked from the run's, which has imported once.

So a step that hangs, dies or takes all memory is a step that failed, and the ones after it go on. A step dies
with the run that started it, however that was ended. It leaves ``steps/<step>.json`` in the run's folder, and
what it printed in ``steps/<step>.txt``.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from mssante_audit import audits
from mssante_audit.archive import fetch as fetching
from mssante_audit.archive.store import Archive, open_archive
from mssante_audit.base import export
from mssante_audit.base.errors import AuditError, ReportError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.resources import resource
from mssante_audit.base.settings import Config, Observe
from mssante_audit.base.staging import LOCK
from mssante_audit.dossiers.page import NOTEBOOK
from mssante_audit.dossiers.write import write_dossiers
from mssante_audit.findings import ledger, trend
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.frame import COLUMNS, typed
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.nightly.log import SITE, STATE, Result, began, write_result
from mssante_audit.observe.dns.run import observe as observe_dns
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.kinds import default_path
from mssante_audit.report.parameters import declared, shown_value
from mssante_audit.report.results import Results, open_space, provenance, read_results
from mssante_audit.report.run import find_notebooks, run_reports
from mssante_audit.site.build import build_site
from mssante_audit.snapshot import is_snapshot, make_snapshot
from mssante_audit.space.trust import TrustSpace, find_archive
from mssante_audit.values.person import told_error

STEP_LOCK = ".step.lock"
"""In the output folder, held by a step at work: one that outlives a killed run an instant is waited for."""
PATIENCE = 30
"""Seconds that it is waited for."""
SNAPSHOT = "snapshot"
"""Folder of a run with what every later step reads."""
TOLD = 50
"""New and fixed findings whose names go into a step's facts; all of them are in the run's files."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a step is to do."""

    config: Config
    folder: Path
    """The run's."""
    as_of: str
    debug: bool = False

    @property
    def parameters(self) -> dict[str, Any]:
        """What the audits are given."""
        return self.config.parameters(self.as_of)

    @property
    def began(self) -> datetime:
        """When the run began."""
        at = began(self.folder.name)
        if at is None:
            raise ValueError(f"{self.folder.name} is no run")
        return at


Step = Callable[[Job], tuple[str, dict[str, Any]]]
"""Returns a message and facts; raises what made it fail."""


def fetch(job: Job) -> tuple[str, dict[str, Any]]:
    """Download the published list into the archive."""
    wanted = job.config.fetch
    settings = fetching.Settings(
        url=wanted.url, ca_bundle=wanted.ca_bundle, attempts=wanted.attempts,
        total_seconds=wanted.attempt_seconds, max_loss=wanted.max_loss,
    )  # fmt: skip
    record = fetching.fetch(_archive(job), settings)
    flags = f" [{', '.join(record.flags)}]" if record.flags else ""
    said = f"{record.outcome}{flags} {record.file}: {record.message}".rstrip(": ")
    if record.outcome == "quarantined":
        raise ReportError(f"the list published now is not to be trusted; {said}")
    return said, {"outcome": record.outcome, "file": record.file, "flags": list(record.flags)}


def _archive(job: Job) -> Archive:
    data = job.config.data
    given = data.anchors, data.signer or None
    return find_archive(data.folder, *given) or open_archive(data.folder / "archive", *given)


def observe(job: Job) -> tuple[str, dict[str, Any]]:
    """Ask the DNS about every domain; go on with the observation of a run that was killed."""
    path = default_path(job.config.data.folder, job.began)
    domains = [domain for domain in _space(job).entries["domain"].unique().tolist() if domain]
    summary = observe_dns(domains, path, observe_settings(job.config.observe), resume=path.exists())
    return (
        f"{summary.domains} domains, {summary.queries} queries: {path.name}",
        {"file": path.name, "domains": summary.domains, "queries": summary.queries},
    )


def observe_settings(wanted: Observe) -> ObserveSettings:
    """Return how to observe.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """
    given = wanted.model_dump(exclude={"enabled"})
    servers = tuple(tuple(server.split("=", 1)) for server in wanted.parent_servers)
    return ObserveSettings(**given | {"parent_servers": servers})


def _space(job: Job) -> TrustSpace:
    """Return the space as its files have it, or once the audits were made, as the run's snapshot has it."""
    return open_space(**_worked_out(job))


def _worked_out(job: Job) -> dict[str, Any]:
    """Return the parameters of the steps after the audits: those of the snapshot, where it was made."""
    folder = job.folder / SNAPSHOT
    if not is_snapshot(folder):
        return job.parameters
    files = ("anchors", "signer", "recover", "any_namespace")
    return {n: v for n, v in job.parameters.items() if n not in files} | {"data": str(folder)}


def audit(job: Job) -> tuple[str, dict[str, Any]]:
    """Run every audit, and compare with what the run before found."""
    space = open_space(**job.parameters)
    make_snapshot(space, job.folder / SNAPSHOT, data=job.parameters.get("data"))
    findings, waived = audits.audit_all(space), audits.waived(space)
    # The run's own copy: what nobody was told of yet must be new to the next run too.
    known = ledger.read_ledger(job.config.output.folder / STATE)
    given = {n: shown_value(n, v) if n in ("data", "anchors") else v for n, v in job.parameters.items()}
    unmade = audits.lacking(space)
    told = ledger.follow(known, ledger.scope_of("run", given), job.as_of, findings, unmade)
    _write_json(job.folder / ledger.FILE, known)
    shown = findings.assign(first_seen=list(told.first_seen), status=list(told.status))
    for suffix, write in export.WRITERS.items():
        write(shown, job.folder / f"findings.{suffix}")
    results = Results("run", findings, provenance(space))
    _write_json(
        job.folder / "audit.json",
        {
            "results": results.payload(),
            "waived": json.loads(export.json_text(waived)),
            "told": {"previous": told.previous, "first_seen": told.first_seen, "status": told.status,
                     "fixed": [dict(fixed) for fixed in told.fixed]},
        },
    )  # fmt: skip
    named = findings.assign(status=list(told.status)).astype({"severity": "str"})
    new = named.loc[named["status"] == "new", ["severity", "rule", "domain", "operator"]]
    facts = {
        "by_severity": results.by_severity,
        "failed_rules": [
            sentence(rule(FAILED), "observed", told, "en")
            for told in findings.loc[findings["rule"] == FAILED, "facts"]
        ],
        "counts": told.counts() | {"waived": len(waived)},
        "previous": told.previous,
        "new": new.head(TOLD).to_dict("records"),
        "fixed": [dict(fixed) for fixed in told.fixed[:TOLD]],
        "list": {
            name: results.provenance[name]
            for name in ("file", "sha256", "generated_at", "rows", "signature", "damaged")
        },
    }
    return f"{len(findings)} findings, {len(waived)} waived", facts


def reports(job: Job) -> tuple[str, dict[str, Any]]:
    """Make the reports."""
    out, names = job.folder / "reports", job.config.reports.names
    out.mkdir(exist_ok=True)
    for known in (job.folder / ledger.FILE, job.config.output.folder / STATE / ledger.FILE):
        if known.exists():
            write_bytes(out / ledger.FILE, known.read_bytes())
            break
    run = run_reports(names, out=out, parameters=_accepted(job, names), told=job.parameters, debug=job.debug)
    if (out / ledger.FILE).exists():
        write_bytes(job.folder / ledger.FILE, (out / ledger.FILE).read_bytes())
    failed = [
        f"{o.name} ({o.failure.kind}: {o.failure.message})".replace(": )", ")")
        for o in run.outcomes
        if o.failure
    ]
    if failed:
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} reports: {'; '.join(failed)}")
    return f"{len(run.outcomes)} reports", {"names": [o.name for o in run.outcomes]}


def _accepted(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those parameters that one of the notebooks has."""
    chosen = find_notebooks(names, resource("notebooks"))
    known = {
        name
        for report, path in chosen.items()
        for name in declared(json.loads(path.read_text(encoding="utf-8")), report)
    }
    return {name: value for name, value in _worked_out(job).items() if name in known}


def dossiers(job: Job) -> tuple[str, dict[str, Any]]:
    """Write the operators' dossiers."""
    wanted = job.config.dossiers
    parameters = _accepted(job, (NOTEBOOK,))
    out = job.folder / "dossiers"
    run = write_dossiers(
        out, parameters=parameters, operators=wanted.operators, jobs=wanted.jobs or None, debug=job.debug
    )
    failed = [o for o in run.outcomes if o.status == "failed"]
    if failed:
        why = failed[0].failure or {}
        first = f"{failed[0].operator_id}, {why.get('kind')}: {why.get('message')}"
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} dossiers, such as {first}")
    return f"{len(run.outcomes)} dossiers", {"count": len(run.outcomes)}


def site(job: Job) -> tuple[str, dict[str, Any]]:
    """Build the site beside, and rename it into the run's folder."""
    audited = json.loads((job.folder / "audit.json").read_bytes())
    findings = read_results(audited["results"]).findings
    waived, told = _waived(audited["waived"]), _told(audited["told"])
    if (earlier := job.config.output.folder / STATE / trend.FILE).exists():
        write_bytes(job.folder / trend.FILE, earlier.read_bytes())
    space = _space(job)
    points = trend.add_point(job.folder / trend.FILE, trend.point_of(space.as_of, findings, waived, told))
    made = {
        name: folder if (folder := job.folder / name).is_dir() else None for name in ("reports", "dossiers")
    }
    draft, built = job.folder / ".site", job.folder / SITE
    for left in (draft, built):  # of a start that was killed; nobody is shown it
        if left.exists():
            shutil.rmtree(left)
    draft.mkdir()
    build_site(draft, space, findings, waived=waived, told=told, points=points, **made)
    draft.rename(built)
    pages = sum(1 for _ in built.rglob("*.html"))
    return f"{pages} pages", {"pages": pages}


def _waived(records: list[dict[str, Any]]) -> pd.DataFrame:
    more = ["reason", "who", "until"]
    frame = pd.DataFrame(records, columns=[*COLUMNS, *more])
    for column in ("rows", "subject"):
        frame[column] = [tuple(values) for values in frame[column]]
    return typed(frame).astype(dict.fromkeys(more, "str"))


def _told(fields: dict[str, Any]) -> FollowUp:
    lists = {name: tuple(fields[name]) for name in ("first_seen", "status", "fixed")}
    return FollowUp(previous=fields["previous"], **lists)


def _write_json(file: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_bytes(file, text.encode("utf-8", "backslashreplace"))


STEPS: dict[str, Step] = {
    "fetch": fetch,
    "observe": observe,
    "audit": audit,
    "reports": reports,
    "dossiers": dossiers,
    "site": site,
}
"""Each by its name, in order."""


# -- the process --------------------------------------------------------------------------------------------


def perform(step: str, job: Job) -> Result:
    """Do a step, and say what became of it."""
    begin = time.monotonic()
    try:
        message, facts = STEPS[step](job)
        outcome = "done"
    except AuditError as error:
        outcome, message, facts = "failed", str(error), {}
    except Exception as error:  # whatever it is, the steps after it go on
        outcome, message, facts = "failed", told_error(error), {}
        if job.debug:
            traceback.print_exc()
    return Result(step, outcome, message, round(time.monotonic() - begin, 3), facts)


def work(step: str, job: Job) -> None:
    """Do a step, in the process that was started for it."""
    os.setsid()  # what it starts can be ended with it
    gc.freeze()  # what the run has imported is never looked at again, so that its pages stay shared
    threading.Thread(target=_die_with_the_run, daemon=True).start()
    _let_go(job.config.output.folder / LOCK)
    os.chdir(job.folder)
    said = os.open(job.folder / "steps" / f"{step}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(said, stream)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with FileLock(job.config.output.folder / STEP_LOCK, timeout=PATIENCE):
        write_result(job.folder, perform(step, job))


def _die_with_the_run() -> None:
    """Wait until the run is gone; then end this process and what it started."""
    if run := multiprocessing.parent_process():
        run.join()
        os.killpg(0, signal.SIGKILL)


def _let_go(lock: Path) -> None:
    """Close what the fork holds of the run's lock: who starts the next run need not wait for this process."""
    held = lock.stat()
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(name)), held):
                os.close(int(name))
