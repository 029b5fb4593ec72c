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
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.instants import SKEW
from mssante_audit.observe.files import comparison
from mssante_audit.observe.folder import File
from mssante_audit.observe.tls.chain import Certificate, leaf_of
from mssante_audit.observe.tls.observation import TlsObservation, load_tls
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

    def loaded() -> Iterator[TlsObservation]:
        for file in chosen(files, as_of):
            with suppress(InputError):
                yield load_tls(file.path)

    return _changed(loaded(), as_of)


def differences(before: TlsObservation, after: TlsObservation) -> pd.DataFrame:
    """Return what servers present differently in two observations, as last seen in each; columns as above."""
    return _changed((_last(before), _last(after)), datetime.max.replace(tzinfo=UTC) - 2 * SKEW)


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
    visits = _last(before).visits, _last(after).visits
    first, then = ({*zip(seen["address"], seen["port"], strict=True)} for seen in visits)
    if alone := len(first ^ then):
        lines.append(f"presented a certificate in one of them only, and so unknown: {alone}")
    return comparison(before, after, lines, same=found.empty)


def _last(part: TlsObservation) -> TlsObservation:
    """Return an observation with the last visit to each server that presented a certificate, and no other."""
    visits = part.visits[part.visits["chain"].map(len) > 0]
    return replace(part, visits=visits.drop_duplicates(["address", "port"], keep="last"))


def _changed(parts: Iterable[TlsObservation], as_of: datetime) -> pd.DataFrame:
    """Return the changes that observations, the oldest first, show."""
    seen: dict[tuple[str, int], tuple[datetime, Certificate]] = {}
    rows = []
    for part in parts:
        visits = part.visits[part.visits["at"] <= as_of + SKEW]
        columns = (visits[name].tolist() for name in ("at", "address", "port", "hosts", "chain"))
        for at, address, port, hosts, chain in zip(*columns, strict=True):
            new = leaf_of(chain, part.certificates)
            if new is None or new.problem or new.not_after is None:
                continue
            last, old = seen.get((address, port), (at, new))
            seen[address, port] = at, new
            if old.sha256 != new.sha256 and old.not_after:
                names = (old.subject, new.subject, old.issuer, new.issuer)
                ends = (old.not_after, new.not_after, new.sha256, (old.not_after - at).days)
                where = (address, port, ", ".join(hosts), _kind(old, new))
                rows.append((at, last, *where, *names, *ends))
    return frame_of(rows, _KINDS).sort_values(["at", "address", "port"], kind="stable", ignore_index=True)


def _kind(before: Certificate, after: Certificate) -> str:
    if parse_dn(before.subject).key != parse_dn(after.subject).key:
        return "replaced"
    return "renewed" if before.issuer == after.issuer else "issuer"
