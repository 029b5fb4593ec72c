"""Files made to exhaust memory, read other files, or reach the network. Each ends in one clear line."""

import gzip
import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from mssante_audit.base.errors import WhiteListError
from mssante_audit.whitelist import load as whitelist_module
from mssante_audit.whitelist.listxml import Reading
from mssante_audit.whitelist.load import NAMESPACE, load_whitelist

ROOT = f'<ListeBlancheMSSante xmlns="{NAMESPACE}">'
DATE = "<DateDeGeneration>2026-03-02T05:30:00Z</DateDeGeneration>"
ROW = "<Domaine><Nom>{}</Nom></Domaine>"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Make any connection a failure of the test."""

    def refused(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.parametrize("recover", [False, True])
@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE r [<!ENTITY l0 "ha">{LAUGHS}]>',
        f'<!DOCTYPE r [<!ENTITY big "{"x" * 50_000}">]>',
        '<!DOCTYPE r [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE r [<!ENTITY l9 SYSTEM "https://127.0.0.1:9/x">]>',
        '<!DOCTYPE r SYSTEM "https://127.0.0.1:9/list.dtd">',
        '<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
        "<!DOCTYPE r>",
    ],
    ids=["bomb", "quadratic", "file", "network", "external dtd", "parameter entity", "empty"],
)
def test_a_document_type_is_refused_before_anything_of_it_is_read(doctype, recover):
    content = f"{doctype}{ROOT}<ListeDomaines>{ROW.format('&l9;')}</ListeDomaines></ListeBlancheMSSante>"
    with pytest.raises(WhiteListError, match="document type") as raised:
        load_whitelist(content.encode(), recover=recover)
    assert "\n" not in str(raised.value)
    assert raised.value.line == 1


def test_an_entity_nobody_declared_is_damage_and_nothing_is_put_for_it():
    content = f"{ROOT}{DATE}<ListeDomaines>{ROW.format('&xxe;')}</ListeDomaines></ListeBlancheMSSante>"
    with pytest.raises(WhiteListError, match="undefined entity"):
        load_whitelist(content.encode())
    assert len(load_whitelist(content.encode(), recover=True).entries) == 0


def test_an_inclusion_is_an_element_like_any_other():
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/hostname" parse="text"/>'
    content = f"{ROOT}{DATE}<ListeDomaines>{ROW.format(include)}</ListeDomaines></ListeBlancheMSSante>"
    whitelist = load_whitelist(content.encode())
    assert whitelist.entries["domain"].tolist() == [""]
    assert "unexpected" in whitelist.problems["kind"].tolist()


def endless(before: str, piece: bytes, total: int) -> Iterator[bytes]:
    """Yield a gigabyte without holding it, and fail the test if it is read to its end."""
    yield before.encode()
    for _ in range(total // len(piece)):
        yield piece
    raise AssertionError("the whole file was read")


GIGABYTE = 2**30
FIELD = f"{ROOT}{DATE}<ListeDomaines><Domaine><Nom>"


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (FIELD, b"x" * 65536),
        (FIELD, b"&#120;" * 8192),
        (FIELD + "<a b='", b"x" * 65536),
        (FIELD, b"<![CDATA[" + b"x" * 65536 + b"]]>"),
        (ROOT + "<DateDeGeneration>", b"2" * 65536),
        (FIELD + "a</Nom>", b"<Nom>b</Nom>" * 4096),
        (FIELD, b"<a>" * 16384),
        (ROOT, b"<a/>" * 16384),
        (f"{ROOT}{DATE}<ListeDomaines>", b"<Domaine/>" * 8192),
    ],
)
def test_a_gigabyte_of_one_thing_is_refused_early_and_costs_little(before, piece):
    tracemalloc.start()
    try:
        with pytest.raises(WhiteListError) as raised:
            Reading("hostile.xml").read(endless(before, piece, GIGABYTE))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(raised.value).startswith("hostile.xml, line 1: ")
    assert peak < 100 * 2**20


def test_a_compressed_bomb_is_cut_off_at_the_limit(monkeypatch):
    monkeypatch.setattr(whitelist_module, "MAX_BYTES", 2**20)
    bomb = gzip.compress((ROOT + DATE).encode() + b"<!-- -->" * 10**6)
    assert len(bomb) < 2**20
    with pytest.raises(WhiteListError, match="more than 1 MiB of XML"):
        load_whitelist(bomb)


@pytest.mark.parametrize("name", ["a" * 70_000, "a:" * 200])
def test_a_name_too_long_is_not_put_into_a_message(name):
    content = f"{ROOT}{DATE}<{name.strip(':')}/><ListeDomaines/></ListeBlancheMSSante>"
    try:
        messages = load_whitelist(content.encode()).problems["element"].tolist()
    except WhiteListError as error:
        messages = [str(error)]
    assert all(len(text) < 400 for text in messages)
