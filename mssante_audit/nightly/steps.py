"""The steps of a nightly run, each in a process of its own, forked from the run's, which has imported once.

So a step that hangs, dies or takes all memory is a step that failed, and the ones after it go on. A step dies
with the run that started it, however that was ended. It leaves what it printed in ``steps/<step>.txt``.
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
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from filelock import FileLock

from mssante_audit import audits
from mssante_audit.archive import fetch as fetching
from mssante_audit.archive.log import Record
from mssante_audit.archive.store import Archive, open_archive
from mssante_audit.base import export
from mssante_audit.base.errors import AuditError, InputError, ReportError
from mssante_audit.base.export import json_bytes, write_bytes
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import resource
from mssante_audit.base.settings import Observe
from mssante_audit.base.staging import LOCK
from mssante_audit.dossiers.page import NOTEBOOK
from mssante_audit.dossiers.stationery import stationery
from mssante_audit.dossiers.write import INDEX, write_dossiers
from mssante_audit.findings import ledger, trend
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import LIST
from mssante_audit.nightly.facts import facts_of
from mssante_audit.nightly.log import SITE, STATE, Result, began, read_result, read_run, write_inputs
from mssante_audit.nightly.settings import Config
from mssante_audit.observe.dns.run import observe as observe_dns
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.kinds import default_path
from mssante_audit.observe.tls.observation import OUTCOMES
from mssante_audit.observe.tls.run import mail_hosts, servers_of
from mssante_audit.observe.tls.run import observe_tls as visit_servers
from mssante_audit.observe.tls.servers import KIND as TLS
from mssante_audit.report.parameters import declared
from mssante_audit.report.plan import tellable
from mssante_audit.report.results import Results, open_space, provenance
from mssante_audit.report.run import find_notebooks, run_reports
from mssante_audit.site.build import build_site
from mssante_audit.snapshot import is_snapshot, make_snapshot
from mssante_audit.space.states import Known, State, figures, states_of
from mssante_audit.space.trust import TrustSpace, find_archive, find_whitelist, load_space
from mssante_audit.values.person import masked_message, told_error

STEP_LOCK = ".step.lock"
"""In the output folder, held by a step at work: one that outlives a killed run an instant is waited for."""
PATIENCE = 30
"""Seconds that it is waited for."""
SNAPSHOT = "snapshot"
"""Folder of a run with what every later step reads."""


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


# -- each returns a message and facts, or raises what made it fail ------------------------------------------


def fetch(job: Job) -> tuple[str, dict[str, Any]]:
    """Download the published list into the archive."""
    settings = fetching.Settings(**job.config.fetch.model_dump(exclude={"enabled"}))
    record = fetching.fetch(_archive(job), settings)
    told = ("at", "action", "outcome", "file", "flags", "signer")
    return record.line, {name: getattr(record, name) for name in told}


def _archive(job: Job) -> Archive:
    data = job.config.data
    given = data.anchors, data.signer or None
    return find_archive(data.folder, *given) or open_archive(data.folder / "archive", *given)


def observe(job: Job) -> tuple[str, dict[str, Any]]:
    """Ask the DNS about every domain; go on with the observation of a run that was killed."""
    path = default_path(job.config.data.folder, began(job.folder.name))
    settings = observe_settings(job.config.observe)
    summary = observe_dns(_domains(job), path, settings, resume=path.exists())
    facts = {"file": path.name, "domains": summary.domains, "queries": summary.queries}
    return f"{summary.domains} domains, {summary.queries} queries: {path.name}", facts


def observe_tls(job: Job) -> tuple[str, dict[str, Any]]:
    """Visit the mail servers that the newest observation of the DNS names; go on where a run was killed."""
    folder, wanted = job.config.data.folder, job.config.observe_tls
    path = default_path(folder, began(job.folder.name), TLS.name)
    hosts, source = mail_hosts(folder, _domains(job), wanted.only)
    servers = servers_of(hosts, wanted.port)
    summary = visit_servers(servers, path, wanted, dns=source, resume=path.exists())
    outcomes = dict(summary.outcomes)
    told = "".join(f", {outcomes[name]} {name}" for name in OUTCOMES if name in outcomes)
    facts = {"file": path.name, "servers": summary.servers, "visits": summary.visits, "outcomes": outcomes}
    return f"{summary.servers} servers, {summary.visits} visits{told}: {path.name}", facts


def _domains(job: Job) -> list[str]:
    """Return the domains of the list to audit."""
    archive = _archive(job)
    known = archive if archive.snapshots else None
    file = find_whitelist(job.config.data.folder, known, parse_instant(job.as_of))
    kept = [snapshot for snapshot in archive.snapshots if snapshot.path == file]
    names = (
        archive.domains(kept[0]) if kept else open_space(**job.parameters).entries["domain"].unique().tolist()
    )
    return [domain for domain in names if domain]


def observe_settings(wanted: Observe) -> ObserveSettings:
    """Return how to observe; a value that makes no sense is a `ParameterError`."""
    given = wanted.model_dump(exclude={"enabled"})
    servers = tuple(tuple(server.split("=", 1)) for server in wanted.parent_servers)
    return ObserveSettings(**given | {"parent_servers": servers})


def _worked_out(job: Job) -> dict[str, Any]:
    """Return the parameters of the steps after the audits: those of the snapshot, where it was made."""
    folder = job.folder / SNAPSHOT
    if not is_snapshot(folder):
        return job.parameters
    files = ("anchors", "signer", "recover", "any_namespace")
    return {n: v for n, v in job.parameters.items() if n not in files} | {"data": str(folder)}


def audit(job: Job) -> tuple[str, dict[str, Any]]:
    """Run every audit, and compare with what the run before found."""
    # The run's own copy: what nobody was told of yet must be new to the next run too.
    known = ledger.read_ledger(job.config.output.folder / STATE)
    scope = ledger.scope_of("run", tellable(job.parameters))
    space = _judged(job, ledger.inputs_before(known, scope, job.as_of))
    make_snapshot(space, job.folder / SNAPSHOT, data=job.parameters.get("data"))
    findings, waived = audits.audit_all(space), audits.waived(space)
    told = ledger.follow(known, scope, job.as_of, findings, audits.unsure(space), waived)
    before = ledger.inputs_before(known, scope, job.as_of)
    ledger.note_inputs(known, scope, job.as_of, figures(space, space.states, before))
    write_bytes(job.folder / ledger.FILE, json_bytes(known))
    shown = findings.assign(first_seen=list(told.first_seen), status=list(told.status))
    for suffix, write in export.WRITERS.items():
        write(shown, job.folder / f"findings.{suffix}")
    results = Results("run", findings, provenance(space))
    audited = {"results": results.payload(), "waived": export.records(waived), "told": asdict(told)}
    write_bytes(job.folder / "audit.json", json_bytes(audited))
    facts = facts_of(space, findings, waived, told, job.config.summary_lang)
    return f"{len(findings)} findings, {len(waived)} waived", facts | {
        "by_severity": results.by_severity,
        "counts": told.counts() | {"waived": len(waived)},
    }


def _judged(job: Job, known: Known) -> TrustSpace:
    """Load the space, what cannot be read left out, and write down the state of each input."""
    config, data = job.config, job.config.data
    asked = (
        ("dns", config.observe.enabled),
        ("tls", config.observe_tls.enabled),
        ("archive", config.fetch.enabled),
    )
    known = {name: {} for name, enabled in asked if enabled} | dict(known)
    fetched = read_result(job.folder, "fetch")
    published = Record(**fetched.facts) if fetched and fetched.facts else None
    try:
        space = load_space(
            data.folder, as_of=job.as_of, anchors=data.anchors, signer=data.signer or None, recover=True,
            any_namespace=data.any_namespace, thresholds=config.thresholds,
            show_contacts=config.show_contacts, lenient=True,
        )  # fmt: skip
    except InputError as error:
        there = any(data.folder.glob("*.xml*")) or any(data.folder.glob("archive/*.xml.gz"))
        why = {"input": LIST, "error": masked_message(error.message)}
        write_inputs(job.folder, [State(LIST, "damaged" if there else "absent", None, why)])
        raise
    states = states_of(space, config.inputs, known, published)
    write_inputs(job.folder, states)
    return replace(space, told=states)


def reports(job: Job) -> tuple[str, dict[str, Any]]:
    """Make the reports."""
    out, names = job.folder / "reports", job.config.reports.names
    out.mkdir(exist_ok=True)
    for known in (job.folder / ledger.FILE, job.config.output.folder / STATE / ledger.FILE):
        if known.exists():
            write_bytes(out / ledger.FILE, known.read_bytes())
            break
    where = {n: told for n in ("region", "department") if (told := getattr(job.config.reports, n))}
    parameters = _accepted(job, names) | where | {"lang": job.config.lang}
    run = run_reports(names, out=out, parameters=parameters, shown=job.parameters, debug=job.debug)
    if (out / ledger.FILE).exists():
        write_bytes(job.folder / ledger.FILE, (out / ledger.FILE).read_bytes())
    faults = [(o.name, o.failure) for o in run.outcomes if o.failure]
    if failed := [f"{name} ({f.kind}: {f.message})".replace(": )", ")") for name, f in faults]:
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} reports: {'; '.join(failed)}")
    return f"{len(run.outcomes)} reports", {"names": [o.name for o in run.outcomes]}


def _accepted(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those parameters that one of the notebooks has."""
    known: set[str] = set()
    for report, path in find_notebooks(names, resource("notebooks")).items():
        known.update(declared(json.loads(path.read_text(encoding="utf-8")), report))
    return {name: value for name, value in _worked_out(job).items() if name in known}


