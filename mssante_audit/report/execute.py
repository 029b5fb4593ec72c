"""Run notebooks by papermill, in a process that sees little of this one.

`Papermill` starts ``python -m mssante_audit.report.execute``. That process, and the kernel that papermill
starts for each notebook, have an environment without the parent's secrets and a private folder, where their
sockets lie as well.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.base.errors import AuditError
from mssante_audit.base.resources import SAMPLE_FOLDER
from mssante_audit.values.person import unnamed

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Seconds that a report may take, and that its process then has to stop its kernel and write down what is
DEADLINE, GRACE = 900, 10
# Variables that a kernel sees: what it takes to find libraries and font caches
INHERITED = (
    "PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MPLCONFIGDIR",
    "XDG_CACHE_HOME", "TMPDIR", "SYSTEMROOT", SAMPLE_FOLDER,
)  # fmt: skip
# Variables that make the same input give the same output
FIXED = {"LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
# Files in the folder of a run
INPUT, OUTPUT, GIVEN, FAILURE, ERRORS = "input.ipynb", "output.ipynb", "given.json", "failure.json", "errors"
DONE = "done"
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


class Papermill:
    """A process that runs notebooks, one after the other: papermill takes as long to load as many a notebook.

    It is started for the first notebook, and again after one that it did not end with; it does nothing more
    once the run is `stopped`.
    """

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._process: subprocess.Popen[bytes] | None = None

    def execute(
        self, content: bytes, parameters: Mapping[str, Any], folder: Path
    ) -> tuple[NotebookNode, Failure | None, float]:
        """Run a notebook, for at most `DEADLINE` seconds.

        Return it with its outputs, why it failed (``None`` if it did not), and the seconds it took. Its
        `folder` is private, empty, and of a short path: that of a socket is limited to 107 characters.
        """
        (folder / INPUT).write_bytes(content)
        (folder / GIVEN).write_text(json.dumps(dict(parameters)), encoding="utf-8")
        begin, failure, done = time.monotonic(), None, folder / DONE
        try:
            process = self._asked(folder)
            while process.poll() is None and not done.exists() and not self._stopped.wait(0.05):
                if time.monotonic() > begin + DEADLINE:
                    failure = Failure("TimeoutError", f"it was not done after {DEADLINE} seconds")
                    break
        except OSError as error:
            failure = Failure(type(error).__name__, str(error))
        if not done.exists():
            self.close()
        return (*_read(folder, failure), time.monotonic() - begin)

    def _asked(self, folder: Path) -> subprocess.Popen[bytes]:
        """Return the process, once it is asked to run the notebook in `folder`."""
        seen = environment(folder)
        if self._process is None or self._process.poll() is not None:
            self.close()
            with (folder / ERRORS).open("wb") as errors:
                self._process = subprocess.Popen(  # noqa: S603 - this very Python, and a module of ours
                    [sys.executable, "-m", __name__], cwd=folder, env=seen,
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, bufsize=0,
                )  # fmt: skip
        if self._process.stdin:
            self._process.stdin.write(json.dumps([str(folder), seen]).encode() + b"\n")
        return self._process

    def close(self) -> None:
        """End the process; where a notebook still runs, it stops its kernel and writes down what is."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


def _read(folder: Path, failure: Failure | None) -> tuple[NotebookNode, Failure | None]:
    """Return what a run left in its folder; `failure`, if it is known already, goes ahead of what it says."""
    import nbformat

    done = (folder / OUTPUT).is_file()
    notebook = nbformat.v4.reads((folder / (OUTPUT if done else INPUT)).read_text(encoding="utf-8"))
    notebook.cells = [
        c for c in notebook.cells if "papermill-error-cell-tag" not in c.metadata.get("tags", ())
    ]
    states = [cell.metadata.get("papermill", {}).get("status") for cell in notebook.cells]
    at = max((i for i, state in enumerate(states) if state not in ("pending", None)), default=-1)
    if failure:
        failure = Failure(failure.kind, failure.message, at)
    elif (folder / FAILURE).is_file():
        kind, message = json.loads((folder / FAILURE).read_text(encoding="utf-8"))
        failure = failure_of(kind, message, at)
    elif not done:
        errors = (folder / ERRORS).read_text(encoding="utf-8", errors="replace").strip()
        failure = failure_of("ProcessError", errors.rpartition("\n")[2], at)
    else:  # what its outputs show: papermill takes ``sys.exit()`` for success
        each = ((i, output) for i, cell in enumerate(notebook.cells) for output in cell.get("outputs", []))
        for i, output in each:
            if output.output_type == "error":
                return notebook, failure_of(output.ename, output.evalue, i, "\n".join(output.traceback))
    return notebook, failure


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a kernel that works in `folder`, and of the process that starts it."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    if kept.get("PYTHONPATH"):  # what it names seen from here would be looked for in that folder
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
    private = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("DATA", "CONFIG", "RUNTIME")}
    return {"HOME": str(folder), **kept, **FIXED, **private, "IPYTHONDIR": str(folder / "ipython")}


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


def main() -> None:
    """Run notebooks, each in a folder that standard input names, and leave there what came of it."""
    from ipykernel.parentpoller import ParentPollerUnix

    ParentPollerUnix(os.getppid()).start()  # type: ignore[no-untyped-call] # a killed run leaves no process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for line in sys.stdin.buffer:
        folder, seen = json.loads(line)
        os.environ.update(seen)
        os.chdir(folder)
        with Path(ERRORS).open("ab") as errors:
            os.dup2(errors.fileno(), sys.stderr.fileno())
        _run(Path(folder))
        Path(folder, DONE).touch()


def _run(folder: Path) -> None:
    from nbformat.v4 import writes
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook
    from traitlets.config import Config

    started: list[NotebookNode] = []
    try:
        execute_notebook(
            folder / INPUT, None, parameters=json.loads((folder / GIVEN).read_text(encoding="utf-8")),
            kernel_name="python3", language="python", progress_bar=False, coalesce_streams=True,
            shutdown_kernel="immediate", on_notebook_start=lambda notebook: started.append(notebook),
            config=Config(KernelManager={"transport": "ipc", "ip": str(folder / "socket")}),
        )  # fmt: skip
    except PapermillExecutionError:
        pass  # the notebook itself says so
    except Exception as error:  # the kernel died or never started
        (folder / FAILURE).write_text(json.dumps([type(error).__name__, str(error)]), encoding="utf-8")
    finally:
        for notebook in started:
            (folder / OUTPUT).write_text(writes(notebook), encoding="utf-8")


if __name__ == "__main__":
    main()
