import math
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from itertools import combinations, pairwise
from types import SimpleNamespace

import pandas as pd
import pytest
from cells import plain, shown
from lxml import html as lxml_html
from made_findings import framed, made

from mssante_audit.base.errors import InputError, OutputError, ParameterError
from mssante_audit.base.settings import Thresholds
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.charts import SHADES, STYLES, bars, largest, lines, tiles
from mssante_audit.report.notebook import Report
from mssante_audit.report.results import EVERYBODY
from mssante_audit.report.svg import COLOURS
from mssante_audit.report.tables import visible
from mssante_audit.space.trust import TrustSpace

AS_OF = datetime(2026, 3, 3, 6, tzinfo=UTC)
HOSTILE = (
    'CH $\\frac{x}$ <script>alert("x")</script> \N{RIGHT-TO-LEFT OVERRIDE}\x00\N{PILE OF POO}漢字 & '
    + "W" * 200
)


def entries(rows):
    """Entries of (domain, operator_id, operator, cn, department, age in days or None)."""
    frame = pd.DataFrame(rows, columns=["domain", "operator_id", "operator", "cn", "department", "age"])
    dates = [None if pd.isna(age) else AS_OF - timedelta(days=age) for age in frame["age"].tolist()]
    return frame.drop(columns="age").assign(
        dn_key=frame["cn"],
        row=range(1, len(frame) + 1),
        updated_at=pd.to_datetime(pd.Series(dates, dtype="object"), utc=True),
    )


SOME = entries(
    [
        *((f"a{i}.example", "1010000016", "CH ALPHA", "mss.alpha.example", "01", 10) for i in range(6)),
        *((f"b{i}.example", "1750000017", "CH BETA", "mss.beta.example", "75", 800) for i in range(3)),
        ("c.example", "1970100018", "CH GAMMA", "mss.gamma.example", "971", 3000),
        ("d.example", "", "", "", "", None),
        ("a0.example", "1750000017", "CH BETA", "mss.beta.example", "75", 400),
    ]
)
NONE = entries([])
FOUND = framed(
    [
        made("LIST_UNSIGNED"),
        *(made("DN_SPELLINGS", (i,)) for i in (1, 2, 3)),
        made("DN_O_TRUNCATED", (10,)),
        *(made("DN_ID_LUHN", (i,)) for i in (7, 8)),
        made("CONTACT_NO_EMAIL", (7, 8)),
    ],
    SOME,
)
SPACE = SimpleNamespace(as_of=AS_OF, thresholds=Thresholds(concentration_min=3))


def drawn(name, ident, some=SOME, findings=FOUND, space=SPACE):
    space = SimpleNamespace(**vars(space), audited=some)
    space.alone = TrustSpace.alone.func(space)
    report = Report(name, space, EVERYBODY, some, findings, (), 500)
    return shown(
        name, ident, report=report, entries=some, findings=findings, space=space, domains=report.domains
    )


CHARTS = {
    "operators": "overview", "departments": "overview", "age": "overview", "families": "overview",
    "concentration": "dn_consistency", "rules": "dn_consistency", "findings-operators": "stale_contacts",
}  # fmt: skip
"""Cells that draw, and their notebooks."""


@pytest.fixture(params=CHARTS)
def draw(request):
    return partial(drawn, CHARTS[request.param], request.param.removeprefix("findings-"))


def parsed(chart):
    return lxml_html.fromstring(chart.html())


def numbers(text):
    return [float(n) for n in re.findall(r"-?[\d.]+", text)]


def marks(page):
    """What each mark of a drawing says, where it begins, how wide it is, its colour in the page."""
    drawn_marks = []
    for mark in page.xpath("//svg//*[@role='img' and @tabindex='0']"):
        (path,) = mark.xpath("path")
        across = numbers(path.get("d"))[::2]
        colour = re.search(r"fill: var\(--([\w-]+), #", path.get("style"))[1]
        drawn_marks.append((plain(mark.findtext("title")), min(across), max(across) - min(across), colour))
    return drawn_marks


def texts(page):
    return [plain(text.text_content()) for text in page.xpath("//svg//text")]


