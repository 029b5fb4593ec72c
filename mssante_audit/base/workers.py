"""How a worker of a pool of processes begins."""

import multiprocessing
import os
import signal
from threading import Thread


def begin() -> None:
    """End with the process that started this one, and leave Ctrl-C to it.

    A worker that waits for work holds both ends of the queue, and would wait for ever once its parent is
    killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
