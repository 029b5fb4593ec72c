"""The facts of a dossier: of one operator, the same as the reports', peers without a face."""

import re
from dataclasses import replace

import lxml.html
import pandas as pd
import pytest
from cells import plain
from made_up import make_space
from test_certificates import ALPHA, BETA_DN, ONE, Wires, of

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.language import LANGUAGES
from mssante_audit.dossiers.belongings import ELSEWHERE, dossier_words
from mssante_audit.dossiers.facts import ANOTHER, dossier
from mssante_audit.dossiers.letter import letter_files, letter_text
from mssante_audit.dossiers.page import section
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.survey import PEERS_MIN, remedy, survey, theirs
from mssante_audit.findings.frame import COLUMNS
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report.results import Limits, touching
from mssante_audit.space.trust import load_space

GROUP, LARGE = "1679900001", "399900000300015"


OURS = "M. FICTIF Zoé, 06 39 98 00 01, zoe.fictif@ch.example, 04 65 71 00 01, dsi@ch.example"


def part(ident, record):
    return section(record, ident, 5)


def of_size(number, domains, **more):
    dn = f"CN=mss.o{number}.example,OU=17599{number:05},O=OPERATEUR {number},ST=Paris (75),C=FR"
    return [{"domain": f"d{i}-o{number}.mssante.fr", "dn": dn, **more} for i in range(domains)]


def test_findings_are_those_of_the_reports_cut_to_ones_own(space):
    for operator_id in sorted(set(space.entries["operator_id"]) - {""}):
        whole = touching(audit_all(space), space, Limits(operator_id))
        findings = dossier(space, operator_id).findings
        assert list(findings.columns) == list(COLUMNS)
        assert findings["rule"].tolist() == whole["rule"].tolist()
        assert set(findings["operator_id"]) <= {operator_id}
        numbers = set(space.entries.loc[space.entries["operator_id"] == operator_id, "row"])
        assert numbers.issuperset(row for rows in findings["rows"] for row in rows)


def test_what_also_touches_others_is_told_without_them(space):
    findings = dossier(space, GROUP).findings.set_index("rule")
    shared = findings.loc["LIST_DOMAIN_OPERATORS"]
    numbers = space.entries.loc[space.entries["operator_id"] == GROUP, "row"].tolist()
    assert (shared["observed"], shared["domains"]) == (ELSEWHERE, 2)
    assert {int(row) for row in shared["evidence"].split(", ")} < set(numbers)
    every = audit_all(space)
    (owner,) = every.loc[every["rule"] == "RECO_OPERATOR", "operator_id"]
    declared = dossier(space, owner).findings.set_index("rule").loc["RECO_OPERATOR"]
    expected = f"Identifiant structure : {owner}"
    assert (declared["observed"], declared["expected"], declared["evidence"]) == (ELSEWHERE, expected, "")
    reconciled = next(point for point in dossier(space, owner).points if "RECO_OPERATOR" in point.rules)
    assert {ELSEWHERE, f"Attendu : {expected}"} <= {plain(line) for line in reconciled.lines}
    assert findings.loc["DN_SHAPE", "observed"].startswith("CN=mss-forme.gcs-cheminsonge.example")


def test_most_of_what_is_told_is_not_hidden_and_who_has_most_is_shown_where_nobody_is_named(space):
    findings = {o: dossier(space, o).findings for o in set(space.entries["operator_id"]) - {""}}
    assert (pd.concat(findings.values())["observed"] == ELSEWHERE).mean() < 0.15
    assert dossier(space, None).operator_id == max(findings, key=lambda operator: len(findings[operator]))
    with pytest.raises(ParameterError, match="about one operator"):
        dossier(make_space({"dn": "CN=sans.example"}), None)
    with pytest.raises(UnknownNameError, match="no operator '1990000009'"):
        dossier(space, "1990000009")


