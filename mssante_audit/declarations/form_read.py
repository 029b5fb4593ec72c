"""Annexe 1 read from a PDF: its form fields, or the text of one laid out like the form. Extra ``pdf``.

Nothing is guessed: a field whose label is not found, or is found more often than the form prints it, is
listed and left empty. Of a text, a box is read only where a mark stands before its label.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.cells import UNSEEN
from mssante_audit.declarations.form_write import pdf_missing
from mssante_audit.declarations.headings import SIGNATORY, resolve
from mssante_audit.declarations.read import Sheet

MAX_PDF = 20 * 1024 * 1024
MAX_PAGES = 20
_REMEDY = "Ask the operator for the form with its fields, or type it into the register"

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what matters of a damaged file is said by the error


def _both(kind: str) -> tuple[str, str]:
    return f"project_manager_{kind}", f"technical_manager_{kind}"


_NAME = r"Nom(?!\s*,|\s+(?:de|du|des)\b)"
_DN = r"DN\s+du\s+certificat\s+d['’]authentification"
Labels = tuple[tuple[str, tuple[str, ...]], ...]
SECTIONS: dict[str, Labels] = {
    r"Votre\s+N°\s+Contrat\s+MSSanté": ((r"Votre\s+N°\s+Contrat\s+MSSanté", ("contract_number",)),),
    r"Coordonnées\s+d(?:es\s+contacts\s+utilisées|u\s+représentant\s+légal)": (
        (r"Nom\s+de\s+la\s+structure", ("structure_name",)),
        (r"Identifiant\s+structure", ("structure_id",)),
        (r"Identifiant\s+de\s+la\s+structure\s+bénéficiant\s+du\s+nom\s+de\s+domaine", ("beneficiary_id",)),
        (_NAME, ("representative_last_name",)),
        (r"Prénom", ("representative_first_name",)),
        (r"Adresse\s+postale", ("postal_address",)),
        (r"Téléphone", ("representative_phone",)),
        (r"Courriel", ("representative_email",)),
    ),
    r"Coordonnées\s+du\s+chef\s+de\s+projet": (
        (_NAME, _both("last_name")),
        (r"Prénom", _both("first_name")),
        (r"Tél\b\.?(?!éphone)", _both("phone")),
        (r"Courriel", _both("email")),
    ),
    r"[EÉ]diteur\s+de\s+connecteur": ((r"Nom\s+de\s+la\s+structure", ("connector_vendor",)),),
    r"Coordonnées\s+de\s+contacts\s+en\s+cas\s+d['’]incident": (
        (r"Téléphone", ("public_project_phone", "public_technical_phone")),
        (r"Courriel", ("public_project_email", "public_technical_email")),
    ),
    r"Inscription\s+du\s+domaine\s+dans": (
        (r"Nom\s+du\s+domaine\s+de\s+messagerie\s+MSSanté", ("domain",)),
        (r"Description\s+du\s+domaine\s+de\s+messagerie\s+MSSanté", ("description",)),
    ),
    _DN: (),
    r"Zone\s+DNS\s*\(": (
        (r"Méthode\s+1\s*:", ("delegation",)),
        (r"Primaire\s*:?", ("primary_server",)),
        (r"Secondaire\s*:?", ("secondary_server",)),
        (r"Méthode\s+2\s*:", ("redirection",)),
        (
            r"Nom\s+du\s+serveur\s+de\s+messagerie\s+pour\s+MSSanté\s+de\s+l['’]opérateur\s*:?",
            ("mail_server",),
        ),
        (r"Je\s+demande\s+le\s+retrait\s+du\s+domaine", ("withdrawal",)),
    ),
    r"Je\s+m['’]engage\s+à": (
        (r"Date", ("date",)),
        (r"Nom\s*,\s*Prénom", (SIGNATORY,)),
        (r"Signature\s+et\s+cachet", ("signature_present",)),
    ),
    r"Informations\s+utiles": (),
}
"""Where a part of the form's text starts → its labels in reading order, with the fields after each."""
_BOXES = ("delegation", "redirection", "withdrawal", "signature_present")
_MARK = re.compile(r"(?:(\[\s*[xX]\s*\]|[☒☑✓✔✗✘]|(?<!\w)[xX])|(\[\s*\]|☐))\s*$")
_NOISE = re.compile(
    r"\(Partie remplie par l['’]ASIP Santé\)|\(Exemple : [^)]*\)|\(63 caractères max.*?\bns\.ch-xyz\.fr"
    r"|Exemples : En IGC Santé.*|Coordonnées du responsable technique.*?projet\)|Retrait\s*$"
)
_LEADER = re.compile(r"\.{3,}|…+|_{3,}")


