"""English typography for the reports: numbers, plurals, dates."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from mssante_audit.base import french
from mssante_audit.base.french import NBSP

SEVERITY_NAMES = {
    "critical": ("critical", "critical"),
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("information", "information"),
}
"""English names of the severities, singular and plural, worst first."""

SIGNATURES = {
    "valid": "valid",
    "valid-untrusted": "not recognised",
    "invalid": "invalid",
    "absent": "absent",
}
"""English names of the verdicts of `mssante_audit.whitelist.signature`, short."""

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

DAMAGES = {
    "namespace": "the namespace is an element instead of a declaration",
    "compressed": "the compressed file breaks off",
    "unclosed": "the root element is never closed",
    "cut": "the file is cut off in the middle of an element",
    "trailing": "something follows the end of the list",
    "signature": "a signature stands elsewhere than at its end",
    "broken": "the XML is broken in places",
}
"""English names of `reading.Reading.damage_kinds`."""


damage = partial(french.damage, names=DAMAGES)
day = partial(french.day, first="1", months=MONTHS)
listing = partial(french.listing, last="and")
month = partial(french.month, months=MONTHS)
number = partial(french.number, thousands=",")
percent = partial(french.percent, few="less than ", point=".", sign="%")


def count(value: int, noun: str, plural: str | None = None) -> str:
    """Write a number and its noun, in the plural but for one.

    >>> count(1, "domain").replace(NBSP, "_"), count(0, "entry", "entries").replace(NBSP, "_")
    ('1_domain', '0_entries')
    """
    return f"{number(value)}{NBSP}{noun if abs(value) == 1 else plural or noun + 's'}"


def one_decimal(value: float) -> str:
    """Write a number with at most one decimal; a missing one as a dash.

    >>> one_decimal(2.5), one_decimal(3000.0)
    ('2.5', '3,000')
    """
    if value != value:
        return "–"
    return number(int(value)) if value == int(value) else f"{value:,.1f}"


def duration(days: int) -> str:
    """Write a length of time, in years or months where it is a round number of them.

    >>> [duration(d).replace(NBSP, "_") for d in (1, 91, 365, 730)]
    ['1_day', '3_months', '1_year', '2_years']
    """
    value, unit = french.rounded(days)
    return count(value, unit)


def severity_name(severity: str, value: int = 1) -> str:
    """Return the English name of a severity, in the plural but for one."""
    return SEVERITY_NAMES[severity][value != 1]


def moment(instant: datetime) -> str:
    """Write an instant to the minute, in UTC.

    >>> moment(datetime(2025, 3, 2, 5, 30, tzinfo=UTC)).replace(NBSP, "_")
    '2_March_2025 at 05:30 UTC'
    """
    return f"{day(instant)} at {instant.astimezone(UTC):%H:%M} UTC"


def typeset(prose: str) -> str:
    """Return our own prose as it is: English sets no space apart, its texts are typed as they are shown."""
    return prose
