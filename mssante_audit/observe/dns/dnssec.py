"""What a validating resolver makes of a zone, from what was observed of it; the time is the observation's.

The chain begins where the walk does: that the DS of the parent zone holds, if the zone above signs it, is
taken from there. Of a denial only this is checked: that it comes with signatures, and not what NSEC and NSEC3
prove.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import dns.dnssec
import dns.name
import dns.rdata
import dns.rrset

from mssante_audit.observe.dns.names import is_under

if TYPE_CHECKING:
    from mssante_audit.observe.dns.view import Said, View

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
    parent's signature of the DS does not hold) or ``above``. Indeterminate: ``ds-unheard``, ``unrecorded``
    (keys were not asked for, or the observation is of a version that kept no signatures) or ``above``."""
    servers: tuple[tuple[str, str], ...] = ()
    """Address → fault of what it serves, "" if it holds. A secure zone may have servers that are at fault."""
    sha1: bool = False
    """Whether it rests on SHA-1, which some validators take and others treat as no signature."""


NO_DS, UNHEARD = Security("insecure", "no-ds"), Security("indeterminate", "ds-unheard")


def security(view: View, name: str) -> Security:
    """Tell what a validating resolver makes of a zone; worked out once."""
    if name not in view.secured:
        view.secured[name] = Security("indeterminate", "above")  # a file that leads round in circles
        view.secured[name] = _security(view, name)
    return view.secured[name]


def answer_fault(view: View, one: Said) -> str:
    """Return why a validator refuses an answer or a denial, one of `FAULTS`; "" if it does not, or not known.

    Only in a secure zone is there anything to check.
    """
    zone = one.cut or one.zone  # its server's, or one below that the server carries too
    if not zone or security(view, zone).status != "secure":
        return ""
    if one.outcome in ("nodata", "nxdomain") and not _is_signed(one):
        return "unsigned"
    keys = _all_keys(view, zone)
    for owner, kind in dict.fromkeys((i.owner, i.type) for i in one.items if i.section == "answer"):
        if kind != "RRSIG" and is_under(owner, zone):
            fault = _fault(view, one, "answer", owner, kind, zone, keys)
            if fault not in ("", "unrecorded"):
                return fault
    return ""


def matches(zone: str, key: str, ds: str) -> bool:
    """Tell whether a DS record is of a key, both as a line has them."""
    try:
        record = _rdata("DS", ds)
        made = dns.dnssec.make_ds(
            dns.name.from_text(zone), _rdata("DNSKEY", key), record.digest_type,
            policy=dns.dnssec.allow_all_policy, validating=True,
        )  # fmt: skip
    except Exception:  # whatever a hostile record provokes is the record's fault
        return False
    return bool(made == record)


def known_ds(records: Iterable[str]) -> tuple[str, ...]:
    """Return the DS records that a validator can follow: those with SHA-1 only if there are no others."""
    found = [(text, fields) for text in records if (fields := _numbers(text))]
    usable = [(t, f) for t, f in found if f[0] in ALGORITHMS and f[1] in DIGESTS]
    better = [(t, f) for t, f in usable if f[1] != SHA1_DIGEST]
    return tuple(text for text, _ in better or usable)


def _numbers(ds: str) -> tuple[int, int] | None:
    fields = ds.split()
    return (int(fields[1]), int(fields[2])) if len(fields) > 3 and "".join(fields[1:3]).isdecimal() else None


def _security(view: View, name: str) -> Security:
    zone = view.zone(name)
    above = next((one.zone for one in zone.referrals), "") if name != view.parent else ""
    ds = zone.ds
    if above:
        before = security(view, above)
        if before.status != "secure":
            return Security(before.status, "unsigned-above" if before.status == "insecure" else "above")
        if not ds:
            return NO_DS if zone.unanchored else UNHEARD
        keys = _all_keys(view, above)
        told = [one for one in (*zone.referrals, *zone.anchors) if any(i.type == "DS" for i in one.items)]
        faults = [
            _fault(view, one, "answer" if one.outcome == "answer" else "authority", name, "DS", above, keys)
            for one in told
        ]
        if all(fault not in ("", "unrecorded") for fault in faults):
            return Security("bogus", "ds")
    else:
        told_ds = view.looked_up(name, "DS")
        if told_ds is None:
            plain = any(one.authoritative and one.edns and not _is_signed(one) for one in zone.soa.values())
            return NO_DS if plain else UNHEARD
        ds = told_ds.data
        if not ds:
            return NO_DS
        if not _is_signed(told_ds):
            return Security("insecure", "unsigned-above")
    usable = known_ds(ds)
    if not usable:
        return Security("insecure", "unknown")
    return _checked(view, name, usable)