def test_changes_are_ones_own_and_the_other_side_is_not_named(space):
    before = [s for s in space.archive.snapshots if s.generated_at.year == 2025]
    moved = replace(space, as_of=before[-1].generated_at)
    changes = dossier(moved, GROUP).changes
    assert set(changes["kind"]) == {"moved", "contact_changed"}
    assert set(changes.loc[changes["kind"] == "moved", "after"]) == {ANOTHER}
    contacts = changes[changes["kind"] == "contact_changed"]
    assert ANOTHER in set(contacts["after"])
    named = contacts["before"] != ANOTHER  # the list gives some of them to another operator too
    assert named.any()
    assert contacts["before"][named].str.contains("@").all()
    hidden = dossier(replace(moved, contacts="none"), GROUP, masked=True).changes
    assert hidden.loc[contacts.index[named], "before"].str.contains("•••").all()
    assert "landefactice" not in part("changes", dossier(moved, GROUP)).text
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
    listed = dossier(space, "1759900001", masked=True).contacts
    assert shown in set(listed["contact"])


def test_earlier_lists_are_counted_or_said_not_to_be_there(space):
    record = dossier(space, GROUP)
    assert [n for _, n in record.held][:2] == [20, 16]
    assert "16\xa0domaines dans la dernière liste archivée, 20 dans" in part("changes", record).text
    record = dossier(make_space({}), "1759900004")
    assert record.changes is None
    assert "pas de liste antérieure" in part("changes", record).text
    assert "inconnue" in part("domains", record).text


def test_peers_are_those_of_ones_size_and_too_few_are_not_told_of():
    rows = [row for n in range(PEERS_MIN) for row in of_size(n, 1)]
    few = dossier(make_space(*rows), "1759900000")
    assert (few.peers.number, few.peers.medians, few.peers.more) == (0, None, 0)
    assert "trop peu" in part("answer", few).text
    bad = {"project_contact": "", "support_contact": ""}
    space = make_space(*rows, *of_size(PEERS_MIN, 1), *of_size(6, 1, **bad), *of_size(7, 3, **bad))
    peers = dossier(space, "1759900000").peers
    assert (peers.low, peers.high, peers.number, peers.more) == (1, 1, PEERS_MIN + 1, 1)
    counts = survey(space).standing
    others = counts[(counts["domains"] == 1) & (counts.index != "1759900000")]
    assert peers.whole[1] == others["todo"].median()
    assert dossier(space, "1759900006").peers.more == 0
    alone = dossier(space, "1759900007").peers
    assert (alone.low, alone.high, alone.number) == (2, 9, 0)


def test_only_test_entries_are_said_to_be_so_and_who_is_called_as_the_authority_goes_by_its_identifier():
    record = dossier(make_space({}, *of_size(1, 1, domain="cert-expire-audit.mssante.fr")), "1759900001")
    assert len(record.domains) == 1
    assert "entrées de test" in part("answer", record).text
    space = make_space({"dn": "CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR"})
    assert dossier(space, "1759900004").label == "Opérateur 1759900004"


def test_remedies_speak_to_the_operator():
    words = dossier_words()
    assert words["remedies"].keys() == set(LANGUAGES)
    assert len({frozenset(by_code) for by_code in words["remedies"].values()}) == 1
    assert {*words["others"], *words["remedies"]["fr"]} <= catalogue().keys()
    for code in catalogue():
        text = remedy(code)
        assert not re.search("^(Demander à|Appeler) l’opérateur|auprès de l’opérateur|l’analyste", text), code
        if rule(code).severity != "info" and not rule(code).manager and code not in words["others"]:
            assert not re.search("L’opérateur|colonne|gestionnaire|\\bregistre", text), code
    assert remedy("RECO_NOT_DECLARED").startswith("Envoyer l’annexe 1")


def test_what_the_manager_must_do_is_not_asked_of_the_operator(space):
    findings = dossier(space, GROUP).findings
    assert "DNS_PARENT_SERIALS" in set(findings["rule"]) - set(theirs(findings)["rule"])
    assert (theirs(findings)["severity"] > "info").all()


