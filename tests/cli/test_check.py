"""Is a name listed? Letter for letter, and quickly."""

import json
import random
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import CATALOGUE
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
LISTED = ["ch-alpha.mssante.fr", "ch-beta.mssante.fr", "chirurgie@ch-gamma.mssante.fr", "ch-delta.example"]


@pytest.mark.parametrize(
    "text",
    [
        "ch-alpha.mssante.fr",
        "zoe@ch-alpha.mssante.fr",
        "Zoé <zoe@ch-alpha.mssante.fr>",
        '"a <b" <zoe@ch-alpha.mssante.fr> ',
        "chirurgie@ch-gamma.mssante.fr",
    ],
)
def test_a_listed_name_is_listed(text):
    assert check(text, LISTED).listed


@pytest.mark.parametrize(
    "text", ["smtp.ch-alpha.mssante.fr", "zoe@a.b.ch-alpha.mssante.fr", "X.CH-ALPHA.mssante.fr"]
)
def test_a_sub_domain_is_not_and_its_parent_is_named(text):
    answer = check(text, LISTED)
    assert (answer.listed, answer.parent, answer.near) == (False, "ch-alpha.mssante.fr", ())


@pytest.mark.parametrize(
    "text", ["CH-Alpha.mssante.fr", "ch-alpha.mssante.fr.", " ch-alpha.mssante.fr", "zoe@CH-ALPHA.MSSANTE.FR"]
)
def test_another_spelling_is_not_the_same_letters(text):
    answer = check(text, LISTED)
    assert (answer.listed, answer.respelt) == (False, "ch-alpha.mssante.fr")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("ch-alpah.mssante.fr", "ch-alpha.mssante.fr"),
        ("zoe@ch-bta.mssante.fr", "ch-beta.mssante.fr"),
        ("ch-alpha.mssnate.fr", "ch-alpha.mssante.fr"),
        ("ch-detla.example", "ch-delta.example"),
    ],
)
def test_the_nearest_names_are_given(text, nearest):
    answer = check(text, LISTED)
    assert not answer.listed
    assert answer.near[0] == nearest


@pytest.mark.parametrize("text", ["ch-gamma.mssante.fr", "other.invalid", "mssante.fr", "", "x" * 4000])
def test_a_name_that_is_not_there_is_not_listed(text):
    answer = check(text, LISTED)
    assert not answer.listed
    assert not answer.parent
    assert not answer.respelt


def test_five_thousand_names_take_no_time():
    dice = random.Random(0)
    letters = "abcdefghilmnoprstuv-"
    names = [f"{''.join(dice.choices(letters, k=dice.randint(6, 30)))}.mssante.fr" for _ in range(5000)]
    begin = time.process_time()
    assert check(f"{names[7][:-11]}x.mssante.fr", names).near[0] == names[7]
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    "text", ["@", "@ch-alpha.mssante.fr", "zoe@", "a@b@ch-alpha.mssante.fr", "Zoé <@x.fr>"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ParameterError, match="is no address"):
        check(text, LISTED)


# -- words --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("chu valombre", ["chu-valombre.mssante.fr", "ehpad-valombre.mssante.fr"]),
        ("VALOMBRE ehpad", ["ehpad-valombre.mssante.fr"]),
        ("hopital saint eloi", ["chu-valombre.mssante.fr"]),
        ("chu valonbre", ["chu-valombre.mssante.fr"]),
        ("tilleu", ["ehpad-valombre.mssante.fr"]),
        ("valonbrre", ["chu-valombre.mssante.fr", "ehpad-valombre.mssante.fr"]),
        ("chu xqzvwk", []),
        ("<script>alert()</script>", []),
        ("…", []),
    ],
)
def test_words_find_the_domains_that_resemble_them(entries, words, found):
    assert search(entries, words, len(found) or 10)["domain"].tolist() == found


def test_a_hospital_has_several_names_and_an_operator_its_identifier(entries):
    found = search(entries.assign(finess=["", *["999999999"] * (len(entries) - 1)]), "hôpital de Valombre")
    assert found["domain"].tolist()[0] == "chu-valombre.mssante.fr"
    assert search(entries, "de la")["domain"].tolist() == []
    numbered = entries.assign(finess=["999900001", *[""] * (len(entries) - 1)])
    assert search(numbered, "999900001")["domain"].tolist() == [entries["domain"].iloc[0]]


def test_every_row_of_a_domain_counts_and_its_first_is_shown(entries):
    (told,) = search(entries, "une autre ligne").to_dict("records")
    assert (told["domain"], told["operator"]) == ("chu-valombre.mssante.fr", "CHU VALOMBRE")


def test_few_are_offered_of_many(entries):
    told = search(entries, "fictifs", limit=3)
    assert len(told) == 3
    assert told.columns.tolist() == ["domain", "description", "operator", "operator_id", "department"]


# -- may the list be relied on ------------------------------------------------------------------------------

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 3, 6, tzinfo=UTC)


def listed(status="valid", **more):
    told = {
        "signature": Verdict(status, ""),
        "damaged": False,
        "damage_kinds": (),
        "generated_at": NOW - DAY,
        **more,
    }
    return SimpleNamespace(**told)


@pytest.mark.parametrize(
    ("whitelist", "expected"),
    [
        (listed(), []),
        (listed("invalid"), ["forged"]),
        (listed("absent"), ["unsigned"]),
        (listed("valid-untrusted"), ["untrusted"]),
        (listed("invalid", damaged=True), ["damaged"]),
        (listed(generated_at=None), ["undated"]),
        (listed(generated_at=NOW + timedelta(minutes=59)), []),
        (listed(generated_at=NOW + timedelta(minutes=61)), ["future"]),
        (listed(generated_at=NOW - 7 * DAY), []),
        (listed("absent", generated_at=NOW - 8 * DAY), ["unsigned", "old"]),
    ],
)
def test_a_list_is_relied_on_if_it_is_signed_whole_and_recent(whitelist, expected):
    assert doubts(whitelist, NOW, 7 * DAY) == expected


def test_without_a_time_age_does_not_count():
    assert doubts(listed(generated_at=None)) == doubts(listed(generated_at=NOW - 800 * DAY)) == []


@pytest.mark.parametrize("name", ["nulle-part.mssante.fr", "x.example"])
def test_what_every_domain_ends_with_offers_none(name: str) -> None:
    said = CliRunner().invoke(app, ["check", name, "--as-of", "2026-03-03", *ALONE]).stdout
    assert said.startswith("not listed: ")
    assert "like it" not in said


def told_of(name: str, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", name, "--as-of", "2026-03-03", *more])
    return done.exit_code, done.stdout


def test_both_answers_of_a_domain_are_told_with_why() -> None:
    _, said = told_of("ch-fortirreel.mssante.fr")
    assert "\narrives: no. DNS: no server answers for the zone." in said
    assert "\nin order: " in said


def test_a_program_is_told_the_same(sample_space) -> None:
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


def test_of_what_is_not_listed_a_program_is_told_what_is_near() -> None:
    status, said = told_of("CH-fortirreel.mssante.fr", "--format", "json", *ALONE)
    told = json.loads(said)
    assert (status, told["listed"], told["near"]) == (1, False, ["ch-fortirreel.mssante.fr"])
    assert (told["arrives"], told["order"], told["checks"], told["findings"]) == (
        "unknown",
        "unknown",
        {},
        [],
    )
    assert told["operator"] is None
