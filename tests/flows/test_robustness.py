"""A robustness study: what it writes, what it refuses, and that its numbers are what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make_volume

import harmonize_kit as hk
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.core.agreement import intraclass_correlation
from harmonize_kit.errors import NothingSucceededError, TableError
from harmonize_kit.features.perturbation import Perturbation
from harmonize_kit.flows.robustness import RobustnessRun, robustness_to_folder
from harmonize_kit.flows.robustness_table import agreement_table, grade, grade_table
from harmonize_kit.storage.images import write_image, write_mask

PARAMS = {"featureClass": {"shape": ["MeshVolume", "Sphericity"], "firstorder": None}}
FEW: dict[str, Any] = {
    "translations": [0.5], "rotations": [8], "noise": 2, "volume_changes": [-0.1, 0.1],
}  # fmt: skip
SERIAL = ExecutionConfig(workers=1)


@pytest.fixture
def params(tmp_path: Path) -> str:
    path = tmp_path / "params.json"
    path.write_text(json.dumps(PARAMS))
    return str(path)


def run(cohort: Path, folder: Path, params: str, **changes: Any) -> RobustnessRun:
    return robustness_to_folder(cohort, folder, params, {**FEW, **changes}, SERIAL)


def test_the_table_is_what_the_measurements_make(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    done = run(cohort_path, tmp_path / "out", params)
    table = pd.read_csv(tmp_path / "out" / "robustness.csv").fillna({"ibsi_code": ""})
    measured = pd.read_parquet(tmp_path / "out" / "measurements.parquet")
    assert done.table is not None
    pd.testing.assert_frame_equal(table, done.table, check_dtype=False)
    assert list(table.columns[:6]) == [
        "feature", "icc", "low", "high", "n_cases", "n_perturbations",
    ]  # fmt: skip
    assert set(table["n_cases"]) == {4}
    assert set(table["n_perturbations"]) == {6}
    assert measured["perturbation"].nunique() == 7
    name = "original_firstorder_Variance"
    pivot = measured.pivot(index="id", columns="perturbation", values=name)
    row = table[table["feature"] == name].to_dict("records")[0]
    expected = intraclass_correlation(pivot.to_numpy()[..., None])
    assert [row["icc"], row["low"], row["high"]] == pytest.approx(np.ravel(expected))
    noise = pivot[["unperturbed", "noise 1", "noise 2"]].to_numpy()
    assert row["noise_icc"] == pytest.approx(intraclass_correlation(noise[..., None]).value[0])
    assert (row["family"], row["unit"], row["ibsi_code"]) == ("firstorder", "intensity^2", "ECT3")
    plain = hk.extract(cohort_path, PARAMS, workers=1)
    alone = measured[measured["perturbation"] == "unperturbed"].set_index("id")[plain.names]
    assert np.array_equal(alone.to_numpy(), plain.values)


def test_noise_leaves_shapes_and_a_volume_answers_to_the_mask(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    run(cohort_path, tmp_path / "out", params)
    measured = pd.read_parquet(tmp_path / "out" / "measurements.parquet")
    volume = measured.pivot(index="id", columns="perturbation", values="original_shape_MeshVolume")
    assert (volume["noise 1"] == volume["unperturbed"]).all()
    ratio = volume["volume 0.1"] / volume["unperturbed"]
    assert np.allclose(ratio, 1.1, atol=0.04)
    assert np.allclose(volume["rotation 8"] / volume["unperturbed"], 1, atol=0.08)


def test_nothing_is_measured_twice_and_no_byte_depends_on_the_workers(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    first = run(cohort_path, tmp_path / "a", params)
    assert (first.computed, first.reused) == (4, 0)
    before = (tmp_path / "a" / "robustness.csv").read_bytes()
    again = run(cohort_path, tmp_path / "a", params)
    assert (again.computed, again.reused) == (0, 4)
    wider = run(cohort_path, tmp_path / "a", params, confidence=0.99)
    assert (wider.computed, wider.reused) == (0, 4)
    assert (tmp_path / "a" / "robustness.csv").read_bytes() != before
    seeded = run(cohort_path, tmp_path / "a", params, seed=1)
    assert (seeded.computed, seeded.reused) == (4, 0)
    robustness_to_folder(cohort_path, tmp_path / "b", params, FEW, ExecutionConfig(workers=2))
    for name in ("robustness.csv", "measurements.parquet"):
        run(cohort_path, tmp_path / "a", params)
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_shards_make_the_same_table(cohort_path: Path, tmp_path: Path, params: str) -> None:
    run(cohort_path, tmp_path / "a", params)
    for shard in ("1/2", "2/2"):
        execution = ExecutionConfig(workers=1, shard=shard)
        done = robustness_to_folder(cohort_path, tmp_path / "b", params, FEW, execution)
        assert (done.table is not None) == (shard == "2/2")
    same = [(tmp_path / folder / "robustness.csv").read_bytes() for folder in "ab"]
    assert same[0] == same[1]


def test_python_and_the_command_agree(cohort_path: Path, tmp_path: Path, params: str) -> None:
    done = run(cohort_path, tmp_path / "out", params)
    assert done.table is not None
    pd.testing.assert_frame_equal(hk.robustness(cohort_path, PARAMS, FEW, workers=1), done.table)


def test_one_case_is_too_few(cohort_path: Path, tmp_path: Path, params: str) -> None:
    rows = pd.read_csv(cohort_path, dtype=str)
    rows.head(1).to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(TableError, match="at least two cases, got 1"):
        run(tmp_path / "one.csv", tmp_path / "out", params)
    assert not (tmp_path / "out").exists()
    rows.loc[1, "Mask"] = "absent.nrrd"
    rows.head(2).to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(NothingSucceededError, match="1 of 2 succeeded"):
        run(tmp_path / "two.csv", tmp_path / "out", params)
    failures = pd.read_csv(tmp_path / "out" / "failures.csv", dtype=str)
    assert failures[["id", "code"]].to_numpy().tolist() == [["001", "MISSING_FILE"]]
    assert not (tmp_path / "out" / "robustness.csv").exists()


def test_a_case_fails_alone(cohort_path: Path, tmp_path: Path, params: str) -> None:
    rows = pd.read_csv(cohort_path, dtype=str)
    rows.loc[1, "Mask"] = "absent.nrrd"
    rows.to_csv(cohort_path, index=False)
    done = run(cohort_path, tmp_path / "out", params)
    assert done.table is not None
    assert set(done.table["n_cases"]) == {3}
    assert done.failures["id"].tolist() == ["001"]


def test_a_region_that_a_perturbation_wipes_out_is_left_out_and_told(tmp_path: Path) -> None:
    rows: list[dict[str, str]] = []
    for number in range(3):
        volume = make_volume(number)
        assert volume.mask is not None
        mask = volume.mask * 0
        mask[7:10, 7:10, 7:10] = 1
        if number == 2:
            mask[:] = 0
            mask[8:10, 8, 8] = mask[8, 8, 9] = 1
        write_image(volume, tmp_path / f"{number}.nrrd")
        write_mask(type(volume)(volume.array, volume.geometry, mask), tmp_path / f"{number}m.nrrd")
        rows.append({"id": f"c{number}", "Image": f"{number}.nrrd", "Mask": f"{number}m.nrrd"})
    pd.DataFrame(rows).to_csv(tmp_path / "cohort.csv", index=False)
    config = {"translations": [], "rotations": [], "noise": 2, "volume_changes": [-0.8]}
    (tmp_path / "p.json").write_text(json.dumps({"featureClass": {"firstorder": None}}))
    done = robustness_to_folder(
        tmp_path / "cohort.csv", tmp_path / "out", str(tmp_path / "p.json"), config, SERIAL
    )
    assert set(done.incomplete) == {"c2"}
    assert "volume -0.8" in done.incomplete["c2"]
    assert done.table is not None
    assert set(done.table["n_cases"]) == {2}
    assert set(done.table["noise_n_cases"]) == {3}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert set(record["counts"]["incomplete"]) == {"c2"}


def test_labels_are_judged_apart(cohort_path: Path, tmp_path: Path, params: str) -> None:
    rows = pd.read_csv(cohort_path, dtype=str).assign(Label="1;2")
    rows.to_csv(cohort_path, index=False)
    done = run(cohort_path, tmp_path / "out", params)
    assert done.table is not None
    assert set(done.table["label"]) == {1, 2}
    assert done.table.groupby("label").size().nunique() == 1
    plain = hk.robustness(cohort_path, PARAMS, FEW, workers=1)
    pd.testing.assert_frame_equal(plain, done.table)


# ---- the table alone


def results(values: np.ndarray, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Measurements of one feature ``f``: shape (n_cases, n_measurements)."""
    return {
        f"case-{row}": [
            {
                "label": 1,
                "failed": {},
                "measurements": {
                    name: {"f": None if np.isnan(value) else float(value)}
                    for name, value in zip(names, line, strict=True)
                },
            }
        ]
        for row, line in enumerate(values)
    }


