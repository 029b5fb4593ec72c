"""Reports that tests of several folders look at: made once a session, by the engine that users run."""

import gc
import gzip
import ipaddress
import json
import os
import re
import signal
import ssl
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
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree
from made_findings import framed, made
from tlsmade import write_tls

from mssante_audit.audits import audit_all, waived
from mssante_audit.base.resources import SAMPLE_FOLDER, resource
from mssante_audit.declarations.register import fields
from mssante_audit.findings.frame import concat
from mssante_audit.findings.ledger import FollowUp, follow
from mssante_audit.findings.trend import point_of
from mssante_audit.observe.dns.names import canonical
from mssante_audit.report.run import Run, run_reports
from mssante_audit.site.build import build_site
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.whitelist.load import NAMESPACE, load_whitelist
from tools.sample.dns import OBSERVED_AT
from tools.sample.dns_world import World, Zone, observe_world


def let_signals_through() -> None:
    """Undo what `nohup` and shells do to what runs in the background: tests send signals to their children.

    A child begins with the default wherever we have a function, and goes on ignoring what we ignore.
    """
    for number, own in (
        (signal.SIGHUP, lambda *_: None),  # so that this process survives the terminal, as was asked for
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, own)


let_signals_through()
forked.install()


ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "tests" / "catalogue"
"""A made-up trust space with every defect, and the truth about it; `tools.sample` writes it."""
os.environ[SAMPLE_FOLDER] = str(CATALOGUE)  # what is asked of no data is asked of it
REAL = ROOT.parent / "shared" / "real"
REAL_AS_OF = "2025-03-01"
SAMPLE_AS_OF = "2026-03-03T06:00:00Z"

PAYLOADS = (
    "<script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "</script><script>window.pwned = 1</script>",
    "</td></table></main><h1 id=pwned>pwned</h1>",
    "<svg onload=window.pwned=1>",
    "<a href=javascript:window.pwned=1>x</a>",
    "&lt;script&gt;window.pwned = 1&lt;/script&gt;",
    '=HYPERLINK("http://pwned.example/","x")',
    "\N{RIGHT-TO-LEFT OVERRIDE}nwp\N{LEFT-TO-RIGHT ISOLATE}\N{ZERO WIDTH SPACE}",
    "{{ 7*7 }} {% raw %} ${7*7} $\\frac{1}$",
    "x" * 150,
    "[x](javascript:window.pwned=1) `<script>` **x**",
)
"""Texts that must stay texts wherever they end up."""

FIELDS = ("Nom", "Description", "DNCertificatOperateur", "ResponsableContact", "SupportContact", "DateMAJ")


def hostile_list(shift: int = 0, generated: str = "2026-03-02T05:30:00Z") -> bytes:
    """Return a white list with each payload in each field; shifted ones have them in other rows."""
    root = etree.Element(f"{{{NAMESPACE}}}ListeBlancheMSSante", nsmap={None: NAMESPACE})
    etree.SubElement(root, f"{{{NAMESPACE}}}DateDeGeneration").text = generated
    domains = etree.SubElement(root, f"{{{NAMESPACE}}}ListeDomaines")
    for number in range(len(PAYLOADS)):
        payload = PAYLOADS[(number + shift) % len(PAYLOADS)]
        for field in FIELDS:
            contact = f"04 65 71 00 {number:02}, contact@hostile-{number}.example"
            operator = payload if field == "Nom" else f"CH HOSTILE {number}"
            row = {
                "Nom": f"ch-{field.lower()}-{number}.mssante.fr",
                "Description": f"Domaine du CH fictif {number}",
                "DNCertificatOperateur": f"CN=mss.hostile-{number}.example,OU=10100{number:05},O={operator},"
                "ST=Ain (01),C=FR",
                "ResponsableContact": contact,
                "SupportContact": contact,
                "DateMAJ": "2026-01-05T10:00:00Z",
            }
            entry = etree.SubElement(domains, f"{{{NAMESPACE}}}Domaine")
            for name, text in (row | {field: payload}).items():
                etree.SubElement(entry, f"{{{NAMESPACE}}}{name}").text = text
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def hostile_register() -> str:
    """Return a register with each payload in each field and heading, of listed and other domains."""
    declared = {
        "structure_name": "CH HOSTILE",
        "structure_id": "1010100000",
        "dn_igc_sante": "CN=mss.hostile.example,OU=1010100000,O=CH HOSTILE,ST=Ain (01),C=FR",
        "date": "2025-06-01",
    }
    records = [
        declared
        | {"domain": f"ch-nom-{number}-{column}.mssante.fr".replace("_", "-"), column: payload, payload: "x"}
        for number, payload in enumerate(PAYLOADS)
        for column in fields()
    ]
    records += [
        declared | {"domain": f"ch-description-{number}.mssante.fr"} for number in range(len(PAYLOADS))
    ]
    return json.dumps(records)


