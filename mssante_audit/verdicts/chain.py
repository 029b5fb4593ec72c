"""What resolvers that validate refuse (`mssante_audit.observe.dns.dnssec`), as far as was heard."""

from __future__ import annotations

from mssante_audit.observe.dns.dnssec import answer_fault, known_ds, matches, security
from mssante_audit.observe.dns.view import Said, view_of
from mssante_audit.observe.observation import Observation
from mssante_audit.verdicts.heard import Heard, Word


class Chain:
    """The chains of trust of an observation's zones; worked out only where something is signed."""

    def __init__(self, observation: Observation, heard: Heard) -> None:
        self._observation, self._heard = observation, heard

    def fault(self, zone: str, word: Word, *, walked: bool = False) -> bool | None:
        """Tell whether validating resolvers refuse a word of a server of a zone; ``None``: not known.

        `walked`: whether each of its servers was asked for its keys.
        """
        reply = word.reply
        if zone in ("", ".") or reply is None or not word.told:
            return False
        if zone != self._heard.parent and zone not in self._heard.cuts:
            return None  # what hands it over says whether it has a DS
        if not self._heard.signed:
            return False
        view = view_of(self._observation)
        status = security(view, zone).status
        if status == "insecure":
            return False
        if status == "indeterminate":
            if security(view, zone).code == "ds-unheard":
                proven = any("signed" in one.flags for one in self._heard.cuts.get(zone, ()))
                open_ = zone in self._heard.anchored or ("signed" in reply.flags and not proven)
                return None if open_ else False
            return None if self._heard.signatures else self._unmatched(zone, reply.address)
        if walked and not self._heard.word(zone, zone, "DNSKEY", reply.address, walked=True).kind:
            return None
        servers = dict(security(view, zone).servers)
        if status == "bogus" or servers.get(reply.address):
            return True
        fields = (getattr(reply, name, "") for name in Said._fields)
        return bool(answer_fault(view, Said._make(fields)))

    def _unmatched(self, zone: str, address: str) -> bool | None:
        """Tell, of an observation that kept no signatures, whether no key of a zone is that of its DS."""
        told = [i.data for one in self._heard.cuts.get(zone, ()) for i in one.items if i.type == "DS"]
        usable = known_ds(told)
        keys = self._heard.word(zone, zone, "DNSKEY", address, walked=True)
        if not usable:
            return False
        if not keys.told or keys.reply is None:
            return None if not keys.kind else False
        return not any(matches(zone, key, ds) for key in keys.reply.data for ds in usable)
