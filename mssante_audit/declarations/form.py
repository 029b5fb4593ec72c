"""Annexe 1 as a PDF: read, and written filled from a declaration for the operator to confirm. Extra ``pdf``.

Read are its form fields, or the text of one laid out like the form. Nothing is guessed: a field whose label
is not found, or is found more often than the form prints it, is listed and left empty. Written, the fields
carry the register's column names and the form's labels, so that a copy printed to PDF can be read again.
"""

import io
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from textwrap import shorten
from typing import Any
from unicodedata import normalize

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of
from mssante_audit.base.settings import Letter
from mssante_audit.declarations.cells import UNSEEN, is_nothing
from mssante_audit.declarations.headings import SIGNATORY, fields, resolve
from mssante_audit.declarations.read import Problem, Sheet

MAX_PDF = 20 * 1024 * 1024
MAX_PAGES = 20
_REMEDY = "Ask the operator for the form with its fields, or type it into the register"

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what matters of a damaged file is said by the error

_TABLES = table_of("mssante_audit.declarations", "form.toml")
FORM: list[list[str | list[str]]] = _TABLES["pages"]
Labels = Mapping[str, Sequence[str]]


def _pattern(words: str) -> str:
    return words.replace(" ", r"\s+").replace("’", "['’]")


SECTIONS: Mapping[str, Labels] = {
    _pattern(start): {_pattern(label): names.split() for label, names in labels.items()}
    for start, labels in _TABLES["text"].items()
}
_DN = _pattern("DN du certificat d’authentification")
_BOXES = ("delegation", "redirection", "withdrawal", "signature_present")
_MARK = re.compile(r"(?:(\[\s*[xX]\s*\]|[☒☑✓✔✗✘]|(?<!\w)[xX])|(\[\s*\]|☐))\s*$")
_EMPTY_BOX = re.compile(r"\[\s*\]|☐")
# What is drawn over a form: a signature, a tick or a cross.
_DRAWN = frozenset(["/Ink", "/Stamp", "/Line", "/PolyLine", "/Polygon", "/Square", "/Circle"])
_NOISE = re.compile(
    r"\(Partie remplie par l['’]ASIP Santé\)|\(Exemple : [^)]*\)|\(63 caractères max.*?\bns\.ch-xyz\.fr"
    r"|Exemples : En IGC Santé.*|Coordonnées du responsable technique.*?projet\)|Retrait\s*$"
)
_LEADER = re.compile(r"\.{3,}|…+|_{3,}")
_LIGATURES = {point: normalize("NFKC", chr(point)) for point in range(0xFB00, 0xFB07)}  # ``ﬁ`` and the like


