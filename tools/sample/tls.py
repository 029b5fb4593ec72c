"""What the made-up mail servers present, its defects with their truth, and the observation made of it.

Every mail host of the made-up DNS has a second one beside it, and both present a certificate with the name
listed, of an authority of the sample's own, but for one defect a rule. What follows from how the list is
(names spelt otherwise there, rows that nobody presents) is written down from the names alone.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.file import TLS as FORM
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.run import MailServer, lines_of
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.values.dn import parse_dn
from tools.sample.certificates import CLIENT, Made, make, rsa_of
from tools.sample.dns import BACKUP, OBSERVATION, SampleDns
from tools.sample.space import Row, Truth

SEEN_AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
TLS = "observations/tls-2026-03-02T070000Z.jsonl.gz"
CRL = "crls/servers.crl"
_START = datetime(2020, 1, 1, tzinfo=UTC)
YEARS = 1096
"""Days that a server's certificate is valid."""

_authority = partial(make, ca=True, start=_START, days=7300)
ROOT = _authority("CN=AC RACINE SERVEURS FICTIVE,O=GESTIONNAIRE FICTIF,C=FR")
ISSUING = _authority("CN=AC SERVEURS FICTIVE,O=GESTIONNAIRE FICTIF,C=FR", ROOT)
"""Of both the key is at hand: a revocation list can be signed with it."""
OLD = _authority("CN=AC CLASSE FICTIVE,O=GIP-CPS,C=FR", ROOT)
FOREIGN = _authority("CN=AC ETRANGERE FICTIVE,O=AUTRE GESTIONNAIRE FICTIF,C=FR")


@dataclass(frozen=True)
class Presents:
    """What a server presents."""

    certificate: Made | None = None
    subject: str = ""
    """Of its certificate, "" if it has none that can be read."""
    chain: tuple[Made, ...] = (ISSUING,)
    protocol: str = "TLSv1.3"
    outcome: str = "presented"
    detail: str = ""
    sound: bool = True
    """Whether it has a certificate that a peer takes, whatever its name."""
    by_name: Made | None = None
    """The certificate that it has for who asks for it by SNI."""

    def visits(self, host: str) -> Iterator[Visit]:
        """Yield the visits to it."""
        if self.certificate is None:
            yield Visit(self.outcome, self.detail)
            return
        cipher = "TLS_AES_256_GCM_SHA384" if self.protocol == "TLSv1.3" else "ECDHE-RSA-AES256-SHA"
        for certificate, sni in ((self.certificate, ""), (self.by_name, host)):
            if certificate:
                sent = tuple(link.der for link in (certificate, *self.chain))
                met = (self.outcome, self.detail, "220 ESMTP", self.protocol, cipher)
                yield Visit(*met, chain=sent, seconds=0.25, sni=sni)


