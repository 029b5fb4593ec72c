"""Write the demonstration, ``data/sample``: one made-up and plausible story, whose README tells it.

Usage: ``python -m tools.demo FOLDER [--force]``. Two regions of the West, some 40 operators and 300 domains,
fourteen months of archive, and the morning of 2 March 2026 as DNS and mail servers had it. All that does not
belong to the story is right. The keys that sign lists are made anew and thrown away; all else follows from
`SEED`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.serialization import Encoding

from mssante_audit.audits import audit_all, unsure, waived
from mssante_audit.base.errors import AuditError
from mssante_audit.base.staging import put_folder
from mssante_audit.findings import ledger, trend
from mssante_audit.findings.ledger import Ledger, follow, write_ledger
from mssante_audit.findings.trend import add_point, point_of
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.declarations import REGISTER, Cells, cells_of, register_of
from tools.sample.dns import BACKUP, OBSERVATION, SampleDns, build_dns
from tools.sample.dns_signing import Signer, anchor
from tools.sample.mailboxes import BEFORE, EXTRACTION, mailbox_text
from tools.sample.operators import Certificate, Operator, finess, national, shifted, siren, siret, slug, towns
from tools.sample.signing import make_chain, sign
from tools.sample.space import ZONE, Entry, Row, stamp, whitelist_chunks
from tools.sample.tls import CRL, ISSUING, ROOT, SEEN_AT, TLS, YEARS, SampleTls, build_tls

SEED = 2026
LIST_FILE = "listeblanchemssante.xml.gz"
TOP_LEVEL = frozenset(
    {LIST_FILE, REGISTER, "anchors", "archive", "crls", "nights", "observations", "waivers.toml", "README.md"}
    | {Path(name).stem + ".zip" for name in (EXTRACTION, BEFORE)}
)
MONTHS = tuple((2025 + at // 12, at % 12 + 1) for at in range(15))
TIMES = tuple(
    next(day for day in (datetime(y, m, d, 5, 30, tzinfo=UTC) for d in range(1, 8)) if not day.weekday())
    for y, m in MONTHS
)
"""When the lists were generated: on the first Monday of each month."""
DEPARTMENTS = (
    ("Ille-et-Vilaine", "35"), ("Loire-Atlantique", "44"), ("Finistère", "29"), ("Maine-et-Loire", "49"),
    ("Morbihan", "56"), ("Vendée", "85"), ("Côtes-d'Armor", "22"), ("Sarthe", "72"), ("Mayenne", "53"),
)  # fmt: skip
HOSPITAL = (
    ("ch", "le Centre Hospitalier de"), ("ehpad", "l'EHPAD du Centre Hospitalier de"),
    ("ssiad", "le SSIAD du Centre Hospitalier de"), ("usld", "l'unité de soins de longue durée de"),
    ("had", "l'hospitalisation à domicile de"), ("ifsi", "l'institut de formation en soins infirmiers de"),
)  # fmt: skip
HOSTED = (
    ("ehpad", "l'EHPAD de"), ("msp", "la Maison de santé de"), ("ch", "le Centre Hospitalier de"),
    ("cpts", "la CPTS de"), ("ssiad", "le SSIAD de"), ("pharmacie", "la Pharmacie de"),
    ("csi", "le Centre de soins infirmiers de"),
)  # fmt: skip
GROUPS = (
    ("gcs", "GROUPEMENT E-SANTE DE", 86, HOSTED), ("gcs", "GROUPEMENT NUMERIQUE DE", 62, HOSTED),
    ("mss", "MESSAGERIES FICTIVES DE", 40, HOSTED),
    ("labo", "LABORATOIRES DE", 11, (("labo", "le Laboratoire de"),)),
    ("clinique", "CLINIQUES DE", 9, (("clinique", "la Clinique de"),)),
)  # fmt: skip
"""The five large operators: kind, name, domains, structures; each other one is a hospital with its own."""
OPERATORS = 40
HOSTS = 40
"""Domains that a mail server of the largest operators carries."""
HEIR, VENDOR, LABORATORIES, MOVING, SPELLING, LEFT = 1, 2, 3, 5, 6, 7
DANGLING, CLOSING, RENEWING, NEW, ALONE = 9, 13, 20, 30, 39
"""Positions of the operators that the story is about."""
SIZES = {MOVING: 24, SPELLING: 6, LEFT: 5, DANGLING: 9, CLOSING: 4, RENEWING: 4, NEW: 3, ALONE: 1}
SPELLINGS = ("CENTRE HOSPITALIER", "CH", "CENTRE HOSP.")
ENDING_DAYS = 9
LOST_HOST = "mss.hebergeur-disparu.example"
WAIVERS = """\
[[waiver]]
rule = "CONTACT_PERSONAL"
domain = "{domain}"
reason = "Cabinet d'un seul médecin, qui répond elle-même : pas de boîte de service."
who = "Cellule MSSanté régionale"
until = 2026-06-30
"""


@dataclass
class Demo:
    """What is made up, month after month."""

    random: Random
    operators: list[Operator] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    arriving: dict[int, list[Entry]] = field(default_factory=dict)
    """By month."""
    lists: list[bytes] = field(default_factory=list)
    """Unsigned, one a month."""
    declared: dict[str, Cells] = field(default_factory=dict)
    """What the register says otherwise than the last list, by domain."""
    deployed: dict[str, Entry] = field(default_factory=dict)
    """Domains that servers have otherwise than the list: the row that they answer."""
    dangling: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    """Domains that went to another operator, and the former mail server that stands beside the new one."""
    withdrawn: str = ""

    def rows_of(self, operator: int) -> list[Entry]:
        """Return the rows of an operator, by domain."""
        entries = [entry for entry in self.entries if entry.operator == self.operators[operator].id]
        return sorted(entries, key=lambda entry: entry.domain)

    def rows(self) -> list[Row]:
        """Return the list's rows."""
        return [entry.row() for entry in sorted(self.entries, key=lambda entry: entry.domain)]


