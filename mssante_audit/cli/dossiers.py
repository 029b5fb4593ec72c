"""The command ``mssante-audit dossiers``: a dossier for each operator, with its letter and an index."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mssante_audit.cli import console
from mssante_audit.cli.console import say
from mssante_audit.cli.options import Debug, FailOn, with_parameters

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mssante_audit.dossiers.write import Dossier

app = typer.Typer()


class Engine(StrEnum):
    """What runs the notebooks."""

    fork = "fork"
    default = "default"


@app.command("dossiers")
@with_parameters("data", "parameter", "as_of", "anchors", "recover", "any_namespace", "show_contacts")
def dossiers(
    given: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("dossiers"),
    operator: Annotated[
        list[str] | None,
        typer.Option(help="Identifier or unambiguous name (repeatable).", show_default="all operators"),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="How many to make at once.", show_default="one a processor")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Make them on a Dask cluster, such as tcp://10.0.0.1:8786."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Run notebooks in forks of one process, or in a kernel each.")
    ] = Engine.fork,
    fail_on: FailOn = None,
    debug: Debug = False,
) -> None:
    """Write a dossier and a letter for each operator, and an index; those unchanged are kept."""
    from mssante_audit.cli.progress import Progress
    from mssante_audit.dossiers.forks import AVAILABLE
    from mssante_audit.dossiers.write import write_dossiers

    console.debug.append(debug)
    if engine is Engine.fork and not AVAILABLE:
        say("no process can be forked here: the default engine runs the notebooks", sys.stderr)
    with _cluster(dask) as executor, Progress(lambda told: say(_line(told, out))) as progress:
        run = write_dossiers(
            out,
            parameters=given,
            operators=operator or (),
            jobs=jobs,
            executor=executor,
            debug=any(console.debug),
            fork=engine is Engine.fork,
            listener=lambda done, of, told: progress("dossiers", done, of, told),
        )
    say(f"{len(run.outcomes)} dossiers, {run.made} made now; index: {out / 'index.html'}")
    raise typer.Exit(run.exit_status(fail_on))


def _line(told: Dossier, out: Path) -> str:
    who = f"{told.operator_id} {told.name}".strip()
    if told.failure:
        why = f"{told.failure['kind']}: {told.failure['message']}".rstrip(": ")
        return f"{who}: FAILED, {why}; partial: {out / 'failed' / told.file}.html"
    found = ", ".join(f"{n} {severity}" for severity, n in (told.counts or {}).items() if n)
    return f"{who}: {found or 'no findings'}, made {told.made_at}: {out / told.file}.html"


@contextmanager
def _cluster(address: str | None) -> Iterator[Executor | None]:
    if address is None:
        yield None
        return
    from mssante_audit.dossiers.cluster import cluster

    with cluster(address) as executor:
        yield executor
