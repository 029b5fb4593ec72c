"""The decision table of docs/declarations.md: each line is a case, told as the line says."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from in_clear import told_in_clear
from made_up import archived
from made_up_register import ELSEWHERE, HELD, LISTED, NEW, OF_BETA, PHONE, declared

from mssante_audit.audits.reconciliation.rules import STATUSES, status
from mssante_audit.declarations.register import Scope
from mssante_audit.findings.frame import concat
from mssante_audit.findings.places import REGISTER
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains_touched

TEXT = (Path(__file__).parents[2] / "docs" / "declarations.md").read_text(encoding="utf-8")
_LINE = re.compile(r"^\| ([a-z-]+) \| [^|]+ \| [^|]+ \| ([^|]+) \| ([^|]*)\|$", re.M)


class Line(NamedTuple):
    """A line of the table: what its last two columns say."""

    status: str
    """The first word in backquotes; "" where it is the others'."""
    rules: set[str]


TABLE = {
    name: Line(next(iter(re.findall("`([a-z-]+)`", status)), ""), set(re.findall(r"[A-Z_]{6,}", rules)))
    for name, status, rules in _LINE.findall(TEXT[TEXT.index("| case |") :])
    if name != "case" and set(name) != {"-"}
}

LATELY, LATER, SINCE, BEFORE = "25/02/2026", "04/03/2026", "01/07/2025", "01/05/2025"
GONE, UNDATED = {"withdrawal": "X"}, {"date": ""}
TWO = [LISTED, LISTED | {"dn": NEW}]
PROJECT = {"project_contact": "01 99 00 00 09, projet@alpha.example"}


class Case(NamedTuple):
    """Rows of the list, and declarations over `DECLARED`; several of a name are tried one by one."""

    rows: list[dict[str, str]]
    declarations: list[dict[str, Any]]
    others: str = ""  # the status of the others, where the line says that theirs counts
    scope: Scope | None = None
    before: list[dict[str, str]] = []  # noqa: RUF012 - never changed
    """Rows of an earlier list of the archive."""


CASES: dict[str, list[Case]] = {
    "undeclared": [Case([LISTED], [ELSEWHERE | when]) for when in ({}, {"date": LATELY})],
    "outside": [Case([LISTED], [OF_BETA | ELSEWHERE], scope=Scope(operators=("1679900001",)))],
    "undeclared-beside": [Case([LISTED, HELD], [{}]), Case([HELD, LISTED], [OF_BETA])],
    "outside-beside": [Case([LISTED, HELD], [{}], "as-declared", Scope(operators=("CH ALPHA",)))],
    "of-a-later-day": [Case([LISTED], [{"date": LATER}]), Case([ELSEWHERE], [{"date": LATER}])],
    "box-unreadable": [Case(rows, [{"withdrawal": "?"}]) for rows in ([LISTED], [ELSEWHERE])],
    "withdrawn-lately": [Case([LISTED], [GONE | {"date": LATELY}])],
    "withdrawn-listed": [
        Case([LISTED], [GONE]), Case([LISTED], [GONE | {"date": SINCE}, {}]),
        Case(TWO, [{"date": BEFORE}, GONE])],
    "withdrawn-undated": [Case([LISTED], [GONE | UNDATED])],
    "withdrawn-undated-beside": [Case([LISTED], [GONE | UNDATED, {}]), Case([LISTED], [{}, GONE | UNDATED])],
    "withdrawn-beside-undated": [Case(rows, [UNDATED, GONE]) for rows in ([LISTED], [ELSEWHERE])],
    "withdrawn-by-the-former": [Case([HELD], [GONE | {"date": SINCE}, OF_BETA], "as-declared")],
    "withdrawn-by-the-former-alone": [Case([HELD], [GONE])],
    "withdrawn": [Case([ELSEWHERE], [GONE]), Case([ELSEWHERE], [GONE | UNDATED])],
    "declared-again": [Case([LISTED], [GONE | {"date": BEFORE}, {}])],
    "new": [Case([ELSEWHERE], [{"date": LATELY}])],
    "not-listed": [Case([ELSEWHERE], [{}]), Case([ELSEWHERE], [GONE | OF_BETA | {"date": BEFORE}, {}])],
    "no-domain": [Case([ELSEWHERE], [{"domain": "ch alpha.mssante.fr"}])],
    "new-undated": [Case([ELSEWHERE], [UNDATED])],
    "as-declared": [
        *(Case([LISTED], [when]) for when in ({}, {"date": LATELY}, UNDATED)),
        Case([LISTED], [GONE, {}]), Case([LISTED], [OF_BETA | GONE | {"date": BEFORE}, {}]),
        # But for accents, dots and the cut the description is the same.
        *(Case([LISTED | {"description": listed}], [{"description": text}]) for text, listed in (
            ("Domaine du CH Étang.", "domaine du ch etang"), ("Domaine de l'hôpital", "Domaine de l’Hopital"),
            ("Domaine " * 40, ("Domaine " * 40)[:255])))],
    "by-another-number": [
        Case([LISTED], [{"structure_id": number, "dn_igc_sante": ""}])
        for number in ("759900004", "FINESS 759900004", "1759900012", "2999000003", "399900000300015")],
    "side-by-side": [Case([LISTED, HELD], [{}, OF_BETA | {"date": SINCE}])],
    "changed-lately": [
        Case([LISTED], [change | {"date": LATELY}]) for change in (PHONE, {"dn_igc_sante": NEW})],
    "other-certificate": [Case([LISTED], [{"dn_igc_sante": NEW} | when]) for when in ({}, UNDATED)],
    "other-spelling": [Case([LISTED | {"dn": NEW}], [{"dn_igc_sante": NEW.replace(",O=C", ",O=c")}])],
    "certificate-beside": [Case(TWO, [{}])],
    "certificates-declared": [
        *[Case(TWO, [{"dn_igc_sante": NEW, "date": date}, {}]) for date in (BEFORE, "")],
        Case([LISTED, TWO[1] | PROJECT], [{}, {"dn_igc_sante": NEW} | PHONE])],
    "certificate-renewed": [Case(TWO, [{"dn_igc_sante": NEW, "date": LATELY}])],
    "other-contact": [Case([LISTED], [PHONE | when]) for when in ({}, UNDATED)],
    "contact-replaced": [
        Case([LISTED | {"project_contact": "01 99 00 00 07, autre@alpha.example"}], [{}], before=[LISTED])],
    "other-description": [
        Case([LISTED | {"description": listed}], [{"description": text}]) for text, listed in (
            ("Autre chose", "Domaine de messagerie MSSanté du CH Alpha"), ("Domaine du CH", "Domaine du CHU"),
            ("Domaine " * 40, ("Domaine " * 40)[:200]))],
    "undated-beside": [Case([LISTED], [PHONE, UNDATED]), Case([LISTED], [{}, PHONE | UNDATED])],
    "not-its-own": [Case([HELD], [{}]), Case([HELD], [UNDATED])],
    "came-after": [Case([LISTED], [{}, OF_BETA | {"date": SINCE}])],
    "came-lately": [Case([LISTED], [{}, OF_BETA | {"date": LATELY}])],
    "came-before": [Case([LISTED], [{"date": SINCE}, OF_BETA], "as-declared")],
}  # fmt: skip


