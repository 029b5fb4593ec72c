"""Progress of a run: one bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import progress as rich
from rich.console import Console


def _bar(*columns: rich.ProgressColumn) -> rich.Progress:
    """Return a bar, gone at the end, and never shown if nobody looks at a terminal."""
    console = Console(stderr=True)
    return rich.Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def counting(state: Callable[[Any], str]) -> Iterator[Callable[[Any], None]]:
    """Yield a function that shows an observation's progress and remaining time on a terminal."""
    columns = rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn()
    with _bar(*columns, rich.TextColumn("{task.fields[state]}", markup=False)) as bar:
        task = bar.add_task("", total=None, state="")
        yield lambda done: bar.update(task, total=done.total, completed=done.done, state=state(done))


@contextmanager
def progress(report: Callable[[Any], None]) -> Iterator[Callable[[str, int, int, Any], None]]:
    """Yield a listener of reports or of dossiers that reports each outcome as it comes.

    On a terminal outcomes come at the end, below where the bar was.
    """
    outcomes: list[Any] = []
    tasks: dict[str, rich.TaskID] = {}
    named = rich.TextColumn("{task.description}", markup=False)
    try:
        with _bar(rich.SpinnerColumn(), named, rich.BarColumn(), rich.TimeElapsedColumn()) as bar:

            def listen(name: str, done: int, cells: int, outcome: Any) -> None:
                if name not in tasks:
                    tasks[name] = bar.add_task(name)
                bar.update(tasks[name], completed=done, total=cells)
                if outcome:
                    (report if bar.disable else outcomes.append)(outcome)

            yield listen
    finally:
        for outcome in outcomes:
            report(outcome)
