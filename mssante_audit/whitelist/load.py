"""The white list: from its XML to a frame, one row a (domain, certificate) pair, and what to rely on.

`PROBLEMS` are the columns of `WhiteList.problems`. A missing or unreadable text is "", never NaN.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError, WhiteListError
from mssante_audit.base.frames import columns_of, described, frame_of
from mssante_audit.base.instants import SKEW
from mssante_audit.base.reading import open_regular, unreadable
from mssante_audit.whitelist.columns import as_str, entries_frame, is_audit_domain, texts_of
from mssante_audit.whitelist.listxml import NAMESPACE, Reading

if TYPE_CHECKING:
    from mssante_audit.whitelist.signature import Verdict

FRAME = columns_of("mssante_audit.whitelist", "entries")
PROBLEMS = columns_of("mssante_audit.whitelist", "problems")
__doc__ = described(__doc__, "Columns of `WhiteList.entries`", FRAME)

__all__ = ["MAX_BYTES", "NAMESPACE", "WhiteList", "is_audit_domain", "load_whitelist"]

DAMAGES = frozenset({"cut", "damaged"})  # doubts of a list that may lack rows, its others being right
_REASONS = {"time": "expired", "revoked": "revoked", "signer": "misnamed", "chain": "unfit"}
MAX_BYTES = 512 * 2**20  # of XML, uncompressed: some 140 times the list of 2025; bounds a gzip bomb
_PIECE = 2**16
_PAGE = re.compile(
    rb"(?>(?:\xef\xbb\xbf|\s|<\?xml.*?\?>|<!--.*?-->)*)<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


@dataclass(frozen=True, eq=False)
class WhiteList:
    """A white list, loaded."""

    entries: pd.DataFrame  # columns in this module's docstring
    generated_at: datetime | None  # DateDeGeneration (UTC), None if it cannot be read
    sha256: str  # of the uncompressed XML, in hexadecimal: what names the list in an archive
    problems: pd.DataFrame  # what is not as it should be; columns are `PROBLEMS`
    damaged: bool  # whether the file is broken and only its readable rows are here
    damage: str  # how, in words
    damage_kinds: tuple[str, ...]  # and as `Reading.damage_kinds`
    namespace: str  # of the root element
    source: str  # name of the file, for messages
    signed: bool  # whether there is a signature, of whatever value
    anchors: tuple[str | Path, ...] = ()  # what to trust and whom to expect, for `signature`
    signer: str | None = None
    beside: tuple[Path, ...] = ()  # folders in which IGC-Santé's and revocation lists need not be named
    origin: Path | bytes = field(default=b"", repr=False)  # the file or the bytes loaded
    verdict: Verdict | None = None  # what the signature is worth, if known without the file: of a snapshot

    @cached_property
    def signature(self) -> Verdict:
        """What the signature is worth at generation time. Reads the file again, as one tree."""
        from mssante_audit.whitelist.signature import verify_signature

        return self.verdict or verify_signature(self, anchors=self.anchors, signer=self.signer)

    def same_as(self, content: bytes) -> bool:
        """Tell whether other bytes are a list of the same date and the same texts, of which all else is made.

        Bytes that are no list, or a damaged one, are a `WhiteListError`.
        """
        reading, _ = _read(content, "<bytes>", any_namespace=True, max_field=len(content))
        reading.refuse_damage()
        same = [as_str(texts).equals(self.entries[name].array) for name, texts in texts_of(reading).items()]
        return all(same) and reading.generated_at == self.generated_at

    def content(self) -> bytes:
        """Return the uncompressed XML, read again; an `InputError` if the file is gone or has changed."""
        content, sha256 = io.BytesIO(), hashlib.sha256()
        try:
            with suppress(EOFError):
                content.writelines(_pieces(self.origin, self.source, sha256))
        except (OSError, InputError):
            raise InputError("cannot be read again", file=self.source) from None
        if sha256.hexdigest() != self.sha256:
            raise InputError("has changed since it was loaded", file=self.source, remedy="Load it again")
        return content.getvalue()


def load_whitelist(
    source: str | Path | bytes,
    *,
    recover: bool = False,
    any_namespace: bool = False,
    max_field: int = 255,
    anchors: Sequence[str | Path] = (),
    signer: str | None = None,
    beside: Path | None = None,
) -> WhiteList:
    """Load a white list. Memory used is in proportion to the rows, not to the XML.

    Parameters
    ----------
    source
        An XML file, plain or compressed by gzip (recognised by its first bytes), or its bytes.
    recover
        Load the readable rows of a damaged list.
    any_namespace
        Accept a list in another XML namespace, or in none.
    max_field
        Longest field accepted, in characters. The publishing tool's own limit is 255 (data).
    anchors, signer
        Kept for `WhiteList.signature` (`mssante_audit.whitelist.signature.verify_signature`).
    beside
        A folder where what it is trusted by is recognised, as in the one that the file lies in.

    Raises
    ------
    WhiteListError
        If the file is damaged (unless `recover`), hostile, too large, or no white list. It carries `line` and
        `readable_rows`.
    InputError
        If the file cannot be opened.
    """
    origin = source if isinstance(source, bytes) else Path(source)
    name, here = ("<bytes>", None) if isinstance(origin, bytes) else (str(origin), origin.parent)
    try:
        reading, sha256 = _read(origin, name, any_namespace=any_namespace, max_field=max_field)
        if not recover:
            reading.refuse_damage()
        entries = entries_frame(reading)
        problems = sorted(reading.problems, key=lambda p: (p.line, p.row or 0))
        frame = frame_of(problems, PROBLEMS)
    except MemoryError:
        raise WhiteListError("takes more memory than there is", file=name) from None
    return WhiteList(
        entries=entries, generated_at=reading.generated_at, sha256=sha256, problems=frame,
        damaged=bool(reading.damage), damage=reading.damage, damage_kinds=reading.damage_kinds,
        namespace=reading.namespace, source=name, signed=reading.signed, anchors=tuple(anchors),
        signer=signer, origin=origin, beside=tuple(folder for folder in (beside, here) if folder),
    )  # fmt: skip


def _read(origin: Path | bytes, name: str, **limits: Any) -> tuple[Reading, str]:
    """Read a list's XML, and its hash with it, all of it even where reading stopped."""
    sha256 = hashlib.sha256()
    pieces = _pieces(origin, name, sha256)
    try:
        reading = Reading(name, **limits).read(pieces)
        with suppress(EOFError):
            deque(pieces, maxlen=0)
    except OSError as error:
        raise unreadable(name, error.strerror or str(error)) from error
    return reading, sha256.hexdigest()


