"""Reports that tests of several folders look at: made once a session, by the engine that users run."""

import gc
import gzip
import ipaddress
import json
import os
import re
import signal
import ssl
import tomllib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import forked
import pandas as pd
import pytest
from commands import run as run
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from made_findings import framed, made
from made_up import xml_of
from tlsmade import write_tls

from mssante_audit.audits import audit_all, waived
from mssante_audit.base.resources import SAMPLE_FOLDER, resource
from mssante_audit.declarations.register import fields
from mssante_audit.findings.frame import concat
from mssante_audit.findings.ledger import FollowUp, follow
from mssante_audit.findings.trend import point_of
from mssante_audit.observe.dns.names import canonical
from mssante_audit.report.run import ReportsRun, run_reports
from mssante_audit.site.build import build_site
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.whitelist.listxml import FIELDS
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.dns import OBSERVED_AT
from tools.sample.dns_world import World, Zone, observe_world

# Tests send signals to their children, which ignore what `nohup` or a shell has this process ignore; of what
# it handles by a function a child begins with the default. SIGHUP: it survives the terminal, as was asked.
for number, handler in {
    signal.SIGHUP: lambda *_: None, signal.SIGINT: signal.default_int_handler,
    signal.SIGQUIT: signal.SIG_DFL, signal.SIGTERM: signal.SIG_DFL,
}.items():  # fmt: skip
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

forked.install()

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "tests" / "catalogue"
"""A made-up trust space with every defect, and the truth about it; `tools.sample` writes it."""
os.environ[SAMPLE_FOLDER] = str(CATALOGUE)  # what is asked of no data is asked of it
REAL = ROOT.parent / "shared" / "real"
REAL_AS_OF = "2025-03-01"
SAMPLE_AS_OF = "2026-03-03T06:00:00Z"


def toml(name: str) -> dict[str, Any]:
    """Return cases that are data: a TOML file below ``tests``."""
    return tomllib.loads((ROOT / "tests" / f"{name}.toml").read_text(encoding="utf-8"))


PAYLOADS = tuple(toml("payloads")["payloads"])
"""Texts that must stay texts wherever they end up."""


def hostile_list(shift: int = 0, generated: str = "2026-03-02T05:30:00Z") -> bytes:
    """Return a white list with each payload in each field; shifted ones have them in other rows."""
    rows = []
    for number in range(len(PAYLOADS)):
        payload = PAYLOADS[(number + shift) % len(PAYLOADS)]
        for field, column in FIELDS.items():
            operator = payload if field == "Nom" else f"CH HOSTILE {number}"
            contact = f"04 65 71 00 {number:02}, contact@hostile-{number}.example"
            row = {"project_contact": contact, "support_contact": contact}
            row["domain"] = f"ch-{field.lower()}-{number}.mssante.fr"
            row["description"] = f"Domaine du CH fictif {number}"
            row["dn"] = f"CN=mss.hostile-{number}.example,OU=10100{number:05},O={operator},ST=Ain (01),C=FR"
            rows.append(row | {column: payload})
    return xml_of(*rows, generated=generated)


def hostile_register() -> str:
    """Return a register with each payload in each field and heading, of listed and other domains."""
    declared = {
        "structure_name": "CH HOSTILE", "structure_id": "1010100000", "date": "2025-06-01",
        "dn_igc_sante": "CN=mss.hostile.example,OU=1010100000,O=CH HOSTILE,ST=Ain (01),C=FR",
    }  # fmt: skip
    records = [
        declared
        | {"domain": f"ch-nom-{number}-{column}.mssante.fr".replace("_", "-"), column: payload, payload: "x"}
        for number, payload in enumerate(PAYLOADS)
        for column in fields()
    ]
    records += [declared | {"domain": f"ch-description-{n}.mssante.fr"} for n in range(len(PAYLOADS))]
    return json.dumps(records)


def the_day_before(listed: bytes) -> bytes:
    """Return a list made up from another: a day earlier, every fiftieth row not there yet."""
    rows, row = iter(range(10**6)), re.compile(rb"<Domaine>.*?</Domaine>", re.DOTALL)
    fewer = row.sub(lambda match: b"" if next(rows) % 50 == 0 else match[0], listed)
    day = re.compile(rb"(<DateDeGeneration>\d{4}-\d\d-)(\d\d)")
    return day.sub(lambda match: b"%b%02d" % (match[1], int(match[2]) - 1), fewer, count=1)


