"""The model of an observation, and whether mail to a domain arrives, as far as the DNS tells.

It does if a walk does that a sender's resolver would make (`mssante_audit.network.walk`). Every answer rests
on replies; evidence removed can only turn an answer into ``unknown``. What decides is a cause, one of
`CAUSES`, with facts; docs/dns_verdicts.md says what the answers mean, and has a table of causes.
"""

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.settings import Thresholds
from mssante_audit.network.dnssec import Chains
from mssante_audit.network.hosts import CAUSES, NOT_OBSERVED, NOT_REACHED, RECEIVES, MailHosts, Part, Ways
from mssante_audit.network.lookups import Lookups
from mssante_audit.network.methods import FRAME, Methods
from mssante_audit.network.replies import ReplyIndex
from mssante_audit.network.walk import Walk
from mssante_audit.network.zones import Zone
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.dns.walk import NOBODY
from mssante_audit.observe.file import RUN, find_observations
from mssante_audit.observe.kinds import load_merged
from mssante_audit.observe.lines import Reply
from mssante_audit.observe.observation import Observation
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import grouped

__all__ = ["CAUSES", "RECEIVES", "Arrival", "Network", "Part", "mail_hosts", "mails", "methods", "network_of"]


@dataclass(frozen=True)
class Arrival:
    """Whether mail to a domain arrives."""

    domain: str
    receives: str
    cause: str = ""
    """What decides, one of `CAUSES`; "" where mail arrives."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the cause is about: ``zone`` and ``name`` str, ``servers`` and ``hosts`` lists of str."""
    dns: Part = NOT_OBSERVED
    """Of the domain's name: from the parent zone to an answer about its mail."""
    mail: Part = NOT_OBSERVED
    observed_at: datetime | None = None
    ways: Ways | None = None


class Network:
    """What one observation file says."""

    def __init__(self, observation: Observation) -> None:
        self.index = ReplyIndex(observation)
        self.parent = self.index.parent
        self.chains = Chains(self.index)
        self.lookups = Lookups(self.index, self.chains)
        self.methods = Methods(self.index, self.chains)
        self.hosts = MailHosts(self.index, self.lookups)
        self.walk = Walk(self.index, self.chains, self.lookups, self.hosts)
        self.zone = cache(partial(Zone, self.index, self.lookups))
        """Returns what is known of a zone."""

    def mail(self, domain: str, as_of: datetime, most: timedelta) -> Arrival:
        """Return whether mail to a domain arrives; unknown if it was asked for longer than `most` ago."""
        name = canonical(domain)
        at = self.index.asked_at(name) if name else []
        if at and (at[0] > as_of + RUN or as_of - at[-1] > most):
            part = Part("of-the-future" if at[0] > as_of + RUN else "too-old", {"at": at[-1]})
            ways = Ways(part, part)
        elif at:
            ways = self.walk.follow(name)
        else:
            part = NOT_OBSERVED if name else Part("no-name", {"name": domain})
            ways = Ways(part, NOT_OBSERVED if name else NOT_REACHED)
        (cause, facts), receives, walked = ways.whole, ways.whole.receives, ways if ways.met else None
        return Arrival(domain, receives, cause, facts, ways.dns, ways.mail, max(at, default=None), walked)

    def exchangers(self, domain: str) -> tuple[str, ...]:
        """Return the mail hosts that any server of a domain names, sorted; without MX its address counts."""
        name = canonical(domain)
        replies = self.about_mail(name)
        named = {text.partition(" ")[2] for reply in replies for text in reply.direct}
        implied = not named and any(reply.outcome == "nodata" for reply in replies) and self.addresses(name)
        return (name,) if implied else tuple(sorted(named - {NOBODY}))

    def about_mail(self, name: str) -> list[Reply]:
        """Return what was said of a name's MX, and of those of what it is an alias of."""
        replies = [reply for reply in self.methods.of(name).replies_to("MX").values() if reply.usable]
        names = {name}
        for reply in replies:  # which grows as aliases are followed
            if reply.alias and reply.alias not in names:
                names.add(reply.alias)
                replies += [reply for reply in self.index.about(reply.alias, "MX") if reply.usable]
        return replies

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses that are known of a host, IPv4 first."""
        return tuple(a for qtype in ("A", "AAAA") for a in self.lookups.look_up(host, qtype).data)

    def visited(self, host: str) -> tuple[str, ...]:
        """Return those that may be connected to: others' zones must not lead us to machines of our own."""
        index, addresses = self.index, self.addresses(host)
        local = (a for a in addresses if index.laboratory and ip_address(a).is_loopback)
        return tuple(dict.fromkeys((*filter(index.public, addresses), *local)))


def network_of(observation: Observation) -> Network:
    """Return the model of an observation; made once for it."""
    if "network" not in observation.derived:
        observation.derived["network"] = Network(observation)
    return cast(Network, observation.derived["network"])


def mails(
    observation: Observation | None, domains: Iterable[str], as_of: datetime, max_age_days: int
) -> dict[str, Arrival]:
    """Return by domain whether mail to it arrives: unknown if last asked `max_age_days` before, or never."""
    names, max_age = list(dict.fromkeys(domains)), timedelta(max_age_days)
    answers = {domain: Arrival(domain, "unknown", "not-observed") for domain in names}
    for part, share in observation.shares(names) if observation else ():
        answers |= {domain: network_of(part).mail(domain, as_of, max_age) for domain in share}
    return answers


def methods(observation: Observation | None, domains: Iterable[str]) -> pd.DataFrame:
    """Return the method in use for each domain, a row each in order (`mssante_audit.network.methods`)."""
    rows = dict.fromkeys(domains, ()) if observation else {}
    for part, share in observation.shares(rows) if observation else ():
        network = network_of(part)
        for domain in share:
            used = network.methods.of(canonical(domain))
            zones = (network.parent, *used.cuts) if used.zone or used.cuts else ()
            replies = (reply for zone in zones for reply in network.methods.replies_about(zone, used.name))
            times = (reply.at for reply in replies if reply.step == "walk")
            latest = (at, part.source) if (at := max(times, default=None)) else (pd.NaT, "")
            rows[domain] = (domain, used.method, used.cut, used.why, *latest)
    return frame_of(rows.values(), FRAME)


def mail_hosts(
    data: Path, rows: pd.DataFrame, only: str = ""
) -> tuple[dict[str, tuple[str, ...]], dict[str, frozenset[str]], str]:
    """Return addresses of mail hosts, DN keys listed for what they serve, and the newest file read.

    `data` is a folder with observations of the DNS (`InputError` without), `rows` are a list's (``domain``,
    ``dn``); `only` is a pattern of domains such as ``*.aura.*``.
    """
    listed = grouped((domain, parse_dn(dn).key) for domain, dn in rows[["domain", "dn"]].to_numpy())
    chosen = [d for d in listed if d and fnmatch.fnmatch(d.lower(), only.lower() or "*")]
    now = datetime.now(UTC)
    observation, _ = load_merged(find_observations(data), chosen, now, Thresholds().oldest_observation(now))
    if observation is None:
        remedy = "`mssante-audit observe dns` makes one"
        raise InputError("no observation of the DNS", file=str(data), remedy=remedy)
    addresses: dict[str, tuple[str, ...]] = {}
    keys: dict[str, frozenset[str]] = {}
    for part, domains in observation.shares(chosen):
        network = network_of(part)
        for domain in domains:
            for host in network.exchangers(domain):
                addresses[host] = addresses.get(host) or network.visited(host)
                keys[host] = keys.get(host, frozenset()).union(listed[domain])
    return addresses, keys, observation.source
