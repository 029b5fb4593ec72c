"""What an analyst asks in one line: the answers, what is refused, and that hostile text stays text."""

import sys
from dataclasses import replace

import numpy as np
import openpyxl
import pandas as pd
import pytest
from conftest import CATALOGUE, SAMPLE_AS_OF, toml
from pandas.testing import assert_frame_equal

import mssante_audit as ms
from mssante_audit.base.errors import InputError, ParameterError, UnknownNameError
from mssante_audit.findings import registry
from mssante_audit.findings.places import row_ranges
from mssante_audit.snapshot import make_snapshot

CASES = toml("report/desk")


@pytest.fixture
def own_registry(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "registered", dict(registry.registered))
    registry.catalogue.cache_clear()
    yield
    registry.catalogue.cache_clear()


def test_sql_asks_of_every_frame_what_pandas_would_say(space, findings):
    counts = space.sql("SELECT rule, count(*) AS n FROM findings GROUP BY rule").set_index("rule")["n"]
    assert counts.to_dict() == findings["rule"].value_counts().to_dict()
    assert space.sql("FROM domains")["domain"].tolist() == list(map(space.shown, ms.domains(space)["domain"]))
    assert len(space.sql("FROM register")) == len(space.register.declarations)
    worst = space.sql("SELECT severity FROM findings ORDER BY rank DESC LIMIT 1")
    assert worst["severity"].item() == str(findings["severity"].max())
    joined = space.sql("SELECT count(*) AS n FROM Findings f JOIN \"entries\" e ON list_contains("
                       "from_json(f.rows, '[\"BIGINT\"]'), e.row)")  # fmt: skip
    assert joined["n"].item() == findings["rows"].map(len).sum()


def test_sql_sees_a_frame_that_is_handed_over_and_no_variable_that_lies_about(space):
    mine = pd.DataFrame({"domain": space.audited["domain"].head(2), "beds": [3, 4]})
    assert space.sql("SELECT sum(beds) AS n FROM hers", hers=mine)["n"].item() == 7
    with pytest.raises(ParameterError, match="mine does not exist"):
        space.sql("FROM mine")


def test_without_duckdb_one_line_says_what_to_install(space, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r'not installed\. pip install "mssante-audit\[lab\]"'):
        space.sql("FROM entries")


@pytest.mark.parametrize("query", CASES["queries"])
def test_sql_reaches_nothing_else_and_says_in_one_line_what_is_wrong(space, tmp_path, query):
    file = tmp_path / "secret"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(ParameterError) as refused:
        space.sql(query.format(file=file))
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_sql_shows_contacts_only_where_the_space_does(space):
    query = "SELECT support_contact AS told FROM entries WHERE support_contact <> ''"
    hidden, clear = (replace(space, contacts=who).sql(query)["told"] for who in ("none", "all"))
    assert set(clear) == set(space.entries["support_contact"]) - {""}
    assert not set(hidden) & set(clear)
    assert hidden.nunique() == clear.nunique(), "two that differ stay different"
    cells = " ".join(space.sql("FROM register").astype("str").sum())
    emails = set(space.register.declarations["project_manager_email"].dropna()) - {""}
    assert [email in cells for email in emails] == [False] * len(emails) != []


def test_an_address_that_is_listed_as_a_domain_is_masked_by_sql_and_in_files(tmp_path):
    listed = ms.load_space(CATALOGUE, as_of=SAMPLE_AS_OF)
    (address,) = (name for name in listed.entries["domain"].unique() if "@" in name)
    assert address not in listed.sql("FROM entries")["domain"].tolist()
    assert address not in ms.export(listed.entries, tmp_path / "a.csv").read_text(encoding="utf-8")
    assert address in replace(listed, contacts="all").sql("FROM entries")["domain"].tolist()


@pytest.mark.parametrize(
    ("as_of", "changed"),
    [
        (SAMPLE_AS_OF, {"stale_after_days": 365, "concentration_min": 2}),
        ("2026-03-20", {"observation_max_age_days": 60}),  # what was too old answers again
    ],
)
def test_a_threshold_changed_is_the_space_loaded_with_it(as_of, changed):
    before = ms.load_space(as_of=as_of)
    findings, domains = ms.audit_all(before), ms.domains(before)
    after = before.with_(**changed)
    loaded = ms.load_space(as_of=as_of, thresholds=after.thresholds)
    assert_frame_equal(ms.audit_all(after), ms.audit_all(loaded))
    assert_frame_equal(ms.domains(after), ms.domains(loaded))
    assert not ms.audit_all(after).equals(findings) or not ms.domains(after).equals(domains)
    assert before.thresholds == ms.Thresholds(), "the space itself stays"


