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

from mssante_audit import audits
from mssante_audit.archive.store import Archive, Record, find_archive, find_whitelist, open_archive
from mssante_audit.base import export
from mssante_audit.base.errors import AuditError, InputError, ReportError
from mssante_audit.base.export import json_bytes, write_bytes
from mssante_audit.base.groups import absent
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import using_language
from mssante_audit.base.reading import read_bytes
from mssante_audit.base.resources import resource
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.base.state import MAX_BYTES as MAX_STATE
from mssante_audit.findings import ledger, trend
from mssante_audit.findings.registry import LIST
from mssante_audit.findings.sarif import sarif
from mssante_audit.network import mail_hosts
from mssante_audit.nightly import letters, night
from mssante_audit.nightly.facts import facts_of
from mssante_audit.nightly.night import SITE, SNAPSHOT, STATE, Result, read_result
from mssante_audit.nightly.settings import Config
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.folder import default_path
from mssante_audit.observe.tls.observation import OUTCOMES
from mssante_audit.report.parameters import declared, tellable
from mssante_audit.report.results import Results, open_space, provenance
from mssante_audit.report.run import find_notebooks
from mssante_audit.snapshot import is_snapshot, make_snapshot
from mssante_audit.space.states import Known, State, figures, states_of, worded
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
    inputs: list[State] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """What runs remember."""
        return self.config.output.folder / STATE

    @property
    def snapshot_parameters(self) -> dict[str, Any]:
        """What the steps after the audit are given: the snapshot in place of the files, where it was made."""
        given, folder = self.config.parameters(self.as_of), self.folder / SNAPSHOT
        if not is_snapshot(folder):
            return given
        files = ("anchors", "signer", "recover", "any_namespace")
        return {n: v for n, v in given.items() if n not in files} | {"data": str(folder)}


def fetch(job: Job) -> Done:
    """Download the published list into the archive."""
    from mssante_audit.archive import fetch as fetching

    settings = fetching.Settings(**job.config.fetch.model_dump(exclude={"enabled"}))
    record = fetching.fetch(_archive(job), settings)
    names = ("at", "action", "outcome", "file", "made", "flags", "signer", "doubt")
    return record.line, {name: getattr(record, name) for name in names}


def _archive(job: Job) -> Archive:
    data = job.config.data
    trusted = data.anchors, data.signer or None
    return find_archive(data.folder, *trusted) or open_archive(data.folder / "archive", *trusted)


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
    known = archive if archive.snapshots else None
    file = find_whitelist(job.config.data.folder, known, parse_instant(job.as_of))
    kept = next((snapshot for snapshot in archive.snapshots if snapshot.path == file), None)
    return archive.rows(kept) if kept else open_space(**job.config.parameters(job.as_of)).entries


def audit(job: Job) -> Done:
    """Run every audit, and compare with what the run before found."""
    # The run's own copy: what nobody was told of yet must be new to the next run too.
    known, given = ledger.read_ledger(job.state), job.config.parameters(job.as_of)
    scope = ledger.scope_of("run", tellable(given))
    before = ledger.inputs_before(known, scope, job.as_of)
    space = _load(job, before)
    make_snapshot(space, job.folder / SNAPSHOT, data=given.get("data"))
    findings, waived = audits.audit_all(space), audits.waived(space)
    unsure = audits.unsure(space)
    compared = ledger.follow(known, scope, job.as_of, findings, unsure, waived, audits.missing(space))
    ledger.note_inputs(known, scope, job.as_of, figures(space, space.states, before))
    ledger.write_ledger(job.folder, known)
    _keep(job.state / trend.FILE, job.folder)
    trend.add_point(job.folder / trend.FILE, trend.point_of(space.as_of, findings, waived, compared))
    shown = findings.assign(first_seen=list(compared.first_seen), status=list(compared.status))
    for suffix, write in export.WRITERS.items():
        write(shown, job.folder / f"findings.{suffix}")
    log = sarif(
        findings, waived, unsure, [*audits.catalogue().values()],
        source=Path(space.whitelist.source).name, as_of=space.as_of, follow_up=compared,
    )  # fmt: skip
    write_bytes(job.folder / "findings.sarif", json_bytes(log))
    results = Results("run", findings, provenance(space))
    audited = {"results": results.payload(), "waived": export.records(waived), "told": asdict(compared)}
    write_bytes(job.folder / "audit.json", json_bytes(audited))
    facts = facts_of(space, findings, waived, compared, job.config.mail.lang or job.config.lang)
    return f"{len(findings)} findings, {len(waived)} waived", facts | {
        "by_severity": results.by_severity,
        "counts": compared.counts() | {"waived": len(waived)},
    }


