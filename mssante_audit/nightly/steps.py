"""The steps of a nightly run, each a process of its own, which this module is the program of.

So a step that hangs, dies or takes all memory is a step that failed, and the ones after it go on.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pandas as pd
from pydantic import TypeAdapter

from mssante_audit import audits
from mssante_audit.archive import store
from mssante_audit.base import export, groups, reading, state
from mssante_audit.base.errors import AuditError, InputError, ReportError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import resource
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.findings import ledger, trend
from mssante_audit.findings.registry import LIST
from mssante_audit.findings.sarif import sarif
from mssante_audit.network import mail_hosts
from mssante_audit.nightly import letters, night
from mssante_audit.nightly.facts import facts_of
from mssante_audit.nightly.night import SITE, SNAPSHOT, Result, read_result
from mssante_audit.nightly.settings import Config
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.folder import default_path
from mssante_audit.observe.tls.observation import OUTCOMES
from mssante_audit.report.parameters import declared, tellable
from mssante_audit.report.results import Results, open_space, provenance
from mssante_audit.report.run import find_notebooks
from mssante_audit.snapshot import is_snapshot, make_snapshot
from mssante_audit.space import states
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.values.person import describe_error, unnamed
from mssante_audit.whitelist.load import MAX_BYTES, is_html

GRACE = 20  # seconds a step is given to tidy up when it is ended
Done = tuple[str, dict[str, Any]]  # what a step returns: a message and facts; it raises what made it fail


@dataclass(frozen=True, slots=True)
class Job:
    """What a step is to do: of which run's folder, at which instant; its audit adds the states of inputs."""

    config: Config
    folder: Path
    as_of: str
    debug: bool = False
    inputs: list[states.State] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """What runs remember."""
        return self.config.output.folder / night.STATE

    def handed(self, step: str) -> Path:
        """Where the process of a step leaves its result."""
        return self.folder / "steps" / f".{step}.tmp"

    @property
    def snapshot_parameters(self) -> dict[str, Any]:
        """What the steps after the audit are given: the snapshot in place of the files, where it was made."""
        given, folder = self.config.parameters(self.as_of), self.folder / SNAPSHOT
        if not is_snapshot(folder):
            return given
        files = ("anchors", "signer", "recover", "any_namespace")
        return {n: v for n, v in given.items() if n not in files} | {"data": str(folder)}


HANDED = TypeAdapter(Job)  # how the process of a step gets its job


def fetch(job: Job) -> Done:
    """Download the published list into the archive."""
    from mssante_audit.archive import fetch as fetching

    settings = fetching.Settings(**job.config.fetch.model_dump(exclude={"enabled"}))
    record = fetching.fetch(_archive(job), settings)
    names = ("at", "action", "outcome", "file", "made", "flags", "signer", "doubt")
    return record.line, {name: getattr(record, name) for name in names}


def _archive(job: Job) -> store.Archive:
    data = job.config.data
    trusted = data.anchors, data.signer or None
    return store.find_archive(data.folder, *trusted) or store.open_archive(data.folder / "archive", *trusted)


def observe(job: Job) -> Done:
    """Ask the DNS about every domain; go on with the observation of a run that was killed."""
    from mssante_audit.observe.dns.run import observe as observe_dns

    path = default_path(job.config.data.folder, night.began(job.folder.name))
    domains = [domain for domain in _rows(job)["domain"].unique().tolist() if domain]
    settings = ObserveSettings(**job.config.observe.model_dump(exclude={"enabled"}))
    made = observe_dns(domains, path, settings, resume=path.exists())
    facts = {"file": path.name, "domains": made.domains, "queries": made.queries}
    return f"{made.domains} domains, {made.queries} queries: {path.name}", facts


def observe_tls(job: Job) -> Done:
    """Visit the mail servers that the newest observation of the DNS names; go on where a run was killed."""
    from mssante_audit.observe.tls import run

    folder, settings = job.config.data.folder, job.config.observe_tls
    path = default_path(folder, night.began(job.folder.name), "tls")
    hosts, listed, source = mail_hosts(folder, _rows(job), settings.only)
    servers = run.servers_of(hosts, settings.port, listed)
    made = run.observe_tls(servers, path, settings, dns=source, resume=path.exists())
    outcomes = dict(made.outcomes)
    counted = "".join(f", {outcomes[name]} {name}" for name in OUTCOMES if name in outcomes)
    facts = {"file": path.name, "servers": made.servers, "visits": made.visits, "outcomes": outcomes}
    return f"{made.servers} servers, {made.visits} visits{counted}: {path.name}", facts


