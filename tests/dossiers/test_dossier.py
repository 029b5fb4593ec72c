"""The facts of a dossier: of one operator, the same as the reports', peers without a face."""

from __future__ import annotations

import re
from dataclasses import replace

import lxml.html
import pandas as pd
import pytest
from made_up import make_space

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.language import LANGUAGES
from mssante_audit.dossiers.belongings import ELSEWHERE
from mssante_audit.dossiers.facts import ANOTHER, dossier
from mssante_audit.dossiers.letter import letter_text
from mssante_audit.dossiers.page import section
from mssante_audit.dossiers.remedies import dossier_words, remedy, theirs
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.survey import PEERS_MIN, survey
from mssante_audit.findings.frame import COLUMNS
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report.results import Limits, touching
from mssante_audit.space.trust import load_space

GROUP, LARGE = "1679900001", "399900000300015"


@pytest.fixture(scope="module")
def space(sample_space):
    return sample_space


OURS = "M. FICTIF Zoé, 06 39 98 00 01, zoe.fictif@ch.example, 04 65 71 00 01, dsi@ch.example"


def part(ident, made):
    """A section of a dossier's page."""
    return section(made, ident, 5)


def flat(text):
    return " ".join(text.replace("\xa0", " ").split())


def of_size(number, domains, **more):
    """Return the rows of an operator with so many domains."""
    identifier = f"17599{number:05}"
    return [
        {
            "domain": f"d{i}-o{number}.mssante.fr",
            "dn": f"CN=mss.o{number}.example,OU={identifier},O=OPERATEUR {number},ST=Paris (75),C=FR",
            **more,
        }
        for i in range(domains)
    ]


def test_findings_are_those_of_the_reports_cut_to_ones_own(space):
    for operator_id in sorted(set(space.entries["operator_id"]) - {""}):
        whole = touching(audit_all(space), space, Limits(operator_id))
        made = dossier(space, operator_id).findings
        assert list(made.columns) == list(COLUMNS)
        assert made["rule"].tolist() == whole["rule"].tolist()
        assert set(made["operator_id"]) <= {operator_id}
        own = set(space.entries.loc[space.entries["operator_id"] == operator_id, "row"])
        assert own.issuperset(row for rows in made["rows"] for row in rows)


def test_what_also_touches_others_is_told_without_them(space):
    found = dossier(space, GROUP).findings.set_index("rule")
    shared = found.loc["LIST_DOMAIN_OPERATORS"]
    own = space.entries.loc[space.entries["operator_id"] == GROUP, "row"].tolist()
    assert (shared["observed"], shared["domains"]) == (ELSEWHERE, 2)
    assert {int(row) for row in shared["evidence"].split(", ")} < set(own)
    every = audit_all(space)
    (owner,) = every.loc[every["rule"] == "RECO_OPERATOR", "operator_id"]
    declared = dossier(space, owner).findings.set_index("rule").loc["RECO_OPERATOR"]
    expected = f"Identifiant structure : {owner}"
    assert (declared["observed"], declared["expected"], declared["evidence"]) == (ELSEWHERE, expected, "")
    assert found.loc["DN_SHAPE", "observed"].startswith("CN=mss-forme.gcs-cheminsonge.example")


def test_most_of_what_is_told_is_not_hidden_and_who_has_most_is_shown_where_nobody_is_named(space):
    findings = {o: dossier(space, o).findings for o in set(space.entries["operator_id"]) - {""}}
    assert (pd.concat(findings.values())["observed"] == ELSEWHERE).mean() < 0.15
    assert dossier(space, None).operator_id == max(findings, key=lambda operator: len(findings[operator]))


def test_nobody_is_refused(space):
    with pytest.raises(ParameterError, match="about one operator"):
        dossier(make_space({"dn": "CN=sans.example"}), None)
    with pytest.raises(UnknownNameError, match="no operator '1990000009'"):
        dossier(space, "1990000009")


