"""The charts of the report on changes: counts over time, domains from operator to operator, churn, ages."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import pandas as pd

from mssante_audit.base.french import count, day, duration, number, percent
from mssante_audit.report.charts import Chart, bars, lines
from mssante_audit.space.chronicle import Chronicle

MOVES = 12
"""Flows drawn one by one; the smaller ones are put together."""
LISTED, HAPPENED = "Domaines dans la liste", "Événements constatés"


def timeline(story: Chronicle) -> Chart:
    """Draw the number of domains in each list, and how many events each step brought."""
    drawn = pd.DataFrame(
        {
            LISTED: story.counts["domains"].tolist(),
            HAPPENED: [0, *(len(step.events) for step in story.steps)],
        },
        index=pd.DatetimeIndex(story.counts["time"]),
    )
    told = " ; ".join(
        f"{day(time)} : {count(n, 'domaine')}, {count(k, 'événement')}"
        for time, n, k in drawn.itertuples(name=None)
    )
    first, last = int(drawn[LISTED].iloc[0]), int(drawn[LISTED].iloc[-1])
    change = last - first
    more = f"{number(abs(change))} de {'plus' if change > 0 else 'moins'} que" if change else "autant que"
    events = drawn[HAPPENED]
    caption = (
        f"{count(last, 'domaine')} dans la dernière liste, {more} le {day(drawn.index[0])} ; "
        f"{count(int(events.sum()), 'événement')} en {count(len(drawn), 'liste')}"
    )
    if events.any():
        when = day(drawn.index[int(events.argmax())])
        caption += f", le plus ({number(int(events.max()))}) dans celle du {when}"
    title = "Domaines par liste, et événements"
    return lines(drawn, title=title, caption=f"{caption}.", alt=f"Lignes – {title}. {told}.")


def flows(story: Chronicle) -> Chart:
    """Draw how many domains went from which operator to which over the whole span."""
    moved = story.whole.changes[story.whole.changes["kind"] == "moved"]
    sizes = moved.groupby(["before", "after"], sort=False).size().sort_values(ascending=False, kind="stable")
    drawn = pd.Series(sizes.tolist(), index=[f"{a} → {b}" for a, b in sizes.index], dtype=int)
    title = "Domaines passés d’un opérateur à un autre"
    if drawn.empty:
        return bars(drawn, title=title, caption="Aucun domaine n’a changé d’opérateur.")
    before, after = sizes.index[0]
    caption = (
        f"{count(int(drawn.sum()), 'domaine a changé', 'domaines ont changé')} d’opérateur ; "
        f"le plus grand flux va de {before} à {after} : {count(int(drawn.iloc[0]), 'domaine')}."
    )
    if rest := int(drawn.iloc[MOVES:].sum()):
        drawn = pd.concat([drawn.head(MOVES), pd.Series([rest], index=["autres opérateurs"])])
    return bars(drawn, title=title, caption=caption, texts=[count(int(n), "domaine") for n in drawn])


def churn(story: Chronicle) -> Chart:
    """Draw how many domains each step touched, re-stamping apart."""
    rows, shares = {}, []
    for step, size in zip(story.steps, story.counts["domains"], strict=False):
        kinds = step.changes[step.changes["kind"] != "restamped"]
        crossed = set(kinds.loc[kinds["kind"].isin(["added", "removed"]), "domain"])
        others = set(kinds["domain"]) - crossed
        rows[f"{_short(step.start)} → {_short(step.end)}"] = (len(crossed), len(others))
        shares.append((len(crossed) + len(others)) / max(int(size), 1))
    drawn = pd.DataFrame(list(rows.values()), index=list(rows), columns=["venus ou partis", "modifiés"])
    caption = "Une seule liste : rien à comparer."
    if shares:
        mean = percent(round(1000 * sum(shares) / len(shares)), 1000)
        caption = f"D’une liste à la suivante, {mean} des domaines changent en moyenne, dates mises à part."
    return bars(drawn, title="Domaines touchés d’une liste à la suivante", caption=caption)


def ages(story: Chronicle, as_of: datetime) -> Chart:
    """Draw how long ago the domains of the last list were first seen; the oldest may be older still."""
    frame = story.ages
    days = (pd.Timestamp(as_of) - frame["first_seen"]).dt.days
    known = ~frame["censored"].astype(bool) & frame["first_seen"].notna()
    limits = (0, 31, 91, 183, 365, 730)
    counted = {
        f"moins de {duration(high)}": int((known & (days >= low) & (days < high)).sum())
        for low, high in pairwise(limits)
    }
    counted[f"{duration(limits[-1])} et plus"] = int((known & (days >= limits[-1])).sum())
    counted["dans la première liste de l’archive : âge inconnu"] = int(frame["censored"].sum())
    new = int(known.sum())
    verb = "est apparu" if new < 2 else "sont apparus"
    caption = (
        f"{count(new, 'domaine')} sur {number(len(frame))} {verb} depuis que l’archive existe ; "
        "les autres étaient déjà dans sa première liste."
    )
    styles = [*["light"] * (len(counted) - 2), "strong", "grey"]
    return bars(pd.Series(counted), title="Domaines par âge constaté", caption=caption, styles=styles)


def _short(time: datetime | None) -> str:
    return f"{time:%d/%m/%Y}" if time else "?"