def _rows(job: Job) -> pd.DataFrame:
    archive = _archive(job)
    fetched, as_of = archive if archive.snapshots else None, parse_instant(job.as_of)
    file = store.find_whitelist(job.config.data.folder, fetched, as_of)
    kept = next((snapshot for snapshot in archive.snapshots if snapshot.path == file), None)
    return archive.rows(kept) if kept else open_space(**job.config.parameters(job.as_of)).entries


def audit(job: Job) -> Done:
    """Run every audit, and compare with what the run before found."""
    # The run's own copy: what nobody was notified of yet must be new to the next run too.
    noted, given = ledger.read_ledger(job.state), job.config.parameters(job.as_of)
    scope = ledger.scope_of("run", tellable(given))
    before = ledger.inputs_before(noted, scope, job.as_of)
    space = _load(job, before)
    make_snapshot(space, job.folder / SNAPSHOT, data=given.get("data"))
    findings, waived, unsure = audits.audit_all(space), audits.waived(space), audits.unsure(space)
    compared = ledger.follow(noted, scope, job.as_of, findings, unsure, waived, audits.missing(space))
    ledger.note_inputs(noted, scope, job.as_of, states.figures(space, space.states, before))
    shown = findings.assign(first_seen=list(compared.first_seen), status=list(compared.status))
    for suffix, write in export.WRITERS.items():
        write(shown, job.folder / f"findings.{suffix}")
    log = sarif(
        findings, waived, unsure, [*audits.catalogue().values()],
        source=Path(space.whitelist.source).name, as_of=space.as_of, follow_up=compared,
    )  # fmt: skip
    results = Results("run", findings, provenance(space))
    audited = {"results": results.payload(), "waived": export.records(waived), "told": asdict(compared)}
    for name, content in (("findings.sarif", log), ("audit.json", audited)):
        export.write_bytes(job.folder / name, export.json_bytes(content))
    facts = facts_of(space, findings, waived, compared, job.config.mail.lang or job.config.lang)
    facts["by_severity"] = results.by_severity
    facts["counts"] = compared.counts() | {"waived": len(waived)}
    keep(job.state / trend.FILE, job.folder)
    trend.add_point(job.folder / trend.FILE, trend.point_of(space.as_of, findings, waived, compared))
    ledger.write_ledger(job.folder, noted)  # last: what an audit finds that fails stays new
    return f"{len(findings)} findings, {len(waived)} waived", facts


def _load(job: Job, before: states.Known) -> TrustSpace:
    """Load the space, what cannot be read left out, and keep the state of each input."""
    config, data = job.config, job.config.data
    sections = (("dns", config.observe), ("tls", config.observe_tls), ("archive", config.fetch))
    expected: states.Known = {name: {} for name, section in sections if section.enabled} | dict(before)
    fetched = read_result(job.folder, "fetch")
    published = store.Record(**fetched.facts) if fetched and fetched.facts else None
    try:
        space = load_space(
            data.folder, as_of=job.as_of, anchors=data.anchors, signer=data.signer or None, recover=True,
            any_namespace=data.any_namespace, thresholds=config.thresholds,
            contacts=config.contacts, lenient=True,
        )  # fmt: skip
    except InputError as error:
        job.inputs.append(_refused(error, data.folder, published, before=LIST in before))
        raise
    job.inputs.extend(states.states_of(space, config.inputs, expected, published))
    return replace(space, judged=tuple(job.inputs))


def _refused(error: InputError, data: Path, published: store.Record | None, *, before: bool) -> states.State:
    """Return the state of a list that could not be loaded; `before`: the run before had one."""
    file, kind = Path(error.file or ""), "damaged"
    why = {"input": LIST, "error": unnamed(error.message), "file": file.name, "before": before}
    content = b""
    with suppress(InputError):  # else that is what is wrong with it
        content = reading.read_bytes(file, MAX_BYTES)
    if is_html(content):
        why["doubt"] = "html"
    elif os.access(data, os.R_OK) and not (store.lists_in(data) or any(data.glob("archive/*.xml.gz"))):
        kind = "absent"
        if published and published.outcome == "quarantined":
            kind = "quarantined"
            why |= {"doubt": published.doubt, "listed": published.made, "other": False}
    return states.State(LIST, kind, None, why)


