import math
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pandas as pd
import pytest
from cells import plain, shown
from lxml import html as lxml_html
from made_findings import framed, made

from mssante_audit.base.errors import InputError, OutputError, ParameterError
from mssante_audit.base.settings import Thresholds
from mssante_audit.report.charts import bars, lines
from mssante_audit.report.notebook import Report
from mssante_audit.report.results import EVERYBODY
from mssante_audit.report.svg import COLOURS
from mssante_audit.report.tables import visible
from mssante_audit.report.tiles import COLUMNS, SHADES, tile_places, tiles
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS

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
        *(made("DN_ID_LUHN", (i,)) for i in (7, 8)),
        made("CONTACT_NO_EMAIL", (7, 8)),
        made("DN_O_TRUNCATED", (10,)),
    ],
    SOME,
)
SPACE = SimpleNamespace(as_of=AS_OF, thresholds=Thresholds(concentration_min=3))


def drawn(name, ident, some=SOME, found=FOUND, space=SPACE):
    """The chart of a notebook's cell, of made-up entries and findings."""
    space = SimpleNamespace(**vars(space), audited=some)
    space.alone = TrustSpace.alone.func(space)
    report = Report(name, space, EVERYBODY, some, found, (), 500)
    return shown(
        name, ident, report=report, entries=some, findings=found, space=space, domains=report.domains
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
    found = []
    for mark in page.xpath("//svg//*[@role='img' and @tabindex='0']"):
        (path,) = mark.xpath("path")
        across = numbers(path.get("d"))[::2]
        colour = re.search(r"fill: var\(--([\w-]+), #", path.get("style"))[1]
        found.append((plain(mark.findtext("title")), min(across), max(across) - min(across), colour))
    return found


def texts(page):
    return [plain(text.text_content()) for text in page.xpath("//svg//text")]


def test_a_chart_is_the_same_each_time(draw):
    first, again = (re.sub(r"chart-\d+-", "", draw(SOME, FOUND).html()) for _ in range(2))
    assert first == again


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
    assert not page.xpath("//image | //foreignobject | //*[@href and not(starts-with(@href, '#chart-'))]")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in chart.html()
    assert "\x00" not in chart.html()


def test_a_bar_tells_its_number_and_is_in_proportion():
    for missing, dtype in ((math.nan, "float"), (None, "object"), (pd.NA, "Int64")):
        chart = bars(pd.Series({"a": 4, "b": 1, "c": missing}, dtype=dtype), title="Nombres")
        page = parsed(chart)
        assert marks(page) == [("a : 4", 0, 420, "strong"), ("b : 1", 0, 105, "strong")]
        assert texts(page) == ["a", "4", "b", "1", "c", "–", "Nombres"], "what is not known is no zero"
        assert chart.alt == "Barres – Nombres. a : 4 ; b : 1 ; c : –."


def test_bars_of_a_frame_are_stacked_and_explained():
    frame = pd.DataFrame({"info": [2, 0], "autre": [1.5, 0]}, index=["x", "y"])
    chart = bars(frame, title="t", styles=["grey", "gold"])
    page = parsed(chart)
    assert marks(page) == [("x : 2 info.", 0, 240, "grey"), ("x : 1,5 autre", 240, 180, "gold")]
    assert [text for text in texts(page) if text in ("autre", "information")] == ["autre", "information"]
    assert "x : 2 info., 1,5 autre" in plain(chart.alt)
    frame = pd.DataFrame({"a": [2, 1], "b": [1, 1], "c": [0, 3]}, index=["x", "y"])
    shown = texts(parsed(bars(frame, title="t", styles=["strong", "grey", "grey"])))
    assert {"a", "b, c"} <= {*shown}, "columns that share a colour"


def test_bars_over_instants_stand_where_time_puts_them():
    days = pd.to_datetime(["2026-01-01", "2026-01-31", "2026-12-27"], utc=True)
    page = parsed(bars(pd.Series([3, 6, 0], index=days), title="t"))
    (one, left, wide, _), (two, right, _, _) = marks(page)
    assert (one, two) == ("1er janvier 2026 : 3", "31 janvier 2026 : 6")
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
    assert below == [(0, 5), (0, 0), (0, 1)]
    assert above == [(5, 2), (0, 12), (1, 0)]
    assert len({part[0].get_facecolor() for part in axes.containers}) == 2
    assert [text.get_text() for text in axes.texts] == ["7", "12", "1"]
    assert "5 (2 ans et plus), 2 moins de 2 ans" in plain(chart.alt)


def test_what_is_shown_is_a_figure_that_can_be_changed_and_saved(tmp_path):
    chart = bars(pd.Series({"CH FICTIF": 4, "CH INVENTÉ": 1}), title="Domaines", color="gold", alpha=0.5)
    assert chart.figure.axes[0] is chart.axes
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
    assert chart._repr_mimebundle_()["text/html"].count("<svg") == 1


def test_a_chart_is_drawn_on_axes_that_are_given():
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    chart = bars(pd.Series({"a": 2, "b": 1}), title="t", ax=left)
    days = pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True)
    line = lines(pd.Series([1, 2], days), title="t", ax=right, grid=True)
    assert chart.figure is line.figure is figure
    assert len(left.patches) == 2
    assert len(right.lines) == 1


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
        chart = bars(values, title="t", caption="Une phrase.")
        page = parsed(chart)
        assert page.xpath("//svg") == []
        assert page.xpath("//table/caption")
        assert page.xpath("//tr/th[@scope='row']//text()") == [*values.index]
        assert chart.alt.startswith("Tableau – t. a")
        assert page.xpath("string(//figcaption)") == "Une phrase."
    for values in DIFFERENT:
        page = parsed(bars(values, title="t"))
        assert marks(page)
        assert page.xpath("//table") == []


