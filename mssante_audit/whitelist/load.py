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
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError, WhiteListError
from mssante_audit.base.frames import columns_of, described, frame_of
from mssante_audit.base.instants import SKEW
from mssante_audit.base.reading import open_regular, unreadable
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_department, parse_identifier, region_of
from mssante_audit.whitelist.listxml import FIELDS, NAMESPACE, Reading, instant

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
_TEST_TOKEN = re.compile(
    r"(?:audit|tests?|(?!protest$|contest$).*test|(?:pre|p)prod(?:uction)?|recette|qualif|demo|poc)$"
)
_TEST_HINT = "(?i)audit|test|espacedeconfiance|prod|recette|qualif|demo|poc"
_TEST_DESCRIPTION = r"(?i)\b(?:domaine|messagerie|mssant[ée]|comptes?) +(?:mssant[ée] +)?de +test\b"
_TEST_OPERATOR = r"(?i)\bTESTS?\d*\b"


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
        texts, entries = _texts_of(reading), self.entries
        same = (pd.array(text, dtype="str").equals(entries[name].array) for name, text in texts.items())
        return all(same) and reading.generated_at == self.generated_at

    def content(self) -> bytes:
        """Return the uncompressed XML, read again; an `InputError` if the file is gone or has changed."""
        if not (content := content_of(self.origin)):
            raise InputError("cannot be read again", file=self.source)
        if digest(content) != self.sha256:
            raise InputError("has changed since it was loaded", file=self.source, remedy="Load it again")
        return content


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
    name, parent = ("<bytes>", None) if isinstance(origin, bytes) else (str(origin), origin.parent)
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
        signer=signer, origin=origin, beside=tuple(folder for folder in (beside, parent) if folder),
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


def content_of(origin: Path | bytes) -> bytes:
    """Return the uncompressed XML of a file or of bytes; "" if it cannot be read whole."""
    with suppress(OSError, EOFError, InputError):
        return b"".join(_pieces(origin, "", hashlib.sha256()))
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
        reasons.append("cut" if {"cut", "unclosed"}.intersection(whitelist.damage_kinds) else "damaged")
    elif verdict.status == "invalid":
        reasons.append("forged")
    if verdict.status == "absent":
        reasons.append("unsigned")
    elif verdict.status == "valid-untrusted":
        reasons.append(_REASONS.get(verdict.reason, "untrusted"))
    generated_at = whitelist.generated_at
    if as_of is None:
        return reasons
    if generated_at is None:
        reasons.append("undated")
    elif generated_at > as_of + SKEW:
        reasons.append("future")
    elif max_age is not None and as_of - generated_at > max_age:
        reasons.append("old")
    return reasons


def entries_frame(reading: Reading) -> pd.DataFrame:
    """Make the frame, emptying `reading.columns` on the way."""
    texts, lines = _texts_of(reading), np.array(reading.lines, dtype="int64")
    columns: dict[str, Any] = {"row": np.arange(1, len(lines) + 1), "line": lines}
    columns |= {name: pd.array(text, dtype="str") for name, text in texts.items()}  # not copied
    coded = texts["updated_at_text"].dictionary_encode()
    instants = pd.array(list(map(instant, coded.dictionary.to_pylist())), dtype="datetime64[us, UTC]")
    columns["updated_at"] = instants.take(coded.indices.to_numpy(zero_copy_only=False))
    columns |= parsed(texts["dn"], names_in, DN_COLUMNS)
    for kind in ("project", "support"):
        columns |= parsed(texts[f"{kind}_contact"], _reached, (f"{kind}_phone", f"{kind}_email"))
    columns["is_audit_entry"] = _is_audit_entry(texts["domain"], columns["operator"], texts["description"])
    columns["under_mssante"] = _matching(texts["domain"], r"(?i)(?:^|\.)mssante\.fr$")
    return pd.DataFrame(columns, copy=False)


def _texts_of(reading: Reading) -> dict[str, Any]:
    """Return the texts of the rows by column, emptying `reading.columns`."""
    texts: dict[str, Any] = {}
    for name, chunks in zip(FIELDS.values(), reading.columns, strict=True):
        texts[name] = pa.chunked_array(chunks, pa.large_string()).combine_chunks()
        chunks.clear()
    return texts


def _matching(texts: Any, pattern: str) -> Any:
    return pc.match_substring_regex(pa.array(texts), pattern).to_numpy(zero_copy_only=False)


def parsed(texts: Any, parse: Callable[[str], Sequence[str]], names: Sequence[str]) -> dict[str, Any]:
    """Return columns of what each text says, which is parsed once for each distinct one."""
    coded = texts.dictionary_encode()
    values = pd.DataFrame(map(parse, coded.dictionary.to_pylist()), columns=list(names), dtype="str")
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return {name: values[name].array.take(codes) for name in names}


DN_COLUMNS = (
    "dn_key", "igc", "cn", "ou", "o", "st", "c", "operator_id", "operator", "operator_kind", "finess",
    "siren", "siret", "department", "region",
)  # fmt: skip


def names_in(text: str) -> tuple[str, ...]:
    """Return what a DN says, as `DN_COLUMNS`."""
    dn = parse_dn(text)
    ou, o, st = dn.get("OU"), dn.get("O"), dn.get("ST") or dn.get("L")
    owner, place = parse_identifier(ou), parse_department(st).code
    number = "" if "shape" in owner.problems else owner.value[1:]
    numbers = (number if owner.kind == kind else "" for kind in ("FINESS", "SIREN", "SIRET"))
    operator = " ".join(o.upper().split())
    named = (dn.key, dn.igc, dn.get("CN"), ou, o, st, dn.get("C"))
    return (*named, owner.value, operator, owner.kind, *numbers, place, region_of(place))


def _reached(text: str) -> tuple[str, str]:
    """Return the first phone and the first address of a contact."""
    contact = parse_contact(text)
    return next(iter(contact.phones), ""), next(iter(contact.emails), "")


def is_audit_domain(domain: str) -> bool:
    """Tell whether a domain's name says that it is there for testing (a heuristic; source: data).

    It lies under the manager's ``espacedeconfiance.mssante.fr``, or a word of a label is "audit", "test" or
    "tests", ends in "test", or is a pre-production's: "preprod", "recette", "qualif", "demo", "poc".
    """
    name = domain.lower().replace("pre-prod", "preprod")
    return f".{name}".endswith(".espacedeconfiance.mssante.fr") or any(
        _TEST_TOKEN.match(token) for label in name.split(".") for token in label.split("-")
    )


def _is_audit_entry(domains: Any, operators: Any, descriptions: Any) -> Any:
    """Tell which rows are there for testing: domain, operator's name or description says so."""
    flags = _matching(domains, _TEST_HINT).copy()
    for index in np.flatnonzero(flags).tolist():
        flags[index] = is_audit_domain(domains[index].as_py())
    tests = pc.match_substring_regex(descriptions, _TEST_DESCRIPTION)
    if pc.any(tests).as_py():  # all rows of a domain or none
        others = pc.is_in(domains, value_set=domains.filter(pc.invert(tests)))
        flags |= pc.invert(others).to_numpy(zero_copy_only=False)
    return flags | _matching(operators, _TEST_OPERATOR)
