"""Progress bars, on standard error and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from spothive.cli.output import visible

Progress = Callable[[int, int], None]
Steps = Callable[[str, int, int], None]


@contextmanager
def show_progress(what: str, total: int | None = None) -> Iterator[Progress]:
    """Show a bar during the block, which may tell it (done, total); without a total the bar just moves."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress as Bars, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(visible(what), total=total)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def show_steps() -> Iterator[Steps]:
    """Show one bar after the other during the block, which tells it (what, done, total) and so begins the next."""
    with ExitStack() as shown:
        bar: dict[str, Progress] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bar:
                shown.close()
                bar.clear()
                bar[what] = shown.enter_context(show_progress(what, total))
            bar[what](done, total)

        yield tell
