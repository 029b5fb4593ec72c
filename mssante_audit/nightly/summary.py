"""A nightly run on one screen, as a cron mail shows it: what is new and fixed, then the causes to see to.

Information and hints are counted and not shown: `mssante-audit findings all --all` has them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.nightly.log import SITE, Result

if TYPE_CHECKING:
    from mssante_audit.nightly.run import Night

CAUSES = 10
"""Shown at most."""
TIED = "_"
"""Holds a step and its time together while lines are broken."""
LINES, COLUMNS = 24, 80
"""Of the screen. Only paths, which would be of no use cut, may be wider."""


def summary(night: Night) -> str:
    """Return the summary, of at most `LINES` lines."""
    facts = night.results["audit"].facts
    last = _last(night, facts)
    faults = [result for result in night.results.values() if result.outcome == "failed"]
    told = [line for fault in faults for line in _fault(fault, night.folder, max(1, 6 // len(faults)))]
    if failed := facts.get("failed_rules"):
        told = [*_incomplete(failed), *told]
    room = LINES - 1 - len(told) - len(last)
    return "\n".join([_cut(_head(night, facts)), *_findings(facts, room), *told, *last])


def _head(night: Night, facts: Mapping[str, Any]) -> str:
    when = f"{night.as_of[:16].replace('T', ' ')} UTC"
    if not facts:
        return f"MSSante audit of {when}: NO FINDINGS COULD BE HAD"
    counts, waived = facts["shown"], facts["counts"]["waived"]
    if not facts["previous"]:
        said = f"{sum(facts['by_severity'].values()) - counts['left_out']} findings (first run)"
    else:
        said = f"{counts['new']} new, {counts['fixed']} fixed, {counts['open']} open"
    waived = f", {waived} waived" if waived else ""
    return f"MSSante audit of {when}: {said}{waived}"


def _findings(facts: Mapping[str, Any], room: int) -> list[str]:
    """Return what is new, what is fixed and the first causes, as many of each as there is room for."""
    lines = _changes(facts, room) if facts and facts["previous"] else []
    room -= len(lines) + 1  # heading
    if not facts or not facts["causes"] or room < 2:
        return lines
    of = facts["shown"]["causes"]
    first = [(c["severity"], c["rule"], _named(c)) for c in facts["causes"][: min(room - 1, CAUSES)]]
    return [*lines, f"FIRST of {of} causes:", *_rows(first, len(first), room)]


def _named(cause: Mapping[str, Any]) -> str:
    more = f" +{cause['domains'] - 1}" if cause["domains"] > 1 and cause["domain"] else ""
    return f"{cause['domain'] or cause['operator'] or 'the list'}{more}"


def _changes(facts: Mapping[str, Any], room: int) -> list[str]:
    """Return the new and the fixed findings, as many of each as there is room for."""
    new, fixed, counts = facts["new"], facts["fixed"], facts["shown"]
    room -= 2  # headings
    half = max(room - min(len(fixed), room // 3), 1)
    since = facts["previous"][:10]
    shown = _rows(
        [(f["severity"], f["rule"], f["domain"] or f["operator"]) for f in new], counts["new"], half
    )
    lines = [f"NEW since {since}: {counts['new'] or 'none'}", *shown]
    told = [("", f["rule"], f["domain"] or f["operator"]) for f in fixed]
    return [*lines, f"FIXED: {counts['fixed'] or 'none'}", *_rows(told, counts["fixed"], room - len(shown))]


def _rows(rows: Sequence[tuple[str, str, str]], count: int, room: int) -> list[str]:
    shown = rows if count <= room and count == len(rows) else rows[: max(room - 1, 0)]
    lines = [_cut(f"  {severity:8} {rule:28} {_plain(name)}") for severity, rule, name in shown]
    return lines if len(shown) == count else [*lines, f"  ... and {count - len(shown)} more"]


def _fault(result: Result, folder: Path, lines: int) -> list[str]:
    message = result.message.replace(f"{folder}/", "").replace(f"{folder.parents[1]}/", "")
    return textwrap.wrap(
        f"FAILED {result.step}: {_plain(message)}",
        COLUMNS,
        max_lines=lines,
        placeholder=" ...",
        subsequent_indent="  ",
    )


def _incomplete(failed: Sequence[str]) -> list[str]:
    """Return how many parts of audits could not be evaluated, and why the first could not."""
    parts = f"{len(failed)} part{'s' * (len(failed) > 1)} of audits"
    head = f"INCOMPLETE: {parts} could not be evaluated (AUDIT_RULE_FAILED)"
    why = textwrap.wrap(_plain(failed[0]), COLUMNS - 2, max_lines=3, placeholder=" ...")
    return [head, *(f"  {line}" for line in why)]


def _last(night: Night, facts: Mapping[str, Any]) -> list[str]:
    """Return what stands below: counts, the list, steps, where to look."""
    lines = []
    if facts:
        told = facts["list"]
        fetched = " (NOT FETCHED NOW)" if night.results["fetch"].outcome == "failed" else ""
        parts = [
            f"of {(told['generated_at'] or 'an unknown date')[:16].replace('T', ' ')}{fetched}",
            f"{told['rows']} rows",
            f"signature {told['signature']}",
            *(["DAMAGED"] if told["damaged"] else []),
        ]
        found = ", ".join(f"{count} {severity}" for severity, count in facts["by_severity"].items())
        if left := facts["shown"]["left_out"]:
            found += f"; {left} not shown"
        lines += [_cut(f"FOUND {found}"), _cut(f"LIST  {', '.join(parts)}")]
    steps = ", ".join(f"{name}{TIED}{_short(result)}" for name, result in night.results.items())
    again = "gone on with; " if night.resumed else ""
    wrapped = textwrap.wrap(f"STEPS {again}{steps}", COLUMNS, subsequent_indent="      ")
    lines += [line.replace(TIED, " ") for line in wrapped]
    page = night.folder.parents[1] / SITE / "index.html"
    if page.exists():
        which = "" if night.results["site"].outcome == "done" else " (of an earlier run)"
        lines.append(f"SITE  {page}{which}")
    return [*lines, f"LOG   {night.folder / 'log.txt'}"]


def _short(result: Result) -> str:
    return f"{result.seconds:.0f}{TIED}s" if result.outcome == "done" else result.outcome


def _plain(text: str) -> str:
    """Return a text of the list's, or a message, in characters that any mail and terminal show."""
    return text.encode("ascii" if text.isprintable() else "unicode_escape", "backslashreplace").decode()


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS - 3]}..."
