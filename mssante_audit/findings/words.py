"""Findings in words: the catalogue's templates, filled with facts, in the reader's language."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import current_language, using_language
from mssante_audit.base.text import visible
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.facts import seen
from mssante_audit.findings.frame import typed
from mssante_audit.findings.places import evidence
from mssante_audit.findings.templates import asked, template
from mssante_audit.values.person import unnamed


def sentence(rule: Rule, part: str, facts: Mapping[str, Any], language: str = "") -> str:
    """Return one of a rule's `mssante_audit.findings.templates.PARTS`, filled with the facts of a finding.

    Persons in them are masked unless they are texts already; "" is the current language. What is no template,
    or asks for a fact that is not there, is an `InputError`.
    """
    language = language or current_language()
    text = getattr(rule, f"{part}_{language}")
    if not text and part in facts:
        return visible(str(facts[part]))
    if "{" not in text:
        return str(text)
    filled = template(rule, part, language)
    try:
        with using_language(language):
            return filled.render(facts)
    except Exception as error:  # whatever a filter makes of a fact that is not what its author thought
        lacking = ", ".join(sorted(asked(rule, part, language) - facts.keys()))
        why = f"the finding has no fact {lacking}" if lacking else error
        fault = f"its {part}_{language} cannot be filled ({why})"
        raise InputError(fault, file=f"rule {rule.code}") from error


def worded(findings: pd.DataFrame, *, language: str = "", contacts: str = "none") -> pd.DataFrame:
    """Return findings with `observed`, `expected`, `evidence` in words; `contacts`: who is shown."""
    frame = findings.copy(deep=False)
    show = seen(contacts)
    frame["facts"] = facts = list(map(show, frame["facts"]))
    # Apart from the facts: the key of a contact is another text than the contact, and nobody counts it.
    frame["subject"] = [tuple(show(list(subject))) for subject in frame["subject"]]
    sentences: dict[str, list[str]] = {"observed": [], "expected": [], "evidence": []}
    for code, its_facts, where in zip(frame["rule"].tolist(), facts, frame["where"].tolist(), strict=True):
        rule, values = registry.rule(code), {**its_facts, "evidence": evidence(where)}
        for part, texts in sentences.items():
            texts.append(sentence(rule, part, values, language))
    if contacts != "all":
        frame["domain"], frame["operator"] = (list(map(unnamed, frame[n])) for n in ("domain", "operator"))
    return typed(frame.assign(**sentences))
