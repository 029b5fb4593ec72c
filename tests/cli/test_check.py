"""Is a name listed? Letter for letter, and quickly."""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import CATALOGUE, toml
from typer.testing import CliRunner

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import ParameterError
from mssante_audit.cli.main import app
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.values.person import mask
from mssante_audit.verdicts.domains import domains
from mssante_audit.whitelist.load import doubts
from mssante_audit.whitelist.search import check, search
from mssante_audit.whitelist.signature import Verdict

ALONE = ("--data", str(CATALOGUE / "listeblanchemssante.xml.gz"), "--anchors", str(CATALOGUE / "anchors"))
CASES = toml("cli/check")
LISTED = ["ch-alpha.mssante.fr", "ch-beta.mssante.fr", "chirurgie@ch-gamma.mssante.fr", "ch-delta.example"]


@pytest.mark.parametrize(
    ("text", "listed", "parent", "respelt", "near"), [*CASES["answers"], ("x" * 4000, False, "", "", "*")]
)
def test_a_name_is_listed_letter_for_letter_or_what_is_near_is_told(text, listed, parent, respelt, near):
    answer = check(text, LISTED)
    assert (answer.listed, answer.parent or "", answer.respelt or "") == (listed, parent, respelt)
    assert near in ("*", "".join(answer.near[:1]))


def test_five_thousand_names_take_no_time():
    dice = random.Random(0)
    letters = "abcdefghilmnoprstuv-"
    names = [f"{''.join(dice.choices(letters, k=dice.randint(6, 30)))}.mssante.fr" for _ in range(5000)]
    begin = time.process_time()
    assert check(f"{names[7][:-11]}x.mssante.fr", names).near[0] == names[7]
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("text", CASES["refused"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ParameterError, match="is no address"):
        check(text, LISTED)


@pytest.fixture(scope="module")
def entries():
    names = [f"ch-{n}.mssante.fr" for n in range(60)]
    told = [(name, f"CH {n}", "HOPITAUX FICTIFS") for n, name in enumerate(names)]
    told += [
        ("chu-valombre.mssante.fr", "CHU de Valombre – Hôpital Saint-Éloi", "CHU VALOMBRE"),
        ("ehpad-valombre.mssante.fr", "EHPAD Les Tilleuls", "CCAS DE VALOMBRE"),
        ("chu-valombre.mssante.fr", "une autre ligne", "AUTRE"),
    ]
    frame = pd.DataFrame(told, columns=["domain", "description", "operator"], dtype="str")
    return frame.assign(operator_id="1", department="99")


@pytest.mark.parametrize(("words", "found"), CASES["words"])
def test_words_find_the_domains_that_resemble_them(entries, words, found):
    assert search(entries, words, len(found) or 10)["domain"].tolist() == found


def test_every_row_every_name_and_the_identifier_of_an_operator_count(entries):
    found = search(entries.assign(finess=["", *["999999999"] * (len(entries) - 1)]), "hôpital de Valombre")
    assert found["domain"].tolist()[0] == "chu-valombre.mssante.fr"
    numbered = entries.assign(finess=["999900001", *[""] * (len(entries) - 1)])
    assert search(numbered, "999900001")["domain"].tolist() == [entries["domain"].iloc[0]]
    (told,) = search(entries, "une autre ligne").to_dict("records")
    assert (told["domain"], told["operator"]) == ("chu-valombre.mssante.fr", "CHU VALOMBRE")  # its first row
    few = search(entries, "fictifs", limit=3)
    assert few.columns.tolist() == ["domain", "description", "operator", "operator_id", "department"]
    assert len(few) == 3


NOW = datetime(2026, 3, 3, 6, tzinfo=UTC)


@pytest.mark.parametrize(("status", "days", "more", "expected"), CASES["doubts"])
def test_a_list_is_relied_on_if_it_is_signed_whole_and_recent(status, days, more, expected):
    made = more.get("generated_at", NOW - timedelta(days)) or None
    whole = {"damaged": "damaged" in more, "damage_kinds": (), "generated_at": made}
    listed = SimpleNamespace(signature=Verdict(status, ""), **whole)
    assert doubts(listed, NOW, timedelta(7)) == expected
    # Without a time age does not count.
    assert doubts(listed) == [doubt for doubt in expected if doubt not in ("old", "future", "undated")]


def told_of(name: str, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", name, "--as-of", "2026-03-03", *more])
    return done.exit_code, done.stdout


def test_both_answers_of_a_domain_are_told_with_why_and_what_every_one_ends_with_offers_none():
    _, said = told_of("ch-fortirreel.mssante.fr")
    assert "\narrives: no. DNS: no server answers for the zone." in said
    assert "\nin order: " in said
    for name in ("nulle-part.mssante.fr", "x.example"):
        _, said = told_of(name, *ALONE)
        assert (said.startswith("not listed: "), "like it" in said) == (True, False)


def test_a_program_is_told_the_same(sample_space):
    name = "ch-fortirreel.mssante.fr"
    status, said = told_of(name, "--format", "json")
    told = json.loads(said)
    row = domains(sample_space).set_index("domain").loc[name]
    assert (status, told["listed"], told["arrives"], told["order"]) == (0, True, "no", row["order"])
    assert told["checks"] == {check: row[check] for check in CHECKS}
    assert told["operator"]["id"] == row["operator_id"]
    found = audit_all(sample_space)
    assert {one["rule"] for one in told["findings"]} >= set(found.loc[found["domain"] == name, "rule"])
    (entry, *_) = sample_space.entries[sample_space.entries["domain"] == name].to_dict("records")
    assert told["contacts"]["support"] == [mask(entry["support_contact"], services=True)]
    shown = json.loads(told_of(name, "--format", "json", "--contacts", "all", *ALONE)[1])
    assert entry["support_contact"] in shown["contacts"]["support"]


def test_of_what_is_not_listed_a_program_is_told_what_is_near():
    status, said = told_of("CH-fortirreel.mssante.fr", "--format", "json", *ALONE)
    told = json.loads(said)
    assert (status, told["listed"], told["near"]) == (1, False, ["ch-fortirreel.mssante.fr"])
    assert (told["arrives"], told["order"], told["operator"]) == ("unknown", "unknown", None)
    assert (told["checks"], told["findings"]) == ({}, [])
