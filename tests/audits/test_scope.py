"""What a register does not cover is outside: neither undeclared nor well."""

import json

import pytest
from in_clear import told_in_clear
from made_up import BETA_DN, xml_of

from mssante_audit.audits import findings_of
from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.base.errors import InputError
from mssante_audit.snapshot.load import load_space
from mssante_audit.verdicts.domains import domains_of

A, B, C = "ch-alpha.mssante.fr", "ch-beta.mssante.fr", "ch-gamma.mssante.fr"
DECLARED = {"structure_id": "1759900004", "structure_name": "CH ALPHA", "domain": A, "date": "01/06/2025"}
ROWS = [{"domain": A}, {"domain": B, "dn": BETA_DN}, {"domain": A, "dn": BETA_DN}, {"domain": C}]


@pytest.fixture
def scoped(tmp_path):
    """Return a function: the text of a scope, or none, to a trust space of two operators."""

    def make(scope=None, declarations=(DECLARED,)):
        (tmp_path / "list.xml").write_bytes(xml_of(*ROWS))
        (tmp_path / "declarations.json").write_text(json.dumps(list(declarations)))
        if scope is not None:
            (tmp_path / "scope.toml").write_text(f"[scope]\n{scope}\n", encoding="utf-8")
        return load_space(tmp_path, as_of="2026-03-03")

    return make


def statuses(space, *operators):
    return dict(status(space, *operators)[["domain", "status"]].astype("str").values)


COVERING = [
    'operators = ["1759900004"]', 'operators = ["FINESS 759900004"]', 'operators = ["ch alpha"]',
    'department = "75"', 'region = "Bretagne, Île-de-France"\ndepartment = "Paris"',
]  # fmt: skip


@pytest.mark.parametrize("scope", COVERING)
def test_operators_and_domains_beyond_it_are_outside_and_no_finding(scoped, scope):
    space = scoped(scope)
    assert statuses(space) == {A: "as-declared", B: "outside", C: "not-declared"}
    findings = told_in_clear("reconciliation", space)
    assert findings[["rule", "rows"]].values.tolist() == [["RECO_NOT_DECLARED", (4,)]]
    assert statuses(space, {"1679900001"}) == {A: "outside", B: "outside"}


def test_the_verdict_of_a_domain_outside_is_unknown_and_says_why(scoped):
    for scope, expected in ((None, "warn"), (COVERING[0], "unknown")):
        space = scoped(scope)
        frame = domains_of(space, findings_of("reconciliation", space)).set_index("domain")
        assert frame.loc[B, "declaration"] == expected
        assert frame.loc[C, "declaration"] == "warn"
        assert ("hors du périmètre du registre" in frame.loc[B, "reasons"]) == (scope is not None)
        assert frame.loc[A, "why"].get("declaration", []) == ([] if scope else ["RECO_OPERATOR_UNDECLARED"])


def test_a_name_that_several_structures_bear_is_refused(scoped):
    other = DECLARED | {"structure_id": "1679900001"}
    with pytest.raises(InputError, match=r"may mean 2 operators\. Such as: 1679900001"):
        scoped('operators = ["CH ALPHA"]', [DECLARED, other])


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ('region = " "', "names nobody"),
        ('operators = ["CH OMEGA"]', "no operator 'CH OMEGA' in list or register"),
        ('region = "Corse"', "no operator of this list sits in Corse"),
        ('region = "Atlantide"', "no region 'Atlantide'"),
        ('department = "99"', "no département '99'"),
        ('operator = "CH ALPHA"', "no such key: scope.operator"),
        ('operators = "CH ALPHA"', "scope.operators wants a list"),
        ("operators = [", "not a scope"),
    ],
)
def test_a_scope_that_names_nobody_is_one_clear_line(scoped, scope, why):
    with pytest.raises(InputError) as error:
        scoped(scope)
    assert str(error.value).startswith(f"scope.toml: {why}")
    assert "\n" not in str(error.value)
    assert error.value.remedy