def test_what_moved_is_new_gone_or_changed_and_nothing_else(space, findings):
    moves = ms.moved(space, other := space.with_(stale_after_days=365, concentration_min=1000))
    after = ms.audit_all(other)
    old, new = set(findings["fingerprint"]), set(after["fingerprint"])
    by_kind = moves.groupby("moved")["fingerprint"].agg(set).to_dict()
    assert (by_kind["new"], by_kind["gone"]) == (new - old, old - new)
    both = findings.merge(after, on="fingerprint")
    differing = both[(both["observed_x"] != both["observed_y"]) | (both["rows_x"] != both["rows_y"])]
    assert set(differing["fingerprint"]) <= by_kind["changed"] <= old & new
    assert ms.moved(space, space).empty


def test_what_is_not_looked_at_any_more_is_unknown_and_not_gone(space):
    moves = ms.moved(space, replace(space, register=None))
    lost = moves[moves["audit"] == "declarations"]
    assert len(lost) > 5
    assert set(lost["moved"]) == {"unknown"}
    aged = ms.moved(space, space.with_(observation_max_age_days=0))
    assert set(aged.loc[aged["audit"] == "delegation_vs_redirection", "moved"]) <= {"unknown", "changed"}


def test_a_threshold_that_is_none_is_refused(space):
    """Ranges: `test_parameters`."""
    for changed, why in (
        ({"stale": 3}, "no threshold 'stale'. There are: "),
        ({"stale_after_days": -1}, "wants 0"),
    ):
        with pytest.raises(ParameterError, match=why):
            space.with_(**changed)


def test_a_snapshot_has_its_own_thresholds(space, tmp_path):
    make_snapshot(space, tmp_path / "made", data=CATALOGUE)
    loaded = ms.load_space(tmp_path / "made")
    assert loaded.sql("SELECT count(*) AS n FROM findings")["n"].item() == len(ms.audit_all(space))
    with pytest.raises(InputError, match="Load its data folder"):
        loaded.with_(stale_after_days=365)


def test_a_finding_is_traced_to_its_rows(space, findings):
    for _, finding in findings[findings["rows"].map(len) > 0].iterrows():
        assert tuple(space.rows_of(finding)["row"]) == finding["rows"]
    declared = findings[(findings["rows"].map(len) == 0) & findings["evidence"].str.contains(".csv:")]
    assert len(declared) > 5
    for _, finding in declared.iterrows():
        traced = space.rows_of(finding)
        file, _, rows = finding["evidence"].partition(":")
        # The heads of its columns are no declaration.
        assert row_ranges(traced["row"]) == ("" if rows == "1" else rows)
        assert set(traced["file"]) <= {file}
    assert set(space.rows_of(findings)["row"]) == set().union(*findings["rows"])
    assert space.rows_of(findings.head(0)).empty


def test_the_domains_behind_a_server_are_those_that_name_it(space):
    for kind in ("NS", "MX"):
        for host, domains in ms.hosts(space, kind).groupby("host")["domain"]:
            served = ms.behind(space, f" {host.upper()}. ")
            assert served.loc[served["kind"] == kind, "domain"].tolist() == domains.tolist()
    with pytest.raises(UnknownNameError, match=f"Near: .*{host}"):
        ms.behind(space, f"{host}x")
    with pytest.raises(InputError, match="no observation"):
        ms.behind(replace(space, observation=None), host)


def test_a_region_is_what_reports_are_limited_to(space, findings):
    """What a place holds: `test_limits`."""
    entries = space.audited[space.audited["region"] == "Île-de-France"]
    assert ms.within(space, space.audited, region="ile de france")["row"].tolist() == entries["row"].tolist()
    named = ms.within(space, ms.hosts(space, "MX"), region="ÎLE-DE-FRANCE")
    assert set(named["domain"]) <= set(entries["domain"])
    assert 0 < len(ms.within(space, findings, region="ile de france")) < len(findings)
    with pytest.raises(UnknownNameError):
        ms.within(space, findings, region="atlantide")
    with pytest.raises(ParameterError, match="nobody's place"):
        ms.within(space, pd.DataFrame({"n": [1]}), region="ile de france")


