import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from conftest import REAL
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID
from lxml import etree
from made_lists import revocations, row, xml

from mssante_audit.archive.store import import_lists, open_archive
from mssante_audit.base.errors import InputError
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.whitelist import certificates, signature
from mssante_audit.whitelist.certificates import fingerprint, load_certificates, pinned
from mssante_audit.whitelist.load import load_whitelist
from mssante_audit.whitelist.signature import SAMPLE_SIGNER, SIGNER, trust, verify_signature
from tools.sample.certificates import Made
from tools.sample.signing import make_chain, make_keys, sign

MADE = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
XML = xml([row(f"ch-{n}") for n in range(3)], MADE)


@pytest.fixture(scope="session")
def keys():
    return make_keys()


@pytest.fixture(scope="session")
def chain(keys):
    return make_chain(keys=keys)


@pytest.fixture(scope="session")
def signed(chain):
    return sign(XML, chain)


@pytest.fixture
def write(tmp_path):
    """Write certificates into a file, in the encoding its suffix says."""

    def written(name, *certificates, encoding=Encoding.PEM):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        if file.suffix == ".p7b":
            file.write_bytes(pkcs7.serialize_certificates(list(certificates), encoding))
        else:
            file.write_bytes(b"".join(c.public_bytes(encoding) for c in certificates))
        return file

    return written


@pytest.fixture
def anchors(chain, write):
    return [write("anchors/root.pem", chain.root), write("anchors/issuing.pem", chain.issuing)]


def verdict(content, anchors=(), at=None):
    return verify_signature(load_whitelist(content), anchors, at, signer=SAMPLE_SIGNER)


@pytest.fixture
def pin(monkeypatch):
    def pinned_now(kind, *trusted):
        pins = {"trusted": frozenset(), "test": frozenset()} | {kind: frozenset(map(fingerprint, trusted))}
        monkeypatch.setattr(certificates, "pinned", lambda: pins)

    return pinned_now


def test_a_good_signature_is_valid_and_tells_who_signed(signed, chain, anchors):
    result = verdict(signed, anchors)
    assert (result.status, result.verified_rows, result.at) == ("valid", 3, MADE)
    names = (chain.signer.subject, chain.signer.issuer, chain.root.subject)
    assert (result.signer, result.issuer, result.anchor) == tuple(name.rfc4514_string() for name in names)
    validity = (chain.signer.not_valid_before_utc, chain.signer.not_valid_after_utc)
    assert (result.not_before, result.not_after) == validity
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_good_signature_is_valid_under_a_locale_without_utf_8():
    script = "import mssante_audit as ms; print(ms.load_space(as_of='2026-03-03').whitelist.signature.status)"
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=plain, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("valid\n", "")


def test_a_fault_of_this_machine_is_no_wrong_signature(signed, monkeypatch):
    monkeypatch.setattr(signature, "_schema", lambda: etree.XMLSchema(file=b"/nowhere"))
    with pytest.raises(etree.XMLSchemaParseError):
        verdict(signed)


def test_what_the_anchors_given_make_of_it(signed, chain, write):
    other = make_chain()
    for anchored, status, why in (
        ((), "valid-untrusted", "no anchor is known"),
        ((chain.issuing,), "valid", ""),
        ((chain.root,), "valid-untrusted", "no anchor valid on 2026-03-02 is the signer's issuer"),
        ((other.root, other.issuing), "valid-untrusted", ""),
    ):
        result = verdict(signed, [write("anchors.pem", *anchored)] if anchored else [])
        assert (result.status, result.verified_rows) == (status, 3)
        assert why in result.why


def test_the_signers_own_certificate_is_no_anchor(signed, chain, write):
    with pytest.raises(InputError, match="no CA certificate"):
        verdict(signed, [write("signer.pem", chain.signer)])


@pytest.mark.parametrize(
    ("days", "status", "why"),
    [(-1, "valid-untrusted", "not yet valid"), (1, "valid", ""), (3 * 365 + 2, "valid-untrusted", "expired")],
)
def test_the_signer_must_be_valid_at_the_time_asked(signed, chain, anchors, days, status, why):
    result = verdict(signed, anchors, chain.signer.not_valid_before_utc + timedelta(days=days))
    assert (result.status, result.valid_at_generation) == (status, True)
    assert why in result.why


