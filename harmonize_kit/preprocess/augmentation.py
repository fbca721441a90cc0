"""Scans varied for training: torchio's transforms, with parameters drawn beforehand.

First everything is drawn, from the seed alone, and can be written down; then it is obeyed. No
result depends on the state of a global random number generator.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from harmonize_kit.config.augmentation import AugmentationConfig
from harmonize_kit.core.volume import Geometry
from harmonize_kit.errors import DependencyError, GeometryError
from harmonize_kit.preprocess.augmentation_subject import Subject, to_subject
from harmonize_kit.preprocess.orientation import AxisOrder
from harmonize_kit.preprocess.scans import Scans, Staged

_CONTRASTS = ("bias_field", "gamma", "blur", "noise")
_BIAS_ORDER = 3
_BIAS_TERMS = 20  # of a polynomial of that order in three variables


def augment(scans: Scans, config: AugmentationConfig, seed: int) -> Staged:
    """Return scans with one random variation of head position and contrast.

    All images, masks and labels of the case move together; masks and labels by nearest neighbour.
    Each modality has contrast, noise and bias field of its own. Background that was cleared stays
    exactly what it was. Intensities are float32 afterwards, on the same grid.

    Parameters
    ----------
    scans : Scans
        On one grid.
    config : AugmentationConfig
    seed : int
        The same seed gives the same variation, bit by bit on one version of torchio.

    Returns
    -------
    Staged
        The scans, and every parameter that was drawn.

    Raises
    ------
    GeometryError
        If images or labels lie on different grids.
    DependencyError
        If torchio is not installed.
    """
    if not scans.images:
        return Staged(scans)
    grid = next(iter(scans.images.values())).geometry
    others = [*scans.images.values(), *([] if scans.labels is None else [scans.labels])]
    for volume in others:
        difference = grid.difference(volume.geometry, 1e-3)
        if difference is not None:
            raise GeometryError(
                f"augmentation needs one grid, got {difference}; register or resample first"
            )
    decided = draw_augmentation(config, list(scans.images), grid, seed)
    subject = to_subject(scans)
    moved = compose(decided, subject)(subject.to_torchio(_torchio()))
    return Staged(subject.to_scans(moved), decided)


def draw_augmentation(
    config: AugmentationConfig, modalities: list[str], geometry: Geometry, seed: int
) -> dict[str, Any]:
    """Return the parameters of one variation as plain values; a change that is not made is absent.

    Examples
    --------
    >>> draw_augmentation(AugmentationConfig(probability=0), ["t1"], Geometry((2, 2, 2)), 0)
    {'seed': 0, 'modalities': {'t1': {}}}
    """
    rng = np.random.default_rng(seed)
    decided: dict[str, Any] = {"seed": seed}
    if rng.random() < config.flip:
        decided["flip"] = AxisOrder.of(geometry).axes[0]
    moved = rng.random() < config.probability
    scales, degrees, shift = (rng.uniform(-1, 1, 3) for _ in range(3))
    if moved and (config.scale or config.rotation or config.shift):
        decided["affine"] = {
            "scales": (1 + config.scale * scales).tolist(),
            "degrees": (config.rotation * degrees).tolist(),
            "translation": (config.shift * shift).tolist(),
        }
    decided["modalities"] = {name: _contrast(config, rng) for name in modalities}
    return decided


def _contrast(config: AugmentationConfig, rng: np.random.Generator) -> dict[str, Any]:
    """Draw the changes of one image; as many numbers are drawn whatever is made of them."""
    made: dict[str, float] = dict(zip(_CONTRASTS, rng.random(4).tolist(), strict=True))
    coefficients = config.bias_field * rng.uniform(-1, 1, _BIAS_TERMS)
    gamma, blur, noise = rng.uniform(-1, 1), rng.random(), rng.random()
    seed = int(rng.integers(2**31))
    found: dict[str, Any] = {
        "bias_field": coefficients.tolist() if config.bias_field else None,
        "gamma": float(np.exp(config.log_gamma * gamma)) if config.log_gamma else None,
        "blur": float(config.blur * blur) or None,
        "noise": {"std": float(config.noise * noise), "seed": seed} if config.noise else None,
    }
    return {
        name: value
        for name, value in found.items()
        if value is not None and made[name] < config.probability
    }


def compose(decided: Mapping[str, Any], subject: Subject) -> Any:
    """Return torchio's Compose that obeys what :func:`draw_augmentation` drew.

    In the order in which nature has it: the head lies in the scanner, which shades, renders and
    blurs it, and at last there is noise.
    """
    tio = _torchio()
    transforms: list[Any] = []
    if "flip" in decided:
        transforms.append(tio.Flip(axes=(decided["flip"],)))
    if "affine" in decided:
        affine = {name: tuple(values) for name, values in decided["affine"].items()}
        transforms.append(tio.Affine(**affine, default_pad_value=0.0))
    for name, changes in decided["modalities"].items():
        key = {"include": [subject.keys[name]]}
        if "bias_field" in changes:
            transforms.append(tio.BiasField(changes["bias_field"], _BIAS_ORDER, **key))
        if "gamma" in changes:
            transforms.append(tio.Gamma(changes["gamma"], **key))
        if "blur" in changes:
            transforms.append(tio.Blur((changes["blur"],) * 3, **key))
        if "noise" in changes:
            std = changes["noise"]["std"] * subject.spreads[name]
            transforms.append(tio.Noise(0.0, std, changes["noise"]["seed"], **key))
    return tio.Compose(transforms)


def _torchio() -> Any:
    try:
        return importlib.import_module("torchio")
    except ImportError as error:
        raise DependencyError(
            "augmentation needs torchio; install it with pip install 'harmonize-kit[augment]'"
        ) from error
