"""What resolvers that validate refuse (`mssante_audit.observe.dns.dnssec`), as far as was heard."""

from __future__ import annotations

from mssante_audit.observe.dns.dnssec import answer_fault, known_ds, matches, security
from mssante_audit.observe.dns.view import view_of
from mssante_audit.observe.dns.zone import data_of
from mssante_audit.observe.observation import Observation
from mssante_audit.verdicts.heard import Heard, Word


class Chain:
    """The chains of trust of zones, each worked out once, and only where something is signed."""

    def __init__(self, observation: Observation, heard: Heard) -> None:
        self._observation, self._heard = observation, heard
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
        view = view_of(self._observation)
        found = security(view, zone)
        if found.status == "insecure":
            return False
        if found.code == "ds-unheard":
            if zone in heard.anchored:
                return None
            referrals = heard.cuts.get(zone, ())
            proven = "signed" not in reply.flags or any("signed" in one.flags for one in referrals)
            return False if proven else None
        if found.status == "indeterminate":
            if heard.signatures:
                return None
            at = zone, reply.address
            if at not in self._unmatched:
                self._unmatched[at] = self._lacks_key(*at)
            return self._unmatched[at]
        if walked and not heard.word(zone, zone, "DNSKEY", reply.address, walked=True).kind:
            return None
        at_fault = any(fault for address, fault in found.servers if address == reply.address)
        return found.status == "bogus" or at_fault or bool(answer_fault(view, reply))

    def _lacks_key(self, zone: str, address: str) -> bool | None:
        """Tell, of an observation that kept no signatures, whether no key of a zone is that of its DS."""
        keys = self._heard.word(zone, zone, "DNSKEY", address, walked=True)
        usable = known_ds(data_of(self._heard.cuts.get(zone, ()), "DS", zone))
        if not usable or not keys.told or keys.reply is None:
            return None if usable and not keys.kind else False
        return not any(matches(zone, key, ds) for key in keys.reply.data for ds in usable)
