"""Heads stretched onto the box of their brain and back."""

from __future__ import annotations

import numpy as np
import pytest

from harmonize_kit.translation.atlas_template import AtlasTemplate, MeanImage
from harmonize_kit.translation.box_grid import box_shape, from_box, onto_box
from harmonize_kit.translation.places import head_box

Head = tuple[np.ndarray, np.ndarray]


def head(size: tuple[int, int, int], start: int = 2) -> Head:
    """A brain of that size whose intensity says how far along its own z axis a voxel lies."""
    shape = tuple(length + 2 * start + 1 for length in size)
    mask = np.zeros(shape, dtype=bool)
    mask[start : start + size[0], start : start + size[1], start : start + size[2]] = True
    along = (np.arange(shape[0]) - start) / (size[0] - 1)
    image = np.broadcast_to(along[:, None, None], shape)
    return np.where(mask, [image, 2 - image], 1000).astype(np.float32), mask


@pytest.mark.parametrize("size", [(12, 9, 11), (5, 6, 7), (30, 20, 25)])
def test_places_in_the_brain_meet_whatever_its_size_and_what_is_around_it_has_no_part(
    size: tuple[int, int, int],
) -> None:
    image, mask = head(size)
    box, common = head_box(mask), (15, 10, 8)
    assert box_shape(box) == size
    made, inside = onto_box(image, mask, box, common)
    assert inside.all()
    wanted = np.broadcast_to(np.linspace(0, 1, 15)[:, None, None], common)
    np.testing.assert_allclose(made, [wanted, 2 - wanted], atol=1e-5)
    back = from_box(made, box, (mask.shape[0], mask.shape[1], mask.shape[2]))
    np.testing.assert_allclose(back[:, mask], image[:, mask], atol=1e-5)
    assert not back[:, ~mask].any()


def test_holes_are_no_part_of_the_brain() -> None:
    image, mask = head((12, 9, 11))
    mask[6:9, 5:8, 5:8] = False
    image[:, ~mask] = np.nan
    made, inside = onto_box(image, mask, head_box(mask), (12, 9, 11))
    np.testing.assert_array_equal(inside, mask[2:14, 2:11, 2:13])
    np.testing.assert_allclose(made[:, inside], image[:, mask], atol=1e-6)
    assert not made[:, ~inside].any()
    # One voxel is a brain as well.
    assert onto_box(*head((2, 1, 1)), (2, 3, 2, 3, 2, 3), (3, 1, 2))[0].shape == (2, 3, 1, 2)


def test_a_template_can_be_taken_away_again_and_overlap_tells_registered_from_not() -> None:
    image, mask = head((12, 9, 11))
    clean = np.where(mask, image, 0)
    ours = MeanImage.of([(clean + 1, mask), (clean + 3, mask)], "R")
    template = AtlasTemplate.fit(MeanImage.of([(clean, mask)] * 2, "S"), ours)
    made = template.apply(image, mask)
    np.testing.assert_allclose(made[:, mask], image[:, mask] + 2, atol=1e-5)
    np.testing.assert_array_equal(made[:, ~mask], image[:, ~mask])
    np.testing.assert_allclose(template.undo(made, mask), image, atol=1e-5)
    assert ours.overlap == 1
    moved = [(np.roll(clean, n, 1), np.roll(mask, n, 0)) for n in (0, 0, 6)]
    assert MeanImage.of(moved, "R").overlap == pytest.approx((2 + 8 / 12) / 3, abs=0.1)
