"""Progress over cases: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

EVERY_SECONDS = 30.0


class Update(Protocol):
    """Called with each outcome, how many are done, and how many there are."""

    def __call__(self, outcome: Any, done: int, total: int) -> None:
        """Take note of one finished case."""
        ...


@contextmanager
def case_progress(*, quiet: bool) -> Generator[Update]:
    """Give a function that shows how far the cases are, with failures, rate and time left."""
    if quiet:
        yield _ignore
    elif sys.stderr.isatty():
        with _bar() as update:
            yield update
    else:
        yield _Lines()


def _ignore(outcome: Any, done: int, total: int) -> None:
    del outcome, done, total


@contextmanager
def _bar() -> Generator[Update]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Remaining(),
        TextColumn("{task.fields[failed]} failed"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("cases", total=None, failed=0)
        failed = 0

        def update(outcome: Any, done: int, total: int) -> None:
            nonlocal failed
            failed += _has_failed(outcome)
            progress.update(task, completed=done, total=total, failed=failed)

        yield update


class _Lines:
    """One line every half minute, and one at the end."""

    def __init__(self) -> None:
        self.start = self.told = time.monotonic()
        self.failed = 0

    def __call__(self, outcome: Any, done: int, total: int) -> None:
        self.failed += _has_failed(outcome)
        now = time.monotonic()
        if done < total and now - self.told < EVERY_SECONDS:
            return
        self.told = now
        rate = done / max(now - self.start, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if done < total else ""
        print(  # noqa: T201
            f"{done}/{total} cases, {self.failed} failed, {rate:.2f} a second{left}",
            file=sys.stderr,
            flush=True,
        )


def _has_failed(outcome: Any) -> bool:
    return hasattr(outcome, "code")
