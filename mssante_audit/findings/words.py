"""Findings in words: the catalogue's templates, filled with facts, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import current_language
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.facts import clear, hidden
from mssante_audit.findings.frame import typed
from mssante_audit.findings.places import evidence
from mssante_audit.findings.registry import rule
from mssante_audit.findings.templates import asked, template
from mssante_audit.values.person import unnamed
from mssante_audit.values.shown import shown


def sentence(told: Rule, part: str, facts: Mapping[str, Any], language: str = "") -> str:
    """Return one text of a rule, filled with the facts of a finding.

    Parameters
    ----------
    told
        The rule.
    part
        One of `mssante_audit.findings.templates.PARTS`.
    facts
        By name; persons in them are shown masked unless they are texts already
        (`mssante_audit.findings.facts`).
    language
        One of `mssante_audit.findings.templates.LANGUAGES`; "": the current language.

    Raises
    ------
    InputError
        If the template is no template, or asks for a fact that is not there.
    """
    language = language or current_language()
    text = getattr(told, f"{part}_{language}")
    if not text and part in facts:
        return shown(str(facts[part]))
    if "{" not in text:
        return str(text)
    filled = template(told, part, language)
    try:
        return filled.render(facts)
    except Exception as error:  # whatever a filter makes of a fact that is not what its author thought
        lacking = ", ".join(sorted(asked(told, part, language) - facts.keys()))
        why = f"the finding has no fact {lacking}" if lacking else error
        raise InputError(
            f"its {part}_{language} cannot be filled ({why})", file=f"rule {told.code}"
        ) from error


def worded(findings: pd.DataFrame, *, language: str = "", show_contacts: bool = False) -> pd.DataFrame:
    """Return findings with `observed`, `expected` and `evidence` in words, persons masked, in `facts` too.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame.findings_frame` makes them, persons in `facts` and `subject`.
    language
        One of `mssante_audit.findings.templates.LANGUAGES`; "": the current language.
    show_contacts
        Name persons as the list does.
    """
    told = findings.copy(deep=False)
    seen = clear if show_contacts else hidden
    told["facts"] = facts = list(map(seen, told["facts"]))
    # Apart from the facts: the key of a contact is another text than the contact, and nobody counts it.
    told["subject"] = [tuple(seen(list(subject))) for subject in told["subject"]]
    parts = ("observed", "expected", "evidence")
    said = [
        [sentence(rule(code), part, known, language) for part in parts]
        for code, own, where in zip(told["rule"].tolist(), facts, told["where"].tolist(), strict=True)
        for known in [{**own, "evidence": evidence(where)}]
    ]
    if not show_contacts:
        told["domain"], told["operator"] = (list(map(unnamed, told[n])) for n in ("domain", "operator"))
    for at, part in enumerate(parts):
        told[part] = [texts[at] for texts in said]
    return typed(told)
