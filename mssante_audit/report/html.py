"""HTML of pages and notebooks: the templates, and the pieces that they make.

All HTML comes from Jinja's templates in ``template/``, which escape whatever is not `Html`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from mssante_audit.base.language import (
    count,
    current_language,
    damage,
    day,
    gettext,
    moment,
    number,
    severity_name,
    severity_names,
    translated,
    typeset,
)
from mssante_audit.base.markup import data, visible
from mssante_audit.report.names import glossary, signature_names
from mssante_audit.report.say import say

TEMPLATE = Path(__file__).parent / "template"


class Html(Markup):
    """A piece of a page; in a notebook it shows itself. A text that is joined to it is escaped."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """The HTML, as a plain text."""
        return str(self)

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<HTML of {len(self)} characters>"


def trusted(html: str) -> Html:
    """Return as HTML what a template or nbconvert made: what it took from the data is escaped already."""
    return Html(html)  # noqa: S704 - the one place


def joined(*parts: str) -> Html:
    """Return pieces one after the other, texts among them escaped."""
    return Html().join(parts)


def template(name: str) -> jinja2.Template:
    """Return a template of `TEMPLATE`."""
    return environment().get_template(name)


def macro(name: str, *given: Any, **named: Any) -> Html:
    """Return what a macro makes, such as ``tables.badge``: ``badge`` of ``tables.html.j2``."""
    file, _, called = name.partition(".")
    made: Callable[..., str] = getattr(template(f"{file}.html.j2").module, called)
    return trusted(made(*given, **named).strip())


def prose(text: str) -> str:
    """Return a text of ours, typeset; one of a catalogue of words in the language spoken."""
    return typeset(translated(text))


@jinja2.pass_context  # without it Jinja would translate once, when it compiles the template
def gettext_filter(_: object, text: str) -> str:
    """Return a text of a template in the language spoken."""
    return gettext(text)


@cache
def environment() -> jinja2.Environment:
    """Return what renders all templates."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, lambda single, several, n: gettext(single if n < 2 else several), newstyle=True
    )
    made.globals |= {
        "glossary": glossary, "say": say, "severities": severity_names, "severity_name": severity_name,
        "signature_names": signature_names, "spoken": current_language,
    }  # fmt: skip
    made.filters |= {
        "count": count, "damage": damage, "data": data, "day": day, "number": number, "prose": prose,
        "tr": gettext_filter, "translated": translated, "visible": visible,
        "date": lambda text: day(datetime.fromisoformat(text)),
        "instant": lambda text: moment(datetime.fromisoformat(text)) if text else gettext("inconnue"),
    }  # fmt: skip
    return made
