"""A number a département, as a map of tiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache
from itertools import pairwise

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import current_language, format_text, gettext, number, translated
from mssante_audit.base.resources import table_of
from mssante_audit.report import figure
from mssante_audit.values.identifiers import DEPARTMENTS

COLUMNS, SHADES, TILE = 10, 6, 46
"""Of the tiles: how many stand in a row, how many shades there are, pixels from one row to the next."""


@cache
def tile_places(collectivities: bool = False) -> dict[str, tuple[int, int]]:
    """Return where each département's tile stands: (column, row) from the upper left.

    The collectivities overseas, which are no départements, have a row of their own below the others.
    """
    grids = table_of("mssante_audit.report", "tiles.toml")
    rows = grids["departments"].strip().splitlines() + [grids["collectivities"]] * collectivities
    return {code: (x, y) for y, row in enumerate(rows) for x, code in enumerate(row.split()) if code != "."}


def tiles(values: pd.Series, *, title: str, caption: str = "", alt: str = "") -> figure.Chart:
    """Draw a number a département as a grid of tiles: overseas and Corsica at the same scale as the rest.

    Parameters
    ----------
    values
        Whole numbers by the code of the département. The collectivities overseas are drawn if one has a
        number.
    title, caption, alt
        As for `bars`.

    Raises
    ------
    InputError
        If there is no such département, or a number is not whole.

    Examples
    --------
    >>> tiles(pd.Series({"01": 3, "75": 12}), title="Domaines").alt
    'Carte en carreaux – Domaines. Paris (75) : 12 ; Ain (01) : 3.'
    """
    held = values[values > 0].sort_values(ascending=False, kind="stable")
    numbers = dict(zip(map(str, held.index), figure.whole(held), strict=True))
    if unknown := sorted(numbers.keys() - DEPARTMENTS.keys()):
        named = ", ".join(code or '""' for code in unknown)
        raise InputError(f"no such département: {named}")
    most, (colon, semicolon) = max(numbers.values(), default=1), figure.MARKS[current_language()]
    places = tile_places(not numbers.keys() <= tile_places().keys())
    every = {code: numbers.get(code, 0) for code in DEPARTMENTS}
    told = {code: f"{DEPARTMENTS[code]} ({code}){colon}{number(n)}" for code, n in every.items()}
    drawn = "".join(_tile(code, at, every[code], most, told[code]) for code, at in places.items())
    height = TILE * (1 + max(y for _, y in places.values()))
    body = f'{figure.legend(_scale(most))}<svg style="height:{height}px">{drawn}</svg>'
    said = semicolon.join(told[code] for code in numbers) or gettext("Aucune donnée")
    alt = alt or format_text("Carte en carreaux – {title}. {said}.", title=translated(title), said=said)
    return figure.Chart(title, f'<div class="tiles">{body}</div>', alt, caption)


def _shade(n: int, most: int) -> int:
    return int(SHADES * math.log(n) / math.log(most + 1))


def _scale(most: int) -> dict[str, str]:
    """Return the numbers that each shade stands for; shades that no number up to `most` has are left out."""
    upto = range(1, most + 1)
    starts = [1 + bisect_left(upto, k, key=lambda n: _shade(n, most)) for k in range(SHADES + 1)]
    return {"none": gettext("aucun")} | {
        f"s{k}": number(low) if low == after - 1 else f"{number(low)}–{number(after - 1)}"
        for k, (low, after) in enumerate(pairwise(starts))
        if low < after
    }


def _tile(code: str, at: tuple[int, int], n: int, most: int, told: str) -> str:
    left, top = 100 // COLUMNS * at[0], TILE * at[1]
    shade = f"s{_shade(n, most)}" if n else "none"
    short = f"{n // 1000}k" if n >= 10_000 else str(n)  # a tile of a phone has room for four digits
    return figure.mark(
        f'g class="{shade}"',
        told,
        f'<rect x="{left}%" y="{top}" height="{TILE - 3}"/>'
        f'<text x="{left}%" y="{top + 15}" dx="4">{code}</text>'
        f'<text x="{left + 50 // COLUMNS}%" y="{top + 35}" dx="-1.5">{short if n else "–"}</text>',
    )
