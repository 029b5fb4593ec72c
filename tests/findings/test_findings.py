import re
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, meta
from made_findings import framed, made

from mssante_audit import AUDITS
from mssante_audit.base.export import records
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import SOURCES, Rule
from mssante_audit.findings.facts import clear, dumped, hidden, loaded
from mssante_audit.findings.frame import COLUMNS, Finding, Severity, concat, findings_frame
from mssante_audit.findings.places import DNS, REGISTER, Place, evidence, places_from, places_of, row_ranges
from mssante_audit.findings.templates import sentence
from mssante_audit.values.person import Person

ENTRIES = pd.DataFrame(
    [(1, "a.example", "1", "UN", "75"), (2, "a.example", "2", "DEUX", "2A"),
     (3, "b.example", "2", "DEUX", "2A"), (4, "c.example", "3", "TROIS", "988")],
    columns=["row", "domain", "operator_id", "operator", "department"],
)  # fmt: skip


def test_an_empty_frame_has_every_column_and_dtype():
    empty, full = framed([], ENTRIES), framed([made("LIST_ROW_DUPLICATE", (1,))], ENTRIES)
    assert list(empty.columns) == list(COLUMNS)
    assert empty.dtypes.tolist() == full.dtypes.tolist()
    assert empty["severity"].dtype == Severity


def test_a_finding_may_be_surer_or_less_sure_than_its_rule():
    findings = [made("DN_ID_LUHN", (1,)), made("DN_ID_LUHN", (4,), confidence="hint")]
    assert framed(findings, ENTRIES)["confidence"].tolist() == ["certain", "hint"]
    with pytest.raises(ValueError, match="'sure' is no confidence"):
        framed([made("DN_ID_LUHN", (1,), confidence="sure")], ENTRIES)


def test_domains_and_operator_follow_from_the_rows():
    (record,) = framed([made("LIST_ROW_DUPLICATE", (3, 1, 2))], ENTRIES).to_dict("records")
    assert (record["domain"], record["domains"]) == ("a.example", 2)
    assert (record["operator_id"], record["operator"]) == ("2", "DEUX")
    assert (record["evidence"], record["rows"]) == ("1-3", (1, 2, 3))
    frame = framed([made("LIST_ROW_DUPLICATE", (3, 1, 2)), made("DN_ID_LUHN", (4,))], ENTRIES)
    places = {row["operator_id"]: (row["department"], row["region"]) for row in frame.to_dict("records")}
    assert places == {"2": ("2A", "Corse"), "3": ("988", "")}


def test_worst_and_widest_first_also_when_put_together():
    info = framed([made("DN_CONCENTRATION", (1, 3, 4))], ENTRIES)
    rest = framed([made("DN_ID_LUHN", (1,)), made("DN_ID_LUHN", (2, 3))], ENTRIES)
    assert concat([info, rest])["evidence"].tolist() == ["2-3", "1", "1, 3-4"]
    assert concat([]).dtypes.tolist() == info.dtypes.tolist()


def test_a_list_not_to_be_relied_on_comes_before_whatever_its_rows_have() -> None:
    findings = [made("DN_UNREADABLE", (1, 2, 3)), made("LIST_OLD"), made("DN_CONCENTRATION", (1, 2))]
    first = ["LIST_OLD", "DN_UNREADABLE", "DN_CONCENTRATION"]
    assert framed(findings, ENTRIES)["rule"].tolist() == first
    assert concat(framed([finding], ENTRIES) for finding in findings)["rule"].tolist() == first


def test_mailboxes_of_all_domains_count_and_come_before_the_number_of_domains():
    findings = [made("DN_ID_LUHN", (1, 3, 4)), made("DN_ID_LUHN", (3,)), made("DN_ID_LUHN", register="a.csv")]
    published = {"a.example": 1, "b.example": 40, "elsewhere.example": 7}
    elsewhere = made("DN_ID_LUHN", domains=("elsewhere.example",))
    frame = findings_frame([*findings, elsewhere], ENTRIES, published)
    assert frame["mailboxes"].tolist() == [pd.NA, 41, 40, 7]
    assert frame["domains"].tolist() == [0, 3, 1, 1]
    assert concat([frame[::-1]])["mailboxes"].tolist() == [pd.NA, 41, 40, 7]
    assert findings_frame(findings, ENTRIES)["mailboxes"].isna().all(), "unknown is not 0"


