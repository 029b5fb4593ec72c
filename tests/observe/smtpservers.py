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

from dnslab import configured, need

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

    They present `leaf`, then `between`; under `HOST`, where they have one more certificate, `named` instead.
    """
    files = dict(zip(("chain", "key"), leaf.files(folder / "certificate", between), strict=True))
    files |= zip(("named_chain", "named_key"), named.files(folder / "named", between), strict=True)
    files["anchor"], _ = root.files(folder / "anchor")
    _users(folder)
    with ExitStack() as stack:
        for name, start in (("Postfix", _postfix), ("Exim", _exim)):
            place = folder / name.lower()
            place.mkdir()
            with (place / "log").open("w") as log:
                process = subprocess.Popen(
                    start(place, files), stdout=log, stderr=subprocess.STDOUT, process_group=0,
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


def _postfix(folder: Path, files: dict[str, Path]) -> list[str]:
    for name in ("pid", "public", "private", "active", "incoming", "deferred", "maildrop"):
        (folder / "queue" / name).mkdir(parents=True)
    (folder / "data").mkdir()
    for name in ("queue/private", "queue/public", "queue/active", "queue/incoming", "queue/deferred", "data"):
        os.chown(folder / name, 990, 992 if name == "queue/public" else 990)
    configured("main.cf", folder, queue=folder / "queue", place=PLACE, host=HOST, **files)
    configured("master.cf", folder, **{way: ADDRESSES[f"Postfix {way}"] for way in WAYS})
    return [str(POSTFIX / "master"), "-d", "-c", str(folder)]


def _exim(folder: Path, files: dict[str, Path]) -> list[str]:
    for name in ("spool", "logs"):
        (folder / name).mkdir()
    for file in (folder / "spool", folder / "logs", *files.values()):
        os.chown(file, 991, 991)
    at = {way: ADDRESSES[f"Exim {way}"] for way in WAYS}
    return [str(EXIM), "-C", configured("exim.conf", folder, host=HOST, **at, **files), "-bdf"]
