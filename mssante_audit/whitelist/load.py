"""A white list from its file, with what its signature is worth.

The columns of its frames are described in `mssante_audit.whitelist.listing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mssante_audit.whitelist.listing import Listing, read_listing
from mssante_audit.whitelist.signature import Verdict, verify_signature


@dataclass(frozen=True, eq=False)
class WhiteList(Listing):
    """A white list, loaded."""

    anchors: tuple[str | Path, ...] = ()
    """Certificate files and folders to trust, for `signature`."""

    @cached_property
    def signature(self) -> Verdict:
        """What the signature is worth at generation time. Reads the file again, as one tree."""
        return verify_signature(self, anchors=self.anchors)


def load_whitelist(
    source: str | Path | bytes,
    *,
    recover: bool = False,
    any_namespace: bool = False,
    max_field: int = 255,
    anchors: Sequence[str | Path] = (),
) -> WhiteList:
    """Load a white list. Memory used is in proportion to the rows, not to the XML.

    Parameters
    ----------
    source
        An XML file, plain or compressed by gzip (told by its first bytes), or its bytes.
    recover
        Load the readable rows of a damaged list.
    any_namespace
        Accept a list in another XML namespace, or in none.
    max_field
        Longest field accepted, in characters. The publishing tool's own limit is 255 (data).
    anchors
        Certificate files and folders to trust, kept for `WhiteList.signature`.

    Raises
    ------
    WhiteListError
        If the file is damaged (unless `recover`), hostile, too large, or no white list. It carries `line` and
        `readable_rows`.
    InputError
        If the file cannot be opened.
    """
    listing = read_listing(source, recover=recover, any_namespace=any_namespace, max_field=max_field)
    return WhiteList(**vars(listing), anchors=tuple(anchors))