def the_day_before(listed: bytes) -> bytes:
    """Return a list made up from another: a day earlier, every fiftieth row not there yet."""
    rows = iter(range(10**6))
    fewer = re.sub(
        rb"<Domaine>.*?</Domaine>",
        lambda row: b"" if next(rows) % 50 == 0 else row[0],
        listed,
        flags=re.DOTALL,
    )
    day = re.compile(rb"(<DateDeGeneration>\d{4}-\d\d-)(\d\d)")
    return day.sub(lambda found: b"%b%02d" % (found[1], int(found[2]) - 1), fewer, count=1)


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
    """The texts of `hostile_run` that must stay texts."""
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
def sample_run(tmp_path_factory) -> Run:
    """The shipped notebooks' reports of the sample."""
    return run_reports(out=tmp_path_factory.mktemp("sample"), parameters={"as_of": SAMPLE_AS_OF})


@pytest.fixture(scope="session")
def english_run(tmp_path_factory) -> Run:
    """The shipped notebooks' reports of the sample, in English."""
    given = {"as_of": SAMPLE_AS_OF, "lang": "en"}
    return run_reports(out=tmp_path_factory.mktemp("english"), parameters=given)


@pytest.fixture(scope="session")
def english_site(english_run, sample_space, tmp_path_factory) -> Path:
    """The folder of the English site of the sample, with its reports below ``rapports``."""
    folder, found = tmp_path_factory.mktemp("english-site"), audit_all(sample_space, language="en")
    more = {"waived": waived(sample_space, language="en"), "told": None, "points": (), "language": "en"}
    build_site(folder, sample_space, found, reports=english_run.out, **more)
    return folder


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Path:
    """A folder with the real list, and beside it what the sample has of a register and an observation."""
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
def real_run(real_data) -> Run:
    """The shipped notebooks' reports of the real list."""
    given = {"data": str(real_data), "as_of": REAL_AS_OF}
    return run_reports(out=real_data.parent / "out", parameters=given)


@pytest.fixture(scope="session")
def real_space(real_data) -> TrustSpace:
    """What the reports of the real list are of, loaded; not to be changed."""
    return load_space(real_data, as_of=REAL_AS_OF)


@pytest.fixture(scope="session")
def certificates_run(tmp_path_factory) -> Run:
    """The report on certificates, of the sample with servers that were visited and say hostile things."""
    folder = tmp_path_factory.mktemp("certificates")
    copytree(CATALOGUE, folder / "data")
    write_tls(load_space(folder / "data", as_of=SAMPLE_AS_OF), folder / "data", PAYLOADS)
    given = {"data": str(folder / "data"), "as_of": SAMPLE_AS_OF}
    return run_reports(["certificates"], out=folder / "out", parameters=given)


@pytest.fixture(scope="session")
def hostile_data(tmp_path_factory) -> Path:
    """A folder with a list, a register and an observation that have hostile text in every field."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "data").mkdir()
    (folder / "data" / "hostile.xml").write_bytes(hostile_list())
    archived(folder / "data", hostile_list(1, "2026-02-01T05:30:00Z"), hostile_list())
    (folder / "data" / "declarations.json").write_text(hostile_register(), encoding="utf-8")
    observe_world(
        hostile_dns(),
        [*(f"ch-nom-{n}.mssante.fr" for n in range(len(PAYLOADS))), *PAYLOADS, "ch-a.mssante.fr"],
        folder / "data" / "dns.jsonl.gz",
        OBSERVED_AT,
    )
    return folder / "data"


@pytest.fixture(scope="session")
def hostile_run(hostile_data) -> Run:
    """The shipped notebooks' reports of a list with hostile text in every field, contacts shown."""
    given = {"data": str(hostile_data), "as_of": SAMPLE_AS_OF, "contacts": "all"}
    return run_reports(out=hostile_data.parent / "out", parameters=given)


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
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
        )
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("liste.example")]
            ),
            critical=False,
        )
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
    """A site, and what it was built from."""

    folder: Path
    space: TrustSpace
    findings: pd.DataFrame
    waived: pd.DataFrame
    told: FollowUp | None


