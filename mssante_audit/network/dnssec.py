"""What a validating resolver makes of a zone, from what was observed of it; the time is the observation's.

The chain begins where the walk does. Of a denial its SOA is checked, and that it comes with signatures.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from typing import Any, NamedTuple

import dns.dnssec
import dns.name
import dns.rdata
import dns.rrset

from mssante_audit.network.replies import UNKNOWN, ReplyIndex, ServerAnswer
from mssante_audit.observe.dns.names import is_under, upwards
from mssante_audit.observe.lines import Reply

ALGORITHMS, DIGESTS = {5, 7, 8, 10, 13, 14, 15, 16}, {1, 2, 4}  # those that validators know (RFC 8624, 3.1)
SHA1_ALGORITHMS, SHA1_DIGEST = {5, 7}, 1  # RFC 9905: to some validators they are no signature
# Why a server's data do not hold: the keys are not known, there is none, none is that of the DS, signatures
# are missing, over, not begun, or not of these data and keys; what proves a denial is missing.
FAULTS = ("unheard", "no-key", "no-match", "unsigned", "expired", "early", "wrong", "unproven")
# Faults of one server's keys for which Knot Resolver may give the zone up, sound as others are (measured).
MISLEADING = ("no-key", "unsigned")


class Security(NamedTuple):
    """What a validating resolver makes of a zone."""

    status: str
    """``secure``; ``insecure`` (as if it was not signed); ``bogus`` (validators refuse all of it);
    ``indeterminate`` (not enough was observed)."""
    code: str = ""
    """Why. Insecure: ``no-ds``, ``unsigned-above`` (or insecure there), ``unknown`` (to validators: algorithm
    or digest of every DS). Bogus: one of `FAULTS`, ``ds`` (the parent's signature of it does not hold) or
    ``above``. Indeterminate: ``ds-unheard``, ``unproven``, ``keys-unheard`` (not asked for) or ``above``."""
    servers: tuple[tuple[str, str], ...] = ()
    """Address → fault of what it serves, "" if it holds. A secure zone may have servers that are at fault."""
    sha1: bool = False
    """Whether it rests on SHA-1, which some validators take and others treat as no signature."""
    keys: tuple[str, ...] = ()
    """Those of the servers whose data hold."""


NO_DS, DS_UNKNOWN = Security("insecure", "no-ds"), Security("indeterminate", "ds-unheard")


class Chains:
    """The chains of trust of zones, each worked out once, and only where something is signed."""

    def __init__(self, index: ReplyIndex) -> None:
        self._index = index
        self._of: dict[str, Security] = {}

    def security(self, zone: str) -> Security:
        """Return what a validating resolver makes of a zone."""
        if zone not in self._of:
            self._of[zone] = Security("indeterminate", "above")  # a file that leads round in circles
            self._of[zone] = self._security(zone)
        return self._of[zone]

    def checked(self, zone: str, answer: ServerAnswer, *, walked: bool = False) -> ServerAnswer:
        """Return an answer, ``bogus`` if validators refuse it, or unknown; `walked`: keys were asked for."""
        reply, index = answer.reply, self._index
        if zone in ("", ".") or reply is None or not answer.informs:
            return answer
        if zone != index.parent and zone not in index.referrals:
            return UNKNOWN  # what hands it over says whether it has a DS
        if not index.signed or (security := self.security(zone)).status == "insecure":
            return answer
        if security.status == "secure":
            unasked = walked and not index.answer(zone, zone, "DNSKEY", reply.address).kind
            fault = None if unasked else dict(security.servers).get(reply.address) or self.fault(reply)
        else:
            fault = {"bogus": security.code}.get(security.status)
        if fault is None:
            return UNKNOWN
        kind = "odd" if answer.kind == "said" and self.misleads(zone) else answer.kind
        return answer._replace(kind="bogus" if fault else kind)

    def misleads(self, zone: str) -> bool | None:
        """Whether a server of a secure zone gives no signed keys; ``None``: not all were asked."""
        security = self.security(zone)
        faults = dict(security.servers)
        if security.status != "secure":
            return False
        unasked = self._index.speaks[zone].keys() - faults
        return True if {*MISLEADING} & {*faults.values()} else None if unasked else False

    def fault(self, reply: Reply) -> str | None:
        """Return why a validator refuses an answer or a denial, one of `FAULTS` or ""; ``None``: unknown."""
        if not reply.zone or reply.outcome == "referral" or self.security(reply.zone).status != "secure":
            return ""
        if (zone := self.zone_of(reply)) is None:
            return None
        security = self.security(zone)
        if security.status != "secure":
            return {"bogus": security.code, "insecure": ""}.get(security.status)
        keys, unproven = security.keys, "unproven" in reply.flags
        if reply.outcome in ("nodata", "nxdomain"):
            fault = _fault(reply, "authority", zone, "SOA", zone, keys)
            return "unproven" if unproven else "" if reply.signed and fault == "unsigned" else fault
        if unproven and reply.of_wildcard:
            return "unproven"
        answers = {(r.owner, r.type) for r in reply.records if r.section == "answer"}
        # A CNAME made from a DNAME above its name is never signed (RFC 6672, 5.3.1): the DNAME is.
        dnames = [(o, kind) for o, kind in answers if kind == "DNAME" and reply.qname.endswith(f".{o}")]
        checked = dnames or [(o, kind) for o, kind in answers if o == reply.qname and kind != "RRSIG"]
        faults = (_fault(reply, "answer", owner, kind, zone, keys) for owner, kind in sorted(checked))
        return next(filter(None, faults), "")

    def zone_of(self, reply: Reply) -> str | None:
        """Return the zone that a reply is from, which may lie below the one asked; ``None``: not known.

        Its cut tells, or who signed it; of an unsigned answer the SOA of its name, or of one above an alias.
        """
        zone = reply.zone
        if cut := reply.cut or (reply.signer if is_under(reply.signer, zone) else ""):
            return cut
        unsigned = reply.outcome == "answer" and not reply.signed
        for name in upwards(reply.qname) if unsigned else ():
            if name == zone or not is_under(name, zone):
                break
            soa = self._index.answer(zone, name, "SOA", reply.address)
            if not soa.kind:
                return None
            if soa.reply is None or soa.reply.cut or soa.reply.signed or not soa.reply.alias:
                return (soa.reply.cut if soa.reply else "") or zone
        return zone

    def giving(self, zone: str) -> list[Reply]:
        """Return what hands a zone over, or was said of its DS."""
        return [*self._index.referrals.get(zone, ()), *self._index.about(zone, "DS")]

    def ds_of(self, zone: str) -> tuple[str, ...]:
        """Return the DS records that the zone above gives for a zone, sorted."""
        return tuple(sorted({text for reply in self.giving(zone) for text in reply.data("DS", zone)}))

    def _security(self, zone: str) -> Security:
        index, ds, giving = self._index, self.ds_of(zone), self.giving(zone)
        above, below = giving[0].zone if giving else "", zone != index.parent and is_under(zone, index.parent)
        if below and not giving:
            return DS_UNKNOWN
        if below and above:
            before = self.security(above)
            if before.status != "secure":
                return Security(before.status, "unsigned-above" if before.status == "insecure" else "above")
            if not ds:
                if any(reply.proves for reply in giving):
                    return NO_DS
                answers = index.answers(above, zone, "DS")
                known = all(answers.get(address, UNKNOWN).kind for address in index.speaks[above])
                return Security("bogus" if known else "indeterminate", "unproven")
            with_ds = [
                (r, "answer" if r.outcome == "answer" else "authority") for r in giving if r.data("DS", zone)
            ]
            if all(_fault(reply, section, zone, "DS", above, before.keys) for reply, section in with_ds):
                return Security("bogus", "ds")
        elif not ds:
            plain = any(soa.usable and soa.edns and not soa.signed for soa in index.about(zone, "SOA"))
            referred = zone in index.referrals or any(reply.usable for reply in giving)
            return NO_DS if plain or referred else DS_UNKNOWN
        elif not any(reply.signed for reply in giving if reply.data("DS", zone)):
            return Security("insecure", "unsigned-above")
        if not (ds := known_ds(ds)):
            return Security("insecure", "unknown")
        keys = self._keys(zone)
        faults = {address: self._server_fault(zone, reply, ds) for address, reply in keys.items()}
        read = [_rdata("DS", text) for text in ds]
        sha1 = all(r.algorithm in SHA1_ALGORITHMS or r.digest_type == SHA1_DIGEST for r in read)
        servers = tuple(sorted(faults.items()))
        if sound := [reply.answers for address, reply in keys.items() if not faults[address]]:
            return Security("secure", "", servers, sha1, tuple(sorted(frozenset().union(*sound))))
        if not faults or index.speaks.get(zone, {}).keys() - faults:  # keys of any server will do
            return Security("indeterminate", "keys-unheard", (), sha1)
        certain = [fault for fault in faults.values() if fault != "unheard"] or ["unheard"]
        return Security("bogus", Counter(certain).most_common(1)[0][0], servers, sha1)

    def _keys(self, zone: str) -> dict[str, Reply]:
        """Return address → reply about the zone's keys, of the servers that speak for it."""
        speaks = self._index.speaks.get(zone, {})
        answers = self._index.answers(zone, zone, "DNSKEY")
        return {a: answer.reply for a, answer in answers.items() if a in speaks and answer.reply is not None}

    def _server_fault(self, zone: str, reply: Reply, ds: tuple[str, ...]) -> str:
        if not reply.usable:
            return "unheard"
        trusted = tuple(k for k in sorted(reply.answers) if any(matches(zone, k, record) for record in ds))
        if not trusted:
            return "no-match" if reply.answers else "no-key"
        return _fault(reply, "answer", zone, "DNSKEY", zone, trusted)


def known_ds(records: Iterable[str]) -> tuple[str, ...]:
    """Return the DS records that a validator can follow: those with SHA-1 only if there are no others."""
    read = {text: ds for text in records if (ds := _rdata("DS", text)) and ds.algorithm in ALGORITHMS}
    usable = {text: ds for text, ds in read.items() if ds.digest_type in DIGESTS}
    better = [text for text, ds in usable.items() if ds.digest_type != SHA1_DIGEST]
    return tuple(better or usable)


def _fault(reply: Reply, section: str, owner: str, kind: str, zone: str, keys: tuple[str, ...]) -> str:
    """Return why the records of a type in a reply do not hold; "" if they do."""
    in_section = [record for record in reply.records if (record.section, record.owner) == (section, owner)]
    records = frozenset(record.data for record in in_section if record.type == kind)
    faults, now = [], reply.at.timestamp()
    for text in [r.data for r in in_section if r.type == "RRSIG" and r.data.partition(" ")[0] == kind]:
        signature = _rdata("RRSIG", text)
        if signature and signature.expiration < now:
            faults.append("expired")
        elif signature and signature.inception > now:
            faults.append("early")
        else:
            faults.append("" if _holds(owner, kind, records, text, zone, keys) else "wrong")
    return min(faults, key=("", *FAULTS).index, default="unsigned")


def _or_none(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``None`` for an error: whatever a hostile record provokes is the record's fault."""

    @wraps(function)
    def tried(*args: Any) -> Any:
        try:
            return function(*args)
        except (MemoryError, OSError):
            raise
        except Exception:
            return None

    return lru_cache(10_000)(tried)


@_or_none
def _rdata(kind: str, text: str) -> Any:
    return dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)


@_or_none
def matches(zone: str, key: str, ds: str) -> bool:
    """Tell whether a DS record is of a key, both as a line has them."""
    record, policy = _rdata("DS", ds), dns.dnssec.allow_all_policy
    about = (dns.name.from_text(zone), _rdata("DNSKEY", key), record.digest_type)
    return bool(dns.dnssec.make_ds(*about, policy=policy, validating=True) == record)


@_or_none
def _holds(
    owner: str, kind: str, records: frozenset[str], text: str, zone: str, keys: tuple[str, ...]
) -> bool:
    """Tell whether records are signed by one of the keys of a zone."""
    signature, name, apex = _rdata("RRSIG", text), dns.name.from_text(owner), dns.name.from_text(zone)
    rdatas = [_rdata(kind, record) for record in sorted(records)]
    data = dns.rrset.from_rdata_list(name, signature.original_ttl, rdatas)
    of_zone = dns.rrset.from_rdata_list(apex, 0, [_rdata("DNSKEY", key) for key in keys])
    at, policy = signature.inception, dns.dnssec.allow_all_policy
    dns.dnssec.validate_rrsig(data, signature, {apex: of_zone}, now=at, policy=policy)
    return True
