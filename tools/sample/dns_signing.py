"""Signatures of made-up zones: real ones, by keys that anybody can make again."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import dns.dnssec
import dns.name
import dns.rdata
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tools.sample.dns_world import World, Zone


class Signer:
    """A key of a zone, and when what it signs holds.

    Parameters
    ----------
    zone
        Gets the key.
    at
        When the zone is observed.
    algorithm
        ``ED25519`` has one key a zone, and one signature a set; others are made anew each time.
    """

    def __init__(self, zone: Zone, at: datetime, algorithm: str = "ED25519") -> None:
        self.zone, self._at = zone, at
        self._private = _private(algorithm, zone.name)
        self.key = dns.dnssec.make_dnskey(self._private.public_key(), algorithm, flags=257)
        zone.signed = True
        zone.records.setdefault(zone.name, {})["DNSKEY"] = [str(self.key)]

    def ds(self, digest: str = "SHA256") -> str:
        """Return the DS record of the key."""
        name = dns.name.from_text(self.zone.name)
        return str(dns.dnssec.make_ds(name, self.key, digest, policy=dns.dnssec.allow_all_policy))

    def sign(self, *, begins: int = -1, ends: int = 12, only: tuple[str, ...] = ()) -> None:
        """Sign every set, or those of some types; `begins` and `ends` are days from the observation."""
        for owner, sets in self.zone.records.items():
            for kind, data in sets.items():
                if not data or (only and kind not in only):
                    continue
                rdatas = [
                    dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)
                    for text in data
                ]
                signature = dns.dnssec.sign(
                    dns.rrset.from_rdata_list(dns.name.from_text(owner), 300, rdatas), self._private,
                    dns.name.from_text(self.zone.name), self.key, inception=self._at + timedelta(days=begins),
                    expiration=self._at + timedelta(days=ends), policy=dns.dnssec.allow_all_policy,
                )  # fmt: skip
                self.zone.signatures[owner, kind] = str(signature)


def anchor(world: World, zone: Zone, at: datetime) -> Signer:
    """Give a zone a key, and have the root say so; what it signs is signed later."""
    signer = Signer(zone, at)
    world.root.signed = True
    world.root.records.setdefault(zone.name, {})["DS"] = [signer.ds()]
    return signer


def _private(algorithm: str, name: str) -> Any:
    if algorithm == "ED25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    if algorithm.startswith("RSA"):
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1())
