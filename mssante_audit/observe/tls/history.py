"""Which certificates mail servers changed, and when, as the observations that were kept show.

A row is a change of one server (``address``, ``port``; ``host``: its names, with commas), in order of time:
``at``, when the new certificate was first seen; ``last``, when the old one was last seen (the change lies
between the two); ``kind``: ``renewed`` (same name, same issuer), ``issuer`` (same name, another issuer) or
``replaced`` (another name); ``before`` and ``after``, the names as a white list writes them;
``issuer_before``, ``issuer_after``; ``until_before``, ``until_after``, when they end; ``certificate``,
SHA-256 of the new one; ``spare``, whole days that the old one still had, negative if it had ended.

What a server presents by name (SNI) does not count, nor does a visit that it presented nothing to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.instants import SKEW
from mssante_audit.observe.files import comparison
from mssante_audit.observe.folder import File
from mssante_audit.observe.tls.chain import Certificate, leaf_of
from mssante_audit.observe.tls.observation import TlsObservation, Visited, load_tls
from mssante_audit.values.dn import parse_dn

RECENT = timedelta(14)
"""How long every observation is looked at; of those before, the last one of each week."""
YEARS = timedelta(800)
"""How far back at all: certificates of three years are renewed within it once or never."""
_KINDS = {
    "at": "instant", "last": "instant", "address": "str", "port": "int64", "host": "str", "kind": "str",
    "before": "str", "after": "str", "issuer_before": "str", "issuer_after": "str", "until_before": "instant",
    "until_after": "instant", "certificate": "str", "spare": "int64",
}  # fmt: skip


_Presented = tuple[Visited, Certificate]


def chosen(files: Sequence[File], as_of: datetime) -> list[File]:
    """Return the observations that changes are looked for in, the oldest first."""
    first = as_of - min(YEARS, as_of - datetime.min.replace(tzinfo=as_of.tzinfo))
    weeks: dict[object, File] = {}
    for file in sorted(files, key=lambda file: (file.begun, file.path.name)):
        if file.begun > first:
            recent = file.begun > as_of - RECENT
            weeks[file.path if recent else file.begun.isocalendar()[:2]] = file
    return list(weeks.values())


def changes(files: Sequence[File], as_of: datetime) -> pd.DataFrame:
    """Return the changes that observations show up to `as_of`; a file that cannot be read shows nothing."""

    def presented() -> Iterator[_Presented]:
        for file in chosen(files, as_of):
            with suppress(InputError):
                yield from _presented(load_tls(file.path), as_of + SKEW)

    return _changed(presented())


def differences(before: TlsObservation, after: TlsObservation) -> pd.DataFrame:
    """Return what servers present differently in two observations, as last seen in each; columns as above."""
    return _changed([*_last(before).values(), *_last(after).values()])


def sentences(before: TlsObservation, after: TlsObservation, found: pd.DataFrame) -> Iterator[str]:
    """Yield in English lines what `differences` found, and how many servers only one of the two saw."""
    lines = []
    for row in found.to_dict("records"):
        where = f"{row['address']} port {row['port']} ({row['host']})"
        lines.append(f"{where}: {row['kind']}, {row['spare']} days before the end")
        if row["kind"] == "replaced":
            lines.append(f"  {row['before']} -> {row['after']}")
        if row["kind"] != "renewed":
            lines.append(f"  issuer: {row['issuer_before']} -> {row['issuer_after']}")
        lines.append(f"  until {row['until_before']:%Y-%m-%d} -> {row['until_after']:%Y-%m-%d}")
    if alone := len(_last(before).keys() ^ _last(after).keys()):
        lines.append(f"presented a certificate in one of them only, and so unknown: {alone}")
    return comparison(before, after, lines, same=found.empty)


def _presented(part: TlsObservation, until: datetime) -> Iterator[_Presented]:
    """Yield the visits without SNI, until an instant, that saw a certificate that can be read."""
    for visit in part.visits:
        leaf = leaf_of(visit.chain, part.certificates)
        if not visit.sni and visit.at <= until and leaf and leaf.not_after:
            yield visit, leaf


def _last(part: TlsObservation) -> dict[tuple[str, int], _Presented]:
    """Return what each server presented last."""
    return {(v.address, v.port): (v, leaf) for v, leaf in _presented(part, datetime.max.replace(tzinfo=UTC))}


def _changed(presented: Iterable[_Presented]) -> pd.DataFrame:
    """Return the changes that visits, the oldest first, show."""
    seen: dict[tuple[str, int], _Presented] = {}
    rows = []
    for visit, new in presented:
        place = visit.address, visit.port
        last, old = seen.get(place, (visit, new))
        seen[place] = visit, new
        if old.sha256 != new.sha256 and old.not_after:
            names = (old.subject, new.subject, old.issuer, new.issuer)
            ends = (old.not_after, new.not_after, new.sha256, (old.not_after - visit.at).days)
            rows.append((visit.at, last.at, *place, ", ".join(visit.hosts), _kind(old, new), *names, *ends))
    return frame_of(rows, _KINDS).sort_values(["at", "address", "port"], kind="stable", ignore_index=True)


def _kind(before: Certificate, after: Certificate) -> str:
    if parse_dn(before.subject).key != parse_dn(after.subject).key:
        return "replaced"
    return "renewed" if before.issuer == after.issuer else "issuer"
