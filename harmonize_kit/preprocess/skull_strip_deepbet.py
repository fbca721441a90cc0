"""The brain of a T1-weighted head as deepbet sees it."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import DependencyError, PreprocessingError
from harmonize_kit.preprocess.orientation import AxisOrder

if TYPE_CHECKING:
    from deepbet.bet import BrainExtraction


def deepbet_brain(
    volume: Volume, threshold: float = 0.5, dilate: int = 0
) -> tuple[NDArray[np.bool_], dict[str, str]]:
    """Return the brain of a T1-weighted head, and the versions of what found it.

    deepbet (Fisch et al. 2024, Comput Biol Med 179:108845) first finds the box of the brain in an
    image of 128 cubed voxels, then the brain in that box at 256 cubed. Its class is given the array
    and gives one back: no file, no download; the weights lie in its package, and ITK, the header
    and the window of its programme play no part. It takes axes to the right, the front and the
    head, so axes are reordered and flipped, and the mask comes back on the grid of the volume,
    voxel by voxel. Spacing does not matter to it: it fits the box of the brain to its own grid.
    It runs on the processor, on one thread, so that the mask is the same wherever a case runs.

    Parameters
    ----------
    volume : Volume
        Skull and all; its mask is not looked at.
    threshold : float
        Of the network's output, from which a voxel is brain.
    dilate : int
        Layers of voxels to add, or to take off where negative.

    Raises
    ------
    DependencyError
        If torch or deepbet is not installed.
    PreprocessingError
        If the network finds no brain.
    """
    network = _network()
    order = AxisOrder.of(volume.geometry)
    # From (z, y, x) to the head, the back and the left, to (x, y, z) to the right, front and head.
    head = order.to_patient(volume.array)[:, ::-1, ::-1].transpose(2, 1, 0)
    with _one_thread():
        try:
            shares = network.run_model(np.array(head, dtype=np.float32, order="C"))
            brain = network.postprocess(shares > threshold, dilate)
        except (AssertionError, ValueError) as error:
            raise PreprocessingError(
                "deepbet finds no brain in this image; it is made for T1-weighted heads: look at "
                "the image, or give a mask and set 'method: mask'"
            ) from error
    back = brain.transpose(2, 1, 0)[:, ::-1, ::-1]
    found = {"deepbet": version("deepbet"), "torch": version("torch")}
    return np.ascontiguousarray(order.to_grid(back)) != 0, found


@cache
def _network() -> BrainExtraction:
    try:
        from deepbet.bet import BrainExtraction
    except ImportError as error:
        raise DependencyError(
            f"the skull strip 'deepbet' needs torch and deepbet, but {error.name} is not installed;"
            " pip install 'harmonize-kit[image]', or give a mask and set 'method: mask'"
        ) from error
    with warnings.catch_warnings():
        # The weights come as TorchScript, whose loader torch no longer recommends for new models.
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        return BrainExtraction(no_gpu=True)


@contextmanager
def _one_thread() -> Generator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
