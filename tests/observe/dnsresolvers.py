"""Resolvers for tests: BIND, unbound, Knot Resolver in the namespace of the servers, and what they say.

They start at the root of the tests and trust its key only; what they answer is the truth our verdicts are
held to. Nothing of theirs outlives `resolving`.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from dnscases import ALL, BIND, KNOT, ROOT, UNBOUND
from dnslab import Daemon, configured, need

PROGRAMS = {"named": "bind9", "unbound": "unbound", "kresd": "knot-resolver"}  # resolver → its package
PLACES = {name: shutil.which(name) or shutil.which(name, path="/usr/sbin") for name in PROGRAMS}
MISSING = tuple(PROGRAMS[name] for name, place in PLACES.items() if not place)
HOW = f"resolvers are missing: `apt-get install --no-install-recommends {' '.join(PROGRAMS.values())}`"

ADDRESSES = {name: f"127.0.57.{number}" for number, name in enumerate(ALL, 1)}
"""The resolvers that are asked; all but the second validate."""
PATIENCE = 8.0  # seconds that a sender's stub waits for each of its `TRIES`
TRIES = 3


def need_resolvers() -> None:
    need(not MISSING, HOW)


class Resolved(NamedTuple):
    """What one resolver says of a domain's mail."""

    rcode: str  # of the answer for MX; `TIMEOUT` where none came
    exchangers: dict[str, tuple[str, ...]]
    """Name → addresses; the domain itself where it has an address and no MX."""

    @property
    def reached(self) -> tuple[str, ...]:
        """The exchangers with an address that a stranger can connect to."""
        each = self.exchangers.items()
        return tuple(name for name, its in each if any(ip_address(a).is_global for a in its))


def reaching(replies: Mapping[str, Resolved]) -> tuple[str, ...]:
    """Return the resolvers of some that come to a mail host."""
    return tuple(name for name, reply in replies.items() if reply.reached)


@contextmanager
def resolving(folder: Path, anchor: str) -> Iterator[None]:
    """Run all resolvers; `anchor` is the DS record of the root."""
    folder.mkdir()
    (folder / "hints").write_text(f". 3600000 NS a.root-servers.net.\na.root-servers.net. 3600000 A {ROOT}\n")
    with ExitStack() as stack:
        for name, address in ADDRESSES.items():
            place = folder / name.replace(", ", "-").replace(" ", "-")
            place.mkdir()
            stack.callback(Daemon(_command(name, place, anchor), address, 53, place / "log").stop)
        yield


def _command(name: str, folder: Path, anchor: str) -> list[str]:
    """Configure a resolver; return how it is started."""
    places = {"address": ADDRESSES[name], "hints": folder.parent / "hints", "root": ROOT}
    if name == BIND:
        *numbers, digest = anchor.split(" ", 3)
        config = configured("named.conf", folder, **places, anchor=f'{" ".join(numbers)} "{digest}"')
        return [str(PLACES["named"]), "-g", "-n", "1", "-c", config]
    if name == KNOT:
        config = configured("kresd.conf", folder, **places, anchor=anchor)
        return [str(PLACES["kresd"]), "-n", "-q", "-c", config, str(folder)]
    validation = f'trust-anchor: ". DS {anchor}"' if name != UNBOUND else 'module-config: "iterator"'
    config = configured("unbound.conf", folder, **places, validation=validation)
    return [str(PLACES["unbound"]), "-d", "-c", config]


def ask_all(domains: Sequence[str], learnt: Sequence[str] = ()) -> dict[str, dict[str, Resolved]]:
    """Ask every resolver about every domain, all at once; return domain → resolver → what it says.

    `learnt`: zones whose servers are asked for before.
    """

    async def run() -> dict[str, dict[str, Resolved]]:
        await asyncio.gather(*(_ask(a, zone, "NS") for zone in learnt for a in ADDRESSES.values()))
        replies = await asyncio.gather(*(_mail(a, d) for d in domains for a in ADDRESSES.values()))
        each = iter(replies)
        return {d: {name: next(each) for name in ADDRESSES} for d in domains}

    return asyncio.run(run())


async def _mail(resolver: str, domain: str) -> Resolved:
    answer = await _ask(resolver, domain, "MX")
    if answer is None or answer.rcode() != dns.rcode.NOERROR:
        return Resolved(dns.rcode.to_text(answer.rcode()) if answer else "TIMEOUT", {})
    records = [r for rrset in answer.answer if rrset.rdtype == dns.rdatatype.MX for r in rrset]
    names = sorted({r.exchange.to_text(omit_final_dot=True) or "." for r in records})
    hosts = [name for name in names or [domain] if name != "."]
    addresses = await asyncio.gather(*(_addresses(resolver, host) for host in hosts))
    exchangers = dict(zip(hosts, addresses, strict=True))
    return Resolved("NOERROR", exchangers if records or exchangers[domain] else {})


async def _addresses(resolver: str, name: str) -> tuple[str, ...]:
    answers = await asyncio.gather(*(_ask(resolver, name, qtype) for qtype in ("A", "AAAA")))
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return tuple(
        r.to_text() for a in answers if a for rrset in a.answer if rrset.rdtype in kinds for r in rrset
    )


async def _ask(resolver: str, name: str, qtype: str) -> dns.message.Message | None:
    """Ask as a sender's stub does: again where nothing comes, or SERVFAIL."""
    query = dns.message.make_query(name, qtype, use_edns=0)
    answer = None
    for _ in range(TRIES):
        with suppress(dns.exception.DNSException, OSError):
            answer, _ = await dns.asyncquery.udp_with_fallback(query, resolver, PATIENCE)
            if answer.rcode() != dns.rcode.SERVFAIL:
                break
    return answer


def read_resolved(folder: Path) -> dict[str, dict[str, Resolved]]:
    """Return what `dnsscene.look_with_resolvers` kept in a folder, by domain and resolver."""
    resolved = json.loads((folder / "resolved.json").read_text())
    return {domain: {name: Resolved(*reply) for name, reply in of.items()} for domain, of in resolved.items()}