def reports(job: Job) -> Done:
    """Make the reports."""
    from mssante_audit.report.run import run_reports

    out, section = job.folder / "reports", job.config.reports
    out.mkdir(exist_ok=True)
    keep(job.folder / ledger.FILE, out) or keep(job.state / ledger.FILE, out)
    limits = section.model_dump(include={"region", "department"}, exclude_defaults=True)
    given, shown = _accepted(job, section.names) | limits, job.config.parameters(job.as_of)
    # One after the other: nobody waits for them, and two at once take 330 MB more.
    run = run_reports(section.names, out=out, parameters=given, shown=shown, debug=job.debug, jobs=1)
    keep(out / ledger.FILE, job.folder)
    faults = [(o.name, o.failure) for o in run.outcomes if o.failure]
    if failed := [f"{name} ({f.kind}: {f.message})".replace(": )", ")") for name, f in faults]:
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} reports: {'; '.join(failed)}")
    return f"{len(run.outcomes)} reports", {"names": [o.name for o in run.outcomes]}


def keep(file: Path, folder: Path) -> bool:
    """Copy a state file into another folder, if there is one."""
    if exists := file.exists():
        export.write_bytes(folder / file.name, reading.read_bytes(file, state.MAX_BYTES))
    return exists


def _accepted(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those parameters that one of the notebooks has, and the language."""
    accepted: set[str] = set()
    for report, path in find_notebooks(names, resource("notebooks")).items():
        accepted.update(declared(json.loads(path.read_bytes()), report))
    given = {name: value for name, value in job.snapshot_parameters.items() if name in accepted}
    return given | {"lang": job.config.lang}


def dossiers(job: Job) -> Done:
    """Write the operators' dossiers."""
    from mssante_audit.dossiers.page import NOTEBOOK
    from mssante_audit.dossiers.stationery import stationery
    from mssante_audit.dossiers.write import write_dossiers

    section, due = job.config.dossiers, letters.reminders(job.config, job.as_of, job.folder)
    run = write_dossiers(
        job.folder / "dossiers", parameters=_accepted(job, (NOTEBOOK,)), operators=section.operators,
        region=section.region or None, department=section.department or None, jobs=section.jobs,
        masked=not section.own_contacts, debug=job.debug,
        on=replace(stationery(job.config.letter), reminders=due),
    )  # fmt: skip
    if failed := [o for o in run.outcomes if o.status == "failed"]:
        why = failed[0].failure or {}
        first = f"{failed[0].operator_id}, {why.get('kind')}: {why.get('message')}"
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} dossiers, such as {first}")
    return f"{len(run.outcomes)} dossiers", {"count": len(run.outcomes)}


def site(job: Job) -> Done:
    """Build the site beside, and rename it: the last good one under a notice, if the list is in doubt."""
    draft, built = job.folder / f".{SITE}", job.folder / SITE
    shutil.rmtree(built, ignore_errors=True)  # of a start that was killed; nobody is shown it
    draft.mkdir()
    audited, good = read_result(job.folder, "audit"), night.good_run(job.config.output.folder)
    refused = audited.doubted_list if audited and good else None
    if audited and good and refused:
        made = audited.facts["list"]["generated_at"] if audited.facts else None
        why = {"why": states.worded(refused, job.config.lang), "made": made}
        night.put_under_notice(good, draft, why, job.config.lang)
    else:
        _build(job, draft)
    draft.rename(built)
    pages = sum(1 for _ in built.rglob("*.html"))
    if good and refused:
        return f"{pages} pages of {good.name}: the list is {refused.state}", {"of": good.name}
    return f"{pages} pages", {"pages": pages}