def test_matplotlib_is_imported_when_the_first_chart_is_drawn():
    code = (
        "import sys, pandas as pd; from mssante_audit.report import charts, page; "
        "import mssante_audit.dossiers.page, mssante_audit.site.pages; "
        "print(sorted({'matplotlib', 'PIL', 'itables'} & sys.modules.keys())); "
        "charts.bars(pd.Series([1, 2])); print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]


def test_a_chart_of_nothing_says_so(draw):
    chart = draw(NONE, FOUND.head(0))
    assert parsed(chart).xpath("//@aria-label") == [chart.title, chart.alt]
    assert chart.alt
    assert plain(chart.caption).startswith(("Aucun", "0 ", "En tête : aucun"))


def test_hostile_names_are_drawn_as_text_and_escaped(draw):
    hostile = SOME.assign(operator=HOSTILE, cn=HOSTILE)
    chart = draw(hostile, framed([made("DN_SPELLINGS", (1,))], hostile))
    page = parsed(chart)
    assert page.xpath("//script") == []
    assert page.xpath("//*[@role='group']/@aria-label") == [visible(chart.alt)]
    assert not [name for element in page.iter() for name in element.attrib if name.startswith("on")]
    assert not page.xpath("//image | //foreignobject | //*[@href and not(starts-with(@href, '#'))]")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in chart.html()
    assert "\x00" not in chart.html()


def test_a_bar_tells_its_number_and_is_in_proportion():
    for missing, dtype in ((math.nan, "float"), (None, "object"), (pd.NA, "Int64")):
        chart = bars(pd.Series({"a": 4, "b": 1, "c": missing}, dtype=dtype), title="Nombres")
        page = parsed(chart)
        assert marks(page) == [("a : 4", 0, 420, "strong"), ("b : 1", 0, 105, "strong")]
        assert texts(page) == ["a", "4", "b", "1", "c", "–", "Nombres"], "what is not known is no zero"
        assert chart.alt == "Barres – Nombres. a : 4 ; b : 1 ; c : –."


def test_the_longest_bar_is_called_level_with_others():
    assert largest(pd.Series({"a": 2, "b": 2, "c": 1})) == ("a (à égalité avec 1\N{NBSP}autre)", 2)
    assert largest(pd.Series({"a": 2, "b": 1})) == ("a", 2)


def test_bars_of_a_frame_are_stacked_and_explained():
    frame = pd.DataFrame({"info": [2, 0], "autre": [1.5, 0]}, index=["x", "y"])
    chart = bars(frame, title="t", styles=["grey", "gold"])
    assert marks(parsed(chart)) == [("x : 2 info.", 0, 240, "grey"), ("x : 1,5 autre", 240, 180, "gold")]
    assert "x : 2 info., 1,5 autre" in plain(chart.alt)
    frame = pd.DataFrame({"a": [2, 1], "b": [1, 1], "c": [0, 3]}, index=["x", "y"])
    shown = texts(parsed(bars(frame, title="t", styles=["strong", "grey", "grey"])))
    assert {"a", "b, c"} <= {*shown}, "columns that share a colour"


def test_bars_over_instants_stand_where_time_puts_them():
    days = pd.to_datetime(["2026-01-01", "2026-01-31", "2026-12-27"], utc=True)
    page = parsed(bars(pd.Series([3, 6, 0], index=days), title="t"))
    (first, left, wide, _), (second, right, _, _) = marks(page)
    assert (first, second) == ("1er janvier 2026 : 3", "31 janvier 2026 : 6")
    assert right - left == pytest.approx(30 / 24 * wide, abs=0.5), "a bar is 24 days wide"
    assert {"1er janvier 2026", "27 décembre 2026"} <= {*texts(page)}
    crowded = days.append(pd.to_datetime(["2029-01-01"], utc=True))
    shown = texts(parsed(bars(pd.Series([1111, 2222, 3333, 4444], index=crowded), title="t")))
    room = {text for text in ("1 111", "2 222", "3 333", "4 444") if text in shown}
    assert room == {"2 222", "3 333", "4 444"}
    months = bars(pd.Series([3, 6], index=pd.PeriodIndex(["2026-01", "2026-03"], freq="M")), title="t")
    assert plain(months.alt) == "Barres – t. janvier 2026 : 3 ; mars 2026 : 6."


@pytest.mark.parametrize("times", [["2026-03", "9999-12"], ["9999-11", "9999-12"], ["2026-03", None]])
def test_instants_that_no_scale_shows_have_bars_below_their_names(times):
    chart = bars(pd.Series([3, 6], index=pd.PeriodIndex(times, freq="M")), title="t")
    (_, left, short, _), (_, second, long, _) = marks(parsed(chart))
    assert (left, second) == (0, 0)
    assert long == pytest.approx(2 * short)


def test_every_part_of_bars_over_time_is_drawn_above_the_one_before():
    index = pd.PeriodIndex(["2026-01", "2026-02", "2026-06"], freq="M")
    chart = bars(pd.DataFrame({"2 ans et plus": [5, 0, 1], "moins de 2 ans": [2, 12, 0]}, index=index))
    axes = chart.figure.axes[1]
    below, above = ([(bar.get_y(), bar.get_height()) for bar in part] for part in axes.containers)
    assert (below, above) == ([(0, 5), (0, 0), (0, 1)], [(5, 2), (0, 12), (1, 0)])
    assert [text.get_text() for text in axes.texts] == ["7", "12", "1"]


def test_what_is_shown_is_a_figure_that_can_be_changed_and_saved(tmp_path):
    chart = bars(pd.Series({"CH FICTIF": 4, "CH INVENTÉ": 1}), title="Domaines", color="gold", alpha=0.5)
    assert [bar.get_facecolor() for bar in chart.axes.patches] == [(1.0, 215 / 255, 0.0, 0.5)] * 2
    chart.axes.text(0, 0, "Une remarque de plus")
    assert "Une remarque de plus" in chart.html()
    for name, start in {"x.png": b"\x89PNG", "x.svg": b"<?xml", "x.pdf": b"%PDF"}.items():
        chart.save(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(OutputError, match="cannot be written"):
        chart.save(tmp_path / "nowhere" / "x.png")
    with pytest.raises(ParameterError, match=r"no format '\.xyz'"):
        chart.save(tmp_path / "x.xyz")


def test_a_chart_is_drawn_on_axes_that_are_given():
    from matplotlib.figure import Figure

    left, right = Figure().subplots(1, 2)
    bars(pd.Series({"a": 2, "b": 1}), title="t", ax=left)
    lines(pd.Series([1, 2], DAYS), title="t", ax=right, grid=True)
    assert (len(left.patches), len(right.lines)) == (2, 1)
    upper, lower = Figure().subplots(2, 1)
    first = bars(pd.Series({"a": 2, "b": 1}), title="t", ax=upper)
    bars(pd.Series({"c": 4, "d": 3}), title="t", ax=lower)
    assert [text for text, *_ in marks(parsed(first))] == ["a : 2", "b : 1"], "no bar of the other chart"


def test_text_is_text_and_colours_are_the_pages():
    charts = [bars(pd.Series({"a": 2, "b": 1}), title="t"), tiles(pd.Series({"75": 1}), title="t")]
    for html in (chart.html() for chart in charts):
        drawing = html[html.index("<svg") : html.index("</svg>")]
        assert re.search(r'<svg viewBox="0 0 420 [\d.]+">', drawing)
        assert re.findall(r"(?<!, )#[0-9a-f]{6}", drawing) == [], "each is a variable"
        assert set(re.findall(r", (#[0-9a-f]{6})\)", drawing)) <= {*COLOURS.values()}
        assert "font-family" not in drawing
        assert set(re.findall(r"font-size: (\w+)", drawing)) == {"14px"}
    ids = re.findall(r'id="([^"]+)"', "".join(chart.html() for chart in charts))
    assert len(set(ids)) == len(ids)


EQUAL = [
    pd.Series({"a": 2, "b": 2, "c": 2}), pd.Series({"a": 2}), pd.Series({"a": 0, "b": 0}),
    pd.Series({"a": 2, "b": 2, "c": float("nan")}),
    pd.DataFrame({"error": [1, 0], "info": [0, 1]}, index=["a", "b"]),
    pd.DataFrame({"error": [2, 2], "info": [1, 1]}, index=["a", "b"]),
]  # fmt: skip
DIFFERENT = [
    pd.Series({"a": 2, "b": 3}), pd.Series({"a": 2, "b": 0}),
    pd.DataFrame({"error": [2], "info": [1]}, index=["a"]),
    pd.DataFrame({"error": [1, 2], "info": [2, 1]}, index=["a", "b"]),
]  # fmt: skip


def test_bars_that_would_all_be_equal_are_a_table_and_others_stay_bars():
    for values in EQUAL:
        page = parsed(bars(values, title="t", caption="Une phrase."))
        assert page.xpath("//svg") == []
        assert page.xpath("//tr/th[@scope='row']//text()") == [*values.index]
        assert page.xpath("string(//figcaption)") == "Une phrase."
    for values in DIFFERENT:
        page = parsed(bars(values, title="t"))
        assert marks(page)
        assert page.xpath("//table") == []


DAYS = pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True)


@pytest.mark.parametrize(
    ("draw", "values", "why"),
    [
        *(
            (draw, pd.Series({"01": 1, "02": wrong}), "cannot be drawn")
            for draw in (bars, tiles)
            for wrong in (-1, math.inf, "3", [1])
        ),
        *((draw, {"01": 1}, "a dict is no Series") for draw in (bars, lines, tiles)),
        (tiles, pd.DataFrame({"n": [1]}, ["01"]), "a DataFrame is no Series"),
        (tiles, pd.Series([1, 2], ["01", "01"]), "stands there twice: 01"),
        *(
            (partial(bars, **wrong), pd.Series({"a": 1}), "this cannot be drawn")
            for wrong in ({"colour": "red"}, {"color": "rouge"}, {"figsize": 3})
        ),
        (partial(bars, styles=["blue", "strong"]), pd.Series({"a": 1, "b": 2}), "2 styles are needed, not"),
        (tiles, pd.Series({"99": 2, "75": 1}), r"no such département: 99\."),
        (tiles, pd.Series({"": 2, "75": 1}), r'no such département: ""\.'),
        *((lines, pd.Series([1, wrong], DAYS), "is no whole number") for wrong in (3.5, math.inf, "x")),
        (tiles, pd.Series({"75": 3.5}), "is no whole number"),
        (lines, pd.Series([1, 2], [0, 1]), "lines are drawn over instants"),
        (lines, pd.Series([1, 2], ["2026-03-01", "2026-03-02"]), "lines are drawn over instants"),
        (lines, pd.Series([1, 2], [DAYS[0], pd.NaT]), "lines are drawn over instants"),
    ],
)
def test_what_cannot_be_drawn_or_is_no_whole_number_is_refused(draw, values, why):
    with pytest.raises((InputError, ParameterError), match=why):
        draw(values, title="t")


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_lines_stand_over_instants_and_have_a_name(zone):
    days = pd.date_range("2026-03-01 12:00", periods=2, tz=zone)
    text = plain(lines(pd.Series([1, 3], days), title="Domaines").alt)
    assert text == "Lignes – Domaines. Domaines : 1 le 1er mars 2026, 3 le 2 mars 2026 ; entre 1 et 3."
    assert plain(lines(pd.Series([3, 1], days[::-1]), title="Domaines").alt) == text
    months = pd.Series([1, 3], pd.period_range("2026-03", periods=2, freq="M"))
    assert "1 le 1er mars 2026, 3 le 1er avril 2026" in plain(lines(months).alt)
    assert plain(lines(pd.DataFrame(), title="Liste").alt) == "Lignes – Liste. Aucune donnée."


def curves(page):
    return page.xpath("//svg//g[use/title]")


def test_lines_have_a_scale_each_and_tell_their_points():
    days = pd.to_datetime(["2026-03-01", "2026-03-02", "2026-03-05"], utc=True)
    chart = lines(pd.DataFrame({"<b>": [0, 10, 5], "error": [1, 1, 1]}, index=days), title="t")
    page = parsed(chart)
    first, second = ([(float(u.get("x")), float(u.get("y"))) for u in g.xpath("use")] for g in curves(page))
    (left, bottom), (near, top), (right, half) = first
    assert (near - left) / (right - left) == pytest.approx(0.25, abs=0.01), "time has a scale"
    assert (bottom - half) / (bottom - top) == pytest.approx(0.5, abs=0.01), "and so have numbers, from 0 on"
    assert {y for _, y in second} == {second[0][1]}
    points = [plain(title) for title in page.xpath("//use/title/text()")]
    assert points[1] == "2 mars 2026 : 10"
    assert "error-fill" in lxml_html.tostring(curves(page)[1]).decode()
    assert {"<b>", "Erreurs", "1er mars 2026", "5 mars 2026", "10"} <= {*texts(page)}
    assert "Erreurs : 1 le 1er mars 2026, 1 le 5 mars 2026 ; entre 1 et 1" in plain(chart.alt)


LATER = entries([("a.example", "", "", "", "", -2)])
OLDER = SimpleNamespace(as_of=AS_OF, thresholds=Thresholds(stale_after_days=400, concentration_min=4))


@pytest.mark.parametrize(
    ("ident", "some", "caption"),
    [
        ("operators", SOME[SOME["operator"] == "CH ALPHA"], "Un seul opérateur, CH ALPHA, porte ces 6 dom"),
        ("age", SOME, "5 lignes sur 12 (42 %) portent une date de plus de 400 jours ; 1 ligne sans date"),
        ("age", entries([("a", "", "", "", "", -2)]), "0 ligne sur 1 (0 %) porte une date de plus de 400"),
        ("concentration", SOME, "1 nom de certificat porte 4 domaines ou plus sans autre certificat, 45 %"),
    ],
)
def test_a_caption_counts_what_is_alone_undated_or_of_the_future(ident, some, caption):
    """All other numbers of the reports' captions: `test_numbers`."""
    assert plain(drawn(CHARTS[ident], ident, some, space=OLDER).caption).startswith(caption)


def tiles_of(chart):
    """What each tile tells and how it is shaded; what stands on the drawing."""
    page = parsed(chart)
    tiles = {plain(g.findtext("title")): g.find("path") for g in page.xpath("//svg//g[@role='img']")}
    shades = {name: re.search(r"var\(--(\w+),", path.get("style"))[1] for name, path in tiles.items()}
    return shades, texts(page)


def test_a_map_has_a_scale_and_each_number_stands_where_it_says():
    numbers = pd.Series({code: 3**n for n, code in enumerate(("01", "02", "03", "2A", "971", "75"))})
    shades, shown = tiles_of(tiles(numbers, title="t"))
    scale = shown[shown.index("aucun") + 1 :][:SHADES]
    spans = [[int(n) for n in text.split("–")] for text in scale]
    assert [span[0] for span in spans][1:] == [span[-1] + 1 for span in spans][:-1]
    assert (spans[0][0], spans[-1][-1]) == (1, 243)
    for title, shade in shades.items():
        n = int(title.rpartition(" : ")[2])
        low, *high = spans[int(shade[1:])] if n else (0,)
        assert low <= n <= (high or [low])[0]


def test_a_tile_shortens_a_large_number_and_collectivities_have_one_when_they_have_a_domain():
    assert plain(tiles(pd.Series({"01": None}), title="t").alt) == plain(
        tiles(pd.Series({"01": 0}), title="t").alt
    )
    shades, shown = tiles_of(tiles(pd.Series({"01": 123_456}), title="t"))
    assert "123k" in shown
    assert shades["Ain (01) : 123 456"] == "s5"
    assert shown.count("–") == [*shades.values()].count("paper") == 100
    chart = drawn("overview", "departments", SOME.assign(department="988"))
    assert tiles_of(chart)[0]["Nouvelle-Calédonie (988) : 11"] == "s5"
    assert "Nouvelle-Calédonie (988) : 11" in plain(chart.alt)


SHEETS = ("tables.css", "figures.css")
CSS = "".join((files("mssante_audit.report") / name).read_text("utf-8") for name in SHEETS)
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("group", TOGETHER)
@pytest.mark.parametrize("vision", VISION)
def test_colours_of_one_chart_are_told_apart(group, theme, vision):
    near = {
        (a, b): round(apart)
        for a, b in combinations(TOGETHER[group], 2)
        if (apart := math.dist(lab(colour(a, theme), vision), lab(colour(b, theme), vision))) < LEAST
    }
    assert near == {}


def test_a_drawing_that_is_saved_has_the_pages_light_colours():
    names = COLOURS.keys() - {"paper", "inverse"}
    assert {name: f"#{colour(name, 'light')}" for name in names} == {name: COLOURS[name] for name in names}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_severities_and_shades_are_steps_of_grey(theme):
    sign = 1 if theme == "light" else -1  # what is worst stands out most
    severities = [sign * luminance(colour(severity, theme)) for severity in reversed(SEVERITIES)]
    shades = [sign * luminance(colour(f"s{k}", theme)) for k in reversed(range(SHADES))]
    assert all(b > a + 0.03 for a, b in pairwise(severities))
    assert all(b > a + 0.01 for a, b in pairwise(shades))
