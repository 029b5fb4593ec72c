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
from mssante_audit.space.trust import TrustSpace

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
COPY = {
    f"technical_manager_{k}": ALPHA[f"project_manager_{k}"]
    for k in ("last_name", "first_name", "phone", "email")
}

Make = Callable[..., Register]


@pytest.fixture
def register(tmp_path) -> Make:
    """Return a function that loads declarations, each a dict over `ALPHA`."""

    def make(*changes: dict[str, Any], drop: tuple[str, ...] = ()) -> Register:
        rows = [{k: v for k, v in (ALPHA | change).items() if k not in drop} for change in changes]
        pd.DataFrame(rows).to_json(tmp_path / "declarations.json", orient="records", force_ascii=False)
        return load_declarations(tmp_path / "declarations.json")

    return make


def found(register: Register, **options: Any) -> pd.DataFrame:
    return worded(findings_frame(form_findings(register, AS_OF, **options), NO_ENTRIES), contacts="all")


# Beside those of the catalogue (`tools.sample.declarations`), which tests/test_sample.py holds.
FIRES = [
    ("DECL_SERVERS_MISSING", {"secondary_server": " "}),
    ("DECL_SERVERS_OTHER", METHOD_2 | {"primary_server": "ns1.alpha.example"}),
    ("DECL_SERVER_NAME", {"primary_server": "ns1"}),
    ("DECL_SERVER_NAME", {"primary_server": "192.0.2.1"}),
    ("DECL_SERVER_NAME", {"primary_server": f"{'a' * 51}.alpha.example"}),
    ("DECL_DN_LINES", {"dn_igc_cps": CPS}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": "", "dn_igc_cps": DN}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": CPS}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": DN.replace("Paris (75)", "Paris(75)")}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": "OU=1759900004,CN=mss.alpha.example,O=CH ALPHA,ST=Paris (75),C=FR"}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": "", "dn_igc_cps": CPS.replace("GIP-CPS", "CH ALPHA")}),
    ("DECL_DN_OPERATOR", {"dn_igc_sante": "subject=" + DN.replace("1759900004", "1679900001")}),
    ("DECL_DOMAIN_INVALID", {"domain": ""}),
    ("DECL_DOMAIN_INVALID", {"domain": "ch-alpha.mssante.fr.."}),
    ("DECL_SERVER_NAME", {"primary_server": "ns1.alpha.example.."}),
    ("DECL_CONTACT_MALFORMED", {"project_manager_phone": "01 99 00 00 03 poste restante"}),
    ("DECL_PUBLIC_MISSING", {"public_technical_phone": "", "public_technical_email": ""}),
    ("DECL_CONTACT_MALFORMED", {"project_manager_phone": "01 99 00"}),
    ("DECL_CONTACT_MALFORMED", {"public_project_phone": "01 99 00 00 03, 01 99 00 00 05"}),
    ("DECL_TECHNICAL_COPY", COPY | {"technical_manager_phone": ""}),
    ("DECL_ID_SHAPE", {"beneficiary_id": "175990000"}),
    ("DECL_DATE_FUTURE", {"date": "04/03/2026"}),
    ("DECL_SIGNATORY", {"signatory_last_name": ""}),
    ("DECL_SIGNATORY", {"signature_present": "non"}),
    ("DECL_WITHDRAWAL_CONTRADICTED", WITHDRAWAL | {"mail_server": "mx.alpha.example"}),
    ("DECL_UNREADABLE", {"withdrawal": "peut-être"}),
    ("DECL_CONTRACT_SHAPE", {"contract_number": 123456789}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": DN.replace("Paris (75)", "Rhone (31)")}),
    ("DECL_DN_SHAPE", {"dn_igc_sante": "", "dn_igc_cps": CPS.replace("Paris (75)", "Paris (31)")}),
    ("DECL_DEPARTMENT", {"dn_igc_sante": DN.replace("Paris (75)", "Rhône (69)")}),
    ("DECL_NAME", {"structure_name": "Maison de santé des Modèles"}),
    ("DECL_MANAGER_MISSING", {"project_manager_email": "-"}),
    ("DECL_REPRESENTATIVE_MISSING", {"representative_phone": "", "representative_email": "néant"}),
    ("DECL_REPRESENTATIVE_MISSING", {"structure_name": ""}),
    ("DECL_SIGNATORY", {"signatory_first_name": ""}),
    ("DECL_SIGNATORY", {"signatory_last_name": "", "signatory_first_name": ""}),
    ("DECL_SIGNATORY_OTHER", {"signatory_first_name": "Paul"}),
    ("DECL_DATES_ORDER", {"received_on": "02/03/2026", "answered_on": "01/03/2026"}),
    ("DECL_DATES_ORDER", {"answered_on": "05/03/2026", "effective_on": "2026-03-04"}),
    ("DECL_UNREADABLE", {"received_on": "31/02/2026"}),
    ("DECL_UNREADABLE", {"date": "01/03/0024"}),
    ("DECL_TECHNICAL_COPY", COPY | {"technical_manager_last_name": "Mme Modèle."}),
    ("DECL_TECHNICAL_COPY", COPY | {"technical_manager_phone": "+33 1 99 00 00 02"}),
    ("DECL_TECHNICAL_COPY", COPY | {"technical_manager_email": "Ida.Modele@ALPHA.example."}),
    (
        "DECL_TECHNICAL_COPY",
        COPY | {"technical_manager_last_name": "IDA", "technical_manager_first_name": "modele"},
    ),
]


