"""The atlas lies where nilearn says, in ITK's convention."""

import socket
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.affines import apply_affine
from nibabel.nifti1 import Nifti1Image
from nilearn import datasets

from harmonize_kit.errors import ConfigError
from harmonize_kit.phantom import load_anatomy


@pytest.fixture(scope="module")
def anatomy():
    return load_anatomy(3.0)


def test_no_network_is_needed(monkeypatch):
    def refuse(*_):
        raise AssertionError("the anatomy tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load_anatomy.__wrapped__(6.0).grey.max() > 0.5


def test_read_once_then_kept(anatomy):
    assert load_anatomy(3.0) is anatomy


def test_kept_maps_cannot_be_changed_by_one_user_for_all_others(anatomy):
    with pytest.raises(ValueError, match="read-only"):
        anatomy.grey[0, 0, 0] = 1


def test_a_spacing_finer_than_the_atlas_is_refused():
    with pytest.raises(ConfigError, match="at least 1 mm"):
        load_anatomy(0.5)


def test_fractions_fill_the_brain_and_nothing_else(anatomy):
    total = anatomy.csf + anatomy.grey + anatomy.white
    assert min(part.min() for part in (anatomy.csf, anatomy.grey, anatomy.white)) >= 0
    assert total.max() <= 1 + 1e-5
    litres = total.sum() * 27 / 1e6
    assert 1.6 < litres < 2.0  # the ICBM152 template is larger than a typical brain
    assert total[0].max() == total[:, 0].max() == total[:, :, 0].max() == 0


def test_voxels_lie_where_nilearn_says(anatomy, tmp_path):
    image = sitk.GetImageFromArray(anatomy.grey)
    image.SetSpacing(anatomy.geometry.spacing)
    image.SetOrigin(anatomy.geometry.origin)
    image.SetDirection(anatomy.geometry.direction)
    sitk.WriteImage(image, str(tmp_path / "grey.nii.gz"))
    ours: Any = Nifti1Image.from_filename(tmp_path / "grey.nii.gz")  # RAS, as nilearn's
    theirs: Any = datasets.load_mni152_gm_template(resolution=1)
    np.testing.assert_allclose(ours.affine[:3, :3], 3 * np.eye(3), atol=1e-5)

    index = np.argwhere(np.asarray(ours.dataobj) > 0.05)
    world = apply_affine(ours.affine, index)
    at = np.rint(apply_affine(np.linalg.inv(theirs.affine), world)).astype(int)
    expected = np.asarray(theirs.dataobj)[tuple(at.T)]
    found = np.asarray(ours.dataobj)[tuple(index.T)]
    assert np.corrcoef(expected, found)[0, 1] > 0.95
    shifted = np.asarray(theirs.dataobj)[at[:, 0], at[:, 1] + 3, at[:, 2]]
    assert np.corrcoef(shifted, found)[0, 1] < 0.7


def test_lesions_may_lie_in_white_matter_only(anatomy):
    index = np.rint(anatomy.lesion_sites / 3.0).astype(int)
    assert len(index) > 500
    assert np.quantile(anatomy.white[tuple(index.T)], 0.05) > 0.3
    assert np.median(anatomy.white[tuple(index.T)]) > 0.95


def test_the_pull_leads_into_the_ventricles(anatomy):
    length = np.sqrt((anatomy.ventricle_pull**2).sum(axis=0))
    assert length.max() == pytest.approx(1)
    start = np.argwhere((length > 0.5) & (anatomy.csf < 0.1))
    assert len(start) > 100
    pull = anatomy.ventricle_pull[:, *start.T]
    end = np.rint(start + 4 * (pull / length[tuple(start.T)]).T).astype(int)  # 12 mm on
    assert anatomy.csf[tuple(end.T)].mean() > 5 * anatomy.csf[tuple(start.T)].mean()


def test_another_spacing_is_the_same_brain(anatomy):
    coarse = load_anatomy(4.5)
    assert coarse.extent_mm == anatomy.extent_mm
    for name in ("csf", "grey", "white"):
        volumes = [getattr(a, name).sum() * a.spacing**3 for a in (anatomy, coarse)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.05)
