"""The method in use for each domain, read from an observation: delegation, redirection, or neither.

``delegated``: a zone of its own, handed over by the parent's servers or a zone below; ``within-delegated``: a
name inside a zone that is handed over (the ``cut``); ``redirected``: the parent's zone itself holds an MX, an
address or an alias; ``wildcard``: answers, but only as any name beside it would; ``none``: no such name, or
one without MX, address or alias; ``outside``: not under the parent zone; ``unknown``: could not be observed
(silence, refusals, or never asked).

Why a method was found is in facts, by a ``code``: ``no-name`` (the DNS cannot carry such a name),
``outside`` (it does not lie under the ``zone``), ``unasked`` (the ``zone``'s servers were not asked about
it), ``replies`` (they gave nothing else: ``outcomes``, servers by outcome), ``delegates-any`` (the ``zone``
delegates any name), ``wildcard`` (it gives any name the same answer, of these ``types``), ``delegated`` (so
many ``servers`` ``of`` the ``zone``'s delegate it), ``answered`` (so many answer it, with these ``types`` and
maybe an ``alias``; ``checked``: names beside it were asked for). ``unasked`` and ``replies`` may have
``delegated``: that name is a zone of its own, of which no more is known.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from mssante_audit.base.frames import columns_of, described
from mssante_audit.network.dnssec import Chains
from mssante_audit.network.replies import WALKED, ReplyIndex
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import INFORMATIVE, Reply, own_answers

METHODS = ("delegated", "within-delegated", "redirected", "wildcard", "none", "outside", "unknown")
FRAME = columns_of("mssante_audit.network", "methods", method=METHODS)
__doc__ = described(__doc__, "Columns of a frame of methods", FRAME)
Why = dict[str, Any]


class Method(NamedTuple):
    """The method in use for a domain, and the way to it."""

    name: str
    """The domain's canonical name, "" for what the DNS cannot carry."""
    method: str
    cut: str
    why: Why
    cuts: tuple[str, ...] = ()
    """The zone cuts on the way, from the top."""
    zone: str = ""
    """The zone whose servers were asked last; "" if none was."""
    replies: tuple[Reply, ...] = ()
    """What that zone's servers said of the name, whatever the type, in the order of the file."""

    def replies_to(self, qtype: str) -> dict[str, Reply]:
        """Return what each address said to a question for a type."""
        return {reply.address: reply for reply in self.replies if reply.qtype == qtype}


