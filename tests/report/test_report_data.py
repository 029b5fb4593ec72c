"""What is written for machines is what the schemas say; what a notebook opens with and leaves behind."""

import json
from functools import reduce
from operator import getitem

import pandas as pd
import pytest
from commands import said
from conftest import CATALOGUE, toml
from conftest import SAMPLE_AS_OF as AS_OF
from jsonschema import Draft202012Validator, FormatChecker

from mssante_audit.audits import audit, audit_all
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.export import OBJECTS, records
from mssante_audit.cli.main import Schema
from mssante_audit.dossiers.write import write_dossiers
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.report.execute import Failure
from mssante_audit.report.page import Outcome, data_files
from mssante_audit.report.results import (
    MIME,
    Limits,
    open_space,
    read_results,
    record,
    select_operator,
    touching,
)
from mssante_audit.snapshot import make_snapshot


def asked(*arguments):
    return json.loads(said(*arguments))


@pytest.fixture(scope="module")
def validators():
    schemas = {name: asked("schema", name) for name in Schema if name != "register"}
    for schema in schemas.values():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)
    return {name: Draft202012Validator(of, format_checker=FormatChecker()) for name, of in schemas.items()}


def in_snapshot(folder, name):
    rows = records(pd.read_parquet(folder / f"{name}.parquet"))
    return [row | {k: json.loads(row[k]) for k in OBJECTS if isinstance(row.get(k), str)} for row in rows]


def results_in(folder):
    return [json.loads(file.read_text(encoding="utf-8")) for file in folder.rglob("*.results.json")]


@pytest.mark.parametrize("source", ["sample", "hostile"])
def test_files_of_reports_findings_and_domains(source, request, validators, tmp_path):
    run, space = (request.getfixturevalue(f"{source}_{kind}") for kind in ("run", "space"))
    results = results_in(run.out)
    assert len(results) == len(run.outcomes) >= 6
    assert (run.out / "overview.html").stat().st_size <= 1_200_000
    for result in results:
        validators["results"].validate(result)
    make_snapshot(space, tmp_path / "s")
    domains, changes, shared = (
        in_snapshot(tmp_path / "s", name) for name in ("domains", "changes", "findings")
    )
    assert len(domains) == space.audited["domain"].nunique()
    validators["domains"].validate(domains[::4])
    assert changes
    validators["changes"].validate(changes[::4])
    each = {finding["rule"]: finding for finding in shared}  # of each rule one: to read a schema is slow
    validators["findings"].validate([*each.values()])
    assert {f["fingerprint"] for f in shared if not f["until"]} == set(audit_all(space)["fingerprint"])


def test_results_of_a_failure_of_a_second_run_and_of_a_dossier(validators, sample_run, tmp_path):
    results = next(o.results for o in sample_run.outcomes if o.name == "dn_consistency")
    at, many = "2026-03-01T00:00:00+00:00", len(results.findings)
    fixed = {"rule": "DN_SHAPE", "domain": "a", "operator": "b", "first_seen": at}
    follow_up = FollowUp(at, (at,) * many, ("new",) * many, (fixed,))
    failure = Failure("KeyError", "x", 3)
    for outcome, origin in (
        (Outcome("a", "A", results, follow_up=follow_up, seconds={"run": 1.5}), results.provenance),
        (Outcome("a", "A", None, failure, "Section"), {}),
        (Outcome("a", "A", results, failure, "Section"), results.provenance),
    ):
        files = data_files(outcome, {"data": "x", "row_limit": 3, "recover": False, "operator": None}, origin)
        validators["results"].validate(json.loads(files[".results.json"]))
    write_dossiers(tmp_path / "out", parameters={"as_of": AS_OF}, operators=["1679900001"])
    (dossier,) = results_in(tmp_path / "out")
    assert dossier["report"] == "operator"
    validators["results"].validate(dossier)


def test_what_commands_print(validators):
    validators["findings"].validate(asked("findings", "all", "--format", "json", "--as-of", AS_OF)[::9])
    archive = ("2025-09-01", "2026-03-02", "--archive", str(CATALOGUE / "archive"), "--format", "json")
    validators["changes"].validate(asked("changes", *archive))
    validators["events"].validate(asked("changes", *archive, "--events"))


