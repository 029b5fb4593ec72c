"""A night as a mail: what is critical, new and unknown; whom to call for what; then the rest.

Lines of the text are broken at `COLUMNS`; only paths may be wider. Information and hints are only counted.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from mssante_audit.base.export import json_bytes, write_bytes
from mssante_audit.base.language import NARROW, NBSP, severity_name, using_language
from mssante_audit.base.markup import visible
from mssante_audit.findings.registry import LIST
from mssante_audit.findings.templates import phrase
from mssante_audit.nightly.night import SITE, Night, began, read_result, read_run, runs_in
from mssante_audit.nightly.notice import good_run
from mssante_audit.nightly.settings import Mail
from mssante_audit.report.names import names
from mssante_audit.space.states import State, named, reason, remedied, worded

KIND = "mssante-audit night"
COLUMNS = 72
_PLAIN = str.maketrans({NBSP: " ", NARROW: " ", "’": "'"})
_PAGES = {"site": "", "findings": "constats.html", "follow_up": "suivi.html"}
"""Pages of the site that the mail links to."""


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph of the mail; of a cause also its parts."""

    kind: str
    text: str
    severity: str = ""
    title: str = ""
    where: str = ""
    href: str = ""
    """Page of the site that has more of it, "" if none."""


def write_mail(night: Night, settings: Mail) -> None:
    """Write the mail into the run's folder, to be read by people, programs and e-mail programs."""
    write_bytes(night.folder / "summary.txt", f"{summary(night)}\n".encode())
    write_bytes(night.folder / "summary.json", json_bytes(record_of(night)))
    write_bytes(night.folder / "summary.eml", message(night, settings).as_bytes())


def message(night: Night, settings: Mail) -> EmailMessage:
    """Return a night as a mail, text and HTML; without a sender it is a draft, to be addressed."""
    made, text, stamp = EmailMessage(policy=SMTP), summary(night), night.folder.name
    made["Subject"] = subject(night)
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


def subject(night: Night) -> str:
    """Return the subject: what is critical now, what of it is new, and whether we are blind."""
    return " ".join(_broken(_head(night).text, whole=True))


def page(night: Night) -> str:
    """Return the mail in HTML for a phone: nothing in it is from elsewhere."""
    blocks = [(kind, [*lines]) for kind, lines in groupby(lines_of(night), lambda line: line.kind)]
    made = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    template = (files("mssante_audit.nightly") / "mail.html.j2").read_text(encoding="utf-8")
    links = {_say(night, "link", name): path for name, path in _PAGES.items() if night.site_url}
    given = {"lang": night.lang, "blocks": blocks, "links": links, "url": night.site_url}
    with using_language(night.lang):
        return str(made.from_string(template).render(given, severity=severity_name))


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def record_of(night: Night) -> dict[str, Any]:
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
        "subject": subject(night),
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
    begin = {"cause": "- ", "aside": "  "}
    return "\n".join(
        piece
        for line in lines_of(night)
        for piece in _broken(f"{begin.get(line.kind, '')}{line.text}", whole=line.kind == "path")
    )


def _say(night: Night, name: str, value: Any) -> str:
    text = phrase("mssante_audit.nightly", name, value, night.lang)
    # No line begins with a sign that French parts from the word before it.
    return re.sub(" ([:;!?»])", rf"{NBSP}\1", text) if night.lang == "fr" else text


def lines_of(night: Night) -> list[Line]:
    """Return what the mail says: first what is critical, new and unknown, then whom to call for what."""
    facts = night.audited
    blind = [line for state in _doubtful(night) for line in _doubt(night, state)]
    first = []
    # Of a list in doubt it is said already.
    if (cause := facts.get("first")) and not (blind and cause.get("whole_list")):
        first = [
            _cause(night, cause, "first", "first_cause"),
            Line("call", _say(night, "call", cause), where=cause["contact"]),
        ]
    said = {(line.title, line.where) for line in first}
    if verdict(night) != "blind" and facts and facts["shown"]["criticals"]:
        blind, first = first, blind
    return [_head(night), *blind, *first, *_found(night, said), *_last(night)]


def _head(night: Night) -> Line:
    facts, decided = night.audited, verdict(night)
    dark = _doubtful(night)
    names = [_say(night, "short", state.name) for state in dark]
    failed = [_say(night, "step", r.step) for r in night.results.values() if r.outcome == "failed"]
    unseen = facts["arrives"]["unknown"] if facts else 0
    if decided == "blind" or names:
        sight = "blind" if decided == "blind" else "partly"
        names = names or failed
    elif failed:
        sight, names = "failed", failed
    elif facts["failed_rules"]:
        sight = "rules"
    else:
        sight = "unseen" if unseen else "known"
    return Line("head", _say(night, "head", {
        "at": night.as_of, "names": names, "sight": sight, "unseen": unseen,
        "first": bool(facts) and not facts["previous"],
        "why": reason(dark[0], night.lang) if dark and sight == "blind" else "",
        "still": bool(dark) and _doubted_before(night) >= {state.name for state in dark},
    } | (facts["shown"] if facts else {"criticals": None})))  # fmt: skip


def _doubtful(night: Night) -> list[State]:
    """Return the inputs in doubt, the list first."""
    return sorted((state for state in night.inputs if state.doubtful), key=lambda state: state.name != LIST)


def _doubted_before(night: Night) -> set[str]:
    """Return the inputs that were in doubt in the run before."""
    earlier = (read_result(run, "audit") for run in reversed(runs_in(night.output)) if run < night.folder)
    before = next(filter(None, earlier), None)
    return {state.name for state in before.inputs if state.doubtful} if before else set()


