"""Guards against planted changes, and the atlas template against the difference it should find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.errors import ConfigError, GeometryError
from harmonize_kit.translation.atlas_template import AtlasTemplate, MeanImage
from harmonize_kit.translation.guards import guard

SHAPE = (16, 24, 24)


@pytest.fixture(scope="module")
def head() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    radius = np.sqrt(z**2 + y**2 + x**2)
    mask = radius < 0.95
    tissues = (radius < 0.5).astype(int) + (radius < 0.75)
    image = np.where(mask, tissues + 0.2 * rng.normal(size=SHAPE), 0.0)
    lesion = np.zeros(SHAPE, dtype=bool)
    lesion[6:9, 14:18, 10:14] = True
    return {
        "image": np.where(lesion, 4.0, image),
        "mask": mask,
        "tissues": tissues,
        "lesion": lesion,
    }


def test_a_change_of_contrast_and_gain_is_explained(head: dict[str, np.ndarray]) -> None:
    image, mask = head["image"], head["mask"]
    gain = np.linspace(0.8, 1.2, SHAPE[2])
    curve = np.choose(head["tissues"], [0.3, -0.2, 0.5]) + np.tanh(image)
    after = np.where(mask, curve * gain, 0)
    found = guard(image, after, mask, head["tissues"])
    assert found.explained > 0.9
    assert not [flag for flag in found.flags(GuardConfig()) if flag.measure == "explained"]


def test_invented_anatomy_is_flagged(head: dict[str, np.ndarray]) -> None:
    image, mask = head["image"], head["mask"]
    rng = np.random.default_rng(1)
    texture = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    after = np.where(mask, image + texture / texture.std(), image)
    found = guard(image, after, mask, head["tissues"])
    assert found.explained < 0.3
    little = guard(image, np.where(mask, image + 0.01 * texture, image), mask, head["tissues"])
    assert not little.flags(GuardConfig())
    flagged = {flag.measure: flag for flag in found.flags(GuardConfig())}
    assert "may be anatomy that was not there" in flagged["explained"].sentence


def test_nothing_done_is_nothing_flagged(head: dict[str, np.ndarray]) -> None:
    image, mask = head["image"], head["mask"]
    spread = np.zeros(SHAPE)
    found = guard(image, image, mask, head["tissues"], head["lesion"], spread)
    assert (found.change, found.explained, found.spread) == (0.0, 1.0, 0.0)
    assert (found.lesion_contrast, found.lesion_volume) == (1.0, 1.0)
    assert found.flags(GuardConfig()) == ()


def test_lesions_that_fade_or_grow_are_flagged(head: dict[str, np.ndarray]) -> None:
    image, mask, lesion = head["image"], head["mask"], head["lesion"]
    faded = np.where(lesion, image - 1.5, image)
    found = guard(image, faded, mask, head["tissues"], lesion)
    assert found.lesion_contrast is not None
    assert found.lesion_contrast < 0.7
    grown = np.where(ndimage.binary_dilation(lesion, iterations=1), 4.0, image)
    larger = guard(image, grown, mask, head["tissues"], lesion)
    assert larger.lesion_volume is not None
    assert larger.lesion_volume > 1.5
    assert {flag.measure for flag in larger.flags(GuardConfig())} >= {"lesion_volume"}
    scaled = guard(image, 3 * image + 1, mask, head["tissues"], lesion)
    assert scaled.lesion_contrast == pytest.approx(1)
    assert scaled.lesion_volume == 1


def test_views_that_disagree_are_flagged(head: dict[str, np.ndarray]) -> None:
    image, mask = head["image"], head["mask"]
    found = guard(image, image, mask, spread=np.full(SHAPE, image[mask].std()))
    assert found.spread == pytest.approx(1)
    assert [flag.measure for flag in found.flags(GuardConfig())] == ["spread"]


def test_the_template_finds_a_difference_that_all_subjects_share() -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:-2, 3:-3, 3:-3] = True
    shared = ndimage.gaussian_filter(rng.normal(size=SHAPE), 3) * 10
    subjects = ndimage.gaussian_filter(rng.normal(size=(40, *SHAPE)), (0, 1, 1, 1))
    ours = [(image[None], mask) for image in subjects[:20]]
    theirs = [((image - shared)[None], mask) for image in subjects[20:]]
    template = AtlasTemplate.fit(MeanImage.of(theirs, "A"), MeanImage.of(ours, "R"))
    found = template.difference[0][mask]
    assert np.corrcoef(found, shared[mask])[0, 1] > 0.95
    image = subjects[25] - shared
    made = template.apply(image[None], mask)[0]
    assert np.abs(made - subjects[25])[mask].mean() < 0.3 * np.abs(shared[mask]).mean()
    np.testing.assert_array_equal(made[~mask], image[~mask].astype(np.float32))


def test_the_template_of_a_site_and_itself_is_zero() -> None:
    rng = np.random.default_rng(0)
    images = [(rng.normal(size=(2, *SHAPE)), rng.random(SHAPE) > 0.2) for _ in range(3)]
    mean = MeanImage.of(images, "A")
    assert not AtlasTemplate.fit(mean, mean).difference.any()


def test_grids_that_differ_are_told() -> None:
    image, mask = np.zeros((1, *SHAPE)), np.ones(SHAPE, dtype=bool)
    smaller = (image[..., 1:], mask[..., 1:])
    mean = MeanImage.of([(image, mask)], "A")
    with pytest.raises(GeometryError, match="at site 'A', got"):
        MeanImage.of([(image, mask), smaller], "A")
    with pytest.raises(GeometryError, match="two mean images must lie on one grid"):
        AtlasTemplate.fit(mean, MeanImage.of([smaller], "R"))
    with pytest.raises(GeometryError, match="register it to the same template"):
        AtlasTemplate.fit(mean, mean).apply(*smaller)
    with pytest.raises(ConfigError, match="site 'A' has no image"):
        MeanImage.of([], "A")
