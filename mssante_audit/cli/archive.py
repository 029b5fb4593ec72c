"""The command line of the archive: ``fetch``, ``archive import``, ``archive verify``, ``changes``.

Exit status: 0 done; 1 a list went to quarantine or is not what it should be; 2 bad usage or input, or no list
could be had.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mssante_audit.cli.console import say, write_frame
from mssante_audit.cli.options import Anchors, Signer

if TYPE_CHECKING:
    from mssante_audit.archive.log import Record
    from mssante_audit.archive.store import Archive

app = typer.Typer(help="Keep published lists, and check those kept.", no_args_is_help=True)


class Format(StrEnum):
    """Formats of changes."""

    csv = "csv"
    json = "json"


Folder = Annotated[Path, typer.Option("--archive", help="Folder of the archive.")]
MaxLoss = Annotated[
    float, typer.Option(min=0, max=1, help="Share of rows lost from which a list is flagged.")
]


def mount(root: typer.Typer) -> None:
    """Add the commands to the program's."""
    root.command()(fetch)
    root.command()(changes)
    root.add_typer(app, name="archive")


def fetch(
    url: Annotated[str | None, typer.Option(help="Where it is published.", show_default="ANS's")] = None,
    mailboxes: Annotated[
        bool,
        typer.Option(
            "--mailboxes",
            help="Download the public extraction of mailboxes instead, into the folder the archive lies in.",
        ),
    ] = False,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(help="Certificates to trust for TLS, instead of the system's."),
    ] = None,
    archive: Folder = Path("archive"),
    anchors: Anchors = None,
    signer: Signer = None,
    max_loss: MaxLoss = 0.1,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that an attempt may take.")] = 300,
    attempts: Annotated[int, typer.Option(min=1, max=10, help="How often to try.")] = 3,
) -> None:
    """Download the published list and keep it in the archive."""
    from mssante_audit.archive.fetch import URL, Settings
    from mssante_audit.archive.fetch import fetch as run

    if mailboxes:
        _fetch_mailboxes(archive.parent, url, ca_bundle, timeout, attempts)
        return
    settings = Settings(
        url=url or URL, ca_bundle=ca_bundle, max_loss=max_loss, total_seconds=timeout, attempts=attempts
    )
    record = run(_open(archive, anchors, signer), settings)
    say(f"{_line(record)} (from {settings.url})")
    raise typer.Exit(1 if record.outcome == "quarantined" else 0)


def _fetch_mailboxes(
    folder: Path, url: str | None, ca_bundle: Path | None, timeout: float, attempts: int
) -> None:
    from mssante_audit.archive.extraction import MAX_BYTES, fetch_extraction
    from mssante_audit.archive.fetch import Settings
    from mssante_audit.mailboxes.extraction import URL

    settings = Settings(
        url=url or URL, ca_bundle=ca_bundle, max_bytes=MAX_BYTES, total_seconds=timeout, attempts=attempts
    )
    got = fetch_extraction(folder, settings)
    if got.extraction is None:
        say(f"unchanged {got.file} (from {settings.url})")
        return
    known = got.extraction.by_domain
    say(f"kept {got.file}: {sum(known.values())} mailboxes, {len(known)} domains (from {settings.url})")


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILES…", help="Lists, .xml or .xml.gz.")],
    archive: Folder = Path("archive"),
    anchors: Anchors = None,
    signer: Signer = None,
    max_loss: MaxLoss = 0.1,
) -> None:
    """Keep lists collected elsewhere, in any order."""
    from mssante_audit.archive.keep import import_lists

    bad = 0
    for record in import_lists(_open(archive, anchors, signer), files, max_loss=max_loss):
        say(f"{record.source}: {_line(record)}")
        bad += record.outcome in ("quarantined", "failed")
    raise typer.Exit(1 if bad else 0)


@app.command()
def verify(archive: Folder = Path("archive"), anchors: Anchors = None, signer: Signer = None) -> None:
    """Check the hash, the name and the signature of every list kept."""
    from mssante_audit.archive import store as module

    bad = count = 0
    for name, fault in module.verify(_open(archive, anchors, signer, there=True)):
        count += 1
        bad += bool(fault)
        say(f"{name}: {fault or 'valid'}")
    say(f"{count} lists, {bad} at fault")
    raise typer.Exit(1 if bad else 0)


@app.command()
def rebuild(archive: Folder = Path("archive"), anchors: Anchors = None, signer: Signer = None) -> None:
    """Make the history table again from the originals."""
    from mssante_audit.archive.history import FILE, bring_up_to_date
    from mssante_audit.archive.keep import locked

    opened = _open(archive, anchors, signer, there=True)
    with locked(archive):
        table = bring_up_to_date(opened, rebuild=True)
    say(f"{archive / FILE}: {table.num_rows} contents of {len(opened.snapshots)} lists")


def changes(
    before: Annotated[str, typer.Argument(metavar="FROM", help="Date of the archive, or a file.")],
    after: Annotated[str, typer.Argument(metavar="TO", help="Date of the archive, or a file.")],
    recover: Annotated[
        bool, typer.Option("--recover", help="Load the readable rows of damaged lists.")
    ] = False,
    any_namespace: Annotated[
        bool, typer.Option("--any-namespace", help="Accept another XML namespace.")
    ] = False,
    format: Annotated[Format, typer.Option(help="Format to write.")] = Format.csv,  # noqa: A002 - the option's name
    events: Annotated[bool, typer.Option("--events", help="Write the events, not each change.")] = False,
    archive: Folder = Path("archive"),
    show_contacts: Annotated[
        bool, typer.Option("--show-contacts", help="Show contacts as they are: not for sharing.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="standard output")] = None,
) -> None:
    """Say what changed between two lists, one record a change."""
    from mssante_audit.archive.events import span

    found = span(_open(archive, None), before, after, recover=recover, any_namespace=any_namespace)
    found = found if show_contacts else found.masked()
    write_frame(found.events if events else found.changes, format, out)


def _open(
    folder: Path, anchors: list[Path] | None, signer: str | None = None, *, there: bool = False
) -> Archive:
    from mssante_audit.archive.store import open_archive
    from mssante_audit.base.errors import InputError

    if there and not folder.is_dir():
        raise InputError("no archive here", file=str(folder), remedy="Name it with --archive")
    return open_archive(folder, anchors or (), signer)


def _line(record: Record) -> str:
    flags = f" [{', '.join(record.flags)}]" if record.flags else ""
    why = f": {record.message}" if record.message else ""
    return f"{record.outcome}{flags} {record.file}{why}".rstrip()
