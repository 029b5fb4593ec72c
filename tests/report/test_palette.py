"""The colours of charts: told apart in grey and with either common colour blindness, in both themes."""

import re
from importlib.resources import files
from itertools import combinations, pairwise

import pytest

from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.charts import STYLES
from mssante_audit.report.svg import COLOURS
from mssante_audit.report.tiles import SHADES

CSS = (files("mssante_audit.report") / "tables.css").read_text(encoding="utf-8")
VISION = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                     (-0.011820, 0.042940, 0.968881)),
}  # fmt: skip
"""How linear red, green and blue are seen (Machado, Oliveira and Fernandes 2009, severity 1.0)."""
TOGETHER = {
    "severities": tuple(SEVERITIES),
    "plain": tuple(s for s in STYLES if s not in SEVERITIES),
    "statuses": ("critical", "error", "warning", "strong", "light", "grey"),
    "verdicts": ("ok", "warn", "fail"),
}
"""Styles that stand in one chart."""
LEAST = 14
"""Distance in CIELAB: 2.3 is just seen where two colours touch; these stand apart, and in small marks."""


def colour(style, theme):
    """The colour of a style on the screen, from its variable."""
    name = f"{style}-fill" if style in SEVERITIES else style
    pair = re.search(rf"--{name}: light-dark\((\S+), (\S+)\)", CSS).groups()
    text = pair[theme == "dark"].lstrip("#")
    return "".join(2 * c for c in text) if len(text) == 3 else text


def linear(text):
    parts = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def luminance(text):
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(text), strict=True))


def lab(text, vision):
    """A colour in CIELAB (D65), as it is seen."""
    red, green, blue = (
        min(1, max(0, sum(w * c for w, c in zip(row, linear(text), strict=True)))) for row in VISION[vision]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one, other, vision):
    return sum((a - b) ** 2 for a, b in zip(lab(one, vision), lab(other, vision), strict=True)) ** 0.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("group", TOGETHER)
@pytest.mark.parametrize("vision", VISION)
def test_colours_of_one_chart_are_told_apart(group, theme, vision):
    near = {
        (a, b): round(found)
        for a, b in combinations(TOGETHER[group], 2)
        if (found := distance(colour(a, theme), colour(b, theme), vision)) < LEAST
    }
    assert near == {}


def test_red_and_green_alike_would_be_seen():
    assert distance("ff0000", "00a000", "normal") > 100
    assert distance("a05000", "507000", "deuteranopia") < LEAST < distance("a05000", "507000", "normal")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_severities_and_shades_are_steps_of_grey(theme):
    sign = 1 if theme == "light" else -1  # what is worst stands out most
    severities = [sign * luminance(colour(severity, theme)) for severity in reversed(SEVERITIES)]
    shades = [sign * luminance(colour(f"s{k}", theme)) for k in reversed(range(SHADES))]
    assert all(b > a + 0.03 for a, b in pairwise(severities))
    assert all(b > a + 0.01 for a, b in pairwise(shades))


def test_a_drawing_that_is_saved_has_the_pages_light_colours():
    names = COLOURS.keys() - {"paper", "inverse"}
    assert {name: f"#{colour(name, 'light')}" for name in names} == {name: COLOURS[name] for name in names}
