"""The air: planted artefacts are found in it, and its noise is told from other noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity

from harmonize_kit.preprocess.quality.air import find_artefacts, qi_1, qi_2
from harmonize_kit.preprocess.quality.ghosting import ghost_to_signal

SHAPE = (40, 40, 40)


def _rayleigh(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    real, imaginary = np.random.default_rng(seed).normal(0.0, 5.0, (2, *shape))
    return np.hypot(real, imaginary)


def test_noise_is_no_artefact_and_a_bright_block_is() -> None:
    image, hat = _rayleigh(), np.ones(SHAPE, dtype=bool)
    distance = np.broadcast_to(np.arange(40.0), SHAPE)
    assert qi_1(find_artefacts(image, hat, distance)) == 0.0
    image[10:16, 10:16, 20:26] += 150.0
    image[30, 30, 30] = 500.0  # a single voxel is removed by the opening
    image[:, :, 1] += 150.0  # too near to the head
    air = find_artefacts(image, hat, distance)
    assert air.artefacts[12, 12, 22]
    assert not air.artefacts[30, 30, 30]
    assert not air.artefacts[:, :, 1].any()
    # The opening with a cross rounds off the corners of the block.
    assert qi_1(air) == pytest.approx(6**3 / 40**3, rel=0.3)
    assert not (air.clean & air.artefacts).any()


def test_artefacts_know_no_unit() -> None:
    image = _rayleigh()
    image[10:16, 10:16, 20:26] += 150.0
    hat, distance = np.ones(SHAPE, dtype=bool), np.ones(SHAPE)
    one, other = (find_artefacts(s * image, hat, distance) for s in (1.0, 0.013))
    assert np.array_equal(one.artefacts, other.artefacts)
    assert qi_1(find_artefacts(image, ~hat, distance)) is None


def test_second_index_against_the_formula_by_other_libraries() -> None:
    values = _rayleigh((4000,), seed=2)
    scaled = values * (100.0 / np.percentile(values, 99))
    grid = np.linspace(0.0, 110.0, 1000)
    model = KernelDensity(kernel="gaussian", bandwidth=4.0).fit(scaled[:, None])
    density = np.exp(model.score_samples(grid[:, None]))
    beyond = int(np.argmax(density[::-1] > 0.5 * density.max()))
    fitted = stats.chi2(*stats.chi2.fit(scaled, 32)).pdf(grid)
    expected = float(np.abs(density - fitted)[-beyond:].mean())
    assert qi_2(values) == pytest.approx(expected, rel=0.1, abs=1e-5)


def test_second_index_rises_with_a_second_population() -> None:
    pure = _rayleigh((20_000,), seed=4)
    mixed = np.concatenate([pure, np.random.default_rng(1).normal(90.0, 4.0, 4000)])
    low, high = qi_2(pure), qi_2(mixed)
    assert low is not None
    assert high is not None
    assert high > 3.0 * low
    assert qi_2(np.zeros(5000)) is None
    assert qi_2(pure[:900]) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ghost_of_a_tenth_is_a_ratio_of_a_tenth(axis: int) -> None:
    head = np.zeros((40, 44, 48), dtype=bool)
    head[14:26, 15:29, 16:32] = True
    image = _rayleigh(head.shape) + np.where(head, 300.0, 0.0)
    clean = ghost_to_signal(image, head, ~head, axis)
    ghost = image + 0.1 * np.roll(image * head, head.shape[axis] // 2, axis)
    found = [ghost_to_signal(ghost, head, ~head, a) for a in range(3)]
    assert clean == pytest.approx(0.0, abs=0.002)
    assert found[axis] == pytest.approx(0.1, abs=0.01)
    assert max(value or 0.0 for a, value in enumerate(found) if a != axis) < 0.02
    assert ghost_to_signal(image, head, np.zeros_like(head), axis) is None
