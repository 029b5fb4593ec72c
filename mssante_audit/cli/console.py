"""What the commands say, what they were given, and the space that this opens."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from typer import Context

from mssante_audit.base.errors import OutputError, ParameterError, ResourceError, errors_in
from mssante_audit.base.language import LANGUAGES, using_language
from mssante_audit.base.reading import unreadable
from mssante_audit.cli.options import OPENED

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import BaseModel

    from mssante_audit.report.results import Limits
    from mssante_audit.space.trust import TrustSpace

    M = TypeVar("M", bound=BaseModel)

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
# Why an observation is not used (`mssante_audit.observe.file.Aside`).
_ASIDE = {
    "future": "it was begun after the instant that is audited at",
    "zone": "it is of another parent zone",
    "unreadable": "it cannot be read",
}


def readers_language() -> str | None:
    """Return the language that the locale names, ``None`` if it names none that there is."""
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")[:2].lower()
    return locale if locale in LANGUAGES else None


def in_readers_language(otherwise: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator of a command whose language is that of ``--lang`` or the locale, or `otherwise`.

    Errors are English where neither names a language.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(*values: Any, lang: str | None = None, **named: Any) -> None:
            language = lang or readers_language()
            with using_language(language or otherwise), errors_in(language or "en"):
                try:
                    command(*values, lang=language or otherwise, **named)
                except OSError as error:
                    raise shut_out(error) from error.__cause__

        return run

    return decorate


def shut_out(error: Exception) -> Exception:
    """Return a clear error for hidden paths and exhausted resources; any other one as it is."""
    if type(error) is PermissionError or (type(error) is OSError and error.errno == errno.ENAMETOOLONG):
        return unreadable(error.filename or "", error.strerror or "")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN):
        text, remedy = "this machine cannot do more at once: {}", "Raise its limits (`ulimit -a` shows them)"
        return ResourceError(text, error.strerror, remedy=remedy)
    return error


def say(text: str, file: Any = None) -> None:
    """Print lines; characters that could steer a terminal or hide in it are escaped."""
    write(f"{text}\n", file=file, safe=True)


def note(text: str) -> None:
    """Say a line to standard error."""
    if sys.stderr:
        say(f"mssante-audit: {text}".replace("\n", "\\n"), sys.stderr)


def write(text: str, out: Path | None = None, *, file: Any = None, safe: bool = False) -> None:
    """Write a text to `out`, or print it: escaped to a terminal, if it should be `safe`, or if it is JSON."""
    if out is not None:
        from mssante_audit.base.export import write_bytes

        write_bytes(out, text.encode("utf-8", "backslashreplace"))
        return
    stream = file or sys.stdout
    if stream is None:
        raise OutputError("is closed", file="standard output")
    if safe or stream.isatty() or text.startswith(("[", "{")):
        text = _UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
    try:
        stream.buffer.write(text.encode("utf-8", "backslashreplace"))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError("cannot be written: {}", error.strerror, file="standard output") from None


def write_json(content: Any, out: Path | None = None, *, indent: int = 1) -> None:
    """Write JSON as `write` does."""
    write(json.dumps(content, ensure_ascii=False, indent=indent, default=str) + "\n", out)


def write_frame(frame: pd.DataFrame, format: str, out: Path | None, name: str = "findings") -> None:
    """Write a frame to a file, a workbook's sheet with the name given, or print it as CSV or JSON."""
    from mssante_audit.base import export

    if out is None:
        write(export.json_text(frame) if format == "json" else export.csv_text(frame))
    elif format == "xlsx":
        export.write_workbook({name: frame}, out)
    else:
        export.WRITERS[format](frame, out)


def say_failed(*findings: pd.DataFrame) -> bool:
    """Say which parts of audits could not be evaluated, and why; tell whether there is one."""
    from mssante_audit.findings.catalogue import FAILED
    from mssante_audit.findings.registry import rule
    from mssante_audit.findings.templates import sentence

    failures = [facts for frame in findings for facts in frame.loc[frame["rule"] == FAILED, "facts"]]
    for line in dict.fromkeys(sentence(rule(FAILED), "observed", facts, "en") for facts in failures):
        note(f"not evaluated: {line}")
    return bool(failures)


