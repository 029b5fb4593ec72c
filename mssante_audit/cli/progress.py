"""Progress of a run: one bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar


@contextmanager
def bar(*columns: ProgressColumn) -> Iterator[Bar | None]:
    """Yield a bar, gone at the end; ``None`` if nobody looks at a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Bar(*columns, console=console, transient=True) as shown:
        yield shown


@contextmanager
def progress(tell: Callable[[Any], None]) -> Iterator[Callable[[str, int, int, Any], None]]:
    """Yield a listener of reports or of dossiers that tells each outcome as it comes.

    On a terminal the outcomes are told at the end, below where the bar was.
    """
    outcomes: list[Any] = []
    tasks: dict[str, TaskID] = {}
    named = TextColumn("{task.description}", markup=False)
    try:
        with bar(SpinnerColumn(), named, BarColumn(), TimeElapsedColumn()) as shown:

            def listen(name: str, done: int, cells: int, outcome: Any) -> None:
                if shown:
                    if name not in tasks:
                        tasks[name] = shown.add_task(name)
                    shown.update(tasks[name], completed=done, total=cells)
                if outcome:
                    (outcomes.append if shown else tell)(outcome)

            yield listen
    finally:
        for outcome in outcomes:
            tell(outcome)
