"""Where a training tells its losses: every log is begun, told of each line, and ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class LogLine:
    """What is told of a step.

    Parameters
    ----------
    step : int
        Steps done.
    site : str
        The site whose images went to the reference and back.
    values : mapping of str to float
        Losses by name, over all processes; some may not be finite.
    warnings : tuple of str
        What is seen to go wrong for the first time.
    """

    step: int
    site: str
    values: Mapping[str, float]
    warnings: tuple[str, ...] = ()


class TrainingLog(Protocol):
    """A log of a training, told by its first process alone."""

    def begin(self, step: int) -> None:
        """Go on after ``step``: what an earlier run told of later steps comes again.

        It may be called several times before the first line.
        """
        ...

    def note(self, line: LogLine) -> None:
        """Write one line; training waits for it."""
        ...

    def end(self) -> None:
        """Write what is not written yet; ``begin`` may follow."""
        ...
