"""The rule catalogue: what each rule means, why it matters, what to do. Data only, one TOML file an audit."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mssante_audit.base.errors import UnknownNameError

SEVERITIES = ("info", "warning", "error", "critical")
"""From the mildest to the worst: what happens to mail (see `Rule.severity`)."""

SOURCES = ("form", "data", "ANS", "RFC", "good practice", "none")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue."""

    code: str
    """Stable identifier, such as ``DN_ID_LUHN``."""
    audit: str
    """The audit that raises it: the name of its module, notebook and test."""
    family: str
    """The section of the audit's report it belongs to, in French."""
    severity: str
    """``critical``: mail is refused or can be intercepted. ``error``: it will break or cannot be checked.
    ``warning``: drifting, against the form. ``info``."""
    source: str
    """Where the rule comes from, starting with one of `SOURCES`."""
    title_fr: str
    title_en: str
    why_fr: str
    why_en: str
    remedy_fr: str
    remedy_en: str
    texts: tuple[str, ...] = ()
    """Columns of the list whose texts alone make the finding, so that earlier lists tell since when it is
    there; none where it also depends on dates, on other rows or on another source."""
    together: bool = False
    """Whether it takes all of the finding's rows to make it; otherwise each makes it by itself."""
    personal: bool = False
    """Whether `observed` and `expected` may name persons: masked in everything written for sharing."""


@cache
def catalogue() -> dict[str, Rule]:
    """Return every rule by its code, in the order of the files and of the rules in them."""
    rules: dict[str, Rule] = {}
    for folder in sorted((files("mssante_audit") / "audits").iterdir(), key=lambda f: f.name):
        file = folder / "rules.toml"
        if file.is_file():
            for code, fields in tomllib.loads(file.read_text(encoding="utf-8")).items():
                texts = tuple(fields.pop("texts", ()))
                rules[code] = Rule(code=code, audit=folder.name, texts=texts, **fields)
    return rules


def rule(code: str) -> Rule:
    """Return the rule named `code`.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such rule.
    """
    try:
        return catalogue()[code]
    except KeyError:
        raise UnknownNameError(f"no rule {code!r}", remedy="`mssante-audit rules` lists them") from None