def read_form(file: str, raw: bytes) -> Sheet:
    """Read one declaration from a PDF.

    One that is damaged, encrypted, scanned, XFA only, flattened, or not this form is an `InputError`; so is
    an installation without the extra ``pdf``.
    """
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise pdf_missing(error) from None
    if len(raw) > MAX_PDF:
        raise InputError("larger than {} MB", MAX_PDF // 1024 // 1024, file=file, remedy=_REMEDY)
    try:
        reader = PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError("encrypted: it needs a password", file=file, remedy="Save it without password")
        if len(reader.pages) > MAX_PAGES:
            raise InputError("more than {} pages: not Annexe 1", MAX_PAGES, file=file)
        root: Any = reader.trailer["/Root"]
        acroform = root.get("/AcroForm")
        values = {name: field for name, field in (reader.get_fields() or {}).items() if "/FT" in field}
        if values:
            return _from_fields(file, values)
        if acroform is not None and "/XFA" in acroform.get_object():
            raise InputError("an XFA form without plain fields", file=file, remedy=_REMEDY)
        if any(_flattened(page) for page in reader.pages):
            raise InputError("a flattened form: what was typed cannot be placed", file=file, remedy=_REMEDY)
        text = "\n".join(page.extract_text() for page in reader.pages)
    except InputError:
        raise
    except Exception:  # pypdf lets out errors of every kind on a damaged or hostile file
        raise InputError("not a readable PDF", file=file, remedy=_REMEDY) from None
    if len(text.split()) < 10:
        raise InputError("no form fields and no text: a scan", file=file, remedy=_REMEDY)
    return _from_text(file, text)


def _from_fields(file: str, values: Mapping[str, Any]) -> Sheet:
    headings, cells = [], []
    for name, field in values.items():
        short = re.sub(r"\[\d+\]", "", name.rsplit(".", 1)[-1])
        tooltip = str(field.get("/TU") or "")
        known = resolve([short], {}).fields
        headings.append(short if known or not tooltip else tooltip)
        text = "\n".join(str(field.get("/V") or "").splitlines())
        cells.append(text if field.get("/FT") != "/Btn" else "" if text in ("/Off", "") else "X")
    if "domain" not in resolve(headings, {}).fields:
        found = ", ".join(headings)[:200]
        raise InputError("not Annexe 1: its fields are {}", found, file=file, remedy=_REMEDY)
    return _sheet(file, headings, cells)


def _flattened(page: Any) -> bool:
    """Tell whether the page draws former form fields, whose texts lie outside the page's own."""
    resources = page["/Resources"].get_object() if "/Resources" in page else {}
    objects = resources["/XObject"].get_object() if "/XObject" in resources else {}
    drawn = [objects[name].get_object() for name in objects]
    return any(form.get("/Subtype") == "/Form" and b"/Tx" in form.get_data() for form in drawn)


def _from_text(file: str, text: str) -> Sheet:
    """Read a declaration from the form's text."""
    parts = _sections(text)
    if sum(bool(part) for part in parts.values()) < 3:
        raise InputError("not the text of Annexe 1", file=file, remedy=_REMEDY)
    read: dict[str, str] = {}
    lost: dict[str, str] = {}
    after = dict(zip(SECTIONS, [*parts.values()][1:], strict=False))
    for start, labels in SECTIONS.items():
        values, missing = _read_section(labels, parts[start], bool(after.get(start, True)))
        read |= values
        lost |= missing
    lines = _names(parts[_DN]) if after[_DN] else {}
    read |= lines
    lost |= {} if lines else dict.fromkeys(("dn_igc_sante", "dn_igc_cps"), "label-missing")
    if "domain" not in read:
        raise InputError("the domain could not be told from the rest of the form", file=file, remedy=_REMEDY)
    read["contract_number"] = re.sub(r"[\s-]", "", read.get("contract_number", ""))
    if SIGNATORY in lost:
        lost |= dict.fromkeys(("signatory_last_name", "signatory_first_name"), lost.pop(SIGNATORY))
    headings = ["Nom, Prénom" if name == SIGNATORY else name for name in read]
    sheet = _sheet(file, headings, list(read.values()))
    sheet.problems = [(1, at, "box-unseen", "") for at, cell in enumerate(read.values()) if cell == UNSEEN]
    sheet.lost = lost
    return sheet


def _sheet(file: str, headings: list[str], cells: list[str]) -> Sheet:
    """Return the one declaration of a form."""
    return Sheet(
        file, headings, [pd.Series([cell], dtype="str") for cell in cells], np.array([1], dtype="int64")
    )


def _read_section(labels: Labels, part: str, followed: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields of a section, and those that cannot be read with the kind of problem.

    Where a label is missing, nobody knows where the value before it ends: that one is not read either.
    """
    read: dict[str, str] = {}
    lost: dict[str, str] = {}
    before: tuple[str, ...] = ()
    for pattern, names in labels:
        matches = list(re.finditer(rf"(?<!\S){pattern}", part))
        if len(matches) != len(names):
            lost |= dict.fromkeys(names, "label-twice" if len(matches) > len(names) else "label-missing")
            if not matches:
                lost |= {name: "label-next" for name in before if name not in (*_BOXES, *lost)}
        else:
            for name, match in zip(names, matches, strict=True):
                mark = _MARK.search(part[: match.start()])
                ticked = UNSEEN if mark is None else "X" if mark[1] else ""
                read[name] = ticked if name in _BOXES else _value(part, match.end(), labels)
        before = names
    if not followed:
        lost |= {name: "label-next" for name in before if name not in (*_BOXES, *lost)}
    if lost and any(len(names) > 1 for _, names in labels):  # columns side by side: all in doubt
        lost = dict.fromkeys(read, "label-next") | lost
    return {name: value for name, value in read.items() if name not in lost}, lost


def _sections(text: str) -> dict[str, str]:
    """Cut the text at the starts of the sections that are found, in order."""
    starts: list[tuple[str, int]] = []
    at = 0
    for pattern in SECTIONS:
        if match := re.compile(pattern).search(text, at):
            starts.append((pattern, match.start()))
            at = match.start() + 1
    ends = [start for _, start in starts[1:]] + [len(text)]
    parts = {name: text[start:end] for (name, start), end in zip(starts, ends, strict=False)}
    return {pattern: parts.get(pattern, "") for pattern in SECTIONS}


def _value(part: str, start: int, labels: Labels) -> str:
    """Return what stands after a label, up to the next one."""
    patterns = "|".join(pattern for pattern, _ in labels)
    following = re.compile(rf"(?<!\S)(?:{patterns})").search(part, start)
    end = following.start() if following else len(part)
    value = _NOISE.sub("", " ".join(part[start:end].split()))
    value = _LEADER.sub("", value).strip().removeprefix(":").strip()
    return re.sub(r"(?<!\s)\s*(?:\[\s*[xX]?\s*\]|[☐☒☑✓✔✗✘])$", "", value)


def _names(part: str) -> dict[str, str]:
    """Read the two lines of DN, told apart by their labels or, where both stand, by their order."""
    text = _LEADER.sub("", _NOISE.sub("", " ".join(part.split())))
    labelled = re.search(
        r"(?<!\S)IGC Santé\s*:?\s(.*?)(?<!\S)IGC CPS\s*:?(?:\s|$)(.*)", text.rpartition("deux lignes)")[2]
    )
    lines = list(labelled.groups()) if labelled else re.findall(r"CN=.*?(?=\sCN=|$)", text)
    if len(lines) != 2:
        return {}
    # of a line that nobody filled only the types and signs are printed
    filled = [line.strip() if re.search(r"=\s*[^\s,=()]", line) else "" for line in lines]
    return dict(zip(("dn_igc_sante", "dn_igc_cps"), filled, strict=True))