def _doubt(night: Night, state: State) -> Iterator[Line]:
    """Yield what is wrong with an input, what to do about it and, of the list, what is used meanwhile."""
    published = state.state == "quarantined" or "listed" in state.why
    made = state.why.get("listed") if published else night.audited.get("list", {}).get("generated_at")
    why = {"name": named(state.name, night.lang), "why": worded(state, night.lang)}
    yield Line("alarm", _say(night, "doubtful", why | {"made": made if state.name == LIST else None}))
    yield Line("aside", _say(night, "todo", remedied(state, night.lang)))
    if state.name == LIST:
        yield _in_force(night, kept=published)


def _in_force(night: Night, *, kept: bool) -> Line:
    """Return what is used while tonight's list is refused: the one `kept` before, the last good site."""
    good = good_run(night.output)
    head = read_run(good) if good else None
    kept_list = night.audited.get("list") if kept else None
    return Line("aside", _say(night, "in_force", {"list": kept_list, "site": head and head.as_of}))


def _found(night: Night, said: set[tuple[str, str]]) -> Iterator[Line]:
    """Yield in numbers what was found, inputs and steps that are not well, and by name causes not `said`."""
    if facts := night.audited:
        counts = facts["shown"] | {"waived": facts["counts"]["waived"], "previous": facts["previous"]}
        name = "counts" if facts["previous"] else "first_run"
        yield Line("numbers", _say(night, name, counts | {"verdict": verdict(night)}))
    else:
        yield Line("numbers", _say(night, "nothing", None))
    well = []
    for state in night.inputs:
        name = named(state.name, night.lang)
        if state.state == "ok":
            well.append(_say(night, "aged", {"name": name, "days": state.age_days}))
        elif state.tolerated:
            yield Line("alarm", _say(night, "tolerated", {"name": name, "why": worded(state, night.lang)}))
    if well:
        yield Line("", _say(night, "well", well))
    for result in night.results.values():
        if result.outcome in ("failed", "skipped"):
            message = result.message.replace(f"{night.folder}/", "").replace(f"{night.output}/", "")
            short = textwrap.shorten(message, 400, placeholder=" ...")
            fault = {"message": short, "why": result.why, "step": result.step}
            fault["named"] = names("failures").get(result.why.get("code", ""), "")
            yield Line("alarm", _say(night, result.outcome, fault))
            if result.step == "fetch":
                yield _in_force(night, kept=True)
    if failed := facts.get("failed_rules"):
        yield Line("alarm", _say(night, "incomplete", {"n": len(failed), "why": failed[0]}))
    if facts:
        lost = ["lost"] if facts["lost"]["count"] else []
        for kind in ("critical", *lost, *(("new", "fixed") if facts["previous"] else ())):
            causes = facts[kind]
            lines = [_cause(night, cause, "cause", "cause") for cause in causes["named"]]
            # Of a cause a part may be fixed, or lost, and the rest stand above: that is no repetition.
            above = said if kind in ("critical", "new") else set()
            others = [line for line in lines if (line.title, line.where) not in above]
            told = {"previous": facts["previous"], "told": len(lines) - len(others)}
            yield Line("heading", _say(night, kind, causes | told))
            yield from others
            said |= {(line.title, line.where) for line in others}
            if more := causes["count"] - len(lines):
                yield Line("cause", _say(night, "others", more))


def _cause(night: Night, cause: Mapping[str, Any], kind: str, macro: str) -> Line:
    where, operator = _say(night, "where", cause), cause["operator_id"]
    href = f"operateurs/{operator}.html" if operator.isalnum() else ""
    return Line(kind, _say(night, macro, cause), cause["severity"], cause["title"], where, href)


def _last(night: Night) -> Iterator[Line]:
    """Yield what stands below: counts, the list, steps, where to look."""
    facts, site = night.audited, night.results["site"]
    if facts:
        yield Line("foot", _say(night, "found", facts["by_severity"]))
        yield Line("foot", _say(night, "arrives", facts["arrives"]))
        yield Line("foot", _say(night, "order", facts["order"]))
        missed = night.results["fetch"].outcome == "failed"
        yield Line("foot", _say(night, "list", facts["list"] | {"missed": missed}))
    if night.reminders:
        yield Line("foot", _say(night, "reminders", night.reminders))
    steps = [
        (name, f"{r.seconds:.0f}{NBSP}s" if r.outcome == "done" else _say(night, "outcome", r.outcome))
        for name, r in night.results.items()
    ]
    run = {"at": night.as_of, "status": night.exit_status, "resumed": night.resumed, "steps": steps}
    yield Line("foot", _say(night, "steps", run))
    page = night.output / SITE / "index.html"
    if page.exists() or night.site_url:
        tonight = site.outcome == "done" and "of" not in site.facts
        where = f"{night.site_url}/" if night.site_url else str(page)
        yield Line("path", _say(night, "site", {"page": where, "own": tonight}))
    yield Line("path", _say(night, "log", str(night.folder / "log.txt")))


def _broken(text: str, *, whole: bool) -> list[str]:
    """Return a text as lines for any mail and terminal: one if `whole`, or of `COLUMNS` characters."""
    indent = text[: len(text) - len(text.lstrip())]
    plain = "".join(c if c.isprintable() or c in (NBSP, NARROW) else f"\\u{ord(c):04x}" for c in text)
    lines = [plain]
    if not whole:
        lines = textwrap.wrap(plain, COLUMNS, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
    return [line.translate(_PLAIN) for line in lines]
