"""The steps of a nightly run, each a process of its own, which this module is the program of.

So a step that hangs, dies or takes all memory is a step that failed, and the ones after it go on.
"""

import json
import os
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from markupsafe import Markup

from mssante_audit import audits
from mssante_audit.archive import store
from mssante_audit.base import export, groups, reading
from mssante_audit.base.errors import AuditError, InputError, OutputError, ReportError
from mssante_audit.base.inputs import LIST, State
from mssante_audit.base.instants import parse_instant, stamped
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import resource
from mssante_audit.base.staging import link_file
from mssante_audit.base.state import copy_state
from mssante_audit.findings import ledger, trend
from mssante_audit.findings.sarif import sarif
from mssante_audit.findings.templates import phrase
from mssante_audit.network import mail_hosts
from mssante_audit.nightly import letters, mail, night
from mssante_audit.nightly.facts import facts_of
from mssante_audit.nightly.night import SITE, Night, Result
from mssante_audit.nightly.supervise import MAIL, NIGHT
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.file import default_path
from mssante_audit.observe.tls.observation import OUTCOMES
from mssante_audit.report.parameters import declared, tellable
from mssante_audit.report.results import Results, open_space, provenance
from mssante_audit.report.run import find_notebooks
from mssante_audit.snapshot import is_snapshot, make_snapshot
from mssante_audit.space import states
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.values.person import describe_error, unnamed
from mssante_audit.whitelist.load import MAX_BYTES, is_html

Done = tuple[str, dict[str, Any]]  # what a step returns: a message and facts; it raises what made it fail
NOTICE = Markup(
    '<aside role="alert" data-notice="list" style="padding:.8em 1em;color:#fff;background:#8a1010;'
    'font:1rem/1.4 system-ui,sans-serif"><strong>{}</strong> {}</aside>'
)


def fetch(tonight: Night) -> Done:
    """Download the published list into the archive."""
    from mssante_audit.archive import fetch as fetching

    data, settings = tonight.config.data, tonight.config.fetch.model_dump(exclude={"enabled"})
    trusted = data.anchors, data.signer or None
    archive = store.find_archive(data.folder, *trusted)
    archive = archive or store.open_archive(data.folder / "archive", *trusted)
    record = fetching.fetch(archive, fetching.Settings(**settings))
    return record.line, asdict(record)


def observe(tonight: Night) -> Done:
    """Ask the DNS about every domain; go on with the observation of a run that was killed."""
    from mssante_audit.observe.dns.run import observe as observe_dns

    path = default_path(tonight.config.data.folder, stamped(tonight.folder.name))
    domains = [domain for domain in _rows(tonight)["domain"].unique().tolist() if domain]
    settings = ObserveSettings(**tonight.config.observe.model_dump())
    summary = observe_dns(domains, path, settings, resume=path.exists())
    facts = {"file": path.name, "domains": summary.domains, "queries": summary.queries}
    return f"{summary.domains} domains, {summary.queries} queries: {path.name}", facts


def observe_tls(tonight: Night) -> Done:
    """Visit the mail servers that the newest observation of the DNS names; go on where a run was killed."""
    from mssante_audit.observe.tls import run

    folder, settings = tonight.config.data.folder, tonight.config.observe_tls
    path = default_path(folder, stamped(tonight.folder.name), "tls")
    hosts, listed, source = mail_hosts(folder, _rows(tonight), settings.only)
    servers = run.servers_of(hosts, settings.port, listed)
    summary = run.observe_tls(servers, path, settings, dns=source, resume=path.exists())
    outcomes = dict(summary.outcomes)
    counted = "".join(f", {outcomes[name]} {name}" for name in OUTCOMES if name in outcomes)
    facts = {"file": path.name, "servers": summary.servers, "visits": summary.visits, "outcomes": outcomes}
    return f"{summary.servers} servers, {summary.visits} visits{counted}: {path.name}", facts


def _rows(tonight: Night) -> pd.DataFrame:
    """Return the rows of the list that will be audited."""
    data, at = tonight.config.data, parse_instant(tonight.as_of)
    return store.listed_rows(data.folder, at, recover=data.recover, any_namespace=data.any_namespace)


