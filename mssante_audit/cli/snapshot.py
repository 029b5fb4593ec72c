"""The command ``mssante-audit snapshot``: a trust space and all that was found in it, as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mssante_audit.cli.console import given_by, say, space_of
from mssante_audit.cli.options import Anchors, AnyNamespace, AsOf, Data, Recover, Settings, Signer

app = typer.Typer()


@app.command("snapshot")
def snapshot(
    out: Annotated[Path, typer.Argument(help="Folder to write: a new one, or an earlier snapshot.")],
    data: Data = None,
    parameter: Settings = None,
    as_of: AsOf = None,
    anchors: Anchors = None,
    signer: Signer = None,
    recover: Recover = False,
    any_namespace: AnyNamespace = False,
    shareable: Annotated[
        bool, typer.Option("--shareable", help="Leave out what names persons: to hand on.")
    ] = False,
) -> None:
    """Work everything out once and keep it: for reports, JupyterLab, DuckDB. What is there already stays."""
    from mssante_audit.base.instants import parse_instant
    from mssante_audit.snapshot import make_snapshot
    from mssante_audit.snapshot.make import bound_to, fresh

    given: dict[str, Any] = given_by(
        parameter,
        data=data,
        as_of=as_of,
        anchors=anchors,
        signer=signer,
        recover=recover,
        any_namespace=any_namespace,
    )
    given["as_of"] = parse_instant(given.get("as_of")).replace(microsecond=0).isoformat()
    bound = bound_to(given.get("data"), given)
    if fresh(out, bound, shareable=shareable):
        say(f"snapshot: {out} is up to date")
        return
    space = space_of(given)
    head = make_snapshot(space, out, bound=bound, data=given.get("data"), shareable=shareable)
    say(f"snapshot: {out} ({len(head['files'])} files, as of {head['as_of']})")
