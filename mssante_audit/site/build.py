"""The site of a run: static pages that open from disk, ask for nothing, and can each be sent alone.

Beside them are doors for programs: what is known of each domain as JSON, and what is new as Atom feeds.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from mssante_audit.archive.changes import changes_frame
from mssante_audit.base import export
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import json_bytes, write_bytes, writing
from mssante_audit.base.language import count, current_language, format_text, gettext, using_language
from mssante_audit.base.staging import link_file
from mssante_audit.findings.ledger import FILE as LEDGER
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.trend import TrendPoint
from mssante_audit.report import explorer, tables
from mssante_audit.report.findings import title_of
from mssante_audit.report.html import joined, macro, names, shipped, template
from mssante_audit.site.pages import SitePage, pages
from mssante_audit.site.view import View
from mssante_audit.snapshot.make import changes_of
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import records_of
from mssante_audit.whitelist.rows import grouped, tuples

_PLAIN = re.compile(r"(?!.*\.\.)[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?")


def build_site(
    folder: Path,
    space: TrustSpace,
    findings: pd.DataFrame,
    *,
    waived: pd.DataFrame,
    told: FollowUp | None,
    points: Sequence[TrendPoint],
    reports: Path | None = None,
    dossiers: Path | None = None,
    language: str = "",
) -> None:
    """Write the site of a run into a folder, fresh and empty; what cannot be written is an `OutputError`.

    Findings, those `waived` too, are masked unless the space shows contacts. `told` has them against the
    run before, its statuses in their order; of the `points` this run's is the last. Pages that
    `run_reports` and `write_dossiers` wrote go into the site with their titles and outcomes, as hard
    links where the file system can. The `language` is that of the findings given, ``fr`` or ``en``; "":
    that spoken.
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
            _write_api(folder / "api", view)
            _write_feeds(folder, view)


def _write(path: Path, page: SitePage, view: View) -> None:
    """Write a page and, beside it, what it shows: a CSV a table, all of them as JSON and as a workbook."""
    blocks, contents = {}, {table.name: table.values for table in page.tables}
    for table in page.tables:
        file = f"{path.stem}.{table.name}.csv"
        link = macro("tables.file_link", file, table.rows, len(table.values.rows))
        blocks[table.name] = joined(table.html, link)
        export.write_csv(table.values, path.with_name(file))
    if contents:
        parts = ",\n".join(f'"{name}": {export.json_text(values)}' for name, values in contents.items())
        write_bytes(path.with_suffix(".json"), f"{{\n{parts}}}\n".encode("utf-8", "backslashreplace"))
        export.write_workbook(contents, path.with_suffix(".xlsx"))
    code, looks = "", tables.style("tables")
    if page.kind == "index":  # it has charts, and the search
        looks, code = tables.style(), tables.script(shipped("site.js", __package__))
    elif any('class="sortable"' in html for html in blocks.values()):
        code = tables.script()
    html = template(f"site_{page.kind}.html.j2").render(
        page.texts, page=page, root="../" * page.path.count("/"), stem=path.stem, tables=blocks,
        script=code, style=looks + shipped("site.css", __package__), provenance=view.provenance, view=view,
    )  # fmt: skip
    write_bytes(path, html.encode("utf-8", "backslashreplace"))


def _take(source: Path, target: Path) -> None:
    """Put the files of a run's folder into the site; hidden ones, links and the ledger stay behind."""
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        hidden = path.name == LEDGER or any(part.startswith(".") for part in inside.parts)
        if hidden or path.is_symlink() or not path.is_file():
            continue
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        link_file(path, target / inside)


# -- doors for programs -------------------------------------------------------------------------------------


class Item(NamedTuple):
    """One thing that is new, the same from night to night by its key; since this run if `at` is empty."""

    key: str
    title: str
    text: str
    operators: Collection[str]
    at: str = ""