def audit(tonight: Night) -> Done:
    """Run every audit, and compare with what the run before found."""
    # The run's own copy: what nobody was notified of yet must be new to the next run too.
    noted, parameters = ledger.read_ledger(tonight.state), tonight.config.parameters(tonight.as_of)
    scope = ledger.scope_of("run", tellable(parameters))
    before = ledger.inputs_before(noted, scope, tonight.as_of)
    space = _load(tonight, before)
    make_snapshot(space, tonight.folder / night.SNAPSHOT, data=parameters.get("data"))
    findings, waived, unsure = audits.audit_all(space), audits.waived(space), audits.unsure(space)
    compared = ledger.follow(noted, scope, tonight.as_of, findings, unsure, waived, audits.missing(space))
    ledger.note_inputs(noted, scope, tonight.as_of, states.figures(space, space.states, before))
    frame = findings.assign(first_seen=list(compared.first_seen), status=list(compared.status))
    for suffix, write in export.WRITERS.items():
        write(frame, tonight.folder / f"findings.{suffix}")
    log = sarif(
        findings, waived, unsure, [*audits.catalogue().values()],
        source=Path(space.whitelist.source).name, as_of=space.as_of, follow_up=compared,
    )  # fmt: skip
    results = Results("run", findings, provenance(space))
    # Of each finding what letters ask later; all of it is in findings.json.
    known = export.records(findings[["fingerprint", "rule", "operator_id"]])
    kept = {"findings": known, "provenance": results.provenance}
    audited = {"results": kept, "waived": export.records(waived), "told": asdict(compared)}
    for name, content in (("findings.sarif", log), ("audit.json", audited)):
        export.write_bytes(tonight.folder / name, export.json_bytes(content))
    facts = facts_of(space, findings, waived, compared, tonight.config.mail.lang or tonight.config.lang)
    facts["by_severity"] = results.by_severity
    facts["counts"] = compared.counts() | {"waived": len(waived)}
    copy_state(tonight.state / trend.FILE, tonight.folder)
    trend.add_point(tonight.folder / trend.FILE, trend.point_of(space.as_of, findings, waived, compared))
    ledger.write_ledger(tonight.folder, noted)  # last: what an audit finds that fails stays new
    doubts = (f"{s.name} {s.state}: {states.worded(s, 'en')}" for s in space.states if s.state != "ok")
    return "; ".join([f"{len(findings)} findings, {len(waived)} waived", *doubts]), facts


def _load(tonight: Night, before: states.Known) -> TrustSpace:
    """Load the space, what cannot be read left out, and keep the state of each input."""
    config, data = tonight.config, tonight.config.data
    sections = (("dns", config.observe), ("tls", config.observe_tls), ("archive", config.fetch))
    expected: states.Known = {name: {} for name, section in sections if section.enabled} | dict(before)
    fetched = night.read_result(tonight.folder, "fetch")
    published = store.LogLine(**fetched.facts) if fetched and fetched.facts else None
    try:
        space = load_space(
            data.folder, as_of=tonight.as_of, anchors=data.anchors, signer=data.signer or None, recover=True,
            any_namespace=data.any_namespace, thresholds=config.thresholds,
            contacts=config.contacts, lenient=True,
        )  # fmt: skip
    except InputError as error:
        tonight.seen.append(_refused(error, tonight, published, before=LIST in before))
        raise
    tonight.seen.extend(states.states_of(space, config.inputs, expected, published))
    return replace(space, judged=tuple(tonight.seen))


