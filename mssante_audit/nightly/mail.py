"""A night as a mail: the verdict, what is unknown and why, open criticals, what is new or fixed, what to do.

Lines are broken at `COLUMNS`; only paths may be wider. Information and hints are counted and not shown.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Template

from mssante_audit.base.export import json_bytes, write_bytes
from mssante_audit.base.markup import visible
from mssante_audit.base.typography import NARROW, NBSP
from mssante_audit.findings.templates import said
from mssante_audit.nightly.night import SITE, Night, Result, began
from mssante_audit.nightly.settings import Mail
from mssante_audit.space.states import named, remedied, worded

KIND = "mssante-audit night"
COLUMNS = 72
_PLAIN = str.maketrans({NBSP: " ", NARROW: " ", "’": "'"})
_ITEM, _ASIDE = "- ", "  "
"""Beginnings of paragraphs: of a cause, and of what to do about an input."""


def write_mail(night: Night, settings: Mail) -> None:
    """Write the mail into the run's folder, to be read by people, programs and e-mail programs."""
    write_bytes(night.folder / "summary.txt", f"{summary(night)}\n".encode())
    write_bytes(night.folder / "summary.json", json_bytes(told(night)))
    write_bytes(night.folder / "summary.eml", message(night, settings).as_bytes())


def message(night: Night, settings: Mail) -> EmailMessage:
    """Return a night as a mail, text and HTML; without a sender it is a draft, to be addressed."""
    made, text, stamp = EmailMessage(policy=SMTP), summary(night), night.folder.name
    made["Subject"] = text.split("\n", 1)[0]
    name, value = ("From", settings.sender) if settings.sender else ("X-Unsent", "1")
    made[name] = value
    if settings.recipients:
        made["To"] = ", ".join(settings.recipients)
    made["Date"] = format_datetime(began(stamp))
    # The same for the same night: a run that was killed while it sent the mail sends it again.
    made["Message-ID"] = f"<{stamp}.mssante-audit@{settings.sender.rpartition('@')[2] or 'localhost'}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{text}\n")
    made.add_alternative(page(night), subtype="html")
    return made


def page(night: Night) -> str:
    """Return the mail in HTML: its first line as the heading, causes as lists, nothing from elsewhere."""
    title, *rest = map(visible, paragraphs(night))
    blocks = groupby(rest, lambda line: line[:2] if line.startswith((_ITEM, _ASIDE)) else "")
    plain = [(begin, [line.removeprefix(begin) for line in lines]) for begin, lines in blocks]
    template = (files("mssante_audit.nightly") / "mail.html.j2").read_text(encoding="utf-8")
    html: str = Template(template, autoescape=True, trim_blocks=True).render(
        lang=night.lang, title=title, blocks=plain
    )
    return html


def told(night: Night) -> dict[str, Any]:
    """Return a night as JSON types: what the mail says, in numbers, codes and names."""
    facts, text = night.audited, summary(night)
    return {
        "kind": KIND,
        "run": night.folder.name,
        "as_of": night.as_of,
        "exit_status": night.exit_status,
        "verdict": verdict(night),
        "resumed": night.resumed,
        "language": night.lang,
        "subject": text.split("\n", 1)[0],
        "inputs": [state.told(night.lang) for state in night.inputs],
        "reminders": night.reminders,
        "previous": "",
        "counts": {},
        "failed_rules": [],
        **facts,
        "found": facts.get("by_severity", {}),
        "steps": [result.model_dump(exclude={"facts", "inputs"}) for result in night.results.values()],
        "site": str(night.output / SITE / "index.html"),
        "folder": str(night.folder),
        "text": text,
    }


def verdict(night: Night) -> str:
    """Return ``blind``, ``first``, or whether things got ``worse``, ``better`` or are the ``same``.

    The worst severity in which there is more new than fixed, or more fixed than new, decides.
    """
    facts = night.audited
    if not facts or any(state.doubtful and state.name == "list" for state in night.inputs):
        return "blind"
    if not facts["previous"]:
        return "first"
    for severity, new in facts["new_by_severity"].items():
        if new != (fixed := facts["fixed_by_severity"][severity]):
            return "worse" if new > fixed else "better"
    return "same"


def summary(night: Night) -> str:
    """Return the mail of a night as text, in its language."""
    return "\n".join(line for text in paragraphs(night) for line in _broken(text))


def _said(night: Night, name: str, value: Any) -> str:
    return said("mssante_audit.nightly", name, value, night.lang)