def _checked(view: View, name: str, ds: tuple[str, ...]) -> Security:
    faults = {address: _server_fault(view, name, one, ds) for address, one in _keys_told(view, name).items()}
    numbers = [found for text in ds if (found := _numbers(text))]
    sha1 = all(algorithm in SHA1_ALGORITHMS or digest == SHA1_DIGEST for algorithm, digest in numbers)
    servers = tuple(sorted(faults.items()))
    if not faults:
        return Security("indeterminate", "unrecorded", (), sha1)
    if "" in faults.values():
        return Security("secure", "", servers, sha1)
    if "unrecorded" in faults.values():
        return Security("indeterminate", "unrecorded", servers, sha1)
    heard = [fault for fault in faults.values() if fault != "unheard"]
    return Security("bogus", Counter(heard or ["unheard"]).most_common(1)[0][0], servers, sha1)


def _keys_told(view: View, name: str) -> dict[str, Said]:
    """Return address → reply about the zone's keys, of the servers that speak for it."""
    zone = view.zone(name)
    told = {address: one for address, one in zone.keys.items() if address in zone.sound}
    one = view.looked_up(name, "DNSKEY")
    return told or ({one.address: one} if one else {})


def _server_fault(view: View, name: str, told: Said, ds: tuple[str, ...]) -> str:
    if not told.usable:
        return "unheard"
    keys = told.data
    if not keys:
        return "no-key"
    trusted = tuple(key for key in keys if any(matches(name, key, one) for one in ds))
    if not trusted:
        return "no-match"
    fault = _fault(view, told, "answer", name, "DNSKEY", name, trusted)
    soa = view.zone(name).soa.get(told.address)
    if fault or soa is None or soa.outcome != "answer":
        return fault
    return _fault(view, soa, "answer", name, "SOA", name, keys)


def _all_keys(view: View, name: str) -> tuple[str, ...]:
    """Return the keys of a zone, from the servers whose data hold."""
    sound = {address for address, fault in security(view, name).servers if not fault}
    told = _keys_told(view, name)
    return tuple(sorted({key for address in sound & told.keys() for key in told[address].answers}))


def _is_signed(one: Said) -> bool:
    return "signed" in one.flags.split()


def _fault(
    view: View, one: Said, section: str, owner: str, kind: str, zone: str, keys: tuple[str, ...]
) -> str:
    """Return why the records of a type in a reply do not hold; "" if they do."""
    records = frozenset(i.data for i in one.items if (i.section, i.owner, i.type) == (section, owner, kind))
    told = [i.data for i in one.items if (i.section, i.owner, i.type) == (section, owner, "RRSIG")]
    signatures = [text for text in told if text.partition(" ")[0] == kind]
    if not signatures:
        lost = _is_signed(one) and not view.observation.keeps_signatures
        return "unrecorded" if lost else "unsigned"
    now = one.at / 1e6
    faults = [_signature_fault(owner, kind, records, text, zone, keys, now) for text in signatures]
    return min(faults, key=lambda fault: -1 if not fault else FAULTS.index(fault))


def _signature_fault(
    owner: str, kind: str, records: frozenset[str], text: str, zone: str, keys: tuple[str, ...], now: float
) -> str:
    try:
        signature = _rdata("RRSIG", text)
    except Exception:  # as above
        return "wrong"
    if signature.expiration < now:
        return "expired"
    if signature.inception > now:
        return "early"
    return "" if _holds(owner, kind, records, text, zone, keys) else "wrong"


@lru_cache(10_000)
def _holds(
    owner: str, kind: str, records: frozenset[str], text: str, zone: str, keys: tuple[str, ...]
) -> bool:
    try:
        signature = _rdata("RRSIG", text)
        name = dns.name.from_text(owner)
        data = dns.rrset.from_rdata_list(
            name, signature.original_ttl, [_rdata(kind, r) for r in sorted(records)]
        )
        apex = dns.name.from_text(zone)
        of_zone = dns.rrset.from_rdata_list(apex, 0, [_rdata("DNSKEY", key) for key in keys])
        dns.dnssec.validate_rrsig(
            data, signature, {apex: of_zone}, now=signature.inception, policy=dns.dnssec.allow_all_policy
        )
    except Exception:  # as above, and what cryptography makes of keys
        return False
    return True


@lru_cache(10_000)
def _rdata(kind: str, text: str) -> Any:
    return dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)
