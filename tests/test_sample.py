"""The sample: what is in git is what the generator makes; the audits find its defects and nothing else."""

import csv
import gzip
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from conftest import CATALOGUE, REAL
from cryptography import x509
from stdnum import luhn

from mssante_audit.audits import audit, audit_all
from mssante_audit.base.resources import resource
from mssante_audit.declarations.register import load_declarations
from mssante_audit.findings.frame import concat
from mssante_audit.findings.places import row_ranges
from mssante_audit.findings.registry import catalogue
from mssante_audit.mailboxes.extraction import find_extractions
from mssante_audit.network import mail_hosts
from mssante_audit.observe.observation import load_observation
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.values.person import unnamed
from mssante_audit.whitelist.load import WhiteList, load_whitelist
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.demo import demo_files
from tools.sample.declarations import REGISTER
from tools.sample.dns import OBSERVATION, build_dns
from tools.sample.mailboxes import CUT, EXTRACTION
from tools.sample.make import LIST_FILE, SAMPLE_AS_OF, build, sample_files, whitelist_xml, write_sample
from tools.sample.tls import TLS

SAMPLE, DEMO = CATALOGUE, resource("data/sample")
IMPOSSIBLE_ADDRESS = "mss@gmail.com"
"""For the rule on consumer providers, which knows real ones. That one has no name of three letters."""


def load(source, folder: Path = SAMPLE) -> WhiteList:
    trusted = {"anchors": (folder / "anchors",), "signer": SAMPLE_SIGNER}
    return load_whitelist(source, recover=True, any_namespace=True, **trusted)


def found(whitelist: WhiteList, file: str) -> Counter:
    return lines_of(audit_all(TrustSpace(whitelist, SAMPLE_AS_OF)), file)


def lines_of(findings: pd.DataFrame, file: str) -> Counter:
    of_register = file.startswith("register") or file == REGISTER
    rows = findings["evidence"] if of_register else findings["rows"].map(row_ranges)
    columns = (findings[name] for name in ("rule", "domain", "operator_id"))
    return Counter((file, *line) for line in zip(*columns, rows, strict=True))


