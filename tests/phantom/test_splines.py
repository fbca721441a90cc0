import numpy as np

from harmonize_kit.phantom.splines import random_field

EXTENT = (60.0, 80.0, 70.0)


def test_one_draw_is_one_field_at_any_spacing():
    fine = random_field(EXTENT, 2.0, 9.0, np.random.default_rng(3))
    coarse = random_field(EXTENT, 4.0, 9.0, np.random.default_rng(3))
    assert fine.shape == (31, 41, 36)
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, rtol=1e-5, atol=1e-6)


def test_mean_zero_variance_one_everywhere():
    rng = np.random.default_rng(0)
    fields = np.stack([random_field(EXTENT, 5.0, 12.0, rng) for _ in range(400)])
    assert abs(fields.mean()) < 0.02
    spread = fields.std(axis=0)
    assert 0.8 < spread.min() < spread.max() < 1.2  # no lattice shows


def test_knots_set_the_size_of_the_blobs():
    rng = np.random.default_rng(1)

    def roughness(knots: float) -> float:
        return float(np.diff(random_field(EXTENT, 2.0, knots, rng), axis=0).std())

    assert roughness(30.0) < roughness(10.0) / 2 < roughness(4.0) / 3
