"""Texts that should name nobody: who is named in them is masked however it is written; the rest stays."""

from __future__ import annotations

import re

import pytest

from mssante_audit.values.person import unnamed

NUMBERS = (
    "Tél:06 39 98 12 34", "Tel0639981234", "06\u00a039\u00a098\u00a012\u00a034",
    "06\u202f39\u202f98\u202f12\u202f34", "(06) 39 98 12 34", "(0)6 39 98 12 34", "06/39/98/12/34",
    "06 – 39 – 98 – 12 – 34", "06 39 981 234", "+262 639 98 12 34", "+262639981234", "+33 (0)6 39 98 12 34",
    "+33.6.39.98.12.34", "0033639981234", "0033 (0) 6 39 98 12 34", "04 65 71 00 01/06 39 98 12 34",
    "standard-0639981234", "06\t39\t98\t12\t34", "06\u200939\u200998\u200912\u200934", "[06] 39 [98] 12 34",
    "06     39     98     12     34", "O6 39 98 12 34", "06 39 98 l2 34", "06 39 98 12 34h", "0639981234bis",
    "０６３９９８１２３４", "٠٦ ٣٩ ٩٨ ١٢ ٣٤", "06\u200b39\u200b98\u200b12\u200b34", "00 33 6 39 98 12 34",
    "33 6 39 98 12 34", "06\\39\\98\\12\\34", "06*39*98*12*34", "06\u221239\u221298\u221212\u221234",
    "06_39_98_12_34", "06,39,98,12,34", "06 ; 39 ; 98 ; 12 ; 34", "Portable0639981234", "n0639981234",
    "04657100010639981234", "+687 39 98 12", "0044 7911 398 123", "&#48;6 39 98 12 34",
    "262 6 39 98 12 34", "(33) 06 39 98 12 34", "+33, 6, 39, 98, 12, 34", "06<br/>39<br/>98<br/>12<br/>34",
    "06º39º98º12º34", "06x39x98x12x34", "+33:6:39:98:12:34",
    "06<wbr>39<wbr>98<wbr>12<wbr>34", "06,39 98 12 34", "06.39,98.12.34",
)  # fmt: skip
NAMES = (
    "MME VALFICTIF", "mme valfictif", "M. de La VALFICTIF", "Madame Anne Marie VALFICTIF",
    "MONSIEUR VALFICTIF", "M VALFICTIF Jean", "MM. MARTIN et VALFICTIF", "M. et Mme VALFICTIF",
    "Mme_VALFICTIF", "Mr. Jean VALFICTIF", "Mme D'VALFICTIF", "Melle Zoé VALFICTIF",
    "contact : Dr VALFICTIF", "PROFESSEUR VALFICTIF", "M.VALFICTIF", "MR VALFICTIF", "m. valfictif",
    "MmeVALFICTIF", "Mme. le Dr VALFICTIF", "Dre Valfictif", "Mlle\tValfictif", "M. J.-P. VALFICTIF",
    "Mme Anne Marie Louise Valfictif", "Mme MARTIN née Valfictif", "Mme (Zoé) Valfictif", "Mme : Valfictif",
    "M\u00adme Valfictif", "Ｍｍｅ Ｖａｌｆｉｃｔｉｆ", "\u041cme Valfictif", "Ms. Valfictif",
    "M DE VALFICTIF", "M. O’Valfictif", "Mrs Émilie-Zoé d'Valfictif", "M. Van der Valfictif",
    "MM Martin et Valfictif", "Drs MARTIN, VALFICTIF", "Mme et M. Valfictif", "cabinet du Dr Valfictif",
    "resp.M. VALFICTIF", "le Père Valfictif", "l’abbé VALFICTIF", "SŒUR Marie VALFICTIF",
    "Sir Valfictif", "Mgr. Valfictif", "Me VALFICTIF", "Me Zoé Valfictif", "M de VALFICTIF", "MR Valfictif",
    "Vve Valfictif", "Dr. med. Valfictif", "À l’attention de Zoé VALFICTIF", "c/o Valfictif",
    "chez Zoé Valfictif", "aux bons soins de VALFICTIF", "Frère J. Valfictif", "Herr Valfictif",
    "Professor Valfictif", "M. le Dr - Valfictif", "Madame le Docteur : Zoé Valfictif", "Docteur: Valfictif",
    "Madame la Directrice Zoé VALFICTIF", "Mme MARTIN, née Valfictif", "Lt Valfictif", "Mme Zoé.Valfictif",
    "Dr=Valfictif", "Mme : de Valfictif", "Lady Valfictif", "Dr-VALFICTIF", "DrVALFICTIF",
    "M. le Directeur, Zoé VALFICTIF", "Mme la cadre de santé Valfictif", "Madame la responsable : Valfictif",
    "Mme [VALFICTIF]", "Mme {Valfictif}", "Mme ‘Valfictif’", "Mme <b>Valfictif</b>", "Mme – Valfictif",
    "Mme/VALFICTIF", "Mme; Valfictif", "M.Z.VALFICTIF", "Mme%20VALFICTIF", "mme%2520valfictif",
)  # fmt: skip
ADDRESSES = (
    "zoe.valfictif(at)x.example", "zoe.valfictif [at] x.example", "zoe.valfictif (arobase) x.example",
    "zoe.valfictif＠x.example", "zoe.valfictif @ x.example", "zoe.valfictif AT x DOT example",
    "zoe(at)valfictif(dot)example", "zoe.valfictif&#64;x.example", "zoe.valfictif&commat;x.example",
    "zoe.valfictif%40x.example", "zoe.valfictif<at>x.example", "zoe.valfictif(@)x.example",
    "zoe.valfictif  @\tx.example", "zoe_valfictif-at-x.example", "zoe.valfictif at x.example",
    "zoe.valfictif\u200b@x.example", "zoe.valfictif [arobase] x [point] example",
    'zoe.valfictif*at*x.example', '"Zoé Valfictif" <zoe.valfictif@x.example>',
    "zoe&amp;#x40;valfictif.example", "zoe point valfictif arobase x point example",
    "zoe . valfictif @ x.example", "zoe.valfictif(@)x(.)example", "zoe.valfictif#at#x.example",
    "zoe.valfictif / at / x.example", "zoe-at-valfictif.example", "zoe-valfictif [à] x[.]example",
    "zoe_valfictif chez x.example", '"zoe valfictif"@x.example', "zoe.valfictif%2540x.example",
    "zoe.valfictif(at)x%2Eexample", "zoe.valfictif(arob)x。example", "zoe-valfictif at x.example",
    "<zoe.valfictif>@x.example", "'zoe.valfictif'@x.example", "zoe.valfictif(@t)x.example",
)  # fmt: skip
NOBODY = (
    "1c0140529705f111",
    "CH DU DR VALFICTIF", "M.A.S. LES TILLEULS", "I.M.E. LES TILLEULS", "CENTRE M.VALFICTIF",
    "MR LES TILLEULS", "FINESS 010000024", "SIRET 123 456 789 00012",
    "du 01/02/2024 10:30 au 05-02-2024 11:00", "2026-03-03T06:00:00Z", "OU=1010100001", "75001 PARIS",
    "1 000 000 000", "CLINIQUE SAINT-MARTIN", "Maison Me Soigner", "ouvert de 08:00 à 18:30",
    "3 × 04 •• •• •• 01", "mr-les-tilleuls.example", "du 01/02/2024 – 05/02/2024",
    "départements 01, 02, 03, 04, 05, 06", "5e0612345678f0c1d2e3a4b5", "0612345678abcdef0123",
    "0.9.2342.19200300.100.1.1", "2a01:612:3456:7890::1", "www.x.example at 8:30", "Siglo 612345678",
    "dr.valfictif.mssante.fr", "0639981234.mssante.fr", "labo-at-x.mssante.fr", "mme.valfictif.example",
    "EHPAD DE L’ABBE VALFICTIF", "12 rue du Docteur Valfictif", "SSIAD Vivre Chez Soi", "chez OVH",
    "Pôle Mère Enfant", "À l’attention du Service informatique", "le père de famille", "zéro papier",
    "www.x.example chez nous",
    "HOPITAL DR. VALFICTIF", "2026-03-02 2026-03-03", "10 ms", "SIR NORD",
    "hébergé chez Orange Business", "chez OVHcloud SAS", "PR - Pôle Recherche", "docteur, Les Tilleuls",
    "Mme / M.", "MSP (MR)", "LABO (PR)", "CH FABLE (M)", "75,92 93 94", "M - Médecine", "Centre Dr-Martin",
)  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_masked_however_it_is_written(text) -> None:
    shown = unnamed(f"Messagerie {text} (01)")
    assert re.search(r"\d\D{0,3}98\D{0,3}1", shown) is None
    assert shown.startswith("Messagerie ")
    assert "••" in shown
    assert unnamed(shown) == shown


