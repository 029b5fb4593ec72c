"""The catalogue and the audits go together: every rule has code, texts and a test in which it fires."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from mssante_audit import AUDITS
from mssante_audit.archive.history import CONTENT
from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.findings.catalogue import CONFIDENCES, SEVERITIES, SOURCES, Rule
from mssante_audit.findings.registry import catalogue, rule

AUDIT_SOURCES = Path(__file__).parents[2] / "mssante_audit" / "audits"
RULES = list(catalogue().values())
CODE = re.compile(r"\"((?:LIST|DN|CONTACT|DECL|RECO|DNS|MAILBOX|TLS)_[A-Z0-9_]+)\"")


@pytest.mark.parametrize("audit", AUDITS)
def test_an_audit_raises_the_rules_of_its_file_and_no_other(audit: str) -> None:
    files = [file.read_text(encoding="utf-8") for file in (AUDIT_SOURCES / audit).glob("*.py")]
    codes = {code for text in files for code in CODE.findall(text)}
    assert codes == {rule.code for rule in RULES if rule.audit == audit}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_fields(rule: Rule) -> None:
    assert rule.severity in SEVERITIES
    assert re.match(rf"(?:{'|'.join(SOURCES)})\b", rule.source)
    for field in ("family", "source", "title_fr", "title_en", "why_fr", "why_en", "remedy_fr", "remedy_en"):
        text = getattr(rule, field)
        assert text == text.strip() != ""
        assert "  " not in text
        assert "\n" not in text
    assert f"\n## {rule.added_in} " in (AUDIT_SOURCES.parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    for field in ("why_fr", "why_en", "remedy_fr", "remedy_en"):
        assert getattr(rule, field).endswith((".", ".)"))
    for field in ("title_fr", "title_en"):
        assert not getattr(rule, field).endswith(".")
        assert len(getattr(rule, field)) <= 70


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_french_typography(rule: Rule) -> None:
    for text in (rule.family, rule.title_fr, rule.why_fr, rule.remedy_fr):
        assert not re.search(r"(?<![\u00a0])(?:»)|«(?!\u00a0)", text), "no-break space inside « »"
        assert not re.search(r"(?<!\u202f)[;!?]", re.sub("«[^»]*»", "", text)), (
            "narrow no-break space before ; ! ?"
        )
        assert not re.search(r"(?<!\u00a0):(?!//)", text), "no-break space before :"
        assert "'" not in text, "typographic apostrophe"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_findings_have_words_in_both_languages_of_the_same_facts(rule: Rule) -> None:
    for part in ("observed", "expected", "evidence"):
        told = [getattr(rule, f"{part}_{language}") for language in ("fr", "en")]
        assert bool(told[0]) == bool(told[1])
        assert _asked(told[0]) == _asked(told[1])


@pytest.mark.parametrize("words", sorted({rule.words for rule in RULES if rule.words}))
def test_macros_are_there_in_both_languages_and_take_the_same_facts(words: str) -> None:
    told = [(files(words) / f"words_{lang}.j2").read_text(encoding="utf-8") for lang in ("fr", "en")]
    macros = [re.findall(r"macro (\w+\(.*?\))", text) for text in told]
    assert macros[0] == macros[1] != []
    assert _asked(told[0]) == _asked(told[1])


def _asked(template: str) -> set[str]:
    return meta.find_undeclared_variables(Environment().parse(_bare(template)))


def _bare(template: str) -> str:
    """Return a template without our filters, which the bare environment does not know."""
    return re.sub(
        r"\| *(?:number|count|damage|percent|listing|day|lasting|moment|named|visible)\b",
        "| default",
        template,
    )


def test_contacts_are_personal_and_nothing_else_is() -> None:
    personal = {rule.code for rule in RULES if rule.personal}
    assert personal == {rule.code for rule in RULES if rule.audit == "stale_contacts"} - {
        "CONTACT_STAMP_OLD",
        "CONTACT_UNCHANGED",
    } | {"DECL_PUBLIC_CONSUMER", "LIST_LETTER_FOREIGN", "RECO_CONTACT", "RECO_CONTACT_OLD"}


def test_texts_are_of_the_history() -> None:
    assert all(set(one.texts) <= set(CONTENT) for one in RULES)
    assert all(one.texts or not one.needs_all_rows for one in RULES)
    dated = {one.audit for one in RULES if one.texts}
    assert dated == {"dn_consistency", "stale_contacts", "whitelist_integrity"}


def test_a_family_belongs_to_one_audit_and_is_told_in_one_go() -> None:
    order = list(dict.fromkeys((rule.audit, rule.family) for rule in RULES))
    assert len(order) == len({family for _, family in order})
    runs = [
        key
        for i, key in enumerate((r.audit, r.family) for r in RULES)
        if i == 0 or key != (RULES[i - 1].audit, RULES[i - 1].family)
    ]
    assert runs == order


def test_an_unknown_rule_is_said_to_be() -> None:
    with pytest.raises(UnknownNameError, match="no rule 'DN_NOTHING'"):
        rule("DN_NOTHING")


@pytest.mark.parametrize(("field", "allowed"), [("severity", SEVERITIES), ("confidence", CONFIDENCES)])
def test_a_value_of_another_type_is_told_the_values_allowed_too(field: str, allowed: tuple[str, ...]) -> None:
    given = RULES[0].model_dump()
    with pytest.raises(InputError, match=rf"{field} is 5\. Allowed: {', '.join(allowed)}$"):
        Rule(**given | {field: 5})
