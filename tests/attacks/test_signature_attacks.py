"""Documents made so that a careless verifier calls forged rows signed. None may count as verified."""

import copy
import random
from base64 import b64encode
from datetime import UTC, datetime

import pytest
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

DS = "{http://www.w3.org/2000/09/xmldsig#}"
LIST = f"{{{NAMESPACE}}}"
DN = "CN=mss.alpha.example,OU=1990000018,O=CH ALPHA,ST=Paris (75),C=FR"


def rows(*names):
    fields = (
        DN,
        "01 99 00 00 01, a@alpha.example",
        "01 99 00 00 02, b@alpha.example",
        "2026-01-05T10:00:00Z",
    )
    made = [(f"{name}.mssante.fr", f"Domaine {name}", *fields) for name in names]
    return b"".join(whitelist_chunks(made, datetime(2026, 3, 2, 5, 30, tzinfo=UTC)))


GOOD, FORGED = rows("ch-1", "ch-2"), rows("ch-1", "forged")


@pytest.fixture(scope="module")
def chain():
    return make_chain()


@pytest.fixture(scope="module")
def anchors(chain, tmp_path_factory):
    file = tmp_path_factory.mktemp("anchors") / "both.pem"
    file.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in (chain.root, chain.issuing)))
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


def test_the_list_the_attacks_start_from_is_valid(root, judge):
    assert judge(root).status == "valid"


def refused(verdict, why=""):
    assert (verdict.status, verdict.verified_rows) == ("invalid", 0)
    assert why in verdict.why


# -- the content --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["Nom", "DateMAJ"])
def test_a_changed_field(root, judge, field):
    root.find(f".//{LIST}{field}").text += "x"
    refused(judge(root), "does not match the content")


def test_a_row_added_removed_or_moved(root, judge):
    rows = root.find(f"{LIST}ListeDomaines")
    rows.append(copy.deepcopy(rows[0]))
    refused(judge(root))
    rows.remove(rows[0])
    refused(judge(root))


def test_a_comment_that_would_cut_a_name(root, judge):
    """Comments are outside the canonical form: the text must be read as if they were not there."""
    content = etree.tostring(root).replace(b"ch-2.mssante.fr", b"ch-2.mssante<!-- -->.fr")
    assert load_whitelist(content).entries["domain"].tolist() == ["ch-1.mssante.fr", "ch-2.mssante.fr"]
    assert judge(content).status == "valid"
    refused(judge(content.replace(b"<!-- -->", b".evil<!-- -->")))


def test_a_processing_instruction_in_a_name(root, judge):
    refused(judge(etree.tostring(root).replace(b"ch-2.mssante.fr", b"ch-2<?x y?>.mssante.fr")))


# -- signature wrapping -------------------------------------------------------------------------------------


def test_the_signed_list_hidden_in_an_object_of_its_signature(chain, judge):
    original, forged = etree.fromstring(sign(GOOD, chain)), etree.fromstring(FORGED)
    signature = signature_of(original)
    etree.SubElement(signature, f"{DS}Object").append(copy.deepcopy(original))
    forged.append(signature)
    refused(judge(forged))


def test_forged_rows_hidden_in_the_signature_are_no_rows(root, judge):
    """What the enveloped transform takes out is not signed: it must not be loaded either."""
    hidden = copy.deepcopy(root.find(f"{LIST}ListeDomaines"))
    etree.SubElement(signature_of(root), f"{DS}Object").append(hidden)
    content = etree.tostring(root)
    assert len(load_whitelist(content).entries) == 2
    refused(judge(content), "does not hold")


@pytest.mark.parametrize(
    "uri", ["#good", "#xpointer(/)", "#xpointer(id('good'))", "other.xml", "file:///etc/hostname"]
)
def test_a_reference_to_anything_but_the_whole_document(root, judge, uri):
    forged = etree.fromstring(FORGED)
    kept = copy.deepcopy(root.find(f"{LIST}ListeDomaines"))
    kept.set("Id", "good")
    etree.SubElement(forged, f"{LIST}Annexe").append(kept)
    signature = copy.deepcopy(signature_of(root))
    signature.find(f".//{DS}Reference").set("URI", uri)
    forged.append(signature)
    refused(judge(forged), "URI of Reference")