NUMBERS = ["1010000008", "12A0000001", "2999000003", "399900000300015", "", "x", "1010000008"]
ROWS = pd.DataFrame({"operator_id": NUMBERS, "n": range(7)}, index=list("abcdefg"))


@pytest.mark.parametrize(
    ("on", "numbers", "rows"),
    [("finess", [10000008.0, None, np.nan], "ag"), ("siret", ["", None], ""), *CASES["numbers"]],
)
def test_a_table_is_joined_whatever_a_spreadsheet_made_of_its_numbers(on, numbers, rows):
    table = pd.DataFrame({f"Num_{on.upper()}": pd.Series(numbers, dtype="object"), "beds": 12, "n": 0})
    joined = ms.join(ROWS, table, on)
    assert joined.index.tolist() == ROWS.index.tolist()
    assert joined["n"].tolist() == list(range(7))
    assert set(joined.index[joined["beds"].notna()]) == {*rows}
    assert set(joined.index[joined["n_theirs"].notna()]) == {*rows}


@pytest.mark.parametrize(("table", "on", "why"), CASES["refused"])
def test_a_table_with_a_number_twice_or_no_such_column_is_refused(table, on, why):
    with pytest.raises((InputError, ParameterError), match=why):
        ms.join(ROWS, pd.DataFrame(table), on)


def test_the_column_of_the_number_can_be_named():
    theirs = pd.DataFrame({"finess_et": [1], "finess_ej": [10000008], "beds": [5]})
    assert ms.join(ROWS, theirs, "finess", column="finess_ej")["beds"].count() == 2


def test_a_file_that_is_no_table_is_refused(tmp_path, space):
    (tmp_path / "t.xlsx").write_bytes(b"no workbook")
    for name, why in (
        ("t.pdf", r"'t.pdf' is of no known format\. End it in \.csv"),
        ("t.xlsx", r"t.xlsx: the table cannot be read"),
        ("gone.csv", r"gone.csv: the table cannot be read"),
    ):
        with pytest.raises((InputError, ParameterError), match=why):
            space.join(tmp_path / name, "finess")


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json", "parquet"])
def test_a_table_is_joined_from_its_file(tmp_path, space, suffix):
    number = space.audited.loc[space.audited["finess"] != "", "finess"].iloc[0]
    table, file = pd.DataFrame({"Finess": [number], "intitulé": ["Hôpital"]}), tmp_path / f"t.{suffix}"
    if suffix == "csv":  # as a French spreadsheet writes it
        table.to_csv(file, sep=";", index=False, encoding="cp1252")
    else:
        getattr(table, {"xlsx": "to_excel"}.get(suffix, f"to_{suffix}"))(file)
    joined = space.join(file, "finess")
    assert set(joined["intitulé"].dropna()) == {"Hôpital"}
    assert_frame_equal(joined, ms.join(space.audited, str(file), "finess"))


def test_certificates_declarations_and_changes_are_frames(space):
    ends = space.certificates
    assert ends["until"].is_monotonic_increasing
    assert ends["domains"].tolist() == [len(names) for names in ends["names"]]
    assert set(ms.expiries(space)["domain"]) == {name for names in ends["names"] for name in names}
    register = space.register.declarations
    assert space.declarations["domain"].tolist() == register["domain"].tolist()
    emails = set(register["project_manager_email"].dropna()) - {""}
    assert emails - set(space.declarations["project_manager_email"]) == emails != set()
    assert space.changes["kind"].tolist() == space.sql("FROM changes")["kind"].tolist() != []
    bare = replace(space, register=None, tls=None, archive=None)
    for frame, columns in zip(
        (bare.certificates, bare.declarations, bare.changes), (ends, register, space.changes), strict=True
    ):
        assert frame.empty
        assert list(frame) == list(columns)


