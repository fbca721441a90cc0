"""Where a registration starts: the best of many cheap guesses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np
import SimpleITK as sitk

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.preprocess.registration_metric import Freedom, Level, climb, information
from harmonize_kit.preprocess.registration_view import View
from harmonize_kit.preprocess.transforms import Affine, Xyz

TURNS_DEG = (0.0, -20.0, 20.0)
# The brain of a whole head is guessed from its crown; a beard, a neck or a nose misleads by this.
SHIFTS_MM = ((0.0,), (0.0, -16.0, 16.0), (0.0, -32.0, -16.0, 16.0, 32.0))
# Heads are smaller than the MNI templates, by about a tenth; a brain that is not stripped yet is
# found from a start of the right size only.
HEAD_SCALE = 0.92
KEPT = 3
KEPT_WHOLE = 6
BORDER_MM = 96.0
STEPS = (1.0, 0.02)


def first_guess(
    fixed: View, moving: View, level: Level, freedom: Freedom, config: RegistrationConfig
) -> Affine:
    """Return a transform near enough for the finer levels to find the rest.

    Guesses are the scanner's own coordinates, and the two middles laid upon each other with turns
    of 20 degrees about each axis; where a middle is only guessed, with shifts too. The metric at
    the coarsest level chooses three of them, each climbs, rigidly or for a freer transform with one
    scale, and the best one stays.
    """
    # Outside its own field of view a scan counts as air: else a guess with almost no overlap wins.
    border = [int(np.ceil(BORDER_MM / spacing)) for spacing in level.moving.GetSpacing()]
    padded = replace(level, moving=sitk.ConstantPad(level.moving, border, border, 0.0))
    middle, kept = _shift(fixed.centre, moving.centre, (0.0, 0.0, 0.0)), KEPT
    if not (fixed.bare and moving.bare):
        shifts = (_shift(fixed.centre, moving.centre, (x, y, z)) for x, y, z in product(*SHIFTS_MM))
        middle, kept = _best(shifts, padded, config)[0], KEPT_WHOLE
        if freedom != "rigid":
            middle = replace(middle, matrix=tuple(HEAD_SCALE * value for value in middle.matrix))
    turned = [_turned(middle, np.deg2rad(angles)) for angles in product(TURNS_DEG, repeat=3)]
    scanner = Affine(centre=fixed.centre)
    guesses = [scanner, *_best(turned, padded, config)[: kept - 1]]
    rough: Freedom = "rigid" if freedom == "rigid" else "similarity"
    climbed = [climb(padded, guess, rough, config, STEPS) for guess in guesses]
    return _best(climbed, padded, config)[0]


def _best(guesses: Iterable[Affine], level: Level, config: RegistrationConfig) -> list[Affine]:
    """Return the guesses by falling metric; the first of equals first."""
    measured = [(information(level, guess, config), guess) for guess in guesses]
    return [guess for _, guess in sorted(measured, key=lambda pair: -pair[0])]


def _shift(fixed: Xyz, moving: Xyz, further: Xyz) -> Affine:
    x, y, z = (to - of + more for of, to, more in zip(fixed, moving, further, strict=True))
    return Affine(translation=(x, y, z), centre=fixed)


def _turned(start: Affine, angles: Iterable[float]) -> Affine:
    """Return ``start`` with a turn about x, y and z first, in radians."""
    a, b, c = angles
    about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    about_y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    about_z = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    matrix = np.asarray(about_z) @ np.asarray(about_y) @ np.asarray(about_x)
    matrix = start.linear @ matrix
    return replace(start, matrix=tuple(float(value) for value in matrix.ravel()))
