"""The running mean of a network's weights, which forgets where it began."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class RunningMean(AveragedModel):
    """The mean of a network's weights over its last updates.

    Parameters
    ----------
    network : Module
        Which is copied.
    decay : float
    updates : callable
        Tells how many updates there were. Torch's own count lies on a device, where asking for it
        would wait for a GPU.
    """

    def __init__(self, network: nn.Module, decay: float, updates: Callable[[], int]) -> None:
        super().__init__(network)
        self.decay = decay
        self.updates = updates

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move towards the weights of ``model``; those of the first update are taken over."""
        count = self.updates()
        move = get_ema_multi_avg_fn(decay_at(count, self.decay) if count else 0.0)  # pyright: ignore[reportUnknownVariableType]
        move(list(self.module.parameters()), list(model.parameters()), count)
        for own, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(theirs)


def decay_at(updates: int, decay: float) -> float:
    """Return the decay of the update that follows ``updates`` others.

    The first weights of a run would keep a share of ``decay ** n`` after n steps: 0.6 after a
    hundred at 0.995. With a decay of at most (1 + n) / (10 + n), as TensorFlow's
    ExponentialMovingAverage takes it by its ``num_updates``, the mean spans about the last ninth
    of a short run, and the whole ``decay`` holds as soon as there is enough to average.
    """
    return min(decay, (1 + updates) / (10 + updates))
