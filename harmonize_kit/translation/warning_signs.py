"""Two ways in which a CycleGAN fails quietly, told while it trains.

*Locked at no change*: with a residual head training begins at the identity, and an absolute norm
of cycle and identity, or a discriminator that teaches nothing, holds it there. *A silent
discriminator*: where its gradient vanishes, generators are free to do as they like, or nothing.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

# Notes before the first verdict, and how many of them it is a median of.
PATIENCE = 10
# Change of an image, in units of its intensities, that is no change.
SMALLEST_CHANGE = 1e-3
# Share of the largest gradient so far below which a discriminator is silent.
SILENT = 0.01


class WarningSigns:
    """Reads the losses as they are noted, and says each sign once."""

    def __init__(self) -> None:
        self.changes: deque[float] = deque(maxlen=PATIENCE)
        self.gradients: deque[float] = deque(maxlen=PATIENCE)
        self.largest = 0.0
        self.said: list[str] = []

    def read(self, step: int, values: dict[str, float]) -> list[str]:
        """Return what there is to warn of at this step, each a sentence."""
        for kept, name in ((self.changes, "change"), (self.gradients, "discriminator_gradient")):
            # In 16 bits a gradient may overflow, and the step is then left out by its scaler.
            if math.isfinite(values[name]):
                kept.append(values[name])
        found: list[tuple[str, str]] = []
        if len(self.gradients) == len(self.changes) == PATIENCE:
            change, gradient = _median(self.changes), _median(self.gradients)
            self.largest = max(self.largest, gradient)
            if change < SMALLEST_CHANGE:
                found.append((
                    "locked",
                    f"images hardly change ({change:.1e}): the generator is held where it started; "
                    "use consistency: squared, or weigh cycle and identity less",
                ))  # fmt: skip
            if gradient < SILENT * self.largest:
                found.append((
                    "silent",
                    f"the discriminator's gradient fell to {gradient:.1e} of {self.largest:.1e}: "
                    "it teaches nothing any more; weigh r1 less, or lower generator_rate",
                ))  # fmt: skip
        new = [sentence for name, sentence in found if name not in self.said]
        self.said = sorted({*self.said, *(name for name, _ in found)})
        return new

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on."""
        return {
            "changes": list(self.changes),
            "gradients": list(self.gradients),
            "largest": self.largest,
            "said": list(self.said),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.changes = deque(state["changes"], maxlen=PATIENCE)
        self.gradients = deque(state["gradients"], maxlen=PATIENCE)
        self.largest, self.said = state["largest"], list(state["said"])


def _median(values: deque[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
