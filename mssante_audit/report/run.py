"""Reports: notebooks chosen, parameters checked, each run and converted, all put in place at once."""

import difflib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mssante_audit.base import export, language, resources, settings
from mssante_audit.base.errors import InputError, ParameterError, UnknownNameError
from mssante_audit.base.staging import locked, publish, scratch_of
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.ledger import read_ledger, write_ledger
from mssante_audit.report import findings, first, html, page, results
from mssante_audit.report.execute import execute
from mssante_audit.report.explorer import FILE as EXPLORER
from mssante_audit.report.explorer import explore
from mssante_audit.report.page import Outcome as Outcome
from mssante_audit.report.parameters import check_value, declared
from mssante_audit.snapshot import made_as_of
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import answers

WORKERS = min(2, os.cpu_count() or 1)  # Notebooks run at once: each takes some 200 MB
TOP = 3  # Causes that the index names; the overview has ten
SUFFIXES = (".html", ".ipynb", ".results.json", ".findings.csv", ".ics")  # Of the files of one report
# What notebooks need beside the list (`registry.known_needs`); one of an audit's name needs what that needs
NEEDS = {"changes": ("archive",), "contacts_over_time": ("archive",)}
# Reports about a single operator: made only when asked for, with the parameter `operator`
ONE_OPERATOR = frozenset({"operator"})
# Called with a report's name, how much of it is done, of how much, and at the end its outcome
Listener = Callable[[str, int, int, Outcome | None], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One report to make."""

    name: str
    content: bytes  # The notebook
    passed: Mapping[str, Any]  # Parameters to pass to it, paths absolute
    shown: Mapping[str, Any]  # All parameters in force, as given by the user or else the notebook's defaults


@dataclass(frozen=True, slots=True)
class ReportsRun:
    """What became of a run."""

    out: Path
    outcomes: tuple[Outcome, ...]

    def exit_status(self, fail_on: str | None = None) -> int:
        """Return 3 if a report or a rule failed, 1 if a finding is as severe as `fail_on`, 0 otherwise."""
        if any(o.failure or (o.results and FAILED in o.results.by_rule) for o in self.outcomes):
            return 3
        return int(any(o.results and page.as_severe(o.results.by_severity, fail_on) for o in self.outcomes))


def find_notebooks(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return the notebooks that `names` stand for, by name; without names the reports of `folder`.

    A report is a notebook with a cell tagged ``parameters``; the others are for JupyterLab. Overview first.
    No such notebook, or two of one name, is an `UnknownNameError`.
    """
    shipped = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    chosen: dict[str, Path] = {}
    ordered = sorted(shipped.keys() - ONE_OPERATOR, key=lambda n: (n != "overview", n))
    for name in names or [n for n in ordered if declared(_read(shipped[n]), n)]:
        path = shipped.get(name, Path(name))
        if path.suffix != ".ipynb" or not path.is_file():
            near = difflib.get_close_matches(name, shipped, n=1)
            raise UnknownNameError(
                "no notebook {}", repr(name),
                remedy=("Nearest: {}" if near else "There are: {}", ", ".join(near or shipped)),
            )  # fmt: skip
        if chosen.setdefault(path.stem, path) != path or path.stem == "index":
            raise UnknownNameError("another report is called {}", repr(path.stem), file=name)
    return chosen


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if notebook["nbformat"] == 4 and all(isinstance(c["metadata"], dict) for c in notebook["cells"]):
            return dict(notebook)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError("not a notebook (of format 4)", file=str(path))


def plan(notebooks: Mapping[str, Path], parameters: Mapping[str, Any]) -> list[Job]:
    """Check every notebook's parameters; return what to run."""
    accepted = {name: declared(_read(path), name) for name, path in notebooks.items()}
    lang = check_value("lang", parameters.get("lang", "fr"))
    # A notebook of one's own need not know languages: it then says what it says.
    checked = {name: check_value(name, value) for name, value in parameters.items() if name != "lang"}
    takes = dict.fromkeys(name for names in accepted.values() for name in names)
    if unknown := checked.keys() - takes:
        raise ParameterError(
            "{}: no parameter {}",
            ", ".join(accepted),
            repr(min(unknown)),
            remedy=("There are: {}", ", ".join(takes)) if takes else None,
        )
    now, jobs = datetime.now(UTC).replace(microsecond=0).isoformat(), []
    for name, path in notebooks.items():
        defaults = accepted[name]
        values = {n: value for n, value in {**checked, "lang": lang}.items() if n in defaults}
        if name in ONE_OPERATOR and not values.get("operator"):
            about = "the report {} is about one operator"
            raise ParameterError(about, repr(name), remedy="Give --operator, an identifier or a name")
        if "as_of" in defaults and values.get("as_of") is None:
            values["as_of"] = defaults["as_of"] or made_as_of(values.get("data")) or now
        paths: dict[str, Any] = {}  # that hold in the kernel's own folder
        if values.get("data") is not None:
            paths["data"] = str(resources.real_path(values["data"]))
        if values.get("anchors"):
            paths["anchors"] = [str(resources.real_path(anchor)) for anchor in values["anchors"]]
        jobs.append(Job(name, path.read_bytes(), values | paths, {**defaults, **values}))
    return jobs


def run_reports(
    names: Sequence[str] = (),
    *,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    notebooks: Path | None = None,
    shown: Mapping[str, Any] | None = None,
    debug: bool = False,
    jobs: int = WORKERS,
    listener: Listener = lambda *_: None,
) -> ReportsRun:
    """Make reports of notebooks into the folder `out`; of all shipped ones, with an explorer beside them.

    `names` are of notebooks in a folder (the shipped one if none is given), or paths; `parameters` go to
    those that accept them. `shown` are parameters to show in place of these: what a snapshot was made with.
    With `debug`, tracebacks are kept, which may hold unmasked values. `jobs` notebooks run at once.

    Raises
    ------
    UnknownNameError, ParameterError, InputError
        Before anything runs: no such notebook or operator, bad parameter, white list that cannot be read.
    OutputError
        If `out` cannot be written, or another run is writing there.
    """
    overrides, space, chosen = parameters or {}, None, results.Limits()
    todo = plan(find_notebooks(names, notebooks or resources.resource("notebooks")), overrides)
    values = {name: value for job in todo for name, value in job.shown.items()}
    if "data" in values:  # what the notebooks will load: refused here, before any of them runs
        space = results.open_space(**values)
        chosen = results.limits(space, **{name: values.get(name) for name in settings.LIMITS})
    todo = [job for job in todo if _has_data(job.name, space, asked=bool(names))]
    if shown:
        todo = [replace(j, shown={n: shown.get(n, value) for n, value in j.shown.items()}) for j in todo]
    with language.using_language(check_value("lang", overrides.get("lang", "fr"))), locked(out) as staging:
        outcomes, stale, ledger = list[Outcome](), list[Path](), read_ledger(out)
        for job in todo:
            listener(job.name, 0, 1, None)
        with _executions(todo, staging, jobs) as executions:
            loaded: Mapping[str, Any] = results.provenance(space) if space else {}
            counts: Mapping[str, Mapping[str, int]] = results.NO_ANSWERS
            screen: dict[str, Any] = {}
            if space:
                verdicts, causes = first.judged(space, chosen)
                counts = answers(verdicts)
            for job, execution in zip(todo, executions, strict=True):
                ran, roots = execution.result(), [scratch_of(staging, job.name), staging, out]
                outcome, files = page.convert(
                    job, *ran, roots=roots, loaded=loaded, answers=counts, ledger=ledger, debug=debug
                )
                page.write_files(staging, job.name, files, failed=bool(outcome.failure))
                if not outcome.failure:
                    stale += page.outdated(job.name, SUFFIXES, files)
                outcomes.append(outcome)
                listener(job.name, 1, 1, outcome)
        if space:  # only now: beside a kernel it would take more memory than a night may
            limits = findings.limitation(space, results.limited(space.audited, chosen), chosen)
            shows = html.joined(first.answer(verdicts), first.counts(verdicts), limits)
            top = first.cause_lines(causes.head(TOP), kind="causes brief") if len(causes) else ""
            screen = {"title": first.question_asked(verdicts), "first": shows, "causes": top}
            if not names:
                explore(space, domains=set(verdicts["domain"])).save(staging / EXPLORER)
                screen["explorer"] = EXPLORER  # one that an earlier run left may be of another list
        if ledger:
            write_ledger(staging, ledger)
        origin = next((o.results.provenance for o in outcomes if o.results), loaded)
        complete = {outcome.name for outcome in outcomes if (out / f"{outcome.name}.html").exists()}
        index = page.index_html(outcomes, complete, origin, **screen)
        export.write_bytes(staging / "index.html", index.encode())
        publish(staging, out, stale)
    return ReportsRun(out, tuple(outcomes))


def _has_data(name: str, space: TrustSpace | None, *, asked: bool) -> bool:
    """Tell whether the data that a notebook needs are there; refuse one that was asked for without them."""
    needs = NEEDS.get(name) or (registry.audits()[name].needs if name in registry.audits() else ())
    lacking = [need for need in needs if space is not None and space.given(need) is None]
    if lacking and asked:
        raise InputError(
            "the data folder holds no {}", lacking[0], remedy=("The report {} needs them", repr(name))
        )
    return not lacking


@contextmanager
def _executions(jobs: Sequence[Job], staging: Path, workers: int) -> Iterator[list[Future[Any]]]:
    """Run the notebooks, `workers` at once; whoever leaves early, by Ctrl-C above all, stops them."""
    stopped = threading.Event()

    def run(job: Job) -> Any:
        scratch = scratch_of(staging, job.name)
        scratch.mkdir(0o700)
        return execute(job.content, job.passed, scratch, stopped)

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield [pool.submit(run, job) for job in jobs]
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
