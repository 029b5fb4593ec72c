"""The site of a run: static pages that open from disk, ask for nothing, and can each be sent alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import json_text, write_bytes, write_csv, write_workbook, writing
from mssante_audit.base.language import current_language, using_language
from mssante_audit.findings.ledger import FILE as LEDGER
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.trend import Point
from mssante_audit.report import explorer, tables
from mssante_audit.report.html import joined, macro, template
from mssante_audit.report.page import policy_of
from mssante_audit.site.doors import write_api, write_feeds
from mssante_audit.site.pages import SitePage, pages
from mssante_audit.site.view import View
from mssante_audit.space.trust import TrustSpace

MENU = (
    ("index", "index.html", "Accueil"),
    ("explorer", explorer.FILE, "Explorer"),
    ("suivi", "suivi.html", "Suivi"),
    ("constats", "constats.html", "Constats"),
    ("audits", "index.html#audits-titre", "Audits"),
    ("operateurs", "operateurs.html", "Opérateurs"),
    ("regles", "regles.html", "Règles"),
    ("recherche", "index.html#recherche", "Rechercher"),
)
"""The site's menu: key, path, words in French."""


def build_site(
    folder: Path,
    space: TrustSpace,
    findings: pd.DataFrame,
    *,
    waived: pd.DataFrame,
    told: FollowUp | None,
    points: Sequence[Point],
    reports: Path | None = None,
    dossiers: Path | None = None,
    language: str = "",
) -> None:
    """Write the site of a run; what cannot be written is an `OutputError`.

    Parameters
    ----------
    folder
        Fresh and empty; the caller renames it into place.
    space
        What was audited.
    findings, waived
        Of `mssante_audit.audits.audit_all` and `waived`: masked, unless the space shows contacts.
    told
        These findings against those of the run before; its statuses are in the order of `findings`.
    points
        The runs so far, this one the last.
    reports, dossiers
        Folders that `mssante_audit.report.run.run_reports` and `mssante_audit.dossiers.write.write_dossiers`
        wrote; their pages go into the site (as hard links where the file system can, so that they take no
        room), with their titles and outcomes.
    language
        Of its pages, and of the findings given, ``fr`` or ``en``; "": that spoken.
    """
    with using_language(language or current_language()):
        view = View(space, findings, waived, told, points, reports, dossiers)
        with writing(folder):
            for name in ("audits", "regles", "operateurs"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            for source, name in ((reports, "rapports"), (dossiers, "dossiers")):
                if source:
                    _take(source, folder / name)
        for page in pages(view):
            _write(folder / page.path, page, view)
        places = {o.id: (o.page, quote(o.dossier)) for o in view.operators.values()}
        html = explorer.explorer_html(space, view.findings, view.domains, pages=places, home="index.html")
        explorer.Explorer(html).save(folder / explorer.FILE)
        with writing(folder):
            write_api(folder / "api", view)
            write_feeds(folder, view)


def _write(path: Path, page: SitePage, view: View) -> None:
    """Write a page and, beside it, what it shows: a CSV a table, all of them as JSON and as a workbook."""
    stem, shown = path.stem, {}
    for table in page.tables:
        file = f"{stem}.{table.name}.csv"
        link = macro("tables.file_link", file, table.rows, len(table.values.rows))
        shown[table.name] = joined(table.html, link)
        write_csv(table.values, path.with_name(file))
    if shown:
        parts = ",\n".join(f'"{table.name}": {json_text(table.values)}' for table in page.tables)
        write_bytes(path.with_suffix(".json"), f"{{\n{parts}}}\n".encode("utf-8", "backslashreplace"))
        write_workbook({table.name: table.values for table in page.tables}, path.with_suffix(".xlsx"))
    own = files("mssante_audit.site")
    code = tables.script((own / "site.js").read_text(encoding="utf-8"))
    html = template(f"site_{page.kind}.html.j2").render(
        page.told,
        page=page,
        root="../" * page.path.count("/"),
        stem=stem,
        menu=MENU,
        tables=shown,
        policy=policy_of(tables.source_of(code)),
        script=code,
        style=f"{tables.style()}\n{(own / 'site.css').read_text(encoding='utf-8')}",
        provenance=view.provenance,
        view=view,
    )
    write_bytes(path, html.encode("utf-8", "backslashreplace"))


def _take(source: Path, target: Path) -> None:
    """Put the files of a run's folder into the site; hidden ones, links and the ledger stay behind."""
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        hidden = path.name == LEDGER or any(part.startswith(".") for part in inside.parts)
        if hidden or path.is_symlink() or not path.is_file():
            continue
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target / inside)
        except OSError:  # another file system, or one without links
            shutil.copy2(path, target / inside)