def tell(months: int = len(TIMES)) -> Demo:
    """Make up the lists of fourteen months, or of the first of them."""
    demo = Demo(Random(SEED))  # noqa: S311 - reproducible, nothing secret
    places = towns(demo.random)
    demo.operators = [_operator(at, town) for at, town in enumerate(places[:OPERATORS])]
    free = iter(places[OPERATORS:])
    for at, operator in enumerate(demo.operators):
        for entry in _entries(demo, at, operator, places[at], free):
            month = demo.random.choice((0, 0, 0, 0, demo.random.randrange(1, 14))) if at != MOVING else 0
            demo.arriving.setdefault(11 if at == NEW else month, []).append(entry)
    for month, time in enumerate(TIMES[:months]):
        for entry in demo.arriving.pop(month, ()):
            entry.stamp = stamp(
                time - timedelta(seconds=demo.random.randrange(3600, (24 if month else 290) * 86400))
            )
            demo.entries.append(entry)
        if happening := EVENTS.get(month):
            happening(demo, time)
        demo.lists.append(b"".join(whitelist_chunks(demo.rows(), time)))
    return demo


def _operator(at: int, town: str) -> Operator:
    label, code = DEPARTMENTS[at % len(DEPARTMENTS)]
    kind, name = GROUPS[at][:2] if at < len(GROUPS) else ("ch", "CENTRE HOSPITALIER DE")
    if at == ALONE:
        kind, name = "cabinet", "CABINET MEDICAL DE"
    number = {"mss": "3" + siret(500 + at), "labo": "3" + siret(500 + at), "clinique": "2" + siren(500 + at)}
    mail, phone = f"{kind}-{slug(town)}.example", f"026191{2000 + 40 * at:04d}"
    desk = ("projet-mssante", "dsi", "contact-mssante")[at % 3]
    project = f"{national(phone)}, {desk}@{mail}"
    support = f"{national(shifted(phone, 1))}, support-mssante@{mail}"
    if at in (LEFT, ALONE):
        project = f"Mme SPECIMEN Zoé, {national(phone)}, zoe.specimen@{mail}"
    name, zone = f"{name} {slug(town)}".upper(), slug(town) if kind == "gcs" else ""
    ident = number.get(kind, "1" + finess(code, at))
    return Operator(ident, name, f"{label} ({code})", mail, phone, zone, False, project, support)


