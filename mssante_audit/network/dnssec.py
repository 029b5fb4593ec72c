"""What a validating resolver makes of a zone, from what was observed of it; the time is the observation's.

The chain begins where the walk does. Of a denial only this is checked: that it comes with signatures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import dns.dnssec
import dns.name
import dns.rdata
import dns.rrset

from mssante_audit.network.replies import ReplyIndex, ServerAnswer
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import CONCLUSIVE, Reply

ALGORITHMS = {5, 7, 8, 10, 13, 14, 15, 16}
"""Those that validators know (RFC 8624, 3.1)."""
DIGESTS = {1, 2, 4}
SHA1_ALGORITHMS, SHA1_DIGEST = {5, 7}, 1
"""RFC 9905: some validators hold them for none."""
FAULTS = ("unheard", "no-key", "no-match", "unsigned", "expired", "early", "wrong")
"""Why a server's data do not hold: the keys are not told, there is none, none is that of the DS, signatures
are missing, over, not begun, or not of these data and keys."""


class Security(NamedTuple):
    """What a validating resolver makes of a zone."""

    status: str
    """``secure``; ``insecure`` (nothing to check: it is as if the zone was not signed); ``bogus`` (validators
    refuse all of it); ``indeterminate`` (not enough was observed)."""
    code: str = ""
    """Why. Insecure: ``no-ds``, ``unsigned-above`` (the zone above is not signed or itself insecure),
    ``unknown`` (no validator knows the algorithm or digest of any DS). Bogus: one of `FAULTS`, or ``ds`` (the
    parent's signature of the DS does not hold) or ``above``. Indeterminate: ``ds-unheard``, ``keys-unheard``
    (keys were not asked for) or ``above``."""
    servers: tuple[tuple[str, str], ...] = ()
    """Address → fault of what it serves, "" if it holds. A secure zone may have servers that are at fault."""
    sha1: bool = False
    """Whether it rests on SHA-1, which some validators take and others treat as no signature."""


NO_DS, UNHEARD = Security("insecure", "no-ds"), Security("indeterminate", "ds-unheard")


class Chains:
    """The chains of trust of zones, each worked out once, and only where something is signed."""

    def __init__(self, index: ReplyIndex) -> None:
        self._index = index
        self._found: dict[str, Security] = {}

    def security(self, zone: str) -> Security:
        """Tell what a validating resolver makes of a zone."""
        if zone not in self._found:
            self._found[zone] = Security("indeterminate", "above")  # a file that leads round in circles
            self._found[zone] = self._security(zone)
        return self._found[zone]

    def refuses(self, zone: str, answer: ServerAnswer, *, walked: bool = False) -> bool | None:
        """Tell whether validators refuse what a server said; ``None``: unknown. `walked`: keys were asked."""
        reply, index = answer.reply, self._index
        if zone in ("", ".") or reply is None or not answer.informs:
            return False
        if zone != index.parent and zone not in index.referrals:
            return None  # what hands it over says whether it has a DS
        if not index.signed:
            return False
        found = self.security(zone)
        if found.status == "insecure":
            return False
        if found.code == "ds-unheard":
            if self.ds_of(zone):
                return None
            referrals = index.referrals.get(zone, ())
            return False if not reply.signed or any(referral.signed for referral in referrals) else None
        if found.status == "indeterminate":
            return None
        if walked and not index.answer(zone, zone, "DNSKEY", reply.address).kind:
            return None
        if found.status == "bogus" or any(fault for a, fault in found.servers if a == reply.address):
            return True
        fault = self.fault(reply)
        return None if fault is None else bool(fault)

    def fault(self, reply: Reply) -> str | None:
        """Return why a validator refuses an answer or a denial, one of `FAULTS` or ""; ``None``: unknown."""
        zone = self._zone_of(reply)
        if zone is None:
            return None
        if not zone or self.security(zone).status != "secure":
            return ""
        if reply.outcome in ("nodata", "nxdomain") and not reply.signed:
            return "unsigned"
        keys = self._keys_of(zone)
        answers = {(r.owner, r.type) for r in reply.records if r.section == "answer"}
        # A CNAME made from a DNAME above its name is never signed (RFC 6672, 5.3.1): the DNAME is.
        made = [(o, kind) for o, kind in answers if kind == "DNAME" and reply.qname.endswith(f".{o}")]
        checked = made or [(o, kind) for o, kind in answers if o == reply.qname and kind != "RRSIG"]
        faults = (_fault(reply, "answer", owner, kind, zone, keys) for owner, kind in sorted(checked))
        return next(filter(None, faults), "")

    def ds_of(self, zone: str) -> tuple[str, ...]:
        """Return the DS records that the zone above gives for a zone, sorted."""
        replies = (*self._index.referrals.get(zone, ()), *self._index.about(zone, "DS"))
        return tuple(sorted({text for reply in replies for text in reply.data("DS", zone)}))

    def unanchored(self, zone: str) -> bool:
        """Whether a server of the zone above said that there is no DS, or a signed referral has none."""
        denied = any(reply.outcome == "nodata" for reply in self._index.about(zone, "DS"))
        referrals = self._index.referrals.get(zone, ())
        return not self.ds_of(zone) and (denied or any(referral.signed for referral in referrals))

    def _zone_of(self, reply: Reply) -> str | None:
        """Return the zone that an answer comes from, as the SOA beside it tells; ``None``: not known."""
        if reply.cut or reply.outcome not in CONCLUSIVE:
            return reply.cut or reply.zone
        if reply.outcome == "answer" and not reply.signed and reply.qname != reply.zone:
            soa = self._index.answer(reply.zone, reply.qname, "SOA", reply.address)
            if self.security(reply.zone).status == "secure" and not soa.kind:
                return None
            return (soa.reply.cut if soa.reply else "") or reply.zone
        return reply.zone

    def _security(self, zone: str) -> Security:
        index, ds = self._index, self.ds_of(zone)
        referrals, anchors = index.referrals.get(zone, []), list(index.about(zone, "DS"))
        above = next((reply.zone for reply in (*referrals, *anchors)), "")
        if zone != index.parent and is_under(zone, index.parent) and above:
            before = self.security(above)
            if before.status != "secure":
                return Security(before.status, "unsigned-above" if before.status == "insecure" else "above")
            if not ds:
                return NO_DS if self.unanchored(zone) else UNHEARD
            keys = self._keys_of(above)
            giving = [reply for reply in (*referrals, *anchors) if any(r.type == "DS" for r in reply.records)]
            sections = {"answer": "answer"}
            if all(_fault(o, sections.get(o.outcome, "authority"), zone, "DS", above, keys) for o in giving):
                return Security("bogus", "ds")
        elif not ds:
            plain = any(soa.usable and soa.edns and not soa.signed for soa in index.about(zone, "SOA"))
            return NO_DS if plain or referrals or any(reply.usable for reply in anchors) else UNHEARD
        elif not any(reply.signed for reply in (*referrals, *anchors) if reply.data("DS", zone)):
            return Security("insecure", "unsigned-above")
        usable = known_ds(ds)
        return self._checked(zone, usable) if usable else Security("insecure", "unknown")

    def _checked(self, zone: str, ds: tuple[str, ...]) -> Security:
        faults = {address: self._server_fault(zone, reply, ds) for address, reply in self._keys(zone).items()}
        numbers = [fields for text in ds if (fields := _numbers(text))]
        sha1 = all(algorithm in SHA1_ALGORITHMS or digest == SHA1_DIGEST for algorithm, digest in numbers)
        servers = tuple(sorted(faults.items()))
        if not faults:
            return Security("indeterminate", "keys-unheard", (), sha1)
        if "" in faults.values():
            return Security("secure", "", servers, sha1)
        known = [fault for fault in faults.values() if fault != "unheard"]
        return Security("bogus", Counter(known or ["unheard"]).most_common(1)[0][0], servers, sha1)

    def _keys(self, zone: str) -> dict[str, Reply]:
        """Return address → reply about the zone's keys, of the servers that speak for it."""
        speaks = self._index.speaks.get(zone, {})
        answers = self._index.answers(zone, zone, "DNSKEY")
        return {a: answer.reply for a, answer in answers.items() if a in speaks and answer.reply is not None}

    def _server_fault(self, zone: str, reply: Reply, ds: tuple[str, ...]) -> str:
        if not reply.usable:
            return "unheard"
        keys = tuple(sorted(reply.answers))
        if not keys:
            return "no-key"
        trusted = tuple(key for key in keys if any(matches(zone, key, record) for record in ds))
        if not trusted:
            return "no-match"
        fault = _fault(reply, "answer", zone, "DNSKEY", zone, trusted)
        soa = self._index.answer(zone, zone, "SOA", reply.address).reply
        if fault or soa is None or soa.outcome != "answer":
            return fault
        return _fault(soa, "answer", zone, "SOA", zone, keys)

    def _keys_of(self, zone: str) -> tuple[str, ...]:
        """Return the keys of a zone, from the servers whose data hold."""
        sound = {address for address, fault in self.security(zone).servers if not fault}
        replies = self._keys(zone)
        return tuple(sorted({key for address in sound & replies.keys() for key in replies[address].answers}))


def matches(zone: str, key: str, ds: str) -> bool:
    """Tell whether a DS record is of a key, both as a line has them."""

    def made() -> bool:
        record = _rdata("DS", ds)
        of_key = dns.dnssec.make_ds(
            dns.name.from_text(zone), _rdata("DNSKEY", key), record.digest_type,
            policy=dns.dnssec.allow_all_policy, validating=True,
        )  # fmt: skip
        return bool(of_key == record)

    return _tried(made) or False


def known_ds(records: Iterable[str]) -> tuple[str, ...]:
    """Return the DS records that a validator can follow: those with SHA-1 only if there are no others."""
    read = [(text, fields) for text in records if (fields := _numbers(text))]
    usable = [(t, f) for t, f in read if f[0] in ALGORITHMS and f[1] in DIGESTS]
    better = [(t, f) for t, f in usable if f[1] != SHA1_DIGEST]
    return tuple(text for text, _ in better or usable)


def _numbers(ds: str) -> tuple[int, int] | None:
    fields = ds.split()
    return (int(fields[1]), int(fields[2])) if len(fields) > 3 and "".join(fields[1:3]).isdecimal() else None


def _fault(reply: Reply, section: str, owner: str, kind: str, zone: str, keys: tuple[str, ...]) -> str:
    """Return why the records of a type in a reply do not hold; "" if they do."""
    here = [record for record in reply.records if (record.section, record.owner) == (section, owner)]
    records = frozenset(record.data for record in here if record.type == kind)
    signatures = [r.data for r in here if r.type == "RRSIG" and r.data.partition(" ")[0] == kind]
    if not signatures:
        return "unsigned"
    now = reply.at.timestamp()
    faults = []
    for text in signatures:
        signature = _tried(partial(_rdata, "RRSIG", text))
        if signature and signature.expiration < now:
            faults.append("expired")
        elif signature and signature.inception > now:
            faults.append("early")
        else:
            faults.append("" if _holds(owner, kind, records, text, zone, keys) else "wrong")
    return min(faults, key=("", *FAULTS).index)


@lru_cache(10_000)
def _holds(
    owner: str, kind: str, records: frozenset[str], text: str, zone: str, keys: tuple[str, ...]
) -> bool:
    def valid() -> bool:
        signature = _rdata("RRSIG", text)
        name, apex = dns.name.from_text(owner), dns.name.from_text(zone)
        rdatas = [_rdata(kind, record) for record in sorted(records)]
        data = dns.rrset.from_rdata_list(name, signature.original_ttl, rdatas)
        of_zone = dns.rrset.from_rdata_list(apex, 0, [_rdata("DNSKEY", key) for key in keys])
        dns.dnssec.validate_rrsig(
            data, signature, {apex: of_zone}, now=signature.inception, policy=dns.dnssec.allow_all_policy
        )
        return True

    return _tried(valid) or False


def _tried(make: Callable[[], Any]) -> Any:
    """Return what `make` returns, or ``None``: whatever a hostile record provokes is the record's fault."""
    try:
        return make()
    except (MemoryError, OSError):
        raise
    except Exception:
        return None


@lru_cache(10_000)
def _rdata(kind: str, text: str) -> Any:
    return dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)
