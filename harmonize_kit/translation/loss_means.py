"""Losses between two notes of a log: their means, by site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harmonize_kit.translation.processes import average_over_processes


class LossMeans:
    """Sums of what was lost since it was last told, kept on the device that it was lost on.

    Sites take turns, so that at every note but the least frequent all of them have something to
    say. What a step does not have, as most have no gradient penalty, is left out of the mean.
    """

    def __init__(self) -> None:
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, site: str, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of one step, without waiting for them."""
        sums, counts = self.sums.setdefault(site, {}), self.counts.setdefault(site, {})
        for name, loss in losses.items():
            sums[name] = sums[name] + loss if name in sums else loss
            counts[name] = counts.get(name, 0) + 1

    def take(self) -> dict[str, tuple[int, dict[str, Tensor]]]:
        """Return, by site, the steps since this was last asked and the means of their losses."""
        taken = {
            site: (max(counts.values()), {n: self.sums[site][n] / counts[n] for n in counts})
            for site, counts in self.counts.items()
        }
        self.sums, self.counts = {}, {}
        return taken

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on.

        Of several processes all are asked at once, and have then the mean of all their sums.
        """
        average_over_processes([total for sums in self.sums.values() for total in sums.values()])
        return {"sums": self.sums, "counts": self.counts}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on where ``state`` was taken."""
        self.counts = state["counts"]
        self.sums = {
            site: {name: value.to(device) for name, value in sums.items()}
            for site, sums in state["sums"].items()
        }


def mean_over_sites(told: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each loss over the sites that have it; one that is no number stays none.

    Examples
    --------
    >>> mean_over_sites([{"cycle": 1.0, "penalty": 0.5}, {"cycle": 2.0}])
    {'cycle': 1.5, 'penalty': 0.5}
    """
    names = dict.fromkeys(name for values in told for name in values)
    found = {name: [values[name] for values in told if name in values] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items()}
