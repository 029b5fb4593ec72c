"""What the reports say of the archive in words: how the collection fares, what happened, tables by kind."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pandas as pd

from mssante_audit.archive.events import EVENTS, Span
from mssante_audit.base.export import csv_text
from mssante_audit.base.french import NBSP, count, day, number, typeset
from mssante_audit.findings.frame import flat
from mssante_audit.findings.registry import rule
from mssante_audit.report.names import KINDS
from mssante_audit.report.tables import Cell, Figure, Html, data, key_figures, prose, table
from mssante_audit.space.chronicle import Chronicle
from mssante_audit.space.trust import TrustSpace

CONFIDENCE = {"certain": "certain", "probable": "probable"}


def waived_table(space: TrustSpace, *audits: str) -> Html:
    """Return the findings that `waivers.toml` accepts, by whom, why and until when.

    Of all audits by default; where some are named, nothing is said if none of theirs is accepted.
    """
    from mssante_audit.audits import waived

    if audits and space.waivers is None:
        return Html("")
    found = waived(space, *audits)
    if found.empty and audits:
        return Html("")
    if found.empty:
        return Html('<p class="none">Aucun constat n’est accepté : il n’y a pas de dérogation en cours.</p>')
    rows = [
        (
            Cell(prose(rule(f["rule"]).title_fr)),
            Cell(data(f["domain"])),
            Cell(data(f["operator"])),
            Cell(data(f["reason"])),
            Cell(data(f["who"])),
            Cell(data(f["until"])),
        )
        for f in found.to_dict("records")
    ]
    columns = ("Constat", "Domaine", "Opérateur", "Motif", "Par", "Jusqu’au")
    caption = "Constats acceptés, laissés hors des décomptes"
    return Html(table("waived", caption, columns, rows, _csv(flat(found), "waived", len(rows))))


def changes_answer(story: Chronicle, space: TrustSpace) -> Html:
    """Return the first screen of the report on changes."""
    events, counts = story.events, story.counts
    whole = story.whole.changes["kind"].value_counts()
    start, end = counts["time"].iloc[0], counts["time"].iloc[-1]
    if len(events):
        order = events.assign(rank=[list(EVENTS).index(kind) for kind in events["kind"]])
        first = order.sort_values(["rank", "size"], ascending=[True, False], kind="stable").iloc[0]
        lead = f"{data(first['sentence'])}"
        rest = len(events) - 1
        lead += f", entre le {day(first['start'])} et le {day(first['end'])}."
        lead += f" {count(rest, 'autre événement', 'autres événements')} sur la période." if rest else ""
    else:
        lead = (
            "Rien n’a changé sur la période."
            if len(counts) > 1
            else "L’archive n’a qu’une liste : rien à comparer."
        )
    figures = [
        Figure("Listes", number(len(counts)), f"du {day(start)} au {day(end)}"),
        Figure("Domaines ajoutés", number(int(whole.get("added", 0)))),
        Figure("Domaines retirés", number(int(whole.get("removed", 0)))),
        Figure("Changés d’opérateur", number(int(whole.get("moved", 0)))),
        Figure("Événements", number(len(events))),
        Figure("Lignes redatées", number(int(whole.get("restamped", 0))), "sans autre changement"),
    ]
    tests = int(space.entries["is_audit_entry"].sum())
    aside = count(tests, "entrée de test laissée", "entrées de test laissées")
    scope = f"Comparaison des listes archivées, {aside} de côté."
    notice = ""
    if story.unread:
        left = count(len(story.unread), "liste illisible laissée", "listes illisibles laissées")
        named = ", ".join(data(Path(error.file or "").name) for error in story.unread)
        text = (
            f"{left} de côté : {named}. La commande <code>mssante-audit archive verify</code> dit pourquoi."
        )
        notice = f'<p class="caution">{typeset(text)}</p>'
    if story.skipped:
        older = count(story.skipped, "liste plus ancienne", "listes plus anciennes")
        scope += f" Avant cela, l’archive garde {older}."
    return Html(
        f'<div class="answer"><p class="lead">{typeset(lead)}</p>{key_figures(figures).text}'
        f'<p class="scope">{typeset(scope)}</p>{notice}</div>'
    )


def events_table(story: Chronicle, *, limit: int) -> Html:
    """Return the events of all steps, the latest first."""
    events = story.events
    if events.empty:
        return Html('<p class="none">Aucun événement.</p>')
    events = events.sort_values("end", ascending=False, kind="stable")
    rows = [
        (
            Cell(
                f'<span style="white-space: nowrap">{e["end"]:%d/%m/%Y}</span>'
                f"<br><small>depuis le {e['start']:%d/%m/%Y}</small>",
                e["end"].isoformat(),
            ),
            Cell(
                f"{data(e['sentence'])}<br><small>{EVENTS[e['kind']]}, {CONFIDENCE[e['confidence']]}</small>"
            ),
            Cell(number(e["size"]), e["size"]),
            Cell(data(", ".join(e["domains"]), 160, "")),
        )
        for e in events.head(limit).to_dict("records")
    ]
    columns = ("Liste du", "Événement", "Domaines", "Lesquels")
    link = _csv(
        events.assign(start=events["start"].astype(str), end=events["end"].astype(str)), "events", limit
    )
    return Html(table("events", "Événements, les derniers d’abord", columns, rows, link))


def kind_table(span: Span, kind: str, *, limit: int) -> Html:
    """Return the changes of one kind over a span, as a table."""
    own = span.changes[span.changes["kind"] == kind]
    if own.empty:
        return Html('<p class="none">Aucun.</p>')
    sentences = dict(zip(span.events["event"], span.events["sentence"], strict=True))
    rows = [
        (
            Cell(data(c["domain"])),
            Cell(data(c["before"])),
            Cell(data(c["after"])),
            Cell(data(sentences.get(c["event"], ""))),
        )
        for c in own.head(limit).to_dict("records")
    ]
    name = kind.replace("_", "-")
    caption = f"{KINDS[kind]}{NBSP}: {count(len(own), 'changement')}"
    columns = ("Domaine", "Avant", "Après", "Événement")
    return Html(table(name, caption, columns, rows, _csv(own, name, limit)))


def kinds(story: Chronicle, *, limit: int, show_contacts: bool = False) -> Html:
    """Return a table for each kind of change over the whole span; kinds without any take one line."""
    span = story.whole if show_contacts else story.whole.masked()
    there = set(span.changes["kind"])
    parts = [
        f"<h3>{typeset(title)}</h3>{kind_table(span, kind, limit=limit).text}"
        for kind, title in KINDS.items()
        if kind in there
    ]
    absent = [title.lower() for kind, title in KINDS.items() if kind not in there]
    if absent:
        parts.append(f'<p class="none">{typeset("Aucun changement : " + ", ".join(absent) + ".")}</p>')
    return Html("".join(parts))


def _csv(frame: pd.DataFrame, name: str, limit: int) -> str:
    content = csv_text(frame).encode("utf-8-sig", "backslashreplace")
    cut = (
        f"<strong>Les {number(limit)} premières lignes sur {number(len(frame))} sont montrées ; "
        "toutes sont dans le fichier CSV.</strong> "
        if len(frame) > limit
        else ""
    )
    return (
        f'<p class="csv">{cut}<a download="{name}.csv" href="data:text/csv;base64,'
        f'{b64encode(content).decode("ascii")}">Télécharger (CSV, {count(len(frame), "ligne")})</a></p>'
    )