def sha256_of(file: Path) -> str:
    """Return the `WhiteList.sha256` of a file without reading its rows; "" if it cannot be read whole."""
    return digest(content) if (content := content_of(file)) else ""


def content_of(file: Path) -> bytes:
    """Return the uncompressed XML of a file; "" if it cannot be read whole."""
    try:
        return b"".join(_pieces(file, str(file), hashlib.sha256()))
    except (OSError, EOFError, InputError):
        return b""


def _pieces(origin: Path | bytes, name: str, sha256: Any) -> Iterator[bytes]:
    """Yield the uncompressed XML, hashed into `sha256`; `EOFError` where a compressed file breaks off."""
    total = 0
    with io.BufferedReader(io.BytesIO(origin)) if isinstance(origin, bytes) else open_regular(origin) as raw:
        stream = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b"\x1f\x8b" else raw
        try:
            while piece := stream.read1(_PIECE):  # what stands before the break is given first
                total += len(piece)
                if total > MAX_BYTES:
                    raise WhiteListError("more than {} MiB of XML", MAX_BYTES // 2**20, file=name)
                sha256.update(piece)
                yield piece
        except (gzip.BadGzipFile, zlib.error) as error:
            raise EOFError(str(error)) from error


def is_html(content: bytes | bytearray) -> bool:
    """Tell whether what should be a list is a page, such as one that asks to log in."""
    return bool(_PAGE.match(bytes(content[:4096])))


def refusal(whitelist: WhiteList) -> str:
    """Return why a list is refused at any instant, the gravest first of `doubts`."""
    return next(iter(doubts(whitelist)), "undated")


def doubts(
    whitelist: WhiteList, as_of: datetime | None = None, max_age: timedelta | None = None
) -> list[str]:
    """Return why a list is not to be relied on, the gravest first; nothing if it is.

    They are ``forged``, ``cut`` (its end is missing) or ``damaged``, ``unsigned``; of its signer's
    certificate ``expired``, ``revoked``, ``misnamed`` (of the same authority), ``unfit`` (not meant for
    this) or ``untrusted`` (no authority known here vouches for it); and at an instant asked about, `as_of`,
    ``undated``, ``future`` and ``old`` (`max_age`).
    """
    verdict = whitelist.signature
    reasons = []
    if whitelist.damaged:
        reasons.append("cut" if "cut" in whitelist.damage_kinds else "damaged")
    elif verdict.status == "invalid":
        reasons.append("forged")
    if verdict.status == "absent":
        reasons.append("unsigned")
    elif verdict.status == "valid-untrusted":
        reasons.append(_REASONS.get(verdict.reason, "untrusted"))
    made = whitelist.generated_at
    if as_of is None:
        return reasons
    if made is None:
        reasons.append("undated")
    elif made > as_of + SKEW:
        reasons.append("future")
    elif max_age is not None and as_of - made > max_age:
        reasons.append("old")
    return reasons
