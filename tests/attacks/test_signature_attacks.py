"""Documents made so that a careless verifier calls forged rows signed. None may count as verified."""

import copy
import hmac
import random
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from conftest import toml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from mssante_audit.base.errors import WhiteListError
from mssante_audit.whitelist.load import NAMESPACE, load_whitelist
from mssante_audit.whitelist.signature import SAMPLE_SIGNER, verify_signature
from tools.sample import signing as sample_signing
from tools.sample.signing import make_chain, make_keys, sign
from tools.sample.space import whitelist_chunks

CASES = toml("attacks/signatures")
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
LIST = f"{{{NAMESPACE}}}"
DN = "CN=mss.alpha.example,OU=1990000018,O=CH ALPHA,ST=Paris (75),C=FR"


def rows(*names):
    contacts = ("01 99 00 00 01, a@alpha.example", "01 99 00 00 02, b@alpha.example")
    fields = (DN, *contacts, "2026-01-05T10:00:00Z")
    listed = [(f"{name}.mssante.fr", f"Domaine {name}", *fields) for name in names]
    return b"".join(whitelist_chunks(listed, datetime(2026, 3, 2, 5, 30, tzinfo=UTC)))


GOOD, FORGED = rows("ch-1", "ch-2"), rows("ch-1", "forged")


@pytest.fixture(scope="module")
def chain():
    return make_chain()


def pem_of(chain):
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in (chain.root, chain.issuing))


@pytest.fixture(scope="module")
def anchors(chain, tmp_path_factory):
    file = tmp_path_factory.mktemp("anchors") / "both.pem"
    file.write_bytes(pem_of(chain))
    return [file]


@pytest.fixture
def root(chain):
    """A signed list, as a tree to be tampered with."""
    return etree.fromstring(sign(GOOD, chain))


@pytest.fixture
def judge(anchors):
    def judged(content):
        if not isinstance(content, bytes):
            content = etree.tostring(content, xml_declaration=True, encoding="UTF-8")
        return verify_signature(load_whitelist(content, recover=True), anchors, signer=SAMPLE_SIGNER)

    return judged


def signature_of(root):
    return root.find(f"{DS}Signature")


def inside(root, element):
    return signature_of(root).find(f".//{DS}{element}")


def signed_by(chain, content=GOOD, *, algorithms=(), **options):
    """Return a list signed as signxml does, by the key and certificate of a chain, or as said."""
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod(EXCLUSIVE), **dict(algorithms))
    root = etree.fromstring(content) if isinstance(content, bytes) else content
    return signer.sign(root, key=chain.key, **({"cert": [chain.signer]} | options))


def test_the_list_the_attacks_start_from_is_valid(root, judge):
    assert judge(root).status == "valid"


def test_a_comment_that_would_cut_a_name(root, judge):
    """Comments are outside the canonical form: the text must be read as if they were not there."""
    content = etree.tostring(root).replace(b"ch-2.mssante.fr", b"ch-2.mssante<!-- -->.fr")
    assert load_whitelist(content).entries["domain"].tolist() == ["ch-1.mssante.fr", "ch-2.mssante.fr"]
    assert judge(content).status == "valid"
    refused(judge(content.replace(b"<!-- -->", b".evil<!-- -->")))


def refused(verdict, why=""):
    assert (verdict.status, verdict.verified_rows) == ("invalid", 0)
    assert why in verdict.why


def rows_of(root):
    return root.find(f"{LIST}ListeDomaines")


def field_changed(root, name):
    root.find(f".//{LIST}{name}").text += "x"


def one_transform_more(root):
    extra = etree.SubElement(inside(root, "Transforms"), f"{DS}Transform", Algorithm=XPATH)
    etree.SubElement(extra, f"{DS}XPath").text = "not(ancestor-or-self::*[local-name()='Domaine'])"


def parameter_in_a_transform(root):
    transform = signature_of(root).findall(f".//{DS}Transform")[1]
    etree.SubElement(transform, f"{{{EXCLUSIVE}}}InclusiveNamespaces", PrefixList="#default")


def instruction_in_a_name(root):
    name, instruction = root.find(f".//{LIST}Nom"), etree.PI("x", "y")
    name.text, instruction.tail = name.text[:4], name.text[4:]
    name.append(instruction)


