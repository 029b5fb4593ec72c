"""What a dossier and its letter say of the operator's own certificates, and nothing of another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_certificates import ALPHA, BETA_DN, ONE, Wires, of
from test_dossier import part

from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.letter import letter_files

ALPHA_ID = "1759900004"


@pytest.fixture
def wires(tmp_path: Path) -> Wires:
    return Wires(tmp_path)


def letter(wires: Wires) -> str:
    text = letter_files(dossier(wires.space(), ALPHA_ID))[".txt"].decode()
    return " ".join(text.replace("\xa0", " ").split())


def test_the_letter_tells_when_ones_own_certificates_end_and_asks_for_a_renewal_in_two_steps(
    wires: Wires,
) -> None:
    wires.presents(ONE, of(ALPHA["dn"], days=80))
    text = letter(wires)
    cn = ALPHA["dn"].split(",")[0].removeprefix("CN=")
    assert f"- {cn} : le 22 mars 2026, 1 domaine sans autre certificat." in text
    assert BETA_DN.split(",")[0].removeprefix("CN=") not in text
    certificate, white_list = text.index("Le certificat : en demander un nouveau"), text.index("La liste :")
    assert certificate < white_list
    assert "n’installer le nouveau certificat qu’alors" in " ".join(text.split())


def test_what_is_over_is_said_to_be(wires: Wires) -> None:
    wires.presents(ONE, of(ALPHA["dn"], days=50))
    assert "le 20 février 2026 (il y a " in letter(wires)
    told = dossier(wires.space(), ALPHA_ID)
    assert "un certificat qui a pris fin, et nul autre" in part("certificates", told).text


def test_anothers_certificate_on_ones_own_server_is_not_ones_own(wires: Wires) -> None:
    wires.presents(ONE, of(BETA_DN))
    told = dossier(wires.space(), ALPHA_ID)
    assert told.presented is not None
    assert told.presented.empty
    assert "Fin des certificats" not in letter(wires)
    assert "Aucun de vos certificats" in part("certificates", told).text


def test_the_page_says_what_falls_next_and_what_is_not_known(wires: Wires) -> None:
    wires.presents(ONE, of(ALPHA["dn"], days=80))
    space = wires.space()
    told = dossier(space, ALPHA_ID)
    assert "22\xa0mars\xa02026" in part("certificates", told).text
    assert "22/03/2026" in part("certificates", told).text
    wires.visits.clear()
    blind = dossier(wires.scene.space(), ALPHA_ID)
    assert blind.presented is None
    assert "n’ont pas été visités" in part("certificates", blind).text