def test_generation_time_is_the_default_and_the_present_is_told_apart(keys, write):
    old = make_chain(keys=keys, not_before=datetime(2020, 1, 1, tzinfo=UTC))
    content = sign(XML.replace(b"2026-03-02T05:30:00Z", b"2021-03-02T05:30:00Z"), old)
    result = verdict(content, [write("old.pem", old.root, old.issuing)])
    assert (result.status, result.valid_at_generation, result.valid_now) == ("valid", True, False)
    assert verdict(content, at=MADE.replace(tzinfo=None)).at == MADE, "a time without zone is UTC"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"not_before": MADE + timedelta(days=1)}, "not yet valid"),
        ({"not_before": MADE - timedelta(days=4 * 365)}, "expired"),
        ({"purpose": ExtendedKeyUsageOID.SERVER_AUTH}, "extended key usage"),
        ({"issuing_is_authority": False}, ""), ({"root_path_length": 0}, ""), ({"self_signed": True}, ""),
    ],
)  # fmt: skip
def test_a_right_signature_of_a_wrong_signer_is_untrusted(keys, write, bad, why):
    chain = make_chain(keys=keys, **bad)
    result = verdict(sign(XML, chain), [write("anchors.pem", chain.root, chain.issuing)])
    assert (result.status, result.verified_rows) == ("valid-untrusted", 3)
    assert why in result.why


def test_an_authority_that_had_expired_is_none_and_not_one_for_another_use(keys, write):
    late = make_chain(keys=keys, not_before=datetime(2034, 1, 1, tzinfo=UTC))
    anchors = [write("anchors.pem", late.root, late.issuing)]
    for year, reason in ((2035, ""), (2036, "anchor")):
        assert verdict(sign(XML, late), anchors, datetime(year, 1, 1, tzinfo=UTC)).reason == reason


def test_certificate_files_of_every_kind_are_read(chain, write):
    for name, encoding in (("a.pem", Encoding.PEM), ("a.p7b", Encoding.PEM), ("a.p7b", Encoding.DER)):
        file = write(name, chain.root, chain.issuing, encoding=encoding)
        assert set(load_certificates(file)) == {chain.root, chain.issuing}
    assert load_certificates(write("one.cer", chain.root, encoding=Encoding.DER)) == [chain.root]


def test_pins_are_fingerprints():
    assert {len(pin) for pins in pinned().values() for pin in pins} == {95}
    assert pinned()["trusted"].isdisjoint(pinned()["test"])


def test_a_file_without_certificate_is_refused_by_name(tmp_path):
    for content in (b"", b"no certificate", b"\x30\x82\xff\xff", b"-----BEGIN CERTIFICATE-----\n"):
        (tmp_path / "x.cer").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.cer: no certificate that can be read"):
            load_certificates(tmp_path / "x.cer")
    with pytest.raises(InputError, match="cannot be read"):
        load_certificates(tmp_path / "missing.cer")


def test_a_folder_of_anchors_is_searched_one_level_down(chain, write, tmp_path):
    write("root.pem", chain.root)
    write("below/issuing.pem", chain.issuing)
    write("below/signer.pem", chain.signer)
    (tmp_path / "below" / "._root.pem").write_bytes(b"what a Mac leaves of each file")
    write(".hidden/other.pem", make_chain().root)
    assert set(certificates.trusted_certificates([tmp_path])) == {chain.root, chain.issuing}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no CA certificate here"):
        certificates.trusted_certificates([tmp_path / "empty"])


