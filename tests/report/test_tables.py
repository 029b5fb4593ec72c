import csv
import io
from base64 import b64decode
from hashlib import sha256
from importlib.resources import files

import pandas as pd
from lxml import html as lxml_html
from made_findings import framed, made
from pages import attached, parsed

from mssante_audit.base.export import csv_text
from mssante_audit.base.language import NARROW, NBSP
from mssante_audit.base.markup import SHOWN_TEXT
from mssante_audit.report import findings, html, tables

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(2)> =HYPERLINK("x") \N{RIGHT-TO-LEFT OVERRIDE}evil\x00'
)
ENTRIES = pd.DataFrame(
    {
        "row": range(1, 31),
        "domain": [f"ch-{i:02}-fictif.mssante.fr" for i in range(30)],
        "operator_id": "1010000016",
        "operator": "CH ALPHA",
    }
)


def found(count, text="a", rule="DN_SPELLINGS", entries=ENTRIES):
    return framed([made(rule, (i,), f"{text}{i}", f"{text} {i}") for i in range(1, count + 1)], entries)


def downloaded(page):
    (link,) = page.xpath("//a[@download]/@href")
    return attached(link)


def shown(told, caption="c", limit=9):
    return parsed(findings.findings_table(told, name="t", caption=caption, limit=limit))


def test_a_table_holds_every_row_as_plain_html_with_caption_and_scopes():
    page = shown(found(12), "Constats", 500)
    (table,) = page.xpath("//table[@id='t']")
    assert table.findtext("caption") == "Constats"
    assert [th.get("scope") for th in table.xpath("thead//th")] == ["col"] * len(findings.COLUMNS)
    assert len(table.xpath("tbody/tr")) == 12 == int(table.get("data-rows"))
    assert table.xpath("tbody/tr[1]/td/@data-label") == list(findings.COLUMNS)
    assert [p for p in page.xpath("//p[@class='csv']") if "premières lignes" in p.text_content()] == []


def test_a_cell_tells_severity_rule_extent_operator_and_rows():
    told = framed([made("DN_SPELLINGS", (3, 4, 5), "vu", "voulu")], ENTRIES)
    page = shown(told)
    cells = [td.text_content() for td in page.xpath("//tbody/tr/td")]
    assert cells[0].endswith("avertissement")
    assert cells[1].endswith("DN_SPELLINGS")
    assert cells[2:4] == [f"ch-02-fictif.mssante.fret 2{NBSP}autres", "CH ALPHA1010000016"]
    assert cells[4:] == [f"vuattendu{NBSP}: voulu", "3-5"]
    assert page.xpath("//tbody/tr/td/@data-order") == ["1", "3", "CH ALPHA", "3"]


def test_a_finding_about_the_whole_list_says_so():
    page = shown(framed([made("LIST_UNSIGNED")], ENTRIES))
    assert page.xpath("//tbody/tr/td[3]")[0].text_content() == "toute la liste"


def test_above_the_limit_the_table_says_how_many_rows_there_are_and_the_csv_has_them_all():
    told = found(30)
    page = shown(told, limit=10)
    assert len(page.xpath("//tbody/tr")) == 10
    note = page.xpath("//p[@class='csv']")[0].text_content()
    assert "Les 10 premières lignes sur 30 sont montrées\N{NNBSP}; toutes sont dans le fichier CSV." in note
    assert downloaded(page) == csv_text(told)
    assert len(list(csv.DictReader(io.StringIO(downloaded(page))))) == 30


def test_no_text_of_the_data_becomes_markup_or_a_formula():
    entries = ENTRIES.assign(domain=HOSTILE, operator=HOSTILE, operator_id=HOSTILE)
    html = findings.findings_table(found(3, HOSTILE, entries=entries), name="t", caption=HOSTILE, limit=2)
    page = parsed(html)
    assert page.xpath("//script | //img | //@onerror") == []
    texts = [bdi.text_content() for bdi in page.xpath("//tbody/tr[1]/td[5]/bdi")]
    assert texts == [f"{tables.visible(HOSTILE)}1", f"{tables.visible(HOSTILE)} 1"]
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
    assert "\x00" not in html
    (row,) = csv.DictReader(io.StringIO(downloaded(shown(found(1, "=1+")))))
    assert row["observed"] == "'=1+1"


def test_a_header_of_hostile_text_is_escaped():
    page = lxml_html.fromstring(tables.rows_table('"><script>', "c", ["<script>"], [[tables.Cell("x")]]))
    assert page.xpath("//script") == []
    assert page.xpath("//th/text()") == ["<script>"]