def _build(job: Job, folder: Path) -> None:
    """Build the site of what the audit found into an empty folder."""
    from mssante_audit.site.build import build_site

    compared = ledger.FollowUp(**night.read_audit(job.folder)["told"])
    points = trend.read_trend(job.folder / trend.FILE)
    space = open_space(**job.snapshot_parameters)
    findings, waived = audits.audit_all(space), audits.waived(space)
    shared = ("reports",) if job.config.dossiers.own_contacts else ("reports", "dossiers")
    parts: dict[str, Any] = {name: path for name in shared if (path := job.folder / name).is_dir()}
    build_site(folder, space, findings, waived=waived, told=compared, points=points, **parts)


# Each by its name, in order.
STEPS = {step.__name__: step for step in (fetch, observe, observe_tls, audit, reports, dossiers, site)}


def supervise(step: str, job: Job) -> Result:
    """Do a step in a process of its own, within its time limit; only one that ended well is believed."""
    begin, seconds, handed = time.monotonic(), getattr(job.config.deadlines, step), job.handed(step)
    command = [sys.executable, "-P", "-m", "mssante_audit.nightly.steps", step]
    environment = job.config.environment | {PACKAGE_SECONDS: str(job.config.deadlines.package)}
    request = HANDED.dump_json(job, exclude={"inputs"}, exclude_none=True) + b"\n"
    try:
        with (job.folder / "steps" / f"{step}.txt").open("wb") as output:
            status = run_program(command, seconds, output, environment, request=request, grace=GRACE)
        if status == 0:
            return Result.model_validate_json(handed.read_bytes())
    except OSError as error:  # no memory for a process more, no room
        reason = (error.strerror or type(error).__name__).lower()
        code, why = "unstarted", f"it could not be started: {reason}"
    else:
        if status is None:
            code, why = "late", f"not done after {seconds:g} s, and ended"
        elif status == -signal.SIGKILL:
            code, why = "killed", "it was killed, as when memory runs out"
        else:
            code, why = "died", f"it died with {f'signal {-status}' if status < 0 else f'status {status}'}"
    finally:
        handed.unlink(missing_ok=True)
    took = round(time.monotonic() - begin, 3)
    return Result(step=step, outcome="failed", message=why, why={"code": code}, seconds=took)


def run_program(
    command: Sequence[str], seconds: float, output: IO[bytes], environment: Mapping[str, str],
    *, request: bytes = b"", grace: float = 0,
) -> int | None:  # fmt: skip
    """Run a program without a shell and return its exit status, ``None`` if it was ended after `seconds`.

    Its input is the `request`, and stays open while this process lives; without one it is empty. If it fails,
    takes too long, or this process is interrupted, all that it started ends with it, after `grace` seconds.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell
        list(command),
        env=dict(environment),
        stdin=subprocess.PIPE if request else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group of its own, and no terminal: Ctrl-C comes from this process
    )
    try:
        if process.stdin:
            with suppress(BrokenPipeError):  # it died at once, which its exit status tells
                process.stdin.write(request)
                process.stdin.flush()
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None and grace:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        if process.poll() != 0:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdin:
            with suppress(BrokenPipeError):
                process.stdin.close()


def perform(step: str, job: Job) -> Result:
    """Do a step in this process, and say what became of it."""
    begin, outcome, facts, why = time.monotonic(), "failed", dict[str, Any](), dict[str, Any]()
    try:
        with using_language(job.config.lang):
            message, facts = STEPS[step](job)
        outcome = "done"
    except AuditError as error:
        message, name = str(error), Path(error.file or "").name
        why = {"code": getattr(error, "code", ""), "file": name, "line": error.line}
    except Exception as error:  # whatever it is, the steps after it go on
        lacking = groups.absent(error) if isinstance(error, ModuleNotFoundError) else None
        message = str(lacking or describe_error(error))
        if job.debug:
            traceback.print_exc()
    return Result.model_validate({
        "step": step, "outcome": outcome, "message": message, "why": why, "facts": facts,
        "seconds": round(time.monotonic() - begin, 3), "inputs": tuple(job.inputs) if step == "audit" else (),
    })  # fmt: skip


def main() -> None:
    """Do the step that is named, as standard input says how, and end with the run that asked."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    step, job = sys.argv[1], HANDED.validate_python(json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    export.write_bytes(job.handed(step), export.json_bytes(perform(step, job).model_dump()))


def _end_with_the_run() -> None:
    """Wait until the run is gone, which closes our input; then end this process and what it started."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
