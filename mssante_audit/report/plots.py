"""The charts of the reports: a figure, its alternative text and a sentence that reads it, all from the data.

Figures are drawn for a width of 520 CSS pixels with text of 14 to 15, so that they stay legible on a phone.
A name stands above its bar and the number beside it: nothing is told by colour alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from io import BytesIO
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Patch
from PIL import Image

from mssante_audit.base.french import (
    NARROW,
    NBSP,
    SEVERITY_NAMES,
    count,
    number,
    percent,
    severity_name,
    typeset,
)
from mssante_audit.findings.catalogue import catalogue, rule
from mssante_audit.findings.registry import audits
from mssante_audit.findings.rules import SEVERITIES
from mssante_audit.report.tables import visible

PX = 1 / 100
"""A CSS pixel in inches: figures are sized in CSS pixels and drawn at twice that resolution."""
WIDTH = 520
INK, MUTED, PALE = "#1b1f24", "#57606a", "#d8dee4"
BLUE, LIGHT, GREY = "#0b5394", "#7fb0d9", "#8c959f"
SEVERITY_STYLE: dict[str, dict[str, Any]] = {
    "critical": {"facecolor": "#5b1235", "edgecolor": "white", "hatch": "xxx"},
    "error": {"facecolor": "#b3400e", "edgecolor": "white", "hatch": ""},
    "warning": {"facecolor": "#e5a823", "edgecolor": "#6b4c00", "hatch": "////"},
    "info": {"facecolor": "#a9c4dd", "edgecolor": "#3b6287", "hatch": "..."},
}
"""Told apart by colour-blind readers and in grey: each lighter than the worse one, with its own hatch."""

SHORT = {"critical": "crit.", "error": "err.", "warning": "avert.", "info": "info."}
"""Severities where there is little room."""

RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10.4,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,
    "text.color": INK,
    "axes.unicode_minus": False,
}


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs who cannot see it, or who wonders what it says."""

    figure: Figure
    alt: str
    """Alternative text: what is drawn, with the numbers."""
    reading: str
    """One sentence, computed from the data, that says what the figure shows."""

    def png(self) -> bytes:
        """Draw the figure. The same data give the same bytes: no date, no version in them."""
        canvas = FigureCanvasAgg(self.figure)
        with mpl.rc_context(RC):
            canvas.draw()  # type: ignore[no-untyped-call]
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
        out = BytesIO()
        # Flat colours and text need no more: a third of the bytes, and a report carries many figures.
        flat = image.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        flat.save(out, "png", compress_level=6)
        return out.getvalue()

    def html(self) -> str:
        """Return the figure, its alternative text and its reading as HTML."""
        width, height = (round(inches / PX) for inches in self.figure.get_size_inches())
        source = b64encode(self.png()).decode("ascii")
        alt, reading = escape(visible(self.alt)), escape(visible(self.reading))
        return (
            f'<figure class="chart"><img width="{width}" height="{height}" alt="{alt}" '
            f'src="data:image/png;base64,{source}"><figcaption class="reading">{reading}</figcaption>'
            "</figure>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": f"{self.alt}\n{self.reading}"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, its parts by style, and the numbers written beside the name."""

    label: str
    parts: tuple[tuple[int, str], ...]
    """(length, severity or colour), drawn one after the other."""
    text: str

    @property
    def length(self) -> int:
        """The whole length."""
        return sum(value for value, _ in self.parts)


@cache
def _advance(character: str) -> float:
    """Return how wide a character is drawn, in CSS pixels; 0 if the font cannot draw it."""
    font = get_font(findfont("DejaVu Sans"))
    if not character.isprintable() or not font.get_char_index(ord(character)):
        return 0.0
    font.set_size(RC["font.size"], 1 / PX)
    return float(font.load_char(ord(character)).linearHoriAdvance) / 65536


def label(text: str, room: float) -> str:
    r"""Return a text of the data as a chart can show it: what the font lacks as squares, cut to fit.

    Parameters
    ----------
    text
        Any text.
    room
        Width it may take, in CSS pixels.

    >>> label("CH \N{RIGHT-TO-LEFT OVERRIDE}DE VALFICTIF", 100)
    'CH □DE VA…'
    """
    shown = "".join(c if _advance(c) else "□" for c in text.replace(NBSP, " ").replace(NARROW, " "))
    if sum(map(_advance, shown)) <= room:
        return shown
    while shown and sum(map(_advance, shown)) + _advance("…") > room:
        shown = shown[:-1]
    return shown.rstrip() + "…"


def draw_bars(bars: Sequence[Bar], legend: Sequence[str] = ()) -> Figure:
    """Draw horizontal bars, each under its name.

    Parameters
    ----------
    bars
        From top to bottom.
    legend
        The severities to explain above the bars.
    """
    step, top = 42, 34 if legend else 6
    height = top + step * len(bars) + 4
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH * PX, height * PX), dpi=200, facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        longest = max((bar.length for bar in bars), default=0) or 1
        for position, bar in enumerate(bars):
            y = top + step * position
            axes.text(2, y + 16, label(bar.label, WIDTH - 20 - sum(map(_advance, bar.text))))
            axes.text(WIDTH - 2, y + 16, bar.text, ha="right", color=MUTED)
            axes.barh(y + 29, WIDTH - 4, 13, 2, color="#f0f3f6")
            left = 2.0
            for value, style in bar.parts:
                length = (WIDTH - 4) * value / longest
                axes.barh(
                    y + 29, length, 13, left, linewidth=0, **SEVERITY_STYLE.get(style, {"color": style})
                )
                left += length
        if legend:
            handles = [Patch(label=severity_name(s), **SEVERITY_STYLE[s]) for s in legend]
            axes.legend(
                handles=handles, loc="upper left", ncols=4, frameon=False, bbox_to_anchor=(0, 1), borderpad=0,
                borderaxespad=0.2, columnspacing=1.2, handletextpad=0.5, handlelength=1.4,
            )  # fmt: skip
    return figure


def bars_alt(what: str, bars: Sequence[Bar]) -> str:
    """Return the alternative text of bars: what they are, then each with its number."""
    told = " ; ".join(f"{bar.label} : {bar.text}" for bar in bars)
    return f"{what} {told}." if bars else f"{what} Aucune donnée."


def operator_share(entries: pd.DataFrame, top: int = 15) -> Chart:
    """Draw how many domains each operator holds: the `top` first, and the rest together.

    Parameters
    ----------
    entries
        Rows of the white list. A domain that several operators hold counts for each of them.
    top
        How many operators to name.
    """
    name = _names(entries)
    held = entries.groupby("operator_id")["domain"].nunique().sort_values(ascending=False, kind="stable")
    whole = entries["domain"].nunique()
    bars = [Bar(name[str(key)], ((n, BLUE),), _share(n, whole)) for key, n in held.head(top).items()]
    if len(held) > top:
        others = _domains_of(entries, held.index[top:])
        names = f"les {count(len(held) - top, 'autre opérateur', 'autres opérateurs')}"
        bars.append(Bar(names, ((others, GREY),), _share(others, whole)))
    reading = "Aucun domaine à répartir."
    if len(held):
        first = min(3, len(held))
        part = percent(_domains_of(entries, held.index[:first]), whole)
        who = f"Les {first} premiers opérateurs portent" if first > 1 else "Un seul opérateur porte"
        reading = (
            f"{who} {part} des {count(whole, 'domaine')} ; le premier, {bars[0].label}, "
            f"en porte {bars[0].text}."
        )
    return Chart(draw_bars(bars), bars_alt("Barres : nombre de domaines par opérateur.", bars), reading)


def age_bands(entries: pd.DataFrame, as_of: datetime, stale_after_days: int) -> Chart:
    """Draw how old the rows say they are: rows by age of `updated_at`, in bands.

    The threshold is one of the bands' limits; rows past it are drawn darker. Rows without a readable date and
    rows dated after `as_of` have bars of their own.

    Parameters
    ----------
    entries
        Rows of the white list.
    as_of
        The instant against which ages are counted (UTC).
    stale_after_days
        Age in days from which a row counts as old.
    """
    age = (pd.Timestamp(as_of) - entries["updated_at"]).dt.total_seconds() / 86400
    limits = sorted({91, 183, 365, 730, 1461, stale_after_days} - {0})
    spans = [(None, limits[0]), *pairwise(limits), (limits[-1], None)]
    bars = []
    for low, high in spans:
        inside = (age >= (low or 0)) & (age < (high or float("inf")))
        style = BLUE if (low or 0) >= stale_after_days else LIGHT
        bars.append(Bar(_span(low, high), ((int(inside.sum()), style),), _share(int(inside.sum()), len(age))))
    for name, found in (
        ("date postérieure à la situation", age < 0),
        ("date illisible ou absente", age.isna()),
    ):
        if found.any():
            bars.append(Bar(name, ((int(found.sum()), GREY),), _share(int(found.sum()), len(age))))
    old = int((age >= stale_after_days).sum())
    reading = (
        f"{count(old, 'ligne')} sur {number(len(age))} ({percent(old, len(age))}) "
        f"{'porte' if old < 2 else 'portent'} une date de plus de {duration(stale_after_days)}."
    )
    return Chart(draw_bars(bars), bars_alt("Barres : lignes par âge de DateMAJ.", bars), reading)


def duration(days: int) -> str:
    """Write a length of time, in years or months where it is a round number of them.

    >>> [duration(d).replace(NBSP, "_") for d in (1, 91, 183, 365, 730, 1461, 400)]
    ['1_jour', '3_mois', '6_mois', '1_an', '2_ans', '4_ans', '400_jours']
    """
    months = {91: 3, 92: 3, 182: 6, 183: 6}
    if days in months:
        return f"{months[days]}{NBSP}mois"
    years = round(days / 365.25)
    if years and abs(days - 365 * years) <= years // 4:
        return count(years, "an")
    return count(days, "jour")


def findings_by_family(findings: pd.DataFrame) -> Chart:
    """Draw the number of findings of each family of rules, by severity."""
    rules = sorted(catalogue().values(), key=lambda r: list(audits()).index(r.audit))
    families = dict.fromkeys(r.family for r in rules)
    groups = findings.groupby(findings["rule"].map(lambda code: rule(code).family))["severity"]
    counted = {str(family): severities.value_counts() for family, severities in groups}
    return _stacked(
        [(typeset(family), counted[family]) for family in families if family in counted],
        "Barres empilées : constats par famille de règles et par gravité.",
        "La famille",
    )


def findings_by_rule(findings: pd.DataFrame, top: int = 20) -> Chart:
    """Draw the number of findings of the rules that fired: worst first, then most, `top` of them."""
    counts = findings["rule"].value_counts(sort=False)
    fired = [rule(str(code)) for code in counts.index]
    fired.sort(key=lambda r: (-SEVERITIES.index(r.severity), -int(counts[r.code])))
    groups = [(typeset(r.title_fr), pd.Series({r.severity: counts[r.code]})) for r in fired[:top]]
    return _stacked(groups, "Barres : constats par règle.", "La règle")


def findings_by_operator(findings: pd.DataFrame, top: int = 15) -> Chart:
    """Draw the number of findings of the `top` operators that have most, by severity."""
    named = findings[findings["operator_id"] != ""]
    name = _names(named)
    groups = [(str(key), s.value_counts()) for key, s in named.groupby("operator_id")["severity"]]
    groups.sort(key=lambda group: -int(group[1].sum()))
    return _stacked(
        [(name[key], counts) for key, counts in groups[:top]],
        "Barres empilées : constats par opérateur et par gravité.",
        "L’opérateur",
    )


def _stacked(groups: Sequence[tuple[str, pd.Series]], what: str, subject: str) -> Chart:
    bars = []
    for name, counts in groups:
        parts = tuple((int(counts.get(s, 0)), s) for s in SEVERITY_NAMES if counts.get(s, 0))
        bars.append(Bar(name, parts, ", ".join(f"{number(n)}{NBSP}{SHORT[s]}" for n, s in parts)))
    present = {s for bar in bars for _, s in bar.parts}
    figure = draw_bars(bars, [s for s in SEVERITY_NAMES if s in present])
    if not bars:
        return Chart(figure, f"{what} Aucune donnée.", "Aucun constat.")
    most = max(bars, key=lambda bar: bar.length)
    whole = sum(bar.length for bar in bars)
    reading = (
        f"{subject} qui compte le plus de constats est « {most.label} » : {number(most.length)} sur "
        f"{number(whole)}."
    )
    grave = [sum(n for n, severity in bar.parts if severity in ("critical", "error")) for bar in bars]
    if max(grave):
        worst = bars[grave.index(max(grave))]
        reading += (
            f" Erreurs et défauts critiques : « {worst.label} » en compte le plus, {number(max(grave))} sur "
            f"{number(sum(grave))}."
        )
    return Chart(figure, bars_alt(what, bars), reading)


def concentration(entries: pd.DataFrame, minimum: int, top: int = 12) -> Chart:
    """Draw how many domains hang on each certificate name (CN): the `top` first.

    Parameters
    ----------
    entries
        Rows of the white list.
    minimum
        From how many domains on a name counts as a concentration: these are drawn darker.
    top
        How many names to draw.
    """
    named = entries[entries["cn"] != ""]
    held = named.groupby("cn")["domain"].nunique().sort_values(ascending=False, kind="stable")
    whole = entries["domain"].nunique()
    bars = [
        Bar(str(cn), ((n, BLUE if n >= minimum else LIGHT),), _share(n, whole))
        for cn, n in held.head(top).items()
    ]
    many = held[held >= minimum]
    reading = f"Aucun nom de certificat ne porte {count(minimum, 'domaine')} ou plus."
    if len(many):
        touched = named.loc[named["cn"].isin(many.index), "domain"].nunique()
        reading = (
            f"{count(len(many), 'nom')} de certificat {'porte' if len(many) == 1 else 'portent chacun'} "
            f"{count(minimum, 'domaine')} ou plus, {percent(touched, whole)} des domaines à "
            f"{'lui seul' if len(many) == 1 else 'eux tous'} ; si le premier expire, "
            f"{count(int(held.iloc[0]), 'domaine')} {'tombe' if held.iloc[0] < 2 else 'tombent'}."
        )
    return Chart(draw_bars(bars), bars_alt("Barres : domaines par nom de certificat (CN).", bars), reading)


def _names(frame: pd.DataFrame) -> dict[str, str]:
    first = frame.drop_duplicates("operator_id")
    pairs = zip(first["operator_id"], first["operator"], strict=True)
    return {key: (name or key) if key else "sans identifiant lisible" for key, name in pairs}


def _domains_of(entries: pd.DataFrame, operators: pd.Index) -> int:
    return int(entries.loc[entries["operator_id"].isin(operators), "domain"].nunique())


def _share(part: int, whole: int) -> str:
    return f"{number(part)} ({percent(part, whole)})"


def _span(low: int | None, high: int | None) -> str:
    if low is None:
        return f"moins de {duration(high or 0)}"
    return f"de {duration(low)} à {duration(high)}" if high else f"{duration(low)} et plus"