def test_a_long_text_is_cut_and_says_so():
    page = shown(found(1, "x" * 2000))
    text = page.xpath("//tbody/tr/td[5]/bdi")[0].text_content()
    assert text == "x" * SHOWN_TEXT + "… (texte coupé\N{NO-BREAK SPACE}: voir le CSV)"
    assert "x" * 2000 in downloaded(page)


def test_what_is_invisible_is_shown():
    assert tables.visible("a\u200bb\u202ec\x07d\u2066e\ufeff") == "a\\u200bb\\u202ec\\u0007d\\u2066e\\ufeff"
    assert tables.visible("Évry – « 1 € » \N{NO-BREAK SPACE}") == "Évry – « 1 € » \N{NO-BREAK SPACE}"


def test_the_script_is_one_element_that_the_policy_source_names():
    page = parsed(tables.enable())
    (script,) = page.xpath("//script")
    assert script.get("type") == "module"
    assert script.text == tables.script()
    assert b64decode(tables.source_of(script.text)[8:-1]) == sha256(script.text.encode()).digest()
    assert "</script" not in script.text
    assert "<!--" not in script.text
    assert "://" not in script.text
    assert "innerHTML" not in script.text


def test_script_and_style_stay_within_their_budget():
    assert len(tables.script().encode()) < 8_000
    template = files("mssante_audit.report") / "template" / "style.css"
    assert len(tables.style().encode()) + len(template.read_bytes()) < 24_500  # in both themes, and paper


def test_severities_are_all_told_and_bars_are_in_proportion():
    told = pd.concat([found(4), found(2, rule="DN_ID_LUHN")])
    page = parsed(findings.severity_bars(told))
    texts = [li.text_content().strip().replace(NBSP, " ") for li in page.xpath("//li")]
    assert texts == ["✖ 0 critique", "▲ 2 erreurs", "◆ 4 avertissements", "● 0 information"]
    assert page.xpath("//i/@style") == ["--share:0.5000", "--share:1.0000"]
    assert page.xpath("//i/@aria-label") == ["2 erreurs", "4 avertissements"]
    assert parsed(findings.severity_bars(found(0))).xpath("//i") == []


def test_key_figures_are_a_list_of_terms():
    page = parsed(html.key_figures([html.Figure("Domaines", f"4{NARROW}944", "<b>"), html.Figure("A", "1")]))
    assert page.xpath("//dl/div/dt/text()") == ["Domaines", "A"]
    assert [dd.text_content() for dd in page.xpath("//dl/div/dd")] == [f"4{NARROW}944<b>", "1"]


def test_numbers_stand_below_each_other_and_what_is_short_keeps_to_its_line():
    rows = pd.DataFrame({"n": [3, 1200], "some": pd.array([1, None], dtype="Int64")})
    rows = rows.assign(day="26/01/2025", why="un mot " * 5)
    page = parsed(tables.table(rows, name="t"))
    kinds = [[cell.get("class") for cell in row] for row in page.xpath("//tr")]
    assert kinds[0] == ["number", "number", None, None]
    assert kinds[1] == ["number", "number", "short", None]
    assert kinds[2] == ["number", None, "short", None]  # where nothing is known, nothing is set


def test_any_frame_becomes_a_table_escaped_and_says_when_it_is_cut():
    frame = pd.DataFrame({"n": [10, 9, 8]}, index=pd.Index(["<b>", "x", "y"], name="nom"))
    html = tables.table(frame, limit=2)
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert 'data-order="10"' in html
    assert "Les 2 premières lignes sur 3" in html
    assert html.count("<tr>") == 3
    assert f"1{NBSP}ligne" in tables.table(frame.head(1))


def test_a_column_may_be_drawn_as_bars_too():
    frame = pd.DataFrame({"nom": ["x", "y", "z"], "n": [10, 5, 0]})
    page = parsed(tables.table(frame, bar="n"))
    assert page.xpath("//td/i[@class='bar']/@style") == ["--share:1.000", "--share:0.500", "--share:0.000"]
    assert [td.text_content() for td in page.xpath("//td[2]")] == ["10", "5", "0"]
    assert parsed(tables.table(frame)).xpath("//i") == []


def test_a_frame_grouped_by_two_columns_is_a_table():
    frame = pd.DataFrame({"a": ["x", "x"], "b": ["y", "z"], "n": [1, 2]}).groupby(["a", "b"]).sum()
    headings = parsed(tables.table(frame)).findall(".//th")
    assert [cell.text_content().strip() for cell in headings] == ["a", "b", "n"]