def test_a_signature_over_one_element_only(chain, judge):
    root = etree.fromstring(GOOD)
    root.find(f"{LIST}ListeDomaines").set("Id", "part")
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    signed = signer.sign(root, key=chain.key, cert=[chain.signer], reference_uri="#part")
    refused(judge(signed), "URI of Reference")


def test_two_references(chain, judge):
    root = etree.fromstring(GOOD)
    root.set("Id", "all")
    root.find(f"{LIST}ListeDomaines").set("Id", "part")
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    refused(judge(signer.sign(root, key=chain.key, cert=[chain.signer], reference_uri=["#all", "#part"])))


# -- where the signature stands -----------------------------------------------------------------------------


def test_the_signature_twice(root, judge):
    root.append(copy.deepcopy(signature_of(root)))
    refused(judge(root), "2 signatures")


def test_the_signature_first(root, judge):
    root.insert(0, signature_of(root))
    refused(judge(root), "not the last child")


def test_the_signature_inside_a_row(root, judge):
    root.find(f".//{LIST}Domaine").append(signature_of(root))
    assert judge(root).status in ("invalid", "absent")
    assert judge(root).verified_rows == 0


def test_something_after_the_signature(root, judge):
    root.append(copy.deepcopy(root.find(f"{LIST}ListeDomaines")))
    refused(judge(root))