TOGETHER = (
    "DECL_CONTRACT_SEVERAL", "DECL_CONTRACT_SHARED", "DECL_REDIRECTION_CHOSEN", "DECL_PERSON_FORMER",
)  # fmt: skip
"""Rules about several declarations together, as the cases below only are because they share a register."""


def found_of_each(
    register: Make, changes: list[dict[str, Any]]
) -> tuple[list[list[tuple[str, str]]], pd.DataFrame]:
    """Return rules and operators of what is found of declarations of domains of their own; the findings."""
    domains = ({"domain": f"ch-alpha-{number}.mssante.fr"} for number in range(len(changes)))
    declared = register(*(domain | change for domain, change in zip(domains, changes, strict=True)))
    findings = found(declared, each=True)
    findings = findings[~findings["rule"].isin(TOGETHER)]
    rules_of: list[list[tuple[str, str]]] = [[] for _ in changes]
    for rule, operator, where in findings[["rule", "operator_id", "where"]].itertuples(index=False):
        for row in {row for place in where for row in place.rows}:
            rules_of[row - 1].append((rule, operator))
    return rules_of, findings


def test_a_rule_fires_alone(register: Make) -> None:
    rules_of, findings = found_of_each(register, [change for _, change in FIRES])
    assert rules_of == [[(rule, "1759900004")] for rule, _ in FIRES]
    texts = findings[["observed", "expected"]].sum(axis=1)
    assert not texts.str.contains("FICTIVE|Zoé|MODELE|zoe|ida|01 99").any()


RIGHT: list[dict[str, Any]] = [
    {},
    WITHDRAWAL | {"dn_igc_sante": "", "description": "", "public_project_phone": ""},
    {"dn_igc_sante": "", "dn_igc_cps": CPS},
    {"dn_igc_sante": f"DN : {DN}"},
    {"dn_igc_sante": "/C=FR/ST=Paris (75)/O=CH ALPHA/OU=1759900004/CN=mss.alpha.example"},
    {"dn_igc_sante": DN.replace(",", "\n")},
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
    {
        "dn_igc_sante": DN.replace("1759900004", "1980590012").replace("Paris (75)", "Mayotte (976)"),
        "structure_id": "1980590012",
    },
    {"date": "néant", "received_on": "01/03/2026"} | WITHDRAWAL | {"date": "01/03/2026"},
    {"received_on": "01/03/2026", "answered_on": "01/03/2026", "effective_on": "01/04/2026"},
    WITHDRAWAL | {"representative_phone": "", "postal_address": "", "project_manager_last_name": ""},
    dict.fromkeys(COPY, "idem") | {"connector_vendor": "néant", "beneficiary_id": "idem"},
    COPY | {"technical_manager_first_name": "Luc"},
    {"structure_id": "FINESS géographique 759900012"},
    {"structure_id": "2999000003"},
    {"structure_id": "759900004"},
    {"contract_number": "0 1 2 3 4 5 6 7 8 9"},
    {"dn_igc_sante": f'"{DN}"'},
    {"dn_igc_sante": f"DN IGC Santé : {DN};"},
]


