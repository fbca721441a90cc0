from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from tissues import T2, tissue_volume

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import GeometryError, PreprocessingError
from harmonize_kit.preprocess.intensity import normalize_intensity
from harmonize_kit.preprocess.intensity_fit import FittedIntensity, fit_intensities, summarize
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.tissue_classes import tissue_classes

OWN = ["z-score", "percentile", "white-stripe", "kde-peak", "fuzzy-c-means"]
LEARNED = ["nyul", "histogram-matching"]


def make_config(default: Any = "z-score", **modalities: Any) -> IntensityConfig:
    return IntensityConfig.model_validate({"default": default, "modalities": modalities})


def case() -> Scans:
    t1, _ = tissue_volume()
    t2, _ = tissue_volume(T2)
    labels = np.zeros(t1.array.shape, dtype=np.int16)
    labels[10:14, 10:14, 10:14] = 4
    return Scans({"t1": t1, "t2": t2}, Volume(labels, t1.geometry), "t1")


def learn(config: IntensityConfig) -> FittedIntensity:
    training = [
        {"t1": tissue_volume(gain=g, gamma=e)[0], "t2": tissue_volume(T2, g, e)[0]}
        for g, e in ((1.0, 1.0), (0.6, 0.9), (1.7, 1.2))
    ]
    names = training[0]
    return fit_intensities(
        {name: [summarize(each[name], config, name) for each in training] for name in names}, config
    )


def run(scans: Scans, method: Any) -> Staged:
    config = make_config(method)
    return normalize_intensity(scans, config, learn(config) if method in LEARNED else None)


def masked(volume: Volume) -> NDArray[np.float64]:
    assert volume.mask is not None
    return volume.array[volume.mask != 0].astype(np.float64)


@pytest.mark.parametrize("method", [*OWN, *LEARNED])
def test_background_is_zero_and_all_but_intensities_stays(method: str) -> None:
    before = case()
    copies = {name: volume.array.copy() for name, volume in before.images.items()}
    staged = run(before, method)
    assert staged.scans.labels is before.labels
    assert staged.scans.drawn_on == "t1"
    for name, volume in staged.scans.images.items():
        source = before.images[name]
        assert volume.array.dtype == np.float32
        assert volume.geometry == source.geometry
        assert volume.mask is source.mask
        assert volume.mask is not None
        assert not volume.array[volume.mask == 0].any()
        assert np.isfinite(volume.array).all()
        assert np.corrcoef(masked(volume), masked(source))[0, 1] > 0.9
        assert staged.decided[name]["method"] == method
        assert staged.decided[name]["voxels"] == (volume.mask > 0).sum()
        np.testing.assert_array_equal(source.array, copies[name])


@pytest.mark.parametrize("method", [*OWN, *LEARNED])
def test_intensities_outside_the_mask_play_no_part(method: str) -> None:
    before = case()
    volume = before.images["t1"]
    assert volume.mask is not None
    noise = np.random.default_rng(0).normal(0, 1e4, volume.array.shape)
    noise[0, 0, 0] = np.nan
    other = volume.with_array(np.where(volume.mask > 0, volume.array, noise).astype(np.float32))
    changed = replace(before, images={**before.images, "t1": other})
    first, second = run(before, method), run(changed, method)
    for name in ("t1", "t2"):
        np.testing.assert_array_equal(
            first.scans.images[name].array, second.scans.images[name].array
        )
    assert first.decided == second.decided


def test_brain_that_becomes_zero_or_less_stays_brain() -> None:
    made = run(case(), "z-score").scans.images["t1"]
    assert made.mask is not None
    assert np.mean(masked(made) <= 0) > 0.4
    twice = run(Scans({"t1": made}), "z-score").scans.images["t1"]
    np.testing.assert_allclose(twice.array, made.array, atol=1e-6)