def test_nothing_to_correct_is_said():
    record = dossier(make_space({}), "1759900004")
    record.findings, record.points = record.findings[:0], ()
    answer = part("answer", record).text
    assert "Rien à corriger parmi ce qui a pu être vérifié" in answer, "nobody asked the DNS"
    record.verdicts = record.verdicts.assign(receives="yes", order="ok")
    assert "Rien à corriger : aucun constat" in plain(part("answer", record).text)
    assert record.record().by_rule == {}


def test_what_an_old_observation_showed_is_to_be_confirmed_and_not_corrected(space):
    """The list is old too: its date is told, and its findings stand."""
    old = load_space(as_of="2026-05-20")
    record = dossier(old, "1970490009")
    asked = {code for point in record.points for code in point.rules}
    assert asked
    assert not {code for code in asked if code.startswith(("DNS_", "TLS_"))}
    doubted = record.doubted
    assert all(each["rule"].startswith(("DNS_", "TLS_")) for each in doubted)
    assert not [each for each in record.todo if each in doubted]
    why = "en doute ou trop ancien : observation du DNS et observation TLS."
    assert plain(record.caveat) == f"{len(doubted)} constats restent à confirmer ; {why}"
    text = plain(letter_text(record, {}, Stationery()))
    assert plain(record.caveat) in text
    assert f"{len(record.points)} points à corriger" in text
    assert record.caveat in lxml.html.fromstring(part("answer", record).text).text_content()
    assert f"{len(doubted)}\xa0constats à confirmer" in part("correct", record).text
    assert survey(old).standing.loc["1970490009", "todo"] == len(record.points)
    record.points = ()
    assert "Rien à corriger" not in part("answer", record).text
    assert "dont nous soyons sûrs" in plain(letter_text(record, {}, Stationery()))
    fresh = dossier(space, "1970490009")
    assert (fresh.caveat, len(fresh.doubted)) == ("", 0)
    assert "à confirmer" not in letter_text(fresh, {}, Stationery())


# -- certificates -----------------------------------------------------------------------------------

CN, OTHER_CN = (dn.split(",")[0].removeprefix("CN=") for dn in (ALPHA["dn"], BETA_DN))


def presenting(folder, dn, days):
    """The dossier of an operator whose server presents a certificate, its section and its letter."""
    wires = Wires(folder)
    wires.presents(ONE, of(dn, days=days))
    record = dossier(wires.space(), "1759900004")
    return record, part("certificates", record).text, plain(letter_files(record)[".txt"].decode())


def test_the_letter_tells_when_ones_own_certificates_end_and_asks_for_a_renewal_in_two_steps(tmp_path):
    _, page, text = presenting(tmp_path, ALPHA["dn"], 80)
    assert f"- {CN} : le 22 mars 2026, 1 domaine sans autre certificat." in text
    assert OTHER_CN not in text
    assert text.index("Le certificat : en demander un nouveau") < text.index("La liste :")
    assert "n’installer le nouveau certificat qu’alors" in text
    assert "22\xa0mars\xa02026" in page
    assert "22/03/2026" in page


def test_what_is_over_is_said_to_be_and_what_was_not_visited_is_not_known(tmp_path):
    _, page, text = presenting(tmp_path, ALPHA["dn"], 50)
    assert "le 20 février 2026 (il y a " in text
    assert "un certificat qui a pris fin, et nul autre" in page
    blind = dossier(Wires(tmp_path).scene.space(), "1759900004")
    assert blind.presented is None
    assert "n’ont pas été visités" in part("certificates", blind).text


def test_anothers_certificate_on_ones_own_server_is_not_ones_own(tmp_path):
    record, page, text = presenting(tmp_path, BETA_DN, 80)
    assert record.presented is not None
    assert record.presented.empty
    assert "Fin des certificats" not in text
    assert "Aucun de vos certificats" in page
