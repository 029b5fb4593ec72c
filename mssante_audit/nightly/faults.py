"""What stops a nightly run before it begins, said at once and in one line."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mssante_audit.archive.store import find_archive, find_whitelist, lists_in, open_archive
from mssante_audit.base.errors import AuditError, InputError, OutputError, ParameterError
from mssante_audit.base.export import writing
from mssante_audit.base.groups import install, lacking
from mssante_audit.base.inputs import LIST
from mssante_audit.base.resources import real_path, resource
from mssante_audit.base.settings import LOOPBACK
from mssante_audit.dossiers.stationery import stationery
from mssante_audit.findings.ledger import FILE as LEDGER
from mssante_audit.findings.registry import input_of, known_needs
from mssante_audit.findings.trend import FILE as TREND
from mssante_audit.nightly.config import Config
from mssante_audit.nightly.letters import read_letters
from mssante_audit.nightly.night import RUNS, SITE, STATE
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.report.run import find_notebooks
from mssante_audit.values.identifiers import places
from mssante_audit.whitelist.certificates import tls_context


def check(config: Config) -> None:
    """Raise the first of `faults`; make the data folder before, if a list will be fetched into it."""
    if config.fetch.enabled and not config.data.folder.exists():
        with writing(config.data.folder):
            config.data.folder.mkdir(parents=True)
    for fault in faults(config):
        raise fault
    read_letters(config.output.folder)  # of another version it is refused


def faults(config: Config) -> Iterator[AuditError]:
    """Yield what would make a run useless."""
    for section, group, enabled in (
        ("reports", "report", config.reports.enabled), ("fetch", "observe", config.fetch.enabled),
        ("observe_tls", "observe", config.observe_tls.enabled), ("webhook", "observe", config.webhook.url),
    ):  # fmt: skip
        if enabled and (modules := lacking(group)):
            message, remedy = "[{}] needs {}, which is not installed", ("Install it: {}", install(group))
            yield InputError(message, section, modules[0], remedy=remedy)
    yield from _folders(config.data.folder, config.output.folder, fetched=config.fetch.enabled)
    bundles = [*filter(None, (part.ca_bundle for part in (config.fetch, config.mail, config.webhook)))]
    for path in (*config.data.anchors, *bundles):
        if not path.exists():
            yield InputError("no such certificates", file=str(path))
        elif path in bundles:
            yield from _raised(partial(tls_context, path))
    if names := config.reports.names:
        yield from _raised(partial(find_notebooks, names, resource("notebooks")), "[reports] ")
    for part, limits in (("reports", config.reports), ("dossiers", config.dossiers)):
        yield from _raised(partial(places, limits.region or None, limits.department or None), f"[{part}] ")
    if config.dossiers.enabled:
        yield from _raised(partial(stationery, config.letter))
    inputs = (LIST, *map(input_of, known_needs()))
    for name in {entry.partition(":")[0] for entry in config.inputs.tolerated}.difference(inputs):
        choices = ("There are: {}", ", ".join(inputs))
        yield ParameterError("inputs.tolerated: no input {}", repr(name), remedy=choices)
    yield from _sending(config)
    if config.observe.enabled:
        yield from _raised(partial(ObserveSettings, **config.observe.model_dump()), "[observe] ")
    if config.observe_tls.enabled and not lacking("observe"):
        from mssante_audit.observe.tls.visit import offers_of

        yield from _raised(partial(offers_of, config.observe_tls), "[observe_tls] ")


def _folders(data: Path, output: Path, *, fetched: bool) -> Iterator[AuditError]:
    if not data.exists():
        if not fetched:  # else `check` makes it, on a runner that begins with nothing
            remedy = "Put a white list there, or set fetch.enabled"
            yield InputError("no such data folder", file=str(data), remedy=remedy)
    elif not data.is_dir():
        yield InputError("is no folder", file=str(data), remedy="data.folder is the folder the list lies in")
    elif fetched and not open_archive(data).snapshots:  # the folder is not the archive itself
        remedy = "Keep it with `mssante-audit archive import`, then move it away"
        for file in lists_in(data):
            yield InputError("would be audited instead of the lists fetched", file=str(file), remedy=remedy)
    elif not fetched and not os.path.isfile(output / STATE / LEDGER):
        # One that was there and is gone is for the run to tell.
        yield from _raised(lambda: find_whitelist(data, find_archive(data)))
    real = real_path(output)
    if real_path(data) in (real, real / RUNS, real / SITE):
        yield InputError("is both data and output folder", file=str(output), remedy="Set output.folder")
    if os.path.exists(site := output / SITE) and not site.is_symlink():
        yield OutputError("is in the way: it is no link of ours", file=str(site), remedy="Move it away")
    for file in (output / STATE / LEDGER, output / STATE / TREND):  # the end of a run replaces them
        if file.is_symlink():
            remedy = "Put the file itself there"
            yield OutputError("is a link, which would be replaced by a file", file=str(file), remedy=remedy)


def _raised(check: Callable[[], object], place: str = "") -> Iterator[AuditError]:
    """Yield what a check raises, with its place in the settings."""
    try:
        check()
    except AuditError as error:
        yield type(error)("{}{}", place, error, remedy=error.how) if place else error


def _sending(config: Config) -> Iterator[AuditError]:
    mail, remedy = config.mail, None
    if mail.server and not (mail.sender and mail.recipients):
        message = "[mail] names a server, but no sender or no recipients"
    elif mail.server and mail.tls == "none" and mail.server not in LOOPBACK:
        message = "[mail] would go to {} without TLS"
        remedy = 'tls = "none" is for a server on this machine: localhost'
    elif mail.server and bool(mail.user) != bool(mail.password):
        message = "[mail] names a user without a password, or the other way round"
    elif config.webhook.token and not config.webhook.url:
        message = "[webhook] names a token, but no address"
    else:
        return
    yield ParameterError(message, mail.server, remedy=remedy)
