"""Declarations: loading a register against pandas alone, and reconciling it with a list."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import openpyxl
import pandas as pd

from mssante_audit.audits import audit
from mssante_audit.declarations.register import fields, load_declarations
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.make import build, whitelist_xml

DECLARATIONS = 10_000
AS_OF = datetime(2026, 3, 3, tzinfo=UTC)


def cost(action: Callable[[], Any]) -> float:
    """CPU seconds of all threads."""
    begin = process_time()
    action()
    return process_time() - begin


def ratio(ours: Callable[[], Any], theirs: Callable[[], Any], times: int) -> float:
    """Median of the ratios of runs that take turns."""
    ratios = []
    for _ in range(times):
        base = cost(theirs)
        ratios.append(cost(ours) / base)
    return median(ratios)


def register(rows: list[Any]) -> list[dict[str, str]]:
    """One declaration for each row of a list, four of five as listed."""
    declarations = []
    for number, (domain, description, dn, project, support, _) in enumerate(rows):
        odd = number % 5 == 0
        declarations.append(
            dict.fromkeys(fields(), "")
            | {
                "contract_number": f"{number:010d}",
                "structure_name": parse_dn(dn).get("O"),
                "structure_id": parse_dn(dn).get("OU"),
                "representative_last_name": "FICTIVE",
                "representative_first_name": "Zoé",
                "postal_address": f"{number} rue de la Fiction, 75000 Paris",
                "representative_phone": f"01 99 00 {number // 100 % 100:02d} {number % 100:02d}",
                "representative_email": f"zoe.{number}@alpha.example",
                "project_manager_last_name": "MODELE",
                "project_manager_first_name": "Ida",
                "project_manager_phone": f"01 99 00 {number // 100 % 100:02d} {number % 100:02d}",
                "project_manager_email": f"ida.{number}@alpha.example",
                "public_project_phone": project.rpartition(", ")[0],
                "public_project_email": f"autre.{number}@alpha.example"
                if odd
                else project.rpartition(", ")[2],
                "public_technical_phone": support.rpartition(", ")[0],
                "public_technical_email": support.rpartition(", ")[2],
                "domain": domain,
                "description": description,
                "dn_igc_sante": dn.replace("CN=", "CN=autre-") if odd else dn,
                "delegation": "X",
                "primary_server": f"ns1.{number % 300}.alpha.example",
                "secondary_server": f"ns2.{number % 300}.alpha.example",
                "date": f"{number % 28 + 1:02d}/{number % 12 + 1:02d}/{2015 + number % 10}",
                "signatory_last_name": "FICTIVE",
                "signatory_first_name": "Zoé",
                "signature_present": "X",
            }
        )
    return declarations


def benches() -> Iterator[tuple[str, float, float]]:
    sample = build(domains=7_000, operators=300, defects=False)
    rows = (sample.rows * 2)[:DECLARATIONS]
    declared = register(rows)
    for number, record in enumerate(declared[len(sample.rows) :]):
        record["domain"] = f"nouveau-{number}.mssante.fr"
    with TemporaryDirectory() as scratch:
        text, book = Path(scratch, "register.csv"), Path(scratch, "register.xlsx")
        out = io.StringIO()
        writer = csv.DictWriter(out, list(fields()), delimiter=";")
        writer.writeheader()
        writer.writerows(declared)
        text.write_text(out.getvalue(), encoding="utf-8")
        yield (
            f"CSV of {DECLARATIONS} declarations: load_declarations / pandas.read_csv",
            ratio(lambda: load_declarations(text), lambda: pd.read_csv(text, sep=";"), 9),
            3,
        )
        workbook = openpyxl.Workbook(write_only=True)
        sheet = workbook.create_sheet()
        sheet.append(list(fields()))
        for record in declared:
            sheet.append(list(record.values()))
        workbook.save(book)
        yield (
            f"XLSX of {DECLARATIONS} declarations: load_declarations / pandas.read_excel",
            ratio(lambda: load_declarations(book), lambda: pd.read_excel(book), 3),
            1.3,
        )
        whitelist = load_whitelist(whitelist_xml(sample))
        space = TrustSpace(whitelist, AS_OF, register=load_declarations(text))
        seconds = cost(lambda: audit("reconciliation", space))
        yield (
            f"CPU seconds to reconcile {DECLARATIONS} declarations with {len(whitelist.entries)} rows",
            seconds,
            1,
        )
