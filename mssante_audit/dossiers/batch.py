"""Many reports, each from a fork of one prepared process, here or wherever an executor sends them.

A `Job` goes out and a `Made` comes back, both picklable and without paths of the sender. A process that makes
reports for others prepares one fork server for the data it is given, and keeps it for those that follow.
"""

from __future__ import annotations

import atexit
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import nbformat

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.base.resources import resource
from mssante_audit.base.staging import SCRATCH
from mssante_audit.dossiers.forks import AVAILABLE, DiedError, ForkServer, Limits
from mssante_audit.dossiers.making import Made, made, parameterized, prepare, produce
from mssante_audit.report.conversion import Setting
from mssante_audit.report.jobs import Job, of_space, tellable
from mssante_audit.report.kernel import Execution, Kernels, execute, failure_of, quiet
from mssante_audit.space.inputs import Bundle, code_digest, pack

CHUNK = 8
"""Jobs sent at once to another process: the data go with them."""

Maker = Callable[[Job], Made]


@dataclass(frozen=True, slots=True)
class Order:
    """How the reports of a batch are made."""

    fork: bool = AVAILABLE
    """In forks; by papermill's default engine, in a kernel each, otherwise."""
    debug: bool = False
    """Keep tracebacks, which may hold unmasked values."""
    limits: Limits = Limits()  # noqa: RUF009 - frozen


def run_batch(
    jobs: Sequence[Job], *, workers: int = 1, executor: Executor | None = None, order: Order | None = None
) -> Generator[Made]:
    """Make reports; yield each as soon as it is made, failed ones too.

    Parameters
    ----------
    jobs
        What to make, all of the same data and thresholds.
    workers
        How many at once, without `executor`.
    executor
        Where to make them; its workers may be other processes and other machines. They need this package in
        this version, and nothing else: the data are sent.

    Raises
    ------
    InputError
        If the data cannot be loaded, or a worker of `executor` has other code than this process.
    """
    if not jobs:
        return
    order = order or Order()
    if executor is None:
        # What makes them is gone before the pool waits for its threads: an interruption ends at once.
        with ThreadPoolExecutor(workers) as pool, _maker(jobs, order) as make:
            yield from _collected({pool.submit(_one, make, job): [job] for job in jobs}, order)
    else:
        bundle, sent = _sendable(jobs)
        chunks = [sent[i : i + CHUNK] for i in range(0, len(sent), CHUNK)]
        code = code_digest()
        yield from _collected({executor.submit(make_there, bundle, c, code, order): c for c in chunks}, order)


def _one(make: Maker, job: Job) -> list[Made]:
    return [make(job)]


def _collected(tasks: dict[Future[list[Made]], list[Job]], order: Order) -> Generator[Made]:
    """Yield what tasks made, and let go of it: a batch takes no more memory than what waits to be written."""
    try:
        while tasks:
            done, _ = wait(tasks, return_when=FIRST_COMPLETED)
            for future in done:
                jobs = tasks.pop(future)
                yield from _outcome(future, jobs, order)
    except BaseException:  # Ctrl-C above all
        for future in tasks:
            future.cancel()
        raise


def _outcome(future: Future[list[Made]], jobs: list[Job], order: Order) -> list[Made]:
    try:
        return future.result()
    except AuditError:
        raise
    except Exception as error:  # the worker is gone, or what it sent: whatever it is, these reports failed
        return [_failed(job, error, order) for job in jobs]


def _failed(job: Job, error: Exception, order: Order) -> Made:
    failure = failure_of(type(error).__name__, str(error), -1)
    execution = Execution(nbformat.v4.new_notebook(), 0.0, failure)
    return made(job, execution, Setting(debug=order.debug))


# -- in this process ----------------------------------------------------------------------------------------


@contextmanager
def _maker(jobs: Sequence[Job], order: Order) -> Iterator[Maker]:
    """Yield what makes one of `jobs`; nothing of it is left running afterwards."""
    if not order.fork:
        kernels = Kernels()
        try:
            with quiet():
                yield lambda job: _make_in_kernel(job, kernels, order)
        finally:
            kernels.stop()
        return
    preparation = _preparation(jobs)
    servers: list[ForkServer] = [ForkServer(prepare, *preparation)]
    lock = Lock()

    def make(job: Job) -> Made:
        with lock:
            if servers and not servers[0].running:  # killed, for want of memory perhaps: the others need one
                servers[0].close()
                servers[0] = ForkServer(prepare, *preparation)
            server = servers[0]
        return make_in_fork(job, server, order)

    try:
        yield make
    finally:
        with lock:
            last = servers.pop()
        last.close()


