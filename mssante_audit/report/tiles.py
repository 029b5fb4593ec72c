"""A map of France by matplotlib: a number a département, each a tile."""

import math
from bisect import bisect_left
from functools import cache
from itertools import pairwise
from typing import Any

import pandas as pd

from mssante_audit.base import language, resources
from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import of_pandas
from mssante_audit.base.language import gettext
from mssante_audit.report.charts import PAIRS, alt_text, length, whole_numbers
from mssante_audit.report.svg import COLOURS, WIDTH, Chart, look, sheet, tell
from mssante_audit.values.identifiers import DEPARTMENTS

# How many tiles stand in a row, how many shades there are, points from one tile to the next
COLUMNS, SHADES, TILE = 10, 6, WIDTH / 10


@cache
def tile_places(collectivities: bool = False) -> dict[str, tuple[int, int]]:
    """Return where each département's tile stands: (column, row) from the upper left.

    The collectivities overseas, which are no départements, have a row of their own below the others.
    """
    grids = resources.table_of("mssante_audit.report", "tiles.toml")
    rows = grids["departments"].strip().splitlines() + [grids["collectivities"]] * collectivities
    return {code: (x, y) for y, row in enumerate(rows) for x, code in enumerate(row.split()) if code != "."}


def tiles(values: pd.Series, *, title: str = "", caption: str = "") -> Chart:
    """Draw a number a département as a grid of tiles: overseas and Corsica at the same scale as the rest.

    `values` are whole numbers by the code of the département; the collectivities overseas are drawn if one
    has a number. `title` and `caption` are as for `bars`. No such département, or a number that is not whole,
    is an `InputError`.
    """
    from matplotlib.patches import Rectangle

    lengths = of_pandas(values, pd.Series).map(length).astype("float64")
    drawn = lengths[lengths > 0].sort_values(ascending=False, kind="stable")
    numbers = dict(zip(map(str, drawn.index), whole_numbers(drawn), strict=True))
    if twice := drawn.index[drawn.index.duplicated()].tolist():
        raise InputError(f"a département stands there twice: {twice[0]}", remedy="Sum them first")
    if unknown := sorted(numbers.keys() - DEPARTMENTS.keys()):
        named = ", ".join(code or '""' for code in unknown)
        raise InputError(f"no such département: {named}", remedy='Codes are texts: "01", "2A", "971"')
    most, (colon, semicolon) = max(numbers.values(), default=1), PAIRS[language.current_language()]
    places = tile_places(not numbers.keys() <= tile_places().keys())
    marks: dict[str, str] = {}
    height = TILE * (1 + max(y for _, y in places.values()))

    def sentence(code: str) -> str:
        return f"{DEPARTMENTS[code]} ({code}){colon}{language.number(numbers.get(code, 0))}"

    with look():
        figure = sheet(title, _scale(most), [height])
        axes = figure.axes[0]
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        for code, (column, row) in places.items():
            n, x, y = numbers.get(code, 0), TILE * column + 1, TILE * row
            style = f"s{_shade(n, most)}" if n else "paper"
            box = Rectangle((x, y), TILE - 3, TILE - 3, facecolor=COLOURS[style], edgecolor=COLOURS["edge"])
            tell(marks, axes.add_patch(box), sentence(code))
            short = f"{n // 1000}k" if n >= 10_000 else str(n)  # a tile has room for four digits
            ink: Any = {"color": COLOURS["inverse" if style in ("s3", "s4", "s5") else "ink"], "va": "center"}
            axes.text(x + 3, y + 10, code, **ink)
            axes.text(x + TILE / 2 - 2, y + 28, short if n else "–", weight="bold", ha="center", **ink)
    sentences = list(map(sentence, numbers))
    alt = alt_text("Carte en carreaux – {title}. {said}.", title, sentences, semicolon)
    return Chart(figure, title, alt, caption, marks)


def _shade(n: int, most: int) -> int:
    return int(SHADES * math.log(n) / math.log(most + 1))


def _scale(most: int) -> dict[str, str]:
    """Return the numbers that each shade stands for; shades that no number up to `most` has are left out."""
    upto = range(1, most + 1)
    starts = [1 + bisect_left(upto, k, key=lambda n: _shade(n, most)) for k in range(SHADES + 1)]
    spans = {f"s{k}": {low, after - 1} for k, (low, after) in enumerate(pairwise(starts)) if low < after}
    texts = {style: "–".join(map(language.number, sorted(span))) for style, span in spans.items()}
    return {"paper": gettext("aucun"), **texts}
