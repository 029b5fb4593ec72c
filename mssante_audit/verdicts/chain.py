"""What resolvers that validate refuse (`mssante_audit.observe.dns.dnssec`), as far as was heard."""

from __future__ import annotations

from mssante_audit.observe.dns.dnssec import answer_fault, security
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
            return None if zone in self._heard.anchored or "signed" in reply.flags else False
        if walked and not self._heard.word(zone, zone, "DNSKEY", reply.address, walked=True).kind:
            return None
        servers = dict(security(view, zone).servers)
        if status == "bogus" or servers.get(reply.address):
            return True
        fields = (getattr(reply, name, "") for name in Said._fields)
        return bool(answer_fault(view, Said._make(fields)))
