"""What an audit proposes to write instead passes the audits: written into the list, nobody objects to it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import CATALOGUE, REAL
from made_up import xml_of

from mssante_audit.audits import findings_of
from mssante_audit.audits.stale_contacts.uses import KINDS
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.load import load_whitelist

AUDITS = ("whitelist_integrity", "dn_consistency", "stale_contacts")
COLUMNS = ["domain", "description", "dn", "project_contact", "support_contact", "updated_at_text"]
COLUMN = {kind: column for column, kind in KINDS.items()}
ALIKE = {"LIST_ROW_DUPLICATE", "LIST_PAIR_REPEATED"}  # what rows become that only something wrong told apart
FOLLOWS = {
    "LIST_DOMAIN_INVALID": {"LIST_DESCRIPTION_SEVERAL"},
    "CONTACT_EMAIL_TYPO": {"CONTACT_DISAGREEMENT"},
    "CONTACT_DISAGREEMENT": {"CONTACT_STAMP_OLD"},
}
"""What a fault hid: two descriptions of what is one domain, another number beside the misspelt address, the
age of rows that was told with a person's address."""


def load(file: Path | bytes) -> TrustSpace:
    whitelist = load_whitelist(file, recover=True)
    return TrustSpace(whitelist, whitelist.generated_at)


def proposals(rule: str, facts: dict[str, Any], row: dict[str, str]) -> dict[str, str]:
    """Return what a finding wants written into a row, by column."""
    if rule in ("DN_SPELLINGS", "DN_NOT_CANONICAL"):
        key = parse_dn(row["dn"]).key
        best = next((text for text in facts["best"] if parse_dn(text).key == key), row["dn"])
        return {"dn": best} if best != row["dn"] else {}
    if rule.startswith("DN_DEPARTMENT_"):
        return {"dn": row["dn"].replace(facts["st"], facts["best"])} if facts["best"] else {}
    if rule == "DN_COUNTRY":
        return {"dn": row["dn"].replace(f"C={facts['country']}", "C=FR")}
    if rule in ("LIST_DOMAIN_INVALID", "LIST_DESCRIPTION_MOJIBAKE"):
        column = "domain" if "domain" in facts else "description"
        return {column: facts["meant"]} if facts["meant"] else {}
    if not rule.startswith("CONTACT_"):
        return {}
    right = {COLUMN[contact["kind"]]: contact["text"].text for contact in facts.get("right", ())}
    seen = {(COLUMN[contact["kind"]], contact["text"].text) for contact in facts.get("contacts", ())}
    if rule in ("CONTACT_SPACING", "CONTACT_NEAR", "CONTACT_EMAIL_TYPO"):  # only where it stands
        right = {column: text for column, text in right.items() if (column, row[column]) in seen}
    return right


def corrected(space: TrustSpace) -> tuple[TrustSpace, dict[int, dict[str, str]]]:
    """Return the list as all findings together want it, and by row what was written into it, by rule."""
    rows: list[dict[str, str]] = space.entries[COLUMNS].to_dict("records")
    changed: dict[int, dict[str, str]] = {}
    for audit in AUDITS:
        for finding in findings_of(audit, space).itertuples():
            for number in finding.rows:
                for column, text in proposals(finding.rule, finding.facts, rows[number - 1]).items():
                    rows[number - 1][column] = text
                    changed.setdefault(number, {})[named(finding, KINDS.get(column, ""))] = text
    generated = space.whitelist.generated_at
    return load(xml_of(*rows, generated=f"{generated:%Y-%m-%dT%H:%M:%SZ}")), changed


def named(finding: Any, kind: str) -> str:
    """Return a finding's rule, with a kind of contact where it tells the two apart."""
    return f"{finding.rule} {kind}" if finding.rule == "CONTACT_DISAGREEMENT" else str(finding.rule)


def rules_by_row(space: TrustSpace) -> dict[int, set[str]]:
    rules: dict[int, set[str]] = {}
    for audit in AUDITS:
        for finding in findings_of(audit, space).itertuples():
            kinds = {contact["kind"] for contact in finding.facts.get("contacts", ())} or {""}
            for number in finding.rows:
                rules.setdefault(number, set()).update(named(finding, kind) for kind in kinds)
    return rules


def objections(space: TrustSpace) -> list[str]:
    """Return the rules that object to rows as corrected: one that asked for it, or one that had not.

    What was objected to in another row of the same text before is no news.
    """
    after, changed = corrected(space)
    before, now = rules_by_row(space), rules_by_row(after)
    of_text: dict[str, set[str]] = {}
    for row in space.entries[["row", "project_contact", "support_contact"]].itertuples(index=False):
        for text in row[1:]:
            of_text.setdefault(text, set()).update(before.get(row[0], ()))
    assert changed, "a list on which nothing was proposed"
    wrong_rules = []
    for number, asked in changed.items():
        expected = before[number].union(*(of_text.get(text, ()) for text in asked.values()))
        follows = ALIKE.union(*(FOLLOWS.get(rule.partition(" ")[0], ()) for rule in asked))
        wrong = now.get(number, set()) - (expected - asked.keys())
        wrong_rules += [rule for rule in wrong if rule.partition(" ")[0] not in follows]
    return wrong_rules


@pytest.mark.parametrize("file", ["listeblanchemssante.xml.gz", "variants/cases.xml"])
def test_what_is_expected_of_the_sample_passes_every_audit(file: str) -> None:
    assert objections(load(CATALOGUE / file)) == []


@pytest.mark.long
@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}")
def test_what_is_expected_of_the_real_list_passes_every_audit() -> None:
    assert Counter(objections(load(next(REAL.glob("*.xml.gz"))))) == {}, "rows by rule"
