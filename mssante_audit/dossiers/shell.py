"""Run a notebook's code cells in this very process and put into it what a kernel would.

There is no kernel, no socket and no thread: it is for a process that was forked to run one notebook and then
ends (`mssante_audit.dossiers.forks`), since whatever the cells change stays changed. Outputs are those of
ipykernel and nbclient: streams flushed before a display, displays updated and cleared, values as JSON
carries them.
"""

from __future__ import annotations

import builtins
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from ipykernel.compiler import XCachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.jsonutil import json_default
from traitlets import Type
from traitlets.config import Config

KERNEL_ENVIRONMENT = {
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "CLICOLOR_FORCE": "1",
    "FORCE_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
"""Variables that ipykernel sets for itself; matplotlib reads its own when it is imported."""

Listener = Callable[[str, int, Any], None]
"""Called with ``start``, a cell's position and ``None`` before it runs; with ``outputs``, a cell's position
and ``(execution count, outputs)`` whenever they are new."""


class Outputs:
    """What the cells put out, in the way nbclient collects it from a kernel's messages."""

    def __init__(self) -> None:
        self.of: dict[int, list[dict[str, Any]]] = {}
        self.changed: set[int] = set()
        self._cell = -1
        self._clear_first = False
        self._displays: dict[str, list[tuple[int, dict[str, Any]]]] = {}

    def begin(self, cell: int) -> None:
        """Let what follows be a cell's."""
        self._cell, self._clear_first = cell, False
        self.of[cell] = []
        self.changed.add(cell)

    def add(self, output: dict[str, Any], display_id: str | None = None) -> None:
        """Add an output; one with a `display_id` gives earlier ones of the same the same data."""
        if display_id:
            self.update(output, display_id)
        if self._clear_first:
            self._clear()
        if display_id:
            self._displays.setdefault(display_id, []).append((self._cell, output))
        self.of[self._cell].append(output)

    def update(self, output: dict[str, Any], display_id: str) -> None:
        """Give the outputs of that `display_id` the data of `output`."""
        for cell, earlier in self._displays.get(display_id, ()):
            earlier |= {"data": output["data"], "metadata": output["metadata"]}
            self.changed.add(cell)

    def clear(self, wait: bool) -> None:
        """Forget the cell's outputs: now, or once another comes."""
        self._clear_first = wait
        if not wait:
            self._clear()

    def _clear(self) -> None:
        self._clear_first = False
        self.of[self._cell] = []
        for name, shown in self._displays.items():
            self._displays[name] = [(cell, output) for cell, output in shown if cell != self._cell]


class _Stream(io.TextIOBase):
    """Standard output or error, with what others write to the file descriptor itself."""

    encoding = "utf-8"

    def __init__(self, name: str, number: int, outputs: Outputs) -> None:
        self.name = name
        self._number = number
        self._outputs = outputs
        self._pending: list[str] = []
        self._read = 0

    def fileno(self) -> int:
        return self._number

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._take()
        self._pending.append(text)
        return len(text)

    def _take(self) -> None:
        """Take what others wrote to the descriptor."""
        size = os.fstat(self._number).st_size
        if size > self._read:
            raw = os.pread(self._number, size - self._read, self._read)
            self._pending.append(raw.decode("utf-8", "replace"))
            self._read = size

    def flush(self) -> None:
        self._take()
        text = "".join(self._pending)
        self._pending.clear()
        if text:
            self._outputs.add({"output_type": "stream", "name": self.name, "text": text})


def _outputs() -> Outputs:
    return ZMQFreeShell.instance().outputs


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


class _Hook(DisplayHook):
    """What the last expression of a cell is given to."""

    def start_displayhook(self) -> None:
        self._data: dict[str, Any] = {}

    def write_output_prompt(self) -> None:
        self._count = self.prompt_count

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        self._data = {"data": _as_json(format_dict), "metadata": _as_json(md_dict or {})}

    def finish_displayhook(self) -> None:
        _flush()
        if self._data.get("data"):
            _outputs().add({"output_type": "execute_result", "execution_count": self._count, **self._data})


class _Publisher(DisplayPublisher):
    """What ``display`` is given to."""

    def publish(  # type: ignore[override]
        self, data: Any, metadata: Any = None, *, transient: Any = None, update: bool = False, **_: Any
    ) -> None:
        _flush()
        self._validate_data(data, metadata or {})  # type: ignore[no-untyped-call]
        shown = {
            "output_type": "display_data",
            "data": _as_json(data),
            "metadata": _as_json(metadata or {}),
        }
        name = (transient or {}).get("display_id")
        if not update:
            _outputs().add(shown, name)
        elif name:
            _outputs().update(shown, name)

    def clear_output(self, wait: bool = False) -> None:
        _flush()
        _outputs().clear(wait)


class ZMQFreeShell(InteractiveShell):
    """IPython without terminal, sockets, history file or threads.

    Its name matters: pandas lays out texts for a notebook where the shell's type has ``zmq`` in its name.
    """

    displayhook_class = Type(_Hook)
    display_pub_class = Type(_Publisher)
    compiler_class = Type(XCachingCompiler)
    kernel = None
    """Where there is one, be it none, libraries take it for a notebook and not for a terminal."""
    outputs: Outputs

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        _flush()
        self.outputs.add(
            {
                "output_type": "error",
                "ename": str(etype.__name__),
                "evalue": str(evalue),
                "traceback": list(stb),
            }
        )


def make_shell() -> ZMQFreeShell:
    """Return this process's shell: made before a fork it costs its children nothing."""
    config = Config()
    config.HistoryManager.enabled = False  # it writes to a file, in a thread
    config.IPKernelApp.tqdm = "as in ipykernel, for tqdm's sake"
    shell: ZMQFreeShell = ZMQFreeShell.instance(config=config, autoindent=False)
    builtins.get_ipython = shell.get_ipython  # type: ignore[attr-defined]
    return shell


def capture(scratch: Path, outputs: Outputs) -> None:
    """Let standard output and error, the file descriptors too, go to `outputs`; input has nothing to say."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        file = os.open(scratch / f".{name}", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
        setattr(sys, name, _Stream(name, number, outputs))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def run_cells(notebook: nbformat.NotebookNode, scratch: Path, listener: Listener) -> None:
    """Run the code cells of `notebook` up to the first that fails; put their outputs into it.

    Parameters
    ----------
    notebook
        Changed: outputs and execution counts.
    scratch
        Private folder of the run.
    listener
        Told of each cell, so that a process that dies leaves with others what it had done.
    """
    outputs = Outputs()
    capture(scratch, outputs)
    shell = make_shell()
    shell.outputs = outputs
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    for index in code:
        cell = notebook.cells[index]
        listener("start", index, None)
        outputs.begin(index)
        ran = shell.run_cell(cell.source, store_history=True)  # type: ignore[no-untyped-call]
        _flush()
        error = ran.error_before_exec or ran.error_in_exec
        if error is not None and not any(o["output_type"] == "error" for o in outputs.of[index]):
            shell._showtraceback(type(error), error, [])
        cell.execution_count = ran.execution_count
        for changed in sorted(outputs.changed):
            notebook.cells[changed].outputs = nbformat.from_dict(outputs.of[changed])
            listener("outputs", changed, (notebook.cells[changed].execution_count, outputs.of[changed]))
        outputs.changed.clear()
        if error is not None and "raises-exception" not in cell.metadata.get("tags", ()):
            return


def run_as_called(
    scratch: Path,
    listener: Listener,
    notebook: nbformat.NotebookNode,
    folder: str,
    environment: dict[str, str],
    path: list[str],
) -> None:
    """Run the cells (`run_cells`) in the folder and with the environment and modules of another process."""
    os.chdir(folder)
    os.environ |= {name: value for name, value in environment.items() if name not in os.environ}
    sys.path[:] = ["", *(place for place in path if place)]
    run_cells(notebook, scratch, listener)


def _as_json(data: dict[str, Any]) -> dict[str, Any]:
    """Return a MIME bundle as it comes out of a kernel's message: tuples as lists, bytes as base64."""
    return {
        str(mime): value if type(value) is str else json.loads(json.dumps(value, default=json_default))
        for mime, value in data.items()
    }