def archived(data: Path, *lists: bytes) -> None:
    """Put lists into the archive of a data folder, as if they had been fetched."""
    (data / "archive").mkdir()
    for content in lists:
        whitelist = load_whitelist(content)
        name = f"{whitelist.generated_at:%Y-%m-%dT%H%M%SZ}-{whitelist.sha256[:8]}.xml.gz"
        (data / "archive" / name).write_bytes(gzip.compress(content))


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Undo what a command in this process does: where it shows contacts, its files are for nobody else."""
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    os.umask(mask)


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    return PAYLOADS


def hostile_dns() -> World:
    """Return a DNS with each payload (as far as names can carry it) as mail host and name server."""
    world = World(parent_servers=(("p.gestion.example", "192.0.2.10"),))
    parent = world.serve(Zone("mssante.fr").soa(1), "192.0.2.10")
    for number, payload in enumerate(PAYLOADS):
        if name := canonical(payload[:60].replace(".", " ") + ".example"):
            parent.add(f"ch-nom-{number}.mssante.fr", "MX", f"10 {name}")
            parent.add("ch-a.mssante.fr", "NS", name)
    return world


@pytest.fixture(scope="module")
def shipped() -> Iterator[Path]:
    """The sample that ships, for tests of what a newcomer sees: all others have the catalogue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(SAMPLE_FOLDER)
        yield resource("data/sample")


@pytest.fixture(scope="session")
def sample_space() -> TrustSpace:
    """The catalogue; it keeps what audits and dossiers once found in it, so it is not to be changed."""
    return load_space(as_of=SAMPLE_AS_OF)


@pytest.fixture(scope="session")
def space(sample_space: TrustSpace) -> TrustSpace:
    return sample_space


@pytest.fixture(scope="session")
def findings(sample_space: TrustSpace) -> pd.DataFrame:
    return audit_all(sample_space)


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory) -> ReportsRun:
    return run_reports(out=tmp_path_factory.mktemp("sample"), parameters={"as_of": SAMPLE_AS_OF})


@pytest.fixture(scope="session")
def english_run(tmp_path_factory) -> ReportsRun:
    settings = {"as_of": SAMPLE_AS_OF, "lang": "en"}
    return run_reports(out=tmp_path_factory.mktemp("english"), parameters=settings)


@pytest.fixture(scope="session")
def english_site(english_run, sample_space, tmp_path_factory) -> Path:
    """The folder of the English site of the sample, with its reports below ``rapports``."""
    folder, findings = tmp_path_factory.mktemp("english-site"), audit_all(sample_space, language="en")
    more = {"waived": waived(sample_space, language="en"), "told": None, "points": (), "language": "en"}
    build_site(folder, sample_space, findings, reports=english_run.out, **more)
    return folder


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Path:
    if not REAL.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    folder = tmp_path_factory.mktemp("real")
    copytree(REAL, folder / "data")
    (listed,) = (gzip.decompress(file.read_bytes()) for file in REAL.glob("*.xml.gz"))
    archived(folder / "data", the_day_before(listed), listed)
    copy(CATALOGUE / "declarations.csv", folder / "data")  # the real one has no register
    (sample,) = (CATALOGUE / "observations").glob("dns-*.gz")  # nor an observation
    seen = gzip.decompress(sample.read_bytes()).replace(b'"2026-03-02T', b'"2025-02-28T')
    (folder / "data" / "dns.jsonl.gz").write_bytes(gzip.compress(seen))
    return folder / "data"


@pytest.fixture(scope="session")
def real_run(real_data) -> ReportsRun:
    settings = {"data": str(real_data), "as_of": REAL_AS_OF}
    return run_reports(out=real_data.parent / "out", parameters=settings)


@pytest.fixture(scope="session")
def real_space(real_data) -> TrustSpace:
    """What the reports of the real list are of, loaded; not to be changed."""
    return load_space(real_data, as_of=REAL_AS_OF)


