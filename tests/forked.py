"""Commands and kernels of the tests, forked from one process that has imported the package.

A process of Python's spends most of a short life importing. On Linux, ``python -m mssante_audit…``, kernels
and Dask workers that a test starts (and what those start) are therefore forks of a server, started when
first needed.
What a fresh interpreter does is held by the tests that call it otherwise (``-c``, the installed command).
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

sys.modules["rfc3987_syntax"] = None  # jsonschema takes a second to import it, for a format nobody asks for
EXECUTABLE = sys.executable
SERVED = ("mssante_audit", "ipykernel_launcher", "distributed.cli")
FIXED = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
"""What a kernel's environment says, and can only be said when the interpreter starts."""

_real = {name: getattr(subprocess.Popen, name) for name in ("_execute_child", "_try_wait", "_internal_poll")}


class Server:
    """The one server of a test session."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.lock = threading.Lock()

    def address(self) -> str:
        with self.lock:
            if self.path is None:
                # Short: paths of sockets are limited. Kept here: a fork of multiprocessing forgets what is to
                # be done at the end (from Python 3.13 on), and a folder that nobody holds is removed.
                self.folder = tempfile.TemporaryDirectory(prefix="forked-")
                self.path = f"{self.folder.name}/socket"
                process = subprocess.Popen(
                    [sys.executable, __file__, self.path], stdin=subprocess.PIPE, env=os.environ | FIXED
                )
                atexit.register(lambda: (process.stdin.close(), process.wait(), self.folder.cleanup()))
                while not os.path.exists(self.path):
                    assert process.poll() is None, "the server of forks did not start"
                    time.sleep(0.05)
            return self.path


SERVER = Server()


def install() -> None:
    """From now on, fork what can be."""
    if sys.platform == "linux":
        subprocess.Popen._execute_child = _execute_child
        subprocess.Popen._try_wait = _try_wait
        subprocess.Popen._internal_poll = _internal_poll


def _execute_child(self: Any, args: Any, executable: Any, preexec_fn: Any, *rest: Any) -> None:
    words = [os.fspath(word) for word in args] if isinstance(args, list | tuple) else []
    if words[1:2] == ["-P"]:  # the folder of a process of ours holds no module
        del words[1]
    shell = rest[6]
    ours = words[:2] == [EXECUTABLE, "-m"] and words[2].startswith(SERVED)
    if not ours or shell or preexec_fn or executable:
        _real["_execute_child"](self, args, executable, preexec_fn, *rest)
        return
    cwd, env, pipes, session = rest[2], rest[3], rest[7:13], rest[-2]
    p2cread, _, _, c2pwrite, _, errwrite = pipes
    request = {
        "words": words[2:],
        "folder": os.fspath(cwd or os.getcwd()),
        "session": bool(session),
        "environment": dict(os.environ if env is None else env),
        "parent": os.getpid(),
    }
    self._forked = socket.socket(socket.AF_UNIX)
    self._forked.connect(SERVER.address())
    fds = [standard if pipe == -1 else pipe for standard, pipe in enumerate((p2cread, c2pwrite, errwrite))]
    line = json.dumps(request).encode() + b"\n"
    socket.send_fds(self._forked, [line], fds)
    self.pid = int(self._forked.makefile("rb", buffering=0).readline())
    self._child_created = True
    self._close_pipe_fds(*pipes)


def _try_wait(self: Any, wait_flags: int) -> tuple[int, int]:
    if (connection := getattr(self, "_forked", None)) is None:
        return _real["_try_wait"](self, wait_flags)
    connection.setblocking(not wait_flags & os.WNOHANG)
    try:
        status = connection.recv(64)
    except BlockingIOError:
        return 0, 0
    connection.close()
    return self.pid, int(status or b"9")


def _internal_poll(self: Any, *args: Any, **kwargs: Any) -> int | None:
    if getattr(self, "_forked", None) is None:
        return _real["_internal_poll"](self, *args, **kwargs)
    if self.returncode is None and self._waitpid_lock.acquire(False):
        try:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self._handle_exitstatus(status)
        finally:
            self._waitpid_lock.release()
    return self.returncode


def serve(path: str) -> None:
    """Fork whatever is asked for until the standard input closes."""
    import mssante_audit

    for module in pkgutil.walk_packages(mssante_audit.__path__, "mssante_audit."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for late in ("ipykernel.kernelapp", "nbformat", "papermill.execute"):  # imported where they are used
        import_module(late)
    install()
    SERVER.path = path
    gc.collect()
    gc.freeze()  # what a collection looks at, a fork copies
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj == 0:
                return
            if key.fileobj is listener:
                connection, _ = listener.accept()
                line, fds, _, _ = socket.recv_fds(connection, 1 << 20, 3)
                while not line.endswith(b"\n"):
                    line += connection.recv(1 << 20)
                request = json.loads(line)
                begun, begins = os.pipe()
                pid = os.fork()
                if pid == 0:
                    if request["session"]:
                        os.setsid()
                    os.close(begun)
                    os.close(begins)  # whoever asked may signal the session as soon as it has the number
                    waiting.close()
                    listener.close()
                    connection.close()
                    _become(request, fds)
                for fd in (*fds, begins):
                    os.close(fd)
                os.read(begun, 1)
                os.close(begun)
                with suppress(OSError):  # whoever asked was killed meanwhile
                    connection.sendall(b"%d\n" % pid)
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
            else:
                pid, connection = key.data
                waiting.unregister(key.fd)
                os.close(key.fd)
                with connection, suppress(OSError):  # whoever asked is gone
                    connection.sendall(b"%d" % os.waitpid(pid, 0)[1])


def _become(request: dict[str, Any], fds: list[int]) -> None:
    """Be the process that was asked for, to its end."""
    status = 1
    try:
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        for fd in fds:
            os.close(fd)
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        os.chdir(request["folder"])
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - to the end
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        module, *words = request["words"]
        sys.argv, sys.path[0] = [module, *words], request["folder"]
        sys.orig_argv = [sys.executable, "-m", *request["words"]]
        parent = request["parent"]  # a kernel ends with it
        os.getppid = lambda: parent if os.path.exists(f"/proc/{parent}") else 1
        places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
        sys.path[1:1] = places
        for place in places:
            if Path(place, "sitecustomize.py").exists():
                runpy.run_path(f"{place}/sitecustomize.py")
        warnings.filterwarnings("ignore", module="runpy")
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            threading._shutdown()
            atexit._run_exitfuncs()
            sys.stdout.flush()
        finally:
            os._exit(status & 0xFF)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    serve(sys.argv[1])