def _entries(demo: Demo, at: int, operator: Operator, home: str, free: Iterator[str]) -> Iterator[Entry]:
    """Yield an operator's rows: a group's for structures of as many towns, a hospital's for its own."""
    group = GROUPS[at] if at < len(GROUPS) else None
    size = group[2] if group else SIZES.get(at, (1, 2, 3, 4, 2)[at % 5])
    for index in range(size):
        kinds = group[3] if group else HOSPITAL
        kind, title = kinds[index % len(kinds)]
        town = next(free) if group or index >= len(kinds) else home
        if at == ALONE:
            kind, title = "cabinet", "le Cabinet médical de"
        label = f"{kind}-{slug(town)}"
        domain = f"{label}.{operator.zone}.{ZONE}" if operator.zone else f"{label}.{ZONE}"
        certificate = operator.certificate(f"mss-{index // HOSTS + 1}")
        if at == SPELLING:
            certificate = operator.certificate(f"mss-{index % 3 + 1}")
            certificate = certificate.but(o=certificate.o.replace("CENTRE HOSPITALIER", SPELLINGS[index % 3]))
        text = f"Domaine de messagerie MSSanté pour {title} {town}"
        yield Entry(domain, text, certificate, operator.project, operator.support, "", operator.id)


def _changed(entry: Entry, time: datetime, **changes: str | Certificate) -> None:
    for name, value in changes.items():
        setattr(entry, name, value)
    entry.stamp = stamp(time - timedelta(days=4, hours=len(entry.domain) % 9))


# -- what happens -------------------------------------------------------------------------------------------


def _renewal(demo: Demo, time: datetime) -> None:
    """Have an operator put another name in the place of its certificate's, everywhere."""
    certificate = demo.operators[RENEWING].certificate("mss-2025")
    for entry in demo.rows_of(RENEWING):
        _changed(entry, time, certificate=certificate, dn=certificate.dn)


def _removals(demo: Demo, time: datetime) -> None:
    """Have two of a group's domains leave the list."""
    for entry in demo.rows_of(LABORATORIES)[:2]:
        demo.entries.remove(entry)


def _departure(demo: Demo, time: datetime) -> None:
    """Have a hospital's manager leave; her successor is told of all its domains but one."""
    operator = demo.operators[LEFT]
    for entry in demo.rows_of(LEFT)[1:]:
        _changed(entry, time, project=f"{national(shifted(operator.phone, 4))}, dsi@{operator.mail}")


def _closing(demo: Demo, time: datetime) -> None:
    """Have a ward close: its domain is declared as withdrawn, and its servers forget it."""
    entry = demo.rows_of(CLOSING)[-1]
    demo.withdrawn = entry.domain
    none: Cells = dict.fromkeys(("delegation", "primary_server", "secondary_server"), "")
    day = f"{time - timedelta(days=20):%d/%m/%Y}"
    demo.declared[entry.domain] = none | {"withdrawal": "X", "date": day}


def _loss(demo: Demo, time: datetime) -> None:
    """Have the host that a hospital's domains are led to go, with the contract that nobody prolonged."""
    demo.dangling = [entry.domain for entry in demo.rows_of(DANGLING)]


def _migration(demo: Demo, time: datetime) -> None:
    """Have a hospital's domains go to a group: all of them in the list, half of them on the servers.

    Of the others one in two is led to both servers, and one still to the former alone.
    """
    heir = demo.operators[HEIR]
    certificate = heir.certificate("mss-2")
    for at, entry in enumerate(demo.rows_of(MOVING)):
        if at % 4 == 2:
            demo.deployed[entry.domain] = replace(entry)
        demo.moved[entry.domain] = entry.certificate.cn if at % 4 == 3 else ""
        _changed(
            entry,
            time,
            certificate=certificate,
            dn=certificate.dn,
            operator=heir.id,
            project=heir.project,
            support=heir.support,
        )
        demo.declared[entry.domain] = {"date": "16/02/2026"}


EVENTS: dict[int, Callable[[Demo, datetime], None]] = {
    4: _renewal, 6: _removals, 8: _departure, 10: _closing, 12: _loss, 14: _migration,
}  # fmt: skip
"""By month, the first being 0."""


# -- what servers and directory say -------------------------------------------------------------------------


