import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cells import cells, shown
from lxml import html as lxml_html
from made_findings import framed, made

from mssante_audit import AUDITS
from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import NARROW, NBSP, typeset
from mssante_audit.findings.catalogue import SOURCES
from mssante_audit.findings.causes import causes
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report.charts import Chart
from mssante_audit.report.findings import SOURCES as NAMED
from mssante_audit.report.findings import family, findings_table, lacks, opening, scope
from mssante_audit.report.first import checks
from mssante_audit.report.notebook import Report
from mssante_audit.report.results import EVERYBODY
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains_of
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.make import build, whitelist_xml

DN = "dn_consistency"


@pytest.fixture(scope="module")
def space():
    whitelist = load_whitelist(whitelist_xml(build(domains=20, operators=4, defects=False)))
    return TrustSpace(whitelist, datetime(2026, 3, 5, 6, tzinfo=UTC))


@pytest.fixture
def entries(space):
    return space.audited


def text(html):
    page = parsed(html if isinstance(html, str) else html._repr_html_())
    return re.sub(rf"[{NBSP}{NARROW}]", " ", page.text_content())


def frame(space, *findings):
    return framed(findings, space.entries)


def parsed(html):
    return lxml_html.fromstring(f"<main>{html}</main>")


def of_one(entries):
    return entries[entries["operator_id"] == entries["operator_id"].iloc[0]]


def first_screen(name, space, entries, findings, *idents):
    """What cells of a notebook's first screen say of findings."""
    report = Report(name, space, EVERYBODY, entries, findings, (), 5)
    if name == "overview":
        verdicts = domains_of(space, findings)
        verdicts = verdicts[verdicts["domain"].isin(entries["domain"])]
        vars(report).update(verdicts=verdicts, causes=causes(findings, entries))
    given = {"space": space, "entries": entries, "findings": findings, "report": report}
    given["domains"] = report.domains
    cells = [("answer",), ("first-cause",)] if name == "overview" and not idents else [idents or ("answer",)]
    return " ".join(text(shown(name, *cell, **given)) for cell in cells)


def section(space, findings, name):
    rules = family(name)
    return findings_table(findings, rules, lacking=lacks(space, rules), limit=5)


def title(code):
    """The title of a rule as `first_screen` has it: with plain blanks."""
    return " ".join(rule(code).title_fr.split())


def test_the_lead_names_the_worst_and_how_far_errors_reach(space, entries):
    row, other = entries["row"].iloc[0], entries["row"].iloc[-1]
    assert entries["domain"].iloc[0] != entries["domain"].iloc[-1]
    domains = entries["domain"].nunique()
    findings = frame(space, made("DN_SPELLINGS", (row, other)), made("DN_ID_LUHN", (row,)))
    lead, touched = (
        first_screen(DN, space, entries, findings),
        "est touché par une erreur ou un défaut critique.",
    )
    assert lead.startswith(f"1 domaine sur {domains} (")
    assert lead.endswith(f"{touched} Le plus grave : {title('DN_ID_LUHN')}, 1 constat, 1 domaine.")
    assert first_screen(DN, space, entries, findings[findings["rule"] == "DN_SPELLINGS"]) == (
        f"0 domaine sur {domains} (0 %) {touched} Le plus grave : "
        f"{rule('DN_SPELLINGS').title_fr}, 1 constat, 2 domaines."
    )


@pytest.fixture
def sure(space):
    """The same space, of a list that can be relied on."""
    signed = replace(space.whitelist)
    vars(signed)["signature"] = replace(space.whitelist.signature, status="valid")
    return TrustSpace(signed, space.as_of)


def test_the_overview_counts_domains_by_state_and_names_the_first_cause(sure, entries):
    row, other = entries["row"].iloc[0], entries["row"].iloc[-1]
    findings = frame(sure, made("DN_SPELLINGS", (row, other)), made("DN_ID_LUHN", (row,)))
    domains, name = entries["domain"].nunique(), entries["operator"].iloc[0]
    lead = first_screen("overview", sure, entries, findings)
    assert lead.startswith(f"{domains - 2} domaines sur {domains} (")
    assert lead.endswith(
        "sont en règle ; 1 à corriger, 1 en urgence. À traiter d’abord : "
        f"{title('DN_ID_LUHN')}, {name} (1 domaine)."
    )
    nothing = first_screen("overview", sure, entries, frame(sure))
    assert nothing.endswith("0 à corriger, 0 en urgence. Rien à corriger parmi ce qui a pu être vérifié.")


