"""HTML of pages and notebooks, by Jinja's templates in ``template/``, which escape whatever is not `Html`."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from mssante_audit.base import language
from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import current_language, gettext, translated
from mssante_audit.base.markup import breakable, data, visible
from mssante_audit.base.text import fold
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts.words import OUTCOME_WORDS

TEMPLATE = Path(__file__).parent / "template"
_STRONG = re.compile(r"\*\*(.+?)\*\*")
# What a page does not need: of a script comments and indentation, of a style sheet comments and blanks
_ASIDE = {
    ".js": re.compile(r"^(?:[ ]+|//.*\n)+", re.MULTILINE),
    ".css": re.compile(r"/\*.*?\*/|(?<=[{};,])\s+|(?<=\w:) |\s+(?=[{}])|;\s*(?=})", re.DOTALL),
}


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


def names(kind: str) -> dict[str, str]:
    """Return the names of codes, such as ``statuses`` or ``methods``, in the reader's language.

    No such kind of codes is an `UnknownNameError`.

    >>> names("contacts")
    {'project': 'projet', 'support': 'support'}
    """
    tables = language.words_of("mssante_audit.report")["fr"] | {
        "departments": DEPARTMENTS,
        "outcomes": OUTCOME_WORDS[current_language()],
        "severities": {severity: plural for severity, (_, plural) in language.severity_names().items()},
        "signatures": language.names_of("signatures"),
    }
    if kind not in tables:
        raise UnknownNameError(f"no names of {kind!r}", remedy=f"There are: {', '.join(tables)}")
    return language.words(tables[kind])


def _glossary() -> list[tuple[str, str]]:
    """Return each term that readers meet and what it means, in the order of a dictionary."""
    entries = language.words_of("mssante_audit.report", "glossary.toml")[current_language()].values()
    return sorted(((entry["term"], entry["meaning"]) for entry in entries), key=lambda entry: fold(entry[0]))


class Prose(str):
    """A sentence: a text, HTML where it stands in a page, and a paragraph where a cell ends with it."""

    __slots__ = ("html",)
    html: Markup  # The same as HTML: texts of the data escaped, what stands between two ``**`` strong

    def __html__(self) -> str:
        return self.html

    def _repr_html_(self) -> str:
        return str(Markup("<p>{}</p>").format(self.html))


class _Plain(language.Sentence):
    def format_field(self, value: Any, spec: str) -> str:
        if isinstance(value, Prose):
            return str(value)
        return visible(value) if isinstance(value, str) else super().format_field(value, spec)


class _Marked(language.Sentence):
    def format_field(self, value: Any, spec: str) -> str:
        if hasattr(value, "__html__"):
            return str(value.__html__())
        return data(value, more="") if isinstance(value, str) else super().format_field(value, spec)


def say(text: str, /, **values: Any) -> Prose:
    r"""Write a sentence, with numbers, nouns in the right number, and names left as they are.

    Parameters
    ----------
    text
        The sentence in French, which `mssante_audit.base.language` translates, with ``{name}`` for a value.
        ``{n:domaine}`` is a number and its noun, ``{n:signal|signaux}`` with an irregular plural,
        ``{n:~est|sont}`` only the word that agrees. What stands between two ``**`` is strong in HTML.
    **values
        Numbers, instants (their day, or with ``:moment`` to the minute) and lists are written as the language
        does; ``:duration`` is a number of days. Texts are not touched, other sentences stand in this one.

    Examples
    --------
    >>> sentence = say("**{n:règle}** : {who}", n=1, who="<b>")
    >>> str(sentence.html).replace("\N{NBSP}", "_")
    '<strong>1_règle</strong>_: <bdi>&lt;b&gt;</bdi>'
    """
    template = gettext(text)
    written = Prose(_Plain().vformat(_STRONG.sub(r"\1", template), (), values))
    marked = _STRONG.sub(r"<strong>\1</strong>", str(escape(template)))
    written.html = Markup(_Marked().vformat(marked, (), values))  # noqa: S704 - `_Marked` escapes each value
    return written


def template(name: str) -> jinja2.Template:
    """Return a template of `TEMPLATE`."""
    return environment().get_template(name)


def macro(name: str, *values: Any, **named: Any) -> Html:
    """Return what a macro makes, such as ``tables.badge``: ``badge`` of ``tables.html.j2``."""
    file, _, called = name.partition(".")
    function: Callable[..., str] = getattr(template(f"{file}.html.j2").module, called)
    return trusted(function(*values, **named).strip())


@cache
def shipped(name: str, package: str = "mssante_audit.report") -> str:
    """Return a script or a style sheet of a package, without what only its authors read."""
    text = (files(package) / name).read_text(encoding="utf-8").replace("\r\n", "\n")
    return _ASIDE[Path(name).suffix].sub("", text)


def policy_of(script: str = "") -> str:
    """Return the content security policy of a page: no remote origin, and no script but this one, inline."""
    allowed = f"sha256-{b64encode(sha256(script.encode()).digest()).decode('ascii')}" if script else "none"
    return (
        f"default-src 'none'; script-src '{allowed}'; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def prose(text: str) -> str:
    """Return a text of ours, translated and typeset."""
    return language.typeset(translated(text))


@jinja2.pass_context  # without it Jinja would translate once, when it compiles the template
def gettext_filter(_: object, text: str) -> str:
    """Return a text of a template in the reader's language."""
    return gettext(text)