def test_persons_are_masked_by_type_and_two_that_differ_stay_different():
    rule = Rule(
        "A_RULE", family="f", severity="info", source="none", title_fr="t", title_en="t", why_fr="w",
        why_en="w", remedy_fr="r", remedy_en="r",
        observed_fr="{{ n | count('ligne') }} : {{ who }} | {{ other }}",
        observed_en="{{ n | count('row') }}: {{ who }} | {{ other }}", expected_fr="{{ who }}",
    )  # fmt: skip
    facts = {"n": 2, "who": Person("Mme FICTIVE Zoé, zoe@a.example"), "other": Person("zac@a.example")}
    assert sentence(rule, "observed", hidden(facts)) == "2\xa0lignes : •••, z•••@a.example | z•••@a.example"
    facts["other"] = Person("Mme FICTIVE Zac, zac@a.example")
    shown = sentence(rule, "observed", hidden(facts), "en")
    assert shown == "2\xa0rows: •••, z•••@a.example (1) | •••, z•••@a.example (2)"
    assert sentence(rule, "expected", hidden(facts)) == "•••, z•••@a.example (1)"
    assert sentence(rule, "expected", clear(facts)) == "Mme FICTIVE Zoé, zoe@a.example"
    assert loaded(dumped(facts)) == facts


@given(st.sets(st.integers(1, 400), min_size=1))
def test_row_ranges_say_exactly_the_rows(rows):
    pairs = [part.partition("-") for part in row_ranges(rows).split(", ")]
    assert {n for first, _, last in pairs for n in range(int(first), int(last or first) + 1)} == rows


def test_places_are_told_once_for_each_file_and_column():
    where = (4, Place(REGISTER, "b.csv", (7, 5), "domain"), 3, Place(REGISTER, "b.csv", (6,), "domain"))
    frame = findings_frame([Finding("DN_ID_LUHN", "x", where)], ENTRIES, source="l.xml")
    places = frame.loc[0, "where"]
    assert places == (Place("list", "l.xml", (3, 4)), Place(REGISTER, "b.csv", (5, 6, 7), "domain"))
    assert frame.loc[0, "rows"] == (3, 4), "those of the list only"
    assert evidence(places) == "b.csv:5-7; l.xml:3-4"
    (record,) = records(frame)
    assert places_from(record["where"]) == places, "a file has them as mappings"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ((), ""),
        ((9, 3, 4, 5), "3-5, 9"),
        ((1, Place(DNS, "a.gz", (4, 3), label="2026-03-02")), "obs. 3-4 (2026-03-02)"),
        ((Place(DNS, "a.gz", tuple(range(1, 60)), label="d"),), "obs. 1-20… (d)"),
        ((Place(DNS, "a.gz", (1,), label="a.gz, d"), Place(DNS, "b.gz", (2,), label="b.gz, d")),
         "obs. 1 (a.gz, d); obs. 2 (b.gz, d)"),
        ((Place(REGISTER, "a.csv", (2,), "date"), Place(REGISTER, "a.csv", (2,), "domain")), "a.csv:2"),
        ((Place(REGISTER, "a.csv"),), "a.csv")],
)  # fmt: skip
def test_evidence_says_in_words_where_a_finding_stands(where, words):
    assert evidence(places_of(where, "l.xml")) == words


def test_a_finding_without_rows_touches_no_domain():
    frame = framed([made("LIST_UNSIGNED", register="liste.csv")], ENTRIES)
    assert frame.loc[0, ["domains", "rows"]].tolist() == [0, ()]
    with pytest.raises(LookupError, match="no rule"):
        framed([made("NO_SUCH_RULE")], ENTRIES)