def _refused(error: InputError, tonight: Night, published: store.LogLine | None, *, before: bool) -> State:
    """Return the state of a list that could not be loaded; `before`: the run before had one."""
    data, file, kind = tonight.config.data.folder, Path(error.file or ""), "damaged"
    message: Any = unnamed(error.message)
    why = {"input": LIST, "error": message, "file": file.name, "before": before}
    content, archive = b"", None
    with suppress(InputError):  # else that is what is wrong with it
        content = reading.read_bytes(file, MAX_BYTES)
    with suppress(InputError):
        archive = store.find_archive(data)
    if is_html(content):
        why["doubt"] = "html"
    elif os.access(data, os.R_OK) and not store.lists_in(data):
        if archive and not archive.until(parse_instant(tonight.as_of)):  # the clock, or who asked, went back
            kind = "future"
            why = {"input": LIST, "made": archive.snapshots[0].generated_at.isoformat()}
        elif not archive and published and published.outcome == "quarantined":
            kind = "quarantined"
            why |= {"doubt": published.doubt, "listed": published.made, "other": False}
        elif not archive:
            kind = "absent"
    return State(LIST, kind, None, why)


def reports(tonight: Night) -> Done:
    """Make the reports."""
    from mssante_audit.report.run import run_reports

    out, section = tonight.folder / "reports", tonight.config.reports
    out.mkdir(exist_ok=True)
    copy_state(tonight.folder / ledger.FILE, out) or copy_state(tonight.state / ledger.FILE, out)
    limits = section.model_dump(include={"region", "department"}, exclude_defaults=True)
    parameters, shown = _accepted(tonight, section.names) | limits, tonight.config.parameters(tonight.as_of)
    # One after the other: nobody waits for them, and two at once take 200 MB more.
    run = run_reports(section.names, out=out, parameters=parameters, shown=shown, debug=tonight.debug, jobs=1)
    copy_state(out / ledger.FILE, tonight.folder)
    faults = [(o.name, o.failure) for o in run.outcomes if o.failure]
    if failed := [f"{name} ({f.kind}: {f.message})".replace(": )", ")") for name, f in faults]:
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} reports: {'; '.join(failed)}")
    return f"{len(run.outcomes)} reports", {"names": [o.name for o in run.outcomes]}


def _parameters(tonight: Night) -> dict[str, Any]:
    """Return what the steps after the audit read: the snapshot in place of the files, where it was made."""
    parameters, snapshot = tonight.config.parameters(tonight.as_of), tonight.folder / night.SNAPSHOT
    if not is_snapshot(snapshot):
        return parameters
    files = ("anchors", "signer", "recover", "any_namespace")
    return {n: v for n, v in parameters.items() if n not in files} | {"data": str(snapshot)}


