"""What changed in the DNS between two observations: of two hours, or from two places.

What an observation does not tell, since it did not ask or had no answer, is never taken for gone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import columns_of, described, frame_of
from mssante_audit.network import network_of
from mssante_audit.network.mail import mails
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.file import comparison
from mssante_audit.observe.kinds import asked
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.space.trust import TrustSpace

COLUMNS = columns_of("mssante_audit.verdicts", "differences")
__doc__ = described(__doc__, "Columns", COLUMNS)
ASPECTS = ("method", "servers", "exchangers", "receives")  # what is compared
SEVERAL = " | "


@dataclass(frozen=True, slots=True)
class Answers:
    """What an observation says of domains."""

    source: str
    started_at: datetime
    zone: str
    of: Mapping[str, Mapping[str, str | None]]
    """Domain → of each of `ASPECTS` what is said, ``None`` for unknown."""


def answers_of(observation: Observation, domains: Iterable[str] | None = None) -> Answers:
    """Return what an observation says of domains; of all that it was asked about if none is named."""
    network, names = network_of(observation), sorted(asked(observation)) if domains is None else domains
    at = max((reply.at for reply in observation.replies), default=observation.started_at)
    arrives = mails(observation, names, at, 36_500)  # as it was at the time of the observation
    by_domain: dict[str, Mapping[str, str | None]] = {}
    for domain in names:
        name, receives = canonical(domain), arrives[domain].receives
        used, aspects = network.methods.of(name), dict.fromkeys(ASPECTS)
        if used.method != "unknown":
            zone, replies = network.zone(used.cut), network.about_mail(name)
            servers = SEVERAL.join(zone.parent_ns or zone.own_ns) or None if zone.name else ""
            aliases = {f"CNAME {reply.alias}" for reply in replies if reply.alias}
            exchangers = {data for reply in replies for data in reply.answers} or aliases
            mail = SEVERAL.join(sorted(exchangers)) if replies else None
            aspects = dict(zip(ASPECTS, (used.method, servers, mail, None), strict=True))
        by_domain[domain] = aspects | {"receives": receives if receives != "unknown" else None}
    return Answers(observation.source, observation.started_at, observation.parent_zone, by_domain)


def differences(before: Answers, after: Answers) -> pd.DataFrame:
    """Return what two observations tell differently (columns above); an `InputError` if of two zones."""
    if before.zone != after.zone:
        raise InputError("of the zone {}, not {}", after.zone, before.zone, file=after.source)
    rows = []
    for domain in dict.fromkeys((*before.of, *after.of)):
        for aspect in ASPECTS:
            first, then = (side.of.get(domain, {}).get(aspect) for side in (before, after))
            if first != then:
                change = "unknown" if first is None or then is None else "changed"
                rows.append((domain, aspect, change, first or "", then or ""))
    return frame_of(rows, COLUMNS)


def sentences(before: Answers, after: Answers, changes: pd.DataFrame) -> Iterator[str]:
    """Yield in English lines what `differences` returned, the domains that one did not ask about in one."""
    common, lines = before.of.keys() & after.of.keys(), []
    for domain, aspect, change, *sides in changes[changes["domain"].isin(common)].to_numpy().tolist():
        nothing = "unknown" if change == "unknown" else "none"
        lines.append(f"{domain}: {aspect}: {' -> '.join(text or nothing for text in sides)}")
    if unmatched := len(before.of.keys() ^ after.of.keys()):
        lines.append(f"asked about in one of them only, and so unknown: {unmatched}")
    return comparison(before, after, lines, same=changes.empty)


def newest_two(space: TrustSpace) -> tuple[Answers, Answers] | None:
    """Return what the two newest whole observations of a space say of its domains, the older one first."""
    domains = space.audited["domain"].unique().tolist()
    files = (load_observation(file.path) for file in space.files.get("observation", ()))  # each may be large
    newest = [*islice((answers_of(observation, domains) for observation in files if observation.whole), 2)]
    return (newest[1], newest[0]) if len(newest) == 2 else None
