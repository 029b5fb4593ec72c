"""Serve the cases of `dnscases` on NSD, Knot and scripted servers, observe them, and audit what was observed.

`running` needs a network namespace of its own (`dnslab.in_namespace`), as root, with `addresses` on it.
"""

import json
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone
import dnscases
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dnscases import CASES, DS, DS_SHA1, PARENT_ZONES, Case
from dnslab import Scripted, start_knot, start_nsd
from dnsmisbehaving import mixed, script
from dnsresolvers import ADDRESSES, UNBOUND, ask_all, reaching, resolving
from smtpservers import connects

sys.path.append(str(Path(__file__).parents[1] / "audits"))
from in_clear import told_in_clear
from invariants import changes, contradictions
from made_up import ALPHA, make_space

from mssante_audit.declarations.register import load_declarations
from mssante_audit.network.mail import Arrival, mails, methods
from mssante_audit.observe.dns.run import ObserveSettings, observe
from mssante_audit.observe.observation import load_observation
from mssante_audit.space.trust import Thresholds, TrustSpace


def addresses(cases: Sequence[Case] = CASES) -> tuple[str, ...]:
    scripted = {address: does for case in cases for address, does in case.scripted}
    others = [elsewhere(address) for address, does in scripted.items() if does.startswith("elsewhere")]
    return tuple(f"{a}/{128 if ':' in a else 32}" for a in (*dnscases.SHARED, *scripted, *others))


def elsewhere(address: str) -> str:
    """Return where a server answers from that does not answer from where it was asked."""
    return f"63.{address.partition('.')[2]}"


ABOVE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def rendered(text: str, domain: str) -> str:
    return text.replace("@.", "@").replace("@", f"{domain}.")


class Key:
    """A key of a zone, made anew each time, and how it signs.

    `kind`: ``now``, ``expired``, ``not yet``, ``mx expired`` (all else is signed well), or the name of an
    algorithm; ``unknown`` is one that no validator knows.
    """

    def __init__(self, kind: str = "now") -> None:
        algorithm = kind if kind in MAKING else "ECDSAP256SHA256"
        self._kind, self._private = kind, MAKING[algorithm]()
        self.record = dns.dnssec.make_dnskey(self._private.public_key(), algorithm, flags=257)
        self._signing = self.record
        if kind == "unknown":
            self.record = self.record.replace(algorithm=UNKNOWN)

    def ds(self, domain: str, kind: str = "SHA256") -> str:
        name = dns.name.from_text(domain)
        return str(dns.dnssec.make_ds(name, self.record, kind, policy=dns.dnssec.allow_all_policy))

    def sign(self, text: str, domain: str) -> str:
        zone = dns.zone.from_text(f"$TTL 300\n{text}", origin=domain, relativize=False)
        keys = [(self._private, self.record)]
        dns.dnssec.sign_zone(zone, keys=keys, dnskey_ttl=300, rrset_signer=self._sign_set)
        return zone.to_text(relativize=False)

    def _sign_set(self, txn: dns.transaction.Transaction, rrset: dns.rrset.RRset) -> None:
        kind = self._kind.removeprefix("mx ") if rrset.rdtype == dns.rdatatype.MX else self._kind
        begins, ends = (datetime.now(UTC) + timedelta(days=days) for days in WHEN.get(kind, WHEN["now"]))
        rrsig = dns.dnssec.sign(
            rrset, self._private, txn.manager.origin, self._signing, inception=begins, expiration=ends,
            policy=dns.dnssec.allow_all_policy,
        )  # fmt: skip
        if kind == "unknown":
            rrsig = rrsig.replace(algorithm=UNKNOWN, key_tag=dns.dnssec.key_id(self.record))
        txn.add(rrset.name, rrset.ttl, rrsig)


MAKING = {
    "RSASHA1": partial(rsa.generate_private_key, 65537, 2048),
    "RSASHA256": partial(rsa.generate_private_key, 65537, 2048),
    "ED25519": ed25519.Ed25519PrivateKey.generate,
    "ECDSAP256SHA256": partial(ec.generate_private_key, ec.SECP256R1()),
}
"""Algorithm → what makes a key of it."""

SIGNED = "mssante.fr"  # the parent zone that is signed
UNKNOWN = 200  # a DNSSEC algorithm that nobody has (RFC 4034: unassigned)
WHEN = {"now": (-1, 12), "expired": (-30, -2), "not yet": (2, 30)}
"""How a zone is signed → days from now at which its signatures begin and end."""