def test_of_a_list_not_to_be_relied_on_no_domain_is_said_to_be_well(space, entries):
    domains = entries["domain"].nunique()
    found = frame(space, made("DN_ID_LUHN", (int(entries["row"].iloc[0]),)), made("LIST_UNSIGNED"))
    assert first_screen("overview", space, entries, found) == (
        f"Inconnu pour {domains} domaines sur {domains} : la liste n’est pas signée. "
        f"À traiter d’abord : {rule('LIST_UNSIGNED').title_fr} ({domains} domaines)."
    )


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
    own = of_one(entries)
    assert 0 < len(own) < len(entries)
    name = own["operator"].iloc[0]
    assert text(opening(space, own)).startswith(f"Rapport limité à l’opérateur {name} (")
    assert text(opening(space, entries)).startswith("Audit de ")
    assert "n’a que des entrées de test" in text(opening(space, own.head(0)))


def test_overview_has_its_figures_and_counts(space, entries):
    figures = first_screen("overview", space, entries, frame(space), "figures")
    for figure in (
        f"Domaines{entries['domain'].nunique()}{len(entries)} entrées",
        f"Opérateurs{entries['operator_id'].nunique()}",
        f"Certificats{entries['dn_key'].nunique()}",
        "Signatureabsente",
        "Âge de la liste3 joursdu 2 mars 2026",
    ):
        assert figure in figures
    assert "0 critique" in first_screen("overview", space, entries, frame(space), "severities")


def test_a_list_without_a_date_has_no_age_and_one_of_the_future_is_not_said_to_be_old(space, entries):
    undated = TrustSpace(replace(space.whitelist, generated_at=None), space.as_of)
    early = TrustSpace(space.whitelist, datetime(2026, 3, 1, 6, tzinfo=UTC))
    for of, age in ((undated, "inconnu"), (early, "à venirdu 2 mars 2026")):
        assert f"Âge de la liste{age}" in first_screen("overview", of, entries, frame(space), "figures")
    warned = first_screen("overview", undated, entries, frame(space), "age-warning")
    assert "0 ligne porte une date postérieure" in warned


def test_answer_tells_the_extent(space, entries):
    rows = tuple(entries["row"].head(2))
    findings = frame(space, made("DN_SPELLINGS", rows), made("DN_DEPARTMENT_FORM", rows))
    figures = first_screen(DN, space, entries, findings, "figures")
    assert "À traiter2sur 2 constats" in figures
    assert f"Domaines touchés{entries['domain'].head(2).nunique()}" in figures


def test_nothing_found_is_good_news_and_a_family_without_a_finding_takes_one_line(space, entries):
    nothing = "Aucun constat : rien à corriger d’après les règles de cet audit."
    assert first_screen(DN, space, entries, frame(space)) == nothing
    html = section(space, frame(space), "Identifiant de la structure")
    assert text(html).startswith("Aucun constat. Vérifié : ")
    assert "<table" not in html
    assert html.count("<p") == 1


@pytest.mark.parametrize(
    ("named", "lacking", "do"),
    [
        ("Serveurs de messagerie (MX)", "aucune observation du DNS", "mssante-audit observe"),
        ("Présence dans la liste", "aucun registre de déclarations", "declarations.csv"),
        ("Contacts que l’archive montre périmés", "aucune liste archivée", "mssante-audit fetch"),
    ],
)
def test_a_family_that_nobody_looked_at_is_not_said_to_be_right(space, named, lacking, do):
    sentence = text(section(space, frame(space), named))
    assert sentence.startswith("Non vérifié, et donc inconnu : ")
    assert lacking in sentence
    assert do in sentence
    assert "Aucun constat" not in sentence


def test_the_overview_says_what_nobody_looked_at(space, entries):
    sentence = first_screen("overview", space, entries, frame(space), "answer", "unverified")
    assert "rien à corriger" not in first_screen("overview", space, entries, frame(space))
    assert "Délégation ou redirection (DNS) (aucune observation du DNS)" in sentence
    assert "mssante-audit observe" in sentence
    page = parsed(checks(domains_of(space, frame(space)), causes(frame(space), entries)))
    cells = {row.findtext("th"): text(row.xpath("td")[0].text_content()) for row in page.find(".//tbody")}
    whole = entries["domain"].nunique()
    assert cells["DNS"] == f"? {whole} inconnus"
    assert cells["Certificat"] == f"✔ {whole} en ordre"


