"""``audit.toml``: what the nightly run does, checked before anything runs.

Keys, their meanings, ranges and defaults stand once, in ``audit.schema.json`` (JSON Schema); the commented
file that `template` returns is made from it.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import InputError, OutputError

SCHEMA = Path(__file__).parent / "audit.schema.json"

STEPS = ("fetch", "observe", "audit", "reports", "dossiers", "site")
"""Steps of a run that have a deadline, in order."""

Programs = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Data:
    """Section ``[data]``."""

    folder: Path
    anchors: tuple[Path, ...]
    recover: bool
    any_namespace: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """Section ``[fetch]``."""

    enabled: bool
    url: str
    ca_bundle: Path | None
    attempts: int
    attempt_seconds: float
    max_loss: float


@dataclass(frozen=True, slots=True)
class Observe:
    """Section ``[observe]``."""

    enabled: bool
    parent_zone: str
    parent_servers: tuple[str, ...]
    resolvers: tuple[str, ...]
    port: int
    timeout: float
    retries: int
    in_flight: int
    per_server: float
    ipv4_only: bool
    only: str


@dataclass(frozen=True, slots=True)
class Reports:
    """Section ``[reports]``."""

    enabled: bool
    names: tuple[str, ...]
    """Names, or absolute paths of notebooks."""


@dataclass(frozen=True, slots=True)
class Dossiers:
    """Section ``[dossiers]``."""

    enabled: bool
    operators: tuple[str, ...]
    jobs: int


@dataclass(frozen=True, slots=True)
class Retention:
    """Section ``[retention]``."""

    runs: int
    days: int
    at_least: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Hooks:
    """Section ``[hooks]``."""

    success: Programs
    failure: Programs
    new_findings: Programs
    seconds: float


@dataclass(frozen=True)
class Config:
    """An ``audit.toml``, defaults filled in, paths absolute."""

    file: Path
    values: Mapping[str, Any]
    """The same as JSON types, as `read_values` returns them."""
    fail_on: str | None
    show_contacts: bool
    data: Data
    fetch: Fetch
    observe: Observe
    thresholds: Mapping[str, int]
    reports: Reports
    dossiers: Dossiers
    output: Path
    retention: Retention
    hooks: Hooks
    deadlines: Mapping[str, float]
    """Seconds by step."""

    def parameters(self, as_of: str) -> dict[str, Any]:
        """Return what a notebook, or `mssante_audit.report.results.open_space`, is given."""
        flags = {
            "recover": self.data.recover,
            "any_namespace": self.data.any_namespace,
            "show_contacts": self.show_contacts,
        }
        anchors = [str(anchor) for anchor in self.data.anchors]
        return {
            "data": str(self.data.folder),
            "as_of": as_of,
            **self.thresholds,
            **({"anchors": anchors} if anchors else {}),
            **{name: True for name, flag in flags.items() if flag},
        }


@cache
def schema() -> dict[str, Any]:
    """Return the schema of ``audit.toml``."""
    return dict(json.loads(SCHEMA.read_text(encoding="utf-8")))


def load_config(file: Path) -> Config:
    """Load and check an ``audit.toml``.

    Raises
    ------
    InputError
        If it cannot be read, is not TOML, or a key is unknown, missing or has a wrong value: the message
        names file, line, key, and the nearest key.
    """
    return config_of(read_values(file), file)


def read_values(file: Path) -> dict[str, Any]:
    """Return what an ``audit.toml`` says, checked, defaults filled in, as JSON types."""
    remedy = "`mssante-audit init` writes one"
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=str(file), remedy=remedy) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(f"cannot be read ({why.lower()})", file=str(file), remedy=remedy) from None
    try:
        values = tomllib.loads(text, parse_float=_finite)
    except ValueError as error:
        raise InputError(f"is not TOML: {error}", file=str(file)) from None
    _check(values, text, file)
    return _filled(values)


def config_of(values: Mapping[str, Any], file: Path) -> Config:
    """Return the `Config` of checked `values`, whose paths are seen from the folder of `file`."""
    base = file.resolve().parent

    def path(text: str) -> Path:
        return base / Path(text).expanduser()

    def section(kind: type[Any], name: str, **paths: Any) -> Any:
        plain = {key: _frozen(value) for key, value in values[name].items()}
        return kind(**{**plain, **paths})

    data, fetch, reports = values["data"], values["fetch"], values["reports"]
    names = tuple(str(path(n)) if n.endswith(".ipynb") else n for n in reports["names"])
    folders = {"folder": path(data["folder"]), "anchors": tuple(path(a) for a in data["anchors"])}
    return Config(
        file=file,
        values=values,
        fail_on=None if values["fail_on"] == "never" else values["fail_on"],
        show_contacts=values["show_contacts"],
        data=section(Data, "data", **folders),
        fetch=section(Fetch, "fetch", ca_bundle=path(fetch["ca_bundle"]) if fetch["ca_bundle"] else None),
        observe=section(Observe, "observe"),
        thresholds=dict(values["thresholds"]),
        reports=section(Reports, "reports", names=names),
        dossiers=section(Dossiers, "dossiers"),
        output=path(values["output"]["folder"]),
        retention=section(Retention, "retention"),
        hooks=section(Hooks, "hooks"),
        deadlines=dict(values["deadlines"]),
    )


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number to count with")
    return number


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the schema's defaults where they say nothing."""
    filled: dict[str, Any] = {}
    for name, part in schema()["properties"].items():
        if "properties" in part:
            given = values.get(name, {})
            filled[name] = {
                key: given.get(key, one.get("default")) for key, one in part["properties"].items()
            }
        else:
            filled[name] = values.get(name, part["default"])
    return filled