def read_form(file: str, raw: bytes) -> Sheet:
    """Read one declaration; a PDF that is damaged, a scan, or not this form is an `InputError`."""
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise _pdf_missing(error) from None
    if len(raw) > MAX_PDF:
        raise InputError("larger than {} MB", MAX_PDF // 1024 // 1024, file=file, remedy=_REMEDY)
    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError("encrypted: it needs a password", file=file, remedy="Save it without password")
        if len(reader.pages) > MAX_PAGES:
            raise InputError("more than {} pages: not Annexe 1", MAX_PAGES, file=file, remedy=_REMEDY)
        root: Any = reader.trailer["/Root"]
        acroform = root.get("/AcroForm")
        entries = reader.get_fields() or {}
        is_signed = any(field.get("/FT") == "/Sig" and field.get("/V") for field in entries.values())
        places = (place.get_object() for page in reader.pages for place in page.get("/Annots") or ())
        notes = [note for note in places if isinstance(note, dict)]
        is_drawn = any(note.get("/Subtype") in _DRAWN for note in notes)
        signature = "X" if is_signed else UNSEEN if is_drawn else ""
        is_typed = any(note.get("/Subtype") == "/FreeText" and note.get("/Contents") for note in notes)
        if values := {n: field for n, field in entries.items() if field.get("/FT") not in (None, "/Sig")}:
            sheet = _from_fields(file, values)
            sheet.problems += [Problem(1, None, "typed-over")] * is_typed
            return _filled(sheet, signature)
        if acroform is not None and "/XFA" in acroform.get_object():
            raise InputError("an XFA form without plain fields", file=file, remedy=_REMEDY)
        if any(_flattened(page) for page in reader.pages):
            raise InputError("a flattened form: what was typed cannot be placed", file=file, remedy=_REMEDY)
        if is_typed:
            raise InputError("what was typed over the form cannot be placed", file=file, remedy=_REMEDY)
        text = "\n".join(page.extract_text() for page in reader.pages)
    except InputError:
        raise
    except Exception:  # pypdf lets out errors of every kind on a damaged or hostile file
        raise InputError("not a readable PDF", file=file, remedy=_REMEDY) from None
    if len(text.split()) < 10:
        raise InputError("no form fields and no text: a scan", file=file, remedy=_REMEDY)
    text = normalize("NFC", text).translate(_LIGATURES)
    return _filled(_from_text(file, _EMPTY_BOX.sub("", text) if is_drawn else text), signature)


def _filled(sheet: Sheet, signature: str) -> Sheet:
    """Return a declaration, and which ticks were not seen; an `InputError` if no field of it holds a text.

    `signature` is what an empty box of the signature means, if not that there is none.
    """
    cells, at = sheet.rows[1], resolve(sheet.headings, {}).fields.get("signature_present")
    if at is not None and cells[at] in ("", UNSEEN):
        cells[at] = signature or cells[at]
    if all(cell in ("", "X", UNSEEN) or is_nothing(cell, "dn") for cell in cells):
        raise InputError("a blank form, or one that was typed over", file=sheet.file, remedy=_REMEDY)
    sheet.problems += [Problem(1, at, "box-unseen") for at, cell in enumerate(cells) if cell == UNSEEN]
    return sheet


def _from_fields(file: str, values: Mapping[str, Any]) -> Sheet:
    headings, cells = [], []
    for name, field in values.items():
        short = re.sub(r"\[\d+\]", "", name.rsplit(".", 1)[-1])
        tooltip = str(field.get("/TU") or "")
        headings.append(short if resolve([short], {}).fields or not tooltip else tooltip)
        text = "\n".join(str(field.get("/V") or "").splitlines())
        cells.append(text if field.get("/FT") != "/Btn" else "" if text in ("/Off", "") else "X")
    if "domain" not in resolve(headings, {}).fields:
        names = shorten(", ".join(headings), 200, placeholder=" …")
        raise InputError("not Annexe 1: its fields are {}", names, file=file, remedy=_REMEDY)
    return Sheet(file, headings, {1: cells})


def _flattened(page: Any) -> bool:
    """Tell whether the page draws former form fields, whose texts lie outside the page's own."""
    resources = page["/Resources"].get_object() if "/Resources" in page else {}
    objects = resources["/XObject"].get_object() if "/XObject" in resources else {}
    drawn = [objects[name].get_object() for name in objects]
    return any(form.get("/Subtype") == "/Form" and b"/Tx" in form.get_data() for form in drawn)


def _from_text(file: str, text: str) -> Sheet:
    """Read a declaration from the form's text."""
    if len(re.findall(next(iter(SECTIONS)), text)) > 1:
        remedy = "Save each as a file of its own"
        raise InputError("several declarations in one file", file=file, remedy=remedy)
    starts: dict[str, int] = {}
    for pattern in SECTIONS:  # cut at those that are found, in order
        if match := re.compile(pattern).search(text, max(starts.values(), default=-1) + 1):
            starts[pattern] = match.start()
    parts = {name: text[a:b] for name, (a, b) in zip(starts, pairwise([*starts.values(), None]), strict=True)}
    if len(parts) < 3:
        raise InputError("not the text of Annexe 1", file=file, remedy=_REMEDY)
    read: dict[str, str] = {}
    unread: dict[str, str] = {}
    for (start, labels), after in zip(SECTIONS.items(), [*[*SECTIONS][1:], ""], strict=True):
        followed = not after or after in parts
        if start == _DN:
            lines = _names(parts.get(_DN, "")) if followed else {}
            missing = {} if lines else dict.fromkeys(("dn_igc_sante", "dn_igc_cps"), "label-missing")
        else:
            lines, missing = _read_section(labels, parts.get(start, ""), followed)
        read |= lines
        unread |= missing
    if "domain" not in read:
        raise InputError("the domain could not be told from the rest of the form", file=file, remedy=_REMEDY)
    read["contract_number"] = re.sub(r"[\s-]", "", read.get("contract_number", ""))
    if SIGNATORY in unread:
        unread |= dict.fromkeys(("signatory_last_name", "signatory_first_name"), unread.pop(SIGNATORY))
    headings = ["Nom, Prénom" if name == SIGNATORY else name for name in read]
    return Sheet(file, headings, {1: [*read.values()]}, lost=unread)


def _read_section(labels: Labels, part: str, followed: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields of a section, and those that cannot be read with the kind of problem.

    Where a label is missing, nobody knows where the value before it ends: that one is not read either.
    """
    read: dict[str, str] = {}
    unread: dict[str, str] = {}
    before: Sequence[str] = ()
    for pattern, names in (*labels.items(), ("", ())):
        matches = list(re.finditer(rf"(?<!\S){pattern}", part)) if names else []
        if not matches and (names or not followed):
            unread |= {name: "label-next" for name in before if name not in (*_BOXES, *unread)}
        if len(matches) != len(names):
            unread |= dict.fromkeys(names, "label-twice" if len(matches) > len(names) else "label-missing")
        else:
            for name, match in zip(names, matches, strict=True):
                mark = _MARK.search(part[: match.start()])
                ticked = UNSEEN if mark is None else "X" if mark[1] else ""
                read[name] = ticked if name in _BOXES else _value(part, match.end(), labels)
        before = names
    if unread and any(len(names) > 1 for names in labels.values()):  # columns side by side: all in doubt
        unread = dict.fromkeys(read, "label-next") | unread
    return {name: value for name, value in read.items() if name not in unread}, unread


def _value(part: str, start: int, labels: Labels) -> str:
    """Return what stands after a label, up to the next one, or to the mark before that if it is a box."""
    following = re.compile(rf"(?<!\S)(?:{'|'.join(labels)})").search(part, start)
    text = part[start : following.start() if following else len(part)]
    if following and any(re.match(p, following[0]) and names[0] in _BOXES for p, names in labels.items()):
        text = _MARK.sub("", text)
    value = _NOISE.sub("", " ".join(text.split()))
    value = _LEADER.sub("", value).strip().removeprefix(":").strip()
    return re.sub(r"(?<!\s)\s*(?:\[\s*[xX]?\s*\]|[☐☒☑✓✔✗✘])$", "", value)


def _names(part: str) -> dict[str, str]:
    """Read the two lines of DN, distinguished by their labels or, where both stand, by their order."""
    unbroken = re.sub(r",\s*\n\s*", ",", part)  # a line that ends behind a comma goes on without a blank
    text = _LEADER.sub("", _NOISE.sub("", " ".join(unbroken.split())))
    labelled = re.search(
        r"(?<!\S)IGC Santé\s*:?\s(.*?)(?<!\S)IGC CPS\s*:?(?:\s|$)(.*)", text.rpartition("deux lignes)")[2]
    )
    lines = list(labelled.groups()) if labelled else re.findall(r"CN=.*?(?=\sCN=|$)", text)
    if len(lines) != 2:
        return {}
    return dict(zip(("dn_igc_sante", "dn_igc_cps"), map(str.strip, lines), strict=True))


PAGE = (595.28, 841.89)  # A4, in points
_LEFT, _LINE, _FONT = 42, 19.0, 8.5
# Fields that are filled in when the form is signed, again each time.
SIGNED = ("date", "signature_present", "signatory_last_name", "signatory_first_name")
# What the mark beside a field means.
EMPTIED = "Laissé vide : l’audit y signale une erreur. À remplir par l’opérateur."
_MARKED = (0.7, 0.1, 0.05)
_LATIN = re.compile("[\0-\xff]*")
_ADDRESSES = (Letter().contacts_to, Letter().form_to)


def _pdf_missing(error: ImportError) -> InputError:
    return InputError("PDF needs {}", error.name, remedy='Install it: pip install "mssante-audit[pdf]"')


# Where the fields of a line begin and the last ends, by their number; 6 points are left between them.
_EDGES = {1: (42, 559), 2: (42, 302, 559), 4: (42, 168, 302, 428, 559)}
_ENDS = {"contract_number": 320, "date": 220}  # of fields shorter than that


def write_form(
    record: Mapping[str, str], marked: Collection[str] = (), addresses: tuple[str, str] = _ADDRESSES
) -> bytes:
    """Return Annexe 1 as a PDF whose fields are filled from a `mssante_audit.declarations.register.records`.

    The manager's `addresses` for changes of contacts and for the form are printed, and days as France writes
    them. Fields that are `marked` have a star beside them, and the page says why.
    """
    try:
        import reportlab.pdfgen.canvas
        from pypdf import PdfWriter
        from pypdf.generic import NameObject, TextStringObject
    except ImportError as error:
        raise _pdf_missing(error) from None
    day = re.sub(r"\A(\d{4})-(\d\d)-(\d\d)\Z", r"\3/\2/\1", record.get("date", ""))
    record, out = {**record, "date": day}, io.BytesIO()
    canvas: Any = reportlab.pdfgen.canvas.Canvas(out, PAGE, invariant=1, lang="fr")  # type: ignore[no-untyped-call]
    canvas.setTitle("Annexe 1 - Déclaration d'un domaine MSSanté")
    for number, page in enumerate(FORM, 1):
        height = PAGE[1] - 48
        for line in page:
            if not isinstance(line, str):
                _draw(canvas, line, height, record, marked)
                height -= _LINE
            elif line.startswith(" "):
                canvas.setFont("Helvetica-Oblique", 7)
                canvas.drawString(_LEFT, height + 7, line.strip().format(*addresses))
                height -= 10
            else:
                canvas.setFont("Helvetica-Bold", 10)
                _put_text(canvas, _LEFT, height - 12, line, (0.12, 0.23, 0.37))
                height -= 32
        if any(name in marked for line in page if isinstance(line, list) for name in line):
            _put_text(canvas, _LEFT, 30, f"* {EMPTIED}", _MARKED)
        if number == len(FORM):
            canvas.setFont("Helvetica", _FONT)
            canvas.drawRightString(PAGE[0] - 80, 40, "Parapher ici")
            canvas.rect(PAGE[0] - 74, 28, 40, 28)
        canvas.showPage()
    canvas.save()
    others = {name: text for name, text in record.items() if not _LATIN.fullmatch(text)}
    if others:  # Helvetica lacks their characters: viewers draw them themselves
        writer, out = PdfWriter(out), io.BytesIO()
        pages: list[Any] = list(writer.pages)
        entries = (annotation.get_object() for page in pages for annotation in page["/Annots"])
        for entry in (entry for entry in entries if entry["/T"] in others):
            entry[NameObject("/V")] = TextStringObject(others[entry["/T"]])
            entry.pop("/AP", None)
        writer.set_need_appearances_writer(True)
        writer.write(out)
    return out.getvalue()


def _put_text(canvas: Any, left: float, height: float, text: str, colour: tuple[float, float, float]) -> None:
    canvas.setFillColorRGB(*colour)
    canvas.drawString(left, height, text)
    canvas.setFillColorRGB(0, 0, 0)


def _draw(
    canvas: Any, line: list[str], height: float, record: Mapping[str, str], marked: Collection[str]
) -> None:
    """Draw the fields of one line, with their labels."""
    canvas.setFont("Helvetica", _FONT)
    for name, (left, end) in zip(line, pairwise(_EDGES[len(line)]), strict=True):
        label, value = fields()[name].form.removeprefix("DN "), record.get(name, "")
        if name in marked:
            _put_text(canvas, left - 7, height, "*", _MARKED)
        if fields()[name].kind == "box":
            canvas.acroForm.checkbox(
                name=name, tooltip=label, x=left, y=height - 4, size=12,
                checked=value == "X", buttonStyle="cross", borderWidth=1, fieldFlags="",
            )  # fmt: skip
            canvas.drawString(left + 20, height, label)
            continue
        canvas.drawString(left, height, label)
        start = left + canvas.stringWidth(label, "Helvetica", _FONT) + 6
        latin = value if _LATIN.fullmatch(value) else ""
        canvas.acroForm.textfield(
            name=name, tooltip=label or name, value=latin, x=start, y=height - 4,
            width=_ENDS.get(name, end - 6) - start, height=15, fontName="Helvetica", borderWidth=0.5,
            fontSize=7.5 if name.startswith("dn_") else _FONT, maxlen=None, fieldFlags="",
        )  # fmt: skip
