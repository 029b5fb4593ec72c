"""Annexe 1 as PDF, both ways: written and read again, corrected, as text, and what cannot be read."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from conftest import CATALOGUE
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject
from reportlab.pdfgen.canvas import Canvas

from mssante_audit.base.errors import InputError
from mssante_audit.declarations import form as annexe1_read
from mssante_audit.declarations.form import FORM, PAGE, write_form
from mssante_audit.declarations.register import fields, load_declarations, records

LINES = """\
Votre N° Contrat MSSanté
(Partie remplie par l'ASIP Santé)
0 1 2 3 4 5 6 7 8 9
Coordonnées des contacts utilisées par le gestionnaire de l'espace de confiance
Coordonnées du représentant légal de l'opérateur
Nom de la
structure CH ALPHA
Identifiant structure 1759900004 Identifiant de la structure bénéficiant du nom de domaine 1759900004
Nom FICTIVE Prénom Zoé
Adresse postale 1 rue de la Fiction, 75000 Paris
Téléphone 01 99 00 00 01 Courriel zoe@alpha.example
Coordonnées du chef de projet Coordonnées du responsable technique (si différent du chef de projet)
Nom MODELE Prénom Ida Nom EXEMPLE Prénom Luc
Tél 01 99 00 00 02 Courriel ida@alpha.example Tél 01 99 00 00 03 Courriel luc@alpha.example
Editeur de connecteur MSSanté de l'opérateur (à renseigner si différent de l'opérateur)
Nom de la structure ..........
Coordonnées de contacts en cas d'incident rencontrés entre opérateurs (coordonnées affichées publiquement)
Contact projet MSSanté de l'opérateur (le courriel doit être une adresse de messagerie professionnelle)
Contact technique MSSanté de l'opérateur (le courriel doit être une adresse de messagerie professionnelle)
Téléphone 01 99 00 00 04 Téléphone 01 99 00 00 05
Courriel projet@alpha.example Courriel technique@alpha.example
Inscription du domaine dans l'espace de confiance MSSanté
Nom du domaine de messagerie MSSanté ch-alpha.mssante.fr (Exemple : ch-xyz.mssante.fr)
Description du domaine de messagerie MSSanté Domaine du CH Alpha
DN du certificat d'authentification SSL (Merci de ne remplir qu'une seule des deux lignes suivantes)
CN=.....,OU=.....,O=.....,ST=..... (.....),C=.....
CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR
Exemples : En IGC Santé : « CN=serveur.ch-xyz.fr,OU=1012345678,O=CHxxx - xxx,ST=Bas-Rhin (67),C=FR »
Zone DNS (l'opérateur ne peut cocher qu'une seule case)
[ ] Méthode 1 : la délégation (à privilégier) (cf page 2).
Nom des serveurs DNS (primaire / secondaire) de l'opérateur :
Primaire : .....
Secondaire : .....
(63 caractères max / Format : seuls les lettres) ; FQDN (Nom d'hôte pleinement nommé), par ex : ns.ch-xyz.fr
[X] Méthode 2 : la redirection (cf page 2).
Nom du serveur de messagerie pour MSSanté de l'opérateur : mx.alpha.example
[ ] Je demande le retrait du domaine de messagerie décrit ci-dessus de l'espace de confiance
Je m'engage à réaliser les demandes de référencement et de retrait de domaines de bonne foi
Date 01/03/2026
Nom, Prénom FICTIVE Zoé
[X] Signature et cachet de la structure
Informations utiles
Seuls les domaines de messagerie indiqués dans la liste blanche
"""
READ = {
    "contract_number": "0123456789", "structure_name": "CH ALPHA", "structure_id": "1759900004",
    "beneficiary_id": "1759900004", "representative_last_name": "FICTIVE", "representative_first_name": "Zoé",
    "postal_address": "1 rue de la Fiction, 75000 Paris", "representative_phone": "01 99 00 00 01",
    "representative_email": "zoe@alpha.example", "project_manager_last_name": "MODELE",
    "project_manager_first_name": "Ida", "project_manager_phone": "01 99 00 00 02",
    "project_manager_email": "ida@alpha.example", "technical_manager_last_name": "EXEMPLE",
    "technical_manager_first_name": "Luc", "technical_manager_phone": "01 99 00 00 03",
    "technical_manager_email": "luc@alpha.example", "public_project_phone": "01 99 00 00 04",
    "public_project_email": "projet@alpha.example", "public_technical_phone": "01 99 00 00 05",
    "public_technical_email": "technique@alpha.example", "domain": "ch-alpha.mssante.fr",
    "description": "Domaine du CH Alpha",
    "dn_igc_cps": "CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR", "redirection": "X",
    "mail_server": "mx.alpha.example", "date": "2026-03-01", "signatory_last_name": "FICTIVE",
    "signatory_first_name": "Zoé", "signature_present": "X",
}  # fmt: skip
FULL = dict.fromkeys(fields(), "") | READ


@pytest.fixture
def load(tmp_path):
    """Return a function that writes a PDF and loads it."""

    def write_and_load(content):
        (tmp_path / "form.pdf").write_bytes(content)
        return load_declarations(tmp_path / "form.pdf")

    return write_and_load


def written(register):
    (record,) = records(register.declarations).to_dict("records")
    return record


def text_pdf(lines):
    """Print lines as a text PDF, as somebody's word processor would."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=PAGE, invariant=1)
    canvas.setFont("Helvetica", 7)
    for at, line in enumerate(lines.splitlines()):
        canvas.drawString(30, PAGE[1] - 30 - 14 * at, line)
    canvas.save()
    return out.getvalue()


def built(build, raw=None):
    """Return a PDF, the form that is filled if none is given, changed."""
    writer = PdfWriter(io.BytesIO(raw or write_form(FULL)))
    build(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_what_is_written_is_read_again(load):
    register = load(write_form(FULL))
    assert written(register) == FULL
    assert register.problems.empty
    assert register.declarations[["file", "row"]].values.tolist() == [["form.pdf", 1]]
    assert write_form(written(register)) == write_form(FULL)


def test_every_field_of_the_register_is_on_the_form():
    names = [name for page in FORM for line in page if not isinstance(line, str) for name in line]
    assert sorted(names) == sorted(name for name, field in fields().items() if not field.optional)


def test_texts_of_any_script_survive(load):
    texts = {
        "description": "Zażółć gęślą jaźń", "structure_name": "l'Œuvre – « à 50 € »",
        "postal_address": "x" * 400, "project_manager_last_name": "(a) \\ b",
        "representative_last_name": "中文", "signatory_last_name": "=1+1",
    }  # fmt: skip
    assert written(load(write_form(FULL | texts))) == FULL | texts


def test_an_operator_s_corrections_are_read(load):
    changes = {"public_project_phone": "02 61 91 00 01", "delegation": "/Yes", "redirection": "/Off"}

    def correct(writer):
        for page in writer.pages:
            writer.update_page_form_field_values(page, changes, auto_regenerate=False)

    assert written(load(built(correct))) == FULL | changes | {"delegation": "X", "redirection": ""}


def test_fields_named_by_their_labels_or_paths_are_understood(load):
    def rename(writer):
        for page in writer.pages:
            for annotation in page["/Annots"]:
                field = annotation.get_object()
                name = str(field["/T"])
                if name == "mail_server":
                    field[NameObject("/TU")] = TextStringObject(fields()[name].label)
                    field[NameObject("/T")] = TextStringObject("champ12")
                elif name == "domain":
                    field[NameObject("/T")] = TextStringObject("domain[0]")
                elif name == "description":
                    field[NameObject("/T")] = TextStringObject("champ13")
                    del field["/TU"]

    register = load(built(rename))
    assert written(register) == FULL | {"description": ""}
    problems = register.problems[["column", "kind"]].values.tolist()
    assert problems == [["champ13", "column-unknown"], ["description", "column-missing"]]


def test_the_sample_s_form(load):
    register = load((CATALOGUE / "registers" / "annexe1.pdf").read_bytes())
    row = load_declarations(CATALOGUE / "declarations.csv").declarations.iloc[[4]]
    assert written(register) == records(row).iloc[0].to_dict()


def test_a_text_laid_out_like_the_form(load):
    register = load(text_pdf(LINES))
    assert written(register) == FULL
    assert register.problems.empty


def test_what_is_not_there_is_listed_field_by_field_and_not_guessed(load):
    lines = LINES.replace("[ ] Je demande", "Je demande").replace("Adresse postale", "Adresse")
    lines = lines.replace("Secondaire : .....", "Secondaire : ..... Secondaire : ns2.alpha.example")
    lines = lines.replace("CN=.....,OU=.....,O=.....,ST=..... (.....),C=.....\n", "")
    register = load(text_pdf(lines))
    assert register.problems[["column", "kind"]].values.tolist() == [
        ["representative_first_name", "label-next"], ["postal_address", "label-missing"],
        ["dn_igc_sante", "label-missing"], ["dn_igc_cps", "label-missing"],
        ["secondary_server", "label-twice"], ["withdrawal", "box-unseen"],
    ]  # fmt: skip
    assert register.missing["form.pdf"] >= {"postal_address", "dn_igc_sante", "secondary_server"}
    assert register.declarations["withdrawal"].tolist() == [pd.NA]
    assert written(register)["representative_phone"] == "01 99 00 00 01"


@pytest.mark.parametrize("lost", ["Coordonnées du chef de projet", "Zone DNS (", "Prénom"])
def test_a_lost_label_never_gives_a_field_another_s_text(load, lost):
    (row,) = records(load(text_pdf(LINES.replace(lost, "?"))).declarations).to_dict("records")
    assert {name: value for name, value in row.items() if value not in ("", FULL[name])} == {}


def test_marks_of_a_box(load):
    for mark in ("[ X ]", "x"):
        register = load(text_pdf(LINES.replace("[ ] Je demande", f"{mark} Je demande")))
        assert register.declarations["withdrawal"].tolist() == [True]


def blank(change=lambda canvas: None):
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=PAGE, invariant=1)
    change(canvas)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def xfa_only(writer):
    xfa = DictionaryObject({NameObject("/XFA"): TextStringObject("<xdp/>")})
    writer.root_object[NameObject("/AcroForm")] = xfa


def flatten(writer):
    for page in writer.pages:
        values = {name: value for name, value in FULL.items() if value not in ("", "X")}
        writer.update_page_form_field_values(page, values, auto_regenerate=False, flatten=True)
    writer.remove_annotations(subtypes="/Widget")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: built(lambda w: w.encrypt("secret", algorithm="AES-256")), "encrypted: it needs a password"),
        (lambda: built(xfa_only, blank(lambda c: c.drawString(50, 50, "Wait"))), "an XFA form without plain"),
        (lambda: built(flatten), "a flattened form: what was typed cannot be placed"),
        (blank, "no form fields and no text: a scan"),
        (lambda: b"%PDF-1.7\nnonsense", "not a readable PDF"),
        (lambda: write_form(FULL)[:9000], "not a readable PDF"),
        (lambda: text_pdf("un texte qui ne parle pas du tout de ce formulaire\n" * 3), "not the text of"),
        (lambda: text_pdf(LINES.replace("Nom du domaine de", "Nom de")), "the domain could not be told"),
        (lambda: blank(lambda c: [c.showPage() for _ in range(30)]), "more than 20 pages"),
        (lambda: blank(lambda c: c.acroForm.textfield(name="autre", x=9, y=9)), "not Annexe 1"),
    ],
)  # fmt: skip
def test_a_pdf_that_cannot_be_used_is_refused_in_one_line(load, make, message):
    with pytest.raises(InputError, match=message) as error:
        load(make())
    assert "\n" not in str(error.value)


def test_a_pdf_truncated_anywhere_ends_in_a_clear_error_or_is_flagged(load):
    whole = write_form(FULL)
    for cut in range(0, len(whole), 1500):
        try:
            register = load(whole[:cut] or b"%PDF-")
        except InputError:
            continue
        assert len(register.problems) or written(register) == FULL


def test_a_pdf_of_another_owner_s_password_is_read(load):
    raw = built(lambda w: w.encrypt("", owner_password="owner", algorithm="AES-256"))
    assert PdfReader(io.BytesIO(raw)).is_encrypted
    assert written(load(raw)) == FULL


def test_without_the_extra_the_remedy_is_told(load, monkeypatch):
    raw = write_form(FULL)
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    needed = r"PDF needs pypdf. Install it: pip install \"mssante-audit\[pdf\]\""
    for act in (lambda: load(raw), lambda: write_form(FULL)):
        with pytest.raises(InputError, match=needed):
            act()


def test_a_huge_pdf_is_refused(load, monkeypatch):
    monkeypatch.setattr(annexe1_read, "MAX_PDF", 100)
    with pytest.raises(InputError, match="larger than"):
        load(write_form(FULL))