def _register(demo: Demo) -> dict[str, Cells]:
    """Return what each domain's declaration says otherwise than the list: when, and how mail is led there."""
    changes: dict[str, Cells] = {}
    for entry in demo.entries:
        at = next(i for i, operator in enumerate(demo.operators) if operator.id == entry.operator)
        day = datetime.strptime(entry.stamp[:10], "%Y-%m-%d") - timedelta(days=6)
        host = LOST_HOST if at == DANGLING else entry.certificate.cn
        none: Cells = dict.fromkeys(("delegation", "primary_server", "secondary_server"), "")
        redirected = none | {"redirection": "X", "mail_server": host}
        method = {} if (demo.operators[at].zone and entry.domain.count(".") > 2) or at % 3 else redirected
        if entry.domain in demo.moved or at in (VENDOR, DANGLING):
            method = redirected
        changes[entry.domain] = {"date": f"{day:%d/%m/%Y}"} | method | demo.declared.get(entry.domain, {})
    return changes


def _dns(demo: Demo, cells: list[Cells], at: datetime) -> SampleDns:
    """Return the DNS of a morning, which has not heard of all that was listed or withdrawn."""
    dns = build_dns(_deployed(demo), demo.operators, cells, defects=False)
    dns.at = at
    dns.withdraw(demo.withdrawn)
    for domain, sets in dns.parent.records.items():
        if "MX" in sets:  # the form has room for one server
            hosts = [LOST_HOST if domain in demo.dangling else dns.mail[domain], demo.moved.get(domain)]
            sets["MX"] = [f"{10 * at} {host}" for at, host in enumerate(hosts, 1) if host]
    anchor(dns.world, dns.parent, dns.at)
    Signer(dns.parent, dns.at).sign()
    return dns


def _deployed(demo: Demo) -> list[Row]:
    """Return the rows that servers answer, in the order of the list."""
    entries = (demo.deployed.get(entry.domain, entry) for entry in demo.entries)
    return sorted((entry.row() for entry in entries), key=lambda row: row[0])


def _tls(demo: Demo, dns: SampleDns) -> SampleTls:
    """Have each pair of mail servers present a certificate of its own age; the vendor's is near its end."""
    tls = build_tls(dns, _deployed(demo), defects=False)
    for host in sorted(host for host, address in tls.addresses.items() if address):
        if host.startswith(BACKUP):
            continue
        age = Random(host).randrange(20, YEARS - 100)  # noqa: S311 - reproducible, nothing secret
        start = SEEN_AT - timedelta(days=age)
        if host.endswith(demo.operators[VENDOR].mail):
            start = SEEN_AT + timedelta(days=1 + ENDING_DAYS - YEARS, hours=4)
        elif start > dns.at:
            start -= timedelta(days=YEARS - 20)  # the one before it
        both = (host, f"{BACKUP}{host}")
        tls.present(tls.certified(host, start=start), *(name for name in both if name in tls.addresses))
    return tls


def _extractions(demo: Demo) -> dict[str, bytes]:
    """Return the public extractions of the mailboxes, packed: that of the day before, and one of January."""
    sizes = {"ch": 60, "clinique": 30, "had": 12, "labo": 8, "ehpad": 6, "msp": 9, "ssiad": 4, "ifsi": 3}
    now, before = {}, {}
    for entry in demo.entries:
        usual = sizes.get(entry.domain.partition("-")[0], 2)
        if entry.domain != demo.withdrawn:
            now[entry.domain] = usual + demo.random.randrange(usual)
            before[entry.domain] = now[entry.domain] - now[entry.domain] // 20
    files = {}
    for name, numbers in ((EXTRACTION, now), (BEFORE, before)):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            member = zipfile.ZipInfo(name, (2026, 3, 1, 10, 14, 0))
            archive.writestr(member, mailbox_text(numbers, {}), zipfile.ZIP_DEFLATED, 9)
        files[f"{Path(name).stem}.zip"] = packed.getvalue()
    return files


