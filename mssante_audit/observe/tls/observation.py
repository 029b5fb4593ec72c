"""The file of an observation of TLS: a line a visit, a line a certificate, and the frames read from it.

JSON Lines in gzip members, as observations of the DNS are (`mssante_audit.observe.observation`). A *header*
opens each run (``format``, ``version``, ``at``, ``dns``: the observation of the DNS that named the servers).
A *certificate* has its DER in base64 and its SHA-256, once in a file. A *visit* has the fields of
`Visited`. An *end* closes a run.

`TlsObservation.problems`: ``line`` int64, ``kind`` str (``cut``, ``damaged``, ``record``), ``message`` str.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
from pydantic import AfterValidator, Field

from mssante_audit.base.digest import digest
from mssante_audit.base.frames import frame_of
from mssante_audit.observe.lines import (
    PROBLEMS,
    ObservationError,
    Scan,
    bytes_of,
    checked_instant,
    header_of,
    reader_of,
)

FORMAT = "mssante-audit tls observation"
VERSION = 2
OUTCOMES = (
    "presented", "no-starttls", "handshake-failed", "busy", "refused", "silent", "slow", "garbage",
    "plaintext-injected", "no-source",
)  # fmt: skip
"""Every way a visit can end; only the first two say something of the server's certificate. The last was none:
the server's address is of another family than the one to come from."""
TELLING = OUTCOMES[:2]
NOT_VISITED = ("no-source",)
MAX_CERTIFICATE = 1 << 20
"""Bytes of DER that are kept of one certificate."""

_KINDS = {
    "line": "int64", "at": "instant", "address": "str", "port": "int64", "hosts": "object", "sni": "str",
    "attempt": "int64", "outcome": "str", "detail": "str", "banner": "str", "protocol": "str",
    "cipher": "str", "demanded": "bool", "chain": "object", "seconds": "float64",
}  # fmt: skip

_Text = Annotated[str, Field(max_length=1000)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Visited(NamedTuple):
    """A visit, as its line has it."""

    at: Annotated[str, AfterValidator(checked_instant)]
    """When it began."""
    address: _Text
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    hosts: Annotated[tuple[_Text, ...], Field(max_length=10_000)]
    """The names by which mail exchangers of the DNS lead there."""
    sni: _Text
    """The one that the server was asked for by SNI, "" for none."""
    attempt: Annotated[int, Field(strict=True, ge=1, le=100)]
    outcome: Annotated[str, Field(pattern=f"^(?:{'|'.join(OUTCOMES)})$")]
    detail: _Text
    """What was met, printable."""
    banner: _Text
    """The server's greeting, printable."""
    protocol: _Text
    """Such as ``TLSv1.3``; "" without a certificate."""
    cipher: _Text
    """As OpenSSL calls it."""
    demanded: Annotated[bool, Field(strict=True)]
    """Whether the server asked for a client's certificate."""
    chain: Annotated[tuple[_Sha256, ...], Field(max_length=1000)]
    """SHA-256 of the certificates, in the order in which they were sent."""
    seconds: Annotated[float, Field(strict=True, ge=0, lt=1e9)]
    """How long it took."""


read_visit = reader_of(Visited)
"""Checks a visit's line."""


@dataclass(frozen=True)
class TlsObservation:
    """An observation of TLS, read."""

    visits: pd.DataFrame
    """A row a visit without SNI, in order of time: its ``line`` in the file, and the fields of `Visited`."""
    by_name: pd.DataFrame
    """Visits with SNI, likewise."""
    certificates: Mapping[str, bytes]
    """DER by SHA-256, for as many as could be read and are what their hash says."""
    problems: pd.DataFrame
    source: str
    sha256: str
    dns: str
    """Name of the observation of the DNS that named the servers, "" if none did."""
    started_at: datetime
    complete: bool
    """Whether the last run came to its end."""


check_header = partial(header_of, "TLS", FORMAT, VERSION, ("dns", "at"))
"""Returns a header line of an observation of TLS."""


def load_tls(source: str | Path) -> TlsObservation:
    """Read an observation of TLS, as far as it can be read; the rest is in `TlsObservation.problems`.

    Raises
    ------
    ObservationError
        If the file cannot be opened, is no observation of TLS, or was written by another version.
    """
    path = Path(source)
    data = bytes_of(path)
    scan = Scan(data)
    certificates: dict[str, bytes] = {}
    headers: list[Mapping[str, Any]] = []
    complete = False

    def visits() -> Iterator[tuple[Any, ...]]:
        nonlocal complete
        for line, content in scan.lines():
            try:
                if not headers or "format" in content:
                    headers.append(check_header(content, path))
                    complete = False
                elif "certificate" in content:
                    certificates.update([read_certificate(content)])
                elif "end" in content:
                    complete = content.get("complete") is True
                else:
                    yield line, *read_visit(content)
            except ValueError as error:
                if isinstance(error, ObservationError):
                    raise
                scan.problem("record", str(error))

    frame = frame_of(visits(), _KINDS)
    if not headers:
        raise ObservationError(
            "not a TLS observation", file=str(path), remedy="`mssante-audit observe tls` makes one"
        )
    named = frame["sni"] != ""
    return TlsObservation(
        frame[~named].reset_index(drop=True),
        frame[named].reset_index(drop=True),
        certificates,
        frame_of(scan.problems, PROBLEMS),
        source=path.name,
        sha256=digest(data),
        dns=str(headers[0]["dns"]),
        started_at=datetime.fromisoformat(str(headers[0]["at"])).astimezone(UTC),
        complete=complete,
    )


def read_certificate(content: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return hash and DER of a certificate's line; `ValueError` says what is wrong with it."""
    name, told, der = content.get("certificate"), content.get("der"), b""
    with suppress(ValueError):
        der = base64.b64decode(told if isinstance(told, str) else "", validate=True)
    if not der or len(der) > MAX_CERTIFICATE:
        raise ValueError("field der")
    if digest(der) != name:
        raise ValueError("a certificate that is not what its hash says")
    return str(name), der
