"""What the signature of a white list is worth.

Its form (data): one enveloped XML signature, last child of the root; exclusive canonical form without
comments, RSA with SHA-256; one reference, to the whole document; in KeyInfo the signer's certificate alone.
Anything else is refused before any mathematics (signxml's), so that a signature over something else cannot
vouch for the rows. The authority issues the same kind of certificate to every organisation of French health
care (data): a right path does not make the right signer, whose name is held against the one expected.
"""

from __future__ import annotations

import os
import warnings
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from mssante_audit.base.errors import WhiteListError
from mssante_audit.base.markup import html_of
from mssante_audit.base.resources import is_sample, sample_folder
from mssante_audit.base.text import visible
from mssante_audit.whitelist import certificates
from mssante_audit.whitelist.certificates import UNREADABLE, extension_of, is_authority, path_to_anchor
from mssante_audit.whitelist.revocation import SUFFIX, find_crls, revocation

if TYPE_CHECKING:
    from mssante_audit.whitelist.load import WhiteList

DS = "{http://www.w3.org/2000/09/xmldsig#}"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

SIGNER = "alb.mssante.fr"  # common name in the certificate that signs the published list (data)
SAMPLE_SIGNER = "liste.fictif.example"
_SMALLEST_KEY = 2048  # bits of an RSA key (good practice; the real signer's has as many)