def demo_files(months: int = len(TIMES)) -> dict[str, bytes]:
    """Return the files of the demonstration by their paths, but for what its nights found; see `demo_nights`.

    With fewer `months` they are as they were then.
    """
    demo, at = tell(months), TIMES[months - 1]
    chain = make_chain(not_before=TIMES[0] - timedelta(days=30))
    files = {
        f"anchors/{name}.pem": getattr(chain, name).public_bytes(Encoding.PEM) for name in ("root", "issuing")
    }
    files["anchors/servers.pem"] = ROOT.pem + ISSUING.pem
    for time, xml in zip(TIMES, demo.lists, strict=False):
        signed = sign(xml, chain)
        files[LIST_FILE] = gzip.compress(signed, mtime=0)
        name = f"{time:%Y-%m-%dT%H%M%SZ}-{hashlib.sha256(signed).hexdigest()[:8]}.xml.gz"
        files[f"archive/{name}"] = files[LIST_FILE]
    rows, changes = demo.rows(), _register(demo)
    files[REGISTER] = register_of(rows, demo.operators, changes)
    dns = _dns(demo, cells_of(rows, demo.operators, changes), at)
    tls = _tls(demo, dns)
    for name, content in ((OBSERVATION, dns.observation()), (TLS, tls.observation())):
        lines = gzip.decompress(content).replace(f"{SEEN_AT:%Y-%m-%d}T".encode(), f"{at:%Y-%m-%d}T".encode())
        files[name.replace(f"{SEEN_AT:%Y-%m-%d}", f"{at:%Y-%m-%d}")] = gzip.compress(lines, mtime=0)
    files[CRL] = tls.crl()
    files |= _extractions(demo)
    alone = demo.rows_of(ALONE)[0]
    files["waivers.toml"] = WAIVERS.format(domain=alone.domain).encode()
    files["README.md"] = _readme(demo).encode()
    return files


def demo_nights() -> dict[str, bytes]:
    """Return the ledger and the trend of six nights, one a month, each audited as its data were then."""
    with TemporaryDirectory() as scratch:
        state = Path(scratch)
        entries: Ledger = {}
        scope = ledger.scope_of("run", {"data": "data"})
        for months in range(len(TIMES) - 5, len(TIMES) + 1):
            folder = state / str(months)
            write_files(folder, demo_files(months))
            day = TIMES[months - 1] + timedelta(days=1)
            trust = {"anchors": [folder / "anchors"], "signer": SAMPLE_SIGNER}
            space = load_space(folder, as_of=day, **trust)
            findings, accepted = audit_all(space), waived(space)
            followed = follow(entries, scope, space.as_of.isoformat(), findings, unsure(space), accepted)
            add_point(state / trend.FILE, point_of(space.as_of, findings, accepted, followed))
        write_ledger(state, entries)
        return {f"nights/{name}": (state / name).read_bytes() for name in (ledger.FILE, trend.FILE)}


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files by their paths."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _readme(demo: Demo) -> str:
    old = [domain for domain in demo.deployed if domain in demo.moved]
    both = [domain for domain, host in demo.moved.items() if host]
    lost = len(old) + len(demo.dangling) + 1
    names = {
        key: demo.operators[at].name
        for key, at in (
            ("vendor", VENDOR),
            ("heir", HEIR),
            ("moved", MOVING),
            ("lost", DANGLING),
            ("spelling", SPELLING),
        )
    }
    return Path(__file__).with_name("demo_readme.md").read_text(encoding="utf-8").format(
        seed=SEED, domains=len(demo.entries), operators=len({entry.operator for entry in demo.entries}),
        yes=len(demo.entries) - lost - len(both), degraded=len(both), no=lost,
        vendor_domains=len(demo.rows_of(VENDOR)), moving=len(demo.moved), both=len(both), old=len(old),
        dangling=len(demo.dangling), withdrawn=demo.withdrawn, left=demo.rows_of(LEFT)[0].domain, **names,
    )  # fmt: skip


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description="Write the demonstration.")
    parser.add_argument("out", help="folder to write")
    parser.add_argument("--force", action="store_true", help="replace a sample written earlier")
    options = parser.parse_args()

    try:
        files = demo_files() | demo_nights()
        put_folder(
            Path(options.out).resolve(),
            lambda to: write_files(to, files),
            names=TOP_LEVEL,
            force=options.force,
        )
    except AuditError as error:
        sys.exit(f"tools.demo: {error}")


if __name__ == "__main__":
    main()
