"""Several pictures as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def side_by_side(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return pictures in one row, in the middle of its height, on black."""
    height = max(picture.shape[0] for picture in pictures)
    framed = [np.zeros((height, picture.shape[1]), np.uint8) for picture in pictures]
    for picture, space in zip(pictures, framed, strict=True):
        top = (height - picture.shape[0]) // 2
        space[top : top + picture.shape[0]] = picture
    return np.concatenate(framed, axis=1)
