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


ALPHA, BETA, DELTA = (LISTED[at] for at in (0, 1, 3))
ANSWERS = {
    **dict.fromkeys(
        (ALPHA, f"zoe@{ALPHA}", f"Zoé <zoe@{ALPHA}>", f'"a <b" <zoe@{ALPHA}> ', LISTED[2]), (True, "", "", "")
    ),
    # A sub-domain is not listed, and its parent is named.
    **dict.fromkeys((f"smtp.{ALPHA}", f"zoe@a.b.{ALPHA}", "X.CH-ALPHA.mssante.fr"), (False, ALPHA, "", "")),
    # Another spelling is not the same letters.
    **dict.fromkeys(
        ("CH-Alpha.mssante.fr", f"{ALPHA}.", f" {ALPHA}", "zoe@CH-ALPHA.MSSANTE.FR"), (False, "", ALPHA, None)
    ),
    "ch-alpah.mssante.fr": (False, "", "", ALPHA),
    "zoe@ch-bta.mssante.fr": (False, "", "", BETA),
    "ch-alpha.mssnate.fr": (False, "", "", ALPHA),
    "ch-detla.example": (False, "", "", DELTA),
    **dict.fromkeys(
        ("ch-gamma.mssante.fr", "other.invalid", "mssante.fr", "", "x" * 4000), (False, "", "", None)
    ),
}
"""Whether a name is listed, its parent, its right spelling, and the nearest; ``None`` is any."""


@pytest.mark.parametrize("text", ANSWERS)
def test_a_name_is_listed_letter_for_letter_or_what_is_near_is_told(text):
    answer = check(text, LISTED)
    listed, parent, respelt, near = ANSWERS[text]
    assert (answer.listed, answer.parent or "", answer.respelt or "") == (listed, parent, respelt)
    assert near is None or "".join(answer.near[:1]) == near


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
    usual = {"damaged": False, "damage_kinds": (), "generated_at": NOW - DAY}
    return SimpleNamespace(**{"signature": Verdict(status, "")} | usual | more)


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
def test_what_every_domain_ends_with_offers_none(name):
    said = CliRunner().invoke(app, ["check", name, "--as-of", "2026-03-03", *ALONE]).stdout
    assert said.startswith("not listed: ")
    assert "like it" not in said


def told_of(name: str, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", name, "--as-of", "2026-03-03", *more])
    return done.exit_code, done.stdout


def test_both_answers_of_a_domain_are_told_with_why():
    _, said = told_of("ch-fortirreel.mssante.fr")
    assert "\narrives: no. DNS: no server answers for the zone." in said
    assert "\nin order: " in said


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
    assert (told["arrives"], told["order"], told["checks"], told["findings"]) == (
        "unknown",
        "unknown",
        {},
        [],
    )
    assert told["operator"] is None
