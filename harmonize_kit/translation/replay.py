"""Images of earlier generators, shown to the discriminator again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harmonize_kit.translation.processes import of_all_processes, place


class ReplayBuffer:
    """Keep made images, and mix them among new ones (Shrivastava et al. 2017, section 2.3).

    A discriminator that saw only the newest images would forget what it knew of older ones, and
    the generator could go in circles. As in the published CycleGAN, each new image is, with
    probability one half, exchanged for a kept one once the buffer is full.

    Parameters
    ----------
    size : int
        Images kept; 0 gives back what comes in.
    seed : int
        Of which images are exchanged. Chance is drawn on the processor, so that a GPU is never
        waited for.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.filled = 0
        self.images: Tensor | None = None
        self.chance = torch.Generator().manual_seed(seed)

    def exchange(self, new: Tensor) -> Tensor:
        """Return as many images as came in, shape (n, c, ...), without gradient."""
        new = new.detach()
        if self.size == 0:
            return new
        if self.images is None or self.images.shape[1:] != new.shape[1:]:
            # Another resolution, as training goes on at a finer one: what is kept is of no use.
            self.images, self.filled = new.new_zeros(self.size, *new.shape[1:]), 0
        # A checkpoint gives images back on the processor.
        self.images = self.images.to(new)
        kept, shown = self.images, new.clone()
        for row in range(len(new)):
            if self.filled < self.size:
                kept[self.filled] = new[row]
                self.filled += 1
            elif torch.rand((), generator=self.chance) < 0.5:
                drawn = int(torch.randint(self.size, (), generator=self.chance))
                shown[row] = kept[drawn]
                kept[drawn] = new[row]
        return shown

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on as if nothing had happened.

        Of several processes all are asked at once. They draw alike, so that what differs is images.
        """
        every = None if self.images is None else of_all_processes(self.images)
        return {"filled": self.filled, "images": every, "chance": self.chance.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken, each process with images of its own."""
        every: Tensor | list[Tensor] | None = state["images"]
        # Where there are more processes than there were, some begin with the same.
        own = every[place()[0] % len(every)] if isinstance(every, list) else every
        self.filled, self.images = state["filled"], None if own is None else own.clone()
        self.chance.set_state(state["chance"])
