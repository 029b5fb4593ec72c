"""Run one notebook through papermill's default engine, in a kernel that sees little of this process.

The kernel gets a private folder to work in and an environment without the parent's secrets; it talks over
sockets in that folder, which no other user of the machine can listen to.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.report.failure import Failure, failure_of

if TYPE_CHECKING:
    import nbformat
    from jupyter_client.manager import AsyncKernelManager

CELL_DEADLINE = 900
"""Seconds after which a cell counts as hung."""

INHERITED = (
    "PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MPLCONFIGDIR",
    "XDG_CACHE_HOME", "TMPDIR", "SYSTEMROOT",
)  # fmt: skip
"""Variables of this process that a kernel sees: what it takes to find libraries and font caches."""

FIXED = {
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Variables that make the same input give the same output; Arrow's own pool would hold 45 MB more."""

Progress = Callable[[int, int], None]
"""Called with the number of cells done and in all."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A notebook that ran."""

    notebook: nbformat.NotebookNode
    seconds: float
    failure: Failure | None = None


class Kernels:
    """The kernels of a run, several of which may run at once, so that all can be stopped."""

    def __init__(self) -> None:
        self._managers: list[AsyncKernelManager] = []
        self._stopped = False

    def add(self, manager: AsyncKernelManager) -> None:
        """Take note of a kernel that is about to start; refuse it once the run is being stopped."""
        if self._stopped:
            raise RuntimeError("the run is being stopped")
        self._managers.append(manager)

    def stop(self) -> None:
        """Kill the kernels; whoever waits for one learns that it is dead within a second."""
        self._stopped = True
        for manager in self._managers:
            process = getattr(manager.provisioner, "process", None)
            if process is not None:
                process.kill()


def execute(
    content: bytes, parameters: Mapping[str, Any], scratch: Path, kernels: Kernels, progress: Progress
) -> Execution:
    """Run a notebook.

    Parameters
    ----------
    content, parameters
        The notebook, and values for its parameters cell.
    scratch
        Private folder where the kernel works, of a short path: its sockets' are limited to 107 characters.
    kernels
        Where the kernel is noted while it runs.
    """
    import nbformat  # these take longer to import than most commands, which run no notebook
    from jupyter_core.utils import ensure_event_loop
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import execute_notebook

    source = scratch / "input.ipynb"  # papermill takes braces in a path for a format
    source.write_bytes(content)
    started = _Started(progress)
    loop = ensure_event_loop()  # nbclient would make one for this thread, and never close it
    begin = time.perf_counter()
    failure = None
    try:
        execute_notebook(
            source,
            None,
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            execution_timeout=CELL_DEADLINE,
            coalesce_streams=True,
            kernel_manager_class=_manager_class(scratch, kernels),
            shutdown_kernel="immediate",
            on_notebook_start=started.notebook_start,
            on_cell_start=started.cell_start,
        )
    except PapermillExecutionError as error:
        failure = failure_of(error.ename, error.evalue, started.cell, "\n".join(error.traceback))
    except Exception as error:  # the kernel died, hung or never started: whatever it is, this report failed
        made = failure_of if started.cell >= 0 else Failure  # nothing was read that a message could hold
        failure = made(type(error).__name__, str(error), started.cell)
    finally:
        loop.close()
    notebook = started.notebook or nbformat.read(source, as_version=4)
    return Execution(notebook, time.perf_counter() - begin, failure or shown_failure(notebook))


class _Started:
    """What has started so far, as nbclient's hooks tell."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.notebook: nbformat.NotebookNode | None = None
        self.cell = -1

    def notebook_start(self, notebook: nbformat.NotebookNode) -> None:
        self.notebook = notebook

    def cell_start(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        self.cell = cell_index
        if self.notebook:
            self.progress(cell_index, len(self.notebook.cells))


def _manager_class(scratch: Path, kernels: Kernels) -> type[AsyncKernelManager]:
    """Return a kernel manager for this very Python, whatever kernels the user has installed."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(
                transport="ipc",
                ip=str(scratch / "socket"),
                connection_file=str(scratch / "connection.json"),
                **kwargs,
            )

        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, language="python", display_name="Python 3")

        async def _async_pre_start_kernel(self, **kwargs: Any) -> Any:
            kernels.add(self)
            return await super()._async_pre_start_kernel(
                **kwargs,
                env=kernel_environment(scratch),
                cwd=str(scratch),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    return Manager


def kernel_environment(scratch: Path) -> dict[str, str]:
    """Return the environment of a kernel that works in `scratch`."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    if kept.get("PYTHONPATH"):  # what it names seen from here, the kernel would look for in its own folder
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, kept["PYTHONPATH"].split(os.pathsep)))
    return {"HOME": str(scratch), **kept, **FIXED, "IPYTHONDIR": str(scratch / "ipython")}


def shown_failure(notebook: nbformat.NotebookNode) -> Failure | None:
    """Return the failure that a notebook's outputs show; papermill takes ``sys.exit()`` for success."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return failure_of(output.ename, output.evalue, index, "\n".join(output.traceback))
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep papermill's and nbclient's log, which may quote cells and values, off the terminal."""
    logger = logging.getLogger("papermill")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
