"""The papermill engine ``mssante-fork``: cells run in a fork of a prepared process instead of a kernel.

``papermill --engine mssante-fork in.ipynb out.ipynb`` works wherever this package is installed; so does
``papermill.execute_notebook(…, engine_name="mssante-fork")``, where each notebook begins afresh.
"""

from __future__ import annotations

import atexit
import os
import sys
from threading import Lock
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import Engine, NotebookExecutionManager

# The rest is imported where it is used: papermill imports this module while it is itself half imported.
if TYPE_CHECKING:
    from mssante_audit.dossiers.forks import ForkServer


class ForkEngine(Engine):
    """Papermill's contract, kept by `mssante_audit.dossiers.forks`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        execution_timeout: float | None = None,
        memory: int | None = None,
        **_: Any,
    ) -> None:
        """Run a notebook.

        Parameters
        ----------
        nb_man
            What papermill is told cell by cell.
        kernel_name
            Not used: the cells are Python's, run by this very one.
        execution_timeout
            Seconds the whole notebook may take.
        memory
            Bytes it may take.

        Raises
        ------
        CellTimeoutError, DeadKernelError
            If it takes longer, or its process dies.
        ReportError
            Where processes cannot be forked.
        """
        from mssante_audit.base.errors import ReportError
        from mssante_audit.dossiers.forks import AVAILABLE, DiedError, Limits
        from mssante_audit.dossiers.shell import run_as_called

        if not AVAILABLE:
            raise ReportError("no process can be forked here", remedy="Leave --engine out")
        default = Limits()
        limits = Limits(execution_timeout or default.deadline, memory or default.memory)
        running: list[int] = []

        def finish() -> None:
            if running:
                index = running.pop()
                cell = nb_man.nb.cells[index]
                if error := next((o for o in cell.outputs if o.output_type == "error"), None):
                    nb_man.cell_exception(cell, index, exception=RuntimeError(error.ename))
                nb_man.cell_complete(cell, index)

        def listen(kind: str, index: int, value: Any) -> None:
            if kind == "start":
                finish()
                running.append(index)
                nb_man.cell_start(nb_man.nb.cells[index], index)
            else:
                count, outputs = value
                nb_man.nb.cells[index] |= {
                    "execution_count": count,
                    "outputs": nbformat.from_dict(outputs),
                }

        try:
            surroundings = os.getcwd(), dict(os.environ), sys.path
            _server().call(run_as_called, nb_man.nb, *surroundings, limits=limits, listener=listen)
        except DiedError as died:
            raise (CellTimeoutError if died.late else DeadKernelError)(died.message) from None
        finally:
            finish()


_lock = Lock()
_started: list[ForkServer] = []


def _server() -> ForkServer:
    from mssante_audit.dossiers.forks import ForkServer
    from mssante_audit.dossiers.shell import make_shell

    with _lock:
        if not _started or not _started[-1].running:
            _started[:] = [ForkServer(make_shell)]
        return _started[-1]


@atexit.register
def _close() -> None:
    for server in _started:
        server.close()
