"""The audit of certificates presented: each rule on servers made for it, and silent beside it."""

import gzip
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest
from conftest import toml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from in_clear import by_rule, told_in_clear
from made_lists import revocations
from made_up import ALPHA, BETA_DN
from made_up_dns import ALPHA_MX, BETA_MX, DELEGATED, REDIRECTED, Scene

from mssante_audit.audits import lacking
from mssante_audit.base.language import LANGUAGES
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.templates import sentence
from mssante_audit.observe.file import TLS, File
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.chain import judge
from mssante_audit.observe.tls.observation import NOT_VISITED, OUTCOMES, TELLING, load_servers
from mssante_audit.observe.tls.run import MailServer, lines_of
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains
from tools.sample.certificates import MADE, SERVER, Made, make

AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
ONE, TWO, THREE = "192.88.99.1", "192.88.99.2", "192.88.99.3"
HOSTS = {ONE: ALPHA_MX, TWO: BETA_MX, THREE: "mx2.alpha.example"}
NAMES = tuple(HOSTS.values())
ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_999)
BETWEEN = make("CN=AC FICTIVE ORGANISATIONS,O=ESSAI,C=FR", ROOT, ca=True, days=9_999)
FOREIGN = make("CN=AUTRE AC,O=AUTRE,C=FR", ca=True, days=9_999)
OTHER_DN = "CN=autre.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"


def of(dn: str, issuer: Made | None = BETWEEN, **more: Any) -> Made:
    return make(dn, issuer, names=NAMES, **more)


def alpha(**more: Any) -> Made:
    return of(ALPHA["dn"], **more)


GOOD, EXPIRED, BETA, OTHER = alpha(), alpha(days=60), of(BETA_DN), of(OTHER_DN)


@dataclass
class Wires:
    """The servers of ch-alpha and ch-beta, right until a test changes them."""

    tmp_path: Path
    scene: Scene = field(default_factory=Scene)
    visits: dict[str, Visit] = field(default_factory=dict)
    by_name: dict[str, Visit] = field(default_factory=dict)  # visits with SNI
    at: datetime = AT
    crls: list[Path] = field(default_factory=list)
    anchored: bool = True
    old: tuple[str, ...] = ()  # servers that were visited a month before

    def __post_init__(self) -> None:
        self.presents(ONE, GOOD).presents(TWO, BETA)

    def presents(self, address: str, leaf: Made, chain: tuple[Made, ...] = (BETWEEN,), **more: Any) -> Self:
        fields = {"protocol": "TLSv1.3", "cipher": "X", "chain": tuple(sent.der for sent in (leaf, *chain))}
        return self.ends(address, "presented", **(fields | more))

    def presents_through(self, *extensions: x509.ExtensionType) -> Self:
        """Present what an authority issued that has critical extensions more."""
        between = BETWEEN.certificate
        times = between.not_valid_before_utc, between.not_valid_after_utc
        builder = x509.CertificateBuilder(between.issuer, between.subject, between.public_key(), 7, *times)
        for extension in (*(each.value for each in between.extensions), *extensions):
            builder = builder.add_extension(extension, critical=True)
        reissued = builder.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.DER)
        return self.presents(ONE, GOOD, (Made(reissued, BETWEEN.key),))

    def ends(self, address: str, outcome: str, detail: str = "", **more: Any) -> Self:
        self.visits[address] = Visit(outcome, detail, **more)
        return self

    def presents_by_name(self, address: str, leaf: Made) -> Self:
        sent = (leaf.der, BETWEEN.der)
        self.by_name[address] = Visit("presented", protocol="TLSv1.3", chain=sent, sni="mx.alpha.example")
        return self

    def second(self, leaf: Made | None = None, outcome: str = "", detail: str = "") -> Self:
        """Give ch-alpha a second mail host, at THREE, and say how a visit there ends."""
        self.scene.host(NAMES[2], THREE)
        self.scene.zone.add(DELEGATED, "MX", f"20 {NAMES[2]}")
        if outcome:
            self.ends(THREE, outcome, detail)
        return self.presents(THREE, leaf) if leaf else self

    def long_ago(self, address: str) -> Self:
        self.old = (address,)
        return self

    def listing(self, dn: str) -> Self:
        self.scene.rows = (*self.scene.rows, {"domain": DELEGATED, "dn": dn})
        return self

    def space(self) -> TrustSpace:
        space = self.scene.space()
        written: dict[str, bytes] = {}
        lines: list[dict[str, Any]] = [TLS.header(self.at, dns="dns-2026-03-02.jsonl.gz")]
        for address, seen in self.visits.items():
            server = MailServer(address, 25, (HOSTS[address],))
            at = self.at - timedelta(30 * (address in self.old))
            for visit in filter(None, (seen, self.by_name.get(address))):
                lines += lines_of(server, visit, at, 1, written)
        lines.append({"end": instant(self.at), "complete": True})
        file = self.tmp_path / "tls-2026-03-02.jsonl.gz"
        file.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0))
        observed, aside = load_servers([File(file, self.at, lines[0])], [], self.at, self.at - timedelta(7))
        assert not aside
        anchors = self.tmp_path / "anchors.pem"
        anchors.write_bytes(ROOT.pem + BETWEEN.pem)
        whitelist = replace(space.whitelist, anchors=(anchors, *self.crls) if self.anchored else ())
        return replace(space, whitelist=whitelist, tls=observed)

    def told(self) -> pd.DataFrame:
        return told_in_clear("certificates", self.space())

    def found(self) -> dict[str, list[tuple[int, ...]]]:
        return by_rule("certificates", self.space())


