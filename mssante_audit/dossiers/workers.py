"""Who makes dossiers: processes forked from one that has loaded the space, or any executor's workers.

A task is an `Order`, which is the same for all of a run, and identifiers of operators; what comes back is a
`Made` for each. Both can be pickled, and name no file of the sender's machine where the data are sent along.
A process opens its space once, for the first of its tasks.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.base.language import using_language
from mssante_audit.base.staging import SCRATCH
from mssante_audit.declarations.form_write import write_form
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.letter import letter_files
from mssante_audit.dossiers.page import dossier_page, failed_page, parts
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.survey import survey
from mssante_audit.dossiers.unchanged import facts_digest
from mssante_audit.report.failure import Failure
from mssante_audit.report.outcome import Outcome, data_files
from mssante_audit.report.plan import of_space, tellable
from mssante_audit.report.results import open_space
from mssante_audit.space.inputs import Bundle, code_digest
from mssante_audit.space.trust import TrustSpace

PATIENCE = 5.0
"""Seconds without a dossier after which it is looked whether a process has died unseen."""
CHUNK = 8
"""Operators in one task for an executor that is not ours: the data may go with it."""

FORKED = sys.platform == "linux"
"""Whether processes of ours begin with what this one has: elsewhere what it made ready would serve nobody."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the dossiers of a run are made from; it can be pickled."""

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
    """What letters are written on."""
    known: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Operator → `facts_digest` of its dossier of an earlier run, which is kept if it would say the same."""

    @property
    def how(self) -> str:
        """What every dossier is made with, whatever the data and the instant."""
        given = {n: v for n, v in tellable(self.given).items() if n not in ("data", "as_of", "operator")}
        return json.dumps([given, self.code, self.masked, repr(self.on)], sort_keys=True, default=str)

    @property
    def lang(self) -> str:
        """The language of dossiers and letters."""
        return str(self.given["lang"])

    def shown(self, operator_id: str) -> dict[str, Any]:
        """Return the parameters that an operator's dossier tells."""
        return tellable({**self.given, "operator": operator_id})


@dataclass(frozen=True, slots=True)
class Made:
    """A dossier that was made, or what there is of it; it can be pickled."""

    operator_id: str
    counts: Mapping[str, int] | None
    """Findings by severity; ``None`` if it did not come to them."""
    failure: Failure | None
    section: str
    """The heading under which it failed."""
    files: Mapping[str, bytes] = field(repr=False)
    """Content by suffix."""
    made_at: str
    """Instant (UTC, ISO 8601)."""
    facts: str = ""
    """Hash of what it says of the operator (`facts_digest`); "" of a failed one."""
    kept: bool = False
    """Whether it was not made: the one of an earlier run says the same."""


def produce(
    order: Order,
    operators: Sequence[str],
    *,
    workers: int = 1,
    executor: Executor | None = None,
    data: Any = None,
) -> Generator[Made]:
    """Make dossiers; yield each as soon as it is made, failed ones too.

    Those that were lost with a worker that died are made again, each alone, once.

    Parameters
    ----------
    workers
        How many at once, without `executor`.
    executor
        Where to make them; its workers may be on other machines. They need this package in this version.
    data
        What `executor` makes a `Bundle` of for its workers; ``None`` for the shipped sample.

    Raises
    ------
    InputError
        If the data cannot be loaded, or a worker has other code than this process.
    """
    if not operators:
        return
    if executor is None and FORKED:
        _ready(order)
    size = CHUNK if executor else 1
    chunks = [operators[i : i + size] for i in range(0, len(operators), size)]
    lost: list[str] = []

    def pool(number: int) -> Any:
        return nullcontext(executor) if executor else _forks(max(1, min(number, len(operators))))

    with pool(workers) as first:
        yield from _all_made(first, order, chunks, data, lost)
    for operator_id in lost:
        with pool(1) as again:
            try:
                (task,) = _as_done(again, {again.submit(make, order, [operator_id], data)})
                made = task.result()
            except AuditError:
                raise
            except Exception as error:  # whoever makes it dies of it, or has no executor any more
                with using_language(order.lang):
                    made = [_made(order, operator_id, *failed_page(error, order.shown(operator_id)), {})]
        yield from made


def _all_made(
    executor: Executor, order: Order, chunks: Sequence[Sequence[str]], data: Any, lost: list[str]
) -> Iterator[Made]:
    """Yield what tasks make, and let go of it; note the operators of those that came to nothing."""
    tasks: dict[Future[list[Made]], Sequence[str]] = {}
    try:
        for chunk in chunks:
            try:
                tasks[executor.submit(make, order, chunk, data)] = chunk
            except BrokenExecutor:  # by an earlier task, already
                lost += chunk
        for future in _as_done(executor, set(tasks)):
            chunk = tasks.pop(future)
            try:
                made = future.result()
            except AuditError:
                raise
            except Exception:
                lost += chunk
            else:
                yield from made
    finally:  # Ctrl-C above all
        for task in tasks:
            task.cancel()


