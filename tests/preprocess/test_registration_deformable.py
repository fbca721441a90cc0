"""A bent brain is bent back, never folded; and where bending gains nothing, it is left out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.preprocess import registration_pair
from harmonize_kit.preprocess.deformation import Deformation, on_grid
from harmonize_kit.preprocess.registration import register
from harmonize_kit.preprocess.registration_carry import carry_image
from harmonize_kit.preprocess.registration_deformable import Deformed, deform
from harmonize_kit.preprocess.registration_view import view_of
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.transforms import Affine
from harmonize_kit.preprocess.warp import Warp
from harmonize_kit.storage.nifti_product import write_nifti

GRID = Geometry((40, 46, 38), (4.0, 4.0, 4.0), (-78.0, -90.0, -74.0))
CONFIG = RegistrationConfig.model_validate(
    {
        "finest_mm": 4.0, "samples": 5_000, "iterations": 20, "template": "none",
        "deformable": {"iterations": [20, 20, 1], "smoothing": 1.5, "knots_mm": 8.0},
    }
)  # fmt: skip


@lru_cache
def head() -> Volume:
    """Structures of about 20 mm all over an ellipsoid, 0 around it."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID.size[::-1]), indexing="ij")
    inside = (x / 0.8) ** 2 + (y / 0.85) ** 2 + (z / 0.8) ** 2 < 1.0
    noise = np.random.default_rng(0).standard_normal(inside.shape)
    tissue = ndimage.gaussian_filter(noise, 2.0)
    tissue = 60.0 + 15.0 * np.clip(tissue / tissue.std(), -3.0, 3.0)
    return Volume(np.where(inside, tissue, 0.0).astype(np.float32), GRID, inside.astype(np.uint8))


@lru_cache
def truth() -> Warp:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID.size[::-1]), indexing="ij")
    bump = np.exp(-2.5 * (x**2 + y**2 + z**2))
    waves = [6 * np.sin(3 * y + 1), 6 * np.cos(3 * x), 5 * np.sin(3 * z + 2 * x)]
    return Warp.fit(np.stack([bump * wave for wave in waves], axis=-1), GRID, 8.0)


@lru_cache
def bent() -> Volume:
    """The head as it looks after it was bent, with another gain."""
    transform = on_grid({"": Deformation(truth(), truth(), Affine())}, GRID)[""]
    moved = carry_image(head(), transform, GRID)
    return moved.with_array(1.7 * moved.array)


@lru_cache
def deformed() -> Deformed:
    return deform(view_of(head(), "head"), view_of(bent(), "bent"), Affine(), CONFIG)


def error(transform: Affine | Deformation) -> float:
    """Mean target registration error in mm: ``bent`` shows at y what ``head`` has at truth(y)."""
    mask = head().mask
    assert mask is not None
    points = np.add(np.argwhere(mask > 0)[::20, ::-1] * 4.0, GRID.origin, dtype=np.float64)
    found = truth().apply(transform.apply(points)) - points
    return float(np.linalg.norm(found, axis=1).mean())


def test_a_bent_head_is_bent_back() -> None:
    assert error(Affine()) > 2.5
    # Voxels are 4 mm.
    assert error(deformed().transform) < 0.5 * error(Affine())
    found = deformed().found
    assert found["used"]
    assert found["information"]["deformable"] > found["information"]["affine"]
    assert not deformed().notes


def test_nothing_folds_and_the_way_back_is_known() -> None:
    found = deformed().found
    assert found["jacobian"]["least"] >= 0.1
    assert found["inverse_mm"]["mean"] < 0.1
    assert found["inverse_mm"]["most"] < 1.0


def test_what_shares_less_information_is_not_used() -> None:
    inverted = bent().with_array(np.where(bent().array > 0, 200.0 - bent().array, 0.0))
    worse = deform(view_of(head(), "head"), view_of(inverted, "inverted"), Affine(), CONFIG)
    assert worse.transform == Affine()
    assert not worse.found["used"]
    assert "affine one is kept" in worse.notes[0]


def test_a_whole_head_is_not_bent_onto_a_brain() -> None:
    rng = np.random.default_rng(0)
    whole = Volume((bent().array + rng.uniform(1, 5, bent().array.shape)).astype(np.float32), GRID)
    kept = deform(view_of(head(), "head"), view_of(whole, "whole"), Affine(), CONFIG)
    assert kept.transform == Affine()
    assert "strip" in kept.notes[0]


def test_the_stage_bends_by_choice_and_leaves_both_ways(tmp_path: Path) -> None:
    template, mask = tmp_path / "template.nii.gz", tmp_path / "mask.nii.gz"
    brain = head().mask
    assert brain is not None
    write_nifti(head(), template)
    write_nifti(Volume(brain, GRID), mask)
    labels = Volume((bent().array < 60).astype(np.uint8) * brain, GRID)
    config = CONFIG.model_copy(
        update={
            "template": str(template), "template_mask": str(mask), "to_template": "deformable",
            "iterations": 10, "samples": 2_000,
        }
    )  # fmt: skip
    staged = register(Scans({"t1": bent()}, labels, "t1"), config)
    found = staged.decided["template"]
    assert found["deformable"]["used"]
    assert found["deformable"]["dice"] > found["dice"] - 0.01
    assert set(staged.byproducts) == {"transform_t1", "inverse_transform_t1"}
    moved, carried = staged.scans.images["t1"], staged.scans.labels
    assert moved.geometry.difference(GRID, 1e-5) is None
    assert moved.mask is not None
    assert np.all(moved.array[moved.mask == 0] == 0)
    assert carried is not None
    assert set(np.unique(carried.array)) == {0, 1}
    near = np.corrcoef(moved.array[brain > 0], head().array[brain > 0])[0, 1]
    far = np.corrcoef(bent().array[brain > 0], head().array[brain > 0])[0, 1]
    assert 1.0 - near < 0.3 * (1.0 - far)


def test_the_better_of_start_and_end_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    start, away = Affine(translation=(1.0, 0.0, 0.0)), Affine(translation=(40.0, 0.0, 0.0))
    monkeypatch.setattr(registration_pair, "first_guess", lambda *_: start)
    monkeypatch.setattr(registration_pair, "climb", lambda *_: away)
    found = registration_pair.align(
        view_of(head(), "head"), view_of(bent(), "bent"), "rigid", CONFIG
    )
    assert not found.refined
    assert found.transform == start
    assert found.information_end == found.information_start
