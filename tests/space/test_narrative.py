"""What reports say first, in sentences; their numbers tests/report/test_first_screen.py recomputes."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cells import cells, shown
from conftest import toml
from made_findings import framed, made
from pages import parsed

from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import NARROW, NBSP, typeset
from mssante_audit.findings.catalogue import FAILED, SOURCES
from mssante_audit.findings.causes import causes
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report.charts import Chart
from mssante_audit.report.findings import family, findings_table, lacks, opening, scope
from mssante_audit.report.html import names
from mssante_audit.report.notebook import Report
from mssante_audit.report.results import EVERYBODY
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains_of
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.make import build, whitelist_xml

DN = "dn_consistency"
LIST = whitelist_xml(build(domains=20, operators=4, defects=False))


@pytest.fixture(scope="module")
def space():
    return TrustSpace(load_whitelist(LIST), datetime(2026, 3, 5, 6, tzinfo=UTC))


@pytest.fixture
def entries(space):
    return space.audited


def text(html):
    page = parsed(html if isinstance(html, str) else html._repr_html_())
    return re.sub(rf"[{NBSP}{NARROW}]", " ", page.text_content())


def first_screen(name, space, findings, *idents):
    frame, entries = framed(findings, space.entries), space.audited
    report = Report(name, space, EVERYBODY, entries, frame, (), 5)
    if name == "overview":
        vars(report).update(verdicts=domains_of(space, frame), causes=causes(frame, entries))
    variables = {"space": space, "entries": entries, "findings": frame, "report": report}
    variables["domains"] = report.domains
    cells = [("answer",), ("first-cause",)] if name == "overview" and not idents else [idents or ("answer",)]
    return " ".join(text(shown(name, *cell, **variables)) for cell in cells)


def section(space, name, *findings):
    rules = family(name)
    return findings_table(framed(findings, space.entries), rules, lacking=lacks(space, rules), limit=5)


def title(code):
    """The title of a rule as `first_screen` has it: with plain blanks."""
    return " ".join(rule(code).title_fr.split())


def test_what_a_report_says_first(space, entries):
    signed = replace(space.whitelist)
    vars(signed)["signature"] = replace(space.whitelist.signature, status="valid")
    sure = TrustSpace(signed, space.as_of)
    row, other = (int(entries["row"].iloc[place]) for place in (0, -1))
    spellings, luhn = made("DN_SPELLINGS", (row, other)), made("DN_ID_LUHN", (row,))
    whole, name = entries["domain"].nunique(), entries["operator"].iloc[0]
    touched = "est touché par une erreur ou un défaut critique. Le plus grave : "
    for report, judged, findings, sentences in (
        (DN, space, (), ["Aucun constat : rien à corriger d’après les règles de cet audit."]),
        (DN, space, (spellings, luhn),
         [f"1 domaine sur {whole} (", f"{touched}{title('DN_ID_LUHN')}, 1 constat, 1 domaine."]),
        (DN, space, (spellings,),
         [f"0 domaine sur {whole} (0 %) {touched}{title('DN_SPELLINGS')}, 1 constat, 2 domaines."]),
        ("overview", sure, (),
         ["0 à corriger, 0 en urgence. Rien à corriger parmi ce qui a pu être vérifié."]),
        ("overview", sure, (spellings, luhn),
         [f"{whole - 2} domaines sur {whole} (",
          "sont en règle ; 1 à corriger, 1 en urgence. À traiter d’abord : "
          f"{title('DN_ID_LUHN')}, {name} (1 domaine)."]),
        # Of a list not to be relied on no domain is said to be well.
        ("overview", space, (luhn, made("LIST_UNSIGNED")),
         [f"Inconnu pour {whole} domaines sur {whole} : la liste n’est pas signée. À traiter d’abord : ",
          f"{title('LIST_UNSIGNED')} ({whole} domaines)."]),
    ):  # fmt: skip
        seen = first_screen(report, judged, findings)
        assert all(sentence in seen for sentence in sentences), seen
        assert seen.endswith(sentences[-1])


def test_scope_tells_what_was_set_aside_and_of_a_damaged_list(space, entries):
    aside = int(space.entries["is_audit_entry"].sum())
    assert aside
    sentence = text(scope(space, entries))
    of = f"Audit de {len(entries)} entrées de la liste ({len(space.entries)} lignes lues)"
    assert sentence.startswith(f"{of} ; {aside} ")
    assert sentence.endswith("Situation au 5 mars 2026.")
    damaged = TrustSpace(replace(space.whitelist, damaged=True, damage="cut"), space.as_of)
    assert f"{len(entries)} entrées d’une liste endommagée" in text(scope(damaged, entries))


def test_a_report_on_one_operator_says_so_first(space, entries):
    of_one = entries[entries["operator_id"] == entries["operator_id"].iloc[0]]
    assert 0 < len(of_one) < len(entries)
    name = of_one["operator"].iloc[0]
    assert text(opening(space, of_one)).startswith(f"Rapport limité à l’opérateur {name} (")
    assert text(opening(space, entries)).startswith("Audit de ")
    assert "n’a que des entrées de test" in text(opening(space, of_one.head(0)))


def test_a_list_without_a_date_has_no_age_and_one_of_the_future_is_not_said_to_be_old(space):
    undated = TrustSpace(replace(space.whitelist, generated_at=None), space.as_of)
    early = TrustSpace(space.whitelist, datetime(2026, 3, 1, 6, tzinfo=UTC))
    for of, age in ((space, "3 jours"), (undated, "inconnu"), (early, "à venirdu 2 mars 2026")):
        assert f"Âge de la liste{age}" in first_screen("overview", of, (), "figures")
    assert "0 ligne porte une date postérieure" in first_screen("overview", undated, (), "age-warning")


def test_a_family_without_a_finding_takes_one_line(space):
    html = section(space, "Identifiant de la structure")
    assert text(html).startswith("Aucun constat. Vérifié : ")
    assert "<table" not in html
    assert html.count("<p") == 1


@pytest.mark.parametrize(("failed", "luhn"), [((), "aucun constat"), ((made(FAILED),), "inconnu")])
def test_families_that_found_nothing_are_a_folded_line_each_below_the_others(space, failed, luhn):
    """What nobody looked at, or an audit that failed, is not said to have found nothing."""
    frame = framed((made("DN_SPELLINGS", (1, 2)), *failed), space.entries)
    frame.loc[frame["rule"] == FAILED, "audit"] = DN
    report = Report(DN, space, EVERYBODY, space.audited, frame, (), 5)
    quiet, mail = "Identifiant de la structure", "Zone du gestionnaire"
    firing = "Un certificat, plusieurs écritures"
    page = parsed(report.sections(quiet, mail, firing))
    assert [h.text_content() for h in page.iter("h2")] == [firing, "Autres familles de règles"]
    folded = page.xpath("//h2[2]/following-sibling::details")
    lines = [" ".join(line.findtext("summary").replace(NBSP, " ").split()) for line in folded]
    assert lines == [f"{quiet} : {luhn}", f"{mail} : inconnu"]
    assert ("ou non évalué" in text(report.sections(quiet))) == (luhn == "inconnu")
    listed = replace(space.whitelist, damage_kinds=("cut",))
    cut = replace(report, space=TrustSpace(listed, space.as_of), every=frame[:0])
    lines = text(cut.sections("Lignes répétées et dates", quiet))
    assert "Lignes répétées et dates : inconnu" in lines, "some of its rules compare rows"
    assert f"{quiet} : aucun constat" in lines


def test_the_overview_says_what_nobody_looked_at(space):
    sentence = first_screen("overview", space, (), "answer", "unverified")
    assert "rien à corriger" not in first_screen("overview", space, ())
    assert "Délégation ou redirection (DNS) (aucune observation du DNS)" in sentence
    assert "mssante-audit observe" in sentence


@pytest.mark.parametrize(("named", "lacking", "do"), toml("space/cases")["families"])
def test_a_family_that_nobody_looked_at_is_not_said_to_be_right(space, named, lacking, do):
    sentence = text(section(space, named))
    assert sentence.startswith("Non vérifié, et donc inconnu : ")
    assert lacking in sentence
    assert do in sentence
    assert "Aucun constat" not in sentence


@pytest.mark.parametrize(
    ("name", "lacking"),
    [("delegation_vs_redirection", "aucune observation"), ("declarations", "aucun registre")],
)
def test_a_report_without_its_data_counts_nothing_and_says_so(tmp_path, name, lacking):
    (tmp_path / "list.xml").write_bytes(LIST)
    settings = dict.fromkeys(("as_of", "operator", "region", "department", "signer")) | {
        "recover": False, "any_namespace": False, "data": str(tmp_path), "anchors": [], "contacts": "none",
        "row_limit": 5, "concentration_min": 50, "listing_days": 10, "observation_max_age_days": 7,
    }  # fmt: skip
    idents = [cell["id"] for cell in cells(name) if cell["cell_type"] == "code"][2:-1]
    for last in range(1, len(idents) + 1):
        value = shown(name, *idents[:last], **settings)
        html = value.html() if isinstance(value, Chart) else value._repr_html_()
        assert "rien à corriger" not in html
        assert "0 critique" not in text(html)
        if idents[last - 1] == "answer":
            assert text(html).startswith("Non vérifié, et donc inconnu : ")
            assert lacking in text(html)


def test_a_section_tells_why_what_and_what_to_do(space, entries):
    luhn = made("DN_ID_LUHN", (int(entries["row"].iloc[0]),), "vu")
    html = section(space, "Identifiant de la structure", luhn, made("DN_SPELLINGS", (1,)))
    assert len(parsed(html).xpath("//tbody/tr")) == 1
    words, whole = rule("DN_ID_LUHN"), text(html)
    order = [words.remedy_fr[:40], "Constats : Identifiant", "Pourquoi", words.why_fr[:40], "Sans constat"]
    positions = [whole.index(text(typeset(piece))) for piece in order]
    assert positions == sorted(positions)
    assert "Fondement :" in whole


def test_an_unknown_family_is_refused_and_every_source_of_a_rule_has_a_french_name():
    with pytest.raises(UnknownNameError, match="Identifiant de la structure"):
        family("Famille inconnue")
    named = names("sources")
    assert {name.partition(":")[0] for name in named} == set(SOURCES)
    for r in catalogue().values():
        assert sum(r.source.startswith(name) for name in SOURCES) == 1
        assert any(r.source.startswith(name) for name in named)