def test_a_modality_may_have_its_own_method() -> None:
    scans = replace(case(), images={**case().images, "CT": case().images["t1"]})
    staged = normalize_intensity(scans, make_config(t2="percentile", ct="none"))
    assert [staged.decided[name]["method"] for name in ("t1", "t2", "CT")] == [
        "z-score", "percentile", "none",
    ]  # fmt: skip
    assert staged.scans.images["CT"] is scans.images["CT"]


def test_percentile_counts_what_it_cuts() -> None:
    scans = case()
    values = masked(scans.images["t1"])
    low, high = np.percentile(values, (2, 90))
    options = {"method": "percentile", "low": 2, "high": 90, "to": (-1.0, 1.0)}
    cut = run(scans, options)
    found = cut.decided["t1"]
    assert (found["below"], found["above"]) == ((values < low).sum(), (values > high).sum())
    expected = np.clip(-1 + 2 * (values - low) / (high - low), -1, 1)
    np.testing.assert_allclose(masked(cut.scans.images["t1"]), expected, atol=1e-6)
    whole = masked(run(scans, options | {"clip": False}).scans.images["t1"])
    assert whole.max() > 1
    np.testing.assert_allclose(np.percentile(whole, (2, 90)), (-1, 1), atol=1e-6)


def test_window_is_of_the_whole_image_unless_told_otherwise() -> None:
    scans = case()
    volume = scans.images["t1"]
    assert volume.mask is not None
    whole = run(scans, {"method": "window", "low": 500, "high": 1500})
    np.testing.assert_array_equal(
        whole.scans.images["t1"].array, np.clip(volume.array, 500, 1500).astype(np.float32)
    )
    options = {"method": "window", "low": 500, "high": 1500, "to": (0, 1), "foreground": "mask"}
    within = run(scans, options).scans.images["t1"]
    assert not within.array[volume.mask == 0].any()
    assert within.array.max() == 1


def test_eps_is_added_to_the_standard_deviation() -> None:
    scans = case()
    values = masked(scans.images["t1"])
    got = masked(run(scans, {"method": "z-score", "eps": 100.0}).scans.images["t1"])
    np.testing.assert_allclose(got, (values - values.mean()) / (values.std() + 100), atol=1e-6)


def test_without_a_mask_nothing_is_guessed_unless_it_is_asked_for() -> None:
    volume = case().images["t1"]
    assert volume.mask is not None
    stripped = replace(volume, array=volume.array * (volume.mask > 0), mask=None)
    with pytest.raises(PreprocessingError, match=r"modality 't1'.*mask.*stage 'strip'"):
        run(Scans({"t1": stripped}), "z-score")
    staged = run(Scans({"t1": stripped}), {"method": "z-score", "foreground": "nonzero"})
    made = staged.scans.images["t1"]
    assert made.mask is not None
    np.testing.assert_array_equal(made.mask != 0, stripped.array != 0)
    assert staged.decided["t1"]["foreground"] == "nonzero"
    assert "carries no mask" in staged.notes[0]
    with_mask = run(Scans({"t1": volume}), {"method": "z-score", "foreground": "nonzero"})
    assert with_mask.decided["t1"]["foreground"] == "mask"
    assert not with_mask.notes


def broken(volume: Volume, how: str) -> Volume:
    array, mask = volume.array.copy(), volume.mask
    assert mask is not None
    if how == "constant":
        array[mask > 0] = 7
    elif how == "nan":
        array[14, 14, 14] = np.nan
    elif how == "infinite":
        array[14, 14, 14] = np.inf
    else:
        mask = np.zeros_like(mask)
    return Volume(array, volume.geometry, mask)


@pytest.mark.parametrize("method", [*OWN, *LEARNED])
@pytest.mark.parametrize("how", ["constant", "nan", "infinite", "empty"])
def test_what_has_no_scale_is_refused_by_name(method: str, how: str) -> None:
    scans = Scans({"t2": broken(case().images["t2"], how)})
    with pytest.raises(PreprocessingError, match="modality 't2'"):
        run(scans, method)


