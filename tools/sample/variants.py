"""Small clean lists, each with one thing wrong as a whole: signature, age, file, the XML of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

from cryptography.x509.oid import ExtendedKeyUsageOID

from mssante_audit.whitelist.listxml import NAMESPACE
from tools.sample.cases import add_cases
from tools.sample.signing import SigningChain, make_chain, make_keys, sign
from tools.sample.space import (
    GENERATED_AT,
    TEST_DESCRIPTION,
    Entry,
    Space,
    Truth,
    clean_space,
    row_xml,
    stamp,
    whitelist_chunks,
)

OLD_AT = datetime(2026, 2, 1, 5, 30, tzinfo=UTC)
"""When the list that is too old was generated: a month before the sample's date."""
SIGNER_YEARS = timedelta(days=3 * 365 + 1)
"""How long a signer's certificate is valid (see `sample_signing`)."""
DOMAINS, OPERATORS = 20, 4


@dataclass(frozen=True, slots=True)
class Variant:
    """A list to be put beside the sample's main one."""

    name: str
    about: str
    rules: tuple[str, ...]
    """Rules that must fire once on the whole list, without rows."""
    make: Callable[[Space, Chains], bytes]
    """Make the file; may record rules that must fire on rows."""

    def file(self, seed: int, chains: Chains) -> tuple[bytes, list[Truth]]:
        """Return the file and the truth about it."""
        space = clean_space(Random(seed), DOMAINS, OPERATORS)  # noqa: S311 - reproducible, nothing secret
        for rule in self.rules:
            space.record(rule, [])
        content = self.make(space, chains)
        return content, list(space.truths(f"variants/{self.name}"))


@dataclass(frozen=True, slots=True)
class Chains:
    """Who signs: made anew each time, so that no key need be kept."""

    good: SigningChain
    stranger: SigningChain
    """Of another root."""
    expired: SigningChain
    """Of the good root; its signer expired between the list's generation and the sample's date."""
    wrong_purpose: SigningChain
    """Of the good root; its signer may only be a server."""
    colleague: SigningChain
    """Of the good root; its signer is another organisation's."""


