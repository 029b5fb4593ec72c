"""Answers to parts of the question whether mail arrives, and what they come to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

RECEIVES = ("yes", "degraded", "no", "unknown")
"""Whether mail to a domain arrives."""
CAUSES: Mapping[str, tuple[str, ...]] = {
    "no": (
        "no-name", "zone-dead", "zone-lost", "mx-unanswered", "edns-dropped", "null-mx", "no-mail",
        "alias-lost", "exchangers-absent", "exchangers-lost", "exchangers-private",
    ),
    "degraded": (
        "servers-differ", "dnssec-bogus", "own-servers", "one-server", "servers-ipv6", "servers-tcp",
        "servers-slow", "servers-edns", "servers-alias", "servers-many", "alias-long", "mx-differ",
        "null-mx-beside", "one-exchanger", "exchangers-literal", "exchangers-bogus", "exchangers-differ",
        "exchangers-partly", "exchangers-ipv6", "exchangers-many", "private-among",
    ),
    "unknown": (
        "not-observed", "too-old", "of-the-future", "parent-silent", "servers-unheard", "hosts-unheard",
        "not-reached",
    ),
}  # fmt: skip
"""What decides, by answer, the first to be told where there are several; ``yes`` has none."""
_ORDER = {cause: place for place, cause in enumerate(c for own in CAUSES.values() for c in own)}
_WORST = ("no", "degraded", "unknown", "yes")


class Part(NamedTuple):
    """An answer to a part of the question, as `RECEIVES`, and its cause."""

    receives: str
    cause: str = ""
    facts: Mapping[str, Any] = {}


YES = Part("yes")
NOT_OBSERVED, NOT_REACHED = Part("unknown", "not-observed"), Part("unknown", "not-reached")


class Ways(NamedTuple):
    """What a zone's servers lead to."""

    dns: Part
    mail: Part
    hosts: frozenset[str] = frozenset()
    """Mail hosts that can be reached."""
    met: tuple[Any, ...] = ()
    """What that rests on: a `Visit` or `mssante_audit.network.hosts.MailHost` each, in order."""

    @property
    def whole(self) -> Part:
        """What the two come to."""
        return both(self.dns, self.mail)


def both(first: Part, then: Part) -> Part:
    """Return what holds where the first part and then the second must be passed."""
    if first.receives in ("no", "unknown"):
        return first
    if then.receives in ("no", "unknown") or first is YES:
        return then
    return min(first, then, key=urgency)


def together(zone: str, led: Sequence[Ways], at: Sequence[Sequence[str]]) -> Ways:
    """Put together what different servers of a zone lead to; `at`: the addresses of each."""
    if len(led) == 1:
        return led[0]
    met = tuple(one for ways in led for one in ways.met)
    wholes = [ways.whole for ways in led]
    answers = {whole.receives for whole in wholes}
    arriving = [ways for ways in led if ways.whole.receives in ("yes", "degraded")]
    servers = sorted(a for ways, own in zip(led, at, strict=True) if ways not in arriving for a in own)
    if arriving and "no" in answers:
        lost = Part("degraded", "servers-differ", {"zone": zone, "servers": servers})
        return Ways(lost, min((w.mail for w in arriving), key=urgency), frozenset(), met)
    if "unknown" in answers:
        return next(ways for ways in led if ways.whole.receives == "unknown")._replace(met=met)
    worst = min(led, key=lambda ways: urgency(ways.whole))
    if answers == {"no"}:
        return worst._replace(met=met)
    if common := frozenset.intersection(*(ways.hosts for ways in led)):
        return worst._replace(hosts=common, met=met)
    differ = Part("degraded", "mx-differ", {"zone": zone})
    return Ways(worst.dns, both(worst.mail, differ), frozenset(), met)


def urgency(part: Part) -> tuple[int, int, str]:
    """Order parts, those first that are worse: none, degraded, unknown, yes."""
    return _WORST.index(part.receives), _ORDER.get(part.cause, len(_ORDER)), repr(part.facts)