def dossiers(job: Job) -> tuple[str, dict[str, Any]]:
    """Write the operators' dossiers."""
    wanted, parameters = job.config.dossiers, _accepted(job, (NOTEBOOK,)) | {"lang": job.config.lang}
    runs = (run / "dossiers" for run in job.folder.parent.iterdir() if run != job.folder and read_run(run))
    earlier = (folder for folder in runs if not folder.is_symlink() and (folder / INDEX).is_file())
    how: dict[str, Any] = {"operators": wanted.operators, "jobs": wanted.jobs or None, "debug": job.debug}
    how |= {"region": wanted.region or None, "department": wanted.department or None}
    how |= {"masked": not wanted.own_contacts, "on": stationery(job.config.letter)}
    how |= {"earlier": max(earlier, default=None)}
    run = write_dossiers(job.folder / "dossiers", parameters=parameters, **how)
    if failed := [o for o in run.outcomes if o.status == "failed"]:
        why = failed[0].failure or {}
        first = f"{failed[0].operator_id}, {why.get('kind')}: {why.get('message')}"
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} dossiers, such as {first}")
    same = f", {run.linked} of them as before" if run.linked else ""
    return f"{len(run.outcomes)} dossiers{same}", {"count": len(run.outcomes), "linked": run.linked}


