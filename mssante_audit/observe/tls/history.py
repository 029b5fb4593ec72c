"""Which certificates mail servers changed, and when: told by the observations that were kept.

Columns, one row a change of one server (address and port), in order of time:

================= =================== ========================================================================
column            dtype               meaning
================= =================== ========================================================================
``at``            datetime64[us, UTC] when the new certificate was first seen
``last``          datetime64[us, UTC] when the old one was last seen: the change lies between the two
``address``       str                 where the server listens
``port``          int64               and on which port
``host``          str                 its names, with commas
``kind``          str                 ``renewed`` (same name, same issuer), ``issuer`` (same name, another
                                      issuer), ``replaced`` (another name)
``before``        str                 name of the old certificate, as a white list writes names
``after``         str                 of the new one
``issuer_before`` str                 who issued the old one
``issuer_after``  str                 who issued the new one
``until_before``  datetime64[us, UTC] when the old one ended, or would have
``until_after``   datetime64[us, UTC] when the new one ends
``certificate``   str                 SHA-256 of the new one
``spare``         int64               whole days that the old one still had when the new one was first seen;
                                      negative if it had ended
================= =================== ========================================================================

A server that presents one, then another, then the first again has changed twice; one that did not tell
between two observations has not changed meanwhile.
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
from mssante_audit.observe.kinds import File
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
    """Return the observations that tell of changes, the oldest first."""
    weeks: dict[tuple[int, int], File] = {}
    told = []
    for file in sorted(files, key=lambda one: (one.begun, one.path.name)):
        if file.begun > as_of - RECENT:
            told.append(file)
        elif file.begun > as_of - min(YEARS, as_of - datetime.min.replace(tzinfo=as_of.tzinfo)):
            weeks[file.begun.isocalendar()[:2]] = file
    return [*weeks.values(), *told]


def changes(files: Sequence[File], as_of: datetime) -> pd.DataFrame:
    """Return the changes that observations tell of; columns as this module's docstring has them.

    A file that cannot be read tells nothing; what was seen after `as_of` is not looked at.
    """
    return changed(_loaded(chosen(files, as_of)), as_of)


def changed(parts: Iterable[TlsObservation], as_of: datetime) -> pd.DataFrame:
    """Return the changes that observations, the oldest first, tell of."""
    known: dict[tuple[str, int], tuple[datetime, Certificate]] = {}
    rows = [row for part in parts for row in _changes(part, known, as_of)]
    return frame_of(rows, _KINDS).sort_values(["at", "address", "port"], kind="stable", ignore_index=True)


def differences(before: TlsObservation, after: TlsObservation) -> pd.DataFrame:
    """Return what servers present differently in two observations, as last seen in each; columns as above.

    The same certificate in both is no difference, whatever was seen between.
    """
    return changed((_last(before), _last(after)), datetime.max.replace(tzinfo=UTC) - 2 * SKEW)


def sentences(before: TlsObservation, after: TlsObservation, found: pd.DataFrame) -> Iterator[str]:
    """Yield in English lines what `differences` found, and how many servers only one of the two saw."""
    yield f"from {before.source} ({before.started_at:%Y-%m-%d %H:%M} UTC)"
    yield f"to   {after.source} ({after.started_at:%Y-%m-%d %H:%M} UTC)"
    for one in found.itertuples(index=False):
        yield f"{one.address} port {one.port} ({one.host}): {one.kind}, {one.spare} days before the end"
        for name in {"replaced": ("", "issuer_"), "issuer": ("issuer_",)}.get(str(one.kind), ()):
            word = "issuer: " if name else ""
            yield f"  {word}{getattr(one, f'{name}before')} -> {getattr(one, f'{name}after')}"
        yield f"  until {one.until_before:%Y-%m-%d} -> {one.until_after:%Y-%m-%d}"
    seen = [{*zip(o.visits["address"], o.visits["port"], strict=True)} for o in map(_last, (before, after))]
    if one_only := len(seen[0] ^ seen[1]):
        yield f"presented a certificate in one of them only, and so unknown: {one_only}"
    if found.empty:
        yield "nothing changed"


def _last(part: TlsObservation) -> TlsObservation:
    """Return an observation with the last visit to each server that presented a certificate, and no other."""
    visits = part.visits[part.visits["chain"].map(len) > 0]
    return replace(part, visits=visits.drop_duplicates(["address", "port"], keep="last"))


def _changes(
    part: TlsObservation, known: dict[tuple[str, int], tuple[datetime, Certificate]], as_of: datetime
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of an observation; `known`: what each server presented before, and when last."""
    columns = (part.visits[name].tolist() for name in ("at", "address", "port", "hosts", "chain"))
    for at, address, port, hosts, chain in zip(*columns, strict=True):
        leaf = leaf_of(chain, part.certificates) if at <= as_of + SKEW else None
        if leaf is None or leaf.problem or leaf.not_after is None:
            continue
        before, known[address, port] = known.get((address, port)), (at, leaf)
        if before and before[1].sha256 != leaf.sha256 and before[1].not_after:
            last, old = before
            yield (
                at, last, address, port, ", ".join(hosts), _kind(old, leaf), old.subject, leaf.subject,
                old.issuer, leaf.issuer, old.not_after, leaf.not_after, leaf.sha256,
                (old.not_after - at).days,
            )  # fmt: skip


def _kind(before: Certificate, after: Certificate) -> str:
    if parse_dn(before.subject).key != parse_dn(after.subject).key:
        return "replaced"
    return "renewed" if before.issuer == after.issuer else "issuer"


def _loaded(files: Iterable[File]) -> Iterator[TlsObservation]:
    for file in files:
        with suppress(InputError):
            yield load_tls(file.path)
