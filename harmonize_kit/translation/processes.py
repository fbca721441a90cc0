"""Several processes that train as one, as torchrun starts them."""

# torch's own types of its collectives are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, distributed

from harmonize_kit.errors import ConfigError, NothingSucceededError

# What torchrun tells every process that it starts.
TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# The first process may read a large cohort while the others wait.
PATIENCE = timedelta(days=7)


def place() -> tuple[int, int]:
    """Return which of how many processes this is."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


@contextmanager
def join_processes(device: torch.device) -> Generator[torch.device]:
    """Join the processes that torchrun started; give the device of this one.

    gloo carries what processors exchange, nccl what GPUs do. A process that nobody started with
    others is left alone.

    Raises
    ------
    ConfigError
        If there are more processes than GPUs.
    NothingSucceededError
        If the others cannot be reached.
    """
    if not all(name in os.environ for name in TOLD) or int(os.environ["WORLD_SIZE"]) < 2:
        yield device
        return
    if device.type == "cuda":
        own, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if own >= count:
            raise ConfigError(
                f"expected a GPU for every process of this machine, got {count} GPUs and a process "
                f"number {own + 1}; start as many: torchrun --nproc-per-node {count}"
            )
        device = torch.device("cuda", own)
        torch.cuda.set_device(device)
    _together(lambda: distributed.init_process_group("nccl" if device.type == "cuda" else "gloo"))
    try:
        yield device
    finally:
        distributed.destroy_process_group()


@contextmanager
def first_before_others() -> Generator[bool]:
    """Let the first process go through a block before all others; give whether this is the first.

    Raises
    ------
    NothingSucceededError
        In the others, if the first failed; what went wrong is said by it alone.
    """
    rank, world = place()
    if world == 1:
        yield True
        return
    waiting = distributed.new_group(backend="gloo", timeout=PATIENCE)
    failed = torch.ones(1)

    def agree() -> None:
        _together(lambda: distributed.all_reduce(failed, distributed.ReduceOp.MAX, waiting))

    if rank == 0:
        try:
            yield True
            failed.zero_()
        finally:
            agree()
    else:
        failed.zero_()
        agree()
        if failed.item():
            raise NothingSucceededError(
                f"process {rank + 1} of {world} ends because the first one failed, which says why"
            )
        yield False


def average_over_processes(tensors: Sequence[Tensor]) -> None:
    """Replace tensors, gradients say, by their mean over all processes, in one message.

    Of gradients it is the gradient of a batch of all processes' images: a loss is a mean over
    images, and what it compares them with beyond that is exchanged (:func:`mean_over_processes`).

    Raises
    ------
    NothingSucceededError
        If another process has ended.
    """
    _, world = place()
    if world == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    _together(lambda: distributed.all_reduce(flat))
    start = 0
    for tensor in tensors:
        part = flat[start : start + tensor.numel()]
        tensor.copy_(part.reshape(tensor.shape) / world)
        start += tensor.numel()


class _Mean(torch.autograd.Function):
    """The mean over all processes; what a loss of any of them wants of it, all of them learn."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        del ctx
        return _mean(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        del ctx
        return _mean(gradient)


def mean_over_processes(own: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes, through which gradients go back to all.

    A loss that is no mean over images, but depends on a mean over the batch, takes that of the
    whole batch by it: with the mean of all gradients after it, several processes are one.

    Raises
    ------
    NothingSucceededError
        If another process has ended.
    """
    _, world = place()
    return own if world == 1 else cast(Tensor, _Mean.apply(own))


def of_all_processes(own: Tensor) -> list[Tensor]:
    """Return the tensors of all processes, of one shape, in the order of these.

    Raises
    ------
    NothingSucceededError
        If another process has ended.
    """
    _, world = place()
    if world == 1:
        return [own]
    sent = own.contiguous()
    found = [torch.empty_like(sent) for _ in range(world)]
    _together(lambda: distributed.all_gather(found, sent))
    return found


def _mean(own: Tensor) -> Tensor:
    total = own.clone()
    _together(lambda: distributed.all_reduce(total))
    return total / place()[1]


def _together(exchange: Callable[[], object]) -> None:
    """Exchange something with the other processes, or say that they are not there any more."""
    try:
        exchange()
    except RuntimeError as error:
        raise NothingSucceededError(
            f"another process of this training has ended or cannot be reached ({error}); if it "
            "tells a reason, mend that, and start all again: what is done is kept"
        ) from error
