"""How objects show themselves in JupyterLab: small, escaped, masked; and controls, for who is there."""

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pages
import pandas as pd
import pytest
from jupyter_client.manager import start_new_kernel

import mssante_audit as ms
from mssante_audit.base.resources import resource
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.report import cards as module
from mssante_audit.report.cards import SHOWN
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.signature import Verdict

HOSTILE = '<script>alert(1)</script><img src=x onerror=y> "\N{RIGHT-TO-LEFT OVERRIDE}\x00 {0} {x} **b**'


def parsed(shown):
    html = shown._repr_html_()
    page = pages.parsed(html)
    assert page.xpath("//script | //img | //@onerror") == []
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
    assert "\x00" not in html
    return page


def test_a_space_says_what_was_loaded_and_what_is_not_there(space):
    text = " ".join(parsed(space).text_content().split())
    assert f"{space.audited['domain'].nunique()}\N{NO-BREAK SPACE}domaines" in space._repr_html_()
    assert "personnes masquées" in text
    assert "(exemple fictif)" in text
    text = parsed(TrustSpace(space.whitelist, space.as_of, contacts="all")).text_content()
    assert "montrés" in text
    assert text.count("? rien\N{NO-BREAK SPACE}: inconnu") == 5, "register, DNS, TLS, mailboxes, archive"
    assert len(space._repr_html_()) < 25_000
    assert 'style="color:#' not in space._repr_html_(), "it takes the theme's"
    assert "! de 93" in parsed(ms.load_space(as_of="2026-06-03")).text_content().replace(
        "\N{NO-BREAK SPACE}", " "
    )


def test_no_contact_is_in_what_a_space_shows(space):
    contacts = set(space.entries["project_email"]) | set(space.entries["support_email"]) - {""}
    assert [c for c in contacts if c and c in space._repr_html_()] == []


def test_a_long_list_shows_itself_before_it_is_audited(space, monkeypatch):
    monkeypatch.setattr("mssante_audit.report.cards.SOON", 10)
    long = ms.load_space(as_of="2026-03-03")
    assert "ms.domains(space)" in parsed(long).text_content()
    assert not parsed(long).xpath("//table[@class='checks']")
    ms.domains(long)
    assert parsed(long).xpath("//table[@class='checks']")


def test_findings_show_themselves_by_severity_the_worst_unfolded(space):
    findings = ms.audit_all(space)
    page = parsed(findings)
    folds = page.xpath("//details")
    assert [fold.get("open") is not None for fold in folds] == [True] + [False] * (len(folds) - 1)
    hint = findings["confidence"] == "hint"
    counts = [int((findings["severity"][~hint] == severity).sum()) for severity in reversed(SEVERITIES)]
    shown = [int(re.sub(r"\D", "", fold.find("summary").text_content())) for fold in folds]
    assert shown == [*filter(None, counts), hint.sum()]
    assert [len(fold.xpath(".//tbody/tr")) for fold in folds] == [min(n, SHOWN) for n in shown]
    ids = parsed(findings).xpath("//@id")
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(page.xpath("//@id")), "shown twice, two tables"
    assert "Aucun constat" in parsed(findings.head(0)).text_content()


def test_findings_stay_findings_and_a_part_of_their_columns_is_any_frame(space):
    findings = ms.audit_all(space)
    assert "<details" in findings[findings["severity"] >= "error"].head(3)._repr_html_()
    assert "dataframe" in findings[["rule", "domain"]]._repr_html_()
    assert type(findings.groupby("rule").size()) is pd.Series
    assert pickle.loads(pickle.dumps(findings)).equals(findings)


def test_what_cannot_be_read_beside_the_list_leaves_the_rest_shown(space, tmp_path):
    (tmp_path / "waivers.toml").write_text("<script>alert(1)</script>", encoding="utf-8")
    text = parsed(replace(space, waivers=tmp_path / "waivers.toml")).text_content()
    assert "Verdicts inconnus" in text
    assert "Signature" in text


def test_hostile_texts_stay_texts_wherever_an_object_shows_itself(space):
    listed = replace(space.whitelist, source=f"/x/{HOSTILE.replace('/', '')}")
    words = dict.fromkeys(("title_fr", "title_en", "why_fr", "why_en", "remedy_fr", "remedy_en"), HOSTILE)
    when = datetime(2026, 3, 1, tzinfo=UTC)
    named = {"signer": HOSTILE, "issuer": HOSTILE, "expected": HOSTILE}
    frame = pd.DataFrame({HOSTILE: [HOSTILE, "x"]}, index=pd.Index([HOSTILE, "y"], name=HOSTILE))
    texts = ("observed", "expected", "evidence", "domain", "operator", "operator_id")
    findings = ms.audit_all(space).head(3).assign(**dict.fromkeys(texts, HOSTILE))
    for shown, times in (
        (TrustSpace(listed, space.as_of), 1),
        (Rule("MADE_UP", family=HOSTILE, severity="error", source="none", **words), 4),
        (Verdict("valid-untrusted", "", "signer", **named, not_before=when, not_after=when), 4),
        (ms.card(pd.Series({HOSTILE: HOSTILE, "n": 3}, name=HOSTILE)), 3),
        (ms.table(frame, caption=HOSTILE, name="t"), 4),
        (ms.table(frame.head(0), empty=HOSTILE), 1),
        (findings, 15),
        (findings.assign(moved="new"), 15),
    ):
        assert parsed(shown).text_content().count("alert(1)") >= times