def truth(folder: Path) -> Counter:
    with (folder / "defects.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["file", "rule", "domain", "operator_id", "rows"]
    return Counter((a, b, unnamed(c), d, e) for a, b, c, d, e in lines)  # as findings tell the domain


def list_files(folder: Path) -> list[str]:
    return [LIST_FILE, *sorted(f"variants/{file.name}" for file in (folder / "variants").iterdir())]


def register_files(folder: Path) -> list[str]:
    kept = [file for file in (folder / "registers").rglob("*.*") if file.name != "scope.toml"]
    return [REGISTER, *sorted(str(file.relative_to(folder)) for file in kept)]


OF = {
    OBSERVATION: "delegation_vs_redirection", TLS: "certificates", EXTRACTION: "mailboxes", CUT: "mailboxes",
}  # fmt: skip
"""Audits of what lies beside the list."""


def found_in(folder: Path, file: str) -> Counter:
    if file in list_files(folder):
        return found(load(folder / file, folder), file)
    if file in OF:
        anchors = [folder / "anchors"]
        space = load_space(folder, as_of=SAMPLE_AS_OF, anchors=anchors, signer=SAMPLE_SIGNER)
        assert space.observation is not None
        if OF[file] == "mailboxes":
            space = replace(space, mailboxes=find_extractions((folder / file).parent, SAMPLE_AS_OF))
        return lines_of(audit(OF[file], space), file)
    register = load_declarations(folder / file)
    space = TrustSpace(load(folder / LIST_FILE, folder), SAMPLE_AS_OF, register=register)
    names = ("declarations",) if file.endswith(".pdf") else ("declarations", "reconciliation")
    return lines_of(concat(audit(name, space) for name in names), file)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return [SAMPLE, write_sample(tmp_path_factory.mktemp("made") / "other", seed=1)]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("file", [*list_files(SAMPLE), *register_files(SAMPLE), *OF])
def test_audits_find_in_each_file_what_the_truth_says(file, seed, samples):
    expected = Counter({line: n for line, n in truth(samples[seed]).items() if line[0] == file})
    assert expected, "a file about which the truth says nothing"
    assert found_in(samples[seed], file) == expected


def test_observations_of_a_clean_list(tmp_path):
    sample = build(2)
    dns = build_dns(sample.rows, sample.operators, (), defects=False)
    (tmp_path / "dns.jsonl.gz").write_bytes(dns.observation())
    observation = load_observation(tmp_path / "dns.jsonl.gz")
    space = TrustSpace(load(whitelist_xml(sample)), SAMPLE_AS_OF, observation=observation)
    lines = lines_of(audit(OF[OBSERVATION], space), OBSERVATION)
    assert lines == Counter(dns.truths(OBSERVATION))
    rules = {line[1] for line in lines}
    assert rules <= {"DNS_METHOD_UNKNOWN", "DNS_MX_CERTIFICATE", "DNS_MX_CONCENTRATION"}, "the list's own"


def test_nobody_is_sent_to_a_private_address_that_a_zone_names():
    addresses, *_ = mail_hosts(SAMPLE, load(SAMPLE / LIST_FILE).entries)
    assert addresses["interne.valfictif.example"] == ()
    assert addresses["mixte.valfictif.example"] == ("192.88.99.249",)


def test_truth_is_about_the_files_that_are_there():
    # tests/archive/test_changes.py holds the audits to the lines about the archive.
    files = {line[0] for line in truth(SAMPLE)} - {"archive"}
    assert files == {*list_files(SAMPLE), *register_files(SAMPLE), OBSERVATION, TLS, EXTRACTION, CUT}


def test_every_rule_has_a_defect():
    """All but those on a change of signer (all lists have one), and two of tests/audits/declared.toml."""
    aside = {"LIST_SIGNER_CHANGED", "LIST_SIGNER_NEW", "DECL_EXAMPLE", "DECL_SERVER_GLUE"}
    codes = {o.code for o in catalogue().values() if o.audit} - aside
    assert {line[1] for line in truth(SAMPLE)} == codes


@pytest.mark.parametrize(
    ("seed", "domains", "operators", "defects"),
    [(1, 90, 12, True), (2, 400, 40, True), (0, 90, 12, False), (6, 1000, 90, False)],
)
def test_other_seeds_and_sizes_and_lists_without_defects(seed, domains, operators, defects):
    sample = build(seed, domains, operators, defects=defects)
    assert sample.defects.empty != defects
    shown = sample.defects.assign(domain=sample.defects["domain"].map(unnamed))
    expected = Counter(shown.itertuples(index=False, name=None))
    expected[LIST_FILE, "LIST_UNSIGNED", "", "", ""] = 1
    assert found(load(whitelist_xml(sample)), LIST_FILE) == expected


def without_signature(content: bytes) -> bytes:
    xml = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return re.sub(rb"<Signature .*?</Signature>", b"", xml, flags=re.DOTALL)


def unhashed(name: str) -> str:
    """Return a file's name without the hash that archived lists bear: signatures differ each time."""
    return re.sub(r"-[0-9a-f]{8}\.xml\.gz$", ".xml.gz", name)


@pytest.mark.parametrize(("folder", "files"), [(SAMPLE, sample_files), (DEMO, demo_files)])
def test_what_is_in_git_is_what_the_generator_makes(folder, files):
    committed = {
        unhashed(str(f.relative_to(folder))): f.read_bytes()
        for f in folder.rglob("*")
        if f.is_file() and f.parent.name != "nights"  # test_demo.py
    }
    generated = {unhashed(name): content for name, content in files().items()}
    assert committed.keys() == generated.keys()
    for name, content in generated.items():
        if name.endswith(".pem"):
            ours, theirs = map(x509.load_pem_x509_certificate, (content, committed[name]))
            assert ours.subject == theirs.subject
            assert ours.not_valid_after_utc == theirs.not_valid_after_utc
        else:
            assert without_signature(content) == without_signature(committed[name]), name


def test_signer_is_trusted_as_of_the_samples_date_and_later():
    verdict = load(SAMPLE / LIST_FILE).signature
    assert (verdict.status, verdict.verified_rows) == ("valid", len(build().rows))
    assert verdict.not_after > datetime(2027, 12, 31, tzinfo=UTC)


def test_addresses_and_phones_are_those_kept_for_fiction():
    entries = pd.concat([load(SAMPLE / file).entries for file in list_files(SAMPLE)])
    contacts = "\n".join({*entries["project_contact"], *entries["support_contact"]})
    addresses = {address.lower() for address in re.findall(r"[\w.+-]+@+[\w.-]+", contacts)}
    assert len(addresses) > 25
    assert {a for a in addresses if not re.search(r"\.(?:example|invalid|test)$", a)} == {IMPOSSIBLE_ADDRESS}
    fiction = re.compile(r"(?:0|33)(?:19900|26191|35301|46571|53649|63998)\d{4}")
    numbers = {re.sub(r"\D", "", number) for number in re.findall(r"\+?\d[\d ]{7,}", contacts)}
    assert len(numbers) > 20
    malformed = "01990012"
    assert {number for number in numbers if not fiction.fullmatch(number)} == {malformed}


def test_hosts_and_outside_domains_are_reserved_names():
    entries = load(SAMPLE / LIST_FILE).entries
    names = {*entries["domain"], *entries["cn"]} - {"", "serveur", "serveur-mss"}
    assert not {name for name in names if not name.endswith((".mssante.fr", ".example"))}


def test_identifiers_are_right_and_not_attributed():
    ids = [operator.id for operator in build(0, 4944, 343, defects=False).operators]
    assert len(set(ids)) == 343
    assert {i[0] for i in ids} == {"1", "2", "3"}
    for identifier in ids:
        number = identifier[1:]
        assert re.match(r"999" if identifier[0] in "23" else r"..99|97..9|98059", number)
        assert not number.isdigit() or luhn.is_valid(number)


@pytest.mark.real
def test_nothing_of_the_real_list():
    real = load_whitelist(next(REAL.glob("*.xml.gz"))).entries
    ours = load(SAMPLE / LIST_FILE).entries
    for column in (
        "domain", "cn", "ou", "o", "description",
        "project_phone", "support_phone", "project_email", "support_email",
    ):  # fmt: skip
        shared = {*ours[column]} & {*real[column]} - {"", "xxx"}
        assert not shared, column
