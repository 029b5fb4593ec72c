"""The command ``mssante-audit dossiers``: a dossier for each operator, with its letter and an index."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mssante_audit.cli.options import (
    Anchors,
    AnyNamespace,
    AsOf,
    Data,
    Recover,
    Settings,
    Severity,
    ShowContacts,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mssante_audit.dossiers.write import Dossier

app = typer.Typer()


class Engine(StrEnum):
    """What runs the notebooks."""

    fork = "fork"
    default = "default"


@app.command("dossiers")
def dossiers(
    data: Data = None,
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
    parameter: Settings = None,
    as_of: AsOf = None,
    anchors: Anchors = None,
    recover: Recover = False,
    any_namespace: AnyNamespace = False,
    show_contacts: ShowContacts = False,
    fail_on: Annotated[
        Severity | None, typer.Option(help="Exit with 1 if there are findings this severe.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Keep tracebacks in partial dossiers.")] = False,
) -> None:
    """Write a dossier and a letter for each operator, and an index; those unchanged are kept."""
    from mssante_audit.cli import main as cli
    from mssante_audit.cli.progress import Progress
    from mssante_audit.dossiers.forks import AVAILABLE
    from mssante_audit.dossiers.write import write_dossiers

    cli._debug.append(debug)
    given = cli._given(
        parameter,
        data=data, as_of=as_of, anchors=anchors, recover=recover,
        any_namespace=any_namespace, show_contacts=show_contacts,
    )  # fmt: skip
    if engine is Engine.fork and not AVAILABLE:
        cli._say("no process can be forked here: the default engine runs the notebooks", sys.stderr)
    with _cluster(dask) as executor, Progress(lambda told: cli._say(_line(told, out))) as progress:
        run = write_dossiers(
            out,
            parameters=given,
            operators=operator or (),
            jobs=jobs,
            executor=executor,
            debug=any(cli._debug),
            fork=engine is Engine.fork,
            listener=lambda done, of, told: progress("dossiers", done, of, told),
        )
    cli._say(f"{len(run.outcomes)} dossiers, {run.made} made now; index: {out / 'index.html'}")
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
