"""The language of readers: French, or another by its catalogue, ``locale/LANGUAGE.po``.

Our texts stand in French in code, templates, notebooks and tables of words (``words.toml``), errors in
English. A catalogue translates them; what it does not have stays as it is, such as names of the data.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.resources import files
from string import Formatter
from typing import Any, TypeVar

from mssante_audit.base.resources import table_of

NBSP = "\N{NO-BREAK SPACE}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
LANGUAGES = ("fr", "en")
Key = TypeVar("Key")
_HEADING = re.compile(r"(#* *)(.*)", re.DOTALL)
_PLAIN = str.maketrans({"’": "'", NBSP: " ", NARROW: " "})
# Of the process, not of a context: a notebook sets it in one cell for those that follow.
_languages = ["fr"]


def current_language() -> str:
    """Return the language of readers."""
    return _languages[-1]


def use_language(language: str) -> None:
    """Use a language from now on; a `ValueError` if it is none of `LANGUAGES`."""
    if language not in LANGUAGES:
        raise ValueError(f"no language {language!r}; there are {', '.join(LANGUAGES)}")
    _languages[-1] = language


@contextmanager
def using_language(language: str) -> Iterator[None]:
    """Use a language inside a ``with`` block."""
    _languages.append(current_language())
    try:
        use_language(language)
        yield
    finally:
        _languages.pop()


def french() -> bool:
    """Tell whether the current language is French, with its own rules."""
    return current_language() == "fr"


# -- texts of ours, translated ------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Return a text as catalogues have it: with plain apostrophes and spaces."""
    return " ".join(text.translate(_PLAIN).split())


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the texts of a language by those that they translate, as `plain`; ``one|many`` of a noun."""
    from babel.messages.pofile import read_po  # who needs no translation does not wait for it

    with (files("mssante_audit") / f"locale/{language}.po").open("rb") as file:
        messages = [message for message in read_po(file) if message.id and message.string]
    texts = [(m.id[0], "|".join(m.string or ())) if m.pluralizable else (m.id, m.string) for m in messages]
    return {plain(str(source)): str(text) for source, text in texts}


class Words(dict[str, Any]):
    """A table of French words by language, each translated when it is first asked for."""

    def __init__(self, french: Mapping[str, Any]) -> None:
        super().__init__(fr=french)

    def __missing__(self, language: str) -> Any:
        texts = catalogue(language)

        def translate(words: Any) -> Any:
            if isinstance(words, Mapping):
                return {key: translate(value) for key, value in words.items()}
            if isinstance(words, list):
                return [*map(translate, words)]
            return words.replace(bare, texts.get(plain(bare), bare)) if (bare := words.strip()) else words

        return self.setdefault(language, translate(self["fr"]))


@cache
def words_of(package: str, name: str = "words.toml") -> Words:
    """Return the words of a file beside the modules of a package, by language, table by table."""
    return Words(table_of(package, name))


def gettext(text: str) -> str:
    """Return a text of ours in the current language; one that no catalogue has, as it is.

    >>> with using_language("en"):
    ...     gettext("Aucun constat.")
    'No findings.'
    """
    return typeset(text) if french() else translated(text)


def translated(text: str) -> str:
    """Return a text that may be ours or another's: translated if a catalogue has it, else as it is."""
    return text if french() else catalogue(current_language()).get(plain(text), text)


def format_text(text: str, /, **values: Any) -> str:
    """Return a sentence of ours in the current language, filled with values; texts are put in as they are.

    ``{n:domaine}`` is a number and its noun, ``{n:signal|signaux}`` with an irregular plural,
    ``{n:~est|sont}`` only the word that agrees.

    >>> format_text("{n:domaine} sur {all}", n=2, all="<b>").replace(NBSP, "_")
    '2_domaines sur <b>'
    """
    return Sentence().vformat(gettext(text), (), values)


def words(names: Mapping[Key, str]) -> dict[Key, str]:
    """Return names of codes in the current language."""
    return {code: translated(name) for code, name in names.items()}


def localized(described: object, part: str) -> str:
    """Return the text of an object that has one a language: ``title_fr``, ``title_en``."""
    return str(getattr(described, f"{part}_{current_language()}"))


class Sentence(Formatter):
    """Fills the templates of `format_text`."""

    def format_field(self, value: Any, spec: str) -> str:
        """Write a text as it is, all else as the language does: a number with the noun or word that agrees.

        An instant is its day, ``month`` or ``moment``; a number of days may be a ``duration``.
        """
        if isinstance(value, str):
            return value
        if isinstance(value, list | tuple):
            return listing([self.format_field(item, spec) for item in value])
        if isinstance(value, datetime):
            return {"": day, "day": day, "month": month, "moment": moment}[spec](value)
        if spec == "duration":
            return duration(int(value))
        if not spec:
            return number(value)
        noun, _, many = spec.removeprefix("~").partition("|")
        if spec.startswith("~"):
            return noun if singular(value) else many or f"{noun}s"
        return counted(int(value), noun, many or None)


def markdown(source: str) -> str:
    """Return a notebook's Markdown in the current language, paragraph by paragraph; French is typeset.

    >>> markdown("Chercher : `a :` ?").replace(NBSP, "_").replace(NARROW, "_")
    'Chercher_: `a :`_?'
    """

    def paragraph(text: str) -> str:
        if not french():
            heading = _HEADING.fullmatch(text)
            return heading[1] + gettext(heading[2]) if heading else text
        if text.startswith(("```", "    ", "|")):
            return text
        return "`".join(code if at % 2 else typeset(code) for at, code in enumerate(text.split("`")))

    return "\n\n".join(map(paragraph, source.split("\n\n")))