def test_division_refuses_a_scale_that_does_not_start_at_zero() -> None:
    shifted = run(case(), "z-score").scans.images["t1"]
    options = {"contrast": "t1", "tissue": "csf"}
    for method in ({"method": "kde-peak", "peak": "first"}, {"method": "fuzzy-c-means", **options}):
        with pytest.raises(PreprocessingError, match="shifted before"):
            run(Scans({"t1": shifted}), method)


def test_tissues_may_be_found_on_another_modality() -> None:
    scans = case()
    method = {"method": "fuzzy-c-means", "classes_from": "t1"}
    staged = run(scans, method)
    wm = tissue_classes(scans.images["t1"]).hard() == 3
    assert staged.scans.images["t2"].array[wm].mean() == pytest.approx(1, rel=1e-6)
    assert staged.decided["t2"]["tissue_voxels"] == wm.sum()
    t2 = scans.images["t2"]
    moved = replace(t2, geometry=replace(t2.geometry, origin=(0.0, 0.0, 0.0)))
    with pytest.raises(GeometryError, match="same grid"):
        run(replace(scans, images={**scans.images, "t2": moved}), method)
    with pytest.raises(PreprocessingError, match="none of the images"):
        run(Scans({"t2": t2}), method)


def test_one_peak_is_noted() -> None:
    values = np.random.default_rng(0).normal(100, 10, (20, 20, 20))
    volume = Volume(values, Geometry((20, 20, 20)), np.ones((20, 20, 20), np.uint8))
    staged = run(Scans({"t1": volume}), "white-stripe")
    assert "correct the bias field" in staged.notes[0]
    assert not run(case(), "white-stripe").notes


def test_integers_make_no_comb_of_peaks() -> None:
    volume, _ = tissue_volume(gain=0.03)
    assert volume.mask is not None
    rounded = Volume(np.rint(volume.array).astype(np.int16), volume.geometry, volume.mask)
    staged = run(Scans({"t1": rounded}), "kde-peak")
    assert staged.decided["t1"]["peaks"] <= 3
    assert staged.decided["t1"]["peak"] == pytest.approx(48, abs=1.0)


def test_a_contrast_that_no_name_tells_must_be_stated() -> None:
    volume = case().images["t1"]
    for method in ("white-stripe", "kde-peak", "fuzzy-c-means"):
        with pytest.raises(PreprocessingError, match="contrast"):
            run(Scans({"scout": volume}), method)
        stated = run(Scans({"scout": volume}), {"method": method, "contrast": "t1"})
        named = run(Scans({"T1": volume}), method)
        np.testing.assert_array_equal(
            stated.scans.images["scout"].array, named.scans.images["T1"].array
        )
        assert (
            make_config(method)
            .problems(["scout", "t1"])[0]
            .startswith("normalize, modality 'scout'")
        )
        assert not make_config(method).problems(["T1", "t2", "flair"])
    assert make_config("fuzzy-c-means").problems(["pd"])
    from_t1 = make_config({"method": "fuzzy-c-means", "classes_from": "t1"})
    assert not from_t1.problems(["t1", "pd"])
    assert "none of the modalities" in from_t1.problems(["pd"])[0]


@pytest.mark.parametrize(
    "written",
    [
        {"default": "zscore"},
        {"default": {"method": "z-score", "low": 2}},
        {"default": {"method": "percentile", "low": 99}},
        {"default": {"method": "percentile", "to": (1, 0)}},
        {"default": {"method": "window", "low": 40, "high": -160}},
        {"default": {"method": "nyul", "percentiles": (1, 50, 50)}},
        {"default": {"method": "nyul", "percentiles": (50,)}},
        {"default": {"method": "white-stripe", "width": 0}},
        {"default": {"method": "z-score", "eps": float("nan")}},
        {"modalities": {"t1": "none", "T1": "z-score"}},
        {"methods": "none"},
    ],
)
def test_configurations_that_mean_nothing_are_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IntensityConfig.model_validate(written)


def test_a_configuration_survives_its_own_json() -> None:
    config = make_config("nyul", ct={"method": "window", "to": (0, 1)}, t1="white-stripe")
    assert IntensityConfig.model_validate_json(config.model_dump_json()) == config
