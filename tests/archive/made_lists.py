"""Lists made up row by row, and revocation lists."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tools.sample.certificates import Made
from tools.sample.space import Row, whitelist_chunks

START = datetime(2026, 1, 1, 5, 30, tzinfo=UTC)
DN = "CN=mss.alpha.example,OU=1759900001,O=CH ALPHA,ST=Paris (75),C=FR"


def row(domain: str, **changes: str) -> Row:
    name = domain.partition(".")[0]
    fields = {
        "domain": f"{domain}.mssante.fr", "description": f"Messagerie de {name}", "dn": DN,
        "project": "01 99 00 00 01, projet@alpha.example",
        "support": "01 99 00 00 02, support@alpha.example", "stamp": "2025-12-01T10:00:00Z",
    }  # fmt: skip
    assert changes.keys() <= fields.keys()
    return tuple({**fields, **changes}.values())  # type: ignore[return-value]


def xml(rows: list[Row], at: datetime = START) -> bytes:
    return b"".join(whitelist_chunks(rows, at))


def revocations(
    issuer: Made,
    at: datetime,
    *,
    revoked: int | Sequence[int] = 1,
    pem: bool = False,
    extension: x509.ExtensionType | None = None,
    critical: bool = True,
    number: int | None = None,
    reason: str = "key_compromise",
    on: datetime | None = None,
    lost: datetime | None = None,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(at).next_update(at + timedelta(7))
    for serial in range(1, revoked + 1) if isinstance(revoked, int) else revoked:
        each = x509.RevokedCertificateBuilder(serial, on or at - timedelta(1))
        if reason:
            each = each.add_extension(x509.CRLReason(x509.ReasonFlags[reason]), critical=False)
        if lost:
            each = each.add_extension(x509.InvalidityDate(lost.replace(tzinfo=None)), critical=False)
        builder = builder.add_revoked_certificate(each.build())
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if extension:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM if pem else Encoding.DER)