def say_lacking(space: TrustSpace, audits: Iterable[str]) -> None:
    """Say in one line which of some audits were not made, for want of what."""
    from mssante_audit.audits import lacking
    from mssante_audit.findings.registry import known_needs

    texts, gaps = known_needs(), {name: needs for name, needs in lacking(space).items() if name in audits}
    if gaps:
        lines = (f"{name} ({', '.join(texts[need]['en'] for need in needs)})" for name, needs in gaps.items())
        note(f"not evaluated: {', '.join(lines)}")


def parameters_of(context: Context, *excluded: str) -> dict[str, Any]:
    """Return the parameters given to a command by its options, but for some, and by ``-p``, each once.

    A format that needs a file is refused here, before anything is loaded.
    """
    from mssante_audit.report.parameters import check_value, kind_of, parse_assignments

    written = context.params.get("format")
    if written in ("xlsx", "parquet") and not context.params.get("out"):
        raise ParameterError("{} is not for the terminal", written, remedy="Name a file with --out")
    options = {n: value for n, value in context.params.items() if n in OPENED and n not in excluded}
    parameters = parse_assignments(options.pop("parameter", None) or ())
    for name, value in options.items():
        if value in (None, False, [], ()):
            continue
        if name in parameters:
            raise ParameterError("{} is given twice", repr(name))
        if isinstance(value, list | tuple) and kind_of(name) is str:
            value = ",".join(value)
        parameters[name] = check_value(name, str(value) if isinstance(value, Path) else value)
    if parameters.get("contacts") == "all":
        for_own_eyes()
    return parameters


def settings_of(context: Context, model: type[BaseModel]) -> dict[str, Any]:
    """Return what a command's options say of the fields of a settings model."""
    parameters = {name: value for name, value in context.params.items() if name in model.model_fields}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in parameters.items() if v is not None}


def filled(context: Context, model: type[M]) -> M:
    """Return a settings model filled by a command's options; a wrong value is a `ParameterError`."""
    from pydantic import ValidationError

    from mssante_audit.base.settings import fault

    try:
        return model(**settings_of(context, model))
    except ValidationError as errors:
        raise fault(model, errors.errors()[0]).within(ParameterError) from None


def debugging(context: Context) -> bool:
    """Tell whether tracebacks are wanted: ``--debug`` stands before the command or behind it."""
    return any(bool(command.params.get("debug")) for command in (context, context.find_root()))


def for_own_eyes() -> None:
    """Let nobody else read what is written from here on: it names persons."""
    os.umask(0o077)


def limited_space(context: Context) -> tuple[TrustSpace, Limits]:
    """Load what a command's options say is to be audited, and whom they limit it to."""
    from mssante_audit.base.settings import LIMITS
    from mssante_audit.report.results import limits

    parameters = parameters_of(context)
    named = {name: parameters.pop(name) for name in LIMITS if name in parameters}
    space = space_of(parameters)
    return space, limits(space, **named)


def of_domains(frame: pd.DataFrame, space: TrustSpace, chosen: Limits) -> pd.DataFrame:
    """Return the rows of a frame whose domain is of those that a command is limited to."""
    from mssante_audit.report.results import limited

    return frame[frame["domain"].isin(set(limited(space.audited, chosen)["domain"]))]


def space_of(parameters: dict[str, Any]) -> TrustSpace:
    """Load what is to be audited, by the parameters given; say which observations are not used, and why."""
    from mssante_audit.report.results import open_space

    if "row_limit" in parameters:
        raise ParameterError("row_limit is for reports", remedy="Here all rows are written")
    if "changes_since" in parameters:
        raise ParameterError("changes_since is for reports", remedy="Use `mssante-audit changes`")
    space = open_space(**parameters)
    for file, why in space.aside:
        note(f"{file} is not used: {_ASIDE[why]}")
    return space
