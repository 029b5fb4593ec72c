"""Findings in words: the catalogue's templates, filled with facts, in the reader's language.

A template is Jinja's; its variables are the finding's facts. Every value is shown with what a reader cannot
see written as an escape. Filters:

===================================  ================================================================
``n | number``                       a whole number
``n | count("domaine")``             a number with its noun; a plural of its own as a second argument
``n | percent(whole)``               a share
``when | day``                       an ISO 8601 date or instant
``words | listing``                  ``a, b et c``
``text | visible``                   also other spaces than U+0020 as escapes
``{% call(x) each(items) %}…``       the body for each item, parted by `` | ``, at most twenty: the rest is
``{% endcall %}``                    counted. ``each(items, ", ", most=5)``
===================================  ================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template, TemplateError

from mssante_audit.base import english, french
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.catalogue import rule
from mssante_audit.findings.facts import clear, hidden
from mssante_audit.findings.rules import Rule
from mssante_audit.values.shown import shown

LANGUAGES: dict[str, ModuleType] = {"fr": french, "en": english}
"""Typography by language."""

_EACH = (
    '{% macro each(items, separator=" | ", most=20) -%}'
    "{% for item in items[:most] %}{{ caller(item) }}{{ separator if not loop.last }}{% endfor %}"
    "{% if items | length > most %}{{ separator }}REST{% endif %}{%- endmacro %}"
)
_REST = {
    "fr": "et {{ items | length - most }} autres",
    "en": "and {{ items | length - most }} more",
}


def sentence(told: Rule, part: str, facts: Mapping[str, Any], language: str = "fr") -> str:
    """Return one text of a rule, filled with the facts of a finding.

    Parameters
    ----------
    told
        The rule.
    part
        ``observed``, ``expected`` or ``remedy``.
    facts
        By name; persons in them are shown masked unless they are texts already
        (`mssante_audit.findings.facts`).
    language
        One of `LANGUAGES`.

    Raises
    ------
    InputError
        If the template is no template, or asks for a fact that is not there.
    """
    text = getattr(told, f"{part}_{language}")
    if not text and part in facts:
        return shown(str(facts[part]))
    if "{" not in text:
        return str(text)
    try:
        return _template(text, language).render(facts)
    except (TemplateError, TypeError, ValueError) as error:
        raise InputError(
            f"its {part}_{language} cannot be filled ({error})", file=f"rule {told.code}"
        ) from error


def worded(findings: pd.DataFrame, *, language: str = "fr", show_contacts: bool = False) -> pd.DataFrame:
    """Return findings with `observed` and `expected` in words, persons masked in them and in `facts`.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame.findings_frame` makes them, persons in `facts` and `subject`.
    language
        One of `LANGUAGES`.
    show_contacts
        Name persons as the list does.
    """
    told = findings.copy(deep=False)
    seen = clear if show_contacts else hidden
    both = [seen([subject, facts]) for subject, facts in zip(told["subject"], told["facts"], strict=True)]
    for part in ("observed", "expected"):
        told[part] = [
            sentence(rule(code), part, facts, language)
            for code, (_, facts) in zip(told["rule"], both, strict=True)
        ]
    told["subject"] = [tuple(subject) for subject, _ in both]
    told["facts"] = [facts for _, facts in both]
    return told


@cache
def _environment(language: str) -> Environment:
    words = LANGUAGES[language]
    environment = Environment(
        autoescape=False,  # noqa: S701 - plain text, escaped where it enters a page
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "count": words.count,
        "percent": words.percent,
        "listing": lambda items: words.listing([_shown(item) for item in items]),
        "day": lambda text: words.day(text if isinstance(text, datetime) else parse_instant(text)),
        "visible": lambda text: shown(str(text), spaces=True),
    }
    return environment


def _shown(value: Any) -> Any:
    return shown(value) if isinstance(value, str) else value


@cache
def _template(text: str, language: str) -> Template:
    each = _EACH.replace("REST", _REST[language]) if "each(" in text else ""
    return _environment(language).from_string(each + text)
