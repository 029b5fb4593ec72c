"""Answers to parts of the question whether mail arrives, and what they come to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

RECEIVES = ("yes", "degraded", "no", "unknown")
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
_ORDER = {cause: place for place, cause in enumerate(c for causes in CAUSES.values() for c in causes)}
_WORST = ("no", "degraded", "unknown", "yes")


class Part(NamedTuple):
    """An answer to a part of the question, as `RECEIVES`, and its cause."""

    receives: str
    cause: str = ""
    facts: Mapping[str, Any] = {}

    @property
    def arrives(self) -> bool:
        """Whether some mail does."""
        return self.receives in ("yes", "degraded")


YES = Part("yes")
NOT_OBSERVED, NOT_REACHED = Part("unknown", "not-observed"), Part("unknown", "not-reached")


class Ways(NamedTuple):
    """What a zone's servers lead to."""

    dns: Part
    mail: Part
    hosts: frozenset[str] = frozenset()
    met: tuple[Any, ...] = ()
    """What that rests on, in order: a visit, a name looked up or a mail host each."""

    @property
    def whole(self) -> Part:
        """What the two come to."""
        return both(self.dns, self.mail)


def both(first: Part, then: Part) -> Part:
    """Return what holds where the first part and then the second must be passed."""
    if not first.arrives:
        return first
    if not then.arrives or first is YES:
        return then
    return min(first, then, key=urgency)


def together(zone: str, led: Sequence[Ways], at: Sequence[Sequence[str]]) -> Ways:
    """Put together what different servers of a zone lead to; `at`: the addresses of each."""
    if len(led) == 1:
        return led[0]
    met = tuple(step for ways in led for step in ways.met)
    answers = {ways.whole.receives for ways in led}
    arriving = [ways for ways in led if ways.whole.arrives]
    if arriving and "no" in answers:
        servers = sorted(a for ways, its in zip(led, at, strict=True) if ways not in arriving for a in its)
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
