"""Whether mail to a domain arrives, as far as the DNS tells: the walk that a sender's resolver would make.

From the parent zone down: referrals, the servers that can be asked, what they say of the MX, the addresses of
each exchanger. Every answer rests on what was said; what was not heard, or does not decide, makes it
``unknown``: removing evidence can only turn an answer into unknown.

============ ===============================================================================================
receives     meaning
============ ===============================================================================================
``yes``      a path that all resolvers take leads to a mail host with a public address
``degraded`` only some take one, or it hangs on the one sound server or mail host of several, or on a family
``no``       there is none
``unknown``  not observed, too long ago, or what was heard does not decide
============ ===============================================================================================

A domain delegated to one server, or with one mail host, hangs on it by design: that is a finding, and no
degradation while it is sound. What decides is a cause, one of `CAUSES`, with facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mssante_audit.network.hosts import CAUSES, NOT_OBSERVED, NOT_REACHED, RECEIVES, Part, Ways
from mssante_audit.network.model import Network, network_of
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.folder import RUN
from mssante_audit.observe.observation import Observation

__all__ = ["CAUSES", "RECEIVES", "Mail", "Part", "mails"]

_GRADES = {"yes": "ok", "degraded": "warn", "no": "fail", "unknown": "unknown"}


@dataclass(frozen=True)
class Mail:
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

    @property
    def grades(self) -> dict[str, str]:
        """``ok``, ``warn``, ``fail`` or ``unknown`` for the checks ``dns`` and ``mail``."""
        return {"dns": _GRADES[self.dns.receives], "mail": _GRADES[self.mail.receives]}

    @property
    def causes(self) -> dict[str, str]:
        """What decides each of the two, "" where it is ok."""
        return {"dns": self.dns.cause, "mail": self.mail.cause}


def mails(
    observation: Observation | None, domains: Iterable[str], as_of: datetime, max_age_days: int
) -> dict[str, Mail]:
    """Return for each domain, as the white list writes it, whether mail to it arrives.

    Unknown is one that was asked for longer than `max_age_days` before `as_of` (UTC), or not at all.
    """
    names = list(dict.fromkeys(domains))
    if observation is None:
        return {domain: Mail(domain, "unknown", "not-observed") for domain in names}
    found: dict[str, Mail] = {}
    for part, share in observation.shares(names):
        network = network_of(part)
        found |= {domain: _mail(network, domain, as_of, timedelta(max_age_days)) for domain in share}
    return {domain: found[domain] for domain in names}


def _mail(network: Network, domain: str, as_of: datetime, most: timedelta) -> Mail:
    name = canonical(domain)
    if not name:
        part = Part("no", "no-name", {"name": domain})
        return Mail(domain, "no", part.cause, part.facts, part, NOT_REACHED)
    at = network.index.asked_at(name)
    if not at:
        return Mail(domain, "unknown", "not-observed")
    if at[0] > as_of + RUN or as_of - at[-1] > most:
        cause = "of-the-future" if at[0] > as_of + RUN else "too-old"
        part = Part("unknown", cause, {"at": at[-1]})
        return Mail(domain, "unknown", cause, part.facts, part, part, at[-1])
    ways = network.walk.follow(name)
    whole = ways.whole
    return Mail(domain, whole.receives, whole.cause, whole.facts, ways.dns, ways.mail, at[-1], ways)
