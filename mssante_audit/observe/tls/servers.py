"""What each mail server presents, merged from several observations of TLS: what was seen last counts.

Columns of `Observed.servers`, one row a server (address and port), sorted by address:

=============== ================ ==========================================================================
column          dtype            meaning
=============== ================ ==========================================================================
``address``     str              where it listens
``port``        int64            and on which port
``hosts``       object (tuple)   names of mail exchangers that lead there
``at``          datetime64 UTC   when the visit that counts began
``outcome``     str              what it ended with (`mssante_audit.observe.tls.observation.OUTCOMES`)
``detail``      str              what was met
``protocol``    str              such as ``TLSv1.3``; "" without a certificate, as the next ones
``cipher``      str              as OpenSSL calls it
``demanded``    bool             whether it asked for a client's certificate
``chain``       object (tuple)   SHA-256 of the certificates, as they were sent
``subject``     str              of its own certificate, as a white list writes names
``issuer``      str              of the same
``not_before``  datetime64 UTC   start of its validity; NaT without a certificate that can be read
``not_after``   datetime64 UTC   end of it
``source``      str              the file that tells
=============== ================ ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from mssante_audit.base.instants import SKEW
from mssante_audit.observe.kinds import Aside, File, Kind
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.tls.chain import Certificate, read_certificate
from mssante_audit.observe.tls.observation import TELLING, TlsObservation, load_tls

_KEPT = (
    "address", "port", "hosts", "at", "outcome", "detail", "protocol", "cipher", "demanded", "chain",
)  # fmt: skip
_TIMES = ("at", "not_before", "not_after")


@dataclass(frozen=True)
class Observed:
    """What was observed of TLS, in one file or several."""

    parts: tuple[TlsObservation, ...]
    """The files, the newest first."""
    certificates: Mapping[str, bytes]
    """DER by SHA-256."""
    servers: pd.DataFrame
    """Columns as this module's docstring has them."""
    found: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was worked out of it, once."""

    def leaf(self, chain: Sequence[str]) -> Certificate | None:
        """Return a server's own certificate from the hashes of its chain, ``None`` if it is not at hand."""
        der = self.certificates.get(chain[0]) if chain else None
        return read_certificate(der) if der else None


def merged(
    files: Sequence[File], _domains: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Observed | None, list[Aside]]:
    """Read observations of TLS (`mssante_audit.observe.kinds.Reader`): for each server what was seen last.

    A visit that tells something of a server's certificate counts before a later one that does not, as long
    as it is not older than what is relied on.

    Raises
    ------
    ObservationError
        If the newest file is no observation of TLS, or of a newer version.
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
    visits = pd.concat([part.visits.assign(source=part.source) for part in parts], ignore_index=True)
    visits = visits[visits["at"] <= as_of + SKEW]
    counts = visits["outcome"].isin(TELLING) & (visits["at"] >= since)
    ordered = visits.assign(counts=counts).sort_values(["counts", "at", "line"], kind="stable")
    last = ordered.drop_duplicates(["address", "port"], keep="last").sort_values(["address", "port"])
    found = Observed(tuple(parts), certificates, pd.DataFrame())
    leaves = [found.leaf(chain) for chain in last["chain"]]
    told: dict[str, pd.Series[Any]] = {
        name: pd.Series([getattr(leaf, name) if leaf else empty for leaf in leaves], dtype="object")
        for name, empty in (("subject", ""), ("issuer", ""), ("not_before", None), ("not_after", None))
    }
    frame = last[list(_KEPT)].reset_index(drop=True).assign(**told, source=last["source"].tolist())
    texts = dict.fromkeys(("subject", "issuer", "source"), "str")
    times = {name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in _TIMES}
    return Observed(tuple(parts), certificates, frame.astype(texts).assign(**times)), aside


def _frames(observed: Observed | None, _domains: Sequence[str]) -> dict[str, pd.DataFrame]:
    return {} if observed is None else {"servers": observed.servers}


KIND = Kind(
    name="tls",
    need="tls",
    title="Observation de TLS",
    lacks={"fr": "aucune observation de TLS", "en": "no observation of TLS"},
    remedy="Lancez « mssante-audit observe tls », qui en dépose une dans observations/.",
    read=merged,
    frames=_frames,
)
