"""Two ways in which a CycleGAN fails quietly, told while it trains.

*Locked at no change*: with a residual head training begins at the identity, and an absolute norm
of cycle and identity, or a discriminator that teaches nothing, holds it there. *A silent
discriminator*: where its gradient vanishes, generators are free to do as they like, or nothing.

Each site has networks of its own, and is watched for itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A site's steps and notes before the first verdict, and how many of its notes one is a median of.
STEPS, NOTES, REMEMBERED = 50, 3, 10
# Change of an image, in units of its intensities, that is no change.
SMALLEST_CHANGE = 1e-3
# Share of the largest gradient so far below which a discriminator is silent.
SILENT = 0.01


def _recent() -> deque[float]:
    return deque(maxlen=REMEMBERED)


@dataclass
class _Watched:
    """What was noted of a site."""

    steps: int = 0
    changes: deque[float] = field(default_factory=_recent)
    gradients: deque[float] = field(default_factory=_recent)
    largest: float = 0.0


class WarningSigns:
    """Reads the losses as they are noted, and says each sign of a site once.

    Attributes
    ----------
    told : list of str
        All that was ever said, with the step that it was said at.
    """

    def __init__(self) -> None:
        self.sites: dict[str, _Watched] = {}
        self.said: list[str] = []
        self.told: list[str] = []

    def read(self, step: int, site: str, steps: int, values: Mapping[str, float]) -> list[str]:
        """Return what there is to warn of, each a sentence.

        Parameters
        ----------
        step : int
            Steps done.
        site : str
        steps : int
            How many of them, of this site, ``values`` are means of.
        values : mapping of str to float
            Losses by name.
        """
        seen = self.sites.setdefault(site, _Watched())
        seen.steps += steps
        for kept, name in ((seen.changes, "change"), (seen.gradients, "discriminator_gradient")):
            # In 16 bits a gradient may overflow, and the step is then left out by its scaler.
            if math.isfinite(values[name]):
                kept.append(values[name])
        found: list[str] = []
        for sign, sentence in _signs(site, seen):
            if f"{sign} {site}" not in self.said:
                self.said.append(f"{sign} {site}")
                found.append(sentence)
        self.told += [f"step {step}: {sentence}" for sentence in found]
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on."""
        sites = {
            site: [seen.steps, list(seen.changes), list(seen.gradients), seen.largest]
            for site, seen in self.sites.items()
        }
        return {"sites": sites, "said": list(self.said), "told": list(self.told)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self.sites = {
            site: _Watched(
                steps, deque(changes, maxlen=REMEMBERED), deque(gradients, maxlen=REMEMBERED), most
            )
            for site, (steps, changes, gradients, most) in state["sites"].items()
        }
        self.said, self.told = list(state["said"]), list(state["told"])


def _signs(site: str, seen: _Watched) -> list[tuple[str, str]]:
    """Return the signs that a site shows, each with a sentence."""
    if seen.steps < STEPS or min(len(seen.changes), len(seen.gradients)) < NOTES:
        return []
    change, gradient = _median(seen.changes), _median(seen.gradients)
    seen.largest = max(seen.largest, gradient)
    found: list[tuple[str, str]] = []
    if change < SMALLEST_CHANGE:
        found.append((
            "locked",
            f"images of site '{site}' hardly change ({change:.1e}): the generator is held where it "
            "started; use consistency: squared, or weigh cycle and identity less",
        ))  # fmt: skip
    if gradient < SILENT * seen.largest:
        found.append((
            "silent",
            f"the discriminators' gradient fell to {gradient:.1e} of {seen.largest:.1e} at site "
            f"'{site}': they teach nothing any more; weigh r1 less, or lower generator_rate",
        ))  # fmt: skip
    return found


def _median(values: deque[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
