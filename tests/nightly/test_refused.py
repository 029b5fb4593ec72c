"""A list that is refused, for each reason and in each language: the mail says which, why, and what holds."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from foreign import ENGLISH, FRENCH
from loopback import Answer, give, serving
from lxml import html
from test_states import EVENING, FIRST, MORNING, NOON, SECOND, Lists, Nights, _nothing_unread, at  # noqa: F401

from tools.sample.signing import make_chain, make_keys

ROW = ("ch-alpha.mssante.fr", "CH ALPHA", "C=FR,ST=Ain (01),O=CH ALPHA,OU=101010001,CN=a.ch-alpha.example")
CONTACTS = ("04 65 71 00 01, dsi@ch-alpha.example",) * 2
KEYS = make_keys()
GOOD, OTHER = make_chain(keys=KEYS), make_chain(keys=KEYS, common_name="autre.fictif.example")
LISTS = Lists([(*ROW, *CONTACTS, "2026-02-01T00:00:00Z")] * 1, GOOD, OTHER, make_chain())
LAPSED = replace(LISTS, chain=make_chain(keys=KEYS, not_before=at("2022-01-15T00:00:00Z")))


def edited(before: bytes, after: bytes) -> bytes:
    return LISTS.made(SECOND).replace(before, after, 1)


def refuse(request: Any) -> None:
    request.send_error(503)


REASONS: dict[str, tuple[Callable[[], bytes | Answer], str, str]] = {
    "cut": (lambda: LISTS.made(SECOND)[:-900], "la fin du fichier manque", "the end of the file is missing"),
    "forged": (lambda: edited(b"CH ALPHA", b"CH BRAVO"), "la signature est fausse", "its signature is wrong"),
    "unsigned": (lambda: LISTS.made(SECOND, by=""), "aucune signature", "it has no signature"),
    "other name": (
        lambda: LISTS.made(SECOND, by="other"),
        "signée par autre.fictif.example, qui n'est pas le signataire attendu",
        "signed by autre.fictif.example, who is not the signer expected",
    ),
    "other authority": (
        lambda: LISTS.made(SECOND, by="stranger"), "aucune autorité connue ici ne répond de son signataire",
        "no authority known here vouches for its signer",
    ),
    "revoked": (
        lambda: LISTS.made(SECOND), "le certificat du signataire est révoqué",
        "the signer's certificate is revoked",
    ),
    "expired when signed": (
        lambda: LAPSED.made(SECOND), "le certificat du signataire n'était pas valable à sa date",
        "the signer's certificate was not valid at its date",
    ),
    "older": (
        lambda: LISTS.made(at("2026-02-20T05:30:00Z")), "sa date recule, du 2 mars 2026 à 05 h 30 UTC au",
        "its date goes back, from 2 March 2026 at 05:30 UTC to 20 February 2026",
    ),
    "a page": (
        lambda: b"<!DOCTYPE html><html><body>login</body></html>",
        "le serveur donne une page HTML à la place de la liste", "the answer is an HTML page, not a list",
    ),
    "an error": (lambda: refuse, "le serveur répond par une erreur", "503"),
}  # fmt: skip
"""What is published, and why it is refused, in French and in English."""


def played(nights: Nights, when: str, published: bytes | Answer, lang: str) -> tuple[str, str, str, int]:
    """Play a night that fetches what is published; return subject, text, text of the HTML, and status."""
    with serving(give(published) if isinstance(published, bytes) else published) as url:
        nights.set(lang=lang, fetch=url)
        told = nights.told(when)
    mail = message_from_bytes((told.run / "summary.eml").read_bytes(), policy=policy.default)
    plain, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    body = html.document_fromstring(page)
    for hidden in body.xpath("//style"):
        hidden.drop_tree()
    kept = [line for line in plain.splitlines() if not line.startswith(("SITE", "LOG", "JOURNAL"))]
    shown = [text for text in body.itertext() if not text.strip().startswith(("SITE", "LOG", "JOURNAL"))]
    spaces = str.maketrans("’\xa0\u202f", "'  ")
    every = ([mail["Subject"]], kept, shown)
    return (*(" ".join(" ".join(parts).translate(spaces).split()) for parts in every), told.status)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place after a good night, not to be changed."""
    nights = Nights(tmp_path_factory.mktemp("refused"), LISTS)
    (nights.data / "archive").mkdir(parents=True)
    nights.trust()
    assert played(nights, MORNING, LISTS.made(FIRST), "fr")[3] == 0
    return nights.folder


