"""The law by which studies/cyclegan_ixi makes its second scanner."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

RENDER = Path(__file__).parents[2] / "studies" / "cyclegan_ixi" / "render.py"


@pytest.fixture(scope="module")
def render() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cyclegan_ixi_render", RENDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their names
    spec.loader.exec_module(module)
    return module


def small_head() -> tuple[Any, Any]:
    """Return a ball of white matter with a core of grey, and its labels."""
    z, y, x = np.indices((20, 24, 20)) - np.array([10, 12, 10]).reshape(3, 1, 1, 1)
    far = np.sqrt(z**2 + y**2 + x**2)
    labels = np.where(far < 9, 81, 0)
    labels[far < 4] = 57
    image = np.where(labels == 81, 1.0, 0.88) * (labels > 0)
    return image, labels


@pytest.mark.parametrize("family", ["place", "varying", "noise"])
def test_a_subject_is_rendered_alike_twice_and_air_stays_air(
    render: ModuleType, family: str
) -> None:
    image, labels = small_head()
    law = render.FAMILIES[family]
    first, second, other = (
        render.as_site(image, labels, np.zeros(image.shape), law, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert (first[labels == 0] == 0).all()
    assert np.abs(first - image)[labels > 0].mean() > 0.02


def test_only_the_varying_family_draws_its_contrast_by_subject(render: ModuleType) -> None:
    image, labels = small_head()
    nothing = np.zeros(image.shape)

    def spread(family: str) -> float:
        law = replace(render.FAMILIES[family], visit=0.0)
        made = [
            render.as_site(image, labels, nothing, law, np.random.default_rng(n)) for n in range(12)
        ]
        return float(np.std([one[10, 12, 10] / one[10, 12, 17] for one in made]))

    assert spread("varying") > 3 * spread("place")


def test_subjects_are_dealt_out_once_and_by_age(render: ModuleType, real_data: Path) -> None:
    people = pd.read_csv(real_data / "images" / "ixi_hh_t1_2mm" / "participants.csv")
    dealt = render.splits(people)
    assert sorted(dealt["MRID"]) == sorted(people["MRID"])
    assert dealt["part"].value_counts().to_dict() == {
        "train S": 18, "train R": 18, "validation": 4, "test": 13,
    }  # fmt: skip
    ages = dealt.groupby("part")["Age"].mean()
    assert ages.max() - ages.min() < 0.1 * dealt["Age"].std()


def test_a_real_head_has_its_truth_on_one_grid(render: ModuleType, real_data: Path) -> None:
    folder = real_data / "images" / "ixi_hh_t1_2mm"
    scan, regions = (
        sitk.ReadImage(str(folder / f"IXI034-HH-1260_T1{name}.nii.gz")) for name in ("", "_DLMUSE")
    )
    head, labels = render.to_box(scan, regions)
    inside = np.argwhere(labels > 0)
    assert head.shape == labels.shape == (72, 96, 72)
    assert (inside.max(axis=0) - inside.min(axis=0) + 1 == render.BOX).all()
    head = head / np.median(head[render.class_of(labels)["white"]])
    lesion = render.lesions(labels, render.LESIONS, np.random.default_rng(0))
    made = render.as_site(head, labels, lesion, render.FAMILIES["place"], np.random.default_rng(0))
    assert np.array_equal(made == 0, labels == 0)
    deep = np.isin(labels, render.CLASSES["deep grey"])
    white = render.class_of(labels)["white"]
    contrasts = [np.median(image[deep]) / np.median(image[white]) for image in (head, made)]
    assert contrasts[1] < contrasts[0] - 0.05
    shown = render.as_reference(head, lesion)
    core = lesion == 1
    assert shown[core] == pytest.approx(head[core] * (1 - render.LESION_DEPTH["R"]))
