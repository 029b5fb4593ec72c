"""Progress of a run: one bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import progress as rich
from rich.console import Console


@contextmanager
def _bar(*columns: rich.ProgressColumn) -> Iterator[rich.Progress | None]:
    """Yield a bar, gone at the end; ``None`` if nobody looks at a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with rich.Progress(*columns, console=console, transient=True) as shown:
        yield shown


@contextmanager
def counting(state: Callable[[Any], str]) -> Iterator[Callable[[Any], None] | None]:
    """Yield what shows how far an observation is and how long it will take; only on a terminal."""
    columns = rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn()
    with _bar(*columns, rich.TextColumn("{task.fields[state]}", markup=False)) as shown:
        task = shown.add_task("", total=None, state="") if shown else None

        def show(progress: Any) -> None:
            if shown and task is not None:
                shown.update(task, total=progress.total, completed=progress.done, state=state(progress))

        yield show if shown else None


@contextmanager
def progress(report: Callable[[Any], None]) -> Iterator[Callable[[str, int, int, Any], None]]:
    """Yield a listener of reports or of dossiers that reports each outcome as it comes.

    On a terminal outcomes come at the end, below where the bar was.
    """
    outcomes: list[Any] = []
    tasks: dict[str, rich.TaskID] = {}
    named = rich.TextColumn("{task.description}", markup=False)
    try:
        with _bar(rich.SpinnerColumn(), named, rich.BarColumn(), rich.TimeElapsedColumn()) as shown:

            def listen(name: str, done: int, cells: int, outcome: Any) -> None:
                if shown:
                    if name not in tasks:
                        tasks[name] = shown.add_task(name)
                    shown.update(tasks[name], completed=done, total=cells)
                if outcome:
                    (outcomes.append if shown else report)(outcome)

            yield listen
    finally:
        for outcome in outcomes:
            report(outcome)
