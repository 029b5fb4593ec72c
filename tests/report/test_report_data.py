"""What is written for machines is what the schemas say that it is, and what is not is refused."""

import json

import pandas as pd
import pytest
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF
from jsonschema import Draft202012Validator, FormatChecker
from typer.testing import CliRunner

from mssante_audit.audits import audit_all
from mssante_audit.base.export import OBJECTS, records
from mssante_audit.cli.main import Schema, app
from mssante_audit.dossiers.write import write_dossiers
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.network.methods import METHODS
from mssante_audit.report.execute import Failure
from mssante_audit.report.page import Outcome, data_files
from mssante_audit.report.results import NO_ANSWERS
from mssante_audit.snapshot import make_snapshot

ONE = "1679900001"


def asked(*arguments):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def validators():
    schemas = {name: asked("schema", name) for name in Schema if name != "register"}
    for schema in schemas.values():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        Draft202012Validator.check_schema(schema)
    return {
        name: Draft202012Validator(schema, format_checker=FormatChecker()) for name, schema in schemas.items()
    }


def in_snapshot(folder, name):
    told = records(pd.read_parquet(folder / f"{name}.parquet"))
    return [
        {**one, **{name: json.loads(one[name]) for name in OBJECTS if isinstance(one.get(name), str)}}
        for one in told
    ]


def results_in(folder):
    return [json.loads(file.read_text(encoding="utf-8")) for file in folder.rglob("*.results.json")]


@pytest.mark.parametrize("made", ["sample", "hostile"])
def test_files_of_reports_findings_and_domains(made, request, validators, tmp_path):
    run, space = (request.getfixturevalue(f"{made}_{kind}") for kind in ("run", "space"))
    told = results_in(run.out)
    assert len(told) == len(run.outcomes) >= 6
    assert (run.out / "overview.html").stat().st_size <= 1_200_000
    for one in told:
        validators["results"].validate(one)
    found = audit_all(space)
    assert len(found)
    make_snapshot(space, tmp_path / "s")
    domains, changes = (in_snapshot(tmp_path / "s", name) for name in ("domains", "changes"))
    assert len(domains) == space.audited["domain"].nunique()
    validators["domains"].validate(domains[::4])
    assert changes
    validators["changes"].validate(changes[::4])
    shared = in_snapshot(tmp_path / "s", "findings")
    each = {finding["rule"]: finding for finding in shared}  # of each rule one: to read a schema is slow
    validators["findings"].validate([*each.values()])
    assert {one["fingerprint"] for one in shared if not one["until"]} == set(found["fingerprint"])


def test_results_of_a_failure_of_a_second_run_and_of_a_dossier(validators, sample_run, tmp_path):
    results = next(one.results for one in sample_run.outcomes if one.name == "dn_consistency")
    assert results is not None
    gone = {"rule": "DN_SHAPE", "domain": "a", "operator": "b", "first_seen": "2026-01-01T00:00:00+00:00"}
    many = len(results.findings)
    told = FollowUp(
        "2026-03-01T00:00:00+00:00", ("2026-03-01T00:00:00+00:00",) * many, ("new",) * many, (gone,)
    )
    failure = Failure("KeyError", "x", 3)
    outcomes = [
        (Outcome("a", "A", results, follow_up=told, seconds={"run": 1.5}), results.provenance),
        (Outcome("a", "A", None, failure, "Section"), {}),
        (Outcome("a", "A", results, failure, "Section"), results.provenance),
    ]
    for outcome, origin in outcomes:
        files = data_files(outcome, {"data": "x", "row_limit": 3, "recover": False, "operator": None}, origin)
        validators["results"].validate(json.loads(files[".results.json"]))
    write_dossiers(tmp_path / "out", parameters={"as_of": AS_OF}, operators=[ONE])
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


@pytest.fixture(scope="module")
def good(sample_run, sample_space, tmp_path_factory):
    """One right output for each schema."""
    folder = tmp_path_factory.mktemp("good") / "s"
    make_snapshot(sample_space, folder)
    file = sample_run.out / "overview.results.json"
    return {
        "results": json.loads(file.read_text(encoding="utf-8")),
        "findings": records(audit_all(sample_space).head(1)),
        "domains": in_snapshot(folder, "domains")[:1],
    }


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("results", ["status"], "maybe"),
        ("results", ["seconds"], None),
        ("results", ["surprise"], 1),
        ("results", ["counts", "findings"], -1),
        ("results", ["counts", "by_severity", "grave"], 1),
        ("results", ["counts", "by_severity", "info"], ...),
        ("results", ["provenance", "signature"], "fine"),
        ("results", ["provenance", "sha256"], ...),
        ("results", ["since_previous"], {}),
        ("results", ["parameters", "data"], ["a"]),
        ("findings", [0, "severity"], "grave"),
        ("findings", [0, "confidence"], ""),
        ("findings", [0, "domains"], "3"),
        ("findings", [0, "rows"], "3-5"),
        ("findings", [0, "subject"], "a"),
        ("findings", [0, "facts"], "{}"),
        ("findings", [0, "facts"], ...),
        ("findings", [0, "status"], "fixed"),
        ("findings", [0, "surprise"], ""),
        ("domains", [0, "rows"], 1.5),
        ("domains", [0, "method"], "magic"),
        ("domains", [0, "operator"], None),
        ("domains", [0, "domain"], ...),
    ],
)
def test_what_is_wrong_is_refused(name, place, value, good, validators):
    wrong = json.loads(json.dumps(good[name]))
    validators[name].validate(wrong)
    *way, last = place
    inside = wrong
    for step in way:
        inside = inside[step]
    if value is ...:
        del inside[last]
    else:
        inside[last] = value
    assert list(validators[name].iter_errors(wrong))


def test_schemas_have_what_the_code_has(validators):
    row = validators["domains"].schema["items"]["properties"]
    assert row["method"]["enum"] == list(METHODS)
    assert all(one["description"] for one in row.values())
    known = validators["results"].schema
    assert known["$defs"]["Counts"]["properties"]["by_severity"]["required"] == list(SEVERITIES)
    answers = {name: known["properties"][name]["required"] for name in NO_ANSWERS}
    assert answers == {name: list(held) for name, held in NO_ANSWERS.items()}
    told = known["$defs"]["Origin"]["properties"]
    assert told["as_of"]["description"] == "Instant that was audited at (ISO 8601)."
