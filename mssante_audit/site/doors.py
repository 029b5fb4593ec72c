"""Doors for programs: what is known of each domain as JSON, and what is new as Atom feeds."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.language import count, format_text, gettext, using_language
from mssante_audit.report.findings import title_of
from mssante_audit.report.html import names, template
from mssante_audit.site.view import View
from mssante_audit.snapshot.make import changes_of
from mssante_audit.verdicts.domains import records_of
from mssante_audit.whitelist.rows import grouped

FEED = "feed.atom"
_PLAIN = re.compile(r"(?!.*\.\.)[a-z0-9](?:[a-z0-9.-]{0,200}[a-z0-9])?")


class Item(NamedTuple):
    """One thing that is new, known by its key from night to night, since this run if `at` is empty."""

    key: str
    title: str
    text: str
    operators: Collection[str]
    at: str = ""


def write_api(folder: Path, view: View) -> None:
    """Write ``index.json`` and a file a listed domain, each as ``check --format json`` says it."""
    listed, index = view.space.entries["domain"].unique().tolist(), []
    (folder / "domains").mkdir(parents=True)
    with using_language("en"):  # as the command says it, whatever the site speaks
        records = [*records_of(view.space, listed, "en")]
    for domain, record in zip(listed, records, strict=True):
        file = f"domains/{file_name(domain, record['domain'])}"
        text = json.dumps(record, ensure_ascii=False)
        (folder / file).write_text(text, encoding="utf-8", errors="backslashreplace")
        index.append({name: record[name] for name in ("domain", "arrives", "order")} | {"file": file})
    head = {"as_of": view.space.as_of.isoformat(), "made_up": bool(view.provenance.get("made_up"))}
    (folder / "index.json").write_bytes(json_bytes(head | {"domains": index}))


def file_name(domain: str, shown: str) -> str:
    """Return the file of a domain: its name where a path can bear it and it names nobody, or else a hash."""
    plain = domain == shown and _PLAIN.fullmatch(domain)
    return f"{domain if plain else f'other-{digest(domain)[:16]}'}.json"


def write_feeds(folder: Path, view: View) -> None:
    """Write the feed of what is new, and one beside the page of each operator (RFC 4287).

    Their identifiers are the same every night as long as the same is new.
    """
    items, title = list(_items(view)), gettext("Audit de l’espace de confiance MSSanté")

    def write(title: str, page: str, path: str, items: Iterable[Item]) -> None:
        entries = [item._replace(key=digest(item.key)[:32]) for item in items]
        head = {"key": digest(path)[:32], "title": title, "page": page, "at": view.space.as_of.isoformat()}
        (folder / path).write_bytes(template("feed.atom.j2").render(head, entries=entries).encode())

    write(title, "index.html", FEED, items)
    for operator in view.operators.values():
        theirs, page = (item for item in items if operator.id in item.operators), Path(operator.page)
        write(f"{title} – {operator.name}", page.name, page.with_suffix(".atom").as_posix(), theirs)


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
    with suppress(InputError):  # the list before cannot be read: the report on changes says so
        made = view.space.whitelist.generated_at
        for kind, rows in changes_of(view.space).groupby("kind", sort=False):
            listed = list(map(view.space.shown, rows["domain"].unique()))
            unsure = (rows["confidence"] == "unknown").any()
            doubt = f" – {names('confidences')['unknown']}" if unsure else ""
            title = f"{names('changes')[str(kind)]}{doubt} ({count(len(listed), 'domaine')})"
            operators = {*rows["operator_before"], *rows["operator_after"]} - {""}
            at, text = made.isoformat() if made else "", ", ".join(listed[:50])
            yield Item(f"change|{made}|{kind}", title, text, operators, at)
