import warnings
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import pairwise

import matplotlib as mpl
import pandas as pd
import pytest
from lxml import html as lxml_html
from made_findings import framed, made
from matplotlib.colors import to_rgb
from PIL import Image

from mssante_audit.base.french import NARROW
from mssante_audit.report import plots, tilemap
from mssante_audit.report.tables import visible
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
        row=range(1, len(frame) + 1), updated_at=pd.to_datetime(pd.Series(dates, dtype="object"), utc=True)
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
        *(made("DN_ORDER", (i,)) for i in (1, 2, 3)),
        *(made("DN_ID_LUHN", (i,)) for i in (7, 8)),
        made("CONTACT_NO_EMAIL", (7, 8)),
        made("DN_O_TRUNCATED", (10,)),
    ],
    SOME,
)
CHARTS = {
    "operators": lambda e, f: plots.operator_share(e),
    "departments": lambda e, f: tilemap.departments(e),
    "age": lambda e, f: plots.age_bands(e, AS_OF, 730),
    "concentration": lambda e, f: plots.concentration(e, 3),
    "families": lambda e, f: plots.findings_by_family(f),
    "rules": lambda e, f: plots.findings_by_rule(f),
    "findings-operators": lambda e, f: plots.findings_by_operator(f),
}


@pytest.fixture(params=CHARTS)
def draw(request):
    return CHARTS[request.param]


def plain(text):
    return text.replace(NARROW, " ").replace("\N{NO-BREAK SPACE}", " ")


def test_a_chart_is_the_same_bytes_each_time_and_carries_no_date_nor_version(draw):
    first, second = draw(SOME, FOUND).png(), draw(SOME, FOUND).png()
    assert first == second
    assert Image.open(BytesIO(first)).info.keys() <= {"dpi", "transparency"}


def test_drawing_neither_reads_nor_changes_the_settings_of_matplotlib(draw):
    expected = draw(SOME, FOUND).png()
    with mpl.rc_context(
        {"font.family": ["DejaVu Serif"], "font.size": 30, "text.color": "red", "savefig.dpi": 30}
    ):
        before = dict(mpl.rcParams)
        assert draw(SOME, FOUND).png() == expected
        assert dict(mpl.rcParams) == before


def test_a_chart_of_nothing_says_so(draw):
    chart = draw(NONE, FOUND.head(0))
    assert chart.png()
    assert chart.alt
    assert plain(chart.reading).startswith(("Aucun", "0 ", "En tête : aucun"))


