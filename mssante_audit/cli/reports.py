"""The commands ``report``, which runs notebooks, and ``dossiers``: one for each operator, with its letter."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Exit, Option

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.cli import options
from mssante_audit.cli.console import debugging, parameters_of, say, say_failed
from mssante_audit.cli.options import offer

if TYPE_CHECKING:
    from mssante_audit.dossiers.write import Entry
    from mssante_audit.report.run import Outcome

RETRIES = 2  # of a task that raised; Dask itself sends those of a lost worker to another
BROWSER_PATIENCE = 5  # seconds to wait for a browser, where nobody can close it
PATIENCE = 30  # seconds to wait for the scheduler, and then for a first worker
_NOTEBOOKS = Argument(
    help="Names or paths.", metavar="NOTEBOOK", show_default="all", autocompletion=lambda: offer("notebooks")
)
_EACH = "Identifier or unambiguous name (repeatable)."
_DASK = "Make them on a Dask cluster, such as tcp://10.0.0.1:8786."
_LETTER = "Sender, signature, deadline… of the letters: a TOML file with a section `letter`."


def report(
    context: Context,
    notebooks: Annotated[list[str] | None, _NOTEBOOKS] = None,
    out: Annotated[Path, Option(help="Folder to write into.")] = Path("reports"),
    fail_on: options.FailOn = None,
    lang: options.Lang = options.Language.fr,
    show: Annotated[bool, Option("--open", help="Open the first page in a browser.")] = False,
    debug: options.Debug = False,
) -> None:
    """Run notebooks and write HTML reports."""
    from mssante_audit.cli.progress import progress
    from mssante_audit.findings.templates import phrase
    from mssante_audit.report.run import run_reports

    def report_outcome(outcome: Outcome) -> None:
        seconds, results = f"{sum(outcome.seconds.values()):.1f} s", outcome.results
        if fault := outcome.failure:
            partial = _partial(fault.kind, fault.message, out, outcome.name)
            say(f"{outcome.name}: FAILED in {seconds}, {partial}")
        else:
            counts = _counted(results.by_severity) if results else "nothing recorded"
            say(f"{outcome.name}: done in {seconds}, {counts}: {out / outcome.name}.html")

    parameters = parameters_of(context) | {"lang": lang.value}
    with progress(report_outcome) as listener:
        run = run_reports(
            notebooks or (), out=out, parameters=parameters, debug=debugging(context), listener=listener
        )
    provenances = [outcome.results.provenance for outcome in run.outcomes if outcome.results]
    made_up = bool(provenances) and provenances[0].get("made_up")
    sample = f" (made-up example, as of {provenances[0]['as_of'][:10]})" if made_up else ""
    # The two answers as the mail of a night says them, or that nobody looked.
    for question, counts in (run.outcomes[0].answers if run.outcomes else {}).items():
        if question == "arrives" and 0 < counts["unknown"] == sum(counts.values()):
            say("whether mail arrives is unknown: `mssante-audit observe dns --data DIR` asks the DNS")
        elif any(counts.values()):
            say(phrase("mssante_audit.nightly", question, counts, "en"))
    say(f"index: {out / 'index.html'}{sample}")
    if made_up:
        say("your own list: mssante-audit report --data FOLDER (the list and certificates of IGC-Santé)")
    say_failed(*(outcome.results.findings for outcome in run.outcomes if outcome.results))
    if show and not opened(out / "index.html"):
        say("no browser opened: open the index by hand, or name a browser in BROWSER")
    raise Exit(run.exit_status(fail_on))


def opened(page: Path) -> bool:
    """Show a page, and tell whether a browser took it; one that nobody sits before is not waited for."""
    import webbrowser
    from threading import Thread

    failed: list[bool] = []

    def show() -> None:
        try:
            failed.extend([True] * (not webbrowser.open(page.resolve().as_uri())))
        except (OSError, ValueError):  # of a BROWSER that cannot be read, say
            failed.append(True)

    thread = Thread(target=show, daemon=True)
    thread.start()
    thread.join(None if sys.stdin.isatty() else BROWSER_PATIENCE)
    return not failed


def _partial(kind: str, message: str, out: Path, name: str) -> str:
    return f"{f'{kind}: {message}'.rstrip(': ')}; partial: {out / 'failed' / name}.html"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {severity}" for severity, n in counts.items() if n) or "no findings"


def dossiers(
    context: Context,
    out: Annotated[Path, Option(help="Folder to write into.")] = Path("dossiers"),
    operator: Annotated[list[str] | None, Option(help=_EACH, show_default="all operators")] = None,
    jobs: Annotated[int, Option(min=1, help="How many processes make them.")] = 1,
    dask: Annotated[str | None, Option(metavar="ADDRESS", help=_DASK)] = None,
    letter: Annotated[Path | None, Option(help=_LETTER)] = None,
    to_all: Annotated[
        bool, Option("--to-all", help="A letter also to operators that have nothing to put right.")
    ] = False,
    lang: options.Lang = options.Language.fr,
    fail_on: options.FailOn = None,
    debug: options.Debug = False,
) -> None:
    """Write a dossier and a letter for each operator, and an index."""
    from mssante_audit.cli.progress import progress
    from mssante_audit.dossiers.stationery import Stationery, read_stationery
    from mssante_audit.dossiers.write import write_dossiers

    parameters = parameters_of(context, "operator") | {"lang": lang.value}
    parameters.pop("operator", None)  # these are several
    named = {name: parameters.pop(name, None) for name in ("region", "department")}
    on = read_stationery(letter) if letter else Stationery()

    def report_outcome(dossier: Entry) -> None:
        label, fault = f"{dossier.operator_id} {dossier.name}".strip(), dossier.failure
        if fault:
            say(f"{label}: FAILED, {_partial(fault['kind'], fault['message'], out, dossier.file)}")
        else:
            counts = _counted(dossier.counts or {})
            say(f"{label}: {counts}, made {dossier.made_at}: {out / dossier.file}.html")

    with cluster(dask) as elsewhere, progress(report_outcome) as listener:
        run = write_dossiers(
            out, parameters=parameters, operators=operator or (), **named, jobs=jobs,
            on=on.model_copy(update={"to_all": on.to_all or to_all}), debug=debugging(context),
            listener=lambda done, total, dossier: listener("dossiers", done, total, dossier), **elsewhere,
        )  # fmt: skip
    say(f"{len(run.outcomes)} dossiers; index: {out / 'index.html'}")
    raise Exit(run.exit_status(fail_on))


@contextmanager
def cluster(address: str | None) -> Iterator[dict[str, Any]]:
    """Yield what `write_dossiers` is given for a Dask cluster: its executor, and how the data get there."""
    if address is None:
        yield {}
        return
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError("no Dask scheduler answers: {}", error, file=address) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise InputError(
                "the Dask cluster has no worker", file=address, remedy=("Start one: dask worker {}", address)
            ) from None
        yield {
            "executor": client.get_executor(pure=False, retries=RETRIES),  # type: ignore[no-untyped-call]
            # A task's result, and not scattered: Dask makes it again if the worker that has it is lost.
            "send": lambda data: client.submit(
                lambda sent: sent, data, key=f"mssante-audit-{digest(pickle.dumps(data))}"
            ),
        }
