"""``audit.toml`` read and checked before anything runs; a commented one, and its JSON Schema."""

import difflib
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from mssante_audit.base import settings
from mssante_audit.base.errors import AuditError, InputError, OutputError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.frames import DRAFT
from mssante_audit.base.reading import parse_toml, read_text
from mssante_audit.base.resources import real_path
from mssante_audit.nightly.settings import Config


def load_config(file: Path) -> Config:
    """Load and check an ``audit.toml``; an `InputError` names file, line, key, and the nearest key."""
    remedy = "`mssante-audit init` writes one"
    if not file.exists():
        raise InputError("no such file", file=str(file), remedy=remedy)
    try:
        text = read_text(file)
    except InputError as error:
        raise error.within(InputError, str(file), remedy) from None
    return checked(parse_toml(text, str(file)), text, file)


def checked(values: Mapping[str, Any], text: str, file: Path) -> Config:
    """Return the settings that `values`, read from the `text` of a file, say; errors as in `load_config`."""
    try:
        return Config.model_validate(values, context=real_path(file).parent)
    except ValidationError as error:
        raise _refusal(error, text, file) from None


def _refusal(errors: ValidationError, text: str, file: Path) -> InputError:
    # A list whose items are wrong is too short because of them; a misspelt key leaves out another one.
    faults = [error for error in errors.errors() if error["type"] != "too_short" or not error["input"]]
    first, *others = sorted(faults, key=lambda e: (e["type"] != "extra_forbidden", [*map(str, e["loc"])]))
    keys = tuple(part for part in first["loc"] if isinstance(part, str))
    remedy: tuple[str, ...] = ()
    if first["type"] == "extra_forbidden":
        *above, key = keys
        fault = AuditError("unknown key {}", repr(key))
        if above:
            fault = AuditError("unknown key {} in [{}]", repr(key), ".".join(above))
        there = [*(sections()[above[0]] if above else Config).model_fields]
        near = difflib.get_close_matches(key.lower(), there, n=1)
        elsewhere = [name for name, part in sections().items() if key in part.model_fields]
        if near:
            remedy = "Nearest: {}", repr(near[0])
        else:
            remedy = ("It goes into [{}]", elsewhere[0]) if elsewhere else ("There are: {}", ", ".join(there))
    else:
        fault = settings.fault(Config, first)
        if first["type"] == "missing":
            remedy = ("`mssante-audit init` writes a file that explains each key",)
        elif first["type"] == "string_pattern_mismatch":
            remedy = ((settings.field_of(Config, keys).description or "").rstrip("."),)
    message = "{} (and {} more)" if others else "{}"
    return InputError(
        message, fault, len(others), file=str(file), line=_line(text, keys), remedy=remedy or None
    )


def sections() -> dict[str, type[settings.Section]]:
    """Return the model of each section by its name."""
    kinds = {name: field.annotation for name, field in Config.model_fields.items()}
    return {n: k for n, k in kinds.items() if isinstance(k, type) and issubclass(k, settings.Section)}


def _line(text: str, keys: Sequence[str]) -> int | None:
    """Return the line where a key, or else its table, stands (the parser does not tell)."""
    table, nearest = list[str](), None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*(?:\[{1,2}\s*([^\]]+?)\s*\]|([\w\"'.-]+)\s*=)", line):
            here = [part.strip(" \"'") for part in (match[1] or match[2]).split(".")]
            if match[1]:
                table = here
            else:
                here = [*table, *here]
            if here == list(keys):
                return number
            if keys and here == list(keys[: len(here)]):
                nearest = number
    return nearest


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``audit.toml``, for editors."""
    return {"$schema": DRAFT, **Config.model_json_schema()}


def template() -> str:
    """Return a commented ``audit.toml`` that says what the defaults are."""
    about = str(Config.__doc__)
    lines = _entry(f"audit.toml: {about[0].lower()}{about[1:]}", "")
    for name, field in Config.model_fields.items():
        lines += [] if name in sections() else _key(name, field)
    for name, section in sections().items():
        lines += ["", *_entry(Config.model_fields[name].description, f"[{name}]")]
        lines += [line for key, field in section.model_fields.items() for line in _key(key, field)]
    return "\n".join(lines) + "\n"


def _key(name: str, field: FieldInfo) -> list[str]:
    value = (field.examples or [None])[0] if field.is_required() else field.default
    # What there is for defaults is written alike in JSON and in TOML.
    return _entry(field.description, f"{name} = {json.dumps(value, ensure_ascii=False)}")


def _entry(comment: str | None, line: str) -> list[str]:
    wrapped = textwrap.wrap(comment or "", 96, break_long_words=False, break_on_hyphens=False)
    return [*(f"# {text}" for text in wrapped), line]


def write_template(file: Path) -> None:
    """Write `template` into a new file; one that is there already is an `OutputError`."""
    if file.exists() or file.is_symlink():
        raise OutputError("is there already", file=str(file), remedy="Remove it first, or name another")
    write_bytes(file, template().encode())