def _load(job: Job, before: Known) -> TrustSpace:
    """Load the space, what cannot be read left out, and keep the state of each input."""
    config, data = job.config, job.config.data
    asked = {
        "dns": config.observe.enabled, "tls": config.observe_tls.enabled, "archive": config.fetch.enabled,
    }  # fmt: skip
    known: Known = {name: {} for name, enabled in asked.items() if enabled} | dict(before)
    fetched = read_result(job.folder, "fetch")
    published = Record(**fetched.facts) if fetched and fetched.facts else None
    try:
        space = load_space(
            data.folder, as_of=job.as_of, anchors=data.anchors, signer=data.signer or None, recover=True,
            any_namespace=data.any_namespace, thresholds=config.thresholds,
            contacts=config.contacts, lenient=True,
        )  # fmt: skip
    except InputError as error:
        there = any(data.folder.glob("*.xml*")) or any(data.folder.glob("archive/*.xml.gz"))
        file, state = Path(error.file or ""), "damaged" if there else "absent"
        why = {"input": LIST, "error": unnamed(error.message), "file": file.name, "before": LIST in before}
        if file.is_file() and is_html(read_bytes(file, MAX_BYTES)):
            why["doubt"] = "html"
        elif not there and published and published.outcome == "quarantined":
            state = "quarantined"
            why |= {"doubt": published.doubt, "listed": published.made, "other": False}
        job.inputs.append(State(LIST, state, None, why))
        raise
    states = states_of(space, config.inputs, known, published)
    job.inputs.extend(states)
    return replace(space, judged=states)


def reports(job: Job) -> Done:
    """Make the reports."""
    from mssante_audit.report.run import run_reports

    out, section = job.folder / "reports", job.config.reports
    out.mkdir(exist_ok=True)
    _keep(job.folder / ledger.FILE, out) or _keep(job.state / ledger.FILE, out)
    limits = section.model_dump(include={"region", "department"}, exclude_defaults=True)
    given, shown = _accepted(job, section.names) | limits, job.config.parameters(job.as_of)
    run = run_reports(section.names, out=out, parameters=given, shown=shown, debug=job.debug)
    _keep(out / ledger.FILE, job.folder)
    faults = [(o.name, o.failure) for o in run.outcomes if o.failure]
    if failed := [f"{name} ({f.kind}: {f.message})".replace(": )", ")") for name, f in faults]:
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} reports: {'; '.join(failed)}")
    return f"{len(run.outcomes)} reports", {"names": [o.name for o in run.outcomes]}


def _keep(file: Path, folder: Path) -> bool:
    if there := file.exists():
        write_bytes(folder / file.name, read_bytes(file, MAX_STATE))
    return there


