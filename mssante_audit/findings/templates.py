"""Templates of findings' words: the language they are written in, with our filters and macros.

A template is Jinja's; its variables are the finding's facts. Every value is shown with what a reader cannot
see written as an escape. Filters and macros (``words_LANGUAGE.j2``):

===================================  ================================================================
``n | number``                       a whole number
``n | count("domaine")``             a number with its noun; a plural of its own as a second argument
``n | percent(whole)``               a share
``when | day``, ``when | moment``    an ISO 8601 date or instant, to the day or the minute
``codes | named({"a": "un a"})``     codes of a list as words
``seconds | lasting``                a length of time
``kinds | damage``                   how a file is damaged (`mssante_audit.whitelist.listxml`)
``words | listing``                  ``a, b et c``
``text | visible``                   also other spaces than U+0020 as escapes
``{% call(x) each(items) %}…``       the body for each item, parted by `` | ``, at most twenty: the rest is
``{% endcall %}``                    counted. ``each(items, ", ", most=5)``
``operator({operator, name})``       ``NAME (identifier)``, or the identifier alone
``operators([{operator, name}])``    the same of several
``host_faults(faults)``              what `mssante_audit.values.hosts.host_faults` found
===================================  ================================================================

Macros that rules of a package share lie in its own ``words_fr.j2`` and ``words_en.j2``, and are named by it:
``{% from "mssante_audit.audits" import spelt %}``. Those of the package that is a rule's `words` (at the head
of a file of rules: of them all) need no such line.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Macro

from mssante_audit.base import language as written
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.text import visible
from mssante_audit.findings.catalogue import Rule

# The texts of a rule that are templates, in each language.
PARTS = ("observed", "expected", "evidence", "remedy")


@cache
def template(rule: Rule, part: str, language: str) -> Template:
    """Return one of a rule's `PARTS` in a language; an `InputError` if it is no template."""
    environment = _environment(language)
    try:
        text = getattr(rule, f"{part}_{language}")
        compiled = environment.from_string(text, globals=_words(rule.words, environment))
    except TemplateError as error:
        message = f"{part}_{language} is no template ({error})"
        remedy = "Write {{ fact | filter }}: mssante_audit.findings.templates has the filters"
        raise InputError(message, file=f"rule {rule.code}", remedy=remedy) from error
    compiled.globals = dict(compiled.globals)  # Jinja copies them for each finding, a chain of two slowly
    return compiled


def asked(rule: Rule, part: str, language: str) -> set[str]:
    """Return the facts that one of a rule's `PARTS` names."""
    environment = _environment(language)
    named = find_undeclared_variables(environment.parse(getattr(rule, f"{part}_{language}")))
    return named - environment.globals.keys() - _words(rule.words, environment).keys()


def sentence(rule: Rule, part: str, facts: Mapping[str, Any], language: str = "") -> str:
    """Return one of a rule's `PARTS`, filled with the facts of a finding.

    Persons in them are masked unless they are texts already; "" is the current language. What is no template,
    or asks for a fact that is not there, is an `InputError`.
    """
    language = language or written.current_language()
    text = getattr(rule, f"{part}_{language}")
    if not text and part in facts:
        return visible(str(facts[part]))
    if "{" not in text:
        return str(text)
    filled = template(rule, part, language)
    try:
        with written.using_language(language):
            return filled.render(facts)
    except Exception as error:  # whatever a filter makes of a fact that is not what its author thought
        lacking = ", ".join(sorted(asked(rule, part, language) - facts.keys()))
        reason = f"the finding has no fact {lacking}" if lacking else error
        fault = f"its {part}_{language} cannot be filled ({reason})"
        raise InputError(fault, file=f"rule {rule.code}") from error


def phrase(package: str, name: str, value: Any, language: str = "") -> str:
    """Return what a macro of a package's ``words_LANGUAGE.j2`` says of a value, in the current one if ""."""
    language = language or written.current_language()
    with written.using_language(language):
        return str(_words(package, _environment(language))[name](value))


@cache
def _words(package: str, environment: Environment) -> dict[str, Macro]:
    module = environment.get_template(package).module if package else None
    return {name: macro for name, macro in vars(module).items() if isinstance(macro, Macro)} if module else {}


@cache
def _environment(language: str) -> Environment:
    def words_in(package: str) -> str | None:
        try:
            return (files(package) / f"words_{language}.j2").read_text(encoding="utf-8")
        except (ImportError, OSError):
            return None

    def shown(value: Any) -> Any:
        return visible(value) if isinstance(value, str) else value

    environment = Environment(
        autoescape=False,  # noqa: S701 - plain text, escaped where it enters a page
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(words_in),
    )
    environment.filters |= {
        "number": written.number,
        "count": written.counted,
        "percent": written.percent,
        "damage": written.damage,
        "lasting": written.lasting,
        "listing": lambda items: written.listing([shown(item) for item in items]),
        "day": lambda text: written.day(parse_instant(text)),
        "moment": lambda text: written.moment(parse_instant(text)),
        "named": lambda codes, names: [names[code] for code in codes],
        "visible": lambda text: visible(str(text), spaces=True),
    }
    environment.globals |= _words("mssante_audit.findings", environment)
    return environment
