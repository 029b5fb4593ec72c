"""Mail hosts: how each can be reached, and what a set of them comes to; and what several answers come to."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

from dns.inet import is_address

from mssante_audit.base.resources import table_of
from mssante_audit.network.lookups import ABSENT, Lookup, Lookups
from mssante_audit.network.replies import MAX_RECORDS, PARTIAL, ReplyIndex
from mssante_audit.observe.dns.walk import MAX_HOSTS, NOBODY
from mssante_audit.values.hosts import host_faults

# States of mail hosts that some sender reaches.
REACHED = (
    "good", "mixed", "ipv6", "literal", "differ", "denied", "alias", "partly", "long", "own", "six", "many",
    *PARTIAL,
)  # fmt: skip
RECEIVES = ("yes", "degraded", "no", "unknown")
# What decides, by answer.
CAUSES: Mapping[str, Sequence[str]] = table_of("mssante_audit.network", "decides.toml")
_GRADES = {"yes": "ok", "degraded": "warn", "no": "fail", "unknown": "unknown"}
_RECEIVES = {cause: receives for receives, causes in CAUSES.items() for cause in causes}


class Part(NamedTuple):
    """An answer to a part of the question whether mail arrives: what decides, if it does not in full."""

    cause: str = ""
    facts: Mapping[str, Any] = {}

    @property
    def receives(self) -> str:
        """One of `RECEIVES`: unknown, but for the causes of mail that `CAUSES` has, or for none."""
        return _RECEIVES.get(self.cause, "unknown" if self.cause else "yes")

    @property
    def grade(self) -> str:
        """The same for a check of a domain: ``ok``, ``warn``, ``fail`` or ``unknown``."""
        return _GRADES[self.receives]

    @property
    def arrives(self) -> bool:
        """Whether some mail does."""
        return self.receives in ("yes", "degraded")

    def then(self, other: Part) -> Part:
        """Return what holds where this part and then another must be passed."""
        if not self.arrives:
            return self
        return other if not other.arrives or self is YES else worst((self, other))


def urgency(part: Part) -> tuple[int, str]:
    """Order parts, those first that are worse: none, degraded, unknown, yes."""
    return [*_RECEIVES, ""].index(part.cause), repr(part.facts)


def worst(parts: Iterable[Part]) -> Part:
    """Return the worst of several parts, `YES` of none."""
    return min(parts, key=urgency, default=YES)


YES, NOT_OBSERVED, NOT_REACHED = Part(), Part("not-observed"), Part("not-reached")


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
        return self.dns.then(self.mail)


def together(zone: str, led: Sequence[Ways], at: Sequence[Sequence[str]]) -> Ways:
    """Merge the results of a zone's different servers; `at`: the addresses of each."""
    if len(led) == 1:
        return led[0]
    steps = tuple(step for ways in led for step in ways.met)
    answers = {ways.whole.receives for ways in led}
    arriving = [ways for ways in led if ways.whole.arrives]
    if arriving and "no" in answers:
        servers = sorted(a for ways, its in zip(led, at, strict=True) if ways not in arriving for a in its)
        part = Part("servers-differ", {"zone": zone, "servers": servers})
        return Ways(part, worst(ways.mail for ways in arriving), frozenset(), steps)
    if "unknown" in answers:
        return next(ways for ways in led if ways.whole.receives == "unknown")._replace(met=steps)
    least = min(led, key=lambda ways: urgency(ways.whole))
    if common := frozenset.intersection(*(ways.hosts for ways in led)):
        return least._replace(hosts=common, met=steps)
    return Ways(least.dns, least.mail.then(Part("mx-differ", {"zone": zone})), frozenset(), steps)


