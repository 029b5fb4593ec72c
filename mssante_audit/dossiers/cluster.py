"""An existing Dask cluster as an executor of `mssante_audit.dossiers.batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from mssante_audit.base.errors import InputError
from mssante_audit.space.inputs import Bundle

RETRIES = 2
"""How often a task that raised is tried again; Dask itself sends those of a lost worker to another."""
PATIENCE = 30
"""Seconds to wait for the scheduler, and then for a first worker."""


class ClusterExecutor(Executor):
    """A Dask client's executor that sends the same data to the cluster once, not with every task."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._inner = client.get_executor(pure=False, retries=RETRIES)
        self._sent: dict[int, tuple[Bundle, Any]] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task; data among its arguments become a task's result, which Dask makes again if lost."""
        return self._inner.submit(fn, *map(self._sendable, args), **kwargs)  # type: ignore[no-any-return]

    def _sendable(self, value: Any) -> Any:
        if not isinstance(value, Bundle):
            return value
        if id(value) not in self._sent:
            future = self._client.submit(_same, value, key=f"mssante-audit-{value.sha256}")
            self._sent[id(value)] = (value, future)
        return self._sent[id(value)][1]


@contextmanager
def cluster(address: str) -> Iterator[ClusterExecutor]:
    """Connect to a scheduler for a while.

    Raises
    ------
    InputError
        If Dask is not installed, or no scheduler or worker is to be had.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "Dask is not installed", remedy='Install it: pip install "mssante-audit[dask]"'
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers: {error}", file=address) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise InputError(
                "the Dask cluster has no worker", file=address, remedy=f"Start one: dask worker {address}"
            ) from None
        yield ClusterExecutor(client)


def _same(value: Bundle) -> Bundle:
    return value
