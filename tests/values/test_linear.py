"""Texts of any length and of anything are read in linear time."""

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from mssante_audit.audits.declarations.declared import contract_number
from mssante_audit.audits.declarations.proposals import domain_from, host_from
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import guarded, unguarded
from mssante_audit.base.reading import parse_toml
from mssante_audit.base.text import fold, normalize, visible
from mssante_audit.values.contacts import is_personal, parse_contact, read_email, read_phone
from mssante_audit.values.dn import parse_dn, pasted_dn
from mssante_audit.values.hosts import host_faults
from mssante_audit.values.identifiers import identifier_of, parse_department, parse_identifier, structure_key
from mssante_audit.values.person import mask, unnamed


def toml(text: str) -> None:
    with suppress(InputError):
        parse_toml(text, "settings")


READERS: tuple[Callable[[str], object], ...] = (
    parse_contact, lambda text: parse_contact(text).problems, lambda text: parse_contact(text).key,
    read_email, is_personal, mask, unnamed, parse_dn, pasted_dn, identifier_of, structure_key,
    parse_identifier, parse_department, read_phone, host_faults, fold, normalize, visible, host_from,
    domain_from, contract_number, toml, lambda text: unguarded(guarded(text)),
)  # fmt: skip
PIECES = (
    *" .-,;=/\\<>&@'\"«([)0a+\n\t\xa0\u200b\u0345é•", "0 ", "1 ", "a ", ") ", " \n", "&a;", "a@", " | ",
    "06 39 98 00 01", "M. Durand Zoé, ", "tel: ", "FINESS ", "CN=", "/CN=", ",CN=", 'A="', 'A="x,', "A=b\\ ",
    "\\C3", "a@b.example ", "a@" + "b" * 60 + ".example ", "\t=", "\n'",
)  # fmt: skip
"""What a long text is made of."""


@pytest.mark.parametrize("start", ["", pytest.param("(", marks=pytest.mark.long)])
@pytest.mark.parametrize("piece", PIECES)
def test_a_long_text_of_anything_takes_linear_time(piece: str, start: str) -> None:
    text = start + piece * (20_000 // len(piece))
    for read in READERS:
        began = time.process_time()
        read(text)
        read(f"x{text}!")  # what is stripped at the ends is not here
        assert time.process_time() - began < 1, read  # a quadratic reading would take far longer
