"""Progress of a run: one bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


class Progress:
    """A listener of reports or of dossiers that tells each outcome as it comes.

    On a terminal the outcomes are told at the end, below where the bar was.
    """

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self._tell = tell
        self._outcomes: list[Any] = []
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self._bar = Bar(*columns, console=console, transient=True) if console.is_terminal else None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
            for outcome in self._outcomes:
                self._tell(outcome)

    def __call__(self, name: str, done: int, cells: int, outcome: Any) -> None:
        """Take note of a report's progress."""
        if self._bar:
            if name not in self._tasks:
                self._tasks[name] = self._bar.add_task(name)
            self._bar.update(self._tasks[name], completed=done, total=cells)
        if outcome:
            self._outcomes.append(outcome)
            if not self._bar:
                self._tell(outcome)