def test_each_line_has_its_case_and_each_status_its_line():
    assert CASES.keys() == TABLE.keys()
    assert len(TABLE) > 30
    assert {line.status for line in TABLE.values()} - {""} == {*STATUSES}


def domain_in(number: int, record: dict[str, Any]) -> str:
    """Return the name that the domain of a row or declaration has in the case of that number."""
    return str(record.get("domain", LISTED["domain"])).replace("ch", f"ch-{number}", 1)


def statuses_and_rules(space: TrustSpace) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return the status of each domain, and the rules that name it."""
    frame = status(space)
    findings = concat([told_in_clear(audit, space) for audit in ("declarations", "reconciliation")])
    declared_in = dict(space.register.declarations[["row", "domain"]].values)
    listed_in = domains_touched(space.audited, findings)
    rules: dict[str, set[str]] = {}
    for rule, where, listed in zip(findings["rule"], findings["where"], listed_in, strict=True):
        rows = {row for place in where if place.source == REGISTER for row in place.rows}
        for domain in {*listed, *map(declared_in.get, rows)}:
            rules.setdefault(domain, set()).add(rule)
    return dict(zip(frame["domain"], frame["status"].astype("str"), strict=True)), rules


def as_the_table_says(name: str, case: Case, status: str, rules: set[str]) -> None:
    assert status == (TABLE[name].status or case.others), (name, case)
    of_form = {rule for rule in rules if rule.startswith("DECL_")}  # which may have more to say
    assert rules - of_form <= TABLE[name].rules <= rules, (name, case)


def asked_of(name: str, case: Case) -> str:
    listed = name in ("undeclared", "outside")
    return LISTED["domain"] if listed else case.declarations[-1].get("domain", LISTED["domain"])


EVERY = [(name, case) for name, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), [pair for pair in EVERY if pair[1].scope or pair[1].before])
def test_the_table_says_what_is_told_of_a_scope_or_an_archive(tmp_path, name, case):
    space = declared(tmp_path, case.rows, case.declarations)
    register = replace(space.register, scope=case.scope)
    if case.before:
        space = archived(tmp_path, on_2025_10_01=case.before, on_2026_01_01=case.rows)
    statuses, rules = statuses_and_rules(replace(space, register=register))
    domain = asked_of(name, case)
    as_the_table_says(name, case, statuses[domain], rules.get(domain, set()))


def test_the_table_says_what_is_told(tmp_path):
    """All other cases, each of domains of its own, side by side in one list and one register."""
    together = [pair for pair in EVERY if not pair[1].scope and not pair[1].before]
    rows, declarations = (
        [
            record | {"domain": domain_in(number, record)}
            for number, (_, case) in enumerate(together)
            for record in getattr(case, part)
        ]
        for part in ("rows", "declarations")
    )
    domains = [domain_in(number, {"domain": asked_of(*pair)}) for number, pair in enumerate(together)]
    statuses, rules = statuses_and_rules(declared(tmp_path, rows, declarations))
    for (name, case), domain in zip(together, domains, strict=True):
        as_the_table_says(name, case, statuses[domain], rules.get(domain, set()))