def zones(cases: Sequence[Case] = CASES) -> dict[str, dict[str, str]]:
    """Return the zones of each server: ``root``, ``top``, ``parent1``, ``parent2``, ``operator1``…

    The root, ``fr``, ``example`` and `SIGNED` are signed; ``anchor`` holds the DS record of the root.
    """
    served: dict[str, dict[str, str]] = {"parent1": {}, "parent2": {}, "operator1": {}, "operator2": {}}
    keys = {zone: Key() for zone in (".", "fr", "example", SIGNED)}
    fr = ABOVE["fr"] + f"{SIGNED}. DS {keys[SIGNED].ds(SIGNED)}\n"
    for zone, servers in PARENT_ZONES.items():
        fr += "".join(f"{zone}. NS {name}.\n" for name, _ in servers)
        apex = "".join(f"@ NS {name}.\n" for name, _ in servers)
        late = zone == "desaccord.fr"
        for side, serial in (("parent1", 2024020201), ("parent2", 2024010101 if late else 2024020201)):
            served[side][zone] = ABOVE["parent"].format(primary=servers[0][0], serial=serial) + apex
    example = ABOVE["example"]
    for case in cases:
        example += "".join(f"{line}\n" for line in case.hosts)
        key = Key(case.signed) if case.signed else None
        for side, lines in (("parent1", case.parent), ("parent2", case.second_parent)):
            for line in case.parent if lines is None else lines:
                text = rendered(line, case.domain)
                if key:
                    text = text.replace(DS, key.ds(case.domain)).replace(DS_SHA1, key.ds(case.domain, "SHA1"))
                served[side][case.zone] += text + "\n"
        carried = [(parent, case.carried) for parent in ("parent1", "parent2")]
        for side, text in (("operator1", case.first), ("operator2", case.apart), *carried):
            if text is not None:
                text = rendered(text, case.domain)
                served[side][case.domain] = key.sign(text, case.domain) if key else text
            split = [(name, texts[side == "operator2"]) for name, *texts in case.split]
            for name, more in () if side.startswith("parent") else (*case.more, *split):
                below = name.removesuffix(".") if name.endswith(".") else f"{name}.{case.domain}"
                served[side][below] = rendered(more, below)
    for side in ("parent1", "parent2"):
        served[side][SIGNED] = keys[SIGNED].sign(served[side][SIGNED], SIGNED)
    root = f"{ABOVE['root']}fr DS {keys['fr'].ds('fr')}\nexample DS {keys['example'].ds('example')}\n"
    return served | {
        "root": {".": keys["."].sign(root, ".")}, "anchor": {".": keys["."].ds(".")},
        "top": {"fr": keys["fr"].sign(fr, "fr"), "example": keys["example"].sign(example, "example")},
    }  # fmt: skip


@contextmanager
def running(folder: Path, cases: Sequence[Case] = CASES) -> Iterator[str]:
    """Run all servers of the cases; yield the DS record of the root."""
    served = zones(cases)
    with ExitStack() as stack:
        for name, (start, on) in {
            "root": (start_nsd, [dnscases.ROOT]), "top": (start_nsd, [dnscases.TOP]),
            "parent1": (start_nsd, [dnscases.P1]), "parent2": (start_knot, [dnscases.P2]),
            "operator1": (start_nsd, [dnscases.ONE, dnscases.NEAR, dnscases.SIX_ONE]),
            "operator2": (start_knot, [dnscases.TWO, dnscases.SIX_TWO]),
        }.items():  # fmt: skip
            stack.callback(start(folder / name, on, 53, served[name]).stop)
        scripted = [Scripted(dnscases.P3, 53, mixed)]
        stack.callback(lambda: [server.stop() for server in scripted])
        for address, does in (place for case in cases for place in case.scripted):
            tcp = not does.endswith(("udp-only", "no-tcp"))
            other = elsewhere(address) if does.startswith("elsewhere") else ""
            scripted.append(Scripted(address, 53, script(does), tcp=tcp, from_address=other))
        stack.callback(lambda: [server.end() for server in scripted])
        yield served["anchor"]["."]


def look_with_resolvers(folder: Path, cases: Sequence[Case]) -> None:
    """Observe `cases` with the time-out in use; meanwhile ask resolvers, and keep it in ``resolved.json``.

    A busy machine makes resolvers give up: where they do not come as the table says they start once more.
    """
    learnt = [zone for case in cases for zone in getattr(case, "learnt", ())]
    with running(folder, cases) as anchor:
        with (
            resolving(folder / "resolvers", anchor),
            ProcessPoolExecutor(1, get_context("spawn")) as pool,  # who asks is not kept by our threads
        ):
            replies = pool.submit(ask_all, [domain for case in cases for domain in case.domains], learnt)
            observe_cases(folder, cases, timeout=3)
            resolved = replies.result()
        odd = [d for c in cases for d in c.domains if c.reached not in (None, reaching(resolved[d]))]
        with resolving(folder / "again", anchor):
            resolved |= ask_all(odd, learnt)
    (folder / "resolved.json").write_text(json.dumps(resolved))


