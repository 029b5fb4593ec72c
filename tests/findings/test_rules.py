"""The catalogue and the audits go together: every rule has code, texts and a test in which it fires."""

import re
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from mssante_audit import AUDITS
from mssante_audit.archive.history import CONTENT
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import SOURCES

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


def test_texts_are_of_the_history() -> None:
    assert all(set(rule.texts) <= set(CONTENT) for rule in RULES)
    assert all(rule.texts or not rule.needs_all_rows for rule in RULES)
    dated = {rule.audit for rule in RULES if rule.texts}
    assert dated == {"dn_consistency", "stale_contacts", "whitelist_integrity"}


def test_a_family_belongs_to_one_audit_and_is_told_in_one_go() -> None:
    runs = [key for key, _ in groupby((rule.audit, rule.family) for rule in RULES)]
    assert len(runs) == len({family for _, family in runs})
