"""The making of dossiers: a plain function of an operator, called here or by any executor's workers.

All that goes to a worker and comes back can be pickled, and names no file of the sender's machine where the
data are sent along.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_exception
from typing import Any

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.base.language import using_language
from mssante_audit.base.staging import SCRATCH
from mssante_audit.dossiers.facts import Dossier, dossier
from mssante_audit.dossiers.letter import letter_files, reminder
from mssante_audit.dossiers.page import NOTEBOOK, SECTIONS, section
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.survey import survey
from mssante_audit.report.execute import failure_of
from mssante_audit.report.html import Html, joined, macro, trusted
from mssante_audit.report.outcome import Outcome, data_files, labelled
from mssante_audit.report.page import Page, page_html
from mssante_audit.report.pieces import note
from mssante_audit.report.plan import of_space, tellable
from mssante_audit.report.results import open_space
from mssante_audit.report.summary import NO_ANSWERS
from mssante_audit.report.tables import script, style
from mssante_audit.space.inputs import Bundle, code_digest
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import answers, domains


@dataclass(frozen=True, slots=True)
class Order:
    """What the dossiers of a run are made from."""

    key: str
    """Of the data and the parameters: which space to open."""
    given: Mapping[str, Any]
    """Parameters in force, paths absolute; without those that a `Bundle` has in their place."""
    code: str
    """Digest of the code that is to make them."""
    debug: bool = False
    """Keep tracebacks, which may hold unmasked values."""
    masked: bool = False
    """Mask an operator's own contacts as well."""
    on: Stationery = field(default_factory=Stationery)


@dataclass(frozen=True, slots=True)
class Made:
    """A dossier that was made, or what there is of it."""

    operator_id: str
    outcome: Outcome
    files: Mapping[str, bytes] = field(repr=False)
    """Content by suffix."""
    made_at: str
    """Instant (UTC, ISO 8601)."""


def make_dossiers(
    order: Order, operators: Sequence[str], executor: Executor | None = None, data: Any = None
) -> Generator[Made]:
    """Yield the dossiers of operators in their order, failed ones too.

    An `executor` makes them, if not this process; its workers are given `data` as a `Bundle`, ``None`` where
    they read the data themselves. If these cannot be loaded, or a worker has other code than this process, it
    is an `InputError`.
    """
    if executor is None:
        yield from (make_dossier(order, operator_id) for operator_id in operators)
        return
    tasks: dict[str, Future[Made]] = {}
    for operator_id in operators:
        try:
            tasks[operator_id] = executor.submit(make_dossier, order, operator_id, data)
        except BrokenExecutor as error:
            tasks[operator_id] = Future()
            tasks[operator_id].set_exception(error)
    try:
        for operator_id in operators:
            try:
                made = tasks.pop(operator_id).result()
            except AuditError:
                raise
            except Exception as error:  # its worker is lost
                with using_language(order.given["lang"]):
                    made = _made(order, operator_id, [], time.perf_counter(), error)
            yield made
    finally:  # Ctrl-C above all
        for task in tasks.values():
            task.cancel()


def make_dossier(order: Order, operator_id: str, data: Bundle | None = None) -> Made:
    """Make the dossier of one operator: page, results, findings, letter. Whatever fails, there is a page.

    If the code here is not that of the order, or the data cannot be loaded, it is an `InputError`.
    """
    if code_digest() != order.code:
        remedy = "Install this version of mssante_audit there"
        raise InputError("a worker runs other code than its caller", remedy=remedy)
    return from_space(order, opened(order, data), operator_id)


def from_space(order: Order, space: TrustSpace, operator_id: str) -> Made:
    """Make one dossier from its space, loaded already."""
    with using_language(order.given["lang"]):
        begin, parts, told, letter, failed = time.perf_counter(), list[Html](), None, {}, None
        try:
            told = dossier(space, operator_id, masked=order.masked)
            if again := reminder(told, order.on):
                parts.append(note(again, kind="caution"))
            for name in SECTIONS:
                parts.append(section(told, name, order.given["row_limit"]))
            letter = letter_files(told, order.on)
        except Exception as error:  # the other operators' dossiers are made all the same
            failed = error
        return _made(order, operator_id, parts, begin, failed, told, letter)


def _made(
    order: Order,
    operator_id: str,
    parts: list[Html],
    begin: float,
    error: Exception | None,
    dossier: Dossier | None = None,
    letter: Mapping[str, bytes] | None = None,
) -> Made:
    """Return a dossier's files, of which nothing fails: of a failed one, what there is of its page."""
    shown = tellable({**order.given, "operator": operator_id})
    results, failure, held = None, None, NO_ANSWERS
    title = stopped = str(macro("dossier.title", "answer"))
    if error:
        trace = "".join(format_exception(error)) if order.debug else ""
        failure = failure_of(type(error).__name__, str(error), -1, trace)
    if dossier:
        results, title, known = dossier.record(), dossier.label, domains(dossier.space)
        held = answers(known[known["domain"].isin(dossier.domains["domain"])])
        if failure and len(parts) < len(SECTIONS):
            name = [*SECTIONS][len(parts)]
            stopped, parts = str(macro("dossier.title", name)), [*parts, macro("dossier.heading", name)]
    seconds, where = {"make": round(time.perf_counter() - begin, 3)}, stopped if failure else ""
    outcome = Outcome(NOTEBOOK, title, results, failure, where, seconds, answers=held)
    provenance: Mapping[str, Any] = results.provenance if results else {}
    page = Page(NOTEBOOK, labelled(shown), provenance, failure)
    look = macro("tables.enable", trusted(style()), trusted(script()))
    html = page_html(page, title, joined(look, *parts), where).encode("utf-8", "backslashreplace")
    files = {".html": html, **data_files(outcome, shown, provenance), **(letter or {})}
    return Made(operator_id, outcome, files, datetime.now(UTC).replace(microsecond=0).isoformat())


_lock = threading.Lock()
_opened: dict[str, tuple[TrustSpace, Any]] = {}


def opened(order: Order, data: Bundle | None = None) -> TrustSpace:
    """Return the space of an order, loaded and surveyed; a process keeps one."""
    with _lock:
        if order.key not in _opened:
            given, folder = dict(order.given), None
            if data:
                folder = tempfile.TemporaryDirectory(prefix=SCRATCH)  # goes with the process
                where, anchors = data.unpack(Path(folder.name))
                given |= {"data": str(where), "anchors": [str(anchor) for anchor in anchors]}
            space = open_space(**of_space(given))
            for _, earlier in _opened.values():
                if earlier:
                    earlier.cleanup()
            _opened.clear()
            _opened[order.key] = replace(space, mailboxes=data.mailboxes) if data else space, folder
        space, _ = _opened[order.key]
        with using_language(order.given["lang"]):
            survey(space).standing  # noqa: B018 - what all dossiers share is found here, once
        return space
