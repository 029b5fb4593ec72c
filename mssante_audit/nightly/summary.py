"""A night as a mail: what is unknown and why, open criticals, what is new, what is fixed, what to do.

The first three lines say whether things got better or worse, or whether nobody can say: the verdict and the
exit status, the numbers, and the first input in doubt. Lines are broken at `COLUMNS`; only paths may be
wider. Information and hints are counted and not shown: `mssante-audit findings all --all` has them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mssante_audit.base.french import NARROW, NBSP
from mssante_audit.findings.templates import said
from mssante_audit.nightly.log import SITE, Result
from mssante_audit.space.states import named, remedied, worded

if TYPE_CHECKING:
    from mssante_audit.nightly.run import Night

COLUMNS = 72
_WORDS = "mssante_audit.nightly"
_PLAIN = str.maketrans({NBSP: " ", NARROW: " ", "’": "'"})


def summary(night: Night) -> str:
    """Return the mail of a night, in its language."""
    return "\n".join(line for text in paragraphs(night) for line in _broken(text))


def paragraphs(night: Night) -> list[str]:
    """Return what the mail says, each line whole: causes begin with ``- ``, what to do with two blanks."""
    facts = night.results["audit"].facts
    found = _findings(night, facts) if facts else ()
    return [*_head(night, facts), *_faults(night, facts), *found, *_last(night, facts)]


def verdict(night: Night, facts: Mapping[str, Any]) -> str:
    """Return ``blind``, ``first``, or whether things got ``worse``, ``better`` or are the ``same``.

    The worst severity in which there is more new than fixed, or more fixed than new, decides.
    """
    if not facts or any(one.doubtful and one.name == "list" for one in night.inputs):
        return "blind"
    if not facts["previous"]:
        return "first"
    for severity, new in facts["new_by_severity"].items():
        if new != (fixed := facts["fixed_by_severity"][severity]):
            return "worse" if new > fixed else "better"
    return "same"


def _head(night: Night, facts: Mapping[str, Any]) -> Iterator[str]:
    told = verdict(night, facts)
    partly = told != "blind" and night.exit_status > 1
    at = night.as_of[:16].replace("T", " ")
    yield _said(night, "head", {"at": at, "verdict": told, "partly": partly, "status": night.exit_status})
    if facts:
        counts = facts["shown"] | {"waived": facts["counts"]["waived"]}
        yield _said(night, "counts" if facts["previous"] else "first", counts)
    else:
        yield _said(night, "nothing", None)
    for one in night.inputs:
        if one.state != "ok":
            told_of = {"name": named(one.name, night.lang), "why": worded(one, night.lang)}
            yield _said(night, "tolerated" if one.tolerated else "doubtful", told_of)
        if one.doubtful:
            yield f"  {_said(night, 'todo', remedied(one, night.lang))}"
    well = [
        _said(night, "aged", {"name": named(one.name, night.lang), "days": one.age_days})
        for one in night.inputs
        if one.state == "ok"
    ]
    if well:
        yield _said(night, "well", well)


def _faults(night: Night, facts: Mapping[str, Any]) -> Iterator[str]:
    output = night.folder.parents[1]
    for result in night.results.values():
        if result.outcome in ("failed", "skipped"):
            message = result.message.replace(f"{night.folder}/", "").replace(f"{output}/", "")
            told = {"step": result.step, "message": textwrap.shorten(message, 400, placeholder=" ...")}
            yield _said(night, result.outcome, told)
    if failed := facts.get("failed_rules"):
        yield _said(night, "incomplete", {"n": len(failed), "why": failed[0]})


def _findings(night: Night, facts: Mapping[str, Any]) -> Iterator[str]:
    yield from _causes(night, "critical", facts["critical"]["count"], facts["critical"])
    if facts["lost"]["count"]:
        yield from _causes(night, "lost", facts["lost"]["count"], facts["lost"])
    if facts["previous"]:
        new = {"previous": facts["previous"], "n": facts["new"]["count"]}
        yield from _causes(night, "new", new, facts["new"])
        yield from _causes(night, "fixed", facts["fixed"]["count"], facts["fixed"])
    if facts["first"]:
        yield _said(night, "first_todo", facts["first"])


def _causes(night: Night, title: str, told: Any, causes: Mapping[str, Any]) -> Iterator[str]:
    yield _said(night, title, told)
    for cause in causes["named"]:
        yield _said(night, "cause", cause)
    if more := causes["count"] - len(causes["named"]):
        yield _said(night, "others", more)


def _last(night: Night, facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stands below: counts, the list, steps, where to look."""
    if facts:
        missed = night.results["fetch"].outcome == "failed"
        yield _said(night, "found", facts["by_severity"])
        yield _said(night, "list", facts["list"] | {"missed": missed})
    steps = ", ".join(f"{name} {_short(night, result)}" for name, result in night.results.items())
    yield _said(night, "steps", {"steps": steps, "resumed": night.resumed})
    page = night.folder.parents[1] / SITE / "index.html"
    if page.exists():
        own = night.results["site"].outcome == "done"
        yield _said(night, "site", {"page": str(page), "own": own})
    yield _said(night, "log", str(night.folder / "log.txt"))


def _short(night: Night, result: Result) -> str:
    if result.outcome == "done":
        return f"{result.seconds:.0f}{NBSP}s"
    return _said(night, "outcome", result.outcome)


def _said(night: Night, name: str, told: Any) -> str:
    return said(_WORDS, name, told, night.lang)


def _broken(text: str) -> list[str]:
    """Return a text as lines that any mail and terminal show, of at most `COLUMNS` characters."""
    first = text[: len(text) - len(text.lstrip())]
    plain = "".join(c if c.isprintable() or c in (NBSP, NARROW) else f"\\u{ord(c):04x}" for c in text)
    wide = plain.startswith(("SITE ", "LOG ", "JOURNAL "))
    lines = (
        [plain]
        if wide
        else textwrap.wrap(plain, COLUMNS, subsequent_indent=f"{first}  ", break_on_hyphens=False)
    )
    return [line.translate(_PLAIN) for line in lines]
