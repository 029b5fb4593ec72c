"""What a nightly run does not even begin with: said in one line then, not at six in the morning."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mssante_audit.base.errors import AuditError, InputError, OutputError, ParameterError
from mssante_audit.base.groups import install, lacking
from mssante_audit.base.resources import real_path, resource
from mssante_audit.nightly.night import RUNS, SITE, STATE
from mssante_audit.nightly.settings import Config
from mssante_audit.nightly.steps import observe_settings


def check(config: Config) -> None:
    """Raise the first of `faults`; make the data folder before, if a list will be fetched into it."""
    if config.fetch.enabled and not config.data.folder.exists():
        try:
            config.data.folder.mkdir(parents=True)
        except OSError as error:
            why = f"cannot be made: {(error.strerror or '').lower()}"
            raise OutputError(why, file=str(config.data.folder)) from None
    for fault in faults(config):
        raise fault


def faults(config: Config) -> Iterator[AuditError]:
    """Yield what would make a run useless."""
    from mssante_audit.nightly.post import fault_of
    from mssante_audit.values.identifiers import places

    yield from _groups(config)
    yield from _data(config)
    yield from _output(config)
    bundles = [*filter(None, (part.ca_bundle for part in (config.fetch, config.mail, config.webhook)))]
    for path in (*config.data.anchors, *bundles):
        if not path.exists():
            yield InputError("no such certificates", file=str(path))
        elif path in bundles:
            yield from _raised(partial(_certificates, path))
    yield from _reports(config.reports.names)
    for section, wanted in (("reports", config.reports), ("dossiers", config.dossiers)):
        where = wanted.region or None, wanted.department or None
        yield from _raised(partial(places, *where), f"[{section}] ")
    if fault := fault_of(config.mail, config.webhook):
        yield fault
    if config.observe.enabled:
        yield from _raised(partial(observe_settings, config.observe), "[observe] ")
    if config.observe_tls.enabled and not lacking("observe"):
        from mssante_audit.observe.tls.visit import offers_of

        yield from _raised(partial(offers_of, config.observe_tls), "[observe_tls] ")


def _groups(config: Config) -> Iterator[AuditError]:
    """Yield a fault for each group of packages that a section needs and that is not installed."""
    needed = {
        "[reports]": ("report", config.reports.enabled),
        "[fetch]": ("observe", config.fetch.enabled),
        "[observe_tls]": ("observe", config.observe_tls.enabled),
        "[webhook]": ("observe", bool(config.webhook.url)),
    }
    for section, (group, wanted) in needed.items():
        if wanted and (modules := lacking(group)):
            why = f"{section} needs {modules[0]}, which is not installed"
            yield InputError(why, remedy=f"Install it: {install(group)}")


def _data(config: Config) -> Iterator[AuditError]:
    from mssante_audit.archive.store import find_archive, find_whitelist
    from mssante_audit.findings.ledger import FILE as LEDGER

    data, output = config.data.folder, config.output.folder
    if not data.exists() and config.fetch.enabled:
        return  # `check` makes it, on a runner that begins with nothing
    if not data.exists():
        remedy = "Put a white list there, or set fetch.enabled"
        yield InputError("no such data folder", file=str(data), remedy=remedy)
    elif not data.is_dir():
        yield InputError("is no folder", file=str(data), remedy="data.folder is the folder the list lies in")
    elif config.fetch.enabled:
        yield from _loose_lists(data)
    elif not (output / STATE / LEDGER).is_file():  # a list that was there and is gone is for the run to tell
        yield from _raised(lambda: find_whitelist(data, find_archive(data)))


def _output(config: Config) -> Iterator[AuditError]:
    output = config.output.folder
    real = real_path(output)
    if real_path(config.data.folder) in (real, real / RUNS, real / SITE):
        yield InputError("is both data and output folder", file=str(output), remedy="Set output.folder")
    if (site := output / SITE).exists() and not site.is_symlink():
        yield OutputError("is in the way: it is no link of ours", file=str(site), remedy="Move it away")


def _certificates(bundle: Path) -> None:
    from mssante_audit.whitelist.certificates import GIVE, certificates_of

    if not certificates_of(bundle):
        raise InputError("no certificate here", file=str(bundle), remedy=GIVE)


def _raised(check: Callable[[], object], place: str = "") -> Iterator[AuditError]:
    """Yield what a check raises, told of a place in the settings."""
    try:
        check()
    except AuditError as error:
        yield type(error)(f"{place}{error.message}", remedy=error.remedy) if place else error


def _loose_lists(data: Path) -> Iterator[AuditError]:
    """Yield a fault if a list beside the archive would be audited instead of the ones fetched."""
    from mssante_audit.archive.store import open_archive

    if open_archive(data).snapshots:  # the folder is the archive itself
        return
    remedy = "Keep it with `mssante-audit archive import`, then move it away"
    for loose in sorted(f for f in data.iterdir() if f.name.endswith((".xml", ".xml.gz")) and f.is_file()):
        yield InputError("would be audited instead of the lists fetched", file=str(loose), remedy=remedy)


def _reports(names: tuple[str, ...]) -> Iterator[AuditError]:
    known = sorted(path.stem for path in resource("notebooks").glob("*.ipynb"))
    for name in names:
        if name.endswith(".ipynb"):
            if not Path(name).is_file():
                yield InputError("no such notebook", file=name)
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1) or known
            yield ParameterError(f"reports.names: no report {name!r}", remedy=f"Nearest: {', '.join(near)}")