class Methods:
    """The methods in use in an observation; each is worked out once."""

    def __init__(self, index: ReplyIndex, chains: Chains) -> None:
        self._index, self._chains, self._siblings = index, chains, index.observation.siblings
        self.replies_about = cache(self._replies_about)
        """Returns what a zone's servers said of a name, whatever the type, in the order of the file."""
        self.of = cache(self._method_of)
        """Returns the method in use for a domain (canonical)."""

    def _replies_about(self, zone: str, name: str) -> list[Reply]:
        answers = (self._index.answers(zone, name, qtype) for qtype in WALKED)
        replies = (answer.reply for part in answers for answer in part.values() if answer.reply is not None)
        return sorted(replies, key=lambda reply: reply.line)

    def _method_of(self, name: str) -> Method:
        index = self._index
        if not name:
            return Method(name, "unknown", "", {"code": "no-name"})
        if not is_under(name, index.parent):
            replies = [reply for qtype in WALKED[:3] for reply in index.about(name, qtype) if reply.usable]
            replies.sort(key=lambda reply: reply.line)
            why = {"code": "outside", "zone": index.parent}
            return Method(name, "outside", "", why, replies=tuple(replies))
        zones = [index.parent]
        while (answers := self.replies_about(zones[-1], name)) and len(zones) < 12:
            handing = Counter(filter(None, map(self._cut_of, answers)))
            if not handing:
                break
            zones.append(max(handing, key=lambda cut: (handing[cut], cut)))
        last_zone = zones[-1] if answers or zones[1:] else ""
        return Method(name, *self._of_way(name, zones), tuple(zones[1:]), last_zone, tuple(answers))

    def _cut_of(self, reply: Reply) -> str:
        """Return the zone below that a reply shows; of an alias, what the SOA of a name above it does."""
        if reply.alias and not reply.cut:
            below = self._chains.zone_of(reply)
            if below and below != reply.zone and self.replies_about(below, reply.qname):
                return below
        return reply.cut

    def _of_way(self, name: str, zones: list[str]) -> tuple[str, str, Why]:
        """Return method, cut and why of a name that zones on the way hand on."""
        for place, cut in enumerate(zones[1:]):
            zone = zones[place]
            if any(r.cut == probe for probe in self._probes(cut) for r in self.replies_about(zone, probe)):
                return "wildcard", zone if place else "", {"code": "delegates-any", "zone": zone}
            if cut == name:
                _, replies = self._walked(zone, name)
                saying = [reply for reply in replies if reply.cut == name]
                return "delegated", name, {"code": "delegated", "zone": zone} | _share(saying, replies)
        zone, below = zones[-1], zones[-1] if zones[1:] else ""
        answers, replies = self._walked(zone, name)
        if replies and not any(reply.cut for reply in replies):  # a file can lead round in circles
            method, why = self._answered(zone, replies)
            return ("within-delegated" if below and method == "redirected" else method), below, why
        why = _replies(zone, answers) if answers else {"code": "unasked", "zone": zone}
        return ("delegated", zone, why | {"delegated": True}) if zone == name else ("unknown", below, why)

    def _walked(self, zone: str, name: str) -> tuple[list[Reply], list[Reply]]:
        """Return what a zone's servers said of a name in the walk; and that of it which tells."""
        replies = [reply for reply in self.replies_about(zone, name) if reply.step == "walk"]
        return replies, [reply for reply in replies if reply.outcome in INFORMATIVE or reply.weak]

    def _answered(self, zone: str, replies: list[Reply]) -> tuple[str, Why]:
        """Name the method of a name that `zone`, as if it were the parent, does not hand on, and why."""
        answers = [reply for reply in replies if reply.qtype != "SOA"]
        positive = [reply for reply in answers if reply.outcome == "answer" or reply.weak or reply.alias]
        if not positive:
            denied = {reply.qtype for reply in answers if reply.outcome == "nodata"}
            known = denied >= {"MX", *self._index.families} or any(r.outcome == "nxdomain" for r in replies)
            return "none" if known else "unknown", _replies(zone, replies)
        types = list(dict.fromkeys(t for reply in positive for t, _ in sorted(own_answers(reply))))
        checked = [self._is_wildcard(reply) for reply in positive]
        if all(checked):
            return "wildcard", {"code": "wildcard", "zone": zone, "types": types}
        why = {"code": "answered", "zone": zone, "types": types, "checked": None not in checked}
        alias = next((reply.chain[1] for reply in positive if reply.alias and not reply.direct), "")
        return "redirected", why | _share(positive, replies) | ({"alias": alias} if alias else {})

    def _is_wildcard(self, reply: Reply) -> bool | None:
        """Whether its answer is that of a wildcard; ``None`` if that is not known."""
        alike = self._alike(reply, self._probes(reply.qname))
        if not any(alike):
            return False if alike else None
        if reply.of_wildcard is not None:
            return reply.of_wildcard
        # No wildcard reaches below a name that has records (RFC 4592, 3.3.1).
        below = self._alike(reply, [f"{label}.{reply.qname}" for label in self._siblings])
        return all(below) if below else None

    def _alike(self, reply: Reply, names: Iterable[str]) -> list[bool]:
        """Tell of other names that the same server answered for whether it answered the same."""
        others = [self._index.answer(reply.zone, n, reply.qtype, reply.address).reply for n in names]
        answered = [other for other in others if other is not None and other.outcome in INFORMATIVE]
        return [other.outcome == "answer" and own_answers(other) == own_answers(reply) for other in answered]

    def _probes(self, name: str) -> list[str]:
        return [f"{label}.{name.partition('.')[2]}" for label in self._siblings]


def _share(saying: Iterable[Reply], replies: Iterable[Reply]) -> Why:
    return {"servers": len({reply.address for reply in saying}), "of": len({r.address for r in replies})}


def _replies(zone: str, replies: list[Reply]) -> Why:
    """Count outcomes; an address that was asked several times counts once, for the last it said."""
    last = {reply.address: reply.outcome for reply in replies}
    return {"code": "replies", "zone": zone, "outcomes": dict(Counter(last.values()).most_common())}
