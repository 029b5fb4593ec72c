"""Mail hosts: how each can be reached, and what a set of them comes to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from dns.inet import is_address

from mssante_audit.network.answers import YES, Part, Ways
from mssante_audit.network.lookups import Found, Lookups
from mssante_audit.network.replies import PARTIAL, ReplyIndex
from mssante_audit.observe.dns.walk import MAX_HOSTS, NOBODY

REACHED = ("good", "mixed", "ipv6", "literal", "differ", "alias", "long", "own", *PARTIAL)
"""States of mail hosts that some sender reaches."""
MAX_RECORDS = 100
"""Of one name and type: of more BIND takes none (``max-records-per-type``)."""
_ABSENT = ("nxdomain", "loop", "failed", "nodata")


class MailHost(NamedTuple):
    """A mail host."""

    name: str
    state: str
    """How it can be reached: ``good``, ``mixed`` (with private addresses), ``ipv6``, one of `PARTIAL`,
    ``alias`` (by way of servers that are aliases), ``own`` (until a resolver knows the servers that its zone
    names itself), ``long`` (by way of more aliases than all resolvers follow), ``differ`` (the servers of its
    zone give different addresses, or one gives none), ``private``, ``literal`` (an address stands for its
    name: Postfix warns and connects); why it has no address; "" for unknown."""
    v4: Found = Found("nodata")
    v6: Found = Found("nodata")
    public: frozenset[str] = frozenset()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All its addresses, IPv4 first."""
        return (*self.v4.data, *self.v6.data)

    @property
    def alias(self) -> str:
        """What it is an alias of, or ""."""
        return self.v4.alias or self.v6.alias


class MailHosts:
    """Mail hosts in an observation; each, and each set of them, is looked at once."""

    def __init__(self, index: ReplyIndex, lookups: Lookups) -> None:
        self._index, self._lookups = index, lookups
        self.host = cache(self._host)
        """Returns what is known of a mail host."""
        self.of_mx = cache(self._look_at)
        """Tells where a set of MX leads (preference and target of each, sorted)."""

    def _host(self, name: str) -> MailHost:
        if is_address(name):
            state = "literal" if self._index.public(name) else "private"
            return MailHost(name, state, public=frozenset([name]))
        found = (self._lookups.look_up(name, qtype, every=True) for qtype in ("A", "AAAA"))
        return self._reached(name, *found)

    def implicit(self, name: str, addresses: frozenset[str] | None) -> Ways:
        """Take a domain's own address for its mail host (RFC 5321, 5.1); ``None``: look it up."""
        if addresses is None:
            host = self.host(name)
            if host.state == "nodata":
                return Ways(YES, Part("no", "no-mail", {"name": name, "zone": ""}), frozenset(), (host,))
        else:
            families = (frozenset(a for a in addresses if (":" in a) is six) for six in (False, True))
            host = self._reached(name, *(Found("found" if a else "nodata", (a,)) for a in families))
        return Ways(YES, self._of_hosts({name: host}), frozenset({name}), (host,))

    def _look_at(self, exchangers: tuple[tuple[int, str], ...]) -> Ways:
        names = [name for name in dict.fromkeys(target for _, target in exchangers) if name != NOBODY]
        if not names:
            return Ways(YES, Part("no", "null-mx"))
        hosts = {name: self.host(name) for name in names[:MAX_HOSTS]}
        beyond = {name: MailHost(name, "") for name in names[MAX_HOSTS:]}
        part = self._of_hosts(hosts | beyond)
        reached = frozenset(name for name, host in hosts.items() if host.state in REACHED)
        if len(names) < len({target for _, target in exchangers}) and part.receives in ("yes", "degraded"):
            part = Part("degraded", "null-mx-beside", {"hosts": sorted(names)})
        elif len(exchangers) > MAX_RECORDS and reached:
            part = Part("degraded", "exchangers-many", {"hosts": sorted(reached)[:3]})
        return Ways(YES, part, reached, tuple(hosts.values()))

    def _reached(self, name: str, v4: Found, v6: Found) -> MailHost:
        """Tell how a host can be reached that has these addresses."""
        for found, plain in ((v4, "good"), (v6, "ipv6")):
            if not found.status:
                return MailHost(name, "", v4, v6)
            public = [frozenset(filter(self._index.public, addresses)) for addresses in found.sets]
            if not any(public):
                continue
            common, every = frozenset.intersection(*public), frozenset().union(*public)
            state = found.partly or plain
            if not common:
                state = "differ"
            elif state == "good" and len(every) < len(found.data):
                state = "mixed"
            return MailHost(name, state, v4, v6, common or every)
        status = "private" if v4.data or v6.data else min(v4.status, v6.status, key=_ABSENT.index)
        return MailHost(name, status, v4, v6)

    def _of_hosts(self, hosts: Mapping[str, MailHost]) -> Part:
        """Tell what a set of mail hosts comes to, by name."""
        states = {name: host.state for name, host in hosts.items()}
        good = [name for name, state in states.items() if state in ("good", "mixed")]
        bad = sorted(name for name, state in states.items() if state not in (*REACHED, ""))
        unheard = sorted(name for name, state in states.items() if not state)
        ways = len({address for name in good for address in hosts[name].public})
        if len(good) > 1 and ways > 1 and any(states[name] == "good" for name in good):
            return YES
        if unheard:
            return Part("unknown", "hosts-unheard", {"hosts": unheard})
        if good:
            if all(states[name] == "mixed" for name in good):
                return Part("degraded", "private-among", {"hosts": sorted(good)})
            left = sorted(name for name, state in states.items() if name not in good and state != "ipv6")
            return Part("degraded", "one-exchanger", {"hosts": left}) if left else YES
        kinds = set(states.values())
        if len(bad) < len(states):
            known = ("bogus", "differ", "ipv6", "literal")
            kind = next((kind for kind in known if kind in kinds), "partly")
            return Part("degraded", f"exchangers-{kind}", {"hosts": sorted(set(states).difference(bad))})
        kind = "lost" if "failed" in kinds else "private" if "private" in kinds else "absent"
        return Part("no", f"exchangers-{kind}", {"hosts": bad})
