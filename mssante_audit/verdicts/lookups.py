"""The addresses of hosts as a resolver would find them, from lines that tell, and never from their lack."""

from __future__ import annotations

from collections.abc import Iterable, Set
from operator import itemgetter
from typing import NamedTuple

from mssante_audit.observe.dns.names import is_under, upwards
from mssante_audit.observe.dns.view import Said
from mssante_audit.observe.dns.zone import data_of
from mssante_audit.observe.lines import MAX_ALIASES
from mssante_audit.verdicts.answers import Step
from mssante_audit.verdicts.chain import Chain
from mssante_audit.verdicts.heard import PARTLY, Heard, Word

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
    replies: tuple[Said, ...] = ()
    """What was said, from the name asked for to the end of its aliases."""
    partly: str = ""
    """Where only some resolvers come to it, one of `mssante_audit.verdicts.heard.PARTLY`; ``alias`` where the
    servers of its zone have no names but aliases (BIND does not follow them)."""

    @property
    def absent(self) -> bool:
        """Whether it is certain that there is nothing to be had."""
        return self.status not in ("", "found")

    def step(self, name: str, qtype: str) -> Step:
        """Tell it as a step of the walk, with the server whose reply ended it."""
        server, address = (self.replies[-1].server, self.replies[-1].address) if self.replies else ("", "")
        return Step(name, qtype, "", server, address, self.status or "unheard", self.data)


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

    def __init__(self, heard: Heard, chain: Chain) -> None:
        self._heard, self._chain = heard, chain
        self._looked: dict[tuple[str, str], Looked] = {}
        self._under_way: set[tuple[str, str]] = set()
        self._named: dict[tuple[str, frozenset[str]], bool | None] = {}

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
        replies: list[Said] = []
        partly = ""
        for _ in range(MAX_ALIASES):
            words = self._told(name, qtype)
            if not words:
                return self._failing(name, qtype, depth)._replace(replies=tuple(replies))
            told = [word.reply for word in words if word.reply]
            zone = told[0].zone
            failed = {a for a, word in self._heard.words(zone, name, qtype).items() if word.failed}
            kind, named = self._kind(words), self._is_named(zone, frozenset(failed))
            if kind is None or named is None:
                return Looked("", (), zone, tuple(replies))
            partly = partly or kind or ("" if named else "alias")
            replies.append(told[0])
            end = min((one.alias for one in told if one.alias), default="")
            status = ""
            if data := tuple(sorted({text for one in told for text in one.data})):
                status = "found"
            elif any(one.outcome == "nxdomain" for one in told):
                status = "nxdomain"
            elif not end or not zone:  # a resolver has followed the aliases
                status = "nodata"
            if status:
                return Looked(status, data, zone, tuple(replies), partly)
            name = end
        return Looked("loop", (), "", tuple(replies))

    def _told(self, name: str, qtype: str) -> list[Word]:
        """Return the words that settle a name, in an order of their own."""
        told = []
        for zone in self._heard.asked.get((name, qtype), ()):
            for word in self._heard.words(zone, name, qtype).values():
                reply = word.reply
                if word.told and reply and (reply.outcome in _CONCLUSIVE or reply.data or reply.alias):
                    told.append(((reply.zone, reply.address), word))
        return [word for _, word in sorted(told, key=itemgetter(0))]

    def _kind(self, words: list[Word]) -> str | None:
        """Return how words are told, "" if so that all resolvers hear them; ``None`` if that is not known."""
        faults = [self._chain.fault(word.reply.zone, word) for word in words if word.reply]
        if None in faults:
            return None
        kinds = {"bogus" if fault else word.kind for word, fault in zip(words, faults, strict=True)}
        return "" if "told" in kinds else min(kinds, key=PARTLY.index)

    def _is_named(self, zone: str, failed: frozenset[str] = frozenset()) -> bool | None:
        """Whether a zone, and each above it, has a server found without following an alias of its name.

        Those of the zone do not count that `failed`.
        """
        if zone in ("", ".", self._heard.parent):
            return True
        if (zone, failed) not in self._named:
            self._named[zone, failed] = True  # whoever comes back here on the way goes round in a circle
            referrals = self._heard.cuts.get(zone, ())
            above = {one.zone for one in referrals if is_under(zone, one.zone) and one.zone != zone}
            found = [self._has_named(referrals, zone, failed), *map(self._is_named, sorted(above))]
            self._named[zone, failed] = None if not above or None in found else all(found)
        return self._named[zone, failed]

    def _has_named(self, referrals: Iterable[Said], zone: str, failed: Set[str]) -> bool | None:
        """Whether glue or a name that is no alias leads to a server of a zone; ``None``: not known."""
        names, glue = names_of(referrals, zone), glue_of(referrals, zone)
        if any(not own <= failed for own in glue.values()):
            return True
        aliases = unheard = False
        for name in names.difference(glue):
            words = {qtype: self._told(name, qtype) for qtype in self._heard.families}
            replies = [word.reply for told in words.values() for word in told if word.reply]
            if any(one.alias for one in replies):
                aliases = True
            elif data := {text for one in replies for text in one.data}:
                if not data <= failed:
                    return True
            else:
                unheard |= any(not told and not self._failing(name, t, 1).status for t, told in words.items())
        return None if unheard else not aliases

    def _failing(self, name: str, qtype: str, depth: int) -> Looked:
        """Tell a lookup that failed for certain from one of which too little was heard."""
        if (name, qtype) in self._under_way:
            return Looked("failed")
        if depth > _DEPTH:
            return Looked("")
        self._under_way.add((name, qtype))
        try:
            zone, lost = self._lost(name, qtype, depth)
        finally:
            self._under_way.discard((name, qtype))
        return Looked("failed" if lost else "", (), zone)

    def _lost(self, name: str, qtype: str, depth: int) -> tuple[str, bool]:
        """Return the zone where a name is to be asked for, and whether nobody there tells."""
        zones = self._heard.asked.get((name, qtype), ())
        if not zones:  # once a zone is known to be out of reach, nobody is asked for its names
            cut = next((zone for zone in upwards(name) if zone in self._heard.cuts), "")
            return cut, bool(cut) and self._out_of_reach(cut, depth)
        zone = max(zones, key=lambda one: (len(one) if one not in ("", ".") else 0, one))
        words = self._heard.words(zone, name, qtype)
        if not zone:
            asked = self._heard.resolvers
            return "", bool(asked) and all(a in words and words[a].failed for a in asked)
        cuts = [w.reply.cut for w in words.values() if w.told and w.reply and w.reply.cut]
        if cuts:
            return max(cuts), self._out_of_reach(max(cuts), depth)
        return zone, self._all_failed(zone, words, depth)

    def _all_failed(self, zone: str, words: dict[str, Word], depth: int) -> bool:
        """Whether all servers of a zone that would be tried failed."""
        if "" in words:
            return True  # there was no server to ask
        silent = any(word.kind == "silent" for word in words.values())
        failed = [word for word in words.values() if word.failed]
        last = any(word.kind == "truncated" or word.other is not None for word in failed)
        if last and self._heard.tries > 1:
            return True  # the observer is patient with one of them, over TCP too, once all others have failed
        if (silent and not last) or len(failed) < len(words):
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
        found = {a for own in glue.values() for a in own if self._heard.usable(a)}
        for name in names[:_NAMES]:
            if name in glue or is_under(name, zone):
                continue  # below the zone, it would have to be known to be found
            for qtype in self._heard.families:
                looked = self._look_up(name, qtype, depth + 1)
                if not looked.status:
                    return None
                found |= {address for address in looked.data if self._heard.usable(address)}
        return found


def names_of(referrals: Iterable[Said], zone: str) -> set[str]:
    """Return the servers that replies name for a zone."""
    return set(data_of(referrals, "NS", zone))


def glue_of(referrals: Iterable[Said], zone: str) -> dict[str, set[str]]:
    """Return the addresses that replies give for a zone's servers, by name."""
    found: dict[str, set[str]] = {}
    for one in referrals:
        names = names_of((one,), zone)
        for item in one.items:
            if item.section == "additional" and item.type in ("A", "AAAA") and item.owner in names:
                found.setdefault(item.owner, set()).add(item.data)
    return found
