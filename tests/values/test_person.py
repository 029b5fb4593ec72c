"""Texts that should name nobody: who is named in them is masked however it is written; the rest stays."""

import re

import pytest
from conftest import toml

from mssante_audit.values.person import unnamed

CASES = toml("values/persons")


@pytest.mark.parametrize("text", CASES["numbers"])
def test_a_number_is_masked_however_it_is_written(text) -> None:
    shown = unnamed(f"Messagerie {text} (01)")
    assert re.search(r"\d\D{0,3}98\D{0,3}1", shown) is None
    assert re.match("Messagerie .*••", shown)
    assert unnamed(shown) == shown


def test_a_number_in_words_is_masked() -> None:
    for text in ("zéro six trente-neuf quatre-vingt-dix-huit douze", "zero, six, trois, neuf, neuf, huit"):
        assert unnamed(f"Messagerie {text} (01)") == "Messagerie ••• (01)"


@pytest.mark.parametrize("text", CASES["surname_first"])
def test_a_surname_before_a_civility_is_masked(text) -> None:
    assert unnamed(f"resp. : {text}, nord") == "resp. : •••, nord"


@pytest.mark.parametrize("text", CASES["nobody"])
def test_what_names_nobody_stays(text) -> None:
    assert unnamed(text) == text


@pytest.mark.parametrize("text", CASES["names"])
def test_a_surname_behind_a_civility_is_masked(text) -> None:
    for before, after in (("", ""), ("Service, ", " ; CH"), ("CH FABLE - ", "")):
        if before and text == "PROFESSEUR VALFICTIF":
            continue  # hospitals bear names like that
        shown = unnamed(f"{before}{text}{after}")
        assert "valfictif" not in shown.casefold()
        assert shown.startswith(before.rstrip())
        assert shown.endswith(after)


@pytest.mark.parametrize("text", CASES["addresses"])
def test_an_address_is_masked_however_its_sign_is_written(text) -> None:
    shown = unnamed(f"Messagerie de {text}, nord")
    assert "zoe" not in shown
    assert re.fullmatch("Messagerie de .*, nord", shown)
