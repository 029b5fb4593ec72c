"""A night as a mail and as Prometheus metrics (``state/metrics.prom``).

The mail: what is critical, new and unknown; whom to call for what; then the rest. Lines of the text are
broken at `COLUMNS`; only paths may be wider. Information and hints are only counted. The metrics are for
node_exporter's textfile collector (https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4).
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib.resources import files
from itertools import chain, groupby
from typing import Any

from mssante_audit.base.export import json_bytes, write_bytes
from mssante_audit.base.inputs import LIST, State
from mssante_audit.base.instants import SKEW, stamped
from mssante_audit.base.language import NARROW, NBSP, using_language
from mssante_audit.base.resources import table_of
from mssante_audit.findings.templates import phrase
from mssante_audit.nightly.night import SITE, SUMMARY, Night, good_run, read_result, read_run, runs_in
from mssante_audit.report import html
from mssante_audit.space import states

COLUMNS = 72
METRICS = "metrics.prom"
_PLAIN = str.maketrans({NBSP: " ", NARROW: " ", "’": "'"})
_PAGES = {"site": "", "findings": "constats.html", "follow_up": "suivi.html"}  # of the site, linked to


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph of the mail; of a cause also its parts, and the page of the site that has more of it."""

    kind: str
    text: str
    severity: str = ""
    title: str = ""
    where: str = ""
    href: str = ""


def write_mail(night: Night) -> None:
    """Write the mail into the run's folder, to be read by people, programs and e-mail programs."""
    write_bytes(night.folder / SUMMARY, f"{summary(night)}\n".encode())
    write_bytes(night.folder / "summary.json", json_bytes(record_of(night)))
    write_bytes(night.folder / "summary.eml", message(night).as_bytes())


def message(night: Night) -> EmailMessage:
    """Return a night as a mail, text and HTML; without a sender it is a draft, to be addressed."""
    mail, settings, stamp = EmailMessage(policy=SMTP), night.config.mail, night.folder.name
    mail["Subject"] = subject(night)
    name, value = ("From", settings.sender) if settings.sender else ("X-Unsent", "1")
    mail[name] = value
    if settings.recipients:
        mail["To"] = ", ".join(settings.recipients)
    mail["Date"] = format_datetime(stamped(stamp))
    # The same for the same night: a run that was killed while it sent the mail sends it again.
    mail["Message-ID"] = f"<{stamp}.mssante-audit@{settings.sender.rpartition('@')[2] or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{summary(night)}\n")
    mail.add_alternative(page(night), subtype="html")
    return mail


def subject(night: Night) -> str:
    """Return the subject: what is critical now, what of it is new, and whether we are blind."""
    return _broken(_head(night).text, whole=True)[0]


def page(night: Night) -> str:
    """Return the mail in HTML for a phone: nothing in it is from elsewhere."""
    template = (files("mssante_audit.nightly") / "mail.html.j2").read_text(encoding="utf-8")
    blocks = [(kind, [*lines]) for kind, lines in groupby(lines_of(night), lambda line: line.kind)]
    url = night.config.output.site_url
    links = {_text(night, "link", name): path for name, path in _PAGES.items() if url}
    values: dict[str, Any] = {"lang": night.lang, "blocks": blocks, "links": links, "url": url}
    with using_language(night.lang):
        return html.environment().from_string(template).render(values)


def record_of(night: Night) -> dict[str, Any]:
    """Return a night as JSON types: what the mail says, in numbers, codes and names."""
    facts, absent = night.audited, {"previous": "", "counts": {}, "failed_rules": []}
    return {
        "kind": "mssante-audit night",
        "run": night.folder.name,
        "as_of": night.as_of,
        "exit_status": night.exit_status,
        "verdict": verdict(night),
        "resumed": night.resumed,
        "language": night.lang,
        "subject": subject(night),
        "inputs": [states.as_json(state, night.lang) for state in night.inputs],
        "reminders": night.reminders,
        **absent,
        **facts,
        "found": facts.get("by_severity", {}),
        "steps": [step.model_dump(exclude={"facts", "inputs"}) for step in night.results.values()],
        "site": str(night.output / SITE / "index.html"),
        "folder": str(night.folder),
        "text": summary(night),
    }


def verdict(night: Night) -> str:
    """Return ``blind``, ``first``, or whether things got ``worse``, ``better`` or are the ``same``.

    The worst severity in which there is more new than fixed, or more fixed than new, decides.
    """
    facts = night.audited
    if not facts or night.results["audit"].doubted_list:
        return "blind"
    if not facts["previous"]:
        return "first"
    for severity, new in facts["new_by_severity"].items():
        if new != (fixed := facts["fixed_by_severity"][severity]):
            return "worse" if new > fixed else "better"
    return "same"


