"""The public extractions in a data folder: which there are, what the newest says, whether to rely on it.

ANS publishes the mailboxes of the trust space every day. One on the red list is simply not there: **few or
none is no proof of an unused domain**. Numbers are unknown, and never 0, where there is no extraction, where
it is damaged, or where it was made too long before or after the list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from mssante_audit.base.errors import InputError
from mssante_audit.mailboxes.counts import Counts, count_mailboxes
from mssante_audit.mailboxes.text import dated, pieces

URL = (
    "https://service.annuaire.sante.fr/annuaire-sante-webservices/V300/services/extraction/"
    "Extraction_Correspondance_MSSante"
)
"""Where ANS publishes it; its server's certificate is IGC-Santé's."""

NAME = "extraction_correspondance_mssante"
"""How the names of extractions begin, in whatever case."""

MAX_DAYS = 31
"""An extraction made so long before or after a list says nothing sure of its domains: in 75 days one in ten
left and one in twenty-five came (data). No source: this audit's convention."""

AHEAD = timedelta(days=1)
"""By how much an extraction may be younger than the day it is looked at: its name tells no time zone."""


@dataclass(frozen=True, eq=False)
class Extraction:
    """An extraction. It is read when its numbers are first asked for."""

    source: str
    """Name of the file."""
    made_at: datetime
    """When it was made, as its name tells (UTC)."""
    file: Path | None = None
    """``None`` for one of a snapshot or sent to another process, which has its numbers."""
    known: Counts | None = None
    """Its numbers, where they were read before."""
    earlier: Extraction | None = None
    """The one before it in the folder."""

    @cached_property
    def counts(self) -> Counts:
        """What it says in numbers; an `InputError` if it is no extraction, or cannot be read."""
        if self.known is not None:
            return self.known
        if self.file is None:
            raise InputError("is not kept in a snapshot", file=self.source)
        return count_mailboxes(pieces(self.file), self.source)

    @cached_property
    def by_domain(self) -> dict[str, int]:
        """Mailboxes by domain, letter for letter."""
        return dict(self.counts.frame.groupby("domain")["mailboxes"].sum().items())  # type: ignore[arg-type]

    def in_numbers(self) -> Extraction:
        """Return it without its file, which names persons: to be sent to another process."""
        return replace(self, file=None, known=self.counts, earlier=self.earlier and self.earlier.in_numbers())

    def fault(self, of: datetime) -> str:
        """Return why numbers are unknown for a list of that time: ``damaged``, ``old``, "" if known."""
        if abs(of - self.made_at) > timedelta(days=MAX_DAYS):
            return "old"
        return "damaged" if self.counts.damage else ""


def is_extraction(file: Path) -> bool:
    """Tell whether a file is named as extractions are; the mirror at data.gouv.fr writes hyphens."""
    return file.name.lower().replace("-", "_").startswith(NAME)


def find_extractions(data: Path, as_of: datetime) -> Extraction | None:
    """Return the newest extraction of a data folder as of a date, with the one before it.

    Younger ones are left out; a data file has none beside it. If neither the name of one nor the text in it
    tells when it was made it is an `InputError`.
    """
    if not data.is_dir():
        return None
    found: dict[datetime, Path] = {}
    for file in sorted(data.iterdir()):
        if is_extraction(file) and file.suffix.lower() in (".txt", ".zip") and file.is_file():
            made = dated(file)
            if made is None:
                remedy = "Name it as ANS does: Extraction_Correspondance_MSSante_AAAAMMJJhhmm.txt or .zip"
                raise InputError("its name does not tell when it was made", file=str(file), remedy=remedy)
            found.setdefault(made, file)  # .txt before .zip: the same, and quicker to read
    last = None
    for made in sorted(made for made in found if made <= as_of + AHEAD)[-2:]:
        last = Extraction(found[made].name, made, found[made], earlier=last)
    return last