def made_site(folder: Path, space: TrustSpace, findings: pd.DataFrame, reports: Path | None) -> Site:
    """Build a site whose run before lacked every ninth finding and had some more, with three waived ones."""
    ledger = {}
    names = [f"parti-{i}.mssante.fr" for i in range(4)]
    gone = findings.tail(4).assign(domain=names, fingerprint=names)
    follow(ledger, "run", "2025-01-01", concat([findings.drop(index=findings.index[::9]), gone]))
    told = follow(ledger, "run", space.as_of.isoformat(), findings)
    accepted = pd.concat([waived(space), findings.iloc[[1, 3, 5]]], ignore_index=True)
    accepted = accepted.assign(
        reason=[*PAYLOADS][: len(accepted)], who="cellule <b>MSSanté</b>", until="2026-12-31"
    )
    point = point_of(space.as_of, findings, accepted, told)
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
        built, space, findings, waived=accepted, told=told, points=[*earlier, point], reports=reports,
        dossiers=dossiers,
    )  # fmt: skip
    return Site(built, space, findings, accepted, told)


@pytest.fixture(scope="session")
def sample_site(sample_run, sample_space, tmp_path_factory) -> Site:
    """The site of the sample."""
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
    """The site of the real list."""
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


SLOW = (
    "attacks", "browser", "hands", "nightly", "observe", "test_annexe1", "test_archive",
    "test_belongings", "test_calendar", "test_causes", "test_changes", "test_check", "test_cli",
    "test_closed", "test_cluster", "test_decisions", "test_declarations_formats", "test_desk",
    "test_disturbed", "test_doc_blocks", "test_dossier", "test_exchange", "test_expectations",
    "test_explorer", "test_fetch", "test_gate", "test_identity", "test_kinds", "test_language", "test_ledger",
    "test_letter", "test_limits", "test_mailboxes", "test_mend", "test_narrative", "test_one_structure",
    "test_oracle", "test_package", "test_page", "test_readme_audit", "test_real", "test_receives",
    "test_reliance", "test_report", "test_cards", "test_results", "test_sample", "test_scope", "test_shell",
    "test_site", "test_snapshot", "test_states", "test_trend", "test_verdicts", "test_waivers",
    "test_wheel", "test_workers", "test_certificates_report", "test_controls",
    "test_declarations_report", "test_first_screen", "test_guides", "test_notebooks", "test_numbers",
    "test_operator_report",
)  # fmt: skip
"""Folders and beginnings of files whose tests start processes, make reports or load the whole sample."""

THOROUGH = (
    "test_a_cell_of_anything", "test_a_contact_for_each_domain", "test_a_domain_is_as_its_servers_are",
    "test_a_full_disk_leaves", "test_a_list_cut_anywhere",
    "test_a_long_text_of_anything", "test_too_many_rows", "test_a_visit_that_tells_nothing",
    "test_absent_is_normal_for_a_few_days", "test_an_observation_cut_anywhere", "test_any_text",
    "test_damage_anywhere", "test_near_names_take_linear_time", "test_matplotlib_is_imported",
    "test_no_name_and_no_local_part", "test_of_an_absent_domain_it_says", "test_phones_are_what",
    "test_short_cut_reads",
)  # fmt: skip
"""Beginnings of tests that try a great many inputs, or large ones."""

LONG = (
    "browser", "test_between_nights.py", "test_doc_blocks.py", "test_doors.py", "test_gate_observe.py",
    "test_packages.py", "test_readme.py", "test_runners.py", "test_states.py",
)  # fmt: skip
"""Folders and files whose tests drive a browser, play night after night or run what pages tell to run."""

SHARING = re.compile(r"(sample|real|hostile|certificates|english)_(run|site)|getfixturevalue")
"""In a file whose tests look at what takes long to make."""

FIRST = ("test_kill.py", "runs", "observe", "test_run.py", "test_resolvers.py", "test_dossiers.py")
"""Groups of tests that take long, those that cannot end early first."""


@cache
def group_of(file: str) -> str:
    """Return what the tests of a file, relative to the checkout, are kept together with, in one process."""
    path = Path(file)
    if path.parts[0] == "tests" and SHARING.search(Path(ROOT, file).read_text(encoding="utf-8")):
        return "runs"
    waits = "observe" in path.parts and path.name != "test_resolvers.py"
    return "observe" if waits else path.name if path.name in FIRST else file


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` and `make test` leave out; begin with what takes long."""
    ranks, groups = {name: number for number, name in enumerate(FIRST)}, {}
    for item in items:
        parts = item.path.relative_to(ROOT).parts
        slow = any(part.startswith(SLOW) for part in parts[1:]) or item.name.startswith(THOROUGH)
        if parts[0] == "tests" and slow:
            item.add_marker(pytest.mark.slow)
        if not {*parts}.isdisjoint(LONG):
            item.add_marker(pytest.mark.long)
        groups[item] = group_of("/".join(parts))
    items.sort(key=lambda item: ranks.get(groups[item], len(ranks)))