def test_changes_are_ones_own_and_the_other_side_is_not_named(space):
    archive = space.archive
    before = [s for s in archive.snapshots if s.generated_at.year == 2025]
    moved = replace(space, as_of=before[-1].generated_at)
    made = dossier(moved, GROUP).changes
    assert set(made["kind"]) == {"moved", "contact_changed"}
    assert set(made.loc[made["kind"] == "moved", "after"]) == {ANOTHER}
    contacts = made[made["kind"] == "contact_changed"]
    assert ANOTHER in set(contacts["after"])
    own = contacts["before"] != ANOTHER  # the list gives some of them to another operator too
    assert own.any()
    assert contacts["before"][own].str.contains("@").all()
    hidden = dossier(replace(moved, contacts="none"), GROUP, masked=True).changes
    assert hidden.loc[contacts.index[own], "before"].str.contains("•••").all()
    html = part("changes", dossier(moved, GROUP)).text
    assert "landefactice" not in html
    assert len(dossier(moved, "1959900002").changes) == 0


@pytest.mark.parametrize(
    ("contacts", "shown"),
    [
        ("none", "•••, 06 •• •• •• 01, z•••@ch.example, 04 •• •• •• 01, d•••@ch.example"),
        ("services", "•••, 06 •• •• •• 01, z•••@ch.example, 04 65 71 00 01, dsi@ch.example"),
        ("all", OURS),
    ],
)
def test_masked_it_shows_the_contacts_that_the_space_shows(contacts, shown):
    space = replace(make_space(*of_size(1, 1, project_contact=OURS, support_contact="")), contacts=contacts)
    made = dossier(space, "1759900001", masked=True).contacts
    assert shown in set(made["contact"])


def test_without_an_archive_there_is_nothing_to_compare():
    made = dossier(make_space({}), "1759900004")
    assert made.changes is None
    assert "pas de liste antérieure" in part("changes", made).text
    assert "n’est pas connue" in part("changes", made).text
    assert "inconnue" in part("domains", made).text


def test_domains_are_counted_in_earlier_lists(space):
    made = dossier(space, GROUP)
    assert [n for _, n in made.held][:2] == [20, 16]
    assert "16\xa0domaines dans la dernière liste archivée, 20 dans" in part("changes", made).text


def test_too_few_peers_are_not_told_of():
    rows = [row for n in range(PEERS_MIN) for row in of_size(n, 1)]
    few = dossier(make_space(*rows), "1759900000")
    assert (few.peers.number, few.peers.medians, few.peers.more) == (0, None, 0)
    assert "trop peu" in part("answer", few).text
    more = dossier(make_space(*rows, *of_size(PEERS_MIN, 1)), "1759900000").peers
    assert more.number == PEERS_MIN


def test_peers_are_those_of_ones_size_and_counted_rightly():
    bad = {"project_contact": "", "support_contact": ""}
    rows = [row for n in range(6) for row in of_size(n, 1)]
    space = make_space(*rows, *of_size(6, 1, **bad), *of_size(7, 3, **bad))
    peers = dossier(space, "1759900000").peers
    assert (peers.low, peers.high, peers.number) == (1, 1, 6)
    assert peers.more == 1
    counts = survey(space).standing
    others = counts[(counts["domains"] == 1) & (counts.index != "1759900000")]
    assert peers.whole[1] == others["todo"].median()
    assert dossier(space, "1759900006").peers.more == 0
    alone = dossier(space, "1759900007").peers
    assert (alone.low, alone.high, alone.number) == (2, 9, 0)


def test_tables_with_bars_tell_numbers_and_no_other(space):
    made = dossier(space, GROUP)
    for text in (part(name, made).text for name in ("certificates", "peers")):
        assert "<img" not in text
        assert re.search(r"<caption>[^<]+\.</caption>", text)
        assert "LANDEFACTICE" not in text
    page = lxml.html.fromstring(part("certificates", made).text)
    first = page.xpath("//table[@id='certificates']/tbody/tr[1]/*")
    assert [cell.text_content() for cell in first][::2] == ["mss-1.gcs-cheminsonge.example", "8"]
    assert "5 premières lignes sur 13" in part("certificates", dossier(space, LARGE)).text