@pytest.fixture(scope="session")
def certificates_run(tmp_path_factory) -> ReportsRun:
    """The report on certificates, of the sample with servers that were visited and say hostile things."""
    folder = tmp_path_factory.mktemp("certificates")
    copytree(CATALOGUE, folder / "data")
    write_tls(load_space(folder / "data", as_of=SAMPLE_AS_OF), folder / "data", PAYLOADS)
    settings = {"data": str(folder / "data"), "as_of": SAMPLE_AS_OF}
    return run_reports(["certificates"], out=folder / "out", parameters=settings)


@pytest.fixture(scope="session")
def hostile_data(tmp_path_factory) -> Path:
    """A folder with a list, a register and an observation that have hostile text in every field."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "data").mkdir()
    (folder / "data" / "hostile.xml").write_bytes(hostile_list())
    archived(folder / "data", hostile_list(1, "2026-02-01T05:30:00Z"), hostile_list())
    (folder / "data" / "declarations.json").write_text(hostile_register(), encoding="utf-8")
    names = [*(f"ch-nom-{n}.mssante.fr" for n in range(len(PAYLOADS))), *PAYLOADS, "ch-a.mssante.fr"]
    observe_world(hostile_dns(), names, folder / "data" / "dns.jsonl.gz", OBSERVED_AT)
    return folder / "data"


@pytest.fixture(scope="session")
def hostile_run(hostile_data) -> ReportsRun:
    """The shipped notebooks' reports of a list with hostile text in every field, contacts shown."""
    settings = {"data": str(hostile_data), "as_of": SAMPLE_AS_OF, "contacts": "all"}
    return run_reports(out=hostile_data.parent / "out", parameters=settings)