def test_a_rule_of_ones_own_is_found_everywhere_rules_are(space, own_registry):
    rule = ms.own_rule(
        "LIST_DOMAIN_LONG", "Nom long", "domain.str.len() > 40", severity="error", remedy="Plus court."
    )
    findings = ms.audit(rule.name, space)
    assert set(findings["domain"]) == {name for name in space.audited["domain"] if len(name) > 40}
    assert set(findings["severity"]) == {"error"}
    assert set(findings["fingerprint"]) <= set(ms.audit_all(space)["fingerprint"])
    assert "Nom long" in ms.findings_table(findings, ms.family("Nom long"))
    ms.own_rule("LIST_DOMAIN_LONG", "Nom long", lambda rows: rows["domain"].str.len() > 60)
    assert {*ms.audit(rule.name, space)["domain"]} == {d for d in space.audited["domain"] if len(d) > 60}


def test_a_rule_of_ones_own_masks_persons_and_fails_as_any_rule(space, own_registry):
    ms.own_rule("OWN_CONTACTS", "Contacts", "domain.str.len() > 40", shows="support_contact")
    observed = " ".join(ms.audit("own_contacts", replace(space, contacts="none"))["observed"])
    assert "•••" in observed
    assert not [c for c in set(space.entries["support_email"]) - {""} if c in observed]
    ms.own_rule("OWN_WRONG", "Faux", lambda rows: 1 / (len(rows) - len(rows)))
    assert ms.audit("own_wrong", space)["rule"].tolist() == ["AUDIT_RULE_FAILED"]


@pytest.mark.parametrize(
    ("code", "which", "options", "why"),
    [("OWN_WRONG", lambda rows: rows["domian"] == "x", {}, "Did you mean 'domain'"), *CASES["rules"]],
)
def test_a_rule_of_ones_own_is_checked_when_it_is_made(own_registry, code, which, options, why):
    with pytest.raises((InputError, ParameterError), match=why):
        ms.own_rule(code, "Faux", which, **options)
    assert "own_wrong" not in registry.audits()


CONTACTS = ["M. DURAND Zoé, 04 65 71 00 01, zoe@x.example", "", "zac@x.example"]
HOSTILE = pd.DataFrame(
    {"domain": ["=1+1", "<b>", "é\x00\u202e"], "support_contact": CONTACTS, "n": [1, 2, 3]}
)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json", "parquet", "XLSX"])
def test_a_frame_is_written_as_its_suffix_says_persons_masked(tmp_path, suffix):
    """Formulas and what a cell cannot hold: `test_export`."""
    file = ms.export(HOSTILE, tmp_path / f"out[1].{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"out[1].{suffix}"]
    assert not any(word in file.read_bytes() for word in (b"DURAND", b"zoe@", b"0465710001"))
    if suffix == "xlsx":
        sheet = openpyxl.load_workbook(file).worksheets[0]
        assert (sheet["A2"].data_type, sheet["A2"].value) == ("s", "=1+1")
        assert "•••" in sheet["B2"].value
    if suffix == "parquet":
        assert pd.read_parquet(file)["n"].tolist() == HOSTILE["n"].tolist()
    clear = ms.export(HOSTILE, tmp_path / f"clear.{suffix.lower()}", contacts="all")
    if suffix in ("csv", "json"):
        assert "DURAND" in clear.read_text(encoding="utf-8")


def test_a_count_keeps_its_names_and_what_is_no_format_is_refused(tmp_path):
    counts = pd.Series({"CH FICTIF": 3}, name="domaines").rename_axis("opérateur")
    table = pd.read_csv(ms.export(counts, tmp_path / "n.csv"))
    assert table.to_dict("records") == [{"opérateur": "CH FICTIF", "domaines": 3}]
    assert list(pd.read_parquet(ms.export(HOSTILE[HOSTILE["n"] > 1], tmp_path / "f.parquet"))) == list(
        HOSTILE
    )
    with pytest.raises(ParameterError, match=r"no known format\. End it in \.csv, "):
        ms.export(HOSTILE, tmp_path / "x.pdf")
    for give in (ms.table, lambda rows: ms.export(rows, tmp_path / "x.csv")):
        with pytest.raises(ParameterError, match="a list is no Series or DataFrame"):
            give([1, 2])
    assert {path.name for path in tmp_path.iterdir()} == {"n.csv", "f.parquet"}