def summary(night: Night) -> str:
    """Return the mail of a night as text, in its language."""
    begin, lines = {"cause": "- ", "aside": "  "}, lines_of(night)
    pieces = (_broken(begin.get(line.kind, "") + line.text, whole=line.kind == "path") for line in lines)
    return "\n".join(chain.from_iterable(pieces))


def _broken(text: str, *, whole: bool) -> list[str]:
    """Return a text as lines for any mail and terminal: one if `whole`, or of `COLUMNS` characters."""
    indent, lines = text[: len(text) - len(text.lstrip())], [text]
    if not whole:
        lines = textwrap.wrap(text, COLUMNS, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
    return [line.translate(_PLAIN) for line in lines]


def _text(night: Night, name: str, value: Any) -> str:
    text = phrase("mssante_audit.nightly", name, value, night.lang)
    # No line begins with a sign that French parts from the word before it.
    return re.sub(" ([:;!?»])", rf"{NBSP}\1", text) if night.lang == "fr" else text


def lines_of(night: Night) -> list[Line]:
    """Return what the mail says: first what is critical, new and unknown, then whom to call for what."""
    facts, blind, first = night.audited, list[Line](), list[Line]()
    for state in _doubtful(night):
        date = night.results["audit"].list_date if state.name == LIST else None
        listed = _state(night, state) | {"made": date}
        blind.append(Line("alarm", _text(night, "doubtful", listed)))
        blind.append(Line("aside", _text(night, "todo", states.remedied(state, night.lang))))
        if state.name == LIST:
            blind.append(_in_force(night, kept="listed" in state.why))
    # Of a list in doubt it is said already.
    if (cause := facts.get("first")) and not (blind and cause.get("whole_list")):
        call = Line("call", _text(night, "call", cause), where=cause["contact"])
        first = [_cause(night, cause, "first", "first_cause"), call]
    above = {(line.title, line.where) for line in first}
    if verdict(night) != "blind" and facts and facts["shown"]["criticals"]:
        blind, first = first, blind
    return [_head(night), *blind, *first, *_numbers(night), *_causes(night, above), *_last(night)]


def _state(night: Night, state: State) -> dict[str, Any]:
    return {"name": states.named(state.name, night.lang), "why": states.worded(state, night.lang)}


def _head(night: Night) -> Line:
    facts, dark = night.audited, _doubtful(night)
    doubted = [_text(night, "short", state.name) for state in dark]
    failed = [_text(night, "step", r.step) for r in night.results.values() if r.outcome == "failed"]
    unseen = facts["arrives"]["unknown"] if facts else 0
    if verdict(night) == "blind":
        sight, listed = "blind", doubted or failed
    elif doubted or failed:
        sight, listed = "partly" if doubted else "failed", doubted or failed
    else:
        sight, listed = "rules" if facts["failed_rules"] else "unseen" if unseen else "known", []
    earlier = (read_result(run, "audit") for run in reversed(runs_in(night.output)) if run < night.folder)
    before = next(filter(None, earlier), None) if dark else None
    already = {state.name for state in before.inputs if state.doubtful} if before else set()
    return Line("head", _text(night, "head", {
        "at": night.as_of, "names": listed, "sight": sight, "unseen": unseen,
        "first": bool(facts) and not facts["previous"],
        "why": states.reason(dark[0], night.lang) if dark and sight == "blind" else "",
        "still": bool(dark) and already >= {state.name for state in dark},
    } | (facts["shown"] if facts else {"criticals": None})))  # fmt: skip


def _doubtful(night: Night) -> list[State]:
    return sorted((state for state in night.inputs if state.doubtful), key=lambda state: state.name != LIST)


def _in_force(night: Night, *, kept: bool) -> Line:
    """Return what is used while tonight's list is refused: the one `kept` before, the last good site."""
    good = good_run(night.output)
    head, audited = read_run(good) if good else None, night.audited.get("list") if kept else None
    return Line("aside", _text(night, "in_force", {"list": audited, "site": head and head.as_of}))


def _numbers(night: Night) -> Iterator[Line]:
    """Yield in numbers what was found, then inputs and steps that are not well."""
    if facts := night.audited:
        counts = facts["shown"] | {"waived": facts["counts"]["waived"], "previous": facts["previous"]}
        name = "counts" if facts["previous"] else "first_run"
        yield Line("numbers", _text(night, name, counts | {"verdict": verdict(night)}))
    else:
        yield Line("numbers", _text(night, "nothing", None))
    for state in night.inputs:
        if state.tolerated:
            yield Line("alarm", _text(night, "tolerated", _state(night, state)))
    if well := [
        _text(night, "aged", {"name": states.named(state.name, night.lang), "days": state.age_days})
        for state in night.inputs
        if state.state == "ok"
    ]:
        yield Line("", _text(night, "well", well))
    for result in (result for result in night.results.values() if result.undone):
        message = result.message.replace(f"{night.folder}/", "").replace(f"{night.output}/", "")
        fault = {"message": textwrap.shorten(message, 400, placeholder=" ..."), "why": result.why}
        fault |= {"step": result.step, "named": html.names("failures").get(result.why.get("code", ""), "")}
        yield Line("alarm", _text(night, result.outcome, fault))
        if result.step == "fetch" and not night.results["audit"].doubted_list:  # of which it is said above
            yield _in_force(night, kept=True)
    if failed := facts.get("failed_rules"):
        yield Line("alarm", _text(night, "incomplete", {"n": len(failed), "why": failed[0]}))


def _causes(night: Night, above: set[tuple[str, str]]) -> Iterator[Line]:
    if not (facts := night.audited):
        return
    lost_kinds = ["lost"] if facts["lost"]["count"] else []
    for kind in ("critical", *lost_kinds, *(("new", "fixed") if facts["previous"] else ())):
        causes = facts[kind]
        lines = [_cause(night, cause, "cause", "cause") for cause in causes["named"]]
        # Of a cause a part may be fixed, or lost, and the rest stand above: that is no repetition.
        repeated = above if kind in ("critical", "new") else set()
        others = [line for line in lines if (line.title, line.where) not in repeated]
        counts = {"previous": facts["previous"], "told": len(lines) - len(others)}
        yield Line("heading", _text(night, kind, causes | counts))
        yield from others
        above |= {(line.title, line.where) for line in others}
        if rest := causes["count"] - len(lines):
            yield Line("cause", _text(night, "others", rest))


def _cause(night: Night, cause: Mapping[str, Any], kind: str, macro: str) -> Line:
    where, operator = _text(night, "where", cause), cause["operator_id"]
    href = f"operateurs/{operator}.html" if operator.isalnum() else ""
    return Line(kind, _text(night, macro, cause), cause["severity"], cause["title"], where, href)


def _last(night: Night) -> Iterator[Line]:
    facts, results, foot = night.audited, night.results, dict[str, Any]()
    if facts:
        foot = {"found": facts["by_severity"], "arrives": facts["arrives"], "order": facts["order"]}
        foot["list"] = facts["list"] | {"missed": results["fetch"].outcome == "failed"}
    if night.reminders:
        foot["reminders"] = night.reminders
    steps = [
        (name, f"{r.seconds:.0f}{NBSP}s" if r.outcome == "done" else _text(night, "outcome", r.outcome))
        for name, r in results.items()
    ]
    foot["steps"] = {"at": night.as_of, "status": night.exit_status, "resumed": night.resumed, "steps": steps}
    for name, value in foot.items():
        yield Line("foot", _text(night, name, value))
    index, url = night.output / SITE / "index.html", night.config.output.site_url
    if index.exists() or url:
        tonight = results["site"].outcome == "done" and "of" not in results["site"].facts
        yield Line("path", _text(night, "site", {"page": f"{url}/" if url else str(index), "own": tonight}))
    yield Line("path", _text(night, "log", str(night.folder / "log.txt")))


def metrics(night: Night, ended: datetime) -> str:
    """Return the metrics of a night that has `ended`."""
    facts, results, good = night.audited, night.results, stamped(night.good) if night.good else None
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {
        "last_run_timestamp_seconds": [({}, ended.timestamp())],
        # 0 is long ago for an alert, as a night to come would never be.
        "last_success_timestamp_seconds": [({}, good.timestamp() if good and good <= ended + SKEW else 0)],
        "exit_status": [({}, night.exit_status)],
        "findings": [
            ({"severity": severity, "state": state}, n)
            for severity, states in facts.get("by_state", {}).items() for state, n in states.items()
        ],
        "domains_arrives": [({"answer": answer}, n) for answer, n in facts.get("arrives", {}).items()],
        "domains_order": [({"answer": answer}, n) for answer, n in facts.get("order", {}).items()],
        "input_age_seconds": [
            ({"input": state.name}, state.age_days * 86_400)
            for state in night.inputs if state.age_days is not None
        ],
        "input_ok": [({"input": s.name, "state": s.state}, int(not s.doubtful)) for s in night.inputs],
        "step_seconds": [({"step": name}, result.seconds) for name, result in results.items()],
        "step_failed": [({"step": name}, int(result.undone)) for name, result in results.items()],
    }  # fmt: skip
    escapes, text = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"}), ""
    for name, about in table_of("mssante_audit.nightly", "metrics.toml").items():
        text += f"# HELP mssante_audit_{name} {about}\n# TYPE mssante_audit_{name} gauge\n"
        for labels, value in samples[name]:
            pairs = ",".join(f'{n}="{label.translate(escapes)}"' for n, label in labels.items())
            text += f"mssante_audit_{name}{f'{{{pairs}}}' if pairs else ''} {value:.15g}\n"
    return text
