"""The file of an observation of TLS: a line a visit (`Visited`), a line a certificate, read."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from mssante_audit.base.digest import digest
from mssante_audit.observe.folder import FileRead, Form, read_file
from mssante_audit.observe.lines import Flag, Instant, one_of, reader_of

FORMAT = "mssante-audit tls observation"
VERSION = 2
TLS = Form("tls", VERSION, ("dns",))
OUTCOMES = (
    "presented", "no-starttls", "handshake-failed", "busy", "refused", "silent", "slow", "garbage",
    "plaintext-injected", "no-source",
)  # fmt: skip
"""Every way a visit can end; only the first two say something of the server's certificate. The last was none:
the server's address is of another family than the one to come from."""
TELLING = OUTCOMES[:2]
NOT_VISITED = ("no-source",)
MAX_CERTIFICATE = 1 << 20  # bytes of DER that are kept of one certificate

_Text = Annotated[str, Field(max_length=1000)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Visited(NamedTuple):
    """A visit, as its line has it; docs/observing.md says what the fields mean."""

    at: Instant
    address: _Text
    port: Annotated[int, Field(strict=True, ge=1, le=65_535)]
    hosts: Annotated[tuple[_Text, ...], Field(max_length=10_000)]
    """The names by which mail exchangers of the DNS lead there."""
    sni: _Text
    attempt: Annotated[int, Field(strict=True, ge=1, le=100)]
    outcome: Annotated[str, one_of(OUTCOMES)]
    detail: _Text
    banner: _Text
    protocol: _Text
    cipher: _Text
    demanded: Flag
    chain: Annotated[tuple[_Sha256, ...], Field(max_length=1000)]
    """SHA-256 of the certificates, in the order in which they were sent."""
    seconds: Annotated[float, Field(strict=True, ge=0, lt=1e9)]


_read_visit = reader_of(Visited)


@dataclass(frozen=True, kw_only=True)
class TlsObservation(FileRead):
    """An observation of TLS, read."""

    visits: tuple[Visited, ...]  # in order of time
    certificates: Mapping[str, bytes]
    """DER by SHA-256, for as many as could be read and are what their hash says."""
    dns: str
    """Name of the observation of the DNS that named the servers, "" if none did."""


def load_tls(source: str | Path) -> TlsObservation:
    """Read an observation of TLS, as far as it can be read; `ObservationError` if it is none."""
    certificates: dict[str, bytes] = {}
    visits: list[Visited] = []

    def take(_line: int, content: dict[str, Any]) -> None:
        if "certificate" in content:
            text, der = content.get("der"), b""
            with suppress(ValueError):
                der = base64.b64decode(text if isinstance(text, str) else "", validate=True)
            if not der or len(der) > MAX_CERTIFICATE:
                raise ValueError("field der")
            if digest(der) != content["certificate"]:
                raise ValueError("a certificate that is not what its hash says")
            certificates[content["certificate"]] = der
        elif "end" not in content:
            visits.append(_read_visit(content))

    headers, read = read_file(Path(source), TLS, take)
    return TlsObservation(**read, visits=tuple(visits), certificates=certificates, dns=headers[0]["dns"])
