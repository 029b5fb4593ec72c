"""Instants: dates and times as users and files write them, as UTC."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mssante_audit.base.errors import InputError

# By how much a clock may be wrong: a list dated so far ahead is not yet one of the future.
SKEW = timedelta(hours=1)
_STAMP = "%Y-%m-%dT%H%M%SZ"


def parse_instant(text: str | datetime | None) -> datetime:
    """Read an ISO 8601 date or time as UTC; ``None`` is now, what is neither an `InputError`.

    >>> parse_instant("2025-03-01").isoformat()
    '2025-03-01T00:00:00+00:00'
    """
    if text is None:
        return datetime.now(UTC)
    try:
        instant = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # in UTC it may be before the first day of the calendar
        remedy = "Write it as 2025-03-01 or 2025-03-01T06:00:00Z"
        raise InputError("{} is not a date", repr(str(text)), remedy=remedy) from None


def asked_instant(text: str | datetime | None) -> datetime:
    """Read the instant that somebody asks about, as `parse_instant` does.

    One before 1900 or after 2999 is an `InputError`: months before or after it there may be no calendar.
    """
    instant = parse_instant(text)
    if not 1900 <= instant.year < 3000:
        raise InputError("{} is too far away", repr(str(text)), remedy="Name a year from 1900 to 2999")
    return instant


def stamp_of(instant: datetime) -> str:
    """Return an instant as names of files and folders have it: ``2025-03-01T060000Z``."""
    return instant.astimezone(UTC).strftime(_STAMP)


def stamped(stamp: str) -> datetime:
    """Return the instant that a stamp names; a `ValueError` if it is none, to the letter."""
    instant = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    if stamp_of(instant) != stamp:
        raise ValueError(f"{stamp} is no stamp")
    return instant


def paris_day() -> date:
    """Return today's date in Paris, or on this machine if it knows no time zones."""
    try:
        return datetime.now(ZoneInfo("Europe/Paris")).date()
    except ZoneInfoNotFoundError:
        return datetime.now().astimezone().date()
