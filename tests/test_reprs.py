"""How objects show themselves in JupyterLab: small, escaped, masked; in any theme."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from lxml import html as lxml_html

from mssante_audit import bars, card, domains, lead, load_space, note, rule, say, table
from mssante_audit.base.markup import card as markup_card
from mssante_audit.findings.catalogue import Rule
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.signature import Verdict

HOSTILE = '<script>alert(1)</script><img src=x onerror=y> "\N{RIGHT-TO-LEFT OVERRIDE}\x00 {0} {x} **b**'


def parsed(shown) -> lxml_html.HtmlElement:
    html = shown if isinstance(shown, str) and not hasattr(shown, "html") else shown._repr_html_()
    page = lxml_html.fromstring(f"<main>{html}</main>")
    assert page.xpath("//script | //img | //@onerror") == []
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in html
    assert "\x00" not in html
    return page


@pytest.fixture(scope="module")
def space():
    return load_space(as_of="2026-03-03")


def test_a_space_says_what_was_loaded_and_what_is_not_there(space):
    told = " ".join(parsed(space).text_content().split())
    domains = space.audited["domain"].nunique()
    assert f"{domains}\N{NO-BREAK SPACE}domaines" in space._repr_html_()
    assert "Signature" in told
    assert "masqués dans les constats" in told
    bare = TrustSpace(space.whitelist, space.as_of, show_contacts=True)
    told = parsed(bare).text_content()
    assert "jamais" in told
    assert "montrés" in told
    assert len(space._repr_html_()) < 4000
    assert "color:#" not in space._repr_html_(), "it takes the theme's"


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
    verdict = Verdict("invalid", HOSTILE, signer=HOSTILE, issuer=HOSTILE, not_before=when, not_after=when)
    assert parsed(verdict).text_content().count("alert(1)") == 3
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


def test_a_row_a_domain_counts_the_findings_that_touch_it(space):
    frame = domains(space)
    assert frame["domain"].is_unique
    assert len(frame) == space.audited["domain"].nunique()
    (row,) = frame[frame["domain"] == frame["domain"].iloc[0]].to_dict("records")
    shown = parsed(card(frame.iloc[0], "Domaine")).text_content()
    assert row["domain"] in shown
    assert row["method"] in shown


def test_a_rule_shows_its_title_and_its_remedy():
    told = parsed(rule("DN_ID_LUHN")).text_content()
    assert "clé de contrôle" in told
    assert "annexe 1" in told


def test_what_is_empty_is_left_out_of_a_card():
    assert "vide" not in markup_card("x", {"vide": "", "rien": None, "plein": 0})
    assert "plein" in markup_card("x", {"plein": 0})