class MailHost(NamedTuple):
    """A mail host."""

    name: str
    state: str
    """How it can be reached: ``good``, ``mixed`` (with private addresses), ``ipv6``, one of `PARTIAL`,
    ``alias``, ``partly``, ``six``, ``own`` or ``long`` (`Lookup.partly`), ``denied`` (`Reply.denies_all`),
    ``differ`` (the servers of its zone give different addresses, or one gives none), ``many`` (addresses, for
    BIND), ``private``, ``literal`` (an address stands for its name: Postfix warns and connects; or no host
    has such a name: Postfix does not look it up); why it has no address; "" for unknown."""
    v4: Lookup = Lookup("nodata")
    v6: Lookup = Lookup("nodata")
    public: frozenset[str] = frozenset()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All its addresses, IPv4 first."""
        return (*self.v4.data, *self.v6.data)

    @property
    def alias(self) -> str:
        """What it is an alias of, or ""."""
        return self.v4.alias or self.v6.alias


def literal_address(name: str) -> str:
    """Return the address that Postfix takes a mail host's name for, "" if it looks the name up.

    That is an address, or whatever C's `inet_aton` reads; of digits alone nothing but four decimal numbers.

    >>> literal_address("0x50.67.0.01"), literal_address("80.67.1"), literal_address("mx.example")
    ('80.67.0.1', '', '')
    """
    parts = name.split(".")
    decimal = all(part.isdigit() for part in parts)
    with suppress(OSError):
        if not decimal or (len(parts) == 4 and max(map(int, parts)) < 256):
            return name if is_address(name) else socket.inet_ntoa(socket.inet_aton(name))
    return ""


class MailHosts:
    """Mail hosts in an observation; each, and each set of them, is looked at once."""

    def __init__(self, index: ReplyIndex, lookups: Lookups) -> None:
        self._index, self._lookups = index, lookups
        self.host = cache(self._host)
        """Returns what is known of a mail host."""
        self.of_mx = cache(self._of_mx)
        """Tells where a set of MX leads (preference and target of each, sorted)."""

    def _host(self, name: str) -> MailHost:
        if address := literal_address(name):
            state = "literal" if self._index.public(address) else "private"
            return MailHost(name, state, public=frozenset([address]))
        lookups = (self._lookups.look_up(name, qtype, every=True) for qtype in ("A", "AAAA"))
        host = self._reached(name, *lookups)
        # Odd names that Postfix looks up all the same have an underscore, no dot, or a number at the end.
        faults = {fault["fault"] for fault in host_faults(name.replace("_", "a"))} - {"no-dot", "number"}
        return host._replace(state="literal") if faults and host.state in REACHED else host

    def implicit(self, name: str, addresses: frozenset[str] | None, partly: str = "") -> Ways:
        """Take a domain's own address for its mail host (RFC 5321, 5.1); ``None``: look it up.

        `partly`: which resolvers obtain it, or come to its name, one of `PARTIAL` if not all.
        """
        if addresses is None:
            host = self.host(name)
            if host.state == "nodata":
                return Ways(YES, Part("no-mail", {"name": name, "zone": ""}), frozenset(), (host,))
            host = host._replace(state=partly) if partly and host.state == "good" else host
        else:
            families = (frozenset(a for a in addresses if (":" in a) is six) for six in (False, True))
            lookups = (Lookup("found" if a else "nodata", (a,), partly=partly) for a in families)
            host = self._reached(name, *lookups)
        return Ways(YES, self._of_hosts({name: host}), frozenset({name}), (host,))

    def _of_mx(self, exchangers: tuple[tuple[int, str], ...]) -> Ways:
        targets = dict.fromkeys(target for _, target in exchangers)
        names = [name for name in targets if name != NOBODY]
        if not names:
            return Ways(YES, Part("null-mx"))
        hosts = {name: self.host(name) for name in names[:MAX_HOSTS]}
        part = self._of_hosts(hosts | {name: MailHost(name, "") for name in names[MAX_HOSTS:]})
        reached = frozenset(name for name, host in hosts.items() if host.state in REACHED)
        if NOBODY in targets and part.arrives:
            part = Part("null-mx-beside", {"hosts": sorted(names)})
        elif len(exchangers) > MAX_RECORDS and reached:
            part = Part("exchangers-many", {"hosts": sorted(reached)[:3]})
        return Ways(YES, part, reached, tuple(hosts.values()))

    def _reached(self, name: str, v4: Lookup, v6: Lookup) -> MailHost:
        """Tell how a host can be reached that has these addresses."""
        if not (v4.status and v6.status):
            return MailHost(name, "", v4, v6)
        denied = any(reply.denies_all for reply in (*v4.replies, *v6.replies))
        for lookup, state in ((v4, v4.partly or "good"), (v6, v6.partly or "ipv6")):
            public = [frozenset(filter(self._index.public, addresses)) for addresses in lookup.sets]
            if not any(public):
                continue
            common, union = frozenset.intersection(*public), frozenset().union(*public)
            if not common:
                state = "differ"
            elif max(map(len, lookup.sets)) > MAX_RECORDS:
                state = "many"
            elif denied and state in ("good", "ipv6"):
                state = "denied"
            elif state == "good" and len(union) < len(lookup.data):
                state = "mixed"
            return MailHost(name, state, v4, v6, common or union)
        status = "private" if v4.data or v6.data else min(v4.status, v6.status, key=ABSENT.index)
        return MailHost(name, status, v4, v6)

    def _of_hosts(self, hosts: Mapping[str, MailHost]) -> Part:
        """Return the result for a set of mail hosts."""
        states = {host.state for host in hosts.values()}

        def named(*kinds: str) -> list[str]:
            return sorted(name for name, host in hosts.items() if host.state in kinds)

        good = named("good", "mixed")
        ways = {address for name in good for address in hosts[name].public}
        if "good" in states and len(good) > 1 and len(ways) > 1:
            return YES
        if "" in states:
            return Part("hosts-unheard", {"hosts": named("")})
        if good and "good" not in states:
            return Part("private-among", {"hosts": good})
        if good:
            failing = sorted(hosts.keys() - named("good", "mixed", "ipv6"))
            return Part("one-exchanger", {"hosts": failing}) if failing else YES
        if reached := named(*REACHED):
            kinds = ("bogus", "differ", "many", "ipv6", "literal")
            kind = next((kind for kind in kinds if kind in states), "partly")
            return Part(f"exchangers-{kind}", {"hosts": reached})
        kind = "lost" if "failed" in states else "private" if "private" in states else "absent"
        return Part(f"exchangers-{kind}", {"hosts": sorted(hosts)})