def _accepted(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those parameters that one of the notebooks has, and the language."""
    known: set[str] = set()
    for report, path in find_notebooks(names, resource("notebooks")).items():
        known.update(declared(json.loads(path.read_bytes()), report))
    given = {name: value for name, value in job.snapshot_parameters.items() if name in known}
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
    draft, built = job.folder / ".site", job.folder / SITE
    shutil.rmtree(built, ignore_errors=True)  # of a start that was killed; nobody is shown it
    draft.mkdir()
    audited, good = read_result(job.folder, "audit"), night.good_run(job.config.output.folder)
    doubted = night.doubted_list(audited)
    if doubted and good:
        made = audited.facts["list"]["generated_at"] if audited and audited.facts else None
        night.put_under_notice(
            good, draft, {"why": worded(doubted, job.config.lang), "made": made}, job.config.lang
        )
    else:
        from mssante_audit.site.build import build_site

        fields = json.loads((job.folder / "audit.json").read_bytes())["told"]
        lists = {name: tuple(fields[name]) for name in ("first_seen", "status", "fixed", "unknown")}
        compared = ledger.FollowUp(previous=fields["previous"], **lists)
        points = trend.read_trend(job.folder / trend.FILE)
        space = open_space(**job.snapshot_parameters)
        findings, waived = audits.audit_all(space), audits.waived(space)
        shared = ("reports",) if job.config.dossiers.own_contacts else ("reports", "dossiers")
        parts: dict[str, Any] = {name: path for name in shared if (path := job.folder / name).is_dir()}
        build_site(draft, space, findings, waived=waived, told=compared, points=points, **parts)
    draft.rename(built)
    pages = sum(1 for _ in built.rglob("*.html"))
    if doubted and good:
        return f"{pages} pages of {good.name}: the list is {doubted.state}", {"of": good.name}
    return f"{pages} pages", {"pages": pages}


STEPS = {step.__name__: step for step in (fetch, observe, observe_tls, audit, reports, dossiers, site)}
"""Each by its name, in order."""


def supervise(step: str, job: Job) -> Result:
    """Do a step in a process of its own, within its time limit; only one that ended well is believed."""
    begin, seconds = time.monotonic(), getattr(job.config.deadlines, step)
    steps = job.folder / "steps"
    handed = steps / f".{step}.tmp"
    settings, place = job.config.said
    request = {
        "settings": settings, "place": str(place), "folder": str(job.folder), "as_of": job.as_of,
        "debug": job.debug, "result": str(handed),
    }  # fmt: skip
    words = [sys.executable, "-P", "-m", "mssante_audit.nightly.steps", step]
    shown = job.config.environment | {PACKAGE_SECONDS: str(job.config.deadlines.package)}
    line = f"{json.dumps(request)}\n".encode()
    try:
        with (steps / f"{step}.txt").open("wb") as output:
            status = run_program(words, seconds, output, shown, request=line, grace=GRACE)
        if status == 0:
            return Result.model_validate_json(handed.read_bytes())
        how = f"signal {-status}" if status and status < 0 else f"status {status}"
        code, why = "died", f"it died with {how}"
    except OSError as error:  # no memory for a process more, no room
        why = f"it could not be started: {(error.strerror or type(error).__name__).lower()}"
        code, status = "unstarted", 1
    finally:
        handed.unlink(missing_ok=True)
    if status is None:
        code, why = "late", f"not done after {seconds:g} s, and ended"
    elif status == -signal.SIGKILL:
        code, why = "killed", "it was killed, as when memory runs out"
    took = round(time.monotonic() - begin, 3)
    return Result(step=step, outcome="failed", message=why, why={"code": code}, seconds=took)


def run_program(
    words: Sequence[str], seconds: float, output: IO[bytes], environment: Mapping[str, str],
    *, request: bytes = b"", grace: float = 0,
) -> int | None:  # fmt: skip
    """Run a program without a shell and return its exit status, ``None`` if it was ended after `seconds`.

    Its input is the `request`, and stays open while this process lives; without one it is empty. If it fails,
    takes too long, or this process is interrupted, all that it started ends with it, after `grace` seconds.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell
        list(words),
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
    begin, result, why = time.monotonic(), Result(step=step, outcome="failed"), dict[str, Any]()
    try:
        with using_language(job.config.lang):
            message, facts = STEPS[step](job)
        result = Result(step=step, outcome="done", facts=facts)
    except AuditError as error:
        message, name = str(error), Path(error.file or "").name
        why = {"code": getattr(error, "code", ""), "file": name, "line": error.line}
    except Exception as error:  # whatever it is, the steps after it go on
        lacking = absent(error) if isinstance(error, ModuleNotFoundError) else None
        message = str(lacking or describe_error(error))
        if job.debug:
            traceback.print_exc()
    found = {"message": message, "why": why, "seconds": round(time.monotonic() - begin, 3)}
    return result.model_copy(update=found | {"inputs": tuple(job.inputs) if step == "audit" else ()})


def main() -> None:
    """Do the step that is named, as standard input says how, and end with the run that asked."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    config = Config.of(request["settings"], Path(request["place"]))
    job = Job(config, Path(request["folder"]), request["as_of"], request["debug"])
    write_bytes(Path(request["result"]), json_bytes(perform(sys.argv[1], job).model_dump()))


def _end_with_the_run() -> None:
    """Wait until the run is gone, which closes our input; then end this process and what it started."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
