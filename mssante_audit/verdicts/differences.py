"""What changed in the DNS between two observations: of two hours, or from two places.

=========  =======  ====================================================================================
column     dtype    meaning
=========  =======  ====================================================================================
``domain`` str      as the list writes it, or as it was asked for
``what``   str      ``method`` (`mssante_audit.network.methods`), ``servers`` (those that the parent names, or
                    else the zone), ``exchangers`` (with their preferences), ``receives`` (whether mail
                    arrived then, `mssante_audit.network.mail`)
``change`` str      ``changed``, or ``unknown``: one of the two does not tell, and it may be as it was
``before`` str      what the first tells, several with `` | `` between them; "" for none, or where it does not
``after``  str      what the other tells
=========  =======  ====================================================================================

What an observation does not tell, since it did not ask or had no answer, is never taken for gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.network import methods, network_of
from mssante_audit.network.mail import mails
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.files import comparison
from mssante_audit.observe.lines import Reply
from mssante_audit.observe.merged import asked
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.space.trust import TrustSpace

COLUMNS = ("domain", "what", "change", "before", "after")
SEVERAL = " | "


@dataclass(frozen=True, slots=True)
class Told:
    """What an observation tells of domains."""

    source: str
    started_at: datetime
    zone: str
    of: Mapping[str, Mapping[str, str | None]]
    """Domain → of each of `ASPECTS` what is told, ``None`` for nothing."""


def told_by(observation: Observation, domains: Iterable[str] | None = None) -> Told:
    """Return what an observation tells of domains; of all that it was asked about if none is named."""
    names = sorted(asked(observation)) if domains is None else domains
    found = methods(observation, names).astype({"method": "str"})
    columns = {aspect: tell(observation, found) for aspect, tell in ASPECTS.items()}
    texts = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    of = dict(zip(found["domain"], texts, strict=True))
    return Told(observation.source, observation.started_at, observation.parent_zone, of)


def differences(before: Told, after: Told) -> pd.DataFrame:
    """Return what two observations tell differently, a row a domain and aspect; columns as described above.

    `InputError` if they are of two zones.
    """
    if before.zone != after.zone:
        raise InputError(f"of the zone {after.zone}, not {before.zone}", file=after.source)
    rows = []
    for domain in dict.fromkeys((*before.of, *after.of)):
        for what in ASPECTS:
            first, then = (side.of.get(domain, {}).get(what) for side in (before, after))
            if first != then:
                change = "unknown" if first is None or then is None else "changed"
                rows.append((domain, what, change, first or "", then or ""))
    return frame_of(rows, dict.fromkeys(COLUMNS, "str"))


def sentences(before: Told, after: Told, found: pd.DataFrame) -> Iterator[str]:
    """Yield in English lines what `differences` found, the domains that one did not ask about in one."""
    both, lines = before.of.keys() & after.of.keys(), []
    for domain, what, change, *sides in found[found["domain"].isin(both)].to_numpy().tolist():
        nothing = "unknown" if change == "unknown" else "none"
        lines.append(f"{domain}: {what}: {' -> '.join(text or nothing for text in sides)}")
    if alone := len(before.of.keys() ^ after.of.keys()):
        lines.append(f"asked about in one of them only, and so unknown: {alone}")
    return comparison(before, after, lines, same=found.empty)


def newest_two(space: TrustSpace) -> tuple[Told, Told] | None:
    """Return what the two newest whole observations of a space tell of its domains, the older one first."""
    domains, found = space.audited["domain"].unique().tolist(), []
    for file in space.files.get("observation", ()):
        seen = load_observation(file.path)
        if seen.whole:
            found.append(told_by(seen, domains))  # one file at a time: each may be large
        if len(found) == 2:
            return found[1], found[0]
    return None


def _servers(seen: Observation, found: pd.DataFrame) -> list[str | None]:
    zones = [network_of(seen).zone(cut) if cut else None for cut in found["cut"]]
    named = ["" if zone is None else SEVERAL.join(zone.parent_ns or zone.own_ns) or None for zone in zones]
    known = found["method"] != "unknown"
    return [names if sure else None for names, sure in zip(named, known, strict=True)]


def _exchangers(seen: Observation, found: pd.DataFrame) -> list[str | None]:
    return [
        None if method == "unknown" else _mail(network_of(seen).about_mail(canonical(domain)))
        for domain, method in zip(found["domain"], found["method"], strict=True)
    ]


def _receives(seen: Observation, found: pd.DataFrame) -> list[str | None]:
    """Tell whether mail arrived, at the time of the observation."""
    at = max((reply.at for reply in seen.replies), default=seen.started_at)
    walked = mails(seen, found["domain"], at, 36_500)
    return [None if walked[d].receives == "unknown" else walked[d].receives for d in found["domain"]]


def _mail(replies: Sequence[Reply]) -> str | None:
    aliases = {f"CNAME {reply.alias}" for reply in replies if reply.alias}
    exchangers = {data for reply in replies for data in reply.answers} or aliases
    return SEVERAL.join(sorted(exchangers)) if replies else None


ASPECTS: Mapping[str, Callable[[Observation, pd.DataFrame], list[str | None]]] = {
    "method": lambda _, found: [None if method == "unknown" else method for method in found["method"]],
    "servers": _servers,
    "exchangers": _exchangers,
    "receives": _receives,
}
"""What is compared: from an observation and its frame of methods, a text a row, ``None`` for unknown."""