@cache
def environment() -> jinja2.Environment:
    """Return what renders all templates."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"], auto_reload=False,
    )  # fmt: skip
    jinja.policies["ext.i18n.trimmed"] = True
    jinja.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, lambda single, several, n: gettext(single if n < 2 else several), newstyle=True
    )
    jinja.globals |= {
        "glossary": _glossary, "say": say, "shipped": shipped, "names": names,
        "current_language": current_language, "severities": language.severity_names,
        "severity_name": language.severity_name, "localized": language.localized, "policy_of": policy_of,
    }  # fmt: skip
    of_language = ("count", "damage", "day", "number", "translated")
    jinja.filters |= {name: getattr(language, name) for name in of_language}
    jinja.filters |= {
        "breakable": breakable, "data": data, "prose": prose, "tr": gettext_filter, "visible": visible,
        "date": lambda text: language.day(datetime.fromisoformat(text)),
        "instant": lambda at: language.moment(datetime.fromisoformat(at)) if at else gettext("inconnue"),
    }  # fmt: skip
    return jinja


def paragraph(kind: str, *sentences: str) -> Html:
    """Return sentences as a paragraph of a kind; "" among them are left out."""
    texts = [visible(translated(s)) if type(s) is str else s for s in sentences if s]
    return macro("pieces.paragraph", kind, texts)


def lead(*sentences: str) -> Html:
    """Show the answer, in the large type of a first screen."""
    return paragraph("lead", *sentences)


def note(*sentences: str, kind: str = "scope") -> Html:
    """Show sentences in small type: ``scope``, or ``limits``, or ``caution`` for a warning."""
    return paragraph(kind, *sentences)


def card(row: pd.Series | Mapping[str, Any], title: str = "") -> Html:
    """Show one row of any frame, such as a domain's of `mssante_audit.verdicts.domains`, name by name."""
    called = title or (str(row.name) if isinstance(row, pd.Series) else "")
    facts = {
        translated(str(name)): language.listing(value) if isinstance(value, list) else value
        for name, value in row.items()
    }
    return macro("pieces.card", translated(called), facts)


def sections(parts: Mapping[str, str], rest: str = "") -> Html:
    """Show several tables, each under its title, and below them what is to be said of the rest."""
    return macro("pieces.sections", parts, translated(rest))


class Figure(NamedTuple):
    """A key figure: its name, its value (a number or a text) and, if there is more, a note."""

    name: str
    value: int | str
    note: str = ""


def key_figures(figures: Iterable[Figure]) -> Html:
    """Show key figures as tiles."""
    return macro("pieces.key_figures", list(figures))