@dataclass
class SampleTls:
    """The servers being made up."""

    dns: SampleDns
    listed: dict[str, dict[str, dict[str, list[int]]]]
    """Domain → key of a name → its texts → its rows."""
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Domain → its mail hosts."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Mail host → its address, "" if it has none."""
    served: dict[str, list[str]] = field(default_factory=dict)
    """Address → the domains of the server there, in list order."""
    servers: dict[str, Presents] = field(default_factory=dict)
    """By address."""
    free: list[str] = field(default_factory=list)
    """Mail hosts with another beside them, whose name is listed for all their domains."""
    truth: list[tuple[str, list[int]]] = field(default_factory=list)
    """Rule, rows."""
    revoked: list[Made] = field(default_factory=list)

    def domains(self, *hosts: str) -> list[str]:
        """Return the domains of the servers that these names lead to."""
        return list(dict.fromkeys(d for host in hosts for d in self.served[self.addresses[host]]))

    def record(self, rule: str, *hosts: str) -> None:
        """Write down that a rule must fire once, on all rows of the domains of these hosts."""
        self.truth.append((rule, [row for d in self.domains(*hosts) for row in self.dns.rows[d]]))

    def take(self) -> str:
        """Take a mail host that no defect has touched."""
        return self.free.pop(0)

    def present(self, presents: Presents, *hosts: str) -> None:
        """Have servers present something else."""
        self.servers |= {self.addresses[host]: presents for host in hosts}

    def usual(self, host: str) -> str:
        """Return the name that the list has most often for a mail host's domains."""
        names: list[str] = []
        for domain in self.domains(host):
            dns = [parse_dn(text) for texts in self.listed[domain].values() for text in texts]
            names += [dn.canonical for dn in dns if canonical(dn.get("CN").lower()) == host] or [
                dn.canonical for dn in dns if dn.igc
            ][:1]
        return max(names, key=names.count, default=f"CN={host},O=INCONNU FICTIF,C=FR")

    def certified(self, host: str, **changes: object) -> Presents:
        """Return what a server as it should be presents; `changes` are `make`'s, or of `Presents`."""
        shown = {name: changes.pop(name) for name in ("chain", "protocol", "sound") if name in changes}
        subject = str(changes.pop("subject", self.usual(host)))
        fields = {
            "issuer": ISSUING, "start": SEEN_AT - timedelta(200), "days": YEARS,
            "names": (host, f"{BACKUP}{host}"), **changes,
        }  # fmt: skip
        make_it: Callable[..., Made] = make
        show: Callable[..., Presents] = Presents
        return show(make_it(subject, **fields), subject, **shown)

    def observation(self) -> bytes:
        """Return the observation file; the same servers give the same bytes."""
        lines = "".join(f"{json.dumps(line)}\n" for line in self._lines())
        return gzip.compress(lines.encode(), mtime=0)

    def crl(self) -> bytes:
        """Return the revocation list of the servers' authority; the same servers give the same bytes."""
        issuer = ISSUING.certificate.subject
        builder = x509.CertificateRevocationListBuilder(
            issuer, SEEN_AT - timedelta(1), SEEN_AT + timedelta(6)
        )
        for revoked in self.revoked:
            entry = x509.RevokedCertificateBuilder(revoked.certificate.serial_number, SEEN_AT - timedelta(9))
            lost = x509.CRLReason(x509.ReasonFlags.key_compromise)
            builder = builder.add_revoked_certificate(entry.add_extension(lost, critical=False).build())
        signed = builder.sign(ISSUING.key, hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(Encoding.DER)

    def _lines(self) -> Iterator[dict[str, object]]:
        source = OBSERVATION.rpartition("/")[2]
        more = {"servers": len(self.servers), "resumed": False, "settings": {}}
        yield FORM.header(SEEN_AT, tool="made up", dns=source, **more)
        written: dict[str, bytes] = {}
        for number, (address, server) in enumerate(sorted(self.servers.items())):
            names = tuple(sorted(host for host, at in self.addresses.items() if at == address))
            for attempt, seen in enumerate(server.visits(next(iter(names), "")), 1):
                at = SEEN_AT + timedelta(minutes=2 * attempt - 2, seconds=number)
                yield from lines_of(MailServer(address, 25, names), seen, at, attempt, written)
        yield {"end": instant(SEEN_AT + timedelta(hours=1)), "complete": True, "visits": len(self.servers)}

    def truths(self, file: str) -> Iterator[Truth]:
        """Yield what was recorded as lines of ``defects.csv``."""
        return (self.dns.line(file, rule, rows) for rule, rows in self.truth)


def build_tls(dns: SampleDns, rows: Sequence[Row], *, defects: bool = True) -> SampleTls:
    """Make up the mail servers that go with a list and its DNS; the same list gives the same servers."""
    tls = SampleTls(dns, {domain: {} for domain in dns.rows})
    for number, row in enumerate(rows, 1):
        if number in dns.owners:
            texts = tls.listed[row[0]].setdefault(parse_dn(row[2]).key, {})
            texts.setdefault(row[2], []).append(number)
    _right(tls)
    for defect in DEFECTS if defects else ():
        defect(tls)
    _names(tls)
    _renewals(tls)
    _differing(tls)
    _unseen(tls)
    return tls


def _right(tls: SampleTls) -> None:
    """Have every server present what the list has for it."""
    dns = tls.dns
    records = dns.world.root.records
    for domain in dns.rows:
        if hosts := dns.seen_hosts(domain):
            tls.hosts[domain] = tuple(hosts)
    for host in sorted({host for hosts in tls.hosts.values() for host in hosts}):
        target = records.get(host, {}).get("CNAME", [host])[0]
        tls.addresses[host] = next(iter(records.get(target, {}).get("A", ())), "")
    for domain, hosts in tls.hosts.items():
        for address in dict.fromkeys(tls.addresses[host] for host in hosts):
            tls.served.setdefault(address, []).append(domain)
    pairs = [host for host, at in tls.addresses.items() if at and f"{BACKUP}{host}" in tls.addresses]
    for host in pairs:
        server = tls.certified(host)
        tls.present(server, host, f"{BACKUP}{host}")
        if all(parse_dn(server.subject).key in tls.listed[domain] for domain in tls.domains(host)):
            tls.free.append(host)
    tls.free.sort(key=lambda host: (len(tls.domains(host)), host))
    for host, at in tls.addresses.items():
        if at.startswith("10."):
            tls.present(Presents(outcome="silent", detail="no answer to the connection", sound=False), host)
        elif at and at not in tls.servers:
            # A name of hosts that this one is none of.
            tls.present(tls.certified(host, names=(f"ailleurs.{host}",)), host)
            tls.record("TLS_HOST_UNNAMED", host)


# -- defects --------------------------------------------------------------------------------------------


def _dates(tls: SampleTls) -> None:
    """Certificates out of their time, or near their end; one was put in service a day too soon."""
    host = tls.take()
    tls.present(tls.certified(host, start=SEEN_AT - timedelta(YEARS + 3), sound=False), *_both(host))
    tls.record("TLS_EXPIRED", host)
    host = tls.take()
    tls.present(tls.certified(host, start=SEEN_AT + timedelta(1), sound=False), host)
    tls.record("TLS_NOT_YET_VALID", host)
    host = tls.take()
    ending = {"start": SEEN_AT - timedelta(YEARS - 20), "issuer": OLD, "chain": (OLD,)}
    tls.present(tls.certified(host, **ending), *_both(host))
    tls.record("TLS_EXPIRES_SOON", host)
    tls.record("TLS_AUTHORITY_OLD", host)


def _one_key(tls: SampleTls) -> None:
    """Certificates of two operators with one key, near their end; one without its intermediate."""
    key = make("CN=cle.partagee.example").key
    hosts = [tls.take(), tls.take()]
    for host, left, rule, chain in (
        (hosts[0], 4, "TLS_EXPIRES_NOW", (ISSUING,)),
        (hosts[1], 50, "TLS_EXPIRES", ()),
    ):
        start = SEEN_AT - timedelta(YEARS - left)
        tls.present(tls.certified(host, start=start, key=key, chain=chain), *_both(host))
        tls.record(rule, host)
    tls.record("TLS_CHAIN_INCOMPLETE", hosts[1])
    tls.record("TLS_KEY_SHARED", *hosts)


def _chains(tls: SampleTls) -> None:
    """Certificates of nobody's authority, out of order and for clients, or of no shape at all."""
    host = tls.take()
    tls.present(tls.certified(host, issuer=FOREIGN, chain=(FOREIGN,), sound=False), *_both(host))
    tls.record("TLS_CHAIN_UNKNOWN", host)
    host = tls.take()
    tls.present(tls.certified(host, usages=(CLIENT,), chain=(ROOT, ISSUING)), *_both(host))
    tls.record("TLS_CHAIN_ORDER", host)
    tls.record("TLS_USE_OTHER", host)


def _weak(tls: SampleTls) -> None:
    """Have a small key and a retired signature; an old protocol beside a certificate that nobody can read."""
    host = tls.take()
    tls.present(tls.certified(host, public=rsa_of(1024), sha1=True), *_both(host))
    tls.record("TLS_KEY_SMALL", host)
    tls.record("TLS_DIGEST_WEAK", host)
    host = tls.take()
    tls.present(replace(tls.servers[tls.addresses[host]], protocol="TLSv1.1"), host)
    tls.record("TLS_PROTOCOL_OLD", host)
    broken = Made(b"0\x03\x02\x01\x01", ISSUING.key)
    tls.present(Presents(broken, chain=(), sound=False), f"{BACKUP}{host}")
    tls.record("TLS_UNREADABLE", f"{BACKUP}{host}")


def _servers(tls: SampleTls) -> None:
    """Have one without STARTTLS, one with another's certificate, one busy, each beside a right one."""
    host = tls.take()
    tls.present(Presents(outcome="no-starttls", detail="EHLO without STARTTLS", sound=False), host)
    tls.record("TLS_NO_STARTTLS", host)
    host = tls.take()
    other = tls.certified(host, subject=tls.usual(tls.free[-1]))
    tls.present(replace(other, by_name=tls.certified(host).certificate), f"{BACKUP}{host}")
    tls.record("TLS_SNI_ONLY", f"{BACKUP}{host}")
    host = tls.take()
    busy = Presents(outcome="busy", detail="421 4.7.0 Too many connections", sound=False)
    tls.present(busy, f"{BACKUP}{host}")


def _revoked(tls: SampleTls) -> None:
    """Have a certificate that its authority revoked."""
    host = tls.take()
    server = tls.certified(host, start=SEEN_AT - timedelta(100), sound=False)
    tls.present(server, *_both(host))
    tls.revoked += [server.certificate] if server.certificate else []
    tls.record("TLS_REVOKED", host)


DEFECTS: tuple[Callable[[SampleTls], None], ...] = (_dates, _one_key, _chains, _weak, _servers, _revoked)


def _both(host: str) -> tuple[str, str]:
    return host, f"{BACKUP}{host}"


# -- what follows ---------------------------------------------------------------------------------------


def _names(tls: SampleTls) -> None:
    """Write down what names presented and listed say of each other."""
    unlisted: dict[tuple[str, str], list[int]] = {}
    spelt: dict[str, set[int]] = {}
    unused: dict[str, set[int]] = {}
    for domain, named in _readable(tls):
        listed = tls.listed[domain]
        wrong = [key for _, key in named if key not in listed]
        for key in dict.fromkeys(wrong):
            rule = "TLS_NAME_UNLISTED" if len(wrong) == len(named) else "TLS_NAME_UNLISTED_SOME"
            unlisted.setdefault((rule, key), []).extend(tls.dns.rows[domain])
        for server, key in named:
            if key in listed and server.subject not in listed[key]:
                spelt.setdefault(server.subject, set()).update(*listed[key].values())
        shown = {key for _, key in named}
        if shown & listed.keys() and len(named) == len({tls.addresses[host] for host in tls.hosts[domain]}):
            for key in listed.keys() - shown:
                unused.setdefault(key, set()).update(*listed[key].values())
    tls.truth += [(rule, rows) for (rule, _), rows in unlisted.items()]
    tls.truth += [("TLS_NAME_SPELLING", [*rows]) for rows in spelt.values()]
    tls.truth += [("TLS_NAME_UNUSED", [*rows]) for rows in unused.values()]


def _renewals(tls: SampleTls) -> None:
    """Write down where two certificates of one name are in use."""
    renewed: dict[tuple[str, frozenset[bytes]], list[int]] = {}
    for domain, named in _readable(tls):
        for name in dict.fromkeys(key for _, key in named):
            ders = frozenset(
                server.certificate.der for server, key in named if key == name and server.certificate
            )
            if len(ders) > 1:
                renewed.setdefault((name, ders), []).extend(tls.dns.rows[domain])
    tls.truth += [("TLS_RENEWAL", rows) for rows in renewed.values()]


def _differing(tls: SampleTls) -> None:
    """Write down which servers stand beside right ones, and are not."""
    differing: dict[str, list[int]] = {}
    for domain in tls.hosts:
        servers = {
            at: server
            for at, server in _servers_of(tls, domain)
            if server.outcome in ("presented", "no-starttls")
        }
        wrong = [
            a for a, o in servers.items() if not o.sound or parse_dn(o.subject).key not in tls.listed[domain]
        ]
        for address in wrong if len(wrong) < len(servers) else ():
            differing.setdefault(address, []).extend(tls.dns.rows[domain])
    tls.truth += [("TLS_SERVERS_DIFFER", rows) for rows in differing.values()]


def _unseen(tls: SampleTls) -> None:
    """Write down of which servers nothing is known, by why."""
    unseen: dict[str, dict[int, None]] = {}
    for domain, hosts in tls.hosts.items():
        ends = {server.outcome for _, server in _servers_of(tls, domain)} - {"presented", "no-starttls"}
        for end in ends | ({"unvisited"} if any(not tls.addresses[host] for host in hosts) else set()):
            unseen.setdefault(end, {}).update(dict.fromkeys(tls.dns.rows[domain]))
    tls.truth += [("TLS_UNSEEN", [*rows]) for rows in unseen.values()]


def _servers_of(tls: SampleTls, domain: str) -> list[tuple[str, Presents]]:
    """Return the servers of a domain by address."""
    addresses = dict.fromkeys(tls.addresses[host] for host in tls.hosts[domain])
    return [(address, tls.servers[address]) for address in addresses if address]


def _readable(tls: SampleTls) -> Iterator[tuple[str, list[tuple[Presents, str]]]]:
    """Yield the domains with those of their servers whose name can be read, and its key."""
    for domain in tls.hosts:
        named = [
            (server, parse_dn(server.subject).key) for _, server in _servers_of(tls, domain) if server.subject
        ]
        if named:
            yield domain, named
