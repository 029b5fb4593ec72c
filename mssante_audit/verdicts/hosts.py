"""Mail hosts: how each can be reached, and what a set of them comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dns.inet import is_address

from mssante_audit.observe.dns.exchangers import NOBODY
from mssante_audit.observe.dns.walk import MAX_HOSTS
from mssante_audit.verdicts.answers import YES, Part, Step, Ways
from mssante_audit.verdicts.heard import PARTLY, Heard
from mssante_audit.verdicts.lookups import Host, Looked, Lookups

REACHED = ("good", "mixed", "ipv6", "alias", *PARTLY)
"""States of mail hosts that some sender reaches."""


class MailHost(NamedTuple):
    """A mail host."""

    state: str
    """How it can be reached: ``good``, ``mixed`` (with private addresses), ``ipv6``, one of `PARTLY`,
    ``alias`` (by way of servers that are aliases), ``private``, ``literal`` (an address stands for its name);
    why it has no address; "" for unknown."""
    public: frozenset[str] = frozenset()
    """Its public addresses."""
    steps: tuple[Step, ...] = ()


class MailHosts:
    """Mail hosts in what was heard; each, and each set of them, is looked at once."""

    def __init__(self, heard: Heard, lookups: Lookups) -> None:
        self._heard, self._lookups = heard, lookups
        self._sets: dict[frozenset[str], Ways] = {}
        self._found: dict[str, MailHost] = {}

    def of_mx(self, targets: frozenset[str]) -> Ways:
        """Tell where a set of MX targets leads."""
        if targets not in self._sets:
            self._sets[targets] = self._look_at(targets)
        return self._sets[targets]

    def implicit(self, name: str, addresses: frozenset[str] | None) -> Ways:
        """Without an MX the domain's own address stands for its mail host (RFC 5321, 5.1).

        `addresses`: what its zone said, or ``None`` to look them up.
        """
        if addresses is None:
            host = self._host(name)
            if host.state == "nodata":
                return Ways(YES, Part("no", "no-mail", {"name": name, "zone": ""}), frozenset(), host.steps)
        else:
            told = sorted(addresses)
            data4, data6 = (tuple(a for a in told if (":" in a) is six) for six in (False, True))
            host = self._reached(*(Looked("found" if data else "nodata", data) for data in (data4, data6)))
        return Ways(YES, _of_hosts({name: host}), frozenset({name}), host.steps)

    def _look_at(self, targets: frozenset[str]) -> Ways:
        others = sorted(targets - {NOBODY})
        if not others:
            return Ways(YES, Part("no", "null-mx"))
        hosts: dict[str, MailHost] = {}
        for name in others:
            if is_address(name):
                hosts[name] = MailHost("literal")
            elif len(hosts) < MAX_HOSTS:
                hosts[name] = self._host(name)
        part = _of_hosts(hosts)
        if NOBODY in targets and part.receives in ("yes", "degraded"):
            part = Part("degraded", "null-mx-beside", {"hosts": others})
        reached = frozenset(name for name, host in hosts.items() if host.state in REACHED)
        return Ways(YES, part, reached, tuple(step for host in hosts.values() for step in host.steps))

    def _host(self, name: str) -> MailHost:
        if name not in self._found:
            host = self._lookups.host(name)
            steps = (host.v4.step(name, "A"), host.v6.step(name, "AAAA"))
            self._found[name] = self._reached(*host)._replace(steps=steps)
        return self._found[name]

    def _reached(self, v4: Looked, v6: Looked) -> MailHost:
        """Tell how a host can be reached that has these addresses."""
        over4, over6 = (frozenset(a for a in looked.data if self._heard.public(a)) for looked in (v4, v6))
        if over4:
            return MailHost(v4.partly or ("good" if len(over4) == len(v4.data) else "mixed"), over4)
        if not v4.status:
            return MailHost("")
        if over6:
            return MailHost(v6.partly or "ipv6", over6)
        if v6.status:
            status = Host(v4, v6).status
            return MailHost("private" if status == "found" else status)
        return MailHost("")


def _of_hosts(hosts: Mapping[str, MailHost]) -> Part:
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
    if len(bad) < len(states):
        kinds = set(states.values())
        kind = "bogus" if "bogus" in kinds else "ipv6" if "ipv6" in kinds else "partly"
        return Part("degraded", f"exchangers-{kind}", {"hosts": sorted(set(states).difference(bad))})
    kinds = set(states.values())
    told = {"failed": "lost", "private": "private", "literal": "literal"}
    kind = next((told[kind] for kind in told if kind in kinds), "absent")
    return Part("no", f"exchangers-{kind}", {"hosts": bad})