def paragraphs(night: Night) -> list[str]:
    """Return what the mail says, each line whole: causes begin with ``- ``, what to do with two blanks."""
    return [*_head(night), *_inputs(night), *_faults(night), *_findings(night), *_last(night)]


def _head(night: Night) -> Iterator[str]:
    facts, decided = night.audited, verdict(night)
    partly = decided != "blind" and night.exit_status > 1
    at = night.as_of[:16].replace("T", " ")
    yield _said(night, "head", {"at": at, "verdict": decided, "partly": partly, "status": night.exit_status})
    if facts:
        counts = facts["shown"] | {"waived": facts["counts"]["waived"]}
        yield _said(night, "counts" if facts["previous"] else "first", counts)
    else:
        yield _said(night, "nothing", None)


def _inputs(night: Night) -> Iterator[str]:
    well = []
    for state in night.inputs:
        name = named(state.name, night.lang)
        if state.state == "ok":
            well.append(_said(night, "aged", {"name": name, "days": state.age_days}))
            continue
        why = {"name": name, "why": worded(state, night.lang)}
        yield _said(night, "tolerated" if state.tolerated else "doubtful", why)
        if state.doubtful:
            yield f"{_ASIDE}{_said(night, 'todo', remedied(state, night.lang))}"
    if well:
        yield _said(night, "well", well)


def _faults(night: Night) -> Iterator[str]:
    for result in night.results.values():
        if result.outcome in ("failed", "skipped"):
            message = result.message.replace(f"{night.folder}/", "").replace(f"{night.output}/", "")
            fault = {"step": result.step, "message": textwrap.shorten(message, 400, placeholder=" ...")}
            yield _said(night, result.outcome, fault)
    if failed := night.audited.get("failed_rules"):
        yield _said(night, "incomplete", {"n": len(failed), "why": failed[0]})


def _findings(night: Night) -> Iterator[str]:
    if not (facts := night.audited):
        return
    yield from _causes(night, "critical", facts["critical"]["count"])
    if facts["lost"]["count"]:
        yield from _causes(night, "lost", facts["lost"]["count"])
    if facts["previous"]:
        yield from _causes(night, "new", {"previous": facts["previous"], "n": facts["new"]["count"]})
        yield from _causes(night, "fixed", facts["fixed"]["count"])
    if facts["first"]:
        yield _said(night, "first_todo", facts["first"])


def _causes(night: Night, kind: str, heading: Any) -> Iterator[str]:
    causes = night.audited[kind]
    yield _said(night, kind, heading)
    for cause in causes["named"]:
        yield _ITEM + _said(night, "cause", cause)
    if more := causes["count"] - len(causes["named"]):
        yield _ITEM + _said(night, "others", more)


def _last(night: Night) -> Iterator[str]:
    """Yield what stands below: counts, the list, steps, where to look."""
    facts, site = night.audited, night.results["site"]
    if facts:
        yield _said(night, "found", facts["by_severity"])
        yield _said(night, "arrives", facts["arrives"])
        yield _said(night, "order", facts["order"])
        missed = night.results["fetch"].outcome == "failed"
        yield _said(night, "list", facts["list"] | {"missed": missed})
    if night.reminders:
        yield _said(night, "reminders", night.reminders)
    steps = ", ".join(f"{name} {_short(night, result)}" for name, result in night.results.items())
    yield _said(night, "steps", {"steps": steps, "resumed": night.resumed})
    page = night.output / SITE / "index.html"
    if page.exists():
        tonight = site.outcome == "done" and "of" not in site.facts
        yield _said(night, "site", {"page": str(page), "own": tonight})
    yield _said(night, "log", str(night.folder / "log.txt"))


def _short(night: Night, result: Result) -> str:
    if result.outcome == "done":
        return f"{result.seconds:.0f}{NBSP}s"
    return _said(night, "outcome", result.outcome)


def _broken(text: str) -> list[str]:
    """Return a text as lines that any mail and terminal show, of at most `COLUMNS` characters."""
    indent = text[: len(text) - len(text.lstrip())]
    plain = "".join(c if c.isprintable() or c in (NBSP, NARROW) else f"\\u{ord(c):04x}" for c in text)
    lines = [plain]
    if not plain.startswith(("SITE ", "LOG ", "JOURNAL ")):
        lines = textwrap.wrap(plain, COLUMNS, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
    return [line.translate(_PLAIN) for line in lines]
