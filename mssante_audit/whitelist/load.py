"""The white list: from its XML to a frame, one row a (domain, certificate) pair.

Columns of `WhiteList.entries`, in order. A missing or unreadable text is "", never NaN; `WhiteList.problems`
says which ones the file lacks.

=====================  ===================  ================================================================
column                 dtype                meaning
=====================  ===================  ================================================================
``row``                int64                1-based position in the file
``line``               int64                line of the row's start tag, 1-based
``domain``             str                  Nom, as in the file
``description``        str                  Description, as in the file
``dn``                 str                  DNCertificatOperateur, as in the file
``project_contact``    str                  ResponsableContact, as in the file; names persons
``support_contact``    str                  SupportContact, as in the file; names persons
``updated_at_text``    str                  DateMAJ, as in the file
``updated_at``         datetime64[us, UTC]  DateMAJ, read; NaT when it cannot be
``dn_key``             str                  `DN.key` of ``dn``: equal for all spellings of one name
``igc``                str                  "IGC-Santé" or "IGC-CPS" by the DN's attributes, or ""
``cn``                 str                  CN in the DN
``ou``                 str                  OU in the DN
``o``                  str                  O in the DN
``st``                 str                  ST in the DN, or else L
``c``                  str                  C in the DN
``operator_id``        str                  OU without blanks, in upper case
``operator``           str                  O with its spaces folded, in upper case
``operator_kind``      str                  kind of the identifier ("FINESS", "SIREN"…), or ""
``finess``             str                  the identifier without its first character where it is a FINESS of
                                            the right shape, "" where it is another
``siren``              str                  likewise of a SIREN
``siret``              str                  likewise of a SIRET
``department``         str                  code of the département named by ``st`` ("75", "2A", "971"), or ""
``region``             str                  region of that département, or "": where the operator of the
                                            certificate is, not the establishment that the domain serves
``project_phone``      str                  first phone of the project contact, E.164, or ""; names persons
``project_email``      str                  first address of the project contact, lower case, or "";
                                            names persons
``support_phone``      str                  first phone of the support contact, E.164, or ""; names persons
``support_email``      str                  first address of the support contact, lower case, or "";
                                            names persons
``is_audit_entry``     bool                 an entry that the manager or an operator keeps for testing
``under_mssante``      bool                 the domain lies under mssante.fr
=====================  ===================  ================================================================

Columns of `WhiteList.problems`:

=====================  ===================  ================================================================
column                 dtype                meaning
=====================  ===================  ================================================================
``row``                Int64                the row, NA for what concerns none
``line``               int64                line of the file, 1-based
``kind``               str                  what is wrong (`mssante_audit.whitelist.reading.Problem`)
``element``            str                  the element it is about, or ""
``message``            str                  in words, that never repeat what a field says
=====================  ===================  ================================================================
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
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mssante_audit.base.errors import InputError, WhiteListError
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_department, parse_identifier, region_of
from mssante_audit.whitelist.listxml import FIELDS, NAMESPACE, Problem, Reading, read_list

if TYPE_CHECKING:
    from mssante_audit.whitelist.signature import Verdict

__all__ = ["MAX_BYTES", "NAMESPACE", "WhiteList", "is_audit_domain", "load_whitelist"]

MAX_BYTES = 512 * 2**20
"""Largest XML accepted, uncompressed: some 140 times the list of 2025. Bounds what a gzip bomb can cost."""

_PIECE = 2**16
_INSTANT = r"^\s*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\s*$"
_TEST_TOKEN = re.compile(
    r"(?:audit|tests?|(?!protest$|contest$).*test|(?:pre|p)prod(?:uction)?|recette|qualif|demo|poc)$"
)
_TEST_HINT = "(?i)audit|test|espacedeconfiance|prod|recette|qualif|demo|poc"
_TEST_DESCRIPTION = r"(?i)\b(?:domaine|messagerie|mssant[ée]|comptes?) +(?:mssant[ée] +)?de +test\b"
_TEST_OPERATOR = r"(?i)\bTESTS?\d*\b"


@dataclass(frozen=True, eq=False)
class WhiteList:
    """A white list, loaded."""

    entries: pd.DataFrame
    """The rows; columns in this module's docstring."""
    generated_at: datetime | None
    """DateDeGeneration (UTC), None if it cannot be read."""
    sha256: str
    """Of the uncompressed XML, in hexadecimal: what names the list in an archive."""
    problems: pd.DataFrame
    """What is not as it should be; columns in this module's docstring."""
    damaged: bool
    """Whether the file is broken and only its readable rows are here."""
    damage: str
    """How it is broken, "" if it is not."""
    damage_kinds: tuple[str, ...]
    """The same as codes (`reading.Reading.damage_kinds`)."""
    namespace: str
    """Namespace of the root element."""
    source: str
    """Name of the file, for messages."""
    signed: bool
    """Whether there is a signature, of whatever value."""
    anchors: tuple[str | Path, ...] = ()
    """Certificate files and folders to trust, and revocation lists, for `signature`."""
    signer: str | None = None
    """Common name of whoever should have signed, for `signature`."""
    origin: Path | bytes = field(default=b"", repr=False)
    """The file or the bytes loaded."""

    @cached_property
    def signature(self) -> Verdict:
        """What the signature is worth at generation time. Reads the file again, as one tree."""
        from mssante_audit.whitelist.signature import verify_signature

        return verify_signature(self, anchors=self.anchors, signer=self.signer)

    def same_as(self, content: bytes) -> bool:
        """Tell whether other bytes are a list of the same date and the same texts, of which all else is made.

        Raises
        ------
        WhiteListError
            If they are no list, whatever its namespace and the length of its fields, or a damaged one.
        """
        reading, _ = _read(content, "<bytes>", any_namespace=True, max_field=len(content))
        if reading.damage:
            raise _damaged(reading, "<bytes>")
        same = [_str(texts).equals(self.entries[name].array) for name, texts in _texts(reading).items()]
        return all(same) and _instant(reading) == self.generated_at

    def content(self) -> bytes:
        """Return the uncompressed XML, read again from where it was loaded.

        Raises
        ------
        InputError
            If the file is gone or has changed.
        """
        content = io.BytesIO()
        try:
            with suppress(EOFError):
                content.writelines(_pieces(self.origin, self.source))
        except OSError as error:
            raise InputError(f"cannot be read again ({error.strerror})", file=self.source) from error
        if hashlib.sha256(content.getbuffer()).hexdigest() != self.sha256:
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
    anchors, signer
        Certificate files and folders to trust, and the common name of whoever should have signed, kept for
        `WhiteList.signature` (`mssante_audit.whitelist.signature.verify_signature`).

    Raises
    ------
    WhiteListError
        If the file is damaged (unless `recover`), hostile, too large, or no white list. It carries `line` and
        `readable_rows`.
    InputError
        If the file cannot be opened.
    """
    origin = source if isinstance(source, bytes) else Path(source)
    name = "<bytes>" if isinstance(origin, bytes) else str(origin)
    reading, sha256 = _read(origin, name, any_namespace=any_namespace, max_field=max_field)
    if reading.damage and not recover:
        raise _damaged(reading, name)
    generated_at = _instant(reading)
    return WhiteList(
        entries=_entries(reading),
        generated_at=generated_at,
        sha256=sha256,
        problems=_problems(reading.problems),
        damaged=bool(reading.damage),
        damage=reading.damage,
        damage_kinds=reading.damage_kinds,
        namespace=reading.namespace,
        source=name,
        signed=reading.signed,
        anchors=tuple(anchors),
        signer=signer,
        origin=origin,
    )


def _read(origin: Path | bytes, name: str, **limits: Any) -> tuple[Reading, str]:
    """Read a list's XML, and its hash with it, all of it even where reading stopped."""
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for piece in _pieces(origin, name):
            digest.update(piece)
            yield piece

    pieces = hashed()
    try:
        reading = read_list(pieces, source=name, **limits)
        with suppress(EOFError):
            deque(pieces, maxlen=0)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=name) from error
    return reading, digest.hexdigest()


