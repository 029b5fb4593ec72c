"""The trust space: everything an audit may look at, loaded once.

`TrustSpace.entries` is the white list's frame (columns in `mssante_audit.whitelist`). Test entries stay in
it, marked ``is_audit_entry``: audits work on `TrustSpace.audited`, and reports say how many were set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pandas as pd

from mssante_audit.declarations import Register, find_register, load_declarations
from mssante_audit.errors import InputError
from mssante_audit.resources import resource
from mssante_audit.whitelist import WhiteList, load_whitelist

LIST_SUFFIXES = (".xml", ".xml.gz")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What an audit takes for too old, too many or too few."""

    list_max_age_days: int = 7
    """A list older than this is reported (LIST_OLD). No source: the manager states no period."""
    stale_after_days: int = 730
    """Age of `updated_at` from which a row counts as old (CONTACT_STAMP_OLD)."""
    concentration_min: int = 50
    """From how many domains on one certificate name on it is reported (DN_CONCENTRATION)."""
    listing_days: int = 10
    """Days after which a declared domain should be listed (RECO_NOT_LISTED). No source: none is stated."""


@dataclass(frozen=True)
class TrustSpace:
    """A white list and what is known beside it, as of a date."""

    whitelist: WhiteList
    as_of: datetime
    """The instant (UTC) against which ages are counted."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    show_contacts: bool = False
    """Whether findings name contacts as they are; masked otherwise."""
    declarations: Register | None = None
    """The register of declarations, where the data folder has one."""

    @property
    def entries(self) -> pd.DataFrame:
        """All rows of the white list."""
        return self.whitelist.entries

    @cached_property
    def audited(self) -> pd.DataFrame:
        """The rows that audits look at: `entries` without the manager's and operators' test entries."""
        return self.entries[~self.entries["is_audit_entry"]]


def find_whitelist(data: Path) -> Path:
    """Return the white list that `data` (a file, or a folder that holds one) stands for.

    In a folder with several lists the last in order of name is taken: names of an archive start with a date.

    Raises
    ------
    InputError
        If there is none.
    """
    if data.is_file():
        return data
    if not data.exists():
        raise InputError("no such file or folder", file=str(data))
    lists = sorted(f for f in data.iterdir() if f.name.endswith(LIST_SUFFIXES) and f.is_file())
    if not lists:
        raise InputError(
            "no white list here", file=str(data), remedy="Put a .xml or .xml.gz white list in the folder"
        )
    return lists[-1]


def load_space(
    data: str | Path | None = None,
    *,
    as_of: str | datetime | None = None,
    anchors: Sequence[str | Path] = (),
    recover: bool = False,
    any_namespace: bool = False,
    thresholds: Thresholds | None = None,
    show_contacts: bool = False,
) -> TrustSpace:
    """Load the trust space that a folder (or a single white list) describes.

    Parameters
    ----------
    data
        Folder or file; the shipped sample if not given.
    as_of
        Instant to audit at, ISO 8601 (a date means midnight UTC); now if not given.
    anchors
        Certificate files or folders to trust. IGC-Santé certificates lying in the data folder are recognised
        by their fingerprints and need not be named; nor need the shipped sample's.
    recover
        Load the readable rows of a damaged list.
    any_namespace
        Accept a list in another XML namespace.
    thresholds
        Defaults of `Thresholds` if not given.
    show_contacts
        Let findings name contacts as they are: for one's own eyes, not for sharing.

    Raises
    ------
    InputError
        If there is no list, or it cannot be read (`WhiteListError`), or `as_of` is not a date.
    """
    sample = resource("data/sample")
    folder = Path(data) if data is not None else sample
    if folder.resolve() == sample.resolve():
        anchors = (*anchors, sample / "anchors")
    whitelist = load_whitelist(
        find_whitelist(folder), recover=recover, any_namespace=any_namespace, anchors=tuple(anchors)
    )
    register = find_register(folder)
    return TrustSpace(
        whitelist,
        parse_instant(as_of),
        thresholds or Thresholds(),
        show_contacts,
        None if register is None else load_declarations(register),
    )


def parse_instant(text: str | datetime | None) -> datetime:
    """Read an ISO 8601 date or time as UTC; ``None`` is now.

    >>> parse_instant("2025-03-01").isoformat()
    '2025-03-01T00:00:00+00:00'

    Raises
    ------
    InputError
        If it is neither a date nor a time.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        instant = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is not a date", remedy="Write it as 2025-03-01 or 2025-03-01T06:00:00Z"
        ) from None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
