"""The command line of the archive: ``fetch``, ``archive import``, ``archive verify``, ``changes``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Exit, Option, Typer

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.language import using_language
from mssante_audit.cli import options
from mssante_audit.cli.check import UNRELIABLE
from mssante_audit.cli.console import note, parameters_of, say, write_frame

if TYPE_CHECKING:
    from mssante_audit.archive.store import Archive

app = Typer(help="Keep published lists, and check those kept.", no_args_is_help=True)

Folder = Annotated[Path, Option(help="Folder of the archive.")]
_MAILBOXES = "Download the public extraction of mailboxes instead, into the folder the archive lies in."
_CRL = "Download revocation lists instead, into crls/ beside the archive: those that certificates of known "
_CRL += "authorities name, or the one at --url."
_CA = "Certificates to trust for TLS, a file or a folder: the server's are IGC-Santé's."


def fetch(
    mailboxes: Annotated[bool, Option("--mailboxes", help=_MAILBOXES)] = False,
    crl: Annotated[bool, Option("--crl", help=_CRL)] = False,
    archive: Folder = Path("archive"),
    anchors: options.Anchors = None,
    signer: options.Signer = None,
    url: Annotated[
        str | None, Option(help="Where it is published.", show_default="its known address")
    ] = None,
    ca_bundle: Annotated[Path | None, Option(help=_CA, show_default="the system's")] = None,
    max_loss: options.MaxLoss = 0.1,
    attempts: Annotated[int, Option(min=1, max=10, help="How often to try.")] = 3,
    attempt_seconds: Annotated[float, Option("--timeout", help="Seconds for an attempt.")] = 300,
) -> None:
    """Download the published list and keep it in the archive."""
    from mssante_audit.archive import downloads
    from mssante_audit.archive.fetch import Settings
    from mssante_audit.archive.fetch import fetch as fetch_list
    from mssante_audit.base.settings import Fetch
    from mssante_audit.mailboxes.extraction import URL

    if crl and mailboxes:
        raise ParameterError("--crl and --mailboxes are two downloads", remedy="Ask for one at a time")
    address = url or (URL if mailboxes else Fetch().url)
    settings = Settings(
        address, ca_bundle, attempt_seconds=attempt_seconds, attempts=attempts, max_loss=max_loss
    )
    if crl:
        folder, urls = archive.parent, [address] if url is not None else []
        lists = _signed_lists(folder)
        revoked = downloads.fetch_crls(folder, anchors or (), settings, whitelists=lists, urls=urls)
        say("\n".join(fetched.line for fetched in revoked))
        raise Exit(int(any(fetched.outcome == "refused" for fetched in revoked)))
    if mailboxes:
        settings = replace(settings, max_bytes=downloads.MAX_BYTES)
        file, extraction = downloads.fetch_extraction(archive.parent, settings)
        text = f"unchanged {file}"
        if extraction is not None:
            counts = extraction.by_domain
            text = f"kept {file}: {sum(counts.values())} mailboxes, {len(counts)} domains"
        return say(f"{text} (from {settings.shown})")
    record = fetch_list(_open(archive, anchors, signer), settings)
    say(f"{record.line} (from {settings.shown})")
    raise Exit(int(record.outcome == "quarantined"))


def _signed_lists(folder: Path) -> list[Path]:
    """Return the newest list, and of earlier ones the last of each year: their signers may differ."""
    from mssante_audit.archive.store import find_archive, find_whitelist

    lists, archive = [], find_archive(folder)
    with suppress(InputError):  # without a list there are other certificates
        lists.append(find_whitelist(folder, archive))
    return [*lists, *({s.generated_at.year: s.path for s in archive.snapshots}.values() if archive else ())]


@app.command("import")
def import_(
    files: Annotated[list[Path], Argument(metavar="FILES…", help="Lists, .xml or .xml.gz.")],
    archive: Folder = Path("archive"),
    anchors: options.Anchors = None,
    signer: options.Signer = None,
    max_loss: options.MaxLoss = 0.1,
) -> None:
    """Keep lists collected elsewhere, in any order."""
    from mssante_audit.archive.store import import_lists

    bad = 0
    for record in import_lists(_open(archive, anchors, signer), files, max_loss=max_loss):
        say(f"{record.source}: {record.line}")
        bad += record.outcome in ("quarantined", "failed")
    raise Exit(int(bad > 0))


@app.command(cls=options.taking("anchors", "signer"))
def verify(context: Context, archive: Folder = Path("archive")) -> None:
    """Check the hash, the name and the signature of every list kept, and the history table."""
    from mssante_audit.archive.store import verify as faults_of

    bad = count = 0
    for name, fault in faults_of(_open(archive, **parameters_of(context), must_exist=True)):
        count += name.endswith(".xml.gz")
        bad += bool(fault)
        say(f"{name}: {fault or 'valid'}")
    say(f"{count} lists, {bad} at fault")
    raise Exit(int(bad > 0))


@app.command(cls=options.taking("anchors", "signer"))
def rebuild(context: Context, archive: Folder = Path("archive")) -> None:
    """Make the history table again from the originals."""
    from mssante_audit.archive.history import FILE, bring_up_to_date
    from mssante_audit.archive.store import locked

    opened = _open(archive, **parameters_of(context), must_exist=True)
    with locked(archive):
        history = bring_up_to_date(opened, rebuild=True)
    say(f"{archive / FILE}: {len(history)} contents of {len(opened.snapshots)} lists")


def changes(
    context: Context,
    before: Annotated[str, Argument(metavar="FROM", help="Date of the archive, or a file.")],
    after: Annotated[str, Argument(metavar="TO", help="Date of the archive, or a file.")],
    format: options.TableFormat = options.Table.csv,
    events: Annotated[bool, Option("--events", help="Write the events, not each change.")] = False,
    archive: Folder = Path("archive"),
    out: options.OutFile = None,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Say what changed between two lists, one record a change, and how sure it is.

    Exit status: 0 done, 2 a list cannot be read (a damaged one without --recover), 4 done, but one of the
    lists is not to be relied on.
    """
    from mssante_audit.space.story import compare
    from mssante_audit.verdicts.words import not_relied_on

    compared = compare(before, after, archive=archive, language=lang, **parameters_of(context))
    write_frame(compared.events if events else compared.changes, format, out)
    for name, doubts in zip((before, after), compared.doubts, strict=True):
        if doubts:
            advice = "; --anchors names whom to trust" if "untrusted" in doubts else ""
            with using_language("en"):  # as all that a program says of itself
                note(f"{name} is {not_relied_on(doubts)}{advice}")
    raise Exit(UNRELIABLE if any(compared.doubts) else 0)


def _open(
    folder: Path, anchors: list[str] | None = None, signer: str | None = None, *, must_exist: bool = False
) -> Archive:
    from mssante_audit.archive.store import open_archive

    if must_exist and not folder.is_dir():
        raise InputError("no archive here", file=str(folder), remedy="Name it with --archive")
    return open_archive(folder, anchors or (), signer)