def test_names_are_whole():
    name = "CENTRE HOSPITALIER INTERCOMMUNAL " * 12
    days = pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True)
    for chart in (
        bars(pd.Series({name: 1, "b": 2}), title=name, caption=name),
        bars(pd.Series({name: 1, "b": 1}), title="t"),
        lines(pd.DataFrame({name: [1, 2]}, index=days), title="t"),
    ):
        assert name.replace(" ", "") in "".join(parsed(chart).text_content().split())
        assert "…" not in chart.html()


def test_what_bars_cannot_draw_is_refused():
    for length in (-1, math.inf, "3", [1]):
        with pytest.raises(InputError, match="a bar cannot be"):
            bars(pd.Series({"a": 1, "b": length}), title="t")
    with pytest.raises(ParameterError, match="2 styles are needed, not"):
        bars(pd.Series({"a": 1, "b": 2}), title="t", styles=["blue", "strong"])
    for code, named in {"99": "99", "": '""'}.items():
        with pytest.raises(InputError, match=f"no such département: {named}$"):
            tiles(pd.Series({code: 2, "75": 1}), title="t")


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_lines_stand_over_instants_and_have_a_name(zone):
    days = pd.date_range("2026-03-01 12:00", periods=2, tz=zone)
    told = plain(lines(pd.Series([1, 3], days), title="Domaines").alt)
    assert told == "Lignes – Domaines. Domaines : 1 le 1er mars 2026, 3 le 2 mars 2026 ; entre 1 et 3."
    assert plain(lines(pd.DataFrame(), title="Liste").alt) == "Lignes – Liste. Aucune donnée."
    for index in ([0, 1], ["2026-03-01", "2026-03-02"], [days[0], pd.NaT]):
        with pytest.raises(InputError, match="lines are drawn over instants"):
            lines(pd.Series([1, 2], index), title="t")


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
    told = [plain(title) for title in page.xpath("//use/title/text()")]
    assert told[1] == "2 mars 2026 : 10"
    assert "error-fill" in lxml_html.tostring(curves(page)[1]).decode()
    assert {"<b>", "Erreurs", "1er mars 2026", "5 mars 2026", "10"} <= {*texts(page)}
    assert "Erreurs : 1 le 1er mars 2026, 1 le 5 mars 2026 ; entre 1 et 1" in plain(chart.alt)


def test_operator_share_tells_every_domain_once_an_operator():
    many = pd.concat(
        [SOME, entries([(f"z{i}.example", f"19{i:08}", f"CH {i}", "", "01", 1) for i in range(14)])]
    )
    told = plain(drawn("overview", "operators", many).alt)
    assert "CH ALPHA : 6 (24 %)" in told
    assert "CH BETA : 4 (16 %)" in told
    assert "les 8 autres opérateurs : 8 (32 %)" in told
    assert plain(drawn("overview", "operators").caption) == (
        "Les 3 premiers opérateurs portent 91 % des 11 domaines ; le premier, CH ALPHA, en porte 6 (55 %)."
    )
    alone = SOME[SOME["operator"] == "CH ALPHA"]
    caption = plain(drawn("overview", "operators", alone).caption)
    assert caption.startswith("Un seul opérateur porte 100 % des 6")


