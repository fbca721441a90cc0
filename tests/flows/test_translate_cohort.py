"""The cohort of a training: odd cases, subjects of several visits, and sites that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import nibabel
import numpy as np
import pandas as pd
import pytest
from normalised_heads import TINY, edit, make_heads

from harmonize_kit.config.translate import DifferencesConfig
from harmonize_kit.errors import DesignError, NothingSucceededError, TableError
from harmonize_kit.flows.translate_alike import (
    compared_columns,
    differences_as_drawn,
    differences_as_they_are,
    require_alike,
)
from harmonize_kit.flows.translate_cohort import (
    TranslationCohort,
    read_translation_cohort,
    training_cases,
)
from harmonize_kit.flows.translate_fit import fit_baseline
from harmonize_kit.flows.translate_slices import Sliced, cut_slices
from harmonize_kit.translation.matching import match


def cohort_of(table: Path, covariates: Sequence[str] = ()) -> TranslationCohort:
    return training_cases(read_translation_cohort(table, site="scanner"), covariates)


def cut(table: Path, into: Path) -> Sliced:
    into.mkdir()
    return cut_slices(cohort_of(table), into, "key", 4, 16, lambda *_: None)


def shrink_brain(path: Path, voxels: int) -> None:
    """Leave so many voxels of a brain mask."""
    image = nibabel.load(path)
    brain = np.asarray(image.dataobj)
    left = np.zeros(brain.size, dtype=np.uint8)
    left[np.flatnonzero(brain)[:voxels]] = 1
    nibabel.save(nibabel.Nifti1Image(left.reshape(brain.shape), image.affine), path)


def test_a_case_with_a_crumb_of_a_brain_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABAB")
    shrink_brain(tmp_path / "in" / "3_brain.nii.gz", 6)
    sliced = cut(table, tmp_path / "model")
    assert [(one.id, one.stage, one.code) for one in sliced.unread] == [
        ("003", "mask", "TOO_SMALL")
    ]
    assert "the cohort's median, got one of" in sliced.unread[0].message
    assert list(pd.read_csv(tmp_path / "model" / "failures.csv", dtype=str)["id"]) == ["003"]
    assert [case.id for case in sliced.store.cases] == ["000", "001", "002", "004", "005"]
    match(sliced.store, "A", 0.5, 0)
    # A site of nothing else cannot be trained on.
    for number in (1, 5):
        shrink_brain(tmp_path / "in" / f"{number}_brain.nii.gz", 6)
    with pytest.raises(NothingSucceededError, match=r"site 'B' .*failed with TOO_SMALL"):
        cut(table, tmp_path / "second")


def test_a_case_on_a_much_larger_grid_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABAB")
    assert not any("padded" in note for note in cut(table, tmp_path / "first").notes)
    for name in ("3_t1", "3_brain"):
        path = tmp_path / "in" / f"{name}.nii.gz"
        image = nibabel.load(path)
        wide = np.pad(np.asarray(image.dataobj), ((40, 40), (0, 0), (40, 40)))
        nibabel.save(nibabel.Nifti1Image(wide, image.affine), path)
    sliced = cut(table, tmp_path / "second")
    assert sliced.unread == ()
    assert sliced.store.images.shape[-2:] == (100, 96)
    (note,) = (note for note in sliced.notes if "padded" in note)
    assert note.startswith("slices of all cases are padded to 100 x 96 voxels, since case 003 has")
    assert "where most need 18 x 16" in note
    numbers = [len(own.numbers) for own in match(sliced.store, "A", 0.5, 0).slices.values()]
    assert numbers == [5, 5, 5, 5]


def test_nobody_is_trained_on_and_judged(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABAB")
    edit(table, split=["train", "train", "Train", "train", "test", "validation"])
    assert any("could not be proved: the table has no column" in n for n in cohort_of(table).notes)
    edit(table, Subject=["a", "b", "c", "d", "e", "f"])
    assert not any("proved" in note for note in cohort_of(table).notes)
    # Visits of one subject may well be of several sites, as long as all are for training.
    edit(table, Subject=["a", "a", "c", "c", "e", "e"])
    cohort_of(table)
    edit(table, Subject=["a", "b", "c", "d", "c", "a"])
    with pytest.raises(TableError, match="who was trained on cannot be judged") as caught:
        cohort_of(table)
    assert caught.value.problems == (
        "cohort.csv: subject 'a' is to be trained on (case '000') and is 'validation' as well "
        "(case '005')",
        "cohort.csv: subject 'c' is to be trained on (case '002') and is 'test' as well (case "
        "'004')",
    )
    # What is not said is not taken for one and the same subject.
    edit(table, Subject=["", "b", "c", "d", "n/a", "f"])
    assert any("2 cases name no subject in 'Subject', the first '000'" in n
               for n in cohort_of(table).notes)  # fmt: skip
    edit(
        table,
        Subject=None,
        id=[f"sub-{n}_ses-{s}" for n, s in ("11", "21", "31", "12", "41", "51")],
    )
    cohort_of(table)
    edit(table, split=["train", "train", "train", "test", "test", "test"])
    with pytest.raises(TableError, match=r"subject 'sub-1' is .*\(case 'sub-1_ses-2'\)"):
        cohort_of(table)
    edit(table, split=None)
    assert cohort_of(table).notes == ()


def test_sites_are_compared_in_age_and_sex_unless_other_columns_are_named(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "ABABAB")
    assert compared_columns(cohort_of(table), None, ()) == (("age", "sex"), ())
    assert compared_columns(cohort_of(table), None, ("age",)) == (("sex",), ())
    assert compared_columns(cohort_of(table), [], ()) == ((), ())
    assert compared_columns(cohort_of(table), ["SEX", "sex"], ("sex",)) == (("sex",), ())
    with pytest.raises(TableError, match="no column 'weight'"):
        compared_columns(cohort_of(table), ["weight"], ())
    edit(table, age=None, sex=None, Gender=list("ffmmff"), Age_at_scan=["40", "", "41"] * 2)
    found, (note,) = compared_columns(cohort_of(table), None, ())
    assert found == ("Gender",)
    assert "not compared in age ('Age_at_scan' is missing for 2 of 6 cases);" in note
    edit(table, Gender=None, Age_at_scan=["40Y"] * 6)
    found, (note,) = compared_columns(cohort_of(table), None, ())
    assert found == ()
    assert "in age ('Age_at_scan' holds text) and sex (no column 'sex');" in note
    assert "name columns to compare by --alike" in note


def test_training_is_refused_where_ages_differ_though_nobody_asked(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra: image)")
    from harmonize_kit.flows.translate import TrainOptions, train_translator

    def train(into: str, **more: Any) -> tuple[str, ...]:
        options = TrainOptions(site="scanner", reference="A", device="cpu", **more)
        return train_translator(table, tmp_path / into, options, str(config)).notes

    import json

    config = tmp_path / "config.json"
    training = {**TINY["training"], "phases": [{"steps": 1}]}
    config.write_text(json.dumps({**TINY, "training": training}))
    table = make_heads(tmp_path / "in", "ABAB")
    edit(table, age=["40", "60", "42", "62"], weight=["50", "80", "50", "80"])
    with pytest.raises(DesignError, match=r"age: mean 61 at site 'B' and 41 at 'A', 20 standard"):
        train("model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(DesignError, match="weight: mean 80") as caught:
        train("model", alike=("Weight",))
    assert "age" not in str(caught.value)
    edit(table, sex=None)
    notes = train("model", despite_differences=True)
    assert any(note.startswith("sites differ in age") for note in notes)
    assert any("sites were not compared in sex (no column" in note for note in notes)


def test_lesions_far_apart_in_size_are_beyond_the_bounds(tmp_path: Path) -> None:
    table = make_heads(tmp_path / "in", "AABB", lesioned=(0, 1, 2, 3))
    for number in (2, 3):
        path = tmp_path / "in" / f"{number}_lesion.nii.gz"
        shrink_brain(path, 3)
    matching = match(cut(table, tmp_path / "model").store, "A", 0.5, 0)
    found = differences_as_drawn(matching)
    (told,) = require_alike(found, DifferencesConfig(), despite=True)
    assert told.startswith("lesion load of cases with one: typically")
    assert "6-fold apart (at most 2)" in told
    assert require_alike(found, DifferencesConfig(lesion_load=6.01), despite=False) == []
    none = differences_as_they_are(cohort_of(table, ["age"]), ["age"], "A")
    assert require_alike(none, DifferencesConfig(), despite=False) == []


def test_a_fit_tells_how_sites_differ_though_nobody_asked(tmp_path: Path) -> None:
    table = edit(make_heads(tmp_path / "in", "ABAB"), age=["40", "60", "42", "62"])
    curve, zscore = (
        fit_baseline(table, tmp_path / method, method=method, site="scanner", reference="A")
        for method in get_args(Literal["curve", "zscore"])
    )
    assert list(curve.notes) == [
        "sites differ in age: mean 61 at site 'B' and 41 at 'A', 20 standard deviations apart (at "
        "most 0.5)"
    ]
    assert zscore.notes == ()