# -- what is wrong ------------------------------------------------------------------------------------------


def _check(values: Mapping[str, Any], text: str, file: Path) -> None:
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema()).iter_errors(values),
        # A misspelt key first: what it leaves out is missing because of it.
        key=lambda e: (e.validator != "additionalProperties", [str(p) for p in e.absolute_path]),
    )
    if not errors:
        return
    error = errors[0]
    where = [str(part) for part in error.absolute_path]
    keys = [part for part in where if not part.isdigit()]
    message, remedy = f"{'.'.join(keys)}: {error.message}", None
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in error.instance if key not in known)
            message, remedy = _unknown(keys, unknown, known)
            keys = [*keys, unknown]
        case "required":
            lacking = next(key for key in error.validator_value if key not in error.instance)
            message = f"lacks {'.'.join([*keys, lacking])}"
            remedy = "`mssante-audit init` writes a file that explains each key"
        case "enum" if keys == ["language"]:
            message = f'language: {_shown(error.instance)} is not there yet, only "fr" is'
        case "enum":
            choices = ", ".join(_shown(choice) for choice in error.validator_value)
            message = f"{'.'.join(keys)} wants one of {choices}, not {_shown(error.instance)}"
        case "type":
            message = f"{'.'.join(keys)} wants {_KINDS[error.validator_value]}, not {_shown(error.instance)}"
        case "minimum" | "maximum" | "exclusiveMinimum":
            message = f"{'.'.join(keys)} wants {_range(error.schema)}, not {_shown(error.instance)}"
        case "minLength" | "minItems":
            message = f"{'.'.join(keys)} is empty"
        case "pattern":
            message = f"{'.'.join(keys)}: {_shown(error.instance)} is not of the right form"
            remedy = _help(schema(), keys)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise InputError(message + more, file=str(file), line=_line(text, keys), remedy=remedy)


_KINDS = {
    "object": "a table",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


def _unknown(keys: Sequence[str], unknown: str, known: Sequence[str]) -> tuple[str, str]:
    place = f" in [{'.'.join(keys)}]" if keys else ""
    near = difflib.get_close_matches(unknown.lower(), known, n=1)
    everywhere = {
        key: name for name, part in schema()["properties"].items() for key in part.get("properties", ())
    }
    if near:
        remedy = f"Nearest: {near[0]!r}"
    elif unknown in everywhere:
        remedy = f"It goes into [{everywhere[unknown]}]"
    else:
        remedy = f"There are: {', '.join(known)}"
    return f"unknown key {unknown!r}{place}", remedy


def _range(part: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in part:
        return f"more than {part['exclusiveMinimum']}, at most {part['maximum']}"
    return f"{part['minimum']} to {part['maximum']}"


def _help(part: Mapping[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        part = part["properties"][key]
    return str(part["description"]).rstrip(".")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _line(text: str, keys: Sequence[str]) -> int | None:
    """Return the line where a key, or else its table, stands (the parser does not tell)."""
    table: list[str] = []
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[{1,2}\s*([^\]]+?)\s*\]", line):
            table = [part.strip(" \"'") for part in heading[1].split(".")]
            here = table
        elif assigned := re.match(r"\s*([\w\"'.-]+)\s*=", line):
            here = [*table, *(part.strip("\"'") for part in assigned[1].split("."))]
        else:
            continue
        if here == list(keys):
            return number
        if keys and here == list(keys[: len(here)]):
            found = number
    return found


# -- a commented one ----------------------------------------------------------------------------------------


def template() -> str:
    """Return a commented ``audit.toml`` that says what the defaults are, made from the schema."""
    top = schema()
    lines = [*_comment(f"{top['title']}: {top['description'][0].lower()}{top['description'][1:]}"), ""]
    sections = []
    for name, part in top["properties"].items():
        if "properties" not in part:
            lines += _key(name, part)
            continue
        sections += ["", *_comment(part["description"]), f"[{name}]"]
        for key, one in part["properties"].items():
            sections += _key(key, one)
    return "\n".join([*lines, *sections]) + "\n"


def write_template(file: Path) -> None:
    """Write `template` into a new file.

    Raises
    ------
    OutputError
        If it is there already, or cannot be written.
    """
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(template())
    except FileExistsError:
        raise OutputError(
            "is there already", file=str(file), remedy="Remove it first, or name another"
        ) from None
    except OSError as error:
        raise OutputError(f"cannot be written: {(error.strerror or '').lower()}", file=str(file)) from error


def _key(name: str, part: Mapping[str, Any]) -> Iterator[str]:
    yield from _comment(part["description"])
    yield f"{name} = {_toml(part['default'] if 'default' in part else part['examples'][0])}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 96, break_long_words=False, break_on_hyphens=False)]


def _toml(value: Any) -> str:
    # What the schema has for defaults is written alike in JSON and in TOML.
    return json.dumps(value, ensure_ascii=False)