def test_a_sentence_leaves_names_as_they_are_and_lets_none_become_markup():
    sentence = ms.say("**{who}** a {n:domaine}", who=HOSTILE, n=2)
    assert sentence.startswith(HOSTILE[:48])
    assert "**b**" in sentence, "of the data, no mark-up of ours"
    (strong,) = parsed(sentence).xpath("//strong")
    assert "alert(1)" in strong.text_content()
    for shown in (ms.lead(sentence, HOSTILE), ms.note(sentence, HOSTILE, kind="caution")):
        assert parsed(shown).text_content().count("alert(1)") == 2
    chart = ms.bars(pd.Series({HOSTILE: 1}), title=HOSTILE, caption=sentence)
    assert parsed(chart.html()).text_content().count("alert(1)") >= 3


def test_a_rule_shows_its_title_its_remedy_and_its_case_in_the_sample():
    card = parsed(ms.rule("DN_ID_LUHN")).text_content()
    for text in ("un chiffre est faux", "annexe 1", "2999000065", "constaté dans les listes publiées"):
        assert text in card


@pytest.fixture
def box(space, monkeypatch):
    monkeypatch.setattr(module, "attended", lambda: True)
    return ms.controls(space)


def counted(box):
    count = pages.parsed(box.children[-1].value).xpath("string(//div[@class='desk'][last()]/p/b)")
    return int("".join(c for c in count if c.isdigit()) or 0)


def test_what_is_chosen_is_what_functions_find(space, box):
    region, operator, days, _ = box.children
    findings = ms.audit_all(space)
    assert counted(box) == len(findings)
    region.value = "Corse" if "Corse" in dict(region.options) else next(v for _, v in region.options if v)
    assert counted(box) == len(ms.within(space, findings, region=region.value))
    region.value, operator.value = "", operator.options[1][1]
    assert counted(box) == len(ms.within(space, findings, operator=operator.value))
    operator.value, days.value = "", 365
    assert counted(box) == len(ms.audit_all(space.with_(stale_after_days=365))) != len(findings)


def test_what_nobody_is_is_said_and_no_error(space, box):
    region, operator, _, shown = box.children
    operator.value = space.audited.loc[space.audited["department"] == "75", "operator_id"].iloc[0]
    region.value = next(v for _, v in region.options if v not in ("", "Île-de-France"))
    assert "does not sit in" in pages.parsed(shown.value).text_content()


def test_hostile_names_stay_texts(hostile_space, monkeypatch):
    monkeypatch.setattr(module, "attended", lambda: True)
    box = ms.controls(hostile_space)
    for _, value in box.children[1].options[:6]:
        box.children[1].value = value
        page = pages.parsed(box.children[-1].value)
        assert page.xpath("//script | //img | //@onerror | //*[@id='pwned']") == []


def test_without_ipywidgets_or_with_nobody_there_are_none(space, monkeypatch):
    assert ms.controls(space) is None, "a test is no notebook"
    monkeypatch.setattr(module, "attended", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert ms.controls(space) is None


def test_somebody_is_there_where_input_can_be_asked_for():
    manager, client = start_new_kernel(kernel_name="python3")
    code, messages = "from mssante_audit.report.cards import attended; print(attended())", []
    try:
        for attended in (True, False):
            client.allow_stdin = attended
            client.execute_interactive(code, timeout=120, output_hook=messages.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert [m["content"]["text"].strip() for m in messages if "text" in m["content"]] == ["True", "False"]


def test_reports_hold_no_widget_and_do_without_the_library(sample_run):
    notebooks = {
        file.stem: file.read_text(encoding="utf-8") for file in resource("notebooks").glob("*.ipynb")
    }
    controlled = {name for name, text in notebooks.items() if "ms.controls(" in text}
    assert controlled == {"overview", "stale_contacts"}
    for name in controlled:
        assert "widget" not in (sample_run.out / f"{name}.html").read_text(encoding="utf-8").lower()
    code = "import sys, mssante_audit.report.cards; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