@pytest.mark.parametrize("name", REASONS)
def test_a_refused_list_is_told_in_the_readers_language_and_as_what_is_new(
    name: str, first: Path, tmp_path: Path
) -> None:
    shutil.copytree(first, tmp_path, symlinks=True, dirs_exist_ok=True)
    nights = Nights(tmp_path, LISTS)
    if name == "revoked":
        entry = x509.RevokedCertificateBuilder().serial_number(GOOD.signer.serial_number)
        entry = entry.revocation_date(at(MORNING))
        crl = x509.CertificateRevocationListBuilder().issuer_name(GOOD.issuing.subject)
        crl = crl.last_update(at(MORNING)).next_update(at("2026-03-09T05:30:00Z"))
        crl = crl.add_revoked_certificate(entry.build()).sign(KEYS[1], hashes.SHA256())
        (nights.data / "a.crl").write_bytes(crl.public_bytes(Encoding.DER))
    publish, *reasons = REASONS[name]
    failed = name in ("a page", "an error")
    lists = "la liste du 2 mars 2026 à 05 h 30 UTC (1 ligne)", "the list of 2 March 2026 at 05:30 UTC (1 row)"
    french = ["RESTE EN VIGUEUR : " + lists[0], "; le site du 3 mars 2026 à"]
    english = ["STILL IN FORCE: " + lists[1], "; the site of 3 March 2026 at"]
    heads = "EN ÉCHEC : téléchargement", "FAILED: fetch"
    if failed:
        french, english = ["ÉCHEC téléchargement", *french], ["FAILED fetch", *english]
    else:
        heads = ": AVEUGLES : liste (", "STILL BLIND: list ("
        french = ["INCONNU liste blanche", "À FAIRE : ", *french]
        english = ["UNKNOWN white list", "TO DO: ", *english]
    for lang, when, head, why, words, foreign in (
        ("fr", NOON, heads[0], reasons[0], french, ENGLISH),
        ("en", EVENING, heads[1], reasons[1], english, FRENCH),
    ):
        subject, text, page, status = played(nights, when, publish(), lang)
        assert status == (3 if failed else 4)
        assert head in subject
        assert len(subject) <= 78
        for part in (text, page):
            assert [wanted for wanted in (subject, why, *words) if wanted not in part] == []
            assert foreign.findall(part) == []


@pytest.mark.parametrize(
    ("publish", "head", "why", "told"),
    [
        (REASONS["unsigned"][0], "(sans signature)", ": aucune signature, et il n'y en a pas d'autre", ()),
        (REASONS["a page"][0], "(absente)", ": aucune dans le dossier de données", ("DÉPOSER", "HTML")),
    ],
)
def test_a_first_run_whose_list_is_refused_says_so_and_of_no_run_before(
    publish: Callable[[], bytes], head: str, why: str, told: tuple[str, ...], first: Path, tmp_path: Path
) -> None:
    nights = Nights(tmp_path, LISTS)
    shutil.copytree(first / "anchors", tmp_path / "anchors")
    (nights.data / "archive").mkdir(parents=True)
    subject, text, _, status = played(nights, NOON, publish(), "fr")
    assert status == 4
    assert subject == f"MSSanté 3 mars : AVEUGLES : liste {head}"
    wanted = (why, *told, "site : l'audit a échoué")
    assert [words for words in wanted if words.upper() not in text.upper()] == []
    assert "précédent" not in text
    assert "list:absent" not in text
