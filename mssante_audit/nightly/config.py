"""``audit.toml`` read and checked before anything runs; a commented one, and its JSON Schema.

What a nightly run does not even begin with (`faults`) is said in one line then, not at six in the morning.
"""

import difflib
import json
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from mssante_audit.archive.store import LIST_SUFFIXES, find_archive, find_whitelist, open_archive
from mssante_audit.base.errors import AuditError, InputError, OutputError, ParameterError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.frames import DRAFT
from mssante_audit.base.groups import install, lacking
from mssante_audit.base.reading import parse_toml, read_text
from mssante_audit.base.resources import real_path, resource
from mssante_audit.base.settings import Section, fault, field_of
from mssante_audit.findings.ledger import FILE as LEDGER
from mssante_audit.nightly.night import RUNS, SITE, STATE
from mssante_audit.nightly.settings import LOOPBACK, Config
from mssante_audit.nightly.steps import observe_settings
from mssante_audit.values.identifiers import places
from mssante_audit.whitelist.certificates import GIVE, certificates_of


def load_config(file: Path) -> Config:
    """Load and check an ``audit.toml``; an `InputError` names file, line, key, and the nearest key."""

    def finite(text: str) -> float:
        if not math.isfinite(number := float(text)):
            raise ValueError(f"{text} is no number to count with")
        return number

    remedy = "`mssante-audit init` writes one"
    if not file.exists():
        raise InputError("no such file", file=str(file), remedy=remedy)
    try:
        text = read_text(file)
    except InputError as error:
        raise InputError(error.message, file=str(file), remedy=remedy) from None
    return checked(parse_toml(text, str(file), parse_float=finite), text, file)


def checked(values: Mapping[str, Any], text: str, file: Path) -> Config:
    """Return the settings that `values`, read from the `text` of a file, say; errors as in `load_config`."""
    try:
        return Config.of(values, real_path(file).parent)
    except ValidationError as error:
        raise _refusal(error, text, file) from None


def _refusal(errors: ValidationError, text: str, file: Path) -> InputError:
    # A list whose items are wrong is too short because of them; a misspelt key leaves out another one.
    faults = [error for error in errors.errors() if error["type"] != "too_short" or not error["input"]]
    first, *others = sorted(faults, key=lambda e: (e["type"] != "extra_forbidden", [*map(str, e["loc"])]))
    keys, remedy = tuple(part for part in first["loc"] if isinstance(part, str)), None
    if first["type"] == "extra_forbidden":
        *above, unknown = keys
        message = f"unknown key {unknown!r}" + (f" in [{'.'.join(above)}]" if above else "")
        known = list(sections()[above[0]].model_fields if above else Config.model_fields)
        everywhere = {key: name for name, part in reversed(sections().items()) for key in part.model_fields}
        if near := difflib.get_close_matches(unknown.lower(), known, n=1):
            remedy = f"Nearest: {near[0]!r}"
        elif unknown in everywhere:
            remedy = f"It goes into [{everywhere[unknown]}]"
        else:
            remedy = f"There are: {', '.join(known)}"
    else:
        message = fault(Config, first)
        if first["type"] == "missing":
            remedy = "`mssante-audit init` writes a file that explains each key"
        elif first["type"] == "string_pattern_mismatch":
            remedy = (field_of(Config, keys).description or "").rstrip(".")
    more = f" (and {len(others)} more)" if others else ""
    return InputError(message + more, file=str(file), line=_line(text, keys), remedy=remedy)


def sections() -> dict[str, type[Section]]:
    """Return the model of each section by its name."""
    kinds = {name: field.annotation for name, field in Config.model_fields.items()}
    return {n: kind for n, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)}


