"""The form's rules: each fires on a declaration that breaks it and only it, and stays silent beside it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from in_clear import told_in_clear
from made_up import make_space

from mssante_audit.audits.declarations.rules import form_findings
from mssante_audit.declarations.register import Register, load_declarations
from mssante_audit.findings.frame import findings_frame
from mssante_audit.findings.words import worded

AS_OF = datetime(2026, 3, 3)
NO_ENTRIES = pd.DataFrame({name: [] for name in ("row", "domain", "operator_id", "operator")})
DN = "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"
CPS = "CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR"

ALPHA: dict[str, Any] = {
    "contract_number": "0123456789", "structure_name": "CH ALPHA", "structure_id": "1759900004",
    "beneficiary_id": "", "representative_last_name": "FICTIVE", "representative_first_name": "Zoé",
    "postal_address": "1 rue de la Fiction, 75000 Paris", "representative_phone": "01 99 00 00 01",
    "representative_email": "zoe.fictive@alpha.example", "project_manager_last_name": "MODELE",
    "project_manager_first_name": "Ida", "project_manager_phone": "01 99 00 00 02",
    "project_manager_email": "ida.modele@alpha.example", "technical_manager_last_name": "",
    "technical_manager_first_name": "", "technical_manager_phone": "", "technical_manager_email": "",
    "connector_vendor": "", "public_project_phone": "01 99 00 00 03",
    "public_project_email": "projet@alpha.example", "public_technical_phone": "01 99 00 00 04",
    "public_technical_email": "technique@alpha.example", "domain": "ch-alpha.mssante.fr",
    "description": "Domaine de messagerie du CH Alpha", "dn_igc_sante": DN, "dn_igc_cps": "",
    "delegation": "X", "primary_server": "ns1.alpha.example", "secondary_server": "ns2.alpha.example",
    "redirection": "", "mail_server": "", "withdrawal": "", "date": "01/03/2026",
    "signatory_last_name": "FICTIVE", "signatory_first_name": "Zoé", "signature_present": "X",
}  # fmt: skip
WITHDRAWAL = {"withdrawal": "X", "delegation": "", "primary_server": "", "secondary_server": ""}
METHOD_2 = WITHDRAWAL | {"withdrawal": "", "redirection": "X", "mail_server": "mx.alpha.example"}
PARTS = ("last_name", "first_name", "phone", "email")
COPY = {f"technical_manager_{part}": ALPHA[f"project_manager_{part}"] for part in PARTS}

Make = Callable[..., Register]
Change = dict[str, Any]
Rules = list[tuple[str, str]]


@pytest.fixture
def register(tmp_path) -> Make:
    def make(*changes: dict[str, Any], drop: tuple[str, ...] = ()) -> Register:
        rows = [{k: v for k, v in (ALPHA | change).items() if k not in drop} for change in changes]
        pd.DataFrame(rows).to_json(tmp_path / "declarations.json", orient="records", force_ascii=False)
        return load_declarations(tmp_path / "declarations.json")

    return make


def found(register: Register, **options: Any) -> pd.DataFrame:
    return worded(findings_frame(form_findings(register, AS_OF, **options), NO_ENTRIES), contacts="all")


# Beside those of the catalogue (`tools.sample.declarations`), which tests/test_sample.py holds.
def dn(old: str, new: str) -> dict[str, str]:
    return {"dn_igc_sante": DN.replace(old, new)}


def cps(old: str, new: str) -> dict[str, str]:
    return {"dn_igc_sante": "", "dn_igc_cps": CPS.replace(old, new)}


FIRES: dict[str, list[Change]] = {
    "DECL_SERVERS_MISSING": [{"secondary_server": " "}],
    "DECL_SERVERS_OTHER": [METHOD_2 | {"primary_server": "ns1.alpha.example"}],
    "DECL_SERVER_NAME": [{"primary_server": name} for name in (
        "ns1", "192.0.2.1", f"{'a' * 51}.alpha.example", "ns1.alpha.example..")],
    "DECL_DN_LINES": [{"dn_igc_cps": CPS}],
    "DECL_DN_SHAPE": [
        {"dn_igc_sante": "", "dn_igc_cps": DN}, {"dn_igc_sante": CPS}, cps("GIP-CPS", "CH ALPHA"),
        {"dn_igc_sante": "OU=1759900004,CN=mss.alpha.example,O=CH ALPHA,ST=Paris (75),C=FR"},
        dn("Paris (75)", "Paris(75)"), dn("Paris (75)", "Rhone (31)"), cps("Paris (75)", "Paris (31)")],
    "DECL_DN_OPERATOR": [{"dn_igc_sante": "subject=" + DN.replace("1759900004", "1679900001")}],
    "DECL_DOMAIN_INVALID": [{"domain": ""}, {"domain": "ch-alpha.mssante.fr.."}],
    "DECL_CONTACT_MALFORMED": [
        {"project_manager_phone": "01 99 00 00 03 poste restante"}, {"project_manager_phone": "01 99 00"},
        {"public_project_phone": "01 99 00 00 03, 01 99 00 00 05"}],
    "DECL_PUBLIC_MISSING": [{"public_technical_phone": "", "public_technical_email": ""}],
    "DECL_TECHNICAL_COPY": [COPY | {f"technical_manager_{part}": text} for part, text in (
        ("phone", ""), ("last_name", "Mme Modèle."), ("phone", "+33 1 99 00 00 02"),
        ("email", "Ida.Modele@ALPHA.example."),
    )] + [COPY | {"technical_manager_last_name": "IDA", "technical_manager_first_name": "modele"}],
    "DECL_ID_SHAPE": [{"beneficiary_id": "175990000"}],
    "DECL_DATE_FUTURE": [{"date": "04/03/2026"}],
    "DECL_SIGNATORY": [
        {"signatory_last_name": ""}, {"signatory_first_name": ""}, {"signature_present": "non"},
        {"signatory_last_name": "", "signatory_first_name": ""}],
    "DECL_SIGNATORY_OTHER": [{"signatory_first_name": "Paul"}],
    "DECL_WITHDRAWAL_CONTRADICTED": [WITHDRAWAL | {"mail_server": "mx.alpha.example"}],
    "DECL_UNREADABLE": [{"withdrawal": "peut-être"}, {"received_on": "31/02/2026"}, {"date": "01/03/0024"}],
    "DECL_CONTRACT_SHAPE": [{"contract_number": 123456789}],
    "DECL_DEPARTMENT": [dn("Paris (75)", "Rhône (69)")],
    "DECL_NAME": [{"structure_name": "Maison de santé des Modèles"}],
    "DECL_MANAGER_MISSING": [{"project_manager_email": "-"}],
    "DECL_REPRESENTATIVE_MISSING": [
        {"representative_phone": "", "representative_email": "néant"}, {"structure_name": ""}],
    "DECL_DATES_ORDER": [
        {"received_on": "02/03/2026", "answered_on": "01/03/2026"},
        {"answered_on": "05/03/2026", "effective_on": "2026-03-04"}],
}  # fmt: skip


TOGETHER = (
    "DECL_CONTRACT_SEVERAL", "DECL_CONTRACT_SHARED", "DECL_REDIRECTION_CHOSEN", "DECL_PERSON_FORMER",
)  # fmt: skip
"""Rules about several declarations together, as the cases below only are because they share a register."""


def found_of_each(register: Make, changes: list[Change]) -> tuple[list[Rules], pd.DataFrame]:
    """Return rules and operators of what is found of declarations of domains of their own; the findings."""
    domains = ({"domain": f"ch-alpha-{number}.mssante.fr"} for number in range(len(changes)))
    declared = register(*(domain | change for domain, change in zip(domains, changes, strict=True)))
    findings = found(declared, each=True)
    findings = findings[~findings["rule"].isin(TOGETHER)]
    rules_of: list[Rules] = [[] for _ in changes]
    for rule, operator, where in findings[["rule", "operator_id", "where"]].itertuples(index=False):
        for row in {row for place in where for row in place.rows}:
            rules_of[row - 1].append((rule, operator))
    return rules_of, findings


def test_a_rule_fires_alone(register: Make) -> None:
    rules = [rule for rule, changes in FIRES.items() for _ in changes]
    rules_of, findings = found_of_each(register, [change for changes in FIRES.values() for change in changes])
    assert rules_of == [[(rule, "1759900004")] for rule in rules]
    texts = findings[["observed", "expected"]].sum(axis=1)
    assert not texts.str.contains("FICTIVE|Zoé|MODELE|zoe|ida|01 99").any()


def test_nothing_fires_on_a_right_declaration(register: Make) -> None:
    rules_of, _ = found_of_each(register, RIGHT)
    assert rules_of == [[]] * len(RIGHT)


def test_a_space_without_register_has_no_findings() -> None:
    assert told_in_clear("declarations", make_space({})).empty


RIGHT: list[Change] = [
    {},
    WITHDRAWAL | {"dn_igc_sante": "", "description": "", "public_project_phone": ""},
    {"dn_igc_sante": "", "dn_igc_cps": CPS},
    *({"dn_igc_sante": text} for text in (
        f"DN : {DN}", DN.replace(",", "\n"), f'"{DN}"', f"DN IGC Santé : {DN};",
        "/C=FR/ST=Paris (75)/O=CH ALPHA/OU=1759900004/CN=mss.alpha.example")),
    {"domain": " ch-alpha.mssante.fr."},
    {"primary_server": "ns1.alpha.example.", "secondary_server": " ns2.alpha.example "},
    {"project_manager_phone": "01 99 00 00 03 poste 4512", "public_project_phone": "01 99 00 00 03, p. 12"},
    {"structure_id": "399900000300015", "beneficiary_id": "1759900004"},
    {"structure_id": "399900000300015", "dn_igc_sante": DN.replace("1759900004", "2999000003")},
    {"primary_server": f"{'a' * 49}.alpha.example"},
    {"date": "03/03/2026"},
    COPY | {"technical_manager_last_name": "AUTRE"},
    {"signature_present": "☒", "delegation": "Oui", "redirection": "☐"},
    {"structure_name": "Centre Hospitalier d’Alpha", "signatory_last_name": "P/O Mme Fictive"},
    {"structure_name": "C.H. ALPHA - site nord"},
    {"structure_name": "Clinique Spécimen", "beneficiary_id": "1759900004", "structure_id": "1679900001"},
    {"signatory_last_name": "Zoé FICTIVE", "signatory_first_name": ""},
    {"signatory_last_name": "FICTIVÉ", "signatory_first_name": "Z."},
    {"postal_address": "1 rue de la Fiction, 75000 Paris (75) (bâtiment 12)"},
    dn("1759900004,O=CH ALPHA,ST=Paris (75)", "1980590012,O=CH ALPHA,ST=Mayotte (976)")
    | {"structure_id": "1980590012"},
    {"date": "néant", "received_on": "01/03/2026"} | WITHDRAWAL | {"date": "01/03/2026"},
    {"received_on": "01/03/2026", "answered_on": "01/03/2026", "effective_on": "01/04/2026"},
    WITHDRAWAL | {"representative_phone": "", "postal_address": "", "project_manager_last_name": ""},
    dict.fromkeys(COPY, "idem") | {"connector_vendor": "néant", "beneficiary_id": "idem"},
    COPY | {"technical_manager_first_name": "Luc"},
    *({"structure_id": text} for text in ("FINESS géographique 759900012", "2999000003", "759900004")),
    {"contract_number": "0 1 2 3 4 5 6 7 8 9"},
]  # fmt: skip


def test_only_the_latest_declaration_is_held_to_the_rules_unless_each_is(register: Make) -> None:
    declared = register({"description": "", "date": "01/02/2026"}, {})
    assert found(declared).empty
    ((rule, evidence),) = found(declared, each=True)[["rule", "evidence"]].values
    assert (rule, evidence) == ("DECL_DESCRIPTION_MISSING", "declarations.json:1")


def test_one_cause_is_one_finding(register: Make) -> None:
    wrong = [{"domain": f"ch-alpha-{i}.mssante.fr", "beneficiary_id": "1759900005"} for i in range(3)]
    findings = found(register(*wrong))
    columns = ["rule", "domains", "evidence"]
    assert findings[columns].values.tolist() == [["DECL_ID_LUHN", 3, "declarations.json:1-3"]]
    assert len(found(register(*wrong), each=True)) == 3


def test_what_is_unknown_is_not_wrong(register: Make) -> None:
    """A missing column is told once, and no rule that needs it fires; the others do."""
    change, drop = {"description": "", "beneficiary_id": "1759900005"}, ("secondary_server", "withdrawal")
    missing = found(register(change, drop=drop))
    assert missing["rule"].value_counts().to_dict() == {"DECL_COLUMN": 2, "DECL_ID_LUHN": 1}
    unread = found(register({"delegation": "?"}))
    assert unread["rule"].tolist() == ["DECL_UNREADABLE"]


def test_an_unreadable_reference_silences_the_rules_that_need_it(register: Make) -> None:
    texts = {"postal_address": "idem", "mail_server": "cf. supra", "representative_last_name": "voir annexe"}
    assert found(register(texts))["rule"].tolist() == ["DECL_UNREADABLE"] * 3


def test_findings_show_bounded_harmless_texts(register: Make) -> None:
    findings = found(register({"dn_igc_sante": "CN=" + "x" * 900, "domain": "a\u202eb.mssante.fr"}))
    assert findings["observed"].str.len().max() <= 200
    assert not findings["observed"].str.contains("\u202e").any()


OTHER = {
    "structure_name": "CH BETA",
    "structure_id": "1679900001",
    "domain": "ch-beta.mssante.fr",
    "dn_igc_sante": "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR",
}


SECOND = {"domain": "labo-alpha.mssante.fr"}


def columns_of(register: Register, *columns: str) -> list[list[str]]:
    return found(register)[["rule", *columns]].values.tolist()


def test_a_contract_is_one_operators_and_an_operator_has_one(register: Make) -> None:
    assert columns_of(register({}, OTHER), "observed") == [
        ["DECL_CONTRACT_SHARED", "0123456789 : CH ALPHA (1759900004) ; CH BETA (1679900001)"]
    ]
    other = SECOND | {"contract_number": "9876543210"}
    assert columns_of(register({}, other), "observed", "confidence") == [
        ["DECL_CONTRACT_SEVERAL", "0123456789 ; 9876543210", "likely"]
    ]
    assert found(register({"date": "01/03/2020"}, other))["confidence"].tolist() == ["hint"]
    same = {"structure_name": "Centre Hospitalier ALPHA", "dn_igc_sante": DN, "structure_id": "1759900004"}
    for change in ({"contract_number": "9876543210"}, {"contract_number": ""}, same):
        assert found(register({}, OTHER | change)).empty


def test_a_redirection_is_chosen_beside_delegations_only(register: Make) -> None:
    second = METHOD_2 | SECOND
    assert columns_of(register({}, second), "domain", "confidence") == [
        ["DECL_REDIRECTION_CHOSEN", SECOND["domain"], "hint"]
    ]
    assert found(register(METHOD_2, second)).empty
    gone = second | WITHDRAWAL | {"redirection": "", "mail_server": ""}
    assert found(register({}, gone)).empty
    assert found(register(WITHDRAWAL, second)).empty, "what was withdrawn is run no more"


@pytest.mark.parametrize("role", ["representative", "technical_manager"])
def test_a_person_whom_newer_declarations_replaced(register: Make, role: str) -> None:
    def person(last: str, first: str, number: int, date: str) -> dict[str, Any]:
        texts = (last, first, "01 99 00 00 09", "direction@alpha.example")
        reached = {f"{role}_{part}": text for part, text in zip(PARTS, texts, strict=True)}
        signed = {"signatory_last_name": last, "signatory_first_name": first} if "rep" in role else {}
        return {"domain": f"d{number}.mssante.fr", "date": date} | reached | signed

    old = person("ANCIEN", "Luc", 1, "01/03/2024")
    new = [person("FICTIF", "Ida", 2, "01/02/2026"), person("Mme Fictif", "Ida", 3, "03/02/2026")]
    former = found(register(old, *new))
    assert former[["rule", "domain"]].values.tolist() == [["DECL_PERSON_FORMER", "d1.mssante.fr"]]
    assert "depuis le 01/02/2026" in former["expected"].iloc[0]
    again = person("ANCIEN", "Luc", 4, "02/03/2026")
    assert found(register(old, *new, again)).empty, "newer declarations name both"
    assert found(register(*new)).empty, "a civility makes no other person"


def test_a_name_of_another_structure_is_more_than_a_hint(register: Make) -> None:
    assert columns_of(register({"structure_name": "CH BETA"}), "confidence") == [["DECL_NAME", "hint"]]
    names = {"structure_name": "CH BETA"}, OTHER | {"structure_name": "CH Alpha"}
    both = register(*(name | {"contract_number": ""} for name in names))
    assert columns_of(both, "confidence") == [["DECL_NAME", "likely"]] * 2


@pytest.mark.parametrize(
    ("change", "column", "text"),
    [
        ({"beneficiary_id": "1759900005"}, "observed",
         "Identifiant de la structure bénéficiaire : 1759900005"),
        ({"structure_id": "1759900005", "beneficiary_id": "1759900005"} | dn("04,", "05,"), "observed",
         "Identifiant structure, Identifiant de la structure bénéficiaire : 1759900005"),
        (dn("1759900004", "1679900001") | {"beneficiary_id": "1699900007"}, "expected",
         "Identifiant structure : 1759900004 | Identifiant de la structure bénéficiaire : 1699900007")],
)  # fmt: skip
def test_a_finding_says_whose_identifier(register: Make, change: Change, column: str, text: str) -> None:
    assert found(register(change))[column].tolist() == [text]
