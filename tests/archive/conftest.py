"""What signs lists, and an archive that trusts it."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from mssante_audit.archive.store import Archive, open_archive
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.signing import SigningChain, make_chain


@pytest.fixture(scope="session")
def chain() -> SigningChain:
    return make_chain()


@pytest.fixture
def archive(tmp_path: Path, chain: SigningChain) -> Archive:
    anchors = tmp_path / "anchors"
    anchors.mkdir()
    for name, certificate in (("root", chain.root), ("issuing", chain.issuing)):
        (anchors / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return open_archive(tmp_path / "archive", [anchors], SAMPLE_SIGNER)
