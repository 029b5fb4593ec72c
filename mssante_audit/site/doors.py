"""Doors for programs: what is known of each domain as JSON, and what is new as Atom feeds."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.language import count, format_text, gettext, using_language
from mssante_audit.base.text import visible
from mssante_audit.report.findings import title_of
from mssante_audit.report.names import names
from mssante_audit.site.view import View
from mssante_audit.snapshot.make import changes_of
from mssante_audit.verdicts.record import records_of
from mssante_audit.whitelist.rows import grouped

ATOM = "http://www.w3.org/2005/Atom"
FEED = "feed.atom"
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){0,200}")


class Item(NamedTuple):
    """One thing that is new since the run before."""

    key: str
    """What it is known by from night to night."""
    title: str
    text: str
    operators: Collection[str]
    """Identifiers of those it touches."""


def write_api(folder: Path, view: View) -> None:
    """Write ``index.json`` and a file a listed domain, each as ``check --format json`` says it."""
    listed = view.space.entries["domain"].unique().tolist()
    (folder / "domains").mkdir(parents=True)
    index = []
    with using_language("en"):  # as the command says it, whatever the site speaks
        records = [*records_of(view.space, listed, "en")]
    for domain, record in zip(listed, records, strict=True):
        file = f"domains/{file_name(domain)}"
        text = json.dumps(record, ensure_ascii=False)
        (folder / file).write_bytes(text.encode("utf-8", "backslashreplace"))
        index.append({name: record[name] for name in ("domain", "arrives", "order")} | {"file": file})
    head = {"as_of": view.space.as_of.isoformat(), "made_up": bool(view.provenance.get("made_up"))}
    (folder / "index.json").write_bytes(json_bytes(head | {"domains": index}))


def file_name(domain: str) -> str:
    """Return the file of a domain: its name where a path can bear it, or else a hash.

    >>> file_name("ch-xyz.mssante.fr"), file_name("../x").startswith("other-")
    ('ch-xyz.mssante.fr.json', True)
    """
    plain = _PLAIN.fullmatch(domain) and not domain.endswith(".")
    return f"{domain if plain else f'other-{digest(domain)[:16]}'}.json"


def write_feeds(folder: Path, view: View) -> None:
    """Write the feed of what is new, and one beside the page of each operator."""
    items = list(_items(view))
    title = gettext("Audit de l’espace de confiance MSSanté")
    (folder / FEED).write_bytes(_feed(view, title, "index.html", FEED, items))
    for operator in view.operators.values():
        theirs = [item for item in items if operator.id in item.operators]
        page, path = Path(operator.page), Path(operator.page).with_suffix(".atom")
        content = _feed(view, f"{title} – {operator.name}", page.name, path.as_posix(), theirs)
        (folder / path).write_bytes(content)


def _items(view: View) -> Iterator[Item]:
    """Yield the causes that are new (of a first night, all) and fixed, and what changed in the list."""
    new = {view.records[position]["fingerprint"] for position in view.new}
    for cause in view.causes.to_dict("records"):
        if view.follow_up is None or not new.isdisjoint(cause["fingerprints"]):
            severity, where = str(cause["severity"]), cause["domain"] or gettext("toute la liste")
            more = format_text(" et {n:autre}", n=cause["domains"] - 1) if cause["domains"] > 1 else ""
            yield Item(
                "|".join(("new", *sorted(cause["fingerprints"]))),
                f"{title_of(cause['rules'][0])} – {cause['operator'] or cause['operator_id'] or where}",
                f"{where}{more} [{severity}] {cause['observed']} {cause['remedy']}",
                cause["operators"],
            )
    settled = grouped(((gone["rule"], gone["operator_id"]), gone) for gone in view.settled)
    for (code, operator_id), fixed in settled.items():
        keys = sorted(gone["fingerprint"] for gone in fixed)
        title = format_text("Réglé : {title}", title=title_of(code))
        domains = ", ".join(dict.fromkeys(gone["domain"] for gone in fixed if gone["domain"]))
        yield Item("|".join(("fixed", *keys)), title, domains, [operator_id])
    yield from _changes(view)


def _changes(view: View) -> Iterator[Item]:
    """Yield what happened between the archived list before this one and this one."""
    try:
        changes = changes_of(view.space)
    except InputError:  # the list before cannot be read: the report on changes says so
        return
    kinds = names("events")
    for event, rows in changes.groupby("event", sort=False):
        listed = list(map(view.space.shown, rows["domain"].unique()))
        title = kinds.get(str(event).rpartition("-")[0], str(event))
        if (rows["confidence"] == "unknown").any():
            title += f" – {names('confidences')['unknown']}"
        operators = {*rows["operator_before"], *rows["operator_after"]} - {""}
        key = f"change|{view.space.whitelist.generated_at}|{event}"
        yield Item(key, f"{title} ({count(len(listed), 'domaine')})", ", ".join(listed[:50]), operators)


def _feed(view: View, title: str, page: str, path: str, items: Iterable[Item]) -> bytes:
    at = view.space.as_of.isoformat()
    default: Any = {None: ATOM}
    root = etree.Element(f"{{{ATOM}}}feed", nsmap=default)

    def add(parent: Any, name: str, text: str = "", **attributes: str) -> Any:
        child = etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
        child.text = visible(text) or None
        return child

    add(root, "id", f"urn:mssante-audit:feed:{digest(path)[:32]}")
    add(root, "title", title)
    add(root, "updated", at)
    add(root, "link", href=page)
    add(add(root, "author"), "name", "mssante_audit")
    for item in items:
        entry = add(root, "entry")
        add(entry, "id", f"urn:mssante-audit:{digest(item.key)[:32]}")
        add(entry, "title", item.title)
        add(entry, "updated", at)
        add(entry, "link", href=page)
        add(entry, "content", item.text, type="text")
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True))
