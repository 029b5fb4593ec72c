"""The file of an observation of TLS (a line a visit, a line a certificate), and what several of them tell.

Of each server what was seen last counts. What it presents by name (SNI) is no change, nor does a visit count
for changes that it presented nothing to.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pandas as pd
from pydantic import Field

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import columns_of, described, frame_of
from mssante_audit.base.instants import SKEW
from mssante_audit.observe.file import TLS, Aside, File, FileRead, comparison, read_file
from mssante_audit.observe.lines import Flag, Instant, ObservationError, one_of, reader_of
from mssante_audit.observe.tls.chain import Certificate, leaf_of
from mssante_audit.values.dn import parse_dn

# Every way a visit can end; only the first two say something of the server's certificate. The last was none:
# the server's address is of another family than the one to come from.
OUTCOMES = (
    "presented", "no-starttls", "handshake-failed", "busy", "refused", "silent", "slow", "garbage",
    "plaintext-injected", "no-source",
)  # fmt: skip
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
    sni: _Text
    attempt: Annotated[int, Field(strict=True, ge=1, le=100)]
    outcome: Annotated[str, one_of(OUTCOMES)]
    detail: _Text
    banner: _Text
    protocol: _Text
    cipher: _Text
    demanded: Flag
    chain: Annotated[tuple[_Sha256, ...], Field(max_length=1000)]
    seconds: Annotated[float, Field(strict=True, ge=0, lt=1e9)]


def turned_away(seen: Any) -> bool:
    """Tell whether a server presents a certificate and then turns us away.

    One that asked for a client's certificate may let members in. `seen` is a visit as it was made, as its
    line has it, or as `mssante_audit.audits.certificates` keeps it.
    """
    return bool(seen.outcome == "presented" and seen.detail and not seen.demanded)


_read_visit = reader_of(Visited)


@dataclass(frozen=True, kw_only=True)
class TlsObservation(FileRead):
    """An observation of TLS, read.

    `visits` are in order of time; `certificates` are DER by SHA-256, for as many as could be read and are
    what their hash says; `dns` is the observation of the DNS that named the servers, "" if none did.
    """

    visits: tuple[Visited, ...]
    certificates: Mapping[str, bytes]
    dns: str


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


FRAME = columns_of("mssante_audit.observe.tls", "servers", outcome=OUTCOMES)
__doc__ = described(__doc__, "Columns of `Observed.servers`, one row a server, sorted by address", FRAME)
CHANGES = columns_of("mssante_audit.observe.tls", "changes")
__doc__ = described(__doc__, "Columns of changes, one row a change of one server, in order of time", CHANGES)
_VISITED = [column.name for column in FRAME if column.name in {*Visited._fields} - {"sni"}]
_Presented = tuple[Visited, Certificate]


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
) -> tuple[Observed, list[Aside]]:
    """Read observations of TLS (`mssante_audit.observe.kinds.Kind.read`): for each server what was seen last.

    A visit that tells something of a server's certificate counts before a later one that does not, as long
    as it is not older than what is relied on. `ObservationError` if the newest file cannot be read.
    """
    parts: list[TlsObservation] = []
    unused: list[Aside] = []
    for file in files:
        if parts and file.begun < since:
            break
        try:
            parts.append(load_tls(file.path))
        except ObservationError:
            if not parts:
                raise
            unused.append(Aside(file.path.name, "unreadable"))
    certificates = {name: der for part in reversed(parts) for name, der in part.certificates.items()}

    def informative(visit: Visited) -> bool:
        return visit.outcome in TELLING and visit.at >= since

    visits = [(visit, part.source) for part in reversed(parts) for visit in part.visits]
    visits = [(visit, source) for visit, source in visits if visit.at <= as_of + SKEW]
    visits.sort(key=lambda pair: (informative(pair[0]), pair[0].at))
    last = {(visit.address, visit.port): (visit, source) for visit, source in visits if not visit.sni}
    named = (visit for visit, _ in visits if visit.sni and visit.chain and informative(visit))
    with_sni = {(visit.address, visit.port): (visit.sni, visit.chain) for visit in named}
    rows = []
    for place, (visit, source) in sorted(last.items()):
        leaf, by_name = leaf_of(visit.chain, certificates) or Certificate(""), with_sni.get(place, ("", ()))
        of_leaf = (leaf.subject, leaf.issuer, leaf.not_before, leaf.not_after)
        rows.append((*(getattr(visit, name) for name in _VISITED), *by_name, *of_leaf, source))
    return Observed(tuple(parts), certificates, frame_of(rows, FRAME)), unused


def servers(observed: Observed | None) -> pd.DataFrame:
    """Return the frame of servers, empty if nothing was observed."""
    return frame_of((), FRAME) if observed is None else observed.servers


def chosen(files: Sequence[File], as_of: datetime) -> list[File]:
    """Return the observations that changes are looked for in, the oldest first.

    Those of fourteen days, and of those before the last one of each week: of 800 days, since certificates of
    three years are renewed within them once or never.
    """
    weeks: dict[object, File] = {}
    for file in sorted(files, key=lambda file: (file.begun, file.path.name)):
        age = as_of - file.begun
        if age < timedelta(800):
            weeks[file.path if age < timedelta(14) else file.begun.isocalendar()[:2]] = file
    return list(weeks.values())


def changes(files: Sequence[File], as_of: datetime) -> pd.DataFrame:
    """Return the changes that observations show up to `as_of`; a file that cannot be read shows nothing."""

    def presented() -> Iterator[_Presented]:  # file by file: each may be large
        for file in chosen(files, as_of):
            with suppress(InputError):
                yield from _presented(load_tls(file.path), as_of + SKEW)

    return _changed(presented())


def differences(before: TlsObservation, after: TlsObservation) -> pd.DataFrame:
    """Return what servers present differently in two observations, as last seen in each; columns as above."""
    return _changed([*_last(before).values(), *_last(after).values()])


def sentences(before: TlsObservation, after: TlsObservation, changed: pd.DataFrame) -> Iterator[str]:
    """Yield in English lines what `differences` found, and how many servers only one of the two saw."""
    lines = []
    for row in changed.to_dict("records"):
        where = f"{row['address']} port {row['port']} ({row['host']})"
        lines.append(f"{where}: {row['kind']}, {row['spare']} days before the end")
        if row["kind"] == "replaced":
            lines.append(f"  {row['before']} -> {row['after']}")
        if row["kind"] != "renewed":
            lines.append(f"  issuer: {row['issuer_before']} -> {row['issuer_after']}")
        lines.append(f"  until {row['until_before']:%Y-%m-%d} -> {row['until_after']:%Y-%m-%d}")
    if unmatched := len(_last(before).keys() ^ _last(after).keys()):
        lines.append(f"presented a certificate in one of them only, and so unknown: {unmatched}")
    return comparison(before, after, lines, same=changed.empty)


def _presented(part: TlsObservation, until: datetime | None = None) -> Iterator[_Presented]:
    """Yield the visits without SNI, until an instant, that saw a certificate that can be read."""
    for visit in part.visits:
        leaf = leaf_of(visit.chain, part.certificates)
        if not visit.sni and leaf and leaf.not_after and not (until and visit.at > until):
            yield visit, leaf


def _last(part: TlsObservation) -> dict[tuple[str, int], _Presented]:
    return {(visit.address, visit.port): (visit, leaf) for visit, leaf in _presented(part)}


def _changed(presented: Iterable[_Presented]) -> pd.DataFrame:
    """Return the changes that visits, the oldest first, show."""
    latest: dict[tuple[str, int], _Presented] = {}
    rows = []
    for visit, new in presented:
        place = visit.address, visit.port
        last, old = latest.get(place, (visit, new))
        latest[place] = visit, new
        if old.sha256 != new.sha256 and old.not_after:
            kind = "renewed" if old.issuer == new.issuer else "issuer"
            if parse_dn(old.subject).key != parse_dn(new.subject).key:
                kind = "replaced"
            names = (old.subject, new.subject, old.issuer, new.issuer)
            validity = (old.not_after, new.not_after, new.sha256, (old.not_after - visit.at).days)
            rows.append((visit.at, last.at, *place, ", ".join(visit.hosts), kind, *names, *validity))
    return frame_of(rows, CHANGES).sort_values(["at", "address", "port"], kind="stable", ignore_index=True)