def hidden_rows(root):
    """What the enveloped transform takes out is not signed: it must not be loaded either."""
    etree.SubElement(signature_of(root), f"{DS}Object").append(copy.deepcopy(rows_of(root)))
    assert len(load_whitelist(etree.tostring(root)).entries) == 2


def keyed_with_the_certificate(root):
    """The key confusion of old: a public value used as the secret of a message code."""
    info = inside(root, "SignedInfo")
    inside(root, "SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    key = b64decode(inside(root, "X509Certificate").text)
    code = hmac.digest(key, etree.tostring(info, method="c14n", exclusive=True), "sha256")
    inside(root, "SignatureValue").text = b64encode(code).decode()


def certificate(root, der):
    inside(root, "X509Certificate").text = b64encode(der).decode()


TAMPERED = {
    "a name changed": (lambda root: field_changed(root, "Nom"), "does not match the content"),
    "a date changed": (lambda root: field_changed(root, "DateMAJ"), "does not match the content"),
    "a row added": (lambda root: rows_of(root).append(copy.deepcopy(rows_of(root)[0])), ""),
    "a row moved": (lambda root: rows_of(root).append(rows_of(root)[0]), ""),
    "a row removed": (lambda root: rows_of(root).remove(rows_of(root)[0]), ""),
    "a processing instruction": (instruction_in_a_name, ""),
    "forged rows in the signature": (hidden_rows, "does not hold"),
    "the signature twice": (lambda root: root.append(copy.deepcopy(signature_of(root))), "2 signatures"),
    "the signature first": (lambda root: root.insert(0, signature_of(root)), "not the last child"),
    "something after the signature": (lambda root: root.append(copy.deepcopy(rows_of(root))), ""),
    "a transform more": (one_transform_more, "Transforms does not hold"),
    "a parameter in a transform": (parameter_in_a_transform, ""),
    "a second certificate": (
        lambda root: inside(root, "X509Data").append(copy.deepcopy(inside(root, "X509Certificate"))),
        "X509Data does not hold",
    ),
    "rubbish for a certificate": (lambda root: certificate(root, b"\0\0\0"), "certificate cannot be read"),
    "no key info": (lambda root: signature_of(root).remove(inside(root, "KeyInfo")), ""),
    "another signer's certificate": (
        lambda root: certificate(root, make_chain().signer.public_bytes(Encoding.DER)), "",
    ),
    "a code keyed with the certificate": (keyed_with_the_certificate, ""),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "why"), TAMPERED.values(), ids=TAMPERED)
def test_a_signed_list_that_was_tampered_with(root, judge, tamper, why):
    tamper(root)
    refused(judge(root), why)


def test_the_signed_list_hidden_in_an_object_of_its_signature(chain, judge):
    original, forged = etree.fromstring(sign(GOOD, chain)), etree.fromstring(FORGED)
    signature = signature_of(original)
    etree.SubElement(signature, f"{DS}Object").append(copy.deepcopy(original))
    forged.append(signature)
    refused(judge(forged))


@pytest.mark.parametrize("uri", CASES["references"])
def test_a_reference_to_anything_but_the_whole_document(root, judge, uri):
    forged = etree.fromstring(FORGED)
    kept = copy.deepcopy(root.find(f"{LIST}ListeDomaines"))
    kept.set("Id", "good")
    etree.SubElement(forged, f"{LIST}Annexe").append(kept)
    signature = copy.deepcopy(signature_of(root))
    signature.find(f".//{DS}Reference").set("URI", uri)
    forged.append(signature)
    refused(judge(forged), "URI of Reference")


@pytest.mark.parametrize(("uri", "why"), [("#part", "URI of Reference"), (["#all", "#part"], "")])
def test_a_signature_over_a_part_of_it(chain, judge, uri, why):
    root = etree.fromstring(GOOD)
    root.set("Id", "all")
    rows_of(root).set("Id", "part")
    refused(judge(signed_by(chain, root, reference_uri=uri)), why)


def test_the_signature_inside_a_row(root, judge):
    root.find(f".//{LIST}Domaine").append(signature_of(root))
    verdict = judge(root)
    assert (verdict.status in ("invalid", "absent"), verdict.verified_rows) == (True, 0)


@pytest.mark.parametrize(("method", "digest"), CASES["methods"])
def test_another_algorithm(chain, judge, method, digest):
    algorithms = {"signature_algorithm": SignatureMethod[method], "digest_algorithm": DigestAlgorithm[digest]}
    refused(judge(signed_by(chain, algorithms=algorithms)))


