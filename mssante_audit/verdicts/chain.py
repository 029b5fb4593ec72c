"""What resolvers that validate refuse (`mssante_audit.observe.dns.dnssec`), as far as was heard."""

from __future__ import annotations

from typing import NamedTuple

from mssante_audit.observe.dns.dnssec import answer_fault, known_ds, matches, security
from mssante_audit.observe.dns.view import Said, view_of
from mssante_audit.observe.observation import Observation
from mssante_audit.verdicts.heard import Heard, Word


class _Trust(NamedTuple):
    """What is known of a zone's chain."""

    status: str
    unheard: bool
    """Whether nothing tells if it has a DS."""
    proven: bool
    """Whether a referral proves that it has none, or has one."""
    at_fault: frozenset[str]
    """Addresses of its servers whose keys do not hold."""
    usable: tuple[str, ...]
    """The DS records that a validator can follow."""


class Chain:
    """The chains of trust of zones, each worked out once, and only where something is signed."""

    def __init__(self, observation: Observation, heard: Heard) -> None:
        self._observation, self._heard = observation, heard
        self._zones: dict[str, _Trust] = {}
        self._unmatched: dict[tuple[str, str], bool | None] = {}

    def fault(self, zone: str, word: Word, *, walked: bool = False) -> bool | None:
        """Tell whether validating resolvers refuse a word of a server of a zone; ``None``: not known.

        `walked`: whether each of its servers was asked for its keys.
        """
        reply, heard = word.reply, self._heard
        if zone in ("", ".") or reply is None or not word.told:
            return False
        if zone != heard.parent and zone not in heard.cuts:
            return None  # what hands it over says whether it has a DS
        if not heard.signed:
            return False
        trust = self._zones.get(zone) or self._trust(zone)
        if trust.status == "insecure":
            return False
        if trust.status == "indeterminate":
            if trust.unheard:
                open_ = zone in heard.anchored or ("signed" in reply.flags and not trust.proven)
                return None if open_ else False
            return None if heard.signatures else self._lacks_key(zone, reply.address, trust.usable)
        if walked and not heard.word(zone, zone, "DNSKEY", reply.address, walked=True).kind:
            return None
        if trust.status == "bogus" or reply.address in trust.at_fault:
            return True
        fields = (getattr(reply, name, "") for name in Said._fields)
        return bool(answer_fault(view_of(self._observation), Said._make(fields)))

    def _trust(self, zone: str) -> _Trust:
        found, cuts = security(view_of(self._observation), zone), self._heard.cuts.get(zone, ())
        self._zones[zone] = trust = _Trust(
            found.status,
            found.code == "ds-unheard",
            any("signed" in one.flags for one in cuts),
            frozenset(address for address, fault in found.servers if fault),
            known_ds([i.data for one in cuts for i in one.items if i.type == "DS"]),
        )
        return trust

    def _lacks_key(self, zone: str, address: str, usable: tuple[str, ...]) -> bool | None:
        """Tell, of an observation that kept no signatures, whether no key of a zone is that of its DS."""
        if (zone, address) not in self._unmatched:
            keys = self._heard.word(zone, zone, "DNSKEY", address, walked=True)
            if not usable or not keys.told or keys.reply is None:
                self._unmatched[zone, address] = None if usable and not keys.kind else False
            else:
                found = (matches(zone, key, ds) for key in keys.reply.data for ds in usable)
                self._unmatched[zone, address] = not any(found)
        return self._unmatched[zone, address]