def test_nothing_fires_on_a_right_declaration(register: Make) -> None:
    rules_of, _ = found_of_each(register, RIGHT)
    assert rules_of == [[]] * len(RIGHT)


def test_only_the_latest_declaration_is_held_to_the_rules_unless_each_is(register: Make) -> None:
    declared = register({"description": "", "date": "01/02/2026"}, {})
    assert found(declared).empty
    assert found(declared, each=True)[["rule", "evidence"]].values.tolist() == [
        ["DECL_DESCRIPTION_MISSING", "declarations.json:1"]
    ]


def test_one_cause_is_one_finding(register: Make) -> None:
    wrong = [{"domain": f"ch-alpha-{i}.mssante.fr", "beneficiary_id": "1759900005"} for i in range(3)]
    findings = found(register(*wrong))
    assert findings[["rule", "domains", "evidence"]].values.tolist() == [
        ["DECL_ID_LUHN", 3, "declarations.json:1-3"]
    ]
    assert len(found(register(*wrong), each=True)) == 3


def test_what_is_unknown_is_not_wrong(register: Make) -> None:
    """A missing column is told once, and no rule that needs it fires; the others do."""
    missing = found(
        register({"description": "", "beneficiary_id": "1759900005"}, drop=("secondary_server", "withdrawal"))
    )
    assert missing["rule"].value_counts().to_dict() == {"DECL_COLUMN": 2, "DECL_ID_LUHN": 1}
    unread = found(register({"delegation": "?"}))
    assert unread["rule"].tolist() == ["DECL_UNREADABLE"]


def test_findings_show_bounded_harmless_texts(register: Make) -> None:
    findings = found(register({"dn_igc_sante": "CN=" + "x" * 900, "domain": "a\u202eb.mssante.fr"}))
    assert findings["observed"].str.len().max() <= 200
    assert not findings["observed"].str.contains("\u202e").any()


def test_a_space_without_register_has_no_findings() -> None:
    space: TrustSpace = make_space({})
    assert told_in_clear("declarations", space).empty
    assert (
        told_in_clear("declarations", space).dtypes.tolist()
        == findings_frame([], space.entries).dtypes.tolist()
    )


OTHER = {
    "structure_name": "CH BETA",
    "structure_id": "1679900001",
    "domain": "ch-beta.mssante.fr",
    "dn_igc_sante": "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR",
}


def test_a_contract_is_one_operators_and_an_operator_has_one(register: Make) -> None:
    shared = found(register({}, OTHER))
    assert shared[["rule", "observed"]].values.tolist() == [
        ["DECL_CONTRACT_SHARED", "0123456789 : CH ALPHA (1759900004) ; CH BETA (1679900001)"]
    ]
    second = {"domain": "labo-alpha.mssante.fr", "contract_number": "9876543210"}
    several = found(register({}, second))
    assert several[["rule", "observed", "confidence"]].values.tolist() == [
        ["DECL_CONTRACT_SEVERAL", "0123456789 ; 9876543210", "likely"]
    ]
    assert found(register({"date": "01/03/2020"}, second))["confidence"].tolist() == ["hint"]