@pytest.fixture(scope="session")
def hostile_space(hostile_data) -> TrustSpace:
    """What the reports of the hostile list are of, loaded, contacts shown; not to be changed."""
    return load_space(hostile_data, as_of=SAMPLE_AS_OF, contacts="all")


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> tuple[Path, ssl.SSLContext]:
    """A certificate for loopback and liste.example, signed by itself: a file to trust, a server's context."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "serveur fictif")])
    now = datetime.now(UTC)
    hosts = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("liste.example")]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle, secret = folder / "bundle.cer", folder / "key.pem"
    bundle.write_bytes(certificate.public_bytes(Encoding.DER))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secret)
    return bundle, context


@dataclass(frozen=True)
class Site:
    folder: Path
    space: TrustSpace
    findings: pd.DataFrame
    waived: pd.DataFrame
    followed: FollowUp | None


def made_site(folder: Path, space: TrustSpace, findings: pd.DataFrame, reports: Path | None) -> Site:
    """Build a site whose run before lacked every ninth finding and had some more, with three waived ones."""
    ledger = {}
    names = [f"parti-{i}.mssante.fr" for i in range(4)]
    fixed = findings.tail(4).assign(domain=names, fingerprint=names)
    follow(ledger, "run", "2025-01-01", concat([findings.drop(index=findings.index[::9]), fixed]))
    followed = follow(ledger, "run", space.as_of.isoformat(), findings)
    accepted = pd.concat([waived(space), findings.iloc[[1, 3, 5]]], ignore_index=True)
    accepted = accepted.assign(
        reason=[*PAYLOADS][: len(accepted)], who="cellule <b>MSSanté</b>", until="2026-12-31"
    )
    point = point_of(space.as_of, findings, accepted, followed)
    earlier = [replace(point, at=f"2025-02-{day:02}T06:00:00+00:00", new=day) for day in range(1, 25)]
    dossiers = folder / "made-dossiers"
    dossiers.mkdir()
    owners = [o for o in findings["operator_id"].unique() if o.isalnum()][:3]
    for owner in owners:
        (dossiers / f"{owner}.html").write_text(f"<!DOCTYPE html><html lang=fr><title>{owner}</title>")
    (dossiers / "index.html").write_text("<!DOCTYPE html><html lang=fr><title>Dossiers</title>")
    records = [
        *({"operator_id": owner, "file": owner} for owner in owners),
        {"operator_id": "../../x", "file": "../site/index"},
    ]
    (dossiers / "dossiers.json").write_text(json.dumps({"dossiers": records}))
    built = folder / "site"
    built.mkdir()
    build_site(
        built, space, findings, waived=accepted, told=followed, points=[*earlier, point], reports=reports,
        dossiers=dossiers,
    )  # fmt: skip
    return Site(built, space, findings, accepted, followed)


@pytest.fixture(scope="session")
def sample_site(sample_run, sample_space, tmp_path_factory) -> Site:
    folder = tmp_path_factory.mktemp("sample-site")
    return made_site(folder, sample_space, audit_all(sample_space), sample_run.out)


@pytest.fixture(scope="session")
def quiet_site(sample_space, tmp_path_factory) -> Site:
    """The site of the sample without register nor observation: some of its domains have no finding."""
    space = replace(sample_space, register=None, observation=None)
    return made_site(tmp_path_factory.mktemp("quiet-site"), space, audit_all(space), None)


@pytest.fixture(scope="session")
def aged_site(tmp_path_factory) -> Site:
    """The site of the sample, long after: list and observations are too old."""
    space = load_space(as_of="2026-11-26")
    return made_site(tmp_path_factory.mktemp("aged-site"), space, audit_all(space), None)


@pytest.fixture(scope="session")
def real_site(real_run, real_space, tmp_path_factory) -> Site:
    return made_site(tmp_path_factory.mktemp("real-site"), real_space, audit_all(real_space), real_run.out)


@pytest.fixture(scope="session")
def hostile_site(hostile_run, hostile_space, tmp_path_factory) -> Site:
    """The site of the hostile list, with findings that have hostile text in every field, contacts shown."""
    texts = ("observed", "expected", "register", "operator_id", "operator")
    more = [
        made(rule, domains=(payload, f"{payload}2"), **dict.fromkeys(texts, payload))
        for payload in PAYLOADS
        for rule in ("DN_SHAPE", "DNS_MX_NULL")
    ]
    findings = concat([audit_all(hostile_space), framed(more, hostile_space.entries)])
    return made_site(tmp_path_factory.mktemp("hostile-site"), hostile_space, findings, hostile_run.out)


MARKS = toml("marks")
"""Which tests are slow or long, and what begins first, by the beginnings of their names or their files."""

SHARING = re.compile(r"(sample|real|hostile|certificates|english)_(run|site)|getfixturevalue")
"""In a file whose tests look at what takes long to make."""


@cache
def group_of(file: str) -> str:
    """Return what the tests of a file, relative to the checkout, are kept together with, in one process."""
    path = Path(file)
    if path.parts[0] == "tests" and SHARING.search(Path(ROOT, file).read_text(encoding="utf-8")):
        return "runs"
    waits = "observe" in path.parts and path.name != "test_resolvers.py"
    return "observe" if waits else path.name if path.name in MARKS["first"] else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep groups together: `--dist loadgroup` is told of none by a pytest as new as ours."""
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid.partition("::")[0])

    return Grouped(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what was collected, which stays to the end: a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def is_slow(path: Path) -> bool:
    """Whether a folder of tests, or a file, is one of the slow."""
    first, *names = path.relative_to(ROOT).parts
    return first == "tests" and any(name.startswith(tuple(MARKS["slow"])) for name in names)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave unread of what `make quick` runs nothing: to import it takes half as long as what is run."""
    return ("not slow" in config.option.markexpr and is_slow(collection_path)) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` and `make test` leave out; begin with what takes long."""
    ranks, groups = {name: number for number, name in enumerate(MARKS["first"])}, {}
    for item in items:
        parts = item.path.relative_to(ROOT).parts
        if is_slow(item.path) or item.name.startswith(tuple(MARKS["thorough"])):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("real") and not REAL.exists():
            item.add_marker(pytest.mark.skip("no real list beside the checkout (../shared/real)"))
        if not {*parts}.isdisjoint(MARKS["long"]):
            item.add_marker(pytest.mark.long)
        groups[item] = group_of("/".join(parts))
    items.sort(key=lambda item: ranks.get(groups[item], len(ranks)))
