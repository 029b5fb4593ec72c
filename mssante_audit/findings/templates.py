"""Templates of findings' words: the language they are written in, with our filters and macros.

A template is Jinja's; its variables are the finding's facts. Every value is shown with what a reader cannot
see written as an escape. Filters and macros (``words_LANGUAGE.j2``):

===================================  ================================================================
``n | number``                       a whole number
``n | count("domaine")``             a number with its noun; a plural of its own as a second argument
``n | percent(whole)``               a share
``when | day``, ``when | moment``    an ISO 8601 date or instant, to the day or the minute
``codes | named({"a": "un a"})``     codes of a list as words
``kinds | damage``                   how a file is damaged (`mssante_audit.whitelist.reading`)
``words | listing``                  ``a, b et c``
``text | visible``                   also other spaces than U+0020 as escapes
``{% call(x) each(items) %}…``       the body for each item, parted by `` | ``, at most twenty: the rest is
``{% endcall %}``                    counted. ``each(items, ", ", most=5)``
``operator({operator, name})``       ``NAME (identifier)``, or the identifier alone
``operators([{operator, name}])``    the same of several
``host_faults(faults)``              what `mssante_audit.values.shown.host_faults` found
===================================  ================================================================

Macros that rules of a package share lie in its own ``words_fr.j2`` and ``words_en.j2``, and are named by it:
``{% from "mssante_audit.audits" import spelt %}``. Rules of one file may share macros, ``words_fr`` and
``words_en`` at the head of that file.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template, TemplateError
from jinja2.environment import TemplateModule
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Macro

from mssante_audit.base import english, french
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.catalogue import Rule
from mssante_audit.values.shown import shown

LANGUAGES: dict[str, ModuleType] = {"fr": french, "en": english}
"""Typography by language."""

PARTS = ("observed", "expected", "evidence", "remedy")
"""The texts of a rule that are templates, in each language."""


def template(told: Rule, part: str, language: str) -> Template:
    """Return one of a rule's `PARTS`, ready to be filled.

    Raises
    ------
    InputError
        If it is no template.
    """
    text, macros = getattr(told, f"{part}_{language}"), getattr(told, f"words_{language}")
    try:
        return _template(text, macros, language)
    except TemplateError as error:
        raise InputError(
            f"{part}_{language} is no template ({error})",
            file=f"rule {told.code}",
            remedy="Write {{ fact | filter }}: mssante_audit.findings.templates has the filters",
        ) from error


def asked(told: Rule, part: str, language: str) -> set[str]:
    """Return the facts that one of a rule's `PARTS` names."""
    macros = _compiled(getattr(told, f"words_{language}"), language)
    named = find_undeclared_variables(_environment(language).parse(getattr(told, f"{part}_{language}")))
    return named - _environment(language).globals.keys() - _of_module(macros).keys()


def said(package: str, name: str, told: Any, language: str = "fr") -> str:
    """Return what a macro of a package's ``words_LANGUAGE.j2`` says of one value."""
    macro: Macro = _words(package, language)[name]
    return str(macro(told))


@cache
def _words(package: str, language: str) -> dict[str, Macro]:
    return _of_module(_environment(language).get_template(package).module)


@cache
def _environment(language: str) -> Environment:
    words = LANGUAGES[language]
    environment = Environment(
        autoescape=False,  # noqa: S701 - plain text, escaped where it enters a page
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda package: _packaged(package, language)),
    )
    environment.filters |= {
        "number": words.number,
        "count": words.count,
        "percent": words.percent,
        "damage": words.damage,
        "listing": lambda items: words.listing([_shown(item) for item in items]),
        "day": lambda text: words.day(_instant(text)),
        "moment": lambda text: words.moment(_instant(text)),
        "named": lambda codes, names: [names[code] for code in codes],
        "visible": lambda text: shown(str(text), spaces=True),
    }
    environment.globals |= _of_module(environment.get_template("mssante_audit.findings").module)
    return environment


def _packaged(package: str, language: str) -> str | None:
    try:
        return (files(package) / f"words_{language}.j2").read_text(encoding="utf-8")
    except (ImportError, OSError):
        return None


def _instant(text: str | datetime) -> datetime:
    return text if isinstance(text, datetime) else parse_instant(text)


def _shown(value: Any) -> Any:
    return shown(value) if isinstance(value, str) else value


@cache
def _template(text: str, macros: str, language: str) -> Template:
    return _environment(language).from_string(text, globals=_of_module(_compiled(macros, language)))


@cache
def _compiled(macros: str, language: str) -> TemplateModule:
    return _environment(language).from_string(macros).module


def _of_module(module: TemplateModule) -> dict[str, Macro]:
    return {name: macro for name, macro in vars(module).items() if isinstance(macro, Macro)}