def test_only_test_entries_are_said_to_be_so_and_who_is_called_as_the_authority_goes_by_its_identifier():
    made = dossier(make_space({}, *of_size(1, 1, domain="cert-expire-audit.mssante.fr")), "1759900001")
    assert len(made.domains) == 1
    assert "entrées de test" in part("answer", made).text
    space = make_space({"dn": "CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR"})
    assert dossier(space, "1759900004").label == "Opérateur 1759900004"


def test_remedies_speak_to_the_operator():
    for code in catalogue():
        assert not remedy(code).startswith(("Demander à l’opérateur", "Appeler l’opérateur"))
        assert not re.search("auprès de l’opérateur|l’analyste", remedy(code)), code
        if rule(code).severity != "info" and not rule(code).manager and code not in dossier_words()["others"]:
            assert not re.search("L’opérateur|colonne|gestionnaire|\\bregistre", remedy(code)), code
    assert remedy("RECO_NOT_DECLARED").startswith("Envoyer l’annexe 1")
    assert remedy("LIST_ROW_DUPLICATE") == catalogue()["LIST_ROW_DUPLICATE"].remedy_fr.strip()


def test_what_the_manager_must_do_is_not_asked_of_the_operator(space):
    findings = dossier(space, GROUP).findings
    assert "DNS_PARENT_SERIALS" in set(findings["rule"]) - set(theirs(findings)["rule"])
    assert (theirs(findings)["severity"] > "info").all()


def test_what_dossiers_say_of_rules_names_rules():
    by_language = dossier_words()["remedies"]
    assert by_language.keys() == set(LANGUAGES)
    assert len({frozenset(made) for made in by_language.values()}) == 1
    assert {*dossier_words()["others"], *by_language["fr"]} <= catalogue().keys()


def test_nothing_to_correct_is_said():
    made = dossier(make_space({}), "1759900004")
    made.findings, made.points = made.findings[:0], ()
    assert "Rien à corriger" in part("answer", made).text
    assert made.record().by_rule == {}


def test_what_an_old_observation_showed_is_to_be_confirmed_and_not_corrected(space):
    """The list is old too: its date is told, and its findings stand."""
    old = load_space(as_of="2026-05-20")
    made = dossier(old, "1970490009")
    asked = {code for point in made.points for code in point.rules}
    assert asked
    assert not {code for code in asked if code.startswith(("DNS_", "TLS_"))}
    doubted = made.doubted
    assert all(each["rule"].startswith(("DNS_", "TLS_")) for each in doubted)
    assert not [each for each in made.todo if each in doubted]
    why = "en doute ou trop ancien : observation du DNS et observation TLS."
    assert flat(made.caveat) == f"{len(doubted)} constats restent à confirmer ; {why}"
    text = flat(letter_text(made, {}, Stationery()))
    assert flat(made.caveat) in text
    assert f"{len(made.points)} points à corriger" in text
    assert made.caveat in lxml.html.fromstring(part("answer", made).text).text_content()
    assert f"{len(doubted)}\xa0constats à confirmer" in part("correct", made).text
    assert survey(old).standing.loc["1970490009", "todo"] == len(made.points)
    alone = dossier(old, "1970490009")
    alone.points = ()
    assert "Rien à corriger" not in part("answer", alone).text
    assert "dont nous soyons sûrs" in flat(letter_text(alone, {}, Stationery()))
    fresh = dossier(space, "1970490009")
    assert (fresh.caveat, len(fresh.doubted)) == ("", 0)
    assert "à confirmer" not in letter_text(fresh, {}, Stationery())