def sha256_of(file: Path) -> str:
    """Return the `WhiteList.sha256` of a file without reading its rows; "" if it cannot be read whole."""
    digest = hashlib.sha256()
    try:
        for piece in _pieces(file, str(file)):
            digest.update(piece)
    except (OSError, EOFError, WhiteListError):
        return ""
    return digest.hexdigest()


def content_of(file: Path) -> bytes:
    """Return the uncompressed XML of a file; "" if it cannot be read whole."""
    try:
        return b"".join(_pieces(file, str(file)))
    except (OSError, EOFError, WhiteListError):
        return b""


def _pieces(origin: Path | bytes, name: str) -> Iterator[bytes]:
    """Yield the uncompressed XML; `EOFError` where a compressed file breaks off."""
    total = 0
    with io.BufferedReader(io.BytesIO(origin)) if isinstance(origin, bytes) else origin.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b"\x1f\x8b" else raw
        try:
            while piece := stream.read1(_PIECE):  # what stands before the break is given first
                total += len(piece)
                if total > MAX_BYTES:
                    raise WhiteListError(f"more than {MAX_BYTES // 2**20} MiB of XML", file=name)
                yield piece
        except (gzip.BadGzipFile, zlib.error) as error:
            raise EOFError(str(error)) from error


def _damaged(reading: Reading, name: str) -> WhiteListError:
    rows = len(reading.lines)
    error = WhiteListError(
        f"{reading.damage}; {rows} rows are readable",
        file=name,
        line=reading.damage_line,
        remedy="Load them with recover=True (--recover)",
    )
    error.readable_rows = rows
    return error


