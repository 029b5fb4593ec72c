"""How objects show themselves in JupyterLab: small, escaped, masked; in any theme."""

import pickle
import re
from dataclasses import replace
from datetime import UTC, datetime

import pages
import pandas as pd
import pytest

from mssante_audit import audit_all, bars, card, domains, lead, load_space, note, opening, rule, say, table
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES, Rule
from mssante_audit.report.cards import SHOWN
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import answers
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
    told = " ".join(parsed(space).text_content().split())
    domains = space.audited["domain"].nunique()
    assert f"{domains}\N{NO-BREAK SPACE}domaines" in space._repr_html_()
    assert "Signature" in told
    assert "personnes masquées" in told
    bare = TrustSpace(space.whitelist, space.as_of, contacts="all")
    told = parsed(bare).text_content()
    assert "montrés" in told
    assert told.count("? rien\N{NO-BREAK SPACE}: inconnu") == 5, "register, DNS, TLS, mailboxes, archive"
    assert len(space._repr_html_()) < 25_000
    assert 'style="color:#' not in space._repr_html_(), "it takes the theme's"


def test_a_long_list_shows_itself_before_it_is_audited(space, monkeypatch):
    monkeypatch.setattr("mssante_audit.report.cards.SOON", 10)
    long = load_space(as_of="2026-03-03")
    assert "ms.domains(space)" in parsed(long).text_content()
    assert not parsed(long).xpath("//table[@class='checks']")
    domains(long)
    assert parsed(long).xpath("//table[@class='checks']")


def test_a_space_shows_its_inputs_and_what_each_check_says_of_its_domains(space):
    page, frame = parsed(space), domains(space)
    rows = {th.text_content(): td.text_content() for th, td in page.xpath("(//table[@class='card'])[2]//tr")}
    assert rows["liste blanche"].startswith("✔")
    for axis, held in answers(frame).items():
        for name, n in held.items():
            assert page.xpath(f"//b[@data-{axis}='{name}']/text()") == [str(n)]
    assert len(page.xpath("//table[@class='checks']/tbody/tr")) == len(CHECKS)
    stale = load_space(as_of="2026-06-03")
    told = parsed(stale).text_content()
    assert "! de 93" in told.replace("\N{NO-BREAK SPACE}", " ")
    assert "106" in told


def test_findings_show_themselves_by_severity_the_worst_unfolded(space):
    found = audit_all(space)
    page = parsed(found)
    folds = page.xpath("//details")
    assert [fold.get("open") is not None for fold in folds] == [True] + [False] * (len(folds) - 1)
    sure = found[found["confidence"] != "hint"]
    counts = [int((sure["severity"] == severity).sum()) for severity in reversed(SEVERITIES)]
    shown = [int(re.sub(r"\D", "", fold.find("summary").text_content())) for fold in folds]
    assert shown == [*filter(None, counts), int((found["confidence"] == "hint").sum())]
    assert all(len(fold.xpath(".//tbody/tr")) == min(n, SHOWN) for fold, n in zip(folds, shown, strict=True))
    assert page.xpath("//summary//span[contains(@class, 'sev-critical')]")
    ids = parsed(found).xpath("//@id")
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(page.xpath("//@id")), "shown twice, two tables"
    assert "Aucun constat" in parsed(found.head(0)).text_content()


def test_findings_stay_findings_and_a_part_of_their_columns_is_any_frame(space):
    found = audit_all(space)
    assert "<details" in found[found["severity"] >= "error"].head(3)._repr_html_()
    assert "dataframe" in found[["rule", "domain"]]._repr_html_()
    assert type(found.groupby("rule").size()) is pd.Series
    assert pickle.loads(pickle.dumps(found)).equals(found)


def test_findings_show_hostile_texts_as_texts(space):
    texts = ("observed", "expected", "evidence", "domain", "operator", "operator_id")
    rows = audit_all(space).head(3).assign(**dict.fromkeys(texts, HOSTILE))
    assert parsed(rows).text_content().count("alert(1)") >= 15
    moved = rows.assign(moved="new")
    assert "3\N{NO-BREAK SPACE}nouveaux" in parsed(moved).text_content()


