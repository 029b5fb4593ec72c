"""A dossier for each operator, with its letter, an index for readers and one for machines.

`make_dossier` is called here or by an executor's workers: all that goes to one and comes back can be pickled,
and names no file of the sender's machine where the data are sent along. What is in the output folder changes
at the very end of a run (`mssante_audit.base.staging`).
"""

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_exception
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.base import export, reading, resources, staging, workers
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import AuditError, InputError, ParameterError
from mssante_audit.base.language import using_language
from mssante_audit.base.settings import LIMITS
from mssante_audit.dossiers import facts
from mssante_audit.dossiers.letter import letter_files, reminder
from mssante_audit.dossiers.page import NOTEBOOK, SECTIONS, section
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.survey import survey
from mssante_audit.report import page, results
from mssante_audit.report.execute import failure_of
from mssante_audit.report.html import Html, joined, macro, note, template, trusted
from mssante_audit.report.parameters import tellable
from mssante_audit.report.results import NO_ANSWERS
from mssante_audit.report.run import plan
from mssante_audit.report.tables import script, style
from mssante_audit.space.inputs import Bundle, code_digest, inputs_digest, pack
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.domains import answers
from mssante_audit.whitelist.rows import operator_names

INDEX = "dossiers.json"

# Of the files of one dossier.
SUFFIXES = frozenset({".html", ".results.json", ".findings.csv", ".txt", ".eml"})

