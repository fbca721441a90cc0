"""Progress over cases: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

EVERY_SECONDS = 30.0


class Update(Protocol):
    """Called with each outcome, how many are done, and how many there are.

    The first call has no outcome: it says how many were done before.
    """

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


def duration(seconds: float) -> str:
    """Return a time as people say it: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, smaller, part in (
        (86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"),
    ):  # fmt: skip
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller} {part}"
    return f"{whole} s"


def _ignore(outcome: Any, done: int, total: int) -> None:
    del outcome, done, total


class _Pace:
    """Rate and time left, judged by what this run did itself."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.before = self.failed = 0

    def note(self, outcome: Any, done: int, total: int) -> str:
        """Return rate and time left, once there is something to judge by."""
        if outcome is None:
            self.start, self.before = time.monotonic(), done
            return ""
        self.failed += hasattr(outcome, "code")
        rate = (done - self.before) / max(time.monotonic() - self.start, 1e-9)
        left = f", {duration((total - done) / rate)} left" if done < total else ""
        return f"{rate:.3g} a second{left}"


@contextmanager
def _bar() -> Generator[Update]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[pace]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("cases", total=None, failed=0, pace="")
        own = _Pace()

        def update(outcome: Any, done: int, total: int) -> None:
            pace = own.note(outcome, done, total)
            progress.update(task, completed=done, total=total, failed=own.failed, pace=pace)

        yield update


class _Lines:
    """One line every half minute, and one at the end."""

    def __init__(self) -> None:
        self.told = time.monotonic()
        self.pace = _Pace()

    def __call__(self, outcome: Any, done: int, total: int) -> None:
        pace = self.pace.note(outcome, done, total)
        now = time.monotonic()
        if done < total and now - self.told < EVERY_SECONDS:
            return
        self.told = now
        words = [f"{done}/{total} cases", f"{self.pace.failed} failed", pace]
        print(", ".join(filter(None, words)), file=sys.stderr, flush=True)  # noqa: T201