def test_certificates_beside_a_list_and_its_archive_count_only_if_pinned(signed, chain, write, tmp_path, pin):
    """Also in one file with others, as in the chain that IGC-Santé publishes: many have nothing else."""
    write("igc/chain.p7b", chain.root, chain.issuing, stranger := make_chain().root)
    (tmp_path / "igc" / "broken.cer").write_bytes(b"broken")
    (tmp_path / "list.xml").write_bytes(signed)
    assert load_whitelist(tmp_path / "list.xml").signature.reason == "anchor"
    pin("trusted", chain.root, chain.issuing)
    (record,) = import_lists(open_archive(tmp_path / "archive", (), SAMPLE_SIGNER), [tmp_path / "list.xml"])
    assert (record.outcome, record.message) == ("kept", "")
    for data in (tmp_path / "list.xml", tmp_path / "archive"):
        space = load_space(data, as_of=MADE, signer=SAMPLE_SIGNER)
        assert space.whitelist.signature.status == "valid"
        assert stranger not in trust(space.whitelist.anchors, *space.whitelist.beside)[0]
    make_snapshot(space, tmp_path / "snapshot", data=tmp_path)
    assert load_space(tmp_path / "snapshot").whitelist.beside == space.whitelist.beside


def test_the_test_chain_is_trusted_by_file_and_not_by_folder(signed, chain, write, tmp_path, pin):
    file = write("both.pem", chain.root, chain.issuing)
    write("other.pem", make_chain().root)
    pin("test", chain.root, chain.issuing)
    assert verdict(signed, [file]).status == "valid"
    assert verdict(signed, [tmp_path]).status == "valid-untrusted"


def test_a_signer_of_another_name_is_not_the_one_expected(signed, chain, anchors):
    listed = load_whitelist(signed)
    result = verify_signature(listed, anchors)
    assert (result.status, result.reason, result.expected) == ("valid-untrusted", "signer", SIGNER)
    assert result.why == f"the signer is {SAMPLE_SIGNER}, not {SIGNER}"
    assert (result.anchor, result.verified_rows) == (chain.root.subject.rfc4514_string(), 3)
    assert verify_signature(listed, anchors, signer=SAMPLE_SIGNER.upper()).reason == "signer"


def test_the_samples_signer_is_expected_under_the_samples_anchor_only():
    space = load_space(as_of="2026-03-03")
    assert (space.whitelist.signature.status, space.whitelist.signature.expected) == ("valid", SAMPLE_SIGNER)
    assert load_space(as_of="2026-03-03", signer=SIGNER).whitelist.signature.reason == "signer"


@pytest.fixture
def revoke(keys, chain, tmp_path):
    """Write a revocation list of the issuing authority (or of the root), which may name the signer."""

    def written(name="a.crl", at=MADE, *, revoked=None, by=1, of=chain.signer, reason="", **options):
        issuer = Made((chain.root, chain.issuing)[by].public_bytes(Encoding.DER), keys[by])
        serials, pem = [of.serial_number] if revoked else [], name.endswith("pem.crl")
        crl = revocations(issuer, at, revoked=serials, on=revoked, pem=pem, reason=reason, **options)
        (tmp_path / name).write_bytes(crl)
        return tmp_path / name

    return written


def told_with(signed, anchors, *crls):
    result = verdict(signed, [*anchors, *crls])
    return result.status, result.reason, result.revocation


GOOD, UNKNOWN = ("valid", "", "good"), ("valid", "", "unknown")
REVOKED = ("valid-untrusted", "revoked", "revoked")
DAY = timedelta(days=1)
NAMELESS, OVERDUE = "does not name it", "a.crl was due to be replaced before that time (2026-02-07)"
PARTIAL = "a.crl is not complete, or about other certificates"


def scope(*, users: bool) -> x509.IssuingDistributionPoint:
    """Of users' certificates only, or of authorities' only."""
    return x509.IssuingDistributionPoint(None, None, users, not users, None, False, False)