def test_the_tables_of_a_site(sample_site, validators):
    tables = [
        (name, rows)
        for file in sample_site.folder.rglob("*.json")
        if not {"rapports", "dossiers", "api"} & set(file.parts)
        for name, rows in json.loads(file.read_text(encoding="utf-8")).items()
        if rows and "fingerprint" in rows[0]
    ]
    assert {"acceptes"} < {name for name, _ in tables}
    for _, rows in tables[::10]:
        validators["findings"].validate(rows[:5])
    assert any(row["facts"] for _, rows in tables for row in rows)


def test_what_is_wrong_is_refused(sample_run, sample_space, validators, tmp_path):
    make_snapshot(sample_space, tmp_path / "s")
    file = sample_run.out / "overview.results.json"
    right = {
        "results": json.loads(file.read_text(encoding="utf-8")),
        "findings": records(audit_all(sample_space).head(1))[0],
        "domains": in_snapshot(tmp_path / "s", "domains")[0],
    }
    for name, output in right.items():
        validators[name].validate(output if name == "results" else [output])
    for name, place, *value in [*toml("report/refused")["wrong"], ("domains", "operator", None)]:
        wrong = json.loads(json.dumps(right[name]))
        *way, last = place.split()
        inside = reduce(getitem, way, wrong)
        inside.pop(last, None)
        if value:
            (inside[last],) = value
        held = wrong if name == "results" else [wrong]
        assert list(validators[name].iter_errors(held)), (name, place)


@pytest.fixture(scope="module")
def operator(space, findings):
    """The identifier and name of an operator of the sample that alone bears its name, and has findings."""
    operators = space.entries[["operator_id", "operator"]].drop_duplicates()
    alone = operators[
        ~operators["operator"].duplicated(keep=False) & operators["operator_id"].isin(findings["operator_id"])
    ]
    return tuple(alone.iloc[0])


def test_an_operator_is_known_by_identifier_and_name(space, operator):
    identifier, name = operator
    assert select_operator(space, None) is None
    for text in (f" {identifier} ", name, name.lower(), f"  {name}  "):
        assert select_operator(space, text) == identifier
    identifiers = set(space.entries["operator_id"]) - {""}
    assert any(c.isalpha() for identifier in identifiers for c in identifier)
    assert all(select_operator(space, identifier) == identifier for identifier in identifiers)


def test_an_operator_that_is_none_or_several_is_refused_with_names_near(space, operator):
    for text, why in (
        ("fictif", r"'fictif' may mean \d+ operators\. Such as: .+; "),
        (f"{operator[1][:-1]}QQ", operator[1]),
        ("no such thing at all", "no operator"),
        ("  ", "no operator"),
    ):
        with pytest.raises(UnknownNameError, match=why):
            select_operator(space, text)
    with pytest.raises(ParameterError, match="operator is empty"):
        select_operator(space, "")


def test_findings_of_an_operator_touch_its_rows_or_name_it(space, findings, operator):
    identifier = operator[0]
    limited = touching(findings, space, Limits(identifier))
    rows = set(space.entries.loc[space.entries["operator_id"] == identifier, "row"])
    assert 0 < len(limited) < len(findings)
    touched = findings["rows"].map(lambda r: bool(rows & set(r))) | (findings["operator_id"] == identifier)
    assert findings[touched]["evidence"].tolist() == limited["evidence"].tolist()
    assert limited.dtypes.equals(findings.dtypes)


@pytest.mark.parametrize("number", [0, 1000])
def test_results_come_back_from_their_json(space, findings, number):
    results = record(space, findings.head(number), name="x")
    bundle = results._repr_mimebundle_(include=None, exclude=None)
    back = read_results(json.loads(json.dumps(bundle[MIME])))
    assert (back.name, back.provenance) == ("x", results.provenance)
    pd.testing.assert_frame_equal(back.findings, results.findings)
    assert repr(back) == bundle["text/plain"]
    assert sum(back.by_severity.values()) == sum(back.by_rule.values()) == len(results.findings)
    assert list(back.by_severity) == ["critical", "error", "warning", "info"]


def test_contacts_shown_by_mistake_are_not_recorded(space):
    shown = open_space(as_of=AS_OF, contacts="all")
    plain, masked = audit("stale_contacts", shown), audit("stale_contacts", space)
    assert plain["observed"].tolist() != masked["observed"].tolist()
    with pytest.raises(ParameterError, match="these findings show contacts"):
        record(space, plain, name="x")
    assert record(shown, plain, name="x").findings is plain
    assert record(space, masked, name="x").findings is masked
