"""The register that hands filled (`filled`), judged case by case: exactly what is to be told is told."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pandas as pd
import pytest
from filled import AS_OF, AUTUMN, FORM, LISTS, NOW, Case, cases
from in_clear import told_in_clear
from made_up import xml_of

from mssante_audit.archive.events import span
from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist.load import load_whitelist

CASES = cases()
CLEAN = [case for case in CASES if case.clean]
SPARE = FORM["form"].keys() - {"domain", "structure_id", "structure_name", "withdrawal", "date"}
"""What a register of few columns has not."""
REGISTERS: dict[str, dict[str, Any]] = {
    "main": {}, "of-some": {}, "of-a-region": {}, "followed": {}, "typed": {"made": {"typed": True}},
    "spare": {"made": {"drop": SPARE}, "told": {"DECL_COLUMN"}},
    "as-printed": {"made": {"drop": ("signatory_last_name", "signatory_first_name")}},
}  # fmt: skip
"""How each register is made, and ``told``, what is to be told of the file as a whole."""
SCOPES: dict[str, Callable[[list[Case]], str]] = {
    "of-a-region": lambda _: 'region = "Bretagne"',
    "of-some": lambda cases: (
        "operators = "
        + json.dumps([f"FINESS {c.operator('A').finess}" for c in cases if c.name.startswith("covered")])
    ),
}
"""Whom a register covers that is not everybody's."""
AUDITS = ("declarations", "reconciliation", "stale_contacts")
OF_CONTACTS = {"CONTACT_FORMER_OPERATOR"}
"""Of the audit of the contacts only what hangs on whose a contact was."""
_PLACES = re.compile(r"declarations\.\w+:([0-9, -]+)")


class Judged(NamedTuple):
    by_case: dict[str, list[tuple[str, str]]]  # by case: rule, and the finding in words
    whole: set[str]  # rules told of no row
    states: dict[str, str]
    due: set[str]  # domains of which days are said to be left
    moved: set[str]  # domains whose operator came, left or handed over, as the archive tells


def _ranges(text: str) -> Iterator[int]:
    for part in re.findall(r"(\d+)(?:-(\d+))?", text):
        yield from range(int(part[0]), int(part[1] or part[0]) + 1)


def _write(folder: Path, cases: list[Case], *, drop: Collection[str] = (), typed: bool = False) -> None:
    declared = [(case, case.filled(FORM["form"], cells)) for case in cases for cells in case.declared]
    columns = [n for n in dict.fromkeys(name for _, cells in declared for name in cells) if n not in drop]
    for place, (case, _) in enumerate(declared, 1 if typed else 2):
        case.places.append(place)
    if typed:
        records = [{name: cells[name] for name in columns if name in cells} for _, cells in declared]
        (folder / "declarations.json").write_text(json.dumps(records), encoding="utf-8")
    else:
        with (folder / "declarations.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", delimiter=";")
            writer.writerow({name: name for name in columns})
            writer.writerows(cells for _, cells in declared)
    _write_lists(folder, cases)


def _write_lists(folder: Path, cases: list[Case]) -> None:
    (folder / "archive").mkdir()
    for name, day in LISTS.items():
        rows = [(case, cells) for case in cases for cells in case.lists[name]]
        content = xml_of(*(c.filled(FORM["row"], cells) for c, cells in rows), generated=f"{day}T05:30:00Z")
        sha = load_whitelist(content).sha256
        (folder / "archive" / f"{day}T053000Z-{sha[:8]}.xml.gz").write_bytes(content)
        if day == NOW:
            (folder / "liste.xml").write_bytes(content)
            for number, (case, _) in enumerate(rows, 1):
                case.rows.append(number)


@cache
def judged(register: str) -> Judged:
    """Write a register and its lists, and run the audits over them."""
    cases = [case for case in CASES if case.register == register]
    options = REGISTERS[register]
    with TemporaryDirectory() as folder:
        _write(Path(folder), cases, **options.get("made", {}))
        if scope := SCOPES.get(register):
            (Path(folder) / "scope.toml").write_text(f"[scope]\n{scope(cases)}\n", encoding="utf-8")
        space = load_space(folder, as_of=AS_OF)
        findings = pd.concat([told_in_clear(name, space) for name in AUDITS])
        states = status(space)
        assert space.archive is not None
        events = span(space.archive, date.fromisoformat(AUTUMN), date.fromisoformat(NOW)).events
    moves = events[events["kind"].isin(["migration", "arrival", "departure"])]
    moved = {domain for domains in moves["domains"] for domain in domains}
    by_place = {place: case.name for case in cases for place in case.places}
    by_row = {row: case.name for case in cases for row in case.rows}
    by_case: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    whole = set()
    for f in findings.itertuples():
        if f.audit == "stale_contacts" and f.rule not in OF_CONTACTS:
            continue
        places = [place for match in _PLACES.findall(f.evidence) for place in _ranges(match)]
        names = {by_place[place] for place in places if place in by_place} or {by_row[row] for row in f.rows}
        words = f"{f.rule}: {f.observed} | {f.expected} | {f.evidence}".replace("\xa0", " ")
        for name in names:
            by_case[name].append((f.rule, words))
        if not names:
            whole.add(f.rule)
    stated = dict(zip(states["domain"], states["status"].astype("str"), strict=True))
    return Judged(by_case, whole, stated, set(states.dropna(subset=["days_left"])["domain"]), moved)


def faults(case: Case) -> list[str]:
    """Return what was told wrongly, and what was not told, of a case."""
    result = judged(case.register)
    findings = result.by_case[case.name]
    rules = {rule for rule, _ in findings}
    wanted = [set(alternatives.split("|")) for alternatives in case.expected]
    allowed = set(case.may).union(*wanted)
    wrong = [f"told in vain: {words}" for rule, words in findings if rule not in allowed]
    wrong += [f"not told: {'|'.join(sorted(rules_of))}" for rules_of in wanted if not rules_of & rules]
    says = [case.written(text, "A") for text in case.says]
    wrong += [f"not said: {t!r}" for t in says if not any(t in words for _, words in findings)]
    for domain, state in case.states().items():
        if (stated := result.states.get(domain, "")) not in state.split("|"):
            wrong.append(f"{domain} is {stated or 'not there'!r}, not {state!r}")
    for domain, state in case.states().items():
        if state == "under-way" and domain not in result.due:
            wrong.append(f"{domain}: days left are not said")
    domains = {case.filled(FORM["row"], cells)["domain"] for rows in case.lists.values() for cells in rows}
    if case.moved != "?" and (case.moved == "yes") != bool(domains & result.moved):
        wrong.append(f"who serves it is said to {'have stayed' if case.moved == 'yes' else 'have changed'}")
    return wrong


@pytest.mark.parametrize("register", REGISTERS)
def test_exactly_what_is_to_be_told_is(register):
    cases = [case for case in CASES if case.register == register]
    assert [(case.name, wrong, case.why, case.declared) for case in cases if (wrong := faults(case))] == []
    assert judged(register).whole == set(REGISTERS[register].get("told", ())), "of the file as a whole"


def test_there_are_enough_of_them():
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(len(case.declared) for case in CASES) >= 330
    assert len(CLEAN) >= 100