def make_chains() -> Chains:
    """Make the certificates and keys of everybody who signs in the sample."""
    keys = make_keys()
    return Chains(
        make_chain(keys=keys),
        make_chain(),
        make_chain(keys=keys, not_before=GENERATED_AT + timedelta(hours=12) - SIGNER_YEARS),
        make_chain(keys=keys, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
        make_chain(keys=keys, common_name="organisme.fictif.example"),
    )


def _xml(space: Space, generated_at: datetime = GENERATED_AT) -> bytes:
    return b"".join(whitelist_chunks((entry.row() for entry in space.listed()), generated_at))


def _unsigned(space: Space, _: Chains) -> bytes:
    return _xml(space)


def _signed(space: Space, chains: Chains, by: str) -> bytes:
    return sign(_xml(space), getattr(chains, by))


def _tampered(space: Space, chains: Chains) -> bytes:
    return sign(_xml(space), chains.good).replace("MSSanté pour".encode(), "MSSanté Pour".encode(), 1)


def _misplaced_signature(space: Space, chains: Chains) -> bytes:
    """Move the signature from its place at the end of the list into the last row."""
    whole = sign(_xml(space), chains.good)
    at, end = whole.index(b"<Signature "), whole.index(b"</Signature>") + len(b"</Signature>")
    row = whole.rindex(b"</Domaine>")
    return whole[:row] + whole[at:end] + whole[row:at] + whole[end:]


def _cases(space: Space, chains: Chains) -> bytes:
    add_cases(space)
    return sign(_xml(space), chains.good)


def _old(space: Space, chains: Chains) -> bytes:
    for entry in space.entries:
        entry.stamp = min(entry.stamp, stamp(OLD_AT))
    return sign(_xml(space, OLD_AT), chains.good)


def _other_namespace(space: Space, chains: Chains) -> bytes:
    other = NAMESPACE.replace("mssante.fr", "valfictif.example")
    return sign(_xml(space).replace(NAMESPACE.encode(), other.encode()), chains.good)


def _namespace_as_element(space: Space, _: Chains) -> bytes:
    text = _xml(space).decode().replace(f' xmlns="{NAMESPACE}"', "", 1)
    return text.replace("\n", f"\n    <xmlns>{NAMESPACE}</xmlns>\n", 1).encode()


def _unclosed(space: Space, _: Chains) -> bytes:
    return _xml(space).removesuffix(b"</ListeBlancheMSSante>\n")


def _truncated(space: Space, _: Chains) -> bytes:
    """Cut the list in the middle of a row, which is lost."""
    whole = _xml(space)
    return whole[: whole.index(b"<SupportContact>", len(whole) // 2) + 20]


def _problem_rows(space: Space, chains: Chains) -> bytes:
    """Leave out, empty, repeat and add an element, in rows of domains that have no other."""
    entries = space.listed()
    counts = Counter(entry.domain for entry in entries)
    single = [e for e in entries if counts[e.domain] == 1 and e.description != TEST_DESCRIPTION]
    missing, empty, also_empty, repeated, unexpected = single[:5]
    edits: list[tuple[list[Entry], Callable[[str], str]]] = [
        ([missing], lambda row: _without(row, "Description")),
        ([empty, also_empty], lambda row: _without(row, "SupportContact", "<SupportContact/>")),
        (
            [repeated],
            lambda row: row.replace("<DateMAJ>", "<DateMAJ>2026-01-01T00:00:00Z</DateMAJ><DateMAJ>"),
        ),
        ([unexpected], lambda row: row.replace("<DateMAJ>", "<Commentaire>fictif</Commentaire><DateMAJ>")),
    ]
    text = _xml(space).decode()
    for rows, edit in edits:
        space.record("LIST_UNREADABLE_ROW", rows)
        for entry in rows:
            text = text.replace(row_xml(entry.row()), edit(row_xml(entry.row())))
    return sign(text.encode(), chains.good)


def _without(row: str, element: str, instead: str = "") -> str:
    before, _, rest = row.partition(f"<{element}>")
    return before + instead + rest.partition(f"</{element}>")[2]


VARIANTS = (
    Variant("unsigned.xml", "no signature", ("LIST_UNSIGNED",), _unsigned),
    Variant("tampered.xml", "a letter changed after signing", ("LIST_SIGNATURE_INVALID",), _tampered),
    Variant(
        "untrusted.xml",
        "signed by an authority that is not in `anchors/`",
        ("LIST_SIGNER_UNTRUSTED",),
        partial(_signed, by="stranger"),
    ),
    Variant(
        "wrong-purpose.xml",
        "signed with a certificate that is for servers",
        ("LIST_SIGNER_UNTRUSTED",),
        partial(_signed, by="wrong_purpose"),
    ),
    Variant(
        "other-signer.xml",
        "signed by another organisation, with a certificate of the same authority",
        ("LIST_SIGNER_UNTRUSTED",),
        partial(_signed, by="colleague"),
    ),
    Variant(
        "signer-expired.xml",
        "signer valid when the list was generated, expired since",
        ("LIST_SIGNER_EXPIRED",),
        partial(_signed, by="expired"),
    ),
    Variant("old.xml", "generated on 1 February 2026", ("LIST_OLD",), _old),
    Variant("other-namespace.xml", "in another XML namespace", ("LIST_NAMESPACE",), _other_namespace),
    Variant(
        "namespace-as-element.xml",
        "the namespace turned into a child element, the signature gone",
        ("LIST_DAMAGED", "LIST_UNSIGNED"),
        _namespace_as_element,
    ),
    Variant("unclosed.xml", "the root never closed", ("LIST_DAMAGED", "LIST_UNSIGNED"), _unclosed),
    Variant(
        "truncated.xml",
        "cut in the middle of a row",
        ("LIST_DAMAGED", "LIST_UNSIGNED", "LIST_UNREADABLE_ROW"),
        _truncated,
    ),
    Variant(
        "misplaced-signature.xml",
        "the signature moved into the last row",
        ("LIST_DAMAGED", "LIST_UNSIGNED"),
        _misplaced_signature,
    ),
    Variant(
        "problem-rows.xml", "elements missing, empty, repeated or unexpected in some rows", (), _problem_rows
    ),
    Variant("cases.xml", "cases for which the main list has no room, with what resembles them", (), _cases),
)
"""All are to be loaded with ``recover=True`` and ``any_namespace=True``."""