def _instant(reading: Reading) -> datetime | None:
    """Read DateDeGeneration; report it if it cannot be."""
    text = reading.generated.strip()
    try:
        if re.match(_INSTANT, text, re.ASCII):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    if not any(p.element == "DateDeGeneration" and p.kind == "missing" for p in reading.problems):
        kind = "date" if text else "empty"
        reading.problems.append(Problem(None, 1, kind, "DateDeGeneration", "no readable time with its zone"))
    return None


def _problems(problems: list[Problem]) -> pd.DataFrame:
    problems.sort(key=lambda p: (p.line, p.row or 0))
    types: dict[str, Any] = {
        "row": "Int64",
        "line": "int64",
        "kind": "str",
        "element": "str",
        "message": "str",
    }
    return pd.DataFrame({n: pd.array([getattr(p, n) for p in problems], dtype=t) for n, t in types.items()})


# -- columns ------------------------------------------------------------------------------------------------


def _entries(reading: Reading) -> pd.DataFrame:
    """Make the frame, emptying `reading.columns` and adding to `reading.problems` on the way."""
    texts = _texts(reading)
    _report_empty(texts, reading)
    lines = np.array(reading.lines, dtype="int64")
    columns: dict[str, Any] = {"row": np.arange(1, len(lines) + 1), "line": lines}
    columns |= {name: _str(text) for name, text in texts.items()}
    columns["updated_at"] = _updated_at(texts["updated_at_text"], reading)
    by_dn = _dn_columns(texts["dn"])
    columns |= {name: _str(column) for name, column in by_dn.items()}
    columns |= _contact_columns(texts)
    columns["is_audit_entry"] = _is_audit_entry(texts["domain"], by_dn["operator"], texts["description"])
    under = pc.match_substring_regex(texts["domain"], r"(?i)(?:^|\.)mssante\.fr$")
    columns["under_mssante"] = under.to_numpy(zero_copy_only=False)
    return pd.DataFrame(columns, copy=False)


def _texts(reading: Reading) -> dict[str, Any]:
    texts: dict[str, Any] = {}
    for name, chunks in zip(FIELDS.values(), reading.columns, strict=True):
        texts[name] = pa.chunked_array(chunks, pa.large_string()).combine_chunks()
        chunks.clear()
    return texts


def _str(texts: Any) -> Any:
    """Wrap Arrow strings as pandas' str, without copying."""
    return pd.array(texts, dtype="str")


def _taken(values: Sequence[str], codes: Any) -> Any:
    return pa.array(values, pa.large_string()).take(codes)


def _report_empty(texts: dict[str, Any], reading: Reading) -> None:
    known = {(p.row, p.element) for p in reading.problems if p.kind == "missing"}
    for element, name in FIELDS.items():
        blank = pc.equal(pc.ascii_trim_whitespace(texts[name]), "")
        for index in pc.indices_nonzero(blank).to_pylist():
            if (index + 1, element) not in known:
                message = f"{element} is empty"
                reading.problems.append(Problem(index + 1, reading.lines[index], "empty", element, message))