def test_a_number_in_words_is_masked() -> None:
    for text in ("zéro six trente-neuf quatre-vingt-dix-huit douze", "zero, six, trois, neuf, neuf, huit"):
        assert unnamed(f"Messagerie {text} (01)") == "Messagerie ••• (01)"


@pytest.mark.parametrize("text", NAMES)
def test_a_surname_behind_a_civility_is_masked(text) -> None:
    for before, after in (("", ""), ("Service, ", " ; CH"), ("CH FABLE - ", "")):
        if before and text == "PROFESSEUR VALFICTIF":
            continue  # hospitals bear names like that
        shown = unnamed(f"{before}{text}{after}")
        assert "valfictif" not in shown.casefold()
        assert shown.startswith(before.rstrip())
        assert shown.endswith(after)


@pytest.mark.parametrize("text", ["ZOÉ VALFICTIF (Mme)", "Valfictif (Dr)", "Z. VALFICTIF (M.)"])
def test_a_surname_before_a_civility_is_masked(text) -> None:
    assert unnamed(f"resp. : {text}, nord") == "resp. : •••, nord"


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_masked_however_its_sign_is_written(text) -> None:
    shown = unnamed(f"Messagerie de {text}, nord")
    assert "zoe" not in shown
    assert "Messagerie de " in shown
    assert shown.endswith(", nord")


@pytest.mark.parametrize("text", NOBODY)
def test_what_names_nobody_stays(text) -> None:
    assert unnamed(text) == text