Status = Literal["valid", "valid-untrusted", "invalid", "absent"]
Revocation = Literal["good", "revoked", "unknown", ""]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a signature is worth."""

    status: Status
    """``valid``; ``valid-untrusted`` (right, but the signer does not chain to an anchor, or may not sign);
    ``invalid``; ``absent``."""
    why: str  # in one sentence without a final period
    reason: str = ""
    """The same as a code: ``damaged`` (the file), ``form`` (not that of a list's signature), ``content``
    (something else is signed), ``time`` (signer not valid then), ``anchor`` (none leads to the signer),
    ``chain`` (one does, but a certificate may not do what it did), ``signer`` (it is somebody else's),
    ``revoked`` (at that time already); "" for a valid or absent signature."""
    signer: str = ""  # subject of the signer's certificate (RFC 4514); "" if none can be read
    issuer: str = ""
    not_before: datetime | None = None  # of the signer (UTC)
    not_after: datetime | None = None
    at: datetime | None = None  # when the certificates were validated (UTC)
    valid_at_generation: bool | None = None  # whether the signer was when the list was generated
    valid_now: bool | None = None
    verified_rows: int = 0  # how many rows the verified reference covers: all, or none
    anchor: str = ""  # subject of the anchor that the signer chains to
    expected: str = ""  # common name of the signer expected
    revocation: Revocation = ""  # "" without an anchor
    revocation_why: str = ""  # without a final period

    def _repr_html_(self) -> str | None:
        return html_of(self)


class _InvalidError(Exception):
    """The signature is wrong, or its signer is, for the reason given (`Verdict.reason`)."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(_line(message))
        self.reason = reason


def _line(text: str) -> str:
    """Return a text that others wrote as one line, of bounded length, that can neither steer nor hide."""
    return visible(text if len(text) <= 500 else f"{text[:500]}…", spaces=True)


def _name(name: x509.Name) -> str:
    return _line(name.rfc4514_string())


def verify_signature(
    whitelist: WhiteList,
    anchors: Sequence[str | Path] = (),
    at: datetime | None = None,
    *,
    signer: str | None = None,
) -> Verdict:
    """Verify the signature of a white list; a wrong one is a verdict, not an error.

    Parameters
    ----------
    whitelist
        The list. What was loaded must still be where it was.
    anchors
        Certificate files and folders to trust, and revocation lists; beside the list, those of IGC-Santé and
        revocation lists need not be named (`trust`).
    at
        When the certificates must be valid; by default when the list was generated, or else now.
    signer
        Common name of whoever should have signed; by default `SIGNER`, or under its anchor the sample's.

    Raises
    ------
    InputError
        If the list is gone or has changed, or an anchor cannot be read.
    """
    trusted, crls = trust(anchors, *whitelist.beside)
    at = at or whitelist.generated_at or datetime.now(UTC)
    at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    if not whitelist.signed:
        return Verdict("absent", "the list has no signature", at=at)
    verdict, generated_at = Verdict("invalid", "", at=at), whitelist.generated_at
    try:
        if whitelist.damaged:
            raise _InvalidError(f"the file is damaged: {whitelist.damage}", "damaged")
        content = whitelist.content()
        leaf = _signer(content)
        start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        verdict = replace(
            verdict, signer=_name(leaf.subject), issuer=_name(leaf.issuer), not_before=start, not_after=end,
            valid_at_generation=start <= generated_at <= end if generated_at else None,
            valid_now=start <= datetime.now(UTC) <= end,
        )  # fmt: skip
        if not whitelist.same_as(_signed_bytes(content, leaf)):  # whatever both parsers make of the file
            raise _InvalidError("the rows loaded are not the rows signed", "content")
        verdict = replace(verdict, status="valid-untrusted", verified_rows=len(whitelist.entries))
        chain = _chain(leaf, trusted, at)
        expected = signer or SIGNER
        if not signer and {*chain} & {*certificates.trusted_certificates([sample_folder() / "anchors"])}:
            expected = SAMPLE_SIGNER
        status = revocation(chain, crls, at)
        verdict = replace(
            verdict, anchor=_name(chain[-1].subject), expected=expected, revocation=status.answer,
            revocation_why=status.why,
        )  # fmt: skip
        if (names := common_names(leaf)) != [expected]:
            named = _line(", ".join(names)) or "nobody named"
            raise _InvalidError(f"the signer is {named}, not {_line(expected)}", "signer")
        if status.answer == "revoked":
            raise _InvalidError(f"the signer's certificate is revoked: {status.why}", "revoked")
    except WhiteListError as error:
        why = _line(f"what is signed is no white list ({error.message})")
        return replace(verdict, why=why, reason="content")
    except _InvalidError as error:
        return replace(verdict, why=str(error), reason=error.reason)
    return replace(verdict, status="valid", why="the signature is right and the signer chains to an anchor")


def made_up(whitelist: WhiteList) -> bool:
    """Tell whether a list is the shipped sample's, or signed by its authority: nothing in it is real."""
    of_sample = isinstance(whitelist.origin, Path) and is_sample(whitelist.origin)
    return of_sample or whitelist.signature.expected == SAMPLE_SIGNER


def trust(anchors: Sequence[str | Path], *folders: Path) -> tuple[list[x509.Certificate], list[Path]]:
    """Return the certificates to trust and the files of revocation lists.

    `anchors` are files and folders that the user names (an `InputError` if one cannot be read); in the data
    `folders` IGC-Santé's certificates and revocation lists need not be named.
    """
    crls = [anchor for anchor in map(Path, anchors) if anchor.suffix.lower() == SUFFIX]
    places = [anchor for anchor in map(Path, anchors) if anchor not in crls]
    crls += [crl for place in (*places, *folders) if place.is_dir() for crl in find_crls(place)]
    local_anchors = [anchor for folder in folders for _, anchor in certificates.find_anchors(folder)]
    return certificates.trusted_certificates(places) + local_anchors, crls


def common_names(certificate: x509.Certificate) -> list[str]:
    """Return the common names in a certificate's subject: one, of a certificate as it should be."""
    return [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def signer_of(content: bytes) -> x509.Certificate | None:
    """Return the certificate that a list (its XML) says it is signed with, whatever that is worth."""
    with suppress(_InvalidError):
        return _signer(content)
    return None


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _signer(content: bytes) -> x509.Certificate:
    """Return the certificate in the list's one signature, once that has the form of a list's signature."""
    try:
        root = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        raise _InvalidError(f"the XML cannot be read as a tree: {error.msg}", "form") from error
    signatures = list(root.iter(f"{DS}Signature"))
    if len(signatures) != 1:
        raise _InvalidError(f"the file holds {len(signatures)} signatures, not one", "form")
    if list(root.iterchildren("*"))[-1] is not signatures[0]:
        raise _InvalidError("the signature is not the last child of the root", "form")
    info, _, key_info = _children(signatures[0], "SignedInfo", "SignatureValue", "KeyInfo")
    canonical, _, reference = _children(info, "CanonicalizationMethod", "SignatureMethod", "Reference")
    transforms, _, _ = _children(reference, "Transforms", "DigestMethod", "DigestValue")
    enveloped, exclusive = _children(transforms, "Transform", "Transform")
    methods = ((canonical, EXCLUSIVE_C14N), (enveloped, ENVELOPED), (exclusive, EXCLUSIVE_C14N))
    for element, attribute, value in ((reference, "URI", ""), *((e, "Algorithm", m) for e, m in methods)):
        if element.get(attribute) != value:
            local, actual = etree.QName(element).localname, str(element.get(attribute))[:128]
            raise _InvalidError(f"{attribute} of {local} is {actual!r}, not {value!r}", "form")
    for parameterless, _ in methods:
        _children(parameterless)
    (data,) = _children(key_info, "X509Data")
    (certificate,) = _children(data, "X509Certificate")
    try:
        der = b64decode(certificate.text or "")
        return certificates.read_certificates(x509.load_der_x509_certificate, der)[0]
    except UNREADABLE as error:
        raise _InvalidError("the signer's certificate cannot be read", "form") from error


def _children(parent: etree._Element, *names: str) -> list[etree._Element]:
    """Return the children of `parent` if they are exactly those named."""
    children = list(parent)
    if [child.tag for child in children] != [DS + name for name in names]:
        local = etree.QName(parent).localname
        raise _InvalidError(f"{local} does not hold {', '.join(names) or 'nothing'}, and only that", "form")
    return children


@cache
def _schema() -> etree.XMLSchema:
    """Return the schema of signatures, read in the encoding that it declares: signxml takes the locale's."""
    with as_file(files("signxml.schemas")) as folder:
        return etree.XMLSchema(file=os.fsencode(folder / "xmldsig1-schema.xsd"))


class _Verifier(XMLVerifier):
    @classmethod
    def schemas(cls) -> list[etree.XMLSchema]:
        return [_schema()]


def _signed_bytes(content: bytes, leaf: x509.Certificate) -> bytes:
    """Return what the signature signs, if it is right, whether or not the signer may sign."""
    if not isinstance(leaf.public_key(), rsa.RSAPublicKey):
        raise _InvalidError("the signer's key is not an RSA key", "form")
    configuration = SignatureConfiguration(
        location="./", expect_references=1, verification_time=leaf.not_valid_before_utc,
        signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
    )  # fmt: skip
    _schema()  # before the attempt: one that cannot be read is no fault of the list
    try:
        # The warnings are of a certificate that is odd, and yet the one that signed.
        with warnings.catch_warnings(action="ignore"):
            verify = _Verifier().verify
            result: Any = verify(content, x509_cert=leaf, parser=_parser(), expect_config=configuration)
    except (SignXMLException, etree.LxmlError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _InvalidError(f"the signature does not match the content ({error})", "content") from error
    return bytes(result.signed_data)


def _chain(
    leaf: x509.Certificate, trusted: Sequence[x509.Certificate], at: datetime
) -> list[x509.Certificate]:
    """Return the signer's path to an anchor, all valid at that time and allowed to do what they did."""
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        state = "not yet valid" if at < leaf.not_valid_before_utc else "expired"
        raise _InvalidError(f"the signer's certificate is {state} on {at:%Y-%m-%d}", "time")
    if not trusted:
        raise _InvalidError("no anchor is known: neither given, nor recognised beside the list", "anchor")
    then = [c for c in trusted if c.not_valid_before_utc <= at <= c.not_valid_after_utc]
    if not any(_issued(leaf, certificate) for certificate in then):
        issuer = leaf.issuer.rfc4514_string()
        raise _InvalidError(f"no anchor valid on {at:%Y-%m-%d} is the signer's issuer, {issuer}", "anchor")
    try:
        _check_use(leaf)
        chain = path_to_anchor(leaf, trusted, trusted, at, any_use=False)
    except ValueError as error:
        raise _InvalidError(f"the signer does not chain to an anchor ({error})", "chain") from error
    for key in (certificate.public_key() for certificate in chain):
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SMALLEST_KEY:
            raise _InvalidError(f"a key of {key.key_size} bits stands between signer and anchor", "chain")
    return chain


def _issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether a certificate bears the signature of an authority, and its name."""
    with suppress(InvalidSignature, *UNREADABLE):
        leaf.verify_directly_issued_by(authority)
        return True
    return False


def _check_use(leaf: x509.Certificate) -> None:
    """Refuse a signer's certificate that is not for what the real one is (data), with a `ValueError`."""
    if ExtendedKeyUsageOID.EMAIL_PROTECTION not in (extension_of(leaf, x509.ExtendedKeyUsage) or ()):
        raise ValueError("its extended key usage is not emailProtection")
    usage = extension_of(leaf, x509.KeyUsage)
    if not (usage and (usage.digital_signature or usage.content_commitment)):
        raise ValueError("its key usage is not signing")
    if is_authority(leaf):
        raise ValueError("it is a CA's certificate")