# -- what the signature says of itself ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.RSA_SHA384, DigestAlgorithm.SHA256),
        (SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512),
        (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA512),
    ],
)
def test_another_algorithm(chain, judge, method, digest):
    signer = XMLSigner(
        signature_algorithm=method,
        digest_algorithm=digest,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    refused(judge(signer.sign(etree.fromstring(GOOD), key=chain.key, cert=[chain.signer])))


@pytest.mark.parametrize(
    ("element", "algorithm"),
    [
        ("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        ("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        ("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        ("SignatureMethod", "none"),
        ("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"),
        ("CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        ("CanonicalizationMethod", "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
        ("Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        ("Transform", "http://www.w3.org/2002/06/xmldsig-filter2"),
    ],
)
def test_a_weak_or_powerful_algorithm(root, judge, element, algorithm):
    signature_of(root).find(f".//{DS}{element}").set("Algorithm", algorithm)
    refused(judge(root))


def test_hmac_keyed_with_the_certificate(root, chain, judge):
    """The key confusion of old: a public value used as the secret of a message code."""
    import hmac

    signature = signature_of(root)
    info = signature.find(f"{DS}SignedInfo")
    info.find(f"{DS}SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
    key = chain.signer.public_bytes(Encoding.DER)
    code = hmac.digest(key, etree.tostring(info, method="c14n", exclusive=True), "sha256")
    signature.find(f"{DS}SignatureValue").text = b64encode(code).decode()
    refused(judge(root))


def test_a_transform_more(root, judge):
    transforms = signature_of(root).find(f".//{DS}Transforms")
    extra = etree.SubElement(transforms, f"{DS}Transform")
    extra.set("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")
    etree.SubElement(extra, f"{DS}XPath").text = "not(ancestor-or-self::*[local-name()='Domaine'])"
    refused(judge(root), "Transforms does not hold")


def test_a_parameter_inside_a_transform(root, judge):
    transform = signature_of(root).findall(f".//{DS}Transform")[1]
    prefixes = etree.SubElement(transform, "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces")
    prefixes.set("PrefixList", "#default")
    refused(judge(root))


# -- the key ------------------------------------------------------------------------------------------------


def test_a_second_certificate_in_key_info(root, chain, judge):
    data = signature_of(root).find(f".//{DS}X509Data")
    data.append(copy.deepcopy(data[0]))
    refused(judge(root), "X509Data does not hold")


def test_a_bare_key_instead_of_a_certificate(chain, judge):
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    signed = signer.sign(etree.fromstring(GOOD), key=chain.key, always_add_key_value=True)
    refused(judge(signed), "KeyInfo does not hold")


def test_no_key_info_and_rubbish_for_a_certificate(root, judge):
    signature_of(root).find(f".//{DS}X509Certificate").text = "AAAA"
    refused(judge(root), "certificate cannot be read")
    signature = signature_of(root)
    signature.remove(signature.find(f"{DS}KeyInfo"))
    refused(judge(root))


def test_the_certificate_of_another_signer(root, judge):
    other = make_chain().signer.public_bytes(Encoding.DER)
    signature_of(root).find(f".//{DS}X509Certificate").text = b64encode(other).decode()
    refused(judge(root))


def test_a_forger_with_a_chain_of_the_same_names(judge):
    """Right mathematics, right names, wrong keys: untrusted."""
    forged = judge(sign(FORGED, make_chain()))
    assert forged.status == "valid-untrusted"


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
    place = signature_of(root).find(f".//{DS}X509Certificate")
    good, made_by = chain.signer.public_bytes(Encoding.DER), random.Random(0)
    told = set()
    for _ in range(100):
        bad = bytearray(good)
        at = made_by.randrange(len(bad))
        bad[at] ^= made_by.randrange(1, 256)
        place.text = b64encode(bad).decode()
        verdict = judge(root)
        told.add(verdict.status)
        assert all(text.isprintable() for text in (verdict.why, verdict.signer, verdict.issuer))
    assert told == {"invalid", "valid-untrusted"}


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
    bad = b64encode(good.replace(where, instead)).decode()
    signature_of(root).find(f".//{DS}X509Certificate").text = bad
    refused(judge(root), "certificate cannot be read")


def test_names_that_would_steer_a_terminal_or_add_a_line(judge, monkeypatch):
    plain = sample_signing._name

    def hostile(*attributes):
        name = plain(*attributes)
        forged = "x\x1b[2J\nverified rows: 9\N{RIGHT-TO-LEFT OVERRIDE}"
        ours = [
            x509.NameAttribute(a.oid, forged if "liste" in a.value else a.value, _validate=False)
            for a in name
        ]
        return x509.Name(ours)

    monkeypatch.setattr(sample_signing, "_name", hostile)
    verdict = judge(sign(FORGED, make_chain()))
    assert verdict.status == "valid-untrusted"
    assert verdict.signer.startswith("CN=x\\u001b[2J\\u000averified rows: 9\\u202e,OU=")


@pytest.mark.parametrize("algorithm", ["urn:\N{RIGHT-TO-LEFT OVERRIDE}x", "y" * 9000])
def test_reasons_quote_no_more_of_a_forger_than_a_line(root, judge, algorithm):
    for element in ("SignatureMethod", "DigestMethod"):
        signature_of(root).find(f".//{DS}{element}").set("Algorithm", algorithm)
        verdict = judge(root)
        refused(verdict)
        assert verdict.why.isprintable()
        assert len(verdict.why) < 600


def test_a_key_too_short_or_of_another_kind(judge, tmp_path):
    root_key, issuing_key, _ = make_keys()
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    chain = make_chain(keys=(root_key, issuing_key, short))
    file = tmp_path / "short.pem"
    file.write_bytes(chain.root.public_bytes(Encoding.PEM) + chain.issuing.public_bytes(Encoding.PEM))
    weak = verify_signature(load_whitelist(sign(GOOD, chain)), [file])
    assert (weak.status, weak.reason) == ("valid-untrusted", "chain")
    assert "1024 bits" in weak.why
    curve = make_chain(keys=(root_key, issuing_key, ec.generate_private_key(ec.SECP256R1())))
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.ECDSA_SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    refused(judge(signer.sign(etree.fromstring(GOOD), key=curve.key, cert=[curve.signer])), "RSA")