def test_what_cannot_be_read_beside_the_list_leaves_the_rest_shown(space, tmp_path):
    (tmp_path / "waivers.toml").write_text("<script>alert(1)</script>", encoding="utf-8")
    told = parsed(replace(space, waivers=tmp_path / "waivers.toml")).text_content()
    assert "Verdicts inconnus" in told
    assert "Signature" in told


def test_no_contact_is_in_what_a_space_shows(space):
    contacts = set(space.entries["project_email"]) | set(space.entries["support_email"]) - {""}
    assert [c for c in contacts if c and c in space._repr_html_()] == []


def test_hostile_texts_stay_texts_wherever_an_object_shows_itself(space):
    listed = replace(space.whitelist, source=f"/x/{HOSTILE.replace('/', '')}")
    assert "alert(1)" in parsed(TrustSpace(listed, space.as_of)).text_content()
    texts = dict.fromkeys(("title_fr", "title_en", "why_fr", "why_en", "remedy_fr", "remedy_en"), HOSTILE)
    made = Rule("MADE_UP", family=HOSTILE, severity="error", source="none", **texts)
    assert parsed(made).text_content().count("alert(1)") == 4
    when = datetime(2026, 3, 1, tzinfo=UTC)
    named = {"signer": HOSTILE, "issuer": HOSTILE, "expected": HOSTILE}
    verdict = Verdict("valid-untrusted", "", "signer", **named, not_before=when, not_after=when)
    assert parsed(verdict).text_content().count("alert(1)") == 4, "why, too"
    row = pd.Series({HOSTILE: HOSTILE, "n": 3}, name=HOSTILE)
    assert parsed(card(row)).text_content().count("alert(1)") == 3
    frame = pd.DataFrame({HOSTILE: [HOSTILE, "x"]}, index=pd.Index([HOSTILE, "y"], name=HOSTILE))
    assert parsed(table(frame, caption=HOSTILE, name="t")).text_content().count("alert(1)") >= 4
    assert parsed(table(frame.head(0), empty=HOSTILE)).text_content().count("alert(1)") == 1


def test_a_sentence_leaves_names_as_they_are_and_lets_none_become_markup():
    said = say("**{who}** a {n:domaine}", who=HOSTILE, n=2)
    assert said.startswith(HOSTILE[:48])
    assert "**b**" in said, "of the data, no mark-up of ours"
    (strong,) = parsed(said).xpath("//strong")
    assert "alert(1)" in strong.text_content()
    for shown in (lead(said, HOSTILE), note(said, HOSTILE, kind="caution")):
        assert parsed(shown).text_content().count("alert(1)") == 2
    chart = bars(pd.Series({HOSTILE: 1}), title=HOSTILE, caption=said)
    assert parsed(chart.html()).text_content().count("alert(1)") >= 3


def test_a_sentence_agrees_with_its_numbers():
    text = "{n:signal|signaux} {n:~est|sont} là, {k:ligne} lue{k:~|s}"
    assert say(text, n=1, k=0).replace("\N{NO-BREAK SPACE}", " ") == "1 signal est là, 0 ligne lue"
    assert say(text, n=2, k=1234.0).replace("\N{NO-BREAK SPACE}", " ") == (
        "2 signaux sont là, 1\N{NARROW NO-BREAK SPACE}234 lignes lues"
    )
    with pytest.raises(KeyError, match="m"):
        say("{m}")


def test_a_rule_shows_its_title_and_its_remedy():
    told = parsed(rule("DN_ID_LUHN")).text_content()
    assert "un chiffre est faux" in told
    assert "annexe 1" in told
    assert "Exemple" in told
    assert "2999000065" in told, "its case in the sample"
    assert "constaté dans les listes publiées" in told


def test_what_is_empty_is_left_out_of_a_card():
    shown = card({"vide": "", "rien": None, "plein": 0, "tous": ["a", "b", "c"]}, "x")
    assert "vide" not in shown
    assert "rien" not in shown
    assert "plein" in shown
    assert "a, b et c" in shown


def test_the_sample_says_that_it_is_made_up_and_of_when(space):
    told = parsed(space).text_content().replace("\N{NO-BREAK SPACE}", " ")
    assert "3 mars 2026 à 06 h 00 UTC (exemple fictif)" in told
    assert "d’une liste fictive" in opening(space, space.audited)
