"""Progress of a training, over its cases and its steps: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from harmonize_kit_cli.progress import EVERY_SECONDS, Update, case_progress, duration

# What is shown of the losses: enough to see that something is learned.
SHOWN = ("adversarial", "cycle", "identity", "change")


class StepUpdate(Protocol):
    """Called with the step, how many there are, and the newest losses by name.

    The first call has no losses: it says how many steps were done before.
    """

    def __call__(self, step: int, steps: int, losses: dict[str, float]) -> None:
        """Take note of the steps done so far."""
        ...


@contextmanager
def training_progress(*, quiet: bool) -> Generator[tuple[Update, StepUpdate]]:
    """Give functions for the cases that are read, and for the steps that follow.

    There is room for one bar at a time: that of the cases goes when the first step is told.
    """
    with ExitStack() as steps_shown, ExitStack() as cases_shown:
        cases = cases_shown.enter_context(case_progress(quiet=quiet))
        inner: list[StepUpdate] = []

        def steps(step: int, steps: int, losses: dict[str, float]) -> None:
            if not inner:
                cases_shown.close()
                inner.append(steps_shown.enter_context(step_progress(quiet=quiet)))
            inner[0](step, steps, losses)

        yield cases, steps


@contextmanager
def step_progress(*, quiet: bool) -> Generator[StepUpdate]:
    """Give a function that shows how far a training is, its newest losses and the time left."""
    if quiet:
        yield _ignore
    elif sys.stderr.isatty():
        with _bar() as update:
            yield update
    else:
        yield _Lines()


def _ignore(step: int, steps: int, losses: dict[str, float]) -> None:
    del step, steps, losses


class _Pace:
    """Time a step and time left, judged by what this run did itself."""

    def __init__(self) -> None:
        self.start, self.before = time.monotonic(), 0

    def note(self, step: int, steps: int, losses: dict[str, float]) -> str:
        """Return losses, pace and time left, once there is something to judge by."""
        if not losses:
            self.start, self.before = time.monotonic(), step
            return f"{step} were done before" if step else ""
        each = (time.monotonic() - self.start) / max(1, step - self.before)
        told = [f"{name} {losses[name]:.3g}" for name in SHOWN if name in losses]
        told.append(f"{each:.2g} s a step")
        if step < steps:
            told.append(f"{duration((steps - step) * each)} left")
        return ", ".join(told)


@contextmanager
def _bar() -> Generator[StepUpdate]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("steps", total=None, told="")
        pace = _Pace()

        def update(step: int, steps: int, losses: dict[str, float]) -> None:
            told = pace.note(step, steps, losses)
            progress.update(task, completed=step, total=steps, told=told)

        yield update


class _Lines:
    """One line every half minute, and one at the end."""

    def __init__(self) -> None:
        self.told = time.monotonic()
        self.pace = _Pace()

    def __call__(self, step: int, steps: int, losses: dict[str, float]) -> None:
        words = self.pace.note(step, steps, losses)
        now = time.monotonic()
        if 0 < step < steps and losses and now - self.told < EVERY_SECONDS:
            return
        self.told = now
        line = ", ".join(filter(None, [f"{step}/{steps} steps", words]))
        print(line, file=sys.stderr, flush=True)  # noqa: T201
