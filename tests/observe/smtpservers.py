"""Postfix and Exim as they are, in the namespace of a test: an address for each way to treat a visitor.

Neither is installed: `tools/mail_servers.sh` unpacks them, and they run with users that only their namespace
has. Nothing of theirs outlives `running`.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from dnslab import need

from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.tls.run import observe_tls, servers_of
from mssante_audit.observe.tls.visit import offers_of, visit
from mssante_audit.values.dn import parse_dn
from tools.sample.certificates import Made

PLACE = Path(__file__).parents[2] / ".mail-servers"
POSTFIX, EXIM = PLACE / "usr/lib/postfix/sbin", PLACE / "usr/sbin/exim4"
HOW = "mail servers are missing: `apt-get update && tools/mail_servers.sh`"

HOST = "mx.exemple-fictif.example"
WAYS = ("plain", "demanding", "bare", "busy", "named")
"""With STARTTLS; with a client's certificate demanded; without STARTTLS; too busy for anybody (Exim), or for
a second visit within a minute (Postfix); with a certificate of its own under `HOST`."""
ADDRESSES = {f"{server} {way}": f"127.0.{58 + s}.{w + 1}" for s, server in enumerate(("Postfix", "Exim"))
             for w, way in enumerate(WAYS)}  # fmt: skip


def need_mail_servers() -> None:
    need(POSTFIX.is_dir() and EXIM.is_file(), HOW)


def connects(folder: Path, domain: str) -> bool:
    """Whether Postfix, looking a domain up as it does to deliver, comes to a mail host and connects."""
    (folder / "main.cf").write_text(
        "compatibility_level = 3.6\nsmtp_dns_support_level = enabled\nqueue_directory = /tmp\n"
        "mail_owner = mail\nsetgid_group = daemon\n"
    )
    done = subprocess.run(
        [PLACE / "usr/sbin/posttls-finger", "-c", "-l", "may", "-T", "1", "-t", "5", domain],
        env=os.environ | {"LD_LIBRARY_PATH": LIBRARIES, "MAIL_CONFIG": str(folder)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return "server greeting" in done.stdout + done.stderr  # for which it waits: nobody greets


@contextmanager
def running(folder: Path, leaf: Made, between: Made, root: Made, named: Made) -> Iterator[None]:
    """Run both, in a namespace of network and mounts.

    They present `own`, then `between`; under `HOST`, where they have one more certificate, `named` instead.
    """
    chain, key = leaf.files(folder / "certificate", between)
    named.files(folder / "named", between)
    anchor, _ = root.files(folder / "anchor")
    _users(folder)
    with ExitStack() as stack:
        for name, start in (("Postfix", _postfix), ("Exim", _exim)):
            place = folder / name.lower()
            place.mkdir()
            with (place / "log").open("w") as log:
                process = subprocess.Popen(
                    start(place, chain, key, anchor), stdout=log, stderr=subprocess.STDOUT, process_group=0,
                    env=os.environ | {"LD_LIBRARY_PATH": LIBRARIES, "MAIL_CONFIG": str(place)},
                )  # fmt: skip
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            _wait(process, ADDRESSES[f"{name} demanding"], place / "log")
        yield


def look(folder: Path, authority: Made, between: Made, leaf: Made, client: Made, named: Made) -> None:
    """Visit both in every way and keep what came of it: ``told.json`` and an observation."""
    certificate, key = client.files(folder / "client", between)
    patient = ObserveTls(timeout=10, pause=0)
    showing = ObserveTls(timeout=10, client_certificate=str(certificate), client_key=str(key))
    cases = {
        "": (patient, False, ""), "TLS 1.2": (patient, True, ""), "client": (showing, False, ""),
        "by name": (patient, False, HOST),
    }  # fmt: skip
    visits: dict[str, list[object]] = {}
    with running(folder, leaf, between, authority, named):
        for name, address in ADDRESSES.items():
            for case, (settings, oldest, sni) in cases.items():
                seen = visit(address, 25, sni, settings, offers_of(settings), oldest=oldest)
                chain = [sha256(der).hexdigest() for der in seen.chain]
                visits[f"{name} {case}".strip()] = [
                    seen.outcome, seen.detail, seen.protocol, seen.demanded, chain
                ]  # fmt: skip
        hosts = {name.lower().replace(" ", "."): [address] for name, address in ADDRESSES.items()}
        observe_tls(servers_of(hosts, 25), folder / "tls-1.jsonl.gz", patient)
        listed = {HOST: frozenset([parse_dn(named.certificate.subject.rfc4514_string()).key])}
        hosts = {HOST: [ADDRESSES["Postfix named"], ADDRESSES["Exim named"]]}
        observe_tls(servers_of(hosts, 25, listed), folder / "tls-2.jsonl.gz", patient)
    (folder / "told.json").write_text(json.dumps(visits))


def _named(folder: Path) -> tuple[Path, Path]:
    return folder.parent / "named" / "key.pem", folder.parent / "named" / "chain.pem"


LIBRARIES = f"{PLACE / 'usr/lib/x86_64-linux-gnu'}:{PLACE / 'usr/lib/postfix'}"


def _users(folder: Path) -> None:
    """Give the namespace the users that the packages would have made."""
    for name, more in (
        ("passwd", "postfix:x:990:990::/:/bin/false\nDebian-exim:x:991:991::/:/bin/false\n"),
        ("group", "postfix:x:990:\nDebian-exim:x:991:\npostdrop:x:992:\n"),
    ):
        file = folder / name
        file.write_text(Path("/etc", name).read_text() + more)
        subprocess.run(["mount", "--bind", file, f"/etc/{name}"], check=True)


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    for _ in range(1500):
        with suppress(OSError), socket.create_connection((address, 25), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.terminate()
    raise RuntimeError(f"{log.parent.name} does not start: {log.read_text()[-2000:]}")


def _postfix(folder: Path, chain: Path, key: Path, anchor: Path) -> list[str]:
    queue, named = folder / "queue", _named(folder)
    for name in ("pid", "public", "private", "active", "incoming", "deferred", "maildrop"):
        (queue / name).mkdir(parents=True)
    for name in ("private", "public", "active", "incoming", "deferred", "data"):
        at = folder / "data" if name == "data" else queue / name
        at.mkdir(exist_ok=True)
        os.chown(at, 990, 992 if name == "public" else 990)
    (folder / "main.cf").write_text(f"""\
