"""docs/verdicts.md: every rule is there, with the catalogue's verdict, and its examples are as it says.

The word in backquotes that opens an example is looked up in the sample: a domain, an operator's identifier, a
name that a finding is about, or a test. "of" names another file of the sample than the folder as a whole.
"""

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from conftest import CATALOGUE

from mssante_audit.audits import audit_all
from mssante_audit.findings.registry import audits, catalogue
from mssante_audit.mailboxes.extraction import find_extractions
from mssante_audit.space.trust import Thresholds, TrustSpace, load_space
from tools.sample.archive import UNCHANGED_DAYS
from tools.sample.make import SAMPLE_AS_OF

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
PARTS = ("Claims", "Evidence", "True", "False", "Does not say")
_RULE = re.compile(
    r"^### (?P<code>[A-Z0-9_]+)\n`(?P<severity>\w+)` · `(?P<confidence>\w+)`\n\n"
    + "".join(
        rf"- \*\*{part}\.\*\* (?P<{part.split()[0].lower()}>[^\n]+(?:\n  [^\n]+)*)\n" for part in PARTS
    ),
    re.MULTILINE,
)
_EXAMPLE = re.compile(r"`(?P<name>[^`]+)`(?: of `(?P<file>[^`]+)`)?[:,] \S")

RULES = {match["code"]: match.groupdict() for match in _RULE.finditer(TEXT)}


class Seen(NamedTuple):
    """What is found in a file of the sample."""

    findings: dict[str, list[set[str]]]
    """Rule → for each finding the names that it is about."""
    names: set[str]
    """Names that there are: of domains, operators, hosts."""


@cache
def seen(file: str) -> Seen:
    """Audit the sample (""), or a file of it."""
    trust: dict[str, Any] = {"as_of": SAMPLE_AS_OF, "anchors": [CATALOGUE / "anchors"]}
    if file.startswith("variants/"):
        space = load_space(CATALOGUE / file, **trust, recover=True, any_namespace=True)
    elif file == "archive":
        space = load_space(CATALOGUE / file, **trust, thresholds=Thresholds(stale_after_days=UNCHANGED_DAYS))
    else:
        space = load_space(CATALOGUE, as_of=SAMPLE_AS_OF)
        if file:
            space = replace(space, mailboxes=find_extractions(CATALOGUE / file, SAMPLE_AS_OF))
    findings: dict[str, list[set[str]]] = {}
    register = _register(space)
    domain_of = dict(zip(space.entries["row"].tolist(), space.entries["domain"].tolist(), strict=True))
    for finding in audit_all(space).itertuples():
        about = {finding.domain, finding.operator_id, *(domain_of[row] for row in finding.rows)}
        about |= {word for text in map(str, finding.subject) for word in (text, *text.split())}
        about |= {register.get((place.file, row), "") for place in finding.where for row in place.rows}
        findings.setdefault(finding.rule, []).append(about - {""})
    return Seen(findings, _names(space) | set(register.values()))


def _register(space: TrustSpace) -> dict[tuple[str, int], str]:
    declared = space.register.declarations.itertuples() if space.register else ()
    return {(cells.file, cells.row): cells.domain_key for cells in declared}


def _names(space: TrustSpace) -> set[str]:
    names = {*space.entries["domain"], *space.entries["operator_id"], *space.entries["cn"]}
    for reply in space.observation.replies if space.observation else ():
        names |= {reply.qname, reply.server, reply.address, *(r.owner for r in reply.records)}
        names |= {word for record in reply.records for word in record.data.split()}
    return names | set(space.published or ())


def example(code: str, part: str) -> tuple[str, Seen | None]:
    """Return what an example names, and what is found where it lies; ``None`` for a test that exists."""
    match = _EXAMPLE.match(RULES[code][part])
    assert match, f"{code}: an example names something first: {RULES[code][part]!r}"
    name, file = match["name"], match["file"] or ""
    if name.startswith("tests/"):
        file, _, function = name.partition("::")
        assert f"\ndef {function}(" in (ROOT / file).read_text("utf-8"), f"{code}: there is no test {name}"
        return name, None
    if name.startswith("variants/"):
        return "", seen(name)
    where = seen(file)
    is_there = part == "true" or name == "list" or name in where.names  # what is found need not be looked for
    assert is_there, f"{code}: {name!r} is not in the sample"
    return ("" if name == "list" else name), where


def test_every_rule_of_every_audit_is_reviewed_in_its_place():
    rules = catalogue()
    assert [*RULES] == [*rules], "those of the catalogue, in its order"
    assert TEXT.count("\n### ") == len(RULES), "each has the shape that is read here"
    verdicts = {code: (text["severity"], text["confidence"]) for code, text in RULES.items()}
    assert verdicts == {code: (rule.severity, rule.confidence) for code, rule in rules.items()}


def test_the_contents_lead_to_each_audit():
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    linked = re.findall(r"^- \[([^\]]+)\]\(#([a-z0-9-]+)\)", TEXT, re.MULTILINE)
    assert [title for title, _ in linked] == headings
    for title, anchor in linked:
        assert anchor == re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    titles = [audit.titled("en") for audit in audits().values()]
    assert headings[: len(titles)] == titles


def test_the_true_example_is_found_and_the_false_one_is_there_and_not_found():
    for code in RULES:
        for part in ("true", "false"):
            name, where = example(code, part)
            about = where.findings.get(code, []) if where else []
            is_found = any(not name or name in names for names in about)
            assert where is None or is_found == (part == "true"), (code, part, name)


def test_each_part_says_something_of_its_own():
    texts = [text for parts in RULES.values() for text in list(parts.values())[3:]]
    assert min(map(len, texts)) > 8
    assert [text for text, count in Counter(texts).items() if count > 1] == []
