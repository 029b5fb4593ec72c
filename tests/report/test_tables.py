import csv
import io

import pandas as pd
from made_findings import framed, made
from pages import attached, parsed

from mssante_audit.base.language import NBSP, using_language
from mssante_audit.base.markup import SHOWN_TEXT
from mssante_audit.report import findings, tables
from mssante_audit.report.html import shipped

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(2)> =HYPERLINK("x") \N{RIGHT-TO-LEFT OVERRIDE}evil\x00'
)
ENTRIES = pd.DataFrame({"row": range(1, 31), "operator_id": "1010000016", "operator": "CH ALPHA"})
ENTRIES["domain"] = [f"ch-{i:02}-fictif.mssante.fr" for i in range(30)]


def found(count, text="a", rule="DN_SPELLINGS", entries=ENTRIES):
    return framed([made(rule, (i,), f"{text}{i}", f"{text} {i}") for i in range(1, count + 1)], entries)


def downloaded(page):
    (link,) = page.xpath("//a[@download]/@href")
    return attached(link)


def shown(frame, caption="c", limit=9):
    return parsed(findings.findings_table(frame, name="t", caption=caption, limit=limit))


def test_a_cell_tells_severity_rule_extent_operator_and_rows():
    page = shown(framed([made("DN_SPELLINGS", (3, 4, 5), "vu", "voulu"), made("LIST_UNSIGNED")], ENTRIES))
    assert page.xpath("//tbody/tr[1]/td/@data-label") == list(findings.COLUMNS)
    whole, cells = ([td.text_content() for td in row] for row in page.xpath("//tbody/tr"))
    assert whole[2] == "toute la liste"
    assert cells[0].endswith("avertissement")
    assert cells[1].endswith("DN_SPELLINGS")
    assert cells[2:4] == [f"ch-02-fictif.mssante.fret 2{NBSP}autres", "CH ALPHA1010000016"]
    assert cells[4:] == [f"vuattendu{NBSP}: voulu", "3-5"]
    assert page.xpath("//tbody/tr[2]/td/@data-key") == ["1", "3", "CH ALPHA", "3"]
    with using_language("en"):
        page = shown(framed([made("DN_SPELLINGS", tuple(range(1, 31, 2)))], ENTRIES))
    assert page.xpath("//td/@data-label") == page.xpath("//th/text()")
    assert page.xpath("string(//td[last()])") == f"1, 3, 5, 7, 9, 11, 13… (15{NBSP}rows)"


def test_no_text_of_the_data_becomes_markup_or_a_formula():
    entries = ENTRIES.assign(domain=HOSTILE, operator=HOSTILE, operator_id=HOSTILE)
    html = findings.findings_table(found(3, HOSTILE, entries=entries), name="t", caption=HOSTILE, limit=2)
    html += tables.rows_table('"><script>', "c", ["<script>"], [[tables.Cell("x")]])
    page = parsed(html)
    assert page.xpath("//script | //img | //@onerror") == []
    texts = [bdi.text_content() for bdi in page.xpath("//table[1]/tbody/tr[1]/td[5]/bdi")]
    assert texts == [f"{tables.visible(HOSTILE)}1", f"{tables.visible(HOSTILE)} 1"]
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
    assert "\x00" not in html
    (row,) = csv.DictReader(io.StringIO(downloaded(shown(found(1, "=1+")))))
    assert row["observed"] == "'=1+1"


def test_a_long_text_is_cut_and_says_so():
    page = shown(found(1, "x" * 2000))
    text = page.xpath("//tbody/tr/td[5]/bdi")[0].text_content()
    assert text == "x" * SHOWN_TEXT + "… (texte coupé\N{NO-BREAK SPACE}: voir le CSV)"
    assert "x" * 2000 in downloaded(page)


def test_what_is_invisible_is_shown():
    assert tables.visible("a\u200bb\u202ec\x07d\u2066e\ufeff") == "a\\u200bb\\u202ec\\u0007d\\u2066e\\ufeff"
    assert tables.visible("Évry – « 1 € » \N{NO-BREAK SPACE}") == "Évry – « 1 € » \N{NO-BREAK SPACE}"


def test_script_and_style_stay_within_their_budget():
    assert len(tables.script().encode()) < 8_000
    page = len(shipped("style.css").encode())
    assert len(tables.style().encode()) + page < 23_000  # in both themes, and paper
    assert len(tables.style("tables").encode()) + page < 11_500, "of the pages of which a night has hundreds"


def test_severities_are_all_told_and_bars_are_in_proportion():
    frame = pd.concat([found(4), found(2, rule="DN_ID_LUHN")])
    page = parsed(findings.severity_bars(frame))
    texts = [li.text_content().strip().replace(NBSP, " ") for li in page.xpath("//li")]
    assert texts == ["✖ 0 critique", "▲ 2 erreurs", "◆ 4 avertissements", "● 0 information"]
    assert page.xpath("//i/@style") == ["--share:0.5000", "--share:1.0000"]
    assert page.xpath("//i/@aria-label") == ["2 erreurs", "4 avertissements"]
    assert parsed(findings.severity_bars(found(0))).xpath("//i") == []


def test_any_frame_becomes_a_table_escaped_and_says_when_it_is_cut():
    frame = pd.DataFrame({"n": [10, 9, 8]}, index=pd.Index(["<b>", "x", "y"], name="nom"))
    html = tables.table(frame, limit=2)
    assert "<b>" not in html
    assert all(part in html for part in ("&lt;b&gt;", 'data-key="10"', "Les 2 premières lignes sur 3")), html
    assert html.count("<tr>") == 3
    whole = tables.table(frame.head(1), csv=frame)
    assert "Télécharger les 3" in whole
    assert "première" not in whole, "what the table is about is all there"
    by_two = frame.assign(a="x", b=["y", "z", "t"]).groupby(["a", "b"]).sum()
    heads = [th.text_content().strip() for th in parsed(tables.table(by_two)).findall(".//th")]
    assert heads == ["a", "b", "n"]
