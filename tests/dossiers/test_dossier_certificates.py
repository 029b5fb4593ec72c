"""What a dossier and its letter say of the operator's own certificates, and nothing of another's."""

from __future__ import annotations

from pathlib import Path

from test_certificates import ALPHA, BETA_DN, ONE, Wires, of
from test_dossier import flat, part

from mssante_audit.dossiers.facts import Dossier, dossier
from mssante_audit.dossiers.letter import letter_files

CN, OTHER_CN = (dn.split(",")[0].removeprefix("CN=") for dn in (ALPHA["dn"], BETA_DN))


def presenting(folder: Path, dn: str, days: int) -> tuple[Dossier, str, str]:
    """The dossier of an operator whose server presents a certificate, its section and its letter."""
    wires = Wires(folder)
    wires.presents(ONE, of(dn, days=days))
    found = dossier(wires.space(), "1759900004")
    return found, part("certificates", found).text, flat(letter_files(found)[".txt"].decode())


def test_the_letter_tells_when_ones_own_certificates_end_and_asks_for_a_renewal_in_two_steps(tmp_path: Path):
    _, page, text = presenting(tmp_path, ALPHA["dn"], 80)
    assert f"- {CN} : le 22 mars 2026, 1 domaine sans autre certificat." in text
    assert OTHER_CN not in text
    assert text.index("Le certificat : en demander un nouveau") < text.index("La liste :")
    assert "n’installer le nouveau certificat qu’alors" in text
    assert "22\xa0mars\xa02026" in page
    assert "22/03/2026" in page


def test_what_is_over_is_said_to_be(tmp_path: Path):
    _, page, text = presenting(tmp_path, ALPHA["dn"], 50)
    assert "le 20 février 2026 (il y a " in text
    assert "un certificat qui a pris fin, et nul autre" in page


def test_anothers_certificate_on_ones_own_server_is_not_ones_own(tmp_path: Path):
    found, page, text = presenting(tmp_path, BETA_DN, 80)
    assert found.presented is not None
    assert found.presented.empty
    assert "Fin des certificats" not in text
    assert "Aucun de vos certificats" in page


def test_what_was_not_visited_is_not_known(tmp_path: Path):
    blind = dossier(Wires(tmp_path).scene.space(), "1759900004")
    assert blind.presented is None
    assert "n’ont pas été visités" in part("certificates", blind).text
