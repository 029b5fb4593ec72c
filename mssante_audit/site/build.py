"""The site of a run: static pages that open from disk, ask for nothing, and can each be sent alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import json_text, write_bytes, write_csv, write_workbook, writing
from mssante_audit.base.language import current_language, using_language
from mssante_audit.findings.ledger import FILE as LEDGER
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.trend import Point
from mssante_audit.report import tables
from mssante_audit.report.explorer import FILE as EXPLORER
from mssante_audit.report.explorer import Explorer, explorer_html
from mssante_audit.report.html import template
from mssante_audit.report.page import policy_of
from mssante_audit.report.tables import source_of
from mssante_audit.site.doors import write_api, write_feeds
from mssante_audit.site.pages import SitePage, pages
from mssante_audit.site.view import View, view_of
from mssante_audit.space.trust import TrustSpace

MENU = (
    ("index", "index.html", "Accueil"),
    ("explorer", EXPLORER, "Explorer"),
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
    """Write the site of a run.

    Parameters
    ----------
    folder
        Fresh and empty; the caller renames it into place.
    space
        What was audited.
    findings
        Of `mssante_audit.audits.audit_all`: masked, unless the space shows contacts.
    waived
        Of `mssante_audit.audits.waived`.
    told
        These findings against those of the run before; its statuses are in the order of `findings`.
    points
        The runs so far, this one the last.
    reports
        Folder that `mssante_audit.report.run.run_reports` wrote; its pages go into the site (as hard links
        where the file system can, so that they take no room), with their titles and outcomes.
    dossiers
        Folder that `mssante_audit.dossiers.write.write_dossiers` wrote, likewise.
    language
        That of its pages, and of the findings given, ``fr`` or ``en``; "": that spoken
        (`mssante_audit.base.language`).

    Raises
    ------
    OutputError
        If the site cannot be written.
    """
    with using_language(language or current_language()):
        view = view_of(space, findings, waived, told, points, reports, dossiers)
        _write(folder, view, reports, dossiers)


def _write(folder: Path, view: View, reports: Path | None, dossiers: Path | None) -> None:
    with writing(folder):
        for name in ("audits", "regles", "operateurs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for source, name in ((reports, "rapports"), (dossiers, "dossiers")):
            if source:
                _take(source, folder / name)
    for page in pages(view):
        path = folder / page.path
        write_bytes(path, page_html(page, view).encode("utf-8", "backslashreplace"))
        if page.tables:
            _write_files(path, page)
    places = {o.id: (o.page, quote(o.dossier)) for o in view.operators.values()}
    html = explorer_html(view.space, view.findings, view.domains, pages=places, home="index.html")
    Explorer(html).save(folder / EXPLORER)
    with writing(folder):
        write_api(folder / "api", view)
        write_feeds(folder, view)


def _write_files(path: Path, page: SitePage) -> None:
    """Write what a page shows beside it: a CSV a table, all of them as JSON and as a workbook."""
    for shown in page.tables:
        write_csv(shown.values, path.with_name(f"{path.stem}.{shown.name}.csv"))
    parts = ",\n".join(f'"{shown.name}": {json_text(shown.values)}' for shown in page.tables)
    write_bytes(path.with_suffix(".json"), f"{{\n{parts}}}\n".encode("utf-8", "backslashreplace"))
    write_workbook({shown.name: shown.values for shown in page.tables}, path.with_suffix(".xlsx"))


def page_html(page: SitePage, view: View) -> str:
    """Return a page of the site as HTML."""
    stem = Path(page.path).stem
    code = tables.script((files("mssante_audit.site") / "site.js").read_text(encoding="utf-8"))
    return template(f"site_{page.kind}.html.j2").render(
        page=page,
        root="../" * page.path.count("/"),
        stem=stem,
        menu=MENU,
        tables={shown.name: shown.with_link(stem) for shown in page.tables},
        policy=policy_of(source_of(code)),
        script=code,
        style=_style(),
        provenance=view.provenance,
        view=view,
        **page.told,
    )


@cache
def _style() -> str:
    added = (files("mssante_audit.site") / "site.css").read_text(encoding="utf-8")
    return f"{tables.style()}\n{added}"


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