def look_with_postfix(folder: Path, cases: Sequence[Case], hosts: Sequence[str]) -> None:
    """Have Postfix look up `cases` with unbound, `hosts` listening; keep where it connects in a file."""
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESSES[UNBOUND]}\n")
    subprocess.run(["mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf"], check=True)
    with ExitStack() as stack:
        anchor = stack.enter_context(running(folder, cases))
        stack.enter_context(resolving(folder / "resolvers", anchor))
        for host in hosts:
            stack.enter_context(socket.create_server((host, 25)))
        connected = {case.name: connects(folder, case.domain) for case in cases}
    (folder / "postfix.json").write_text(json.dumps(connected))


def observe_cases(folder: Path, cases: Sequence[Case] = CASES, **changes: object) -> None:
    """Observe all cases; one file a parent zone. `changes` are of the settings."""
    for zone, servers in PARENT_ZONES.items():
        settings = ObserveSettings(
            parent_zone=zone, parent_servers=servers, root=(("a.root-servers.net", dnscases.ROOT),),
            retry_delay=0.05, per_server=1e5, per_second=1e5, **{"timeout": 1.5} | changes,
        )  # fmt: skip
        if domains := [domain for case in cases if case.zone == zone for domain in case.domains]:
            for _ in range(2):  # where a good server is slow the machine was busy: then once more
                (path := folder / f"{zone}.jsonl.gz").unlink(missing_ok=True)
                observe(domains, path, settings)
                replies = load_observation(path).replies
                if max(reply.rtt or 0 for reply in replies if reply.address in dnscases.SHARED) < 1000:
                    break


def spaces(folder: Path, cases: Sequence[Case] = CASES) -> Iterator[tuple[list[Case], TrustSpace]]:
    """Yield the cases of each parent zone, one for each row, and their space as `observe_cases` saw it."""
    for zone in PARENT_ZONES:
        mine = [(case, domain) for case in cases if case.zone == zone for domain in case.domains]
        if not mine:
            continue
        rows = [{"domain": d, "dn": ALPHA["dn"].replace("mss.alpha.example", c.cn)} for c, d in mine]
        register = folder / f"{zone}.csv"
        register.write_text(_register([case for case in cases if case.zone == zone]))
        yield [case for case, _ in mine], replace(
            make_space(*rows), observation=load_observation(folder / f"{zone}.jsonl.gz"),
            register=load_declarations(register),
            thresholds=Thresholds(concentration_min=60 if cases is CASES else 1000),
        )  # fmt: skip


def judged(
    folder: Path, cases: Sequence[Case] = CASES
) -> tuple[dict[str, Arrival], dict[str, str], dict[str, set[str]]]:
    """Return whether mail arrives, and the method, by domain; and what is found, by the name of a case.

    All of it from what `observe_cases` wrote.
    """
    mail: dict[str, Arrival] = {}
    used: dict[str, str] = {}
    rules: dict[str, set[str]] = {case.name: set() for case in cases}
    for mine, space in spaces(folder, cases):
        domains = [domain for case in dict.fromkeys(mine) for domain in case.domains]
        mail |= mails(space.observation, domains, datetime.now(UTC), max_age_days=7)
        used |= methods(space.observation, domains).set_index("domain")["method"].to_dict()
        for finding in told_in_clear("delegation_vs_redirection", space).itertuples():
            for row in finding.rows:
                rules[mine[row - 1].name].add(finding.rule)
    return mail, used, rules


def broken(folder: Path, cases: Sequence[Case], rounds: int) -> list[str]:
    """Return what answers and findings of cases say that does not go together, or not rest on lines."""
    wrong = []
    for _, space in spaces(folder, cases):
        domains, now = space.audited["domain"].unique().tolist(), datetime.now(UTC)
        answers_of = mails(space.observation, domains, now, 7)
        receives = {domain: mail.receives for domain, mail in answers_of.items()}
        wrong += contradictions(space, told_in_clear("delegation_vs_redirection", space), receives)
        wrong += changes(space, domains, now, rounds)
    return wrong


def _register(cases: list[Case]) -> str:
    lines = ["domain,delegation,redirection,primary_server,secondary_server,mail_server,date"]
    for case in cases:
        if case.declared:
            kind, *texts = case.declared
            boxes = ["X" if kind == box else "" for box in ("delegation", "redirection")]
            lines.append(",".join([case.domain, *boxes, *texts, *[""] * (3 - len(texts)), "01/02/2025"]))
    return "\n".join(lines) + "\n"