def _accepted(tonight: Night, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those parameters that one of the notebooks has, and the language."""
    accepted: set[str] = set()
    for report, path in find_notebooks(names, resource("notebooks")).items():
        accepted.update(declared(json.loads(path.read_bytes()), report))
    parameters = {name: value for name, value in _parameters(tonight).items() if name in accepted}
    return parameters | {"lang": tonight.config.lang}


def dossiers(tonight: Night) -> Done:
    """Write the operators' dossiers."""
    from mssante_audit.dossiers.page import NOTEBOOK
    from mssante_audit.dossiers.stationery import stationery
    from mssante_audit.dossiers.write import write_dossiers

    section, due = tonight.config.dossiers, letters.reminders(tonight.config, tonight.as_of, tonight.folder)
    run = write_dossiers(
        tonight.folder / "dossiers", parameters=_accepted(tonight, (NOTEBOOK,)), operators=section.operators,
        region=section.region or None, department=section.department or None, jobs=section.jobs,
        masked=not section.own_contacts, debug=tonight.debug,
        on=stationery(tonight.config.letter).model_copy(update={"reminders": due}),
    )  # fmt: skip
    if failed := [o for o in run.outcomes if o.status == "failed"]:
        failure = failed[0].failure or {}
        first = f"{failed[0].operator_id}, {failure.get('kind')}: {failure.get('message')}"
        raise ReportError(f"{len(failed)} of {len(run.outcomes)} dossiers, such as {first}")
    return f"{len(run.outcomes)} dossiers", {"count": len(run.outcomes)}


def site(tonight: Night) -> Done:
    """Build the site beside, and rename it: the last good one under a notice, if the list is in doubt."""
    from mssante_audit.site.build import build_site

    draft, built = tonight.folder / f".{SITE}", tonight.folder / SITE
    shutil.rmtree(built, ignore_errors=True)  # of a start that was killed; nobody is shown it
    draft.mkdir()
    audited, good = night.read_result(tonight.folder, "audit"), night.good_run(tonight.output)
    origin, facts = "", dict[str, Any]()
    if audited and good and (refused := audited.doubted_list):
        _put_under_notice(good, draft, tonight.config.lang, refused, audited.list_date)
        origin, facts = f" of {good.name}: the list is {refused.state}", {"of": good.name}
    else:
        compared = ledger.FollowUp(**night.read_audit(tonight.folder)["told"])
        points = trend.read_trend(tonight.folder / trend.FILE)
        space = open_space(**_parameters(tonight))
        findings, waived = audits.audit_all(space), audits.waived(space)
        shared = ("reports",) if tonight.config.dossiers.own_contacts else ("reports", "dossiers")
        parts: dict[str, Any] = {name: path for name in shared if (path := tonight.folder / name).is_dir()}
        build_site(draft, space, findings, waived=waived, told=compared, points=points, **parts)
    draft.rename(built)
    pages = sum(1 for _ in built.rglob("*.html"))
    return f"{pages} pages{origin}", facts or {"pages": pages}


def _put_under_notice(run: Path, folder: Path, lang: str, refused: State, generated_at: str | None) -> None:
    """Write the site of a good run into an empty folder, a notice on top of each page; link the rest."""
    head, site = night.read_run(run), run / SITE
    facts = (
        ("refused", {"why": states.worded(refused, lang), "made": generated_at}),
        ("kept", head and head.as_of),
    )
    sentences = (phrase("mssante_audit.nightly", name, value, lang) for name, value in facts)
    notice = NOTICE.format(*sentences).encode()
    for path in sorted(site.rglob("*")):
        target = folder / path.relative_to(site)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".html":
            page = re.sub(rb"<body[^>]*>", lambda tag: tag[0] + notice, path.read_bytes(), count=1)
            export.write_bytes(target, page)
        else:
            link_file(path, target)


# Each by its name, in order.
STEPS = {step.__name__: step for step in (fetch, observe, observe_tls, audit, reports, dossiers, site)}


def perform(step: str, tonight: Night) -> Result:
    """Do a step in this process; after the audit write the mail."""
    begin, facts, why = time.monotonic(), dict[str, Any](), dict[str, Any]()
    outcome: Literal["done", "failed"] = "failed"
    try:
        with using_language(tonight.config.lang):
            message, facts = STEPS[step](tonight)
        outcome = "done"
    except AuditError as error:
        message, name = str(error), Path(error.file or "").name
        why = {"code": getattr(error, "code", ""), "file": name, "line": error.line}
    except Exception as error:  # whatever it is, the steps after it go on
        lacking = groups.absent(error) if isinstance(error, ModuleNotFoundError) else None
        message = str(lacking or describe_error(error))
        if tonight.debug:
            traceback.print_exc()
    result = tonight.results[step] = Result(
        step=step, outcome=outcome, message=message, why=why, facts=facts,
        seconds=round(time.monotonic() - begin, 3), inputs=tuple(tonight.seen) if step == "audit" else (),
    )  # fmt: skip
    if step == "audit":
        write_mail_for_now(tonight)
    return result


def write_mail_for_now(tonight: Night) -> None:
    """Write the mail after the audit, or after its process died: what is to come is left out."""
    with suppress(OutputError):  # the end of the run writes it again, and tells
        tonight.reminders = [*letters.reminders(tonight.config, tonight.as_of, tonight.folder)]
        mail.write_mail(tonight)


def main() -> None:
    """Do the step that is named, as standard input says how, and end with the run that asked."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    tonight = NIGHT.validate_python(json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    if (step := sys.argv[-1]) == MAIL:
        write_mail_for_now(tonight)
    else:
        night.write_result(tonight.folder, night.draft_of(step), perform(step, tonight))


def _end_with_the_run() -> None:
    """Wait until the run is gone, which closes our input; then end this process and what it started."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
