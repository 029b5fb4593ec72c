"""Telephone numbers that a spreadsheet counted up instead of copying. Part of the audit `stale_contacts`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

from mssante_audit.audits.stale_contacts.uses import Use, distinct, proposed
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import all_rows, grouped

RUN_MIN = 3
"""Distinct numbers that make a run. No source: two that follow one another are often two right numbers."""
MAX_GAP = 3
"""Largest step in a run: rows of the numbers between may have been corrected or withdrawn."""

_NUMBER = re.compile(r"\d[\d .()/-]{6,}\d", re.ASCII)


@dataclass(slots=True)
class Run:
    """Contacts of an operator whose numbers count up."""

    uses: list[Use]
    low: int
    high: int
    others: tuple[str, ...]
    """The groups of digits after the one that counts, none where all count."""
    originals: list[Use]
    """What was meant, where it is known."""


def runs(uses: Iterable[Use], majority: Mapping[tuple[str, str], Use]) -> list[Run]:
    """Find the runs of each operator, both kinds of contact together.

    Two ways of counting are known: the whole number (``…00 10``, ``…00 11``), in steps of at most `MAX_GAP`,
    at least three in a row without a gap; and its first group (``9 99 …``, ``10 99 …``, ``17 99 …``; source:
    data), which makes no telephone number, so that gaps do not matter. All else in the contacts is equal.
    What most rows of an operator and kind hold, the `majority`, is the original and no part of the run.
    """
    read = [(use, *_read(use)) for use in uses]
    numbered = [(use, groups, (use.operator_id, use.kind, rest)) for use, groups, rest in read if groups]
    first = grouped(
        ((*key, *groups[1:]), (int(groups[0]), use)) for use, groups, key in numbered if groups[1:]
    )
    found = []
    for (operator_id, _, _, *others), held in first.items():
        numbers = {number for number, _ in held}
        if len(numbers) >= RUN_MIN and any(number + 1 in numbers for number in numbers):
            # Where the digits after the first group are the same, so is the run, in either kind of contact.
            found.append(((operator_id, *others), _run(held, numbers, tuple(others), majority)))
    whole = grouped((key, (int("".join(groups)), use)) for use, groups, key in numbered)
    for (operator_id, _, _), held in whole.items():
        for stretch in _stretches({number for number, _ in held}):
            found.append(((operator_id,), _run(held, stretch, (), majority)))
    return [run for same in grouped(found).values() for run in _merged(same) if run.uses]


def _read(use: Use) -> tuple[list[str], str]:
    """Return the groups of digits of a contact's number, and its words but for that; nothing without one."""
    text = " ".join(use.contact.text.split())
    if number := _NUMBER.search(text):
        return re.findall(r"\d+", number[0]), fold(f"{text[: number.start()]} {text[number.end() :]}")
    return [], ""


def _stretches(numbers: Iterable[int]) -> Iterator[set[int]]:
    """Cut numbers into stretches that count up, and yield those that are runs."""
    ordered = sorted(numbers)
    gaps = [at for at in range(1, len(ordered)) if ordered[at] - ordered[at - 1] > MAX_GAP]
    for start, end in pairwise([0, *gaps, len(ordered)]):
        stretch = {*ordered[start:end]}
        if any({number - 1, number + 1} <= stretch for number in stretch):
            yield stretch


def _run(
    held: list[tuple[int, Use]],
    numbers: set[int],
    others: tuple[str, ...],
    majority: Mapping[tuple[str, str], Use],
) -> Run:
    uses = [use for number, use in sorted(held, key=itemgetter(0)) if number in numbers]
    usual, originals = majority.get((uses[0].operator_id, uses[0].kind)), []
    if usual is not None:
        groups, rest = _read(usual)
        originals = [usual] if usual in uses or (groups and rest == _read(uses[0])[1]) else []
        uses = [use for use in uses if use.coordinates != usual.coordinates]
    return Run(uses, min(numbers), max(numbers), others, originals)


def _merged(found: list[Run]) -> list[Run]:
    merged: list[Run] = []
    for run in sorted(found, key=lambda run: run.low):
        last = merged[-1] if merged else None
        if last is None or run.low > last.high:
            merged.append(run)
        else:
            last.uses += run.uses
            last.originals += run.originals
            last.high = max(last.high, run.high)
    return merged


def run_finding(run: Run) -> Finding:
    """Report a run: its first and last contact of each kind."""
    of_kind = grouped((use.kind, use) for use in run.uses).values()
    ends = [use for uses in of_kind for use in (uses[0], uses[-1])]
    right = [proposed([use]) for use in dict.fromkeys(run.originals)]
    subject = (run.uses[0].operator_id, Person(" ".join(map(str, (run.low, *run.others)))))
    rows = all_rows(use.rows for use in run.uses)
    return Finding("CONTACT_AUTOFILL", subject, rows, facts={"contacts": distinct(ends), "right": right})
