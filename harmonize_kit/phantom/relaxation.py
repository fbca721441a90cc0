"""The signal of tissues in a T1-weighted scan: proton density, T1 and T2* at 1.5 T and 3 T."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TISSUES = ("csf", "grey", "white", "lesion")


@dataclass(frozen=True)
class Relaxation:
    """Proton density relative to water, T1 and T2* in ms."""

    density: float
    t1_ms: float
    t2_star_ms: float


# T1 of grey and white matter: Wright et al. 2008, MAGMA 21:121 (MPRAGE). T2* of both: Peters et
# al. 2007, Magn Reson Imaging 25:748. Proton densities, and cerebrospinal fluid at both fields
# (its T1 hardly depends on the field): BrainWeb, Collins et al. 1998, IEEE TMI 17:463. The lesion
# is chosen, not measured: longer T1 than grey matter, as oedematous or gliotic tissue has.
RELAXATION: dict[Literal["1.5T", "3T"], dict[str, Relaxation]] = {
    "1.5T": {
        "csf": Relaxation(1.0, 2569.0, 58.0),
        "grey": Relaxation(0.86, 1197.0, 84.0),
        "white": Relaxation(0.77, 646.0, 66.2),
        "lesion": Relaxation(0.88, 1700.0, 90.0),
    },
    "3T": {
        "csf": Relaxation(1.0, 2569.0, 58.0),
        "grey": Relaxation(0.86, 1607.0, 66.0),
        "white": Relaxation(0.77, 838.0, 53.2),
        "lesion": Relaxation(0.88, 2250.0, 75.0),
    },
}


def spoiled_gradient_echo(
    tissue: Relaxation,
    t1_factor: NDArray[np.float32] | float,
    tr_ms: float,
    te_ms: float,
    flip_deg: float,
) -> NDArray[np.float32]:
    """Return the signal of a tissue, as a share of the full magnetisation of water.

    The steady state of a spoiled gradient echo (Ernst & Anderson 1966, Rev Sci Instrum 37:93)::

        S = PD sin(a) (1 - E1) / (1 - cos(a) E1) exp(-TE / T2*),    E1 = exp(-TR / T1)

    Parameters
    ----------
    tissue : Relaxation
    t1_factor : float or ndarray, shape (z, y, x)
        Multiplies T1, voxel by voxel: ageing and the texture of the tissue.
    tr_ms, te_ms, flip_deg : float
        Repetition time, echo time and flip angle.

    Returns
    -------
    ndarray of float32, the shape of ``t1_factor``
    """
    flip = np.deg2rad(flip_deg)
    e1 = np.exp(np.float32(-tr_ms / tissue.t1_ms) / np.asarray(t1_factor, dtype=np.float32))
    decay = tissue.density * np.sin(flip) * np.exp(-te_ms / tissue.t2_star_ms)
    return np.asarray(np.float32(decay) * (1 - e1) / (1 - np.float32(np.cos(flip)) * e1))