@pytest.mark.parametrize(("element", "algorithm"), CASES["algorithms"])
def test_a_weak_or_powerful_algorithm(root, judge, element, algorithm):
    inside(root, element).set("Algorithm", algorithm)
    refused(judge(root))


def test_a_bare_key_instead_of_a_certificate(chain, judge):
    refused(judge(signed_by(chain, cert=None, always_add_key_value=True)), "KeyInfo does not hold")


def test_a_forger_with_a_chain_of_the_same_names(judge):
    """Right mathematics, right names, wrong keys: untrusted."""
    assert judge(sign(FORGED, make_chain())).status == "valid-untrusted"


@pytest.mark.parametrize("value", ["", "AAAA", "&#0;", "é" * 10])
def test_rubbish_for_a_signature_value(root, judge, value):
    content = etree.tostring(root)
    start, end = content.index(b"<SignatureValue>") + 16, content.index(b"</SignatureValue>")
    try:
        verdict = judge(content[:start] + value.encode() + content[end:])
    except WhiteListError:
        return  # not even XML
    refused(verdict)


def test_certificates_with_any_byte_wrong_end_in_a_verdict(root, chain, judge):
    """What signs is not signed itself: a hostile certificate may be as malformed as it likes."""
    good, made_by = chain.signer.public_bytes(Encoding.DER), random.Random(0)
    statuses = set()
    for _ in range(100):
        bad = bytearray(good)
        bad[made_by.randrange(len(bad))] ^= made_by.randrange(1, 256)
        certificate(root, bad)
        verdict = judge(root)
        statuses.add(verdict.status)
        assert all(text.isprintable() for text in (verdict.why, verdict.signer, verdict.issuer))
    assert statuses == {"invalid", "valid-untrusted"}


@pytest.mark.parametrize(
    ("where", "instead"),
    [
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x7f"),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x66"),
        (b"liste.fictif", b"\xffiste.fictif"),
        (b"250115000000Z", b"259915000000Z"),
    ],
    ids=["kind of key", "version", "name", "time"],
)
def test_a_certificate_that_cannot_be_read_to_its_end(root, chain, judge, where, instead):
    good = chain.signer.public_bytes(Encoding.DER)
    assert where in good
    certificate(root, good.replace(where, instead))
    refused(judge(root), "certificate cannot be read")


def test_names_that_would_steer_a_terminal_or_add_a_line(judge, monkeypatch):
    plain, forged = sample_signing._name, "x\x1b[2J\nverified rows: 9\N{RIGHT-TO-LEFT OVERRIDE}"

    def hostile(*attributes):
        texts = [(a.oid, forged if "liste" in a.value else a.value) for a in plain(*attributes)]
        return x509.Name([x509.NameAttribute(oid, text, _validate=False) for oid, text in texts])

    monkeypatch.setattr(sample_signing, "_name", hostile)
    verdict = judge(sign(FORGED, make_chain()))
    assert verdict.status == "valid-untrusted"
    assert verdict.signer.startswith("CN=x\\u001b[2J\\u000averified rows: 9\\u202e,OU=")


@pytest.mark.parametrize("algorithm", ["urn:\N{RIGHT-TO-LEFT OVERRIDE}x", "y" * 9000])
def test_reasons_quote_no_more_of_a_forger_than_a_line(root, judge, algorithm):
    for element in ("SignatureMethod", "DigestMethod"):
        inside(root, element).set("Algorithm", algorithm)
        verdict = judge(root)
        refused(verdict)
        assert verdict.why.isprintable()
        assert len(verdict.why) < 600


def test_a_key_too_short_or_of_another_kind(judge, tmp_path):
    root_key, issuing_key, _ = make_keys()
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    chain = make_chain(keys=(root_key, issuing_key, short))
    (file := tmp_path / "short.pem").write_bytes(pem_of(chain))
    weak = verify_signature(load_whitelist(sign(GOOD, chain)), [file])
    assert (weak.status, weak.reason) == ("valid-untrusted", "chain")
    assert "1024 bits" in weak.why
    curve = make_chain(keys=(root_key, issuing_key, ec.generate_private_key(ec.SECP256R1())))
    algorithms = {"signature_algorithm": SignatureMethod.ECDSA_SHA256}
    refused(judge(signed_by(curve, algorithms=algorithms)), "RSA")
