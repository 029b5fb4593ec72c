"""Have other tools look at the mail servers of the tests, and write it beside what we see.

Usage: ``python tools/tls_oracle.py docs/tls.md``. Postfix, Exim and scripted servers present certificates of
a made-up authority in a namespace; `observe tls` and ``openssl s_client`` visit each. The table between the
page's marks is replaced.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "observe"), str(HERE.parent), str(HERE)]
from dnslab import in_namespace  # noqa: E402
from smtplab import Script, saying, serving, tls  # noqa: E402
from smtpservers import ADDRESSES, EXIM, HOST, HOW, running  # noqa: E402

from mssante_audit.base.settings import ObserveTls  # noqa: E402
from mssante_audit.observe.tls.chain import judge  # noqa: E402
from mssante_audit.observe.tls.visit import Visit, offers_of, visit  # noqa: E402
from tools.sample.certificates import Made, make  # noqa: E402

BEGIN, END = "<!-- cases: written by make oracle -->\n", "<!-- end of cases -->\n"
NAME = f"CN={HOST},O=CH ALPHA,ST=Paris (75),C=FR"
NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - timedelta(100)


def authority(name: str, issuer: Made | None = None) -> Made:
    """Return an authority of the made-up space."""
    return make(f"CN={name},O=ESSAI,C=FR", issuer, ca=True, start=START, days=9_999)


def leaf(issuer: Made | None, **more: object) -> Made:
    """Return a server's certificate."""
    fields = {"names": (HOST,), "start": START, **more}
    return make(NAME, issuer, **fields)  # type: ignore[arg-type]


def scripts(folder: Path, between: Made, root: Made) -> dict[str, Script]:
    """Return the scripted cases."""
    foreign = authority("AUTRE AC")
    good = leaf(between).files(folder / "good", between)
    go = ("220 mx\n", "250-mx\n250 STARTTLS\n", "220 go\n")
    return {
        "expired": tls(leaf(between, days=90).files(folder / "expired", between)),
        "not yet valid": tls(leaf(between, start=NOW + timedelta(9)).files(folder / "early", between)),
        "self-signed": tls(leaf(None).files(folder / "self")),
        "another authority": tls(leaf(foreign).files(folder / "other", foreign)),
        "intermediate not sent": tls(leaf(between).files(folder / "alone")),
        "sent out of order": tls(leaf(between).files(folder / "order", root, between)),
        "for clients alone": tls(leaf(between, usages=()).files(folder / "use", between)),
        "TLS 1.2 at most": tls(good, most=ssl.TLSVersion.TLSv1_2),
        "busy (421)": saying("421 4.3.2 later\n"),
        "alert": saying(*go, "\x15\x03\x01\x00\x02\x02\x28"),
        "plain text after STARTTLS": saying(*go[:2], "220 go\n250 injected\n", then=1),
        "no SMTP": saying("SSH-2.0-OpenSSH_9.9\n"),
    }


def look(folder: Path) -> None:
    """Visit every case with each tool, in the namespace; write ``cases.json``."""
    root, verdicts = authority("AC RACINE FICTIVE"), {}
    between = authority("AC FICTIVE", root)
    anchor = root.files(folder / "root")[0]
    named = make(f"CN=nomme.{HOST},O=CH ALPHA,C=FR", between, start=START, days=9_999)
    with running(folder, leaf(between), between, root, named):
        for name, address in ADDRESSES.items():
            verdicts[name] = said(address, 25, root, anchor)
    for name, script in scripts(folder, between, root).items():

        async def scripted(script: Script = script) -> list[str]:
            async with serving({"127.0.60.1": script}) as port:
                return await asyncio.to_thread(said, "127.0.60.1", port, root, anchor)

        verdicts[name] = asyncio.run(scripted())
    (folder / "cases.json").write_text(json.dumps(verdicts))


def said(address: str, port: int, root: Made, anchor: Path) -> list[str]:
    """Return what each tool says of a server."""
    settings = ObserveTls(timeout=5, pause=0)
    seen = visit(address, port, "", settings, offers_of(settings))
    return [ours(seen, root), s_client(address, port, anchor)]


def ours(seen: Visit, root: Made) -> str:
    """Say in short what we make of a server."""
    if not seen.chain:
        return f"`{seen.outcome}`: {seen.detail}"
    chain = judge(seen.chain, [root.certificate], [], NOW)
    time = "" if chain.leaf.in_time(NOW) else ", not in time"
    demanded = ", demands a client's" if seen.demanded else ""
    return f"`{seen.outcome}`, {seen.protocol}, {len(seen.chain)} sent, chain `{chain.state}`{time}{demanded}"


def s_client(address: str, port: int, anchor: Path) -> str:
    """Say in short what ``openssl s_client`` makes of a server."""
    where = ["-connect", f"{address}:{port}", "-noservername", "-CAfile", str(anchor)]
    done = subprocess.run(  # noqa: S603
        ["openssl", "s_client", "-starttls", "smtp", "-showcerts", *where],  # noqa: S607
        input="QUIT\n", capture_output=True, text=True, timeout=60, check=False, errors="replace",
    )  # fmt: skip
    text = done.stdout + done.stderr
    sent = text.count("BEGIN CERTIFICATE") - text.count("Server certificate\n-----BEGIN")
    reason = re.findall(r":([^:]+):\.\./|:([a-z][a-z0-9 ]+):[^:]*:\d+:", text)
    missing = "Didn't find STARTTLS" in text
    if not sent:
        failed = " ".join(filter(None, reason[0])) if reason else "no certificate"
        return "no STARTTLS found, tried anyway" if missing else failed
    protocol = re.search(r"New, (\S+), Cipher", text)
    verified = re.search(r"Verif(?:y return code|ication error): *(.*)", text)
    verdict = verified[1] if verified else "Verification: OK"
    return f"{protocol[1] if protocol else '?'}, {sent} sent, {verdict}"


def table(cases: dict[str, list[str]]) -> str:
    """Return the table of cases."""
    rows = [[name, *(cell.replace("|", "\\|") for cell in verdicts)] for name, verdicts in cases.items()]
    lines = [["case", "`observe tls`", "`openssl s_client`"], ["---"] * 3, *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(page: Path) -> None:
    """Write the table into the page."""
    if not EXIM.is_file():
        sys.exit(HOW)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        code = "sys.path[:0] = ['tools', '.']\nfrom pathlib import Path; from tls_oracle import look\n"
        done = in_namespace(f"{code}look(Path({folder!r}))\n", "127.0.58.1/8", timeout=600)
        if done.returncode:
            sys.exit(done.stderr)
        cases = json.loads(Path(folder, "cases.json").read_text())
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    page.write_text(f"{before}{begin}{table(cases)}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
