"""What each mail server presents, merged from several observations of TLS: what was seen last counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mssante_audit.base.frames import Column, described, frame_of
from mssante_audit.base.instants import SKEW
from mssante_audit.observe.folder import Aside, File
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.tls.chain import Certificate, leaf_of
from mssante_audit.observe.tls.observation import TELLING, TlsObservation, Visited, load_tls

FRAME = (
    Column("address", "str", "where it listens"),
    Column("port", "int64", "and on which port"),
    Column("hosts", "object (tuple of str)", "names of mail exchangers that lead there"),
    Column("at", "datetime64[us, UTC]", "when the visit that counts began"),
    Column("outcome", "str", "what it ended with (`mssante_audit.observe.tls.observation.OUTCOMES`)"),
    Column("detail", "str", "what was met"),
    Column("protocol", "str", 'such as ``TLSv1.3``; "" without a certificate, as the next ones'),
    Column("cipher", "str", "as OpenSSL calls it"),
    Column("demanded", "bool", "whether it asked for a client's certificate"),
    Column("chain", "object (tuple of str)", "SHA-256 of the certificates, as they were sent"),
    Column("sni", "str", 'the name that it was asked for by SNI in another visit, "" if none'),
    Column("sni_chain", "object (tuple of str)", "SHA-256 of the certificates sent then"),
    Column("subject", "str", "of its own certificate, as a white list writes names"),
    Column("issuer", "str", "of the same"),
    Column(
        "not_before", "datetime64[us, UTC]",
        "start of its validity; NaT without a certificate that can be read",
    ),
    Column("not_after", "datetime64[us, UTC]", "end of it"),
    Column("source", "str", "the file that tells"),
)  # fmt: skip
__doc__ = described(__doc__, "Columns of `Observed.servers`, one row a server, sorted by address", FRAME)
_NAMES = [column.name for column in FRAME]
_VISITED = _NAMES[: _NAMES.index("sni")]
"""Those of the visit that counts."""


@dataclass(frozen=True)
class Observed:
    """What was observed of TLS: the files, the newest first; DER by SHA-256; the frame described above."""

    parts: tuple[TlsObservation, ...]
    certificates: Mapping[str, bytes]
    servers: pd.DataFrame

    @property
    def size(self) -> int:
        """How many servers there are."""
        return len(self.servers)


def load_servers(
    files: Sequence[File], _domains: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Observed | None, list[Aside]]:
    """Read observations of TLS (`mssante_audit.observe.kinds.Reader`): for each server what was seen last.

    A visit that tells something of a server's certificate counts before a later one that does not, as long
    as it is not older than what is relied on. `ObservationError` if the newest file cannot be read.
    """
    parts: list[TlsObservation] = []
    aside: list[Aside] = []
    for file in files:
        if parts and file.begun < since:
            break
        try:
            parts.append(load_tls(file.path))
        except ObservationError:
            if not parts:
                raise
            aside.append(Aside(file.path.name, "unreadable"))
    if not parts:
        return None, aside
    certificates = {name: der for part in reversed(parts) for name, der in part.certificates.items()}
    last: dict[tuple[str, int], tuple[tuple[bool, datetime], Visited, str]] = {}
    named: dict[tuple[str, int], Visited] = {}
    for part in reversed(parts):
        for visit in (visit for visit in part.visits if visit.at <= as_of + SKEW):
            place, telling = (visit.address, visit.port), visit.outcome in TELLING and visit.at >= since
            if visit.sni and telling and visit.chain and visit.at >= named.get(place, visit).at:
                named[place] = visit
            rank = (telling, visit.at)
            if not visit.sni and (place not in last or rank >= last[place][0]):
                last[place] = rank, visit, part.source
    rows = []
    for place, (_, visit, source) in sorted(last.items()):
        leaf, asked = leaf_of(visit.chain, certificates) or Certificate(""), named.get(place)
        seen = [getattr(visit, name) for name in _VISITED]
        seen += (asked.sni, asked.chain) if asked else ("", ())
        rows.append((*seen, leaf.subject, leaf.issuer, leaf.not_before, leaf.not_after, source))
    return Observed(tuple(parts), certificates, frame_of(rows, FRAME)), aside


def servers(observed: Observed | None) -> pd.DataFrame:
    """Return the frame of servers, empty if nothing was observed."""
    return frame_of((), FRAME) if observed is None else observed.servers
