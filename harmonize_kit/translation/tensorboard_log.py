"""Losses as event files for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from harmonize_kit.translation.training_log import LogLine


class TensorBoardLog:
    """Event files of a folder; see :class:`.training_log.TrainingLog`.

    After a stop, a new event file says from which step on those before it do not count: that is how
    TensorBoard forgets.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.after = folder, 0
        self._writer: Any = None

    def begin(self, step: int) -> None:
        """Let later steps count no more, as soon as there is a line."""
        self.after = step

    def note(self, line: LogLine) -> None:
        """Write losses as scalars, ``name/site``, and warnings as text."""
        if self._writer is None:
            self._writer = SummaryWriter(self.folder, purge_step=self.after + 1)  # pyright: ignore[reportUnknownMemberType]
        for name, value in line.values.items():
            self._writer.add_scalar(f"{name}/{line.site}", value, line.step)
        for text in line.warnings:
            self._writer.add_text("warnings", text, line.step)
        self._writer.flush()

    def end(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None
