"""Annexe 1 written as a PDF form, filled from a declaration, so that an operator can confirm or correct it.

The fields carry the register's column names; the printed labels are the form's, in its order, so that a copy
printed to PDF can be read again as text (`mssante_audit.declarations.form_read`). Needs the extra ``pdf``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mssante_audit.base.errors import InputError

PAGE = (595.28, 841.89)
"""A4, in points."""
_LEFT, _RIGHT, _MIDDLE = 42.0, 553.0, 302.0
_LINE, _FONT = 19.0, 8.5


def pdf_missing(error: ImportError) -> InputError:
    """Return the error for an installation without the extra ``pdf``."""
    return InputError(f"PDF needs {error.name}", remedy='Install it: pip install "mssante-audit[pdf]"')


@dataclass(frozen=True, slots=True)
class _Text:
    """A label and the field after it, from `left` to `right`."""

    label: str
    name: str
    left: float = _LEFT
    right: float = _RIGHT


@dataclass(frozen=True, slots=True)
class _Box:
    label: str
    name: str


def _pair(label: str, first: str, second: str) -> list[_Text]:
    return [_Text(label, first, _LEFT, _MIDDLE - 6), _Text(label, second, _MIDDLE, _RIGHT)]


def _names(*who: str) -> list[_Text]:
    edges = (_LEFT, 168.0, _MIDDLE, 428.0, _RIGHT + 6)
    kinds = [("Nom", f"{one}_last_name") for one in who], [("Prénom", f"{one}_first_name") for one in who]
    fields = [part for pair in zip(*kinds, strict=True) for part in pair]
    return [_Text(label, name, edges[i], edges[i + 1] - 6) for i, (label, name) in enumerate(fields)]


Line = str | list[_Text] | _Box

FORM: tuple[tuple[Line, ...], ...] = (
    (
        "Contrat « opérateur MSSanté » - Annexe 1 : déclaration d'un domaine MSSanté",
        [_Text("Votre N° Contrat MSSanté", "contract_number", _LEFT, 320)],
        "Coordonnées du représentant légal de l'opérateur",
        [_Text("Nom de la structure", "structure_name")],
        [_Text("Identifiant structure", "structure_id")],
        [_Text("Identifiant de la structure bénéficiant du nom de domaine", "beneficiary_id")],
        [
            _Text("Nom", "representative_last_name", _LEFT, _MIDDLE - 6),
            _Text("Prénom", "representative_first_name", _MIDDLE),
        ],
        [_Text("Adresse postale", "postal_address")],
        [
            _Text("Téléphone", "representative_phone", _LEFT, _MIDDLE - 6),
            _Text("Courriel", "representative_email", _MIDDLE),
        ],
        "Coordonnées du chef de projet, puis du responsable technique (si différent du chef de projet)",
        _names("project_manager", "technical_manager"),
        _pair("Tél", "project_manager_phone", "technical_manager_phone"),
        _pair("Courriel", "project_manager_email", "technical_manager_email"),
        "Editeur de connecteur MSSanté de l'opérateur (à renseigner si différent de l'opérateur)",
        [_Text("Nom de la structure", "connector_vendor")],
        "Coordonnées de contacts en cas d'incident (affichées publiquement) : contact projet, puis technique",
        _pair("Téléphone", "public_project_phone", "public_technical_phone"),
        _pair("Courriel", "public_project_email", "public_technical_email"),
        "Inscription du domaine dans l'espace de confiance MSSanté",
        [_Text("Nom du domaine de messagerie MSSanté", "domain")],
        [_Text("Description du domaine de messagerie MSSanté", "description")],
        "DN du certificat d'authentification SSL (ne remplir qu'une seule des deux lignes)",
        [_Text("IGC Santé", "dn_igc_sante")],
        [_Text("IGC CPS", "dn_igc_cps")],
    ),
    (
        "Zone DNS (ne cocher qu'une seule case)",
        _Box("Méthode 1 : la délégation (à privilégier)", "delegation"),
        [_Text("Primaire", "primary_server")],
        [_Text("Secondaire", "secondary_server")],
        _Box("Méthode 2 : la redirection", "redirection"),
        [_Text("Nom du serveur de messagerie pour MSSanté de l'opérateur", "mail_server")],
        "Retrait",
        _Box(
            "Je demande le retrait du domaine de messagerie décrit ci-dessus de l'espace de confiance",
            "withdrawal",
        ),
        "Je m'engage à réaliser les demandes de référencement et de retrait de domaines de bonne foi",
        [_Text("Date", "date", _LEFT, 220)],
        [_Text("Nom, Prénom", "signatory_last_name", _LEFT, _MIDDLE - 6),
         _Text("", "signatory_first_name", _MIDDLE)],
        _Box("Signature et cachet de la structure", "signature_present"),
    ),
)  # fmt: skip
"""The form: pages of lines; a text is a section's title."""


