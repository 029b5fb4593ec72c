"""Domains by département as a grid of tiles: overseas and Corsica at the same scale as the rest."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import log

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mssante_audit.base.french import count, listing, number
from mssante_audit.report.plots import INK, MUTED, PX, RC, WIDTH, Chart
from mssante_audit.values.identifiers import DEPARTMENTS

SHADES = ("#e8eff6", "#c3d7ea", "#93bbdc", "#3a78b0", "#1f5c99", "#0b3f75")
"""From few to many: one hue, each darker than the one before, so also in grey and to colour-blind readers."""
COLUMNS = 10
TILE = WIDTH / COLUMNS
ROW = 40


@cache
def tiles() -> dict[str, tuple[int, int]]:
    """Return where each département's tile stands: (column, row), from the upper left."""
    return {code: (x, y) for y, row in enumerate(_table()["departments"]) for x, code in row if code != "."}


@cache
def collectivities() -> dict[str, tuple[int, int]]:
    """Return the same for the overseas collectivities, a row below the départements."""
    below = 1 + max(y for _, y in tiles().values())
    return {code: (x, below) for row in _table()["collectivities"] for x, code in row}


@cache
def _table() -> dict[str, list[list[tuple[int, str]]]]:
    text = (files("mssante_audit.report") / "tiles.toml").read_text(encoding="utf-8")
    grids = tomllib.loads(text).items()
    return {name: [list(enumerate(row.split())) for row in grid.strip().splitlines()] for name, grid in grids}


def departments(entries: pd.DataFrame) -> Chart:
    """Draw how many domains each département has, a tile each, the number written in it.

    Parameters
    ----------
    entries
        Rows of the white list. A domain listed with several départements counts in each; domains none of
        whose rows names a known one are counted apart.
    """
    held = entries.groupby("department")["domain"].nunique().sort_values(ascending=False, kind="stable")
    held = held[held.index != ""]
    located = entries.loc[entries["department"] != "", "domain"].nunique()
    whole = entries["domain"].nunique()
    values = {str(code): int(n) for code, n in held.items()}
    named = [f"{DEPARTMENTS[code]} ({code}) : {number(n)}" for code, n in values.items()]
    empty = [code for code in tiles() if code not in values]
    without = count(len(empty), "département") + " sans aucun domaine"
    if 0 < len(empty) <= 8:
        without += f" ({listing(empty)})"
    unknown = f"{count(whole - located, 'domaine')} sans département connu"
    reading = f"En tête : {', '.join(named[:3]) or 'aucun'} ; {without} ; {unknown}."
    alt = f"Carte en carreaux : domaines par département. {' ; '.join(named)}. {unknown}."
    return Chart(_draw(values, unknown), alt, reading)


def _draw(values: Mapping[str, int], unknown: str) -> Figure:
    shown = tiles() | (collectivities() if values.keys() & collectivities().keys() else {})
    height = ROW * (1 + max(y for _, y in shown.values())) + 30
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH * PX, height * PX), dpi=200, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        most = max(values.values(), default=1)
        for code, (x, y) in shown.items():
            _draw_tile(axes, code, values.get(code, 0), most, x * TILE, y * ROW)
        axes.text(2, height - 9, unknown, color=MUTED)
    return figure


def _draw_tile(axes: Axes, code: str, value: int, most: int, left: float, top: float) -> None:
    shade = int(len(SHADES) * log(value) / log(most + 1)) if value > 1 else 0
    face = SHADES[shade] if value else "white"
    ink = "white" if shade >= 3 else INK
    axes.add_patch(Rectangle((left + 1.5, top + 1.5), TILE - 3, ROW - 3, facecolor=face, edgecolor="#c5ced8"))
    axes.text(left + 5, top + 14, code, fontsize=7.6, color=ink if value else MUTED)
    shown = number(value) if value else "–"
    axes.text(
        left + TILE / 2, top + 31, shown, fontsize=11, ha="center", color=ink if value else MUTED,
        fontweight="bold" if value else "normal",
    )  # fmt: skip