compatibility_level = 3.10
queue_directory = {queue}
data_directory = {folder / "data"}
daemon_directory = {POSTFIX}
command_directory = {PLACE / "usr/sbin"}
shlib_directory = {PLACE / "usr/lib/postfix"}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
maillog_file = /dev/stdout
myhostname = mx.postfix.example
mydestination =
alias_maps =
local_recipient_maps =
inet_protocols = ipv4
smtpd_peername_lookup = no
smtpd_tls_chain_files = {key} {chain}
smtpd_tls_CAfile = {anchor}
under_its_name = inline:{{ {{ {HOST} = {named[0]} {named[1]} }} }}
smtpd_client_event_limit_exceptions =
anvil_rate_time_unit = 60s
""")
    ways = {
        "plain": "-o smtpd_tls_security_level=may",
        "demanding": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes",
        "bare": "-o smtpd_tls_security_level=none",
        "busy": "-o smtpd_tls_security_level=may -o smtpd_client_connection_rate_limit=1",
        "named": "-o smtpd_tls_security_level=may -o tls_server_sni_maps=$under_its_name",
    }
    listening = "".join(
        f"{ADDRESSES[f'Postfix {way}']}:25 inet n - n - - smtpd {options}\n" for way, options in ways.items()
    )
    (folder / "master.cf").write_text(f"""\
{listening}tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
cleanup unix n - n - 0 cleanup
postlog unix-dgram n - n - 1 postlogd
""")
    return [str(POSTFIX / "master"), "-d", "-c", str(folder)]


def _exim(folder: Path, chain: Path, key: Path, anchor: Path) -> list[str]:
    at = {way: f"eq{{$received_ip_address}}{{{ADDRESSES[f'Exim {way}']}}}" for way in WAYS}
    listening = " : ".join(address for name, address in ADDRESSES.items() if name.startswith("Exim"))
    for name in ("spool", "logs"):
        (folder / name).mkdir()
        os.chown(folder / name, 991, 991)
    named = _named(folder)
    for file in (chain, key, *named):
        os.chown(file, 991, 991)
    (folder / "exim.conf").write_text(f"""\
primary_hostname = mx.exim.example
spool_directory = {folder / "spool"}
log_file_path = {folder / "logs"}/%s
local_interfaces = {listening}
daemon_smtp_ports = 25
disable_ipv6
host_lookup =
tls_certificate = ${{if and{{{{{at["named"]}}}{{eq{{$tls_in_sni}}{{{HOST}}}}}}}{{{named[1]}}}{{{chain}}}}}
tls_privatekey = ${{if and{{{{{at["named"]}}}{{eq{{$tls_in_sni}}{{{HOST}}}}}}}{{{named[0]}}}{{{key}}}}}
tls_advertise_hosts = ${{if {at["bare"]}{{}}{{*}}}}
tls_verify_hosts = ${{if {at["demanding"]}{{*}}{{}}}}
tls_verify_certificates = {anchor}
acl_smtp_connect = connect
begin acl
connect:
  defer condition = ${{if {at["busy"]}}}
        message = too busy now
  accept
""")
    return [str(EXIM), "-C", str(folder / "exim.conf"), "-bdf"]
