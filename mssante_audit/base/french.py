"""French typography for the reports: numbers, plurals, dates, the names of severities.

Thousands are parted by a narrow no-break space, and no-break spaces keep a number with its noun or sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

NBSP = "\N{NO-BREAK SPACE}"
NARROW = "\N{NARROW NO-BREAK SPACE}"

MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip

SEVERITY_NAMES = {
    "critical": ("critique", "critiques"),
    "error": ("erreur", "erreurs"),
    "warning": ("avertissement", "avertissements"),
    "info": ("information", "informations"),
}
"""French names of the severities, singular and plural, worst first."""

SIGNATURES = {
    "valid": "valide",
    "valid-untrusted": "non reconnue",
    "invalid": "invalide",
    "absent": "absente",
}
"""French names of the verdicts of `mssante_audit.whitelist.signature`, short."""

DAMAGES = {
    "namespace": "l’espace de noms est un élément au lieu d’une déclaration",
    "compressed": "le fichier compressé est interrompu",
    "unclosed": "l’élément racine n’est jamais fermé",
    "cut": "le fichier est coupé au milieu d’un élément",
    "trailing": "quelque chose suit la fin de la liste",
    "signature": "une signature se trouve ailleurs qu’à sa fin",
    "broken": "le XML est rompu par endroits",
}
"""French names of `reading.Reading.damage_kinds`."""


def damage(kinds: Iterable[str], names: Mapping[str, str] = DAMAGES) -> str:
    """Say how a file is damaged.

    >>> damage(["unclosed"])
    'l’élément racine n’est jamais fermé'
    """
    return ", ".join(names[kind] for kind in kinds)


def number(value: int, thousands: str = NARROW) -> str:
    """Write a whole number.

    >>> number(6494).replace(NARROW, "_"), number(6494, ",")
    ('6_494', '6,494')
    """
    return f"{value:,}".replace(",", thousands)


def percent(
    part: int, whole: int, *, few: str = f"moins de{NBSP}", point: str = ",", sign: str = f"{NARROW}%"
) -> str:
    """Write the share of `part` in `whole`, with one decimal below ten percent.

    >>> percent(1, 12).replace(NARROW, "_"), percent(1, 3).replace(NARROW, "_"), percent(0, 0)
    ('8,3_%', '33_%', '–')
    """
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return f"{few}0{point}1{sign}"
    text = f"{share:.1f}".removesuffix(".0") if share < 10 else f"{share:.0f}"
    return f"{text.replace('.', point)}{sign}"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """Write a number and its noun, which takes the plural from two on.

    >>> count(1, "domaine").replace(NBSP, "_"), count(2, "signal", "signaux").replace(NBSP, "_")
    ('1_domaine', '2_signaux')
    """
    return f"{number(value)}{NBSP}{noun if abs(value) < 2 else plural or noun + 's'}"


def one_decimal(value: float) -> str:
    """Write a number with at most one decimal; a missing one as a dash.

    >>> one_decimal(2.5), one_decimal(3.0)
    ('2,5', '3')
    """
    if value != value:
        return "–"
    return number(int(value)) if value == int(value) else f"{value:.1f}".replace(".", ",")


def duration(days: int) -> str:
    """Write a length of time, in years or months where it is a round number of them.

    >>> [duration(d).replace(NBSP, "_") for d in (1, 91, 183, 365, 730, 1461, 400)]
    ['1_jour', '3_mois', '6_mois', '1_an', '2_ans', '4_ans', '400_jours']
    """
    value, unit = rounded(days)
    return count(
        value, {"month": "mois", "year": "an", "day": "jour"}[unit], "mois" * (unit == "month") or None
    )


def rounded(days: int) -> tuple[int, str]:
    """Return a length of time in the unit, ``year``, ``month`` or ``day``, of which it is a round number."""
    months = {91: 3, 92: 3, 182: 6, 183: 6}
    if days in months:
        return months[days], "month"
    years = round(days / 365.25)
    if years and abs(days - 365 * years) <= years // 4:
        return years, "year"
    return days, "day"


def severity_name(severity: str, value: int = 1) -> str:
    """Return the French name of a severity, in the plural from two on.

    >>> severity_name("critical"), severity_name("warning", 3)
    ('critique', 'avertissements')
    """
    return SEVERITY_NAMES[severity][value >= 2]


def day(instant: datetime, *, first: str = "1er", months: Sequence[str] = MONTHS) -> str:
    """Write the (UTC) day of an instant.

    >>> day(datetime(2025, 3, 1, 5, 30, tzinfo=UTC)).replace(NBSP, "_")
    '1er_mars_2025'
    """
    number = instant.astimezone(UTC).day
    return f"{first if number == 1 else number}{NBSP}{month(instant, months)}"


def month(instant: datetime, months: Sequence[str] = MONTHS) -> str:
    """Write the (UTC) month of an instant.

    >>> month(datetime(2025, 3, 1, 5, 30, tzinfo=UTC)).replace(NBSP, "_")
    'mars_2025'
    """
    utc = instant.astimezone(UTC)
    return f"{months[utc.month - 1]}{NBSP}{utc.year}"


def moment(instant: datetime) -> str:
    """Write an instant to the minute, in UTC.

    >>> moment(datetime(2025, 3, 2, 5, 30, tzinfo=UTC)).replace(NBSP, "_")
    '2_mars_2025 à 05_h_30 UTC'
    """
    utc = instant.astimezone(UTC)
    return f"{day(utc)} à {utc:%H}{NBSP}h{NBSP}{utc:%M} UTC"


def listing(items: list[str], last: str = "et") -> str:
    """Join words as French does, and English with another word before the last.

    >>> listing(["a", "b", "c"]), listing(["a", "b", "c"], "and")
    ('a, b et c', 'a, b and c')
    """
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def typeset(prose: str) -> str:
    """Return our own prose with typographic apostrophes and no-break spaces (not for texts of the data).

    >>> typeset("l'ANS : « oui » ?").replace(NBSP, "_").replace(NARROW, "-")
    'l’ANS_: «_oui_»-?'
    """
    text = (
        prose.replace("'", "’").replace("« ", f"«{NBSP}").replace(" »", f"{NBSP}»").replace(" :", f"{NBSP}:")
    )
    return re.sub(r" ([;!?]|%(?!\())", rf"{NARROW}\1", text)  # "%(name)s" is no percentage
