"""The charts of the report on changes: counts over time, domains from operator to operator, churn, ages."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import matplotlib as mpl
import pandas as pd
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from mssante_audit.base.french import count, day, number, percent
from mssante_audit.report.plots import (
    BLUE,
    GREY,
    INK,
    LIGHT,
    MUTED,
    PALE,
    PX,
    RC,
    WIDTH,
    Bar,
    Chart,
    draw_bars,
    duration,
    label,
)
from mssante_audit.space.chronicle import Chronicle

TICKS = 4
"""Dates named on the time axis, unless there is but one."""
MOVES = 12
"""Flows drawn one by one; the smaller ones are put together."""


def timeline(story: Chronicle) -> Chart:
    """Draw the number of domains in each list, and how many events each step brought."""
    counts = story.counts
    happened = [len(step.events) for step in story.steps]
    times = [t.to_pydatetime() for t in counts["time"]]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH * PX, 300 * PX), dpi=200, facecolor="white")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        figure.subplots_adjust(0.11, 0.1, 0.93, 0.93, hspace=0.35)
        upper.step(times, counts["domains"], where="post", color=BLUE, linewidth=2)
        upper.plot(times, counts["domains"], "o", color=BLUE, markersize=5)
        upper.set_title("Domaines dans la liste", loc="left", fontsize=10.4, color=INK)
        lower.vlines(times[1:], 0, happened, color=GREY, linewidth=6)
        lower.set_title("Événements constatés à chaque liste", loc="left", fontsize=10.4, color=INK)
        lower.set_ylim(0, max([*happened, 1]) * 1.2)
        lower.set_xlim(times[0] - timedelta(days=2), times[-1] + timedelta(days=2))
        step = (times[-1] - times[0]) / (TICKS - 1)
        lower.set_xticks([times[0] + i * step for i in range(TICKS)] if step else times)
        lower.xaxis.set_major_formatter(DateFormatter("%d/%m/%Y"))  # type: ignore[no-untyped-call]
        for axes in (upper, lower):
            axes.yaxis.get_major_locator().set_params(integer=True)
            axes.tick_params(labelsize=8.5, colors=MUTED)
            axes.grid(axis="y", color=PALE, linewidth=0.6)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    told = " ; ".join(
        f"{day(t)} : {count(int(n), 'domaine')}, {count(k, 'événement')}"
        for t, n, k in zip(times, counts["domains"], [0, *happened], strict=True)
    )
    change = int(counts["domains"].iloc[-1] - counts["domains"].iloc[0])
    more = f"{number(abs(change))} de {'plus' if change > 0 else 'moins'} que" if change else "autant que"
    reading = (
        f"{count(int(counts['domains'].iloc[-1]), 'domaine')} dans la dernière liste, {more} "
        f"le {day(times[0])} ; {count(sum(happened), 'événement')} en {count(len(times), 'liste')}"
    )
    if any(happened):
        most = max(happened)
        reading += f", le plus ({number(most)}) dans celle du {day(times[1:][happened.index(most)])}"
    return Chart(figure, f"Courbe du nombre de domaines par liste, et événements. {told}.", f"{reading}.")


def flows(story: Chronicle) -> Chart:
    """Draw how many domains went from which operator to which over the whole span."""
    moved = story.whole.changes[story.whole.changes["kind"] == "moved"]
    pairs = Counter(zip(moved["before"], moved["after"], strict=True))
    shown = pairs.most_common(MOVES)
    rest = sum(pairs.values()) - sum(n for _, n in shown)
    if rest:
        shown.append((("autres opérateurs", "autres opérateurs "), rest))
    figure = _sankey(shown)
    told = " ; ".join(f"de {a} à {b.strip()} : {count(n, 'domaine')}" for (a, b), n in shown)
    if not shown:
        nothing = "Aucun domaine n’a changé d’opérateur."
        return Chart(figure, f"Schéma des flux de domaines entre opérateurs. {nothing}", nothing)
    (a, b), most = shown[0]
    reading = (
        f"{count(sum(pairs.values()), 'domaine a changé', 'domaines ont changé')} d’opérateur ; "
        f"le plus grand flux va de {a} à {b} : {count(most, 'domaine')}."
    )
    return Chart(figure, f"Schéma des flux de domaines entre opérateurs. {told}.", reading)


def _sankey(pairs: list[tuple[tuple[str, str], int]]) -> Figure:
    """Draw bands from names on the left to names on the right, as thick as their numbers."""
    left, right = Counter[str](), Counter[str]()
    for (a, b), n in pairs:
        left[a] += n
        right[b] += n
    gap, whole = 34.0, sum(left.values()) or 1
    thick = 150.0 / whole
    height = 24 + 150 + gap * max(len(left), len(right), 1)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH * PX, height * PX), dpi=200, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        if not pairs:
            axes.text(8, 30, "Aucun domaine n’a changé d’opérateur.", color=MUTED)
        places = []
        for side, x in ((left, 8.0), (right, WIDTH - 20.0)):
            y, tops = 24.0, {}
            for name, n in side.items():
                tops[name] = y
                axes.barh(y + n * thick / 2, 12, n * thick, x, color=BLUE if x < 100 else INK)
                # `label` measures the charts' usual size, of which this is nine tenths.
                text = f"{label(name.strip(), (WIDTH / 2 - 45) / 0.9)} : {number(n)}"
                axes.text(
                    x if x < 100 else x + 12, y - 6, text, ha="left" if x < 100 else "right", fontsize=9
                )
                y += n * thick + gap
            places.append(tops)
        for (a, b), n in pairs:
            top, bottom = places[0][a], places[1][b]
            axes.add_patch(_band(20, top, WIDTH - 20, bottom, n * thick))
            places[0][a] += n * thick
            places[1][b] += n * thick
    return figure


def _band(x0: float, y0: float, x1: float, y1: float, thick: float) -> PathPatch:
    middle = (x0 + x1) / 2
    points = [
        (x0, y0), (middle, y0), (middle, y1), (x1, y1),
        (x1, y1 + thick), (middle, y1 + thick), (middle, y0 + thick), (x0, y0 + thick), (x0, y0),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    return PathPatch(Path(points, codes), facecolor=LIGHT, edgecolor=BLUE, alpha=0.55, linewidth=0.5)


def churn(story: Chronicle) -> Chart:
    """Draw how many domains each step touched, re-stamping apart."""
    bars, shares = [], []
    for step, size in zip(story.steps, story.counts["domains"], strict=False):
        kinds = step.changes[step.changes["kind"] != "restamped"]
        crossed = set(kinds.loc[kinds["kind"].isin(["added", "removed"]), "domain"])
        others = set(kinds["domain"]) - crossed
        text = f"{number(len(crossed))} venus ou partis, {number(len(others))} modifiés"
        name = f"{_short(step.start)} → {_short(step.end)}"
        bars.append(Bar(name, ((len(crossed), BLUE), (len(others), LIGHT)), text))
        shares.append((len(crossed) + len(others)) / max(int(size), 1))
    told = " ; ".join(f"{bar.label} : {bar.text}" for bar in bars)
    if not bars:
        return Chart(
            draw_bars(bars),
            "Barres : domaines touchés. Une seule liste.",
            "Une seule liste : rien à comparer.",
        )
    mean = percent(round(1000 * sum(shares) / len(shares)), 1000)
    reading = f"D’une liste à la suivante, {mean} des domaines changent en moyenne, dates mises à part."
    return Chart(draw_bars(bars), f"Barres : domaines touchés d’une liste à la suivante. {told}.", reading)


def ages(story: Chronicle, as_of: datetime) -> Chart:
    """Draw how long ago the domains of the last list were first seen; the oldest may be older still."""
    frame = story.ages
    days = (pd.Timestamp(as_of) - frame["first_seen"]).dt.days
    limits = (31, 91, 183, 365, 730)
    bars = []
    known = ~frame["censored"].astype(bool) & frame["first_seen"].notna()
    low = 0
    for high in limits:
        inside = int((known & (days >= low) & (days < high)).sum())
        bars.append(Bar(f"moins de {duration(high)}", ((inside, LIGHT),), number(inside)))
        low = high
    older = int((known & (days >= low)).sum())
    bars.append(Bar(f"{duration(low)} et plus", ((older, BLUE),), number(older)))
    censored = int(frame["censored"].sum())
    bars.append(
        Bar("dans la première liste de l’archive : âge inconnu", ((censored, GREY),), number(censored))
    )
    told = " ; ".join(f"{bar.label} : {bar.text}" for bar in bars)
    new = int(known.sum())
    verb = "est apparu" if new < 2 else "sont apparus"
    reading = (
        f"{count(new, 'domaine')} sur {number(len(frame))} {verb} depuis que l’archive existe ; "
        "les autres étaient déjà dans sa première liste."
    )
    return Chart(draw_bars(bars), f"Barres : domaines par âge constaté. {told}.", reading)


def _short(time: datetime | None) -> str:
    return f"{time:%d/%m/%Y}" if time else "?"