def _line(text: str, keys: Sequence[str]) -> int | None:
    """Return the line where a key, or else its table, stands (the parser does not tell)."""
    table: list[str] = []
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[{1,2}\s*([^\]]+?)\s*\]", line):
            here = table = [part.strip(" \"'") for part in heading[1].split(".")]
        elif assigned := re.match(r"\s*([\w\"'.-]+)\s*=", line):
            here = [*table, *(part.strip("\"'") for part in assigned[1].split("."))]
        else:
            continue
        if here == list(keys):
            return number
        if keys and here == list(keys[: len(here)]):
            found = number
    return found


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``audit.toml``, for editors."""
    return {"$schema": DRAFT, **Config.model_json_schema()}


def template() -> str:
    """Return a commented ``audit.toml`` that says what the defaults are."""
    about = str(Config.__doc__)
    lines, parts = [*_comment(f"audit.toml: {about[0].lower()}{about[1:]}"), ""], list[str]()
    for name, field in Config.model_fields.items():
        if section := sections().get(name):
            parts += ["", *_comment(field.description), f"[{name}]"]
            parts += [line for key, part in section.model_fields.items() for line in _key(key, part)]
        else:
            lines += _key(name, field)
    return "\n".join([*lines, *parts]) + "\n"


def _key(name: str, field: FieldInfo) -> list[str]:
    value = (field.examples or [None])[0] if field.is_required() else field.default
    # What there is for defaults is written alike in JSON and in TOML.
    return [*_comment(field.description), f"{name} = {json.dumps(value, ensure_ascii=False)}"]


def _comment(text: str | None) -> list[str]:
    wrapped = textwrap.wrap(text or "", 96, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in wrapped]


def write_template(file: Path) -> None:
    """Write `template` into a new file; one that is there already is an `OutputError`."""
    if file.exists() or file.is_symlink():
        raise OutputError("is there already", file=str(file), remedy="Remove it first, or name another")
    write_bytes(file, template().encode())


def check(config: Config) -> None:
    """Raise the first of `faults`; make the data folder before, if a list will be fetched into it."""
    if config.fetch.enabled and not config.data.folder.exists():
        try:
            config.data.folder.mkdir(parents=True)
        except OSError as error:
            why = f"cannot be made: {(error.strerror or '').lower()}"
            raise OutputError(why, file=str(config.data.folder)) from None
    for found in faults(config):
        raise found


def faults(config: Config) -> Iterator[AuditError]:
    """Yield what would make a run useless."""
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
    yield from _folders(config.data.folder, config.output.folder, fetched=config.fetch.enabled)
    bundles = [*filter(None, (part.ca_bundle for part in (config.fetch, config.mail, config.webhook)))]
    for path in (*config.data.anchors, *bundles):
        if not path.exists():
            yield InputError("no such certificates", file=str(path))
        elif path in bundles:
            yield from _raised(partial(_certificates, path))
    yield from _reports(config.reports.names)
    for part, asked in (("reports", config.reports), ("dossiers", config.dossiers)):
        yield from _raised(partial(places, asked.region or None, asked.department or None), f"[{part}] ")
    yield from _sending(config)
    if config.observe.enabled:
        yield from _raised(partial(observe_settings, config.observe), "[observe] ")
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
        for file in sorted(f for f in data.iterdir() if f.name.endswith(LIST_SUFFIXES) and f.is_file()):
            yield InputError("would be audited instead of the lists fetched", file=str(file), remedy=remedy)
    elif not fetched and not (output / STATE / LEDGER).is_file():
        # One that was there and is gone is for the run to tell.
        yield from _raised(lambda: find_whitelist(data, find_archive(data)))
    real = real_path(output)
    if real_path(data) in (real, real / RUNS, real / SITE):
        yield InputError("is both data and output folder", file=str(output), remedy="Set output.folder")
    if (site := output / SITE).exists() and not site.is_symlink():
        yield OutputError("is in the way: it is no link of ours", file=str(site), remedy="Move it away")


def _certificates(bundle: Path) -> None:
    if not certificates_of(bundle):
        raise InputError("no certificate here", file=str(bundle), remedy=GIVE)


def _raised(check: Callable[[], object], place: str = "") -> Iterator[AuditError]:
    """Yield what a check raises, told of a place in the settings."""
    try:
        check()
    except AuditError as error:
        yield type(error)(f"{place}{error.message}", remedy=error.remedy) if place else error


def _reports(names: tuple[str, ...]) -> Iterator[AuditError]:
    known = sorted(path.stem for path in resource("notebooks").glob("*.ipynb"))
    for name in names:
        if name.endswith(".ipynb"):
            if not Path(name).is_file():
                yield InputError("no such notebook", file=name)
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1) or known
            yield ParameterError(f"reports.names: no report {name!r}", remedy=f"Nearest: {', '.join(near)}")


def _sending(config: Config) -> Iterator[AuditError]:
    mail, webhook, remedy, why = config.mail, config.webhook, None, ""
    if mail.server and not (mail.sender and mail.recipients):
        why = "[mail] names a server, but no sender or no recipients"
    elif mail.server and mail.tls == "none" and mail.server not in LOOPBACK:
        why = f"[mail] would go to {mail.server} without TLS"
        remedy = 'tls = "none" is for a server on this machine: localhost'
    elif mail.server and bool(mail.user) != bool(mail.password):
        why = "[mail] names a user without a password, or the other way round"
    elif webhook.token and not webhook.url:
        why = "[webhook] names a token, but no address"
    if why:
        yield ParameterError(why, remedy=remedy)