def _write_api(folder: Path, view: View) -> None:
    """Write ``index.json`` and a file a listed domain, each as ``check --format json`` says it."""
    listed, index = view.space.entries["domain"].unique().tolist(), []
    (folder / "domains").mkdir(parents=True)
    with using_language("en"):  # as the command says it, whatever the site speaks
        records = [*records_of(view.space, listed, "en")]
    for domain, record in zip(listed, records, strict=True):
        file = f"domains/{file_name(domain, record['domain'])}"
        text = json.dumps(record, ensure_ascii=False)
        (folder / file).write_bytes(text.encode("utf-8", "backslashreplace"))
        index.append({name: record[name] for name in ("domain", "arrives", "order")} | {"file": file})
    head = {"as_of": view.space.as_of.isoformat(), "made_up": bool(view.provenance.get("made_up"))}
    (folder / "index.json").write_bytes(json_bytes(head | {"domains": index}))


def file_name(domain: str, shown: str) -> str:
    """Return the file of a domain: its name where a path can bear it and it names nobody, or else a hash."""
    plain = domain == shown and _PLAIN.fullmatch(domain)
    return f"{domain if plain else f'other-{digest(domain)[:16]}'}.json"


def _write_feeds(folder: Path, view: View) -> None:
    """Write the feed of what is new, and one beside the page of each operator (RFC 4287).

    Their identifiers are the same every night as long as the same is new.
    """
    items, title = list(_items(view)), gettext("Audit de l’espace de confiance MSSanté")

    def write(title: str, page: str, path: str, items: Iterable[Item]) -> None:
        entries = [item._replace(key=digest(item.key)[:32]) for item in items]
        head = {"key": digest(path)[:32], "title": title, "page": page, "at": view.space.as_of.isoformat()}
        (folder / path).write_bytes(template("feed.atom.j2").render(head, entries=entries).encode())

    changed = changes_frame(())
    with suppress(InputError):  # the list before cannot be read: the report on changes says so
        changed = changes_of(view.space)
    write(title, "index.html", "feed.atom", [*items, *_changes(view, changed)])
    sides = tuples(changed, "operator_before", "operator_after")
    touching = grouped((owner, at) for at, pair in enumerate(sides) for owner in {*pair} - {""})
    for operator in view.operators.values():
        causes, page = (item for item in items if operator.id in item.operators), Path(operator.page)
        changes = changed.iloc[touching.get(operator.id, [])]
        news = [*causes, *_changes(view, changes, operator.id)]
        write(f"{title} – {operator.name}", page.name, page.with_suffix(".atom").as_posix(), news)


def _items(view: View) -> Iterator[Item]:
    """Yield the causes that are new (of a first night, all) and fixed."""
    new = {view.records[position]["fingerprint"] for position in view.new}
    for cause in view.causes.to_dict("records"):
        if view.follow_up is None or not new.isdisjoint(cause["fingerprints"]):
            severity, where = str(cause["severity"]), cause["domain"] or gettext("toute la liste")
            others = format_text(" et {n:autre}", n=cause["domains"] - 1) if cause["domains"] > 1 else ""
            yield Item(
                "|".join(("new", *sorted(cause["fingerprints"]))),
                f"{title_of(cause['rules'][0])} – {cause['operator'] or cause['operator_id'] or where}",
                f"{where}{others} [{severity}] {cause['observed']} {cause['remedy']}",
                cause["operators"],
            )
    settled = grouped(((finding["rule"], finding["operator_id"]), finding) for finding in view.settled)
    for (code, operator_id), fixed in settled.items():
        keys = sorted(finding["fingerprint"] for finding in fixed)
        title = format_text("Réglé : {title}", title=title_of(code))
        domains = ", ".join(dict.fromkeys(finding["domain"] for finding in fixed if finding["domain"]))
        yield Item("|".join(("fixed", *keys)), title, domains, [operator_id])


def _changes(view: View, changed: pd.DataFrame, operator_id: str = "") -> Iterator[Item]:
    """Yield what changed in the list, all or of one operator."""
    generated = view.space.whitelist.generated_at
    for kind, rows in changed.groupby("kind", sort=False):
        listed = list(map(view.space.shown, rows["domain"].unique()))
        unsure = (rows["confidence"] == "unknown").any()
        doubt = f" – {names('confidences')['unknown']}" if unsure else ""
        title = f"{names('changes')[str(kind)]}{doubt} ({count(len(listed), 'domaine')})"
        key = "|".join(filter(None, ("change", str(generated), str(kind), operator_id)))
        yield Item(key, title, ", ".join(listed[:50]), (), generated.isoformat() if generated else "")