# -- how the current language writes ------------------------------------------------------------------------


def names_of(table: str) -> Mapping[str, str]:
    """Return names of codes: ``severities``, ``signatures`` (verdicts on them) or ``damages``."""
    names: Mapping[str, str] = words_of("mssante_audit.base")[current_language()][table]
    return names


def severity_names() -> dict[str, tuple[str, ...]]:
    """Return the names of the severities, singular and plural, worst first."""
    return {code: tuple(pair.split("|")) for code, pair in names_of("severities").items()}


def severity_name(severity: str, value: int = 1) -> str:
    """Return the name of a severity, which agrees with a number."""
    return severity_names()[severity][not singular(value)]


def damage(kinds: Iterable[str]) -> str:
    """Say how a file is damaged."""
    return ", ".join(names_of("damages")[kind] for kind in kinds)


def colon(mark: str = ":") -> str:
    """Return what stands between a name and what is said of it."""
    return f"{NBSP}{mark} " if french() else f"{mark} "


def semicolon() -> str:
    """Return what stands between sentences of a list."""
    return colon(";")


def singular(value: float) -> bool:
    """Tell whether a noun with that number is singular: from -1 to 1 in French, one in English."""
    return abs(value) < 2 if french() else abs(value) == 1


def number(value: float) -> str:
    """Write a number with at most one decimal: ``6 494``, ``6,494.5``; a missing one as a dash."""
    if value != value:
        return "–"
    return _decimal(round(value, 1), current_language())


@lru_cache(4096)  # the dossiers of a real list write 30,000, most of them small
def _decimal(value: float, language: str) -> str:
    from babel.numbers import format_decimal  # here: who only asks for --help does not wait for it

    return format_decimal(value, "#,##0.#", locale=language)


def counted(value: int, noun: str, plural: str | None = None) -> str:
    """Write a number and its noun, which agrees."""
    return f"{number(value)}{NBSP}{noun if singular(value) else plural or noun + 's'}"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """Write a number and its noun, which is given in French.

    >>> with using_language("en"):
    ...     count(2, "boîte").replace(NBSP, "_")
    '2_mailboxes'
    """
    if not french():
        noun, _, plural = gettext(noun).partition("|")
    return counted(value, noun, plural)


def percent(part: int, whole: int) -> str:
    """Write the share of `part` in `whole`, with one decimal below 10 and above 99 percent: ``8,3 %``.

    Only nothing is 0 %, and only all of it is 100 %.
    """
    if not whole:
        return "–"
    share = 100 * part / whole
    sign = f"{NARROW}%" if french() else "%"
    if 0 < share < 0.1:
        return f"{f'moins de{NBSP}' if french() else 'less than '}{number(0.1)}{sign}"
    if 99.9 < share < 100:
        return f"{f'plus de{NBSP}' if french() else 'more than '}{number(99.9)}{sign}"
    return f"{number(round(share) if 10 <= share <= 99 else share)}{sign}"


def duration(days: int) -> str:
    """Write a length of time, in years or months where it is a round number of them."""
    years = round(days / 365.25)
    if months := {91: 3, 92: 3, 182: 6, 183: 6}.get(days, 0):
        return counted(months, *(("mois", "mois") if french() else ("month",)))
    if years and abs(days - 365 * years) <= years // 4:
        return counted(years, "an" if french() else "year")
    return counted(days, "jour" if french() else "day")


def lasting(seconds: int) -> str:
    """Write a length of time given in seconds, by its two greatest units: ``24 h 40 min``.

    >>> [lasting(n).replace(NBSP, " ") for n in (88_800, 59, 1_209_600, 0)]
    ['24 h 40 min', '59 s', '14 j', '0 s']
    """
    units = ((86_400, "j" if french() else "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts = []
    for length, unit in units[seconds < 172_800 :]:
        value, seconds = divmod(seconds, length)
        parts += [f"{value}{NBSP}{unit}"] if value else []
    return " ".join(parts[:2]) or f"0{NBSP}s"


def month(instant: datetime) -> str:
    """Write the (UTC) month of an instant."""
    from babel.dates import format_date

    return format_date(instant.astimezone(UTC), "MMMM y", locale=current_language()).replace(" ", NBSP)


def day(instant: datetime) -> str:
    """Write the (UTC) day of an instant: ``1er mars 2025``."""
    number = instant.astimezone(UTC).day
    return f"{number}{'er' if french() and number == 1 else ''}{NBSP}{month(instant)}"


def moment(instant: datetime) -> str:
    """Write an instant to the minute, in UTC: ``2 mars 2025 à 05 h 30 UTC``."""
    utc = instant.astimezone(UTC)
    time = f"à {utc:%H}{NBSP}h{NBSP}{utc:%M}" if french() else f"at {utc:%H:%M}"
    return f"{day(utc)} {time} UTC"


def listing(items: list[str]) -> str:
    """Join words: ``a, b et c``."""
    return (" et " if french() else " and ").join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def typeset(prose: str) -> str:
    """Return our own prose (no data) with the apostrophes and no-break spaces that French has."""
    if not french():
        return prose
    text = prose.replace("'", "’").replace("« ", f"«{NBSP}").replace(" »", f"{NBSP}»")
    text = text.replace(" :", f"{NBSP}:")
    return re.sub(r" ([;!?]|%(?!\())", rf"{NARROW}\1", text)  # "%(name)s" is no percentage
