"""Annexe 1 as PDF, both ways: written and read again, corrected, as text, and what cannot be read."""

import io

import pandas as pd
import pytest
from conftest import toml
from matplotlib import get_data_path
from pypdf import PdfWriter
from pypdf.annotations import FreeText, Rectangle
from pypdf.generic import DictionaryObject, NameObject, TextStringObject
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.form import FORM, MAX_PDF, PAGE, write_form
from mssante_audit.declarations.register import fields, load_declarations, records

ANNEXE1 = toml("declarations/annexe1")
LINES, READ = ANNEXE1["text"], ANNEXE1["read"]
FULL = dict.fromkeys(fields(), "") | READ


@pytest.fixture
def load(tmp_path):
    def write_and_load(content):
        (tmp_path / "form.pdf").write_bytes(content)
        return load_declarations(tmp_path / "form.pdf")

    return write_and_load


def written(register):
    (record,) = records(register.declarations).to_dict("records")
    return record


def printed(draw=lambda canvas: None):
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=PAGE, invariant=1)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def text_pdf(lines):
    """Print lines as a text PDF, as somebody's word processor would."""

    def draw(canvas):
        pdfmetrics.registerFont(TTFont("DejaVu", f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf"))
        canvas.setFont("DejaVu", 7)
        for at, line in enumerate(lines.splitlines()):
            canvas.drawString(30, PAGE[1] - 30 - 14 * at, line)

    return printed(draw)


def built(build, raw=None):
    writer = PdfWriter(io.BytesIO(raw or write_form(FULL)))
    build(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def corrected(writer):
    for page in writer.pages:
        changes = {"public_project_phone": "02 61 91 00 01", "delegation": "/Yes", "redirection": "/Off"}
        writer.update_page_form_field_values(page, changes, auto_regenerate=False)


def signed(writer):
    value = DictionaryObject({NameObject("/Type"): NameObject("/Sig")})
    entries = {"/FT": NameObject("/Sig"), "/T": TextStringObject("Signature1"), "/V": value}
    field = writer.add_annotation(0, {NameObject(name): entry for name, entry in entries.items()})
    writer.root_object["/AcroForm"]["/Fields"].append(field.indirect_reference)


OWNED = {"owner_password": "owner", "algorithm": "AES-256"}
READABLE = {
    "a form": (lambda: write_form(FULL), {}),
    "texts of any script": (lambda: write_form(FULL | ANNEXE1["any_script"]), ANNEXE1["any_script"]),
    "an operator's corrections":
        (lambda: built(corrected),
         {"public_project_phone": "02 61 91 00 01", "delegation": "X", "redirection": ""}),
    "another owner's password": (lambda: built(lambda w: w.encrypt("", **OWNED)), {}),
    "a signature field": (lambda: built(signed, write_form(FULL | {"signature_present": ""})), {}),
    "a text": (lambda: text_pdf(LINES), {}),
    "a box": (lambda: text_pdf(LINES.replace("[ ] Je demande", "[ X ] Je demande")), {"withdrawal": "X"}),
    "a bare mark": (lambda: text_pdf(LINES.replace("[ ] Je demande", "x Je demande")), {"withdrawal": "X"}),
    "decomposed accents": (lambda: text_pdf(LINES.replace("é", "e\u0301")), {}),
    "ligatures": (lambda: text_pdf(LINES.replace("fi", "ﬁ").replace("ff", "ﬀ")), {}),
    "a DN on two lines": (lambda: text_pdf(LINES.replace(",L=Paris", ",\nL=Paris")), {}),
    "a cross": (lambda: text_pdf(LINES.replace("[ ] Méthode 1", "x Méthode 1")), {"delegation": "X"}),
}  # fmt: skip
"""Forms, and texts laid out like them: made how, and what differs in what is read."""


@pytest.mark.parametrize(("make", "differs"), READABLE.values(), ids=READABLE)
def test_a_form_and_a_text_laid_out_like_it_are_read(load, make, differs):
    register = load(make())
    assert written(register) == FULL | differs
    assert register.problems.empty
    assert register.declarations[["file", "row"]].values.tolist() == [["form.pdf", 1]]
    assert write_form(written(register)) == write_form(FULL | differs)


def test_every_field_of_the_register_is_on_the_form():
    names = [name for page in FORM for line in page if not isinstance(line, str) for name in line]
    assert sorted(names) == sorted(name for name, field in fields().items() if not field.optional)


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


TYPED, DRAWN = FreeText(text="Fait à Pau, le 1er mars", rect=(9, 9, 99, 30)), Rectangle((30, 400, 45, 415))


@pytest.mark.parametrize(
    ("note", "kind", "name"), [(TYPED, "typed-over", "date"), (DRAWN, "box-unseen", "signature_present")]
)
def test_what_is_typed_or_drawn_over_a_form_is_unknown_not_empty(load, note, kind, name):
    for raw in (write_form(FULL | {name: ""}), *[text_pdf(LINES.replace("[X]", "☐"))] * (note is DRAWN)):
        register = load(built(lambda writer: writer.add_annotation(0, note), raw))
        assert kind in register.problems["kind"].tolist()
        assert register.having(register.declarations, name).empty


@pytest.mark.parametrize("lost", ["Coordonnées du chef de projet", "Zone DNS (", "Prénom"])
def test_a_lost_label_never_gives_a_field_another_s_text(load, lost):
    (row,) = records(load(text_pdf(LINES.replace(lost, "?"))).declarations).to_dict("records")
    assert {name: value for name, value in row.items() if value not in ("", FULL[name])} == {}


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
        (lambda: built(xfa_only, printed(lambda c: c.drawString(9, 9, "Wait"))), "an XFA form without plain"),
        (lambda: built(flatten), "a flattened form: what was typed cannot be placed"),
        (lambda: write_form({}), "a blank form"),
        (lambda: text_pdf(LINES + LINES), "several declarations in one file"),
        (lambda: built(lambda w: w.add_annotation(0, TYPED), text_pdf(LINES)),
         "what was typed over the form cannot be placed"),
        (printed, "no form fields and no text: a scan"),
        (lambda: b"%PDF-1.7\nnonsense", "not a readable PDF"),
        (lambda: write_form(FULL)[:9000], "not a readable PDF"),
        (lambda: write_form(FULL) + bytes(MAX_PDF), "larger than"),
        (lambda: text_pdf("un texte qui ne parle pas du tout de ce formulaire\n" * 3), "not the text of"),
        (lambda: text_pdf(LINES.replace("Nom du domaine de", "Nom de")), "the domain could not be told"),
        (lambda: printed(lambda c: [c.showPage() for _ in range(30)]), "more than 20 pages"),
        (lambda: printed(lambda c: c.acroForm.textfield(name="autre", x=9, y=9)), "not Annexe 1"),
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


def test_without_the_extra_the_remedy_is_told(load, monkeypatch):
    raw = write_form(FULL)
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    needed = r"PDF needs pypdf. Install it: pip install \"mssante-audit\[pdf\]\""
    for act in (lambda: load(raw), lambda: write_form(FULL)):
        with pytest.raises(InputError, match=needed):
            act()