_PLAIN = re.compile(r"[0-9][0-9a-z-]{0,39}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one operator's dossier."""

    operator_id: str
    name: str  # the operator's
    file: str  # its files' name without suffix
    status: str  # ``done`` or ``failed``
    counts: Mapping[str, int] | None  # findings by severity
    made_at: str  # when it was made (UTC, ISO 8601)
    as_of: str
    files: Mapping[str, str]  # SHA-256 by suffix; of a failed one, those in ``failed/``
    failure: Mapping[str, str] | None = None  # of a failed one: `kind`, `message`, `section`
    last_good: str | None = None  # of a failed one: when the complete one that is still there was made


@dataclass(frozen=True, slots=True)
class DossierRun:
    """What became of a run: in `outcomes`, in the order of the index, the dossiers it made."""

    out: Path
    outcomes: tuple[Entry, ...]

    def exit_status(self, fail_on: str | None = None) -> int:
        """Return 3 if a dossier failed, 1 if a finding is at or above severity `fail_on`, 0 otherwise."""
        if any(outcome.status == "failed" for outcome in self.outcomes):
            return 3
        return int(any(page.as_severe(outcome.counts, fail_on) for outcome in self.outcomes))


@dataclass(frozen=True, slots=True)
class Order:
    """What the dossiers of a run are made from."""

    key: str  # of the data and the parameters: which space to open
    # Parameters in force, paths absolute; without those that a `Bundle` has in their place.
    parameters: Mapping[str, Any]
    code: str  # digest of the code that is to make them
    debug: bool = False  # keep tracebacks, which may hold unmasked values
    masked: bool = False  # mask an operator's own contacts as well
    on: Stationery = field(default_factory=Stationery)


class Made(NamedTuple):
    """A dossier that was made, or what there is of it; workers know neither name nor last good one."""

    dossier: Entry
    files: Mapping[str, bytes]  # content by suffix


def make_dossiers(
    order: Order, operators: Sequence[str], executor: Executor | None = None, data: Any = None
) -> Generator[Made]:
    """Yield the dossiers of operators in their order, failed ones too, made by this process or `executor`.

    Its workers are given `data` as a `Bundle`, ``None`` where they read the data themselves.
    """
    if executor is None:
        yield from (make_dossier(order, operator_id) for operator_id in operators)
        return
    tasks: dict[str, Future[Made]] = {}
    try:
        with suppress(BrokenExecutor):  # raised again below, for each dossier that it does not make
            for operator_id in operators:
                tasks[operator_id] = executor.submit(make_dossier, order, operator_id, data)
        for operator_id in operators:
            try:
                task = tasks.pop(operator_id, None) or executor.submit(make_dossier, order, operator_id, data)
                dossier = task.result()
            except AuditError:
                raise
            except Exception as error:  # its worker is lost
                dossier = from_space(order, error, operator_id)
            yield dossier
    finally:  # Ctrl-C above all
        for task in tasks.values():
            task.cancel()


def make_dossier(order: Order, operator_id: str, data: Bundle | None = None) -> Made:
    """Make the dossier of one operator: page, results, findings, letter. Whatever fails, there is a page.

    Other code than that of the order, and data that cannot be loaded, are an `InputError`.
    """
    if code_digest() != order.code:
        raise InputError(
            "a worker runs other code than its caller", remedy="Install this version of mssante_audit there"
        )
    return from_space(order, opened(order, data), operator_id)


def from_space(order: Order, source: TrustSpace | Exception, operator_id: str) -> Made:
    """Make one dossier from its space; a failed one has the reason and the part of its page."""
    begin, parts, letter = time.perf_counter(), list[Html](), dict[str, bytes]()
    dossier, reminding, failure, where, problem = None, Html(), None, "", None
    with using_language(order.parameters["lang"]):
        try:
            if isinstance(source, Exception):
                raise source
            dossier = facts.dossier(source, operator_id, masked=order.masked)
            if text := reminder(dossier, order.on):
                reminding = note(text, kind="caution")
            for name in SECTIONS:
                parts.append(section(dossier, name, order.parameters["row_limit"]))
            letter = letter_files(dossier, order.on)
        except Exception as error:  # the other operators' dossiers are made all the same
            trace = "".join(format_exception(error)) if order.debug else ""
            failure, rest = failure_of(type(error).__name__, str(error), -1, trace), [*SECTIONS][len(parts) :]
            where = str(macro("dossier.title", rest[0] if dossier and rest else "answer"))
            problem = {"kind": failure.kind, "message": failure.message, "section": where}
            parts += [macro("dossier.heading", name) for name in rest[:1] if dossier]
        parameters = tellable({**order.parameters, "operator": operator_id})
        record, answered = (dossier.record(), answers(dossier.verdicts)) if dossier else (None, NO_ANSWERS)
        title = dossier.label if dossier else str(macro("dossier.title", "answer"))
        seconds = {"make": round(time.perf_counter() - begin, 3)}
        outcome = page.Outcome(NOTEBOOK, title, record, failure, where, seconds, answers=answered)
        provenance: Mapping[str, Any] = record.provenance if record else {}
        look = macro("tables.enable", trusted(style("tables", "figures")), trusted(script()))
        html = page.page_html(outcome, provenance, page.labelled(parameters), joined(look, reminding, *parts))
        files = {".html": html.encode("utf-8", "backslashreplace")}
        files |= {**page.data_files(outcome, parameters, provenance), **letter}
    made_at = datetime.now(UTC).replace(microsecond=0).isoformat()
    digests = {suffix: digest(content) for suffix, content in files.items()}
    counts, status = record.by_severity if record else None, "failed" if failure else "done"
    name = file_name(operator_id)
    entry = Entry(operator_id, "", name, status, counts, made_at, order.parameters["as_of"], digests, problem)
    return Made(entry, files)


_lock = threading.Lock()
_opened: dict[str, tuple[TrustSpace, Any]] = {}


def opened(order: Order, data: Bundle | None = None) -> TrustSpace:
    """Return the space of an order, loaded and surveyed; a process keeps one."""
    with _lock:
        if order.key not in _opened:
            parameters, folder = dict(order.parameters), None
            if data:
                folder = tempfile.TemporaryDirectory(prefix=staging.SCRATCH)  # goes with the process
                where, anchors = data.unpack(Path(folder.name))
                parameters |= {"data": str(where), "anchors": [str(anchor) for anchor in anchors]}
            space = results.open_space(**parameters)
            for _, earlier in _opened.values():
                if earlier:
                    earlier.cleanup()
            _opened.clear()
            _opened[order.key] = replace(space, mailboxes=data.mailboxes) if data else space, folder
        space, _ = _opened[order.key]
        with using_language(order.parameters["lang"]):
            survey(space).standing  # noqa: B018 - what all dossiers share is found here, once
        return space


# -- a run, and what it leaves ------------------------------------------------------------------------------


# Dossiers are made of thousands of small frames, whose texts Python takes apart faster than Arrow.
@pd.option_context("mode.string_storage", "python")
def write_dossiers(
    out: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    operators: Sequence[str] = (),
    region: str | None = None,
    department: str | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    masked: bool = False,
    on: Stationery | None = None,
    send: Callable[[Bundle], Any] = lambda bundle: bundle,
    debug: bool = False,
    listener: Callable[[int, int, Entry], None] = lambda *_: None,
) -> DossierRun:
    """Write dossiers: of operators named, or that sit in a place, or all of them. The others' stay.

    `parameters` (but for `operator`) and `debug` are as `mssante_audit.report.run.run_reports` takes
    them. The dossiers are made by `jobs` processes, or by an `executor`'s workers: these may be other
    machines', with this package in this version and nothing else, as the data are sent, or what `send`
    makes of them, such as a Dask future, so that they go out once. Each operator's own contacts can be
    `masked` as well; letters are written `on` a stationery. The `listener` is called with how many
    dossiers there are, of all, and the last.

    An unknown operator or place, a bad parameter or a list that cannot be read is an `UnknownNameError`,
    `ParameterError` or `InputError` before anything runs; if `out` cannot be written, or another run is
    writing there, it is an `OutputError`.
    """
    settings = dict(parameters or {})
    if limits := [name for name in LIMITS if name in settings]:
        raise ParameterError("{} is not a parameter here", limits[0], remedy="Name operators apart")
    notebook = resources.resource("notebooks") / f"{NOTEBOOK}.ipynb"
    (base,) = plan({NOTEBOOK: notebook}, {**settings, "operator": "0"})
    settings = {**base.shown, **base.passed}
    data, anchors = settings.get("data"), settings.get("anchors") or ()
    content = json.dumps([inputs_digest(data, anchors), settings], sort_keys=True, default=str)
    order = Order(digest(content), settings, code_digest(), debug, masked, on or Stationery())
    with using_language(settings["lang"]):
        space = opened(order)
    names = {i: unnamed(name) if masked else name for i, name in operator_names(space.entries).items()}
    sitting = results.operators(space, results.limits(space, None, region, department))
    selected = [results.select_operator(space, operator) for operator in operators]
    if sitting is not None and selected and sitting.isdisjoint(selected):
        raise ParameterError(
            "none of these operators sits there", remedy="Name operators or places, not both"
        )
    operator_ids = dict.fromkeys(i for i in selected or names if i and (sitting is None or i in sitting))
    with staging.private(out, names_persons=not masked), staging.locked(out) as folder, ExitStack() as pool:
        before, written, sent = read_dossiers(out), dict[str, Entry](), None
        if executor:  # the order goes without paths of this machine, and the data with it
            order = replace(order, parameters={**settings, "data": None})
            if data is not None and Path(data) != resources.sample_folder():
                order = replace(order, parameters=tellable(settings))
                sent = send(pack(data, anchors, space.mailboxes))
        elif jobs > 1:
            executor = pool.enter_context(ProcessPoolExecutor(jobs, initializer=workers.begin))
        with closing(make_dossiers(order, [*operator_ids], executor, sent)) as dossiers:
            for dossier, files in dossiers:
                operator_id, good = dossier.operator_id, None
                if dossier.failure and (earlier := before.get(operator_id)):
                    good = earlier.made_at if earlier.status == "done" else earlier.last_good
                written[operator_id] = replace(dossier, name=names[operator_id], last_good=good)
                page.write_files(folder, dossier.file, files, failed=bool(dossier.failure))
                listener(len(written), len(operator_ids), written[operator_id])
        remaining = {i: d for i, d in before.items() if i in names and i not in written}
        others = remaining if operators or region or department else {}
        index = sorted({**others, **written}.values(), key=lambda d: (d.name.casefold(), d.operator_id))
        published = {n: v for n, v in tellable(base.shown).items() if n != "operator"}
        with using_language(settings["lang"]):
            html = dossiers_html(index, origin := results.provenance(space))
        listed = {"parameters": published, "provenance": origin, "dossiers": [asdict(d) for d in index]}
        export.write_bytes(folder / INDEX, export.json_bytes(listed))
        export.write_bytes(folder / "index.html", html.encode("utf-8", "backslashreplace"))
        staging.publish(folder, out, list(_stale(before, index, written)))
    return DossierRun(out, tuple(dossier for dossier in index if dossier.operator_id in written))


def read_dossiers(out: Path) -> dict[str, Entry]:
    """Return the dossiers that an output folder's index tells of, by operator; none if it cannot be read."""
    try:
        entries = json.loads(reading.read_text(out / INDEX, 64 * reading.MB))["dossiers"]
        dossiers = [Entry(**entry) for entry in entries]
        sound = (d for d in dossiers if d.file == file_name(d.operator_id) and SUFFIXES.issuperset(d.files))
        return {dossier.operator_id: dossier for dossier in sound}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def file_name(operator_id: str) -> str:
    """Return the name of an operator's files: its identifier, or a hash of one that a path could not bear."""
    return operator_id if _PLAIN.fullmatch(operator_id) else f"operateur-{digest(operator_id)[:12]}"


def _stale(
    before: Mapping[str, Entry], index: Sequence[Entry], written: Mapping[str, Entry]
) -> Iterator[Path]:
    """Yield outdated files: of operators that left, of repaired failures, of parts now absent."""
    listed = {dossier.operator_id for dossier in index}
    for operator_id, old in before.items():
        new = written.get(operator_id)
        if operator_id not in listed or (new and new.status == "done"):
            yield from page.outdated(old.file, SUFFIXES, new.files if new else ())


def dossiers_html(dossiers: Sequence[Entry], provenance: Mapping[str, Any]) -> str:
    """Return the page that lists dossiers, in the order given, in the current language."""
    looks: Any = {"script": script(), "style": style("tables"), "provenance": provenance}
    return template("dossiers.html.j2").render(looks, dossiers=dossiers)
