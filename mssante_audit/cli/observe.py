"""The commands that use the network, ``mssante-audit observe dns``, and what compares what they wrote.

Mounted by `mssante_audit.cli.main`, which turns the package's errors into one line and exit status 2, and
Ctrl-C into 130. Nothing here is imported before a command runs that the other commands would have to wait
for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mssante_audit.base.errors import InputError
from mssante_audit.base.settings import Observe
from mssante_audit.cli.console import say, write_frame
from mssante_audit.cli.options import Data, OutFile, options_of

if TYPE_CHECKING:
    from mssante_audit.observe.dns.run import Progress

Written = StrEnum("Written", "text csv json")
"""Formats of what changed: for a reader, or for programs."""

app = typer.Typer(help="Observe the network and write down what it says.", no_args_is_help=True)


@app.callback()
def _observe() -> None:
    """Observe the network and write down what it says; audits and reports then need no network."""


@app.command()
@options_of(
    Observe,
    "parent_zone", "port", "timeout", "retries", "in_flight", "per_server", "ipv4_only", "only",
    parent_servers="--parent-server", resolvers="--resolver",
    metavars={"parent_servers": "NAME=ADDRESS", "resolvers": "ADDRESS", "only": "PATTERN"},
)  # fmt: skip
def dns(
    data: Annotated[Path, typer.Option(help="Folder or file holding the white list.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write.", show_default="observations/dns-<date>.jsonl.gz in --data"),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with --out, or with the last observation if it was stopped."),
    ] = False,
    **options: Any,
) -> None:
    """Ask the DNS about every domain of the list, gently, and write a dated observation file."""
    from mssante_audit.observe.dns.run import ObserveSettings, observe
    from mssante_audit.space.trust import find_archive, find_whitelist
    from mssante_audit.whitelist.load import load_whitelist

    given = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items() if v is not None}
    settings = ObserveSettings(**given)
    path = out or _path(data, resume=resume)
    # The list alone: a damaged register or older observation must not keep anyone from observing.
    domains = load_whitelist(find_whitelist(data, find_archive(data))).entries["domain"].unique().tolist()
    with _progress() as show:
        summary = observe([d for d in domains if d], path, settings, resume=resume, progress=show)
    counts = ", ".join(f"{outcome} {count}" for outcome, count in sorted(summary.outcomes.items()))
    typer.echo(
        f"{path}: {summary.domains} domains, {summary.queries} queries in {summary.seconds:.0f} s ({counts})"
    )
    for domain in summary.not_names:
        typer.echo(f"not asked, no name the DNS can carry: {domain!r}")
    if summary.ignored:
        typer.echo(f"{summary.ignored} messages thrown away: they answered nothing that was asked")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="FROM", help="Observation file, or date of one.")],
    after: Annotated[str, typer.Argument(metavar="TO", help="Observation file, or date of one.")],
    data: Data = None,
    format: Annotated[Written, typer.Option("--format", help="Format to write.")] = Written.text,  # noqa: A002
    out: OutFile = None,
) -> None:
    """Say what changed in the DNS between two observations: of two hours, or from two places.

    A date means the last whole observation of that day or instant, or before, in --data.
    """
    from mssante_audit.base.export import write_bytes
    from mssante_audit.observe.observation import load_observation
    from mssante_audit.verdicts.differences import differences, sentences, told_by

    # One after the other: each may be large.
    first, then = (told_by(load_observation(_named(text, data))) for text in (before, after))
    found = differences(first, then)
    if format is not Written.text:
        write_frame(found, format, out)
    elif out is not None:
        write_bytes(out, "".join(f"{line}\n" for line in sentences(first, then, found)).encode())
    else:
        say("\n".join(sentences(first, then, found)))


def _named(text: str, data: Path | None) -> Path:
    from mssante_audit.base.instants import parse_instant
    from mssante_audit.base.resources import resource
    from mssante_audit.observe.kinds import find_observations, is_whole

    path = Path(text)
    if path.exists():
        return path
    try:
        at = parse_instant(text)
    except InputError:
        raise InputError("no such observation, nor a date", file=text) from None
    last = at + timedelta(days=1) if len(text) == len("2026-03-02") else at + timedelta(seconds=1)
    folder = data or resource("data/sample")
    for file in find_observations(folder):
        if file.begun < last and is_whole(file.path):
            return file.path
    raise InputError(f"no whole observation of {text} or before", file=str(folder))


def _path(data: Path, *, resume: bool) -> Path:
    from mssante_audit.observe.kinds import default_path, observation_files
    from mssante_audit.observe.observation import load_observation

    folder = data if data.is_dir() else data.parent
    if not resume:
        return default_path(folder, datetime.now(UTC))
    files = observation_files(folder)
    if not files:
        raise InputError("no observation to go on with", file=str(folder), remedy="Leave --resume out")
    if load_observation(files[-1]).complete:
        raise InputError(
            "complete already", file=str(files[-1]), remedy="Leave --resume out to make a new one"
        )
    return files[-1]


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None] | None]:
    """Show how far it is, at what rate, how long it will take, and who is silent; only to a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from mssante_audit.cli.progress import bar

    note = TextColumn("{task.fields[note]}")
    with bar(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note) as shown:
        if not shown:
            yield None
            return
        task = shown.add_task("", total=None, note="")

        def show(progress: Progress) -> None:
            rate = progress.sent / max(progress.seconds, 0.001)
            silent = f" · silent: {', '.join(progress.silent[:3])}" if progress.silent else ""
            more = f" and {len(progress.silent) - 3} more" if len(progress.silent) > 3 else ""
            told = f"{rate:.0f} queries/s{silent}{more}"
            shown.update(task, total=progress.total, completed=progress.done, note=told)

        yield show