@pytest.fixture
def wires(tmp_path: Path) -> Wires:
    return Wires(tmp_path)


def test_servers_that_present_what_is_listed_are_no_finding(wires: Wires) -> None:
    assert wires.found() == wires.presents(THREE, EXPIRED).found() == {}, "no domain names the other server"


def test_without_an_observation_of_either_kind_nothing_is_looked_at(wires: Wires) -> None:
    space = wires.space()
    assert lacking(replace(space, tls=None))["certificates"] == ("tls",)
    assert "certificates" in lacking(replace(space, observation=None))
    assert told_in_clear("certificates", replace(space, tls=None)).empty


OID = x509.ObjectIdentifier("1.2.250.1.9")
GIVEN: dict[str, Any] = {
    "ONE": ONE, "TWO": TWO, "THREE": THREE, "": None, "ROOT": ROOT, "BETWEEN": BETWEEN,
    "ALPHA_DN": ALPHA["dn"], "BETA_DN": BETA_DN, "OTHER_DN": OTHER_DN, "FOREIGN": FOREIGN, "GOOD": GOOD,
    "EXPIRED": EXPIRED, "BETA": BETA, "OTHER": OTHER,
    "FOR_SERVERS": x509.ExtendedKeyUsage([SERVER]), "CONSTRAINTS": x509.PolicyConstraints(0, None),
    "POLICIES": x509.CertificatePolicies([x509.PolicyInformation(OID, None)]),
    "UNHEARD_OF": x509.UnrecognizedExtension(OID, b"\5\0"),
}  # fmt: skip
CASES = toml("audits/certificates")


def leaf_of(changes: dict[str, Any]) -> Made:
    fields = {"subject": "ALPHA_DN", "issuer": "BETWEEN", "names": NAMES} | changes
    fields |= {name: GIVEN[fields[name]] for name in ("subject", "issuer")}
    fields |= {"start": AT - timedelta(*changes["start"])} if "start" in changes else {}
    return make(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})


GIVEN |= {name: leaf_of(leaf) for name, leaf in CASES["leaves"].items()}


def changed(wires: Wires, case: dict[str, Any]) -> Wires:
    """Do to servers what a case says."""
    for method, *args in case.get("do", ()):
        named = args.pop() if args and isinstance(args[-1], dict) else {}
        plain = [tuple(map(GIVEN.get, it)) if isinstance(it, list) else GIVEN.get(it, it) for it in args]
        getattr(wires, method)(*plain, **named)
    for name, value in case.get("set", {}).items():
        setattr(wires, name, value)
    return wires


@pytest.mark.parametrize("case", CASES["rules"].values(), ids=CASES["rules"])
def test_a_rule_fires_where_it_should_and_only_there(case: dict[str, Any], wires: Wires) -> None:
    rows = {rule: [*map(tuple, places)] for rule, places in case.get("found", {}).items()}
    assert changed(wires, case).found() == rows


def test_an_authority_that_may_not_and_one_that_nobody_knows_are_told_apart(wires: Wires) -> None:
    foreign = make("CN=AUTRE AC INTERMEDIAIRE,O=AUTRE,C=FR", FOREIGN, ca=True, days=9_999)
    wires.presents(ONE, alpha(issuer=foreign), (foreign, FOREIGN))
    findings = wires.presents(TWO, of(BETA_DN, GOOD), (GOOD, BETWEEN)).told()
    states = [facts["state"] for facts in findings["facts"]]
    assert dict(zip(states, findings["rows"], strict=True)) == {"unknown": (1,), "refused": (2,)}


def test_a_revoked_certificate_is_told_by_the_list_of_its_issuer_alone(wires: Wires) -> None:
    def revoking(issuer: Made, file: str) -> Path:
        path, forged = wires.tmp_path / file, Made(BETWEEN.der, issuer.key)
        path.write_bytes(revocations(forged, AT - timedelta(1), revoked=[GOOD.certificate.serial_number]))
        return path

    wires.crls = [revoking(FOREIGN, "forged.crl")]
    assert wires.found() == {}
    wires.crls += [revoking(BETWEEN, "right.crl")]
    assert wires.found() == {"TLS_REVOKED": [(1,)]}


