"""The form's rules: each fires on a declaration that breaks it and only it, and stays silent beside it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from conftest import toml
from in_clear import told_in_clear
from made_up import make_space

from mssante_audit.audits.declarations.rules import form_findings
from mssante_audit.declarations.register import Register, load_declarations
from mssante_audit.findings.frame import findings_frame, worded
from mssante_audit.verdicts.domains import domains_touched

AS_OF = datetime(2026, 3, 3)
NO_ENTRIES = pd.DataFrame({name: [] for name in ("row", "domain", "operator_id", "operator")})
DN = "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"

GIVEN = toml("audits/declared")
ALPHA: dict[str, Any] = GIVEN["alpha"]
WITHDRAWAL = {"withdrawal": "X", "delegation": "", "primary_server": "", "secondary_server": ""}
METHOD_2 = WITHDRAWAL | {"withdrawal": "", "redirection": "X", "mail_server": "mx.alpha.example"}
PARTS = ("last_name", "first_name", "phone", "email")

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


def dn(old: str, new: str) -> dict[str, str]:
    return {"dn_igc_sante": DN.replace(old, new)}


FIRES: dict[str, list[Change]] = GIVEN["fires"]
RIGHT: list[Change] = GIVEN["right"]
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


def test_a_listed_domain_may_have_its_glue(register: Make) -> None:
    inside = register({"primary_server": f"ns1.{ALPHA['domain']}"})
    space = make_space({"domain": ALPHA["domain"]})
    assert found(inside)["confidence"].tolist() == ["likely"]
    assert found(inside, space=space)["confidence"].tolist() == ["hint"]


def test_what_is_unknown_is_not_wrong(register: Make, tmp_path: Any) -> None:
    """A missing column is told once, and no rule that needs it fires; the others do."""
    change, drop = {"description": "", "beneficiary_id": "1759900005"}, ("secondary_server", "withdrawal")
    missing = found(register(change, drop=drop))
    assert missing["rule"].value_counts().to_dict() == {"DECL_COLUMN": 2, "DECL_ID_LUHN": 1}
    assert found(register({"delegation": "?"}))["rule"].tolist() == ["DECL_UNREADABLE"]
    (tmp_path / "short.csv").write_text(f"{','.join({'domain': ''} | ALPHA)}\nch-alpha.mssante.fr\n")
    assert found(load_declarations(tmp_path / "short.csv"))["rule"].tolist() == ["DECL_UNREADABLE"]


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
    third = {"domain": "ifsi-alpha.mssante.fr"}
    several = found(register({}, second, second | third))
    listed = pd.DataFrame({"row": [1, 2], "domain": [SECOND["domain"], third["domain"]]})
    assert domains_touched(listed, several) == [{SECOND["domain"], third["domain"]}]
    assert found(register(METHOD_2, second)).empty
    withdrawn = second | WITHDRAWAL | {"redirection": "", "mail_server": ""}
    assert found(register({}, withdrawn)).empty
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