def test_a_redirection_is_chosen_beside_delegations_only(register: Make) -> None:
    second = METHOD_2 | {"domain": "labo-alpha.mssante.fr"}
    chosen = found(register({}, second))
    assert chosen[["rule", "domain", "confidence"]].values.tolist() == [
        ["DECL_REDIRECTION_CHOSEN", "labo-alpha.mssante.fr", "hint"]
    ]
    assert found(register(METHOD_2, second)).empty
    gone = second | WITHDRAWAL | {"redirection": "", "mail_server": ""}
    assert found(register({}, gone)).empty
    assert found(register(WITHDRAWAL, second)).empty, "what was withdrawn is run no more"


@pytest.mark.parametrize("role", ["representative", "technical_manager"])
def test_a_person_whom_newer_declarations_replaced(register: Make, role: str) -> None:
    def person(last: str, first: str, number: int, date: str) -> dict[str, Any]:
        reached = {f"{role}_phone": "01 99 00 00 09", f"{role}_email": "direction@alpha.example"}
        name = {f"{role}_last_name": last, f"{role}_first_name": first}
        signed = {"signatory_last_name": last, "signatory_first_name": first} if "rep" in role else {}
        return {"domain": f"d{number}.mssante.fr", "date": date} | reached | name | signed

    old = person("ANCIEN", "Luc", 1, "01/03/2024")
    new = [person("FICTIF", "Ida", 2, "01/02/2026"), person("Mme Fictif", "Ida", 3, "03/02/2026")]
    former = found(register(old, *new))
    assert former[["rule", "domain"]].values.tolist() == [["DECL_PERSON_FORMER", "d1.mssante.fr"]]
    assert "depuis le 01/02/2026" in former["expected"].iloc[0]
    again = person("ANCIEN", "Luc", 4, "02/03/2026")
    assert found(register(old, *new, again)).empty, "newer declarations name both"
    assert found(register(*new)).empty, "a civility makes no other person"


@pytest.mark.parametrize(
    "change",
    [
        {"contract_number": "9876543210"},
        {"contract_number": ""},
        {"structure_name": "Centre Hospitalier ALPHA", "dn_igc_sante": DN} | {"structure_id": "1759900004"},
    ],
)
def test_a_contract_of_ones_own_is_none_that_is_shared(register: Make, change: dict[str, Any]) -> None:
    assert found(register({}, OTHER | change)).empty


def test_a_name_of_another_structure_is_more_than_a_hint(register: Make) -> None:
    alone = found(register({"structure_name": "CH BETA"}))
    assert alone[["rule", "confidence"]].values.tolist() == [["DECL_NAME", "hint"]]
    wrong = {"structure_name": "CH BETA", "contract_number": ""}
    both = found(register(wrong, OTHER | {"structure_name": "CH Alpha", "contract_number": ""}))
    assert both[["rule", "confidence"]].values.tolist() == [["DECL_NAME", "likely"]] * 2


def test_a_finding_says_which_identifier_and_whose(register: Make) -> None:
    wrong = found(register({"beneficiary_id": "1759900005"}))
    assert wrong["observed"].tolist() == ["Identifiant de la structure bénéficiaire : 1759900005"]
    twice = {
        "structure_id": "1759900005",
        "beneficiary_id": "1759900005",
        "dn_igc_sante": DN.replace("04,", "05,"),
    }
    assert found(register(twice))["observed"].tolist() == [
        "Identifiant structure, Identifiant de la structure bénéficiaire : 1759900005"
    ]
    ou = found(
        register({"dn_igc_sante": DN.replace("1759900004", "1679900001"), "beneficiary_id": "1699900007"})
    )
    assert ou["expected"].tolist() == [
        "Identifiant structure : 1759900004 | Identifiant de la structure bénéficiaire : 1699900007"
    ]


def test_an_unreadable_reference_silences_the_rules_that_need_it(register: Make) -> None:
    changes = {
        "postal_address": "idem",
        "mail_server": "cf. ci-dessus",
        "representative_last_name": "voir annexe",
    }
    assert found(register(changes))["rule"].tolist() == ["DECL_UNREADABLE"] * 3
