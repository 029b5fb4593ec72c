"""The addresses of hosts as a resolver would find them, from the lines that tell, and never from their lack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import MAX_ALIASES
from mssante_audit.verdicts.heard import Heard, Reply, Word

_CONCLUSIVE = ("answer", "nodata", "nxdomain")
_DEPTH = 4
_NAMES = 8
_TRIED = 6
"""Servers of a zone that the observer tries for one name."""


class Looked(NamedTuple):
    """What came of looking a name up."""

    status: str
    """``found``, ``nodata``, ``nxdomain``, ``loop``, ``failed`` (no server of ``zone`` tells), "" unknown."""
    data: tuple[str, ...] = ()
    zone: str = ""
    replies: tuple[Reply, ...] = ()
    """What was said, from the name asked for to the end of its aliases."""

    @property
    def absent(self) -> bool:
        """Whether it is certain that there is nothing to be had."""
        return self.status not in ("", "found")


class Host(NamedTuple):
    """A host's addresses of both families, and the worst of what was met where it has none."""

    v4: Looked
    v6: Looked

    @property
    def status(self) -> str:
        """``found``, "" (unknown), or why it has no address."""
        if "found" in (self.v4.status, self.v6.status):
            return "found"
        if "" in (self.v4.status, self.v6.status):
            return ""
        order = ("nxdomain", "loop", "failed", "nodata")
        return min(self.v4.status, self.v6.status, key=order.index)


class Lookups:
    """Looks names up in what was heard."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._looked: dict[tuple[str, str], Looked] = {}
        self._under_way: set[tuple[str, str]] = set()

    def host(self, name: str) -> Host:
        """Return the addresses of a host."""
        return Host(self.look_up(name, "A"), self.look_up(name, "AAAA"))

    def look_up(self, name: str, qtype: str) -> Looked:
        """Return the records of a type of a name, through aliases."""
        found = self._looked.get((name, qtype))
        if found is None:
            found = self._look_up(name, qtype, 0)
            if not self._under_way:
                self._looked[name, qtype] = found
        return found

    def _look_up(self, name: str, qtype: str, depth: int) -> Looked:
        replies: list[Reply] = []
        for _ in range(MAX_ALIASES):
            told = self._told(name, qtype)
            if not told:
                return self._failing(name, qtype, depth)._replace(replies=tuple(replies))
            replies.append(told[0])
            if data := tuple(sorted({text for one in told for text in one.data})):
                return Looked("found", data, told[0].zone, tuple(replies))
            if missing := next((one for one in told if one.outcome == "nxdomain"), None):
                return Looked("nxdomain", (), missing.zone, tuple(replies))
            end = min((one.alias for one in told if one.alias), default="")
            if not end or not told[0].zone:  # a resolver has followed the aliases
                return Looked("nodata", (), told[0].zone, tuple(replies))
            name = end
        return Looked("loop", (), "", tuple(replies))

    def _told(self, name: str, qtype: str) -> list[Reply]:
        """Return the replies that settle a name, in an order of their own."""
        told = []
        for zone in self._heard.asked.get((name, qtype), ()):
            for word in self._heard.words(zone, name, qtype).values():
                if word.told and word.reply and (word.reply.outcome in _CONCLUSIVE or word.reply.data):
                    told.append(word.reply)
        return sorted(told, key=lambda one: (one.zone, one.address))

    def _failing(self, name: str, qtype: str, depth: int) -> Looked:
        """Tell a lookup that failed for certain from one of which too little was heard."""
        zones = self._heard.asked.get((name, qtype), ())
        if not zones or depth > _DEPTH or (name, qtype) in self._under_way:
            return Looked("failed" if (name, qtype) in self._under_way else "")
        zone = max(zones, key=lambda one: (len(one) if one not in ("", ".") else 0, one))
        words = self._heard.words(zone, name, qtype)
        if not zone:
            sure = self._heard.resolvers and all(
                address in words and words[address].failed for address in self._heard.resolvers
            )
            return Looked("failed" if sure else "")
        self._under_way.add((name, qtype))
        try:
            cuts = {w.reply.cut: w.reply for w in words.values() if w.told and w.reply and w.reply.cut}
            if cuts:
                cut = max(cuts)
                return Looked("failed" if self._out_of_reach(cut, depth) else "", (), cut)
            return Looked("failed" if self._all_failed(zone, words, depth) else "", (), zone)
        finally:
            self._under_way.discard((name, qtype))

    def _all_failed(self, zone: str, words: dict[str, Word], depth: int) -> bool:
        """Whether all servers of a zone that would be tried failed."""
        if any(word.kind == "silent" for word in words.values()):
            return True  # the observer is patient with one of them, once all others have failed
        if any(not word.failed for word in words.values()):
            return False
        if len(words) >= _TRIED:
            return True
        servers = self._servers(zone, depth)
        return servers is not None and servers <= words.keys()

    def _out_of_reach(self, zone: str, depth: int) -> bool:
        """Whether no server of a zone that is handed over has an address to ask."""
        servers = self._servers(zone, depth)
        return servers is not None and not servers

    def _servers(self, zone: str, depth: int) -> set[str] | None:
        """Return the addresses of a zone's servers that can be asked, ``None`` if not all are known."""
        referrals = self._heard.cuts.get(zone, [])
        names = sorted(names_of(referrals, zone))
        if not names:
            return None
        glue = glue_of(referrals, zone)
        if given := {a for own in glue.values() for a in own if self._heard.usable(a)}:
            return given  # the observer, and many a resolver, then asks for no other
        found: set[str] = set()
        for name in names[:_NAMES]:
            if is_under(name, zone):
                continue  # it would have to be known to be found
            for qtype in ("A", "AAAA") if self._heard.ipv6 else ("A",):
                looked = self._look_up(name, qtype, depth + 1)
                if not looked.status:
                    return None
                found |= {address for address in looked.data if self._heard.usable(address)}
        return found


def names_of(referrals: Iterable[Reply], zone: str) -> set[str]:
    """Return the servers that replies name for a zone."""
    return {i.data for one in referrals for i in one.items if i.type == "NS" and i.owner == zone}


def glue_of(referrals: Iterable[Reply], zone: str) -> dict[str, set[str]]:
    """Return the addresses that replies give for a zone's servers, by name."""
    found: dict[str, set[str]] = {}
    for one in referrals:
        names = names_of((one,), zone)
        for item in one.items:
            if item.section == "additional" and item.type in ("A", "AAAA") and item.owner in names:
                found.setdefault(item.owner, set()).add(item.data)
    return found
