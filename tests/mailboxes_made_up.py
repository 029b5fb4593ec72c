"""Made-up extractions: the columns of the real one, persons that stand out if anything of them is kept."""

from collections.abc import Iterable
from pathlib import Path

HEADINGS = (
    "Type de BAL", "Adresse BAL", "Type Identifiant PP", "Identifiant PP", "Identification nationale PP",
    "Type identifiant structure", "Identification Structure", "Service de rattachement",
    "Civilité d'exercice", "Nom d'exercice", "Prénom d'exercice", "Catégorie profession",
    "Libellé de catégorie profession", "Code Profession", "Libellé Profession", "Code savoir-faire",
    "Libellé savoir-faire", "Dématérialisation", "Raison Sociale structure BAL",
    "Enseigne commerciale structure BAL", "L2COMPLEMENTLOCALISATION", "L3COMPLEMENTDISTRIBUTION",
    "L4NUMEROVOIE", "L4COMPLEMENTNUMEROVOIE", "NL4TYPEVOIE", "L4LIBELLEVOIE", "L5LIEUDITMENTION",
    "L6LIGNEACHEMINEMENT", "Code postal", "Département", "Pays",
)  # fmt: skip
CANARY = "Zebulon-Canari"
"""In every field of a row that says something of a person."""

Row = tuple[str, str, str, str]
"""Kind, address, kind of structure, structure."""


def line(kind: str, address: str, named: str = "", structure: str = "") -> str:
    cells = {0: kind, 1: address, 5: named, 6: structure}
    return "|".join(cells.get(i, f"{CANARY} é {i}") for i in range(len(HEADINGS)))


def text(rows: Iterable[Row], end: str = "\n") -> bytes:
    return "".join(f"{entry}{end}" for entry in ("|".join(HEADINGS), *(line(*row) for row in rows))).encode()


def many(numbers: dict[str, int], named: str = "", structure: str = "") -> list[Row]:
    return [
        ("PER", f"{CANARY}.{i}@{domain}", named, structure) for domain, n in numbers.items() for i in range(n)
    ]


def put(folder: Path, content: bytes, at: str = "202603011013", suffix: str = "txt") -> Path:
    """Write an extraction into a data folder under its name."""
    file = folder / f"Extraction_Correspondance_MSSante_{at}.{suffix}"
    file.write_bytes(content)
    return file