def _preparation(jobs: Sequence[Job]) -> tuple[tuple[Job, ...], dict[str, Any] | None]:
    """Return the arguments of `mssante_audit.dossiers.making.prepare` for jobs."""
    opening = next((job for job in jobs if "data" in job.shown), None)
    return tuple({job.content: job for job in jobs}.values()), _space(opening) if opening else None


def _space(job: Job) -> dict[str, Any]:
    return of_space({**job.shown, **job.given})


def make_in_fork(job: Job, server: ForkServer, order: Order) -> Made:
    """Make a report in a fork; one that dies leaves what it had done."""
    begun = time.perf_counter()
    at, outputs = -1, {}

    def listen(kind: str, cell: int, value: Any) -> None:
        nonlocal at
        if kind == "start":
            at = cell
        else:
            outputs[cell] = value

    try:
        return server.call(produce, job, order.debug, limits=order.limits, listener=listen)  # type: ignore[no-any-return]
    except DiedError as died:
        failure = failure_of("CellTimeoutError" if died.late else "DeadKernelError", died.message, at)
    except Exception as error:
        failure = failure_of(type(error).__name__, str(error), at)
    notebook = parameterized(job)
    for cell, (count, shown) in outputs.items():
        notebook.cells[cell] |= {"execution_count": count, "outputs": nbformat.from_dict(shown)}
    execution = Execution(notebook, time.perf_counter() - begun, failure)
    return made(job, execution, Setting(debug=order.debug))


def _make_in_kernel(job: Job, kernels: Kernels, order: Order) -> Made:
    with tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
        execution = execute(job.content, job.given, Path(scratch), kernels)
        return made(job, execution, Setting([Path(scratch)], debug=order.debug))


# -- in another process -------------------------------------------------------------------------------------


def _sendable(jobs: Sequence[Job]) -> tuple[Bundle | None, list[Job]]:
    """Return the data of jobs as bytes, and the jobs without paths of this machine."""
    given = jobs[0].given
    data = given.get("data")
    sample = data is None or Path(data) == resource("data/sample").resolve()
    bundle = None if sample else pack(str(data), given.get("anchors") or ())
    return bundle, [
        replace(
            job,
            given={n: v for n, v in job.given.items() if sample or n not in ("data", "anchors")},
            shown={**job.shown, **tellable({n: v for n, v in job.shown.items() if v})},
        )
        for job in jobs
    ]


def make_there(bundle: Bundle | None, jobs: Sequence[Job], code: str, order: Order) -> list[Made]:
    """Make reports in a process that got everything as bytes.

    Raises
    ------
    InputError
        If the code here is not that of which `code` is the digest.
    """
    if code_digest() != code:
        raise InputError(
            "a worker runs other code than its caller", remedy="Install this version of mssante_audit there"
        )
    folder = _unpacked(bundle) if bundle else None
    here = [_placed(job, bundle, folder) for job in jobs] if bundle and folder else list(jobs)
    if not order.fork or not AVAILABLE:
        with _maker(here, replace(order, fork=False)) as make:
            return [make(job) for job in here]
    server = _kept_server(here)
    return [make_in_fork(job, server, order) for job in here]


def _placed(job: Job, bundle: Bundle, folder: Path) -> Job:
    anchors = [str(folder / anchor) for anchor in bundle.anchors]
    own = {"data": str(folder / bundle.data), **({"anchors": anchors} if anchors else {})}
    return replace(job, given={**job.given, **own})


_lock = Lock()
_folders: dict[str, tempfile.TemporaryDirectory[str]] = {}
_servers: dict[str, ForkServer] = {}


def _unpacked(bundle: Bundle) -> Path:
    with _lock:
        kept = _folders.get(bundle.sha256)
        if kept is None:
            kept = tempfile.TemporaryDirectory(prefix=SCRATCH)
            bundle.unpack(Path(kept.name))
            _folders[bundle.sha256] = kept
        return Path(kept.name)


def _kept_server(jobs: Sequence[Job]) -> ForkServer:
    """Return this process's server for the data of `jobs`; one at a time is kept for each."""
    preparation = _preparation(jobs)
    key = repr((sorted(job.content for job in preparation[0]), preparation[1]))
    with _lock:
        server = _servers.get(key)
        if server is None or not server.running:
            server = _servers[key] = ForkServer(prepare, *preparation)
        return server


@atexit.register
def _close_servers() -> None:
    for server in _servers.values():
        server.close()
