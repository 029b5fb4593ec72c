"""Run notebooks by papermill, each in a kernel that sees little of this process.

A kernel has an environment without this process's secrets, and a private folder, where its sockets lie too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.base.errors import AuditError
from mssante_audit.base.resources import SAMPLE_FOLDER
from mssante_audit.values.person import unnamed

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from nbformat import NotebookNode

DEADLINE = 900  # Seconds that a report may take
# Variables that a kernel sees: what it takes to find libraries and font caches, and which memory Arrow takes
INHERITED = (
    "PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MPLCONFIGDIR",
    "XDG_CACHE_HOME", "TMPDIR", "SYSTEMROOT", "ARROW_DEFAULT_MEMORY_POOL", SAMPLE_FOLDER,
)  # fmt: skip
# Variables that make the same input give the same output
FIXED = {"LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
_FRAME = re.compile(r"(?:File \"?([^\n\"]+?)\"?(?::|, line )(\d+)|Cell In\[\d+\](?:, line |:)(\d+))")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and why a report failed."""

    kind: str  # Class of the exception
    # What it says and where; contacts in it are masked, unless it is an `AuditError` or the engine's, which
    # hold no field of the list
    message: str
    cell: int = -1  # Position of the cell, from 0, in the executed notebook; -1 if the kernel never started
    traceback: str = ""  # Only for debugging: it may hold values


def execute(
    content: bytes, parameters: Mapping[str, Any], folder: Path, stopped: threading.Event
) -> tuple[NotebookNode, Failure | None, float]:
    """Run a notebook, for at most `DEADLINE` seconds, and no longer once the run is `stopped`.

    Return it with its outputs, why it failed (``None`` if it did not), and the seconds it took. Its `folder`
    is private, empty, and of a short path: that of a socket is limited to 107 characters.
    """
    # jsonschema, which nbformat loads, compiles a grammar of IRIs for a second; no notebook has any.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # as if it were not installed

    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import ensure_event_loop
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    begin, ended, failure = time.monotonic(), threading.Event(), None
    started = [nbformat.v4.reads(content.decode())]

    class Kernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            # A kernel of that name that the user installed is not the one that belongs to this Python.
            options["kernel_spec_manager"] = KernelSpecManager(kernel_dirs=[])
            options["connection_file"], options["ip"] = str(folder / "kernel.json"), str(folder / "socket")
            super().__init__(**options, transport="ipc")

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override] # as its base does
            streams = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
            await super().start_kernel(**options, **streams, cwd=str(folder), env=environment(folder))
            threading.Thread(target=_end_in_time, args=(self, begin, ended, stopped), daemon=True).start()

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # the notebook, or its error, says the same
    try:
        with closing(ensure_event_loop()):  # this thread's, which papermill takes
            execute_notebook(  # of a path papermill changes the working directory, which all threads share
                started[0], None, parameters=dict(parameters), kernel_name="python3", language="python",
                progress_bar=False, coalesce_streams=True, shutdown_kernel="immediate",
                kernel_manager_class=Kernel, on_notebook_start=lambda notebook: started.append(notebook),
            )  # fmt: skip
    except PapermillExecutionError:
        pass  # the notebook itself says so
    except Exception as error:  # the kernel died or never started
        failure = Failure(type(error).__name__, str(error))
    finally:
        ended.set()
    seconds = time.monotonic() - begin
    if seconds > DEADLINE:
        failure = Failure("TimeoutError", f"it was not done after {DEADLINE} seconds")
    return *_read(started[-1], failure), seconds


def _end_in_time(
    kernel: AsyncKernelManager, begin: float, ended: threading.Event, stopped: threading.Event
) -> None:
    """Kill a kernel and what it started, unless it `ended` in time and before the run `stopped`."""
    while not ended.wait(0.05):
        if stopped.is_set() or time.monotonic() > begin + DEADLINE:
            with suppress(RuntimeError):  # it has ended meanwhile
                asyncio.run(kernel.signal_kernel(signal.SIGKILL))  # type: ignore[arg-type] # a coroutine
            return


def _read(notebook: NotebookNode, failure: Failure | None) -> tuple[NotebookNode, Failure | None]:
    """Return a notebook that was run and where it failed; `failure` is what became of its kernel."""
    notebook.cells = [
        c for c in notebook.cells if "papermill-error-cell-tag" not in c.metadata.get("tags", ())
    ]
    states = [cell.metadata.get("papermill", {}).get("status") for cell in notebook.cells]
    at = max((i for i, state in enumerate(states) if state not in ("pending", None)), default=-1)
    if failure:
        return notebook, failure_of(failure.kind, failure.message, at)
    # What its outputs show: papermill takes ``sys.exit()`` for success.
    numbered = ((i, output) for i, cell in enumerate(notebook.cells) for output in cell.get("outputs", []))
    for i, output in numbered:
        if output.output_type == "error":
            return notebook, failure_of(output.ename, output.evalue, i, "\n".join(output.traceback))
    return notebook, None


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a kernel that works in `folder`."""
    outer = {name: os.environ[name] for name in INHERITED if name in os.environ}
    if outer.get("PYTHONPATH"):  # what it names seen from here would be looked for in that folder
        outer["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, outer["PYTHONPATH"].split(os.pathsep)))
    private = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("DATA", "CONFIG", "RUNTIME")}
    return {"HOME": str(folder), **outer, **FIXED, **private, "IPYTHONDIR": str(folder / "ipython")}


def failure_of(kind: str, message: str, cell: int, traceback: str = "") -> Failure:
    """Return a `Failure` whose message names no person, and says where the innermost frame stands."""
    if kind in {"DeadKernelError", "CellTimeoutError", "ModuleNotFoundError", *_family(AuditError)}:
        return Failure(kind, message.split("\n")[0], cell, traceback)
    place, frames = "", _FRAME.findall(_COLOUR.sub("", traceback))  # IPython's, or Python's
    if frames:
        file, line, cell_line = frames[-1]
        place = f" ({Path(file).name}, line {line})" if file else f" (line {cell_line} of the cell)"
    return Failure(kind, f"{unnamed(' '.join(message.split()))}{place}".strip(), cell, traceback)


def _family(base: type[Exception]) -> Iterator[str]:
    """Yield the names of an exception and of all below it."""
    yield base.__name__
    for child in base.__subclasses__():
        yield from _family(child)
