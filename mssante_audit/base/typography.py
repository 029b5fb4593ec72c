"""How each language writes numbers, plurals, dates and lists; names of codes (``words.toml``).

French parts thousands by a narrow no-break space; no-break spaces keep a number with its noun or sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mssante_audit.base.translations import words_of

NBSP = "\N{NO-BREAK SPACE}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
LANGUAGES = ("fr", "en")


@dataclass(frozen=True)
class Typography:
    """What `mssante_audit.base.language` writes, in one language."""

    language: str

    @property
    def french(self) -> bool:
        """Whether it is French, the only language with habits of its own."""
        return self.language == "fr"

    @property
    def words(self) -> dict[str, Any]:
        """Names of severities, signatures, damages and months."""
        words: dict[str, Any] = words_of("mssante_audit.base")[self.language]
        return words

    @property
    def severity_names(self) -> dict[str, tuple[str, str]]:
        """Names of the severities, singular and plural, worst first."""
        return {code: tuple(names.split("|")) for code, names in self.words["severities"].items()}

    def colon(self) -> str:
        """Return what stands between a name and what is said of it."""
        return f"{NBSP}: " if self.french else ": "

    def semicolon(self) -> str:
        """Return what stands between sentences of a list."""
        return f"{NBSP}; " if self.french else "; "

    def singular(self, value: float) -> bool:
        """Tell whether a noun with that number is singular: from -1 to 1 in French, one in English."""
        return abs(value) < 2 if self.french else abs(value) == 1

    def number(self, value: int) -> str:
        """Write a whole number: ``6 494``, ``6,494``."""
        return f"{value:,}".replace(",", NARROW if self.french else ",")

    def one_decimal(self, value: float) -> str:
        """Write a number with at most one decimal; a missing one as a dash."""
        if value != value:
            return "–"
        whole, _, decimal = f"{value:,.1f}".removesuffix(".0").partition(".")
        point = "," if self.french else "."
        return whole.replace(",", NARROW if self.french else ",") + (point + decimal if decimal else "")

    def count(self, value: int, noun: str, plural: str | None = None) -> str:
        """Write a number and its noun, which agrees."""
        return f"{self.number(value)}{NBSP}{noun if self.singular(value) else plural or noun + 's'}"

    def percent(self, part: int, whole: int) -> str:
        """Write the share of `part` in `whole`, with one decimal below ten percent: ``8,3 %``."""
        if not whole:
            return "–"
        share = 100 * part / whole
        sign = f"{NARROW}%" if self.french else "%"
        if 0 < share < 0.1:
            return f"{f'moins de{NBSP}' if self.french else 'less than '}{self.one_decimal(0.1)}{sign}"
        return f"{self.one_decimal(share if share < 10 else round(share))}{sign}"

    def duration(self, days: int) -> str:
        """Write a length of time, in years or months where it is a round number of them."""
        months = {91: 3, 92: 3, 182: 6, 183: 6}.get(days, 0)
        years = round(days / 365.25)
        if months:
            return self.count(months, *(("mois", "mois") if self.french else ("month",)))
        if years and abs(days - 365 * years) <= years // 4:
            return self.count(years, "an" if self.french else "year")
        return self.count(days, "jour" if self.french else "day")

    def lasting(self, seconds: int) -> str:
        """Write a length of time given in seconds, by its two greatest units: ``24 h 40 min``.

        >>> [TYPOGRAPHY["fr"].lasting(n).replace(NBSP, " ") for n in (88_800, 59, 1_209_600, 0)]
        ['24 h 40 min', '59 s', '14 j', '0 s']
        """
        units = ((86_400, "j" if self.french else "d"), (3600, "h"), (60, "min"), (1, "s"))
        parts = []
        for length, unit in units[seconds < 172_800 :]:
            number, seconds = divmod(seconds, length)
            parts += [f"{number}{NBSP}{unit}"] if number else []
        return " ".join(parts[:2]) or f"0{NBSP}s"

    def severity_name(self, severity: str, value: int = 1) -> str:
        """Return the name of a severity, which agrees with a number."""
        return self.severity_names[severity][not self.singular(value)]

    def month(self, instant: datetime) -> str:
        """Write the (UTC) month of an instant."""
        utc = instant.astimezone(UTC)
        return f"{self.words['months']['names'].split()[utc.month - 1]}{NBSP}{utc.year}"

    def day(self, instant: datetime) -> str:
        """Write the (UTC) day of an instant: ``1er mars 2025``."""
        number = instant.astimezone(UTC).day
        return f"{number}{'er' if self.french and number == 1 else ''}{NBSP}{self.month(instant)}"

    def moment(self, instant: datetime) -> str:
        """Write an instant to the minute, in UTC: ``2 mars 2025 à 05 h 30 UTC``."""
        utc = instant.astimezone(UTC)
        time = f"à {utc:%H}{NBSP}h{NBSP}{utc:%M}" if self.french else f"at {utc:%H:%M}"
        return f"{self.day(utc)} {time} UTC"

    def damage(self, kinds: Iterable[str]) -> str:
        """Say how a file is damaged."""
        return ", ".join(self.words["damages"][kind] for kind in kinds)

    def listing(self, items: list[str]) -> str:
        """Join words: ``a, b et c``."""
        last = " et " if self.french else " and "
        return last.join(filter(None, (", ".join(items[:-1]), *items[-1:])))

    def typeset(self, prose: str) -> str:
        """Return our own prose (no data) with the apostrophes and no-break spaces that French has."""
        if not self.french:
            return prose
        text = prose.replace("'", "’").replace("« ", f"«{NBSP}").replace(" »", f"{NBSP}»")
        text = text.replace(" :", f"{NBSP}:")
        return re.sub(r" ([;!?]|%(?!\())", rf"{NARROW}\1", text)  # "%(name)s" is no percentage


TYPOGRAPHY = {language: Typography(language) for language in LANGUAGES}