@pytest.mark.parametrize(
    ("changes", "expected", "why"),
    [
        ({}, GOOD, "a.crl of 2026-03-02 does not name it"),
        ({"name": "a.pem.crl"}, GOOD, NAMELESS),
        ({"at": MADE + 300 * DAY}, GOOD, NAMELESS),
        ({"at": MADE - 30 * DAY}, UNKNOWN, OVERDUE),
        ({"at": MADE + 3000 * DAY}, UNKNOWN, ""),  # the signer's end is past: it need not be named any more
        ({"revoked": MADE - DAY}, REVOKED, "a.crl says that it was revoked on 2026-03-01"),
        ({"revoked": MADE + DAY, "at": MADE + 2 * DAY}, GOOD, "on 2026-03-03, which is later"),
        ({"revoked": MADE + DAY, "lost": MADE - DAY, "at": MADE + 2 * DAY}, REVOKED, ""),
        ({"by": 0}, UNKNOWN, "no revocation list of its issuer lies here"),
        ({"extension": x509.DeltaCRLIndicator(3)}, UNKNOWN, PARTIAL),
        ({"revoked": MADE - DAY, "reason": "key_compromise"}, REVOKED, "on 2026-03-01 (keyCompromise)"),
        ({"revoked": MADE - DAY, "reason": "certificate_hold"}, REVOKED, ""),
        # A hold may have been lifted since that list was made.
        ({"revoked": MADE - 31 * DAY, "reason": "certificate_hold", "at": MADE - 30 * DAY}, UNKNOWN, ""),
        ({"extension": scope(users=False)}, UNKNOWN, PARTIAL),
        ({"extension": scope(users=True)}, GOOD, NAMELESS),
    ],
)
def test_a_revocation_list_speaks_of_the_lists_time(signed, anchors, revoke, changes, expected, why):
    crl = revoke(**changes)
    assert told_with(signed, anchors, crl) == expected
    assert why in verdict(signed, [*anchors, crl]).revocation_why


def test_a_revoked_authority_revokes_what_it_issued(signed, chain, anchors, revoke):
    of_root = revoke("root.crl", by=0, of=chain.issuing, revoked=MADE - DAY)
    assert told_with(signed, anchors, revoke(), of_root) == REVOKED


def test_a_list_that_has_changed_is_read_again(signed, anchors, revoke):
    assert told_with(signed, anchors, revoke()) == GOOD
    assert told_with(signed, anchors, revoke(revoked=MADE - DAY)) == REVOKED


def test_a_revocation_list_of_nobody_says_nothing(signed, anchors, tmp_path, revoke):
    assert told_with(signed, anchors) == UNKNOWN
    forged = revoke(revoked=MADE - DAY)
    content = bytearray(forged.read_bytes())
    content[-1] ^= 1
    forged.write_bytes(content)
    (tmp_path / "b.crl").write_bytes(b"broken")
    (tmp_path / "c.crl").mkdir()
    os.mkfifo(tmp_path / "d.crl")
    lists = revoke("e.pem.crl").read_bytes(), revoke("f.pem.crl", revoked=MADE - DAY).read_bytes()
    (tmp_path / "e.pem.crl").write_bytes(b"".join(lists))  # the second of two is not overlooked
    odd = [tmp_path / f"{name}.crl" for name in ("b", "c", "d", "e.pem")]
    assert told_with(signed, anchors, forged, *odd) == UNKNOWN


def test_they_are_found_beside_a_list_and_beside_its_archive(signed, chain, anchors, revoke, tmp_path):
    (tmp_path / "list.xml").write_bytes(signed)
    trust = {"anchors": anchors, "signer": SAMPLE_SIGNER}
    assert load_whitelist(tmp_path / "list.xml", **trust).signature.revocation == "unknown"
    revoke("below.CRL", revoked=MADE - DAY)
    assert load_whitelist(tmp_path / "list.xml", **trust).signature.revocation == "revoked"
    archive = open_archive(tmp_path / "archive", *trust.values())
    (record,) = import_lists(archive, [tmp_path / "list.xml"])
    assert record.outcome == "quarantined"
    assert "its signature is valid-untrusted: the signer's certificate is revoked" in record.message


@pytest.mark.real
def test_the_real_list_is_valid_its_signer_then_and_not_now():
    (file,) = REAL.glob("*.xml.gz")
    result = verify_signature(load_whitelist(file), [REAL / "igc-sante"])
    assert (result.status, result.valid_at_generation) == ("valid", True)
    assert result.valid_now is (datetime.now(UTC) <= datetime(2026, 8, 23, 13, 54, 23, tzinfo=UTC))
    assert result.verified_rows == 6494
    assert load_whitelist(file).signature.status == "valid"
    assert verify_signature(load_whitelist(file.read_bytes())).status == "valid-untrusted"