def _updated_at(texts: Any, reading: Reading) -> Any:
    coded = texts.dictionary_encode()
    stripped = pc.ascii_trim_whitespace(coded.dictionary)
    shaped = pc.if_else(pc.match_substring_regex(stripped, _INSTANT), stripped, None)
    instants = pd.to_datetime(_str(shaped), format="ISO8601", utc=True, errors="coerce").as_unit("us")
    unread = instants.isna() & ~pc.equal(stripped, "").to_numpy(zero_copy_only=False)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(unread[codes]).tolist():
        message = "DateMAJ is no time with its zone, such as 2025-02-28T15:42:07Z"
        reading.problems.append(Problem(index + 1, reading.lines[index], "date", "DateMAJ", message))
    return instants.array.take(codes)


def _dn_columns(texts: Any) -> dict[str, Any]:
    names = (
        "dn_key",
        "igc",
        "cn",
        "ou",
        "o",
        "st",
        "c",
        "operator_id",
        "operator",
        "operator_kind",
        "finess",
        "siren",
        "siret",
        "department",
        "region",
    )
    identifier, department = cache(parse_identifier), cache(parse_department)
    coded = texts.dictionary_encode()
    parsed: list[tuple[str, ...]] = []
    for text in coded.dictionary.to_pylist():
        dn = parse_dn(text)
        ou, o, st = dn.get("OU"), dn.get("O"), dn.get("ST") or dn.get("L")
        owner = identifier(ou)
        operator = " ".join(o.upper().split())
        number = "" if "shape" in owner.problems else owner.value[1:]
        numbers = (number if owner.kind == kind else "" for kind in ("FINESS", "SIREN", "SIRET"))
        place = department(st).code
        named = (dn.key, dn.igc, dn.get("CN"), ou, o, st, dn.get("C"))
        parsed.append((*named, owner.value, operator, owner.kind, *numbers, place, region_of(place)))
    values = zip(*parsed, strict=True) if parsed else [[]] * len(names)
    return {name: _taken(list(column), coded.indices) for name, column in zip(names, values, strict=True)}


def _contact_columns(texts: dict[str, Any]) -> dict[str, Any]:
    kinds = ("project", "support")
    both = pa.chunked_array([texts[f"{kind}_contact"] for kind in kinds]).dictionary_encode().combine_chunks()
    contacts = [parse_contact(text) for text in both.dictionary.to_pylist()]
    phones = [contact.phones[0] if contact.phones else "" for contact in contacts]
    emails = [contact.emails[0] if contact.emails else "" for contact in contacts]
    halves = both.indices[: len(both) // 2], both.indices[len(both) // 2 :]
    return {
        f"{kind}_{what}": _str(_taken(values, codes))
        for kind, codes in zip(kinds, halves, strict=True)
        for what, values in (("phone", phones), ("email", emails))
    }


def is_audit_domain(domain: str) -> bool:
    """Tell whether a domain's name says that it is there for testing.

    Either it lies under the manager's ``espacedeconfiance.mssante.fr``, or a word of one of its labels is
    "audit", "test" or "tests", or ends in "test", or is a pre-production's: "preprod", "recette", "qualif",
    "demo", "poc" (a heuristic; source: data).

    >>> [is_audit_domain(d) for d in ("pre-prod.alphatest.mssante.fr", "le-protestant.mssante.fr")]
    [True, False]
    """
    name = domain.lower().replace("pre-prod", "preprod")
    return f".{name}".endswith(".espacedeconfiance.mssante.fr") or any(
        _TEST_TOKEN.match(token) for label in name.split(".") for token in label.split("-")
    )


def _is_audit_entry(domains: Any, operators: Any, descriptions: Any) -> Any:
    """Tell which rows are there for testing: domain, operator's name or description says so."""
    flags = pc.match_substring_regex(domains, _TEST_HINT).to_numpy(zero_copy_only=False).copy()
    for index in np.flatnonzero(flags).tolist():
        flags[index] = is_audit_domain(domains[index].as_py())
    said = pc.match_substring_regex(descriptions, _TEST_DESCRIPTION)
    if pc.any(said).as_py():  # all rows of a domain or none
        others = pc.is_in(domains, value_set=domains.filter(pc.invert(said)))
        flags |= pc.invert(others).to_numpy(zero_copy_only=False)
    return flags | pc.match_substring_regex(operators, _TEST_OPERATOR).to_numpy(zero_copy_only=False)