@pytest.mark.parametrize(
    ("points_to", "revoked", "answer"), [("1", 0, "good"), ("2", 0, "unknown"), ("2", 1, "revoked")]
)
def test_one_of_several_revocation_lists_clears_those_that_point_to_it(points_to, revoked, answer, tmp_path):
    leaf, file = alpha(crl=f"http://ac.example/{points_to}.crl"), tmp_path / "1.crl"
    place = [x509.UniformResourceIdentifier("http://ac.example/1.crl")]
    part = x509.IssuingDistributionPoint(place, None, False, False, None, False, False)
    serials = [leaf.certificate.serial_number][:revoked]
    file.write_bytes(revocations(BETWEEN, AT - timedelta(1), revoked=serials, extension=part))
    assert judge([leaf.der, BETWEEN.der], [ROOT.certificate], [file], AT).status.answer == answer


def test_a_name_in_another_spelling_is_told_beside_the_listed_one(wires: Wires) -> None:
    wires.presents(ONE, of(ALPHA["dn"].replace("CH ALPHA", "CH  ALPHA")))
    ((rule, observed, expected),) = wires.told()[["rule", "observed", "expected"]].values
    assert (rule, observed) == ("TLS_NAME_SPELLING", ALPHA["dn"])
    assert "CH  ALPHA" in expected


def test_what_is_told_names_both_names_and_what_falls_silent(wires: Wires) -> None:
    wires.presents(ONE, BETA).presents(TWO, of(BETA_DN, days=65))
    findings = wires.told().set_index("rule")
    unlisted = findings.loc["TLS_NAME_UNLISTED"]
    assert "nom inscrit pour CH BETA" in unlisted["observed"]
    assert unlisted["expected"] == ALPHA["dn"]
    soon = findings.loc["TLS_EXPIRES_NOW"]
    assert "1 domaine sans autre certificat" in soon["observed"].replace("\N{NO-BREAK SPACE}", " ")
    assert soon["domain"] == REDIRECTED


@pytest.mark.parametrize("outcome", [name for name in OUTCOMES if name not in TELLING])
def test_a_visit_that_tells_nothing_makes_its_server_unknown_and_says_why(outcome: str, wires: Wires) -> None:
    space = wires.ends(ONE, outcome, "met").space()
    findings = told_in_clear("certificates", space)
    assert findings[["rule", "rows"]].values.tolist() == [["TLS_UNSEEN", (1,)]]
    row = domains(space, findings).set_index("domain").loc[DELEGATED]
    receives = "yes" if outcome in NOT_VISITED else "unknown"
    assert (row["tls"], row["receives"], row["why"]["tls"]) == ("unknown", receives, ["tls-unseen"])
    assert row["why"].get("receives", []) == ([] if outcome in NOT_VISITED else ["tls-refused"])
    facts = findings["facts"].iloc[0]
    words = {sentence(catalogue()["TLS_UNSEEN"], "observed", facts, language) for language in LANGUAGES}
    assert len(words) == len(LANGUAGES)
    assert all(ONE in text for text in words)


@pytest.mark.parametrize("days", [1, 0])
def test_a_renewal_under_another_name_is_told_as_one(days: int, wires: Wires) -> None:
    wires.second()

    def unlisted(leaf: Made) -> pd.Series:
        return wires.presents(THREE, leaf).told().set_index("rule").loc["TLS_NAME_UNLISTED_SOME"]

    finding = unlisted(of(OTHER_DN, start=MADE + timedelta(days)))
    english = sentence(catalogue()["TLS_NAME_UNLISTED_SOME"], "observed", finding["facts"], "en")
    signs = finding["facts"]["newer"], "renouvellement" in finding["observed"], "a renewal seems" in english
    assert signs == (days > 0,) * 3
    # One that is listed for others is a mistake rather than a renewal.
    assert not unlisted(of(BETA_DN, start=MADE + timedelta(1)))["facts"]["newer"]


@pytest.mark.parametrize(("name", "case"), CASES["states"].items())
def test_a_domain_is_as_its_servers_are(name: str, case: dict[str, Any], wires: Wires) -> None:
    space = changed(wires, case).space()
    findings = told_in_clear("certificates", space)
    row = domains(space, findings).set_index("domain").loc[DELEGATED]
    assert (row["tls"], row["receives"]) == (case["tls"], case["receives"])
    assert row["why"].get("receives", []) == case.get("why", [])
    if "too long ago" in name:
        assert row["why"]["tls"] == ["tls-old"]
        assert findings.empty != ("wrong" in name), "findings stay"
