"""Telephone numbers that a spreadsheet counted up instead of copying. Part of the audit `stale_contacts`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from mssante_audit.audits.stale_contacts.uses import Use, distinct, proposed
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import all_rows

RUN_MIN = 3
"""Distinct numbers that make a run. No source: two that follow one another are often two right numbers."""
MAX_GAP = 3
"""Largest step in a run: rows of the numbers between may have been corrected or withdrawn."""

_NUMBER = re.compile(r"\d[\d .()/-]{6,}\d", re.ASCII)
Numbers = dict[int, list[Use]]


class _Reading(NamedTuple):
    """A contact as a number and the rest."""

    value: int
    first: int
    """The first group of digits: the one that a spreadsheet counts when the text starts with it."""
    others: tuple[str, ...]
    """The other groups of digits."""
    rest: str
    """The words of the contact but for the number."""


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
    whole: dict[tuple[str, str, str], Numbers] = {}
    first: dict[tuple[str, str, str, tuple[str, ...]], Numbers] = {}
    for use in uses:
        reading = _read(use)
        if reading is not None:
            owner = (use.operator_id, use.kind, reading.rest)
            whole.setdefault(owner, {}).setdefault(reading.value, []).append(use)
            if reading.others:
                first.setdefault((*owner, reading.others), {}).setdefault(reading.first, []).append(use)
    found: dict[tuple[object, ...], list[Run]] = {}
    for (operator_id, _, _, others), numbers in first.items():
        if len(numbers) >= RUN_MIN and any(value + 1 in numbers for value in numbers):
            # Where the digits after the first group are the same, so is the run, in either kind of contact.
            found.setdefault((operator_id, others), []).append(_run(numbers, numbers, others, majority))
    for (operator_id, _, _), numbers in whole.items():
        for stretch in _stretches(numbers):
            found.setdefault((operator_id,), []).append(_run(numbers, stretch, (), majority))
    return [run for same in found.values() for run in _merged(same) if run.uses]


def _read(use: Use) -> _Reading | None:
    text = " ".join(use.contact.text.split())
    number = _NUMBER.search(text)
    if number is None:
        return None
    groups = re.findall(r"\d+", number[0])
    rest = fold(f"{text[: number.start()]} {text[number.end() :]}")
    return _Reading(int("".join(groups)), int(groups[0]), tuple(groups[1:]), rest)


def _stretches(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Cut numbers into stretches that count up, and yield those that are runs."""
    stretch: list[int] = []
    for value in [*sorted(numbers), None]:
        if value is not None and (not stretch or value - stretch[-1] <= MAX_GAP):
            stretch.append(value)
            continue
        if not {v + 1 for v in stretch}.isdisjoint(set(stretch) & {v - 1 for v in stretch}):
            yield stretch
        stretch = [value] if value is not None else []


def _run(
    numbers: Numbers, values: Iterable[int], others: tuple[str, ...], majority: Mapping[tuple[str, str], Use]
) -> Run:
    chosen = sorted(values)
    uses = [use for value in chosen for use in numbers[value]]
    usual = majority.get((uses[0].operator_id, uses[0].kind))
    originals = []
    if usual is not None:
        read, own = _read(usual), _read(uses[0])
        if usual in uses or (read and own and read.rest == own.rest):
            originals = [usual]
        uses = [use for use in uses if use.coordinates != usual.coordinates]
    return Run(uses, chosen[0], chosen[-1], others, originals)


def _merged(found: list[Run]) -> list[Run]:
    merged: list[Run] = []
    for run in sorted(found, key=lambda run: run.low):
        last = merged[-1] if merged else None
        if last is None or run.low > last.high:
            merged.append(run)
            continue
        last.uses += run.uses
        last.originals += run.originals
        last.high = max(last.high, run.high)
    return merged


def run_finding(run: Run) -> Finding:
    """Report a run: its first and last contact of each kind."""
    ends: list[Use] = []
    for kind in dict.fromkeys(use.kind for use in run.uses):
        of_kind = [use for use in run.uses if use.kind == kind]
        ends += of_kind[0], of_kind[-1]
    right = [proposed([use]) for use in dict.fromkeys(run.originals)]
    subject = (run.uses[0].operator_id, Person(" ".join(map(str, (run.low, *run.others)))))
    rows = all_rows(use.rows for use in run.uses)
    return Finding("CONTACT_AUTOFILL", subject, rows, facts={"contacts": distinct(ends), "right": right})