def _as_done(executor: Executor, tasks: set[Future[Any]]) -> Iterator[Future[Any]]:
    """Yield tasks as they end; those of a pool that waits for a dead process end too, by an error.

    A process that is killed while it sends a result leaves a part of it, and the others locked out: the pool
    reads on for ever, and does not see that it is dead.
    """
    while tasks:
        done, tasks = wait(tasks, PATIENCE, FIRST_COMPLETED)
        own = list((getattr(executor, "_processes", None) or {}).values())
        if not done and any(not process.is_alive() for process in own):
            for process in own:
                process.kill()
            with suppress(OSError):
                executor._result_queue._writer.close()  # type: ignore[attr-defined] # nobody is left to write
        yield from done


def _ready(order: Order) -> None:
    """Do what every dossier needs, so that processes forked from this one find it done."""
    with using_language(order.lang):
        survey(opened(order))
    parts()
    with suppress(InputError):  # a blank form: what draws and reads forms is imported
        write_form({})


@contextmanager
def _forks(number: int) -> Iterator[Executor]:
    """Yield a pool whose processes have the space of this one, where processes can be forked."""
    context = multiprocessing.get_context("fork" if FORKED else None)
    pool = ProcessPoolExecutor(number, context, _begin)
    gc.freeze()  # what was made so far is looked at by no process again, so that its pages stay shared
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        gc.unfreeze()


def _begin() -> None:
    """Let this process, one of a pool, be ended by its parent and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends the pool
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


# -- in a worker --------------------------------------------------------------------------------------------


def make(order: Order, operators: Sequence[str], data: Bundle | None = None) -> list[Made]:
    """Make the dossiers of operators in this process.

    Raises
    ------
    InputError
        If the code here is not that of the order, or the data cannot be loaded.
    """
    if code_digest() != order.code:
        raise InputError(
            "a worker runs other code than its caller", remedy="Install this version of mssante_audit there"
        )
    with using_language(order.lang):
        space = opened(order, data)
        with _lock:  # tasks of several threads share what it comes to
            survey(space)
        return [make_one(order, space, operator_id) for operator_id in operators]


def make_one(order: Order, space: TrustSpace, operator_id: str) -> Made:
    """Make one dossier from its space."""
    begin = time.perf_counter()
    shown, facts, told = order.shown(operator_id), "", None
    with suppress(Exception):  # the page says what was wrong
        told = dossier(space, operator_id, masked=order.masked)
        facts = facts_digest(told, order.how)
    if facts and order.known.get(operator_id) == facts:
        return Made(operator_id, None, None, "", {}, "", facts, kept=True)
    outcome, html, told = dossier_page(
        space, operator_id, shown, told, masked=order.masked, debug=order.debug
    )
    files: dict[str, bytes] = {}
    try:
        files = letter_files(told, order.on) if told and not outcome.failure else {}
    except Exception as error:
        outcome, html = failed_page(error, shown)
    outcome = replace(outcome, seconds={"make": round(time.perf_counter() - begin, 3)})
    return _made(order, operator_id, outcome, html, files, "" if outcome.failure else facts)


def _made(
    order: Order, operator_id: str, outcome: Outcome, html: str, files: dict[str, bytes], facts: str = ""
) -> Made:
    results = outcome.results
    provenance: Mapping[str, Any] = results.provenance if results else {}
    told = data_files(outcome, order.shown(operator_id), provenance)
    files = {".html": html.encode("utf-8", "backslashreplace"), **told, **files}
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    counts = results.by_severity if results else None
    return Made(operator_id, counts, outcome.failure, outcome.section, files, now, facts)


_lock = threading.Lock()
_opened: dict[str, tuple[TrustSpace, Any]] = {}


def opened(order: Order, data: Bundle | None = None) -> TrustSpace:
    """Return the space of an order, loaded; a process keeps one."""
    with _lock:
        if order.key not in _opened:
            folder: Any = None
            own: dict[str, Any] = {}
            if data:
                folder = tempfile.TemporaryDirectory(prefix=SCRATCH)
                where, anchors = data.unpack(Path(folder.name))
                own = {"data": str(where), "anchors": [str(anchor) for anchor in anchors]}
            space = open_space(**of_space({**order.given, **own}))
            if data:
                space = replace(space, mailboxes=data.mailboxes)
            for _, earlier in _opened.values():
                if earlier:
                    earlier.cleanup()
            _opened.clear()
            _opened[order.key] = space, folder
        return _opened[order.key][0]