def test_a_finding_may_name_domains_and_operator_that_no_row_tells():
    more = {"domains": ("z.example", "a.example"), "operator_id": "9", "operator": "NEUF"}
    (record,) = framed([made("LIST_UNSIGNED", (1,), **more)], ENTRIES).to_dict("records")
    names = ("domain", "domains", "operator_id", "operator")
    assert [record[name] for name in names] == ["a.example", 2, "9", "NEUF"]


AUDIT_SOURCES = Path(__file__).parents[2] / "mssante_audit" / "audits"
RULES = list(registry.catalogue().values())
CODE = re.compile(r"\"((?:LIST|DN|CONTACT|DECL|RECO|DNS|MAILBOX|TLS)_[A-Z0-9_]+)\"")


@pytest.mark.parametrize("audit", AUDITS)
def test_an_audit_raises_the_rules_of_its_file_and_no_other(audit: str) -> None:
    files = [file.read_text(encoding="utf-8") for file in (AUDIT_SOURCES / audit).glob("*.py")]
    codes = {code for text in files for code in CODE.findall(text)}
    assert codes == {rule.code for rule in RULES if rule.audit == audit}


TEXTS = [f"{name}_{language}" for name in ("title", "why", "remedy") for language in ("fr", "en")]


def test_fields() -> None:
    changes = (AUDIT_SOURCES.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert re.match(rf"(?:{'|'.join(SOURCES)})\b", rule.source), rule.code
        for text in (rule.family, rule.source, *(getattr(rule, name) for name in TEXTS)):
            assert text == text.strip() != "", rule.code
            assert not re.search("  |\n", text), rule.code
        assert f"\n## {rule.added_in} " in changes, rule.code
        for text in (rule.why_fr, rule.why_en, rule.remedy_fr, rule.remedy_en):
            assert text.endswith((".", ".)")), rule.code
        for text in (rule.title_fr, rule.title_en):
            assert len(text.rstrip(".")) == len(text) <= 70, rule.code


def test_french_typography() -> None:
    """No-break spaces inside « », before ; ! ? and before :, and typographic apostrophes."""
    for rule in RULES:
        for text in (rule.family, rule.title_fr, rule.why_fr, rule.remedy_fr):
            assert not re.search(r"(?<!\u00a0)»|«(?!\u00a0)|(?<!\u00a0):(?!//)|'", text), (rule.code, text)
            assert not re.search(r"(?<!\u202f)[;!?]", re.sub("«[^»]*»", "", text)), (rule.code, text)


def test_findings_have_words_in_both_languages_of_the_same_facts() -> None:
    for rule in RULES:
        for part in ("observed", "expected", "evidence"):
            french, english = (getattr(rule, f"{part}_{language}") for language in ("fr", "en"))
            assert (bool(french), _asked(french)) == (bool(english), _asked(english)), rule.code


@pytest.mark.parametrize("words", sorted({rule.words for rule in RULES if rule.words}))
def test_macros_are_there_in_both_languages_and_take_the_same_facts(words: str) -> None:
    texts = [(files(words) / f"words_{lang}.j2").read_text(encoding="utf-8") for lang in ("fr", "en")]
    macros = [re.findall(r"macro (\w+\(.*?\))", text) for text in texts]
    assert macros[0] == macros[1] != []
    assert _asked(texts[0]) == _asked(texts[1])


def _asked(template: str) -> set[str]:
    filters = r"\| *(?:number|count|damage|percent|listing|day|lasting|moment|named|visible)\b"
    return meta.find_undeclared_variables(Environment().parse(re.sub(filters, "| default", template)))


def test_contacts_are_personal_and_nothing_else_is() -> None:
    personal = {rule.code for rule in RULES if rule.personal}
    assert personal == {rule.code for rule in RULES if rule.audit == "stale_contacts"} - {
        "CONTACT_STAMP_OLD",
        "CONTACT_UNCHANGED",
    } | {"DECL_PUBLIC_CONSUMER", "LIST_LETTER_FOREIGN", "RECO_CONTACT", "RECO_CONTACT_OLD"}


def test_a_family_belongs_to_one_audit_and_is_told_in_one_go() -> None:
    runs = [key for key, _ in groupby((rule.audit, rule.family) for rule in RULES)]
    assert len(runs) == len({family for _, family in runs})
