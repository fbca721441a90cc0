from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tissues import tissue_volume

from harmonize_kit.config.intensity import IntensityConfig
from harmonize_kit.errors import IntegrityError, PreprocessingError, TableError
from harmonize_kit.preprocess.intensity import normalize_intensity
from harmonize_kit.preprocess.intensity_fit import (
    KIND,
    FittedIntensity,
    fit_intensities,
    from_document,
    summarize,
    to_document,
)
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.storage.models import load_model, save_model

CONFIG = IntensityConfig.model_validate(
    {"default": "z-score", "modalities": {"t1": "nyul", "flair": "histogram-matching"}}
)


def learn(n: int = 3, config: IntensityConfig = CONFIG) -> FittedIntensity:
    cases = [tissue_volume(gain=1 + 0.2 * i, gamma=1 + 0.1 * i, size=16)[0] for i in range(n)]
    names = ("t1", "flair", "t2")
    return fit_intensities({m: [summarize(c, config, m) for c in cases] for m in names}, config)


def test_only_methods_that_learn_learn() -> None:
    fitted = learn()
    assert set(fitted.landmarks) == {"t1", "flair"}
    assert fitted.counts == {"t1": 3, "flair": 3}
    assert CONFIG.to_fit(["t1", "t2", "FLAIR"]) == ("t1", "FLAIR")
    volume, _ = tissue_volume(size=16)
    assert summarize(volume, CONFIG, "t2") == []
    assert all(type(value) is float for value in summarize(volume, CONFIG, "t1"))


def test_a_saved_fit_is_the_fit(tmp_path: Path) -> None:
    fitted = learn()
    document, arrays = to_document(fitted)
    save_model(tmp_path / "model", KIND, document, arrays, {})
    stored = load_model(tmp_path / "model")
    again = from_document(stored.document, stored.arrays)
    assert again.digest == fitted.digest
    assert again.config == fitted.config
    assert again.counts == fitted.counts
    volume, _ = tissue_volume(gain=2.0, size=16)
    scans = Scans({"t1": volume, "flair": volume, "t2": volume})
    first, second = (normalize_intensity(scans, CONFIG, each) for each in (fitted, again))
    for name in scans.images:
        np.testing.assert_array_equal(
            first.scans.images[name].array, second.scans.images[name].array
        )
    assert json.loads(json.dumps(dict(first.decided))) == first.decided


def test_the_digest_tells_fits_apart() -> None:
    other = IntensityConfig.model_validate({"modalities": {"t1": "nyul", "flair": "nyul"}})
    assert len({learn(3).digest, learn(4).digest, learn(3, other).digest}) == 3


def test_nothing_of_a_subject_is_kept() -> None:
    """One case alone would be its own mean."""
    with pytest.raises(TableError, match="at least 2 training cases, got 1"):
        learn(1)
    document, arrays = to_document(learn())
    assert set(document) == {"config", "modalities", "counts"}
    assert {name: array.shape for name, array in arrays.items()} == {
        "landmarks0": (257,), "landmarks1": (11,),
    }  # fmt: skip


def test_a_training_case_without_a_mask_is_named() -> None:
    volume, _ = tissue_volume(size=16)
    with pytest.raises(PreprocessingError, match="modality 't1'"):
        summarize(replace(volume, mask=None), CONFIG, "t1")


def test_what_was_not_fitted_is_not_applied() -> None:
    volume, _ = tissue_volume(size=16)
    with pytest.raises(PreprocessingError, match=r"modality 't1'.*training cases first"):
        normalize_intensity(Scans({"t1": volume}), CONFIG)
    only = IntensityConfig.model_validate({"modalities": {"t1": "nyul"}})
    fitted = learn(config=only)
    with pytest.raises(PreprocessingError, match="modality 'flair'"):
        normalize_intensity(Scans({"flair": volume}), CONFIG, fitted)
    other = {"method": "nyul", "to": (0, 1000)}
    changed = IntensityConfig.model_validate({"modalities": {"t1": other}})
    with pytest.raises(PreprocessingError, match="other options"):
        normalize_intensity(Scans({"t1": volume}), changed, fitted)


def _without(name: str) -> Any:
    def change(document: dict[str, Any], arrays: dict[str, Any]) -> None:
        (document if name in document else arrays).pop(name)

    return change


def _array(value: Any) -> Any:
    def change(document: dict[str, Any], arrays: dict[str, Any]) -> None:
        arrays["landmarks1"] = value(arrays["landmarks1"])

    return change


@pytest.mark.parametrize(
    "change",
    [
        _without("config"),
        _without("landmarks1"),
        lambda document, arrays: document.update(counts=[3]),
        lambda document, arrays: document.update(extra=1),
        lambda document, arrays: document.update(modalities=["flair", "t2"]),
        _array(lambda array: array[:-1]),
        _array(lambda array: array[::-1]),
        _array(lambda array: array * np.nan),
        _array(lambda array: array * 0),
    ],
)
def test_a_document_that_does_not_hold_together_is_refused(change: Any) -> None:
    document, arrays = to_document(learn())
    change(document, arrays)
    with pytest.raises(IntegrityError, match="model"):
        from_document(document, arrays)