def test_hostile_names_are_drawn_as_text_and_escaped(draw):
    hostile = SOME.assign(operator=HOSTILE, cn=HOSTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = draw(hostile, framed([made("DN_ORDER", (1,))], hostile))
        page = lxml_html.fromstring(chart.html())
    assert page.xpath("//script") == []
    assert page.xpath("//img/@alt") == [visible(chart.alt)]
    assert len(page.xpath("//img")) == 1


def test_every_text_stays_inside_the_figure_and_off_the_others(draw):
    hostile = SOME.assign(operator=HOSTILE, cn=HOSTILE)
    chart = draw(hostile, framed([made("CONTACT_DISAGREEMENT", (1,))] * 3, hostile))
    chart.png()
    width, height = chart.figure.get_size_inches() * chart.figure.dpi
    boxes = [t.get_window_extent() for t in chart.figure.axes[0].texts]
    assert all(b.x0 >= 0 and b.x1 <= width and b.y0 >= 0 and b.y1 <= height for b in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_text_is_legible_on_a_phone(draw):
    phone = 358 / plots.WIDTH  # what is left of 390 pixels beside the margins
    texts = draw(SOME, FOUND).figure.axes[0].texts
    assert min(t.get_fontsize() / 72 / plots.PX * phone for t in texts) > 7


def test_operator_share_tells_every_domain_once_an_operator():
    chart = plots.operator_share(SOME, top=2)
    told = plain(chart.alt)
    assert "CH ALPHA : 6 (55 %)" in told
    assert "CH BETA : 4 (36 %)" in told
    assert "les 2 autres opérateurs : 2 (18 %)" in told
    assert plain(chart.reading) == (
        "Les 3 premiers opérateurs portent 91 % des 11 domaines ; le premier, CH ALPHA, en porte 6 (55 %)."
    )


def test_age_bands_hold_every_row_once_and_split_at_the_threshold():
    chart = plots.age_bands(SOME, AS_OF, 400)
    told = plain(chart.alt)
    for band in (
        "moins de 3 mois : 6",
        "de 400 jours à 2 ans : 1",
        "de 2 ans à 4 ans : 3",
        "4 ans et plus : 1",
    ):
        assert band in told
    assert "date illisible ou absente : 1 (8,3 %)" in told
    assert plain(chart.reading) == "5 lignes sur 12 (42 %) portent une date de plus de 400 jours."


def test_rows_dated_after_the_audit_are_told_apart():
    chart = plots.age_bands(entries([("a.example", "", "", "", "", -2)]), AS_OF, 730)
    assert "date postérieure à la situation : 1 (100 %)" in plain(chart.alt)


def test_concentration_counts_the_domains_of_a_name():
    chart = plots.concentration(SOME, 4)
    assert "mss.alpha.example : 6 (55 %)" in plain(chart.alt)
    assert plain(chart.reading) == (
        "2 noms de certificat portent chacun 4 domaines ou plus, 82 % des domaines à eux tous ; "
        "si le premier expire, 6 domaines tombent."
    )


def test_findings_are_told_by_severity():
    assert "Forme du nom de certificat (DN) : 3 avert." in plain(plots.findings_by_family(FOUND).alt)
    rules = plain(plots.findings_by_rule(FOUND).alt)
    assert (
        rules.index("Liste sans signature")
        < rules.index("clé de contrôle")
        < rules.index("dans un autre ordre")
    )
    assert "CH BETA : 3 err." in plain(plots.findings_by_operator(FOUND).alt)


def test_severities_differ_in_grey_and_by_hatch():
    def luminance(colour):
        return sum(w * (c / 12.92 if c <= 0.04 else ((c + 0.055) / 1.055) ** 2.4)
                   for w, c in zip((0.2126, 0.7152, 0.0722), to_rgb(colour), strict=True))  # fmt: skip

    grey = [luminance(style["facecolor"]) for style in plots.SEVERITY_STYLE.values()]
    assert all(b > a + 0.05 for a, b in pairwise(grey))
    assert len({style["hatch"] for style in plots.SEVERITY_STYLE.values()}) == 4
    shades = [luminance(shade) for shade in tilemap.SHADES]
    assert shades == sorted(shades, reverse=True)
    dark = [1.05 / (s + 0.05) for s in shades[3:]]
    light = [(s + 0.05) / (luminance(plots.INK) + 0.05) for s in shades[:3]]
    assert min(dark + light) >= 4.5


def test_every_departement_has_one_tile():
    tiles = tilemap.tiles() | tilemap.collectivities()
    assert tiles.keys() == DEPARTMENTS.keys()
    assert len(set(tiles.values())) == len(tiles)
    assert len(tilemap.tiles()) == 101
    assert all(x < tilemap.COLUMNS for x, _ in tiles.values())


def test_departments_with_overseas_and_unknown():
    chart = tilemap.departments(SOME)
    assert plain(chart.reading) == (
        "En tête : Ain (01) : 6, Paris (75) : 4, Guadeloupe (971) : 1 ; 98 départements sans aucun domaine ; "
        "1 domaine sans département connu."
    )
    drawn = [t.get_text() for t in chart.figure.axes[0].texts]
    assert drawn.count("–") == 98
    assert "975" not in drawn


def test_a_collectivity_is_drawn_when_it_has_a_domain():
    chart = tilemap.departments(SOME.assign(department="988"))
    assert "988" in [t.get_text() for t in chart.figure.axes[0].texts]
    assert "Nouvelle-Calédonie (988) : 11" in plain(chart.alt)