@pytest.mark.parametrize(
    ("name", "lacking"),
    [("delegation_vs_redirection", "aucune observation"), ("declarations", "aucun registre")],
)
def test_a_report_without_its_data_counts_nothing_and_says_so(tmp_path, name, lacking):
    (tmp_path / "list.xml").write_bytes(whitelist_xml(build(domains=20, operators=4, defects=False)))
    given = dict.fromkeys(("as_of", "operator", "region", "department", "signer")) | {
        "recover": False, "any_namespace": False, "data": str(tmp_path), "anchors": [], "contacts": "none",
        "row_limit": 5, "concentration_min": 50, "listing_days": 10, "observation_max_age_days": 7,
    }  # fmt: skip
    idents = [cell["id"] for cell in cells(name) if cell["cell_type"] == "code"][2:-1]
    for last in range(1, len(idents) + 1):
        value = shown(name, *idents[:last], **given)
        html = value.html() if isinstance(value, Chart) else value._repr_html_()
        assert "rien à corriger" not in html
        assert "0 critique" not in text(html)
        if idents[last - 1] == "answer":
            assert text(html).startswith("Non vérifié, et donc inconnu : ")
            assert lacking in text(html)


def test_a_section_tells_why_what_and_what_to_do(space, entries):
    luhn = made("DN_ID_LUHN", (int(entries["row"].iloc[0]),), "vu")
    html = section(space, frame(space, luhn, made("DN_SPELLINGS", (1,))), "Identifiant de la structure")
    assert len(parsed(html).xpath("//tbody/tr")) == 1
    words, whole = rule("DN_ID_LUHN"), text(html)
    order = [words.remedy_fr[:40], "Constats : Identifiant", "Pourquoi", words.why_fr[:40], "Sans constat"]
    positions = [whole.index(text(typeset(piece))) for piece in order]
    assert positions == sorted(positions)
    assert "Fondement :" in whole


def test_rules_are_of_an_audit_and_an_unknown_family_is_refused():
    with pytest.raises(UnknownNameError, match="Identifiant de la structure"):
        family("Famille inconnue")
    assert {r.audit for r in catalogue().values()} == {*AUDITS, ""}  # "": that a rule failed


def test_every_source_of_a_rule_has_a_french_name():
    assert {name.partition(":")[0] for name in NAMED} == set(SOURCES)
    for r in catalogue().values():
        assert sum(r.source.startswith(name) for name in SOURCES) == 1
        assert any(r.source.startswith(name) for name in NAMED)


def test_what_to_fix_first_is_the_gravest_that_touches_most_information_and_hints_aside(space, entries):
    rows = entries["row"].tolist()
    findings = frame(
        space,
        *(made("DN_ID_LUHN", (row,)) for row in rows[:5]),
        made("DN_ID_LUHN", tuple(rows[:9])),
        *(made("DN_SPELLINGS", (row,)) for row in rows[:9]),
        made("DN_O_TRUNCATED", tuple(rows)),
        made("LIST_SIGNATURE_INVALID"),
        made("DN_ID_LUHN", tuple(rows), confidence="hint"),
    )
    page = parsed(fixed_first(space, entries, findings))
    titles = [strong.text_content() for strong in page.xpath("//ol[@class='causes']/li/div/p/strong")]
    named = [rule(code).title_fr for code in ("LIST_SIGNATURE_INVALID", "DN_ID_LUHN", "DN_SPELLINGS")]
    operators = entries[entries["row"].isin(rows[:9])]["operator_id"].nunique()
    assert titles[0] == named[0]
    assert titles[1:] == sorted(titles[1:], key=named.index)
    assert set(titles) == set(named)
    assert len(titles) <= 1 + 2 * operators
    weight = text(page.xpath("//li[1]//p[@class='weight']")[0].text_content())
    assert weight == f"{entries['domain'].nunique()} domaines"
    assert text(fixed_first(space, entries, frame(space))) == "Rien à corriger."


def fixed_first(space, entries, findings):
    report = Report("overview", space, EVERYBODY, entries, findings, (), 5)
    vars(report)["causes"] = causes(findings, entries)
    return shown("overview", "fix-first", report=report)


def test_what_to_fix_first_counts_the_report_s_own_domains(space, entries):
    own = of_one(entries)
    findings = frame(space, made("DN_SPELLINGS", tuple(entries["row"].tolist())))
    page = parsed(fixed_first(space, own, findings))
    extent = text(page.xpath("//p[@class='weight']")[0].text_content())
    assert extent == f"{own['domain'].nunique()} domaines"