def test_months_hold_every_dated_row_once_and_split_at_the_threshold():
    space = SimpleNamespace(as_of=AS_OF, thresholds=Thresholds(stale_after_days=400))
    chart = drawn("overview", "age", space=space)
    dated = SOME["updated_at"].dropna()
    assert sum(map(int, re.findall(r"\d{4} : (\d+)", plain(chart.alt)))) == len(dated) == 11
    assert plain(chart.caption) == (
        "5 lignes sur 12 (42 %) portent une date de plus de 400 jours ; 1 ligne sans date lisible, ou d’une "
        "date à venir, n’est pas dessinée."
    )
    looks = {colour for *_, colour in marks(parsed(chart))}
    assert looks == {"light", "strong"}
    assert {"moins de 400 jours", "400 jours et plus"} <= {*texts(parsed(chart))}
    begins = [begin for _, begin, *_ in marks(parsed(chart))]
    assert max(begins) - min(begins) > 200, "bars stand where time puts them"
    after = drawn("overview", "age", entries([("a.example", "", "", "", "", -2)]))
    assert "1 ligne sans date lisible, ou d’une date à venir" in plain(after.caption)


def test_concentration_counts_the_domains_that_have_no_other_certificate():
    space = SimpleNamespace(as_of=AS_OF, thresholds=Thresholds(concentration_min=4))
    chart = drawn("dn_consistency", "concentration", space=space)
    assert "mss.alpha.example : 5 (45 %)" in plain(chart.alt)
    assert plain(chart.caption) == (
        "1 nom de certificat porte 4 domaines ou plus sans autre certificat, 45 % des domaines en tout ; "
        "si le premier, mss.alpha.example, expire, 5 domaines tombent."
    )


def test_findings_are_told_by_severity():
    assert "Un certificat, plusieurs écritures : 3 avert." in plain(drawn("overview", "families").alt)
    rules = plain(drawn("dn_consistency", "rules").alt)
    told = ("Liste sans signature", "un chiffre est faux", "de plusieurs façons")
    assert [*map(rules.index, told)] == sorted(map(rules.index, told))
    assert "CH BETA : 3 err." in plain(drawn("stale_contacts", "operators").alt)


def test_every_departement_has_one_tile():
    places = tile_places(collectivities=True)
    assert places.keys() == DEPARTMENTS.keys()
    assert len(set(places.values())) == len(places)
    assert len(tile_places()) == 101
    assert all(x < COLUMNS for x, _ in places.values())


def tiles_of(chart):
    """What each tile tells and how it is shaded; what stands on the drawing."""
    page = parsed(chart)
    found = {plain(g.findtext("title")): g for g in page.xpath("//svg//g[@role='img']")}
    shades = {
        name: re.search(r"fill: var\(--(\w+),", g.find("path").get("style"))[1] for name, g in found.items()
    }
    return shades, texts(page)


def test_departments_with_overseas_and_unknown():
    chart = drawn("overview", "departments")
    assert plain(chart.caption) == (
        "En tête : Ain (01) : 6, Paris (75) : 4, Guadeloupe (971) : 1 ; 98 départements sans aucun domaine ; "
        "1 domaine sans département connu."
    )
    shades, shown = tiles_of(chart)
    assert shown.count("–") == 98 == list(shades.values()).count("paper")
    assert shades["Ain (01) : 6"] == "s5"
    assert "975" not in shown


def test_a_map_has_a_scale_and_each_number_stands_where_it_says():
    numbers = pd.Series({code: 3**n for n, code in enumerate(("01", "02", "03", "2A", "971", "75"))})
    shades, shown = tiles_of(tiles(numbers, title="t"))
    scale = shown[shown.index("aucun") + 1 :][:SHADES]
    spans = [[int(n) for n in text.split("–")] for text in scale]
    assert [span[0] for span in spans][1:] == [span[-1] + 1 for span in spans][:-1]
    assert (spans[0][0], spans[-1][-1]) == (1, 243)
    for told, shade in shades.items():
        n = int(told.rpartition(" : ")[2])
        low, *high = spans[int(shade[1:])] if n else (0,)
        assert low <= n <= (high or [low])[0]


def test_a_tile_shortens_a_large_number_and_collectivities_have_one_when_they_have_a_domain():
    shades, shown = tiles_of(tiles(pd.Series({"01": 123_456}), title="t"))
    assert "123k" in shown
    assert shades["Ain (01) : 123 456"] == "s5"
    chart = drawn("overview", "departments", SOME.assign(department="988"))
    assert tiles_of(chart)[0]["Nouvelle-Calédonie (988) : 11"] == "s5"
    assert "Nouvelle-Calédonie (988) : 11" in plain(chart.alt)


@pytest.mark.parametrize("wrong", [3.5, float("inf"), "x"])
def test_no_number_is_cut_short(wrong):
    with pytest.raises(InputError, match="is no whole number"):
        lines(pd.DataFrame({"a": [1, wrong]}, index=pd.to_datetime(["2026-03-01", "2026-03-02"])), title="t")
    if wrong != "x":
        with pytest.raises(InputError, match="is no whole number"):
            tiles(pd.Series({"75": wrong}), title="t")
    assert ": 3." in plain(tiles(pd.Series({"75": 3.0}), title="t").alt)
