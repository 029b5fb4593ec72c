"""Annexe 1 written as a PDF form, filled from a declaration, so that an operator can confirm or correct it.

The fields carry the register's column names; the printed labels are the form's, in its order, so that a copy
printed to PDF can be read again as text (`mssante_audit.declarations.form_read`). Needs the extra ``pdf``.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of
from mssante_audit.base.settings import Letter
from mssante_audit.declarations.headings import fields

PAGE = (595.28, 841.89)
"""A4, in points."""
_LEFT, _LINE, _FONT = 42, 19.0, 8.5
SIGNED = ("date", "signature_present", "signatory_last_name", "signatory_first_name")
"""Fields that are filled in when the form is signed, again each time."""
EMPTIED = "Laissé vide : l’audit y signale une erreur. À remplir par l’opérateur."
"""What the mark beside a field means."""
_MARKED = (0.7, 0.1, 0.05)
_ADDRESSES = (Letter().contacts_to, Letter().form_to)


def pdf_missing(error: ImportError) -> InputError:
    """Return the error for an installation without the extra ``pdf``."""
    return InputError("PDF needs {}", error.name, remedy='Install it: pip install "mssante-audit[pdf]"')


_EDGES = {1: (42, 559), 2: (42, 302, 559), 4: (42, 168, 302, 428, 559)}
"""Where the fields of a line begin and the last ends, by their number; 6 points are left between them."""
_ENDS = {"contract_number": 320, "date": 220}
"""Of fields shorter than that."""

FORM: list[list[str | list[str]]] = table_of("mssante_audit.declarations", "form.toml")["pages"]


def write_form(
    record: Mapping[str, str], marked: Collection[str] = (), addresses: tuple[str, str] = _ADDRESSES
) -> bytes:
    """Return Annexe 1 as a PDF whose fields are filled from a `mssante_audit.declarations.register.records`.

    The manager's `addresses` for changes of contacts and for the form are printed. Days are written as
    France does. Fields that are `marked` have a star beside them, and the page says why.
    Without the extra ``pdf`` it is an `InputError`.
    """
    try:
        import reportlab  # noqa: F401 - what draws
        from pypdf import PdfWriter
        from pypdf.generic import NameObject, TextStringObject
    except ImportError as error:
        raise pdf_missing(error) from None
    signed = {name: text for name, text in record.items() if name in SIGNED}
    days = {name: re.sub(r"\A(\d{4})-(\d\d)-(\d\d)\Z", r"\3/\2/\1", text) for name, text in signed.items()}
    record = {**record, **days}
    ticked = frozenset(name for name in fields() if fields()[name].kind == "box" and record.get(name) == "X")
    with _reading:
        writer = PdfWriter(_drawn(ticked, frozenset(marked), addresses))
    for sheet in writer.pages:
        annotations: Any = sheet["/Annots"]
        entries = {str(a.get_object()["/T"]): a.get_object() for a in annotations}
        texts = {n: v for n, v in record.items() if v and n in entries and entries[n].get("/FT") == "/Tx"}
        # Helvetica's characters get an appearance; viewers draw the others themselves
        plain = {name: value for name, value in texts.items() if _latin(value)}
        writer.update_page_form_field_values(sheet, plain, auto_regenerate=False)
        for name in texts.keys() - plain.keys():
            entries[name][NameObject("/V")] = TextStringObject(texts[name])
            entries[name].pop("/AP", None)
    if not all(_latin(value) for value in record.values()):
        writer.set_need_appearances_writer(True)
    filled = io.BytesIO()
    writer.write(filled)
    return filled.getvalue()


_reading = threading.Lock()
"""Held while a form that was drawn is copied: it reads its objects when they are first asked for."""


@lru_cache(maxsize=32)
def _drawn(ticked: frozenset[str], marked: frozenset[str], addresses: tuple[str, str]) -> Any:
    """Return the form with nothing but its boxes filled in, read: a writer copies it.

    Drawing and reading it takes longer than filling it in, and most domains have the same few fields wrong.
    """
    from pypdf import PdfReader
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas: Any = Canvas(out, pagesize=PAGE, invariant=1, lang="fr")  # type: ignore[no-untyped-call]
    canvas.setTitle("Annexe 1 - Déclaration d'un domaine MSSanté")
    for number, page in enumerate(FORM, 1):
        height = PAGE[1] - 48
        for line in page:
            if isinstance(line, str) and line.startswith(" "):
                canvas.setFont("Helvetica-Oblique", 7)
                canvas.drawString(_LEFT, height + 7, line.strip().format(*addresses))
                height -= 10
                continue
            height = _draw(canvas, line, height, ticked, marked)
        if any(name in marked for line in page if isinstance(line, list) for name in line):
            canvas.setFillColorRGB(*_MARKED)
            canvas.drawString(_LEFT, 30, f"* {EMPTIED}")
            canvas.setFillColorRGB(0, 0, 0)
        if number == len(FORM):
            canvas.setFont("Helvetica", _FONT)
            canvas.drawRightString(PAGE[0] - 80, 40, "Parapher ici")
            canvas.rect(PAGE[0] - 74, 28, 40, 28)
        canvas.showPage()
    canvas.save()
    return PdfReader(out)


def _draw(
    canvas: Any,
    line: str | list[str],
    height: float,
    ticked: Collection[str],
    marked: Collection[str],
) -> float:
    """Draw one line at `height`; return the height of the next."""
    if isinstance(line, str):
        canvas.setFont("Helvetica-Bold", 10)
        canvas.setFillColorRGB(0.12, 0.23, 0.37)
        canvas.drawString(_LEFT, height - 12, line)
        canvas.setFillColorRGB(0, 0, 0)
        return height - 32
    canvas.setFont("Helvetica", _FONT)
    for name, left, end in zip(line, _EDGES[len(line)], _EDGES[len(line)][1:], strict=False):
        label = fields()[name].form.removeprefix("DN ")
        if name in marked:
            canvas.setFillColorRGB(*_MARKED)
            canvas.drawString(left - 7, height, "*")
            canvas.setFillColorRGB(0, 0, 0)
        if fields()[name].kind == "box":
            canvas.acroForm.checkbox(
                name=name, tooltip=label, x=left, y=height - 4, size=12,
                checked=name in ticked, buttonStyle="cross", borderWidth=1, fieldFlags="",
            )  # fmt: skip
            canvas.drawString(left + 20, height, label)
            continue
        canvas.drawString(left, height, label)
        start = left + canvas.stringWidth(label, "Helvetica", _FONT) + 6
        canvas.acroForm.textfield(
            name=name, tooltip=label or name, x=start, y=height - 4,
            width=_ENDS.get(name, end - 6) - start, height=15, fontName="Helvetica", borderWidth=0.5,
            fontSize=7.5 if name.startswith("dn_") else _FONT, maxlen=None, fieldFlags="",
        )  # fmt: skip
    return height - _LINE


def _latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)