def site(job: Job) -> tuple[str, dict[str, Any]]:
    """Build the site beside, and rename it into the run's folder."""
    fields = json.loads((job.folder / "audit.json").read_bytes())["told"]
    lists = {name: tuple(fields[name]) for name in ("first_seen", "status", "fixed", "unknown")}
    told = FollowUp(previous=fields["previous"], **lists)
    if (earlier := job.config.output.folder / STATE / trend.FILE).exists():
        write_bytes(job.folder / trend.FILE, earlier.read_bytes())
    space = open_space(**_worked_out(job))
    findings, waived = audits.audit_all(space), audits.waived(space)
    points = trend.add_point(job.folder / trend.FILE, trend.point_of(space.as_of, findings, waived, told))
    shared = ("reports",) if job.config.dossiers.own_contacts else ("reports", "dossiers")
    made: dict[str, Any] = {n: folder for n in shared if (folder := job.folder / n).is_dir()}
    draft, built = job.folder / ".site", job.folder / SITE
    for left in (draft, built):  # of a start that was killed; nobody is shown it
        if left.exists():
            shutil.rmtree(left)
    draft.mkdir()
    build_site(draft, space, findings, waived=waived, told=told, points=points, **made)
    draft.rename(built)
    pages = sum(1 for _ in built.rglob("*.html"))
    return f"{pages} pages", {"pages": pages}


STEPS = {step.__name__: step for step in (fetch, observe, observe_tls, audit, reports, dossiers, site)}
"""Each by its name, in order."""


# -- the process --------------------------------------------------------------------------------------------


def perform(step: str, job: Job) -> Result:
    """Do a step, and say what became of it."""
    begin = time.monotonic()
    try:
        with using_language(job.config.lang):
            message, facts = STEPS[step](job)
        outcome = "done"
    except AuditError as error:
        outcome, message, facts = "failed", str(error), {}
    except Exception as error:  # whatever it is, the steps after it go on
        outcome, message, facts = "failed", told_error(error), {}
        if job.debug:
            traceback.print_exc()
    return Result(step, outcome, message, round(time.monotonic() - begin, 3), facts)


def work(step: str, job: Job, told: Connection) -> None:
    """Do a step, in the process that was started for it; send what became of it."""
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
        told.send(perform(step, job))


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