NAMES = ["unperturbed", "noise 1", "volume 0.1"]
LISTED = (Perturbation("noise", 1), Perturbation("volume", 0.1))


def test_a_missing_value_takes_out_its_case_for_that_feature_only() -> None:
    values = np.random.default_rng(1).normal(size=(6, 3))
    values[2, 1] = np.nan
    found = agreement_table(results(values, NAMES), LISTED, 0.95).iloc[0]
    expected = intraclass_correlation(np.delete(values, 2, axis=0)[..., None])
    assert found["icc"] == pytest.approx(expected.value[0])
    assert (found["n_cases"], found["volume_n_cases"], found["noise_n_cases"]) == (5, 6, 5)
    by_volume = intraclass_correlation(values[:, [0, 2]][..., None])
    assert found["volume_icc"] == pytest.approx(by_volume.value[0])


def test_what_does_not_vary_or_has_one_case_is_undefined() -> None:
    constant = agreement_table(results(np.ones((4, 3)), NAMES), LISTED, 0.95).iloc[0]
    assert np.isnan(constant["icc"])
    values = np.full((4, 3), np.nan)
    values[0] = [1, 2, 3]
    single = agreement_table(results(values, NAMES), LISTED, 0.95)
    assert np.isnan(single["icc"][0])
    assert single["n_cases"][0] == 1
    counts = grade_table(single)
    assert counts["other"]["undefined"] == counts["all"]["undefined"] == 1


@pytest.mark.parametrize(
    ("low", "name"),
    [
        (0.95, "excellent"), (0.9, "good"), (0.8, "good"), (0.75, "moderate"), (0.5, "poor"),
        (-0.2, "poor"), (float("nan"), "undefined"),
    ],
)  # fmt: skip
def test_grades(low: float, name: str) -> None:
    assert grade(low) == name