def write_form(record: Mapping[str, str]) -> bytes:
    """Return Annexe 1 as a PDF whose fields are filled from a `mssante_audit.declarations.register.records`.

    Raises
    ------
    InputError
        If the extra ``pdf`` is not installed.
    """
    try:
        from pypdf import PdfReader, PdfWriter
        from pypdf.generic import NameObject, TextStringObject
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as error:
        raise pdf_missing(error) from None
    out = io.BytesIO()
    canvas: Any = Canvas(out, pagesize=PAGE, invariant=1, lang="fr")  # type: ignore[no-untyped-call]
    canvas.setTitle("Annexe 1 - Déclaration d'un domaine MSSanté")
    for page in FORM:
        height = PAGE[1] - 48
        for line in page:
            height = _draw(canvas, line, height, record)
        canvas.showPage()
    canvas.save()
    writer = PdfWriter(PdfReader(out))
    for sheet in writer.pages:
        annotations: Any = sheet["/Annots"]
        texts = {
            name: value
            for name, value in record.items()
            if value and any(_named(a, name) and a.get_object().get("/FT") == "/Tx" for a in annotations)
        }
        # Helvetica's characters get an appearance; viewers draw the others themselves
        writer.update_page_form_field_values(
            sheet, {n: v for n, v in texts.items() if _latin(v)}, auto_regenerate=False
        )
        for annotation in annotations:
            field = annotation.get_object()
            name = str(field["/T"])
            if name in texts and not _latin(texts[name]):
                field[NameObject("/V")] = TextStringObject(texts[name])
                field.pop("/AP", None)
    if not all(_latin(value) for value in record.values()):
        writer.set_need_appearances_writer(True)
    filled = io.BytesIO()
    writer.write(filled)
    return filled.getvalue()


def _draw(canvas: Any, line: Line, height: float, record: Mapping[str, str]) -> float:
    """Draw one line at `height`; return the height of the next."""
    if isinstance(line, str):
        canvas.setFont("Helvetica-Bold", 10)
        canvas.setFillColorRGB(0.12, 0.23, 0.37)
        canvas.drawString(_LEFT, height - 12, line)
        canvas.setFillColorRGB(0, 0, 0)
        return height - 32
    canvas.setFont("Helvetica", _FONT)
    if isinstance(line, _Box):
        canvas.acroForm.checkbox(
            name=line.name, tooltip=line.label, x=_LEFT, y=height - 4, size=12,
            checked=record.get(line.name) == "X", buttonStyle="cross", borderWidth=1, fieldFlags="",
        )  # fmt: skip
        canvas.drawString(_LEFT + 20, height, line.label)
        return height - _LINE
    for text in line:
        canvas.drawString(text.left, height, text.label)
        start = text.left + canvas.stringWidth(text.label, "Helvetica", _FONT) + 6
        canvas.acroForm.textfield(
            name=text.name, tooltip=text.label or text.name, x=start, y=height - 4,
            width=text.right - start, height=15, fontName="Helvetica", borderWidth=0.5,
            fontSize=7.5 if text.name.startswith("dn_") else _FONT, maxlen=None, fieldFlags="",
        )  # fmt: skip
    return height - _LINE


def _named(annotation: Any, name: str) -> bool:
    return str(annotation.get_object().get("/T")) == name


def _latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)
