"""extract --voxel: maps on disk, listed, kept, and made anew where one is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_volume

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.extraction import ExtractionConfig
from harmonize_kit.features import FeatureExtractor
from harmonize_kit.flows.extract import extract_to_folder
from harmonize_kit.storage.images import read_image, write_image, write_mask

PARAMS = """
featureClass: {firstorder: [Mean, Entropy], shape: }
setting: {binWidth: 20}
voxelSetting: {kernelRadius: 1, initValue: -1}
"""
SERIAL = ExecutionConfig(workers=1)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    case = make_volume(0, 14)
    write_image(case, tmp_path / "i.nrrd")
    write_mask(case, tmp_path / "m.nrrd")
    (tmp_path / "p.yaml").write_text(PARAMS)
    path = tmp_path / "cohort.csv"
    path.write_text("id,Image,Mask,Label,site\n007,i.nrrd,m.nrrd,1;2,A\n../x,i.nrrd,m.nrrd,2,B\n")
    return path


def run(cohort: Path, output: Path, engine: str = "auto") -> pd.DataFrame:
    done = extract_to_folder(
        cohort, output, str(cohort.with_name("p.yaml")), SERIAL, voxel=True, engine=engine  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    assert done.table is None
    assert done.maps is not None
    return done.maps


def test_maps_are_listed_and_hold_what_pyradiomics_makes(cohort: Path, tmp_path: Path) -> None:
    listed = run(cohort, tmp_path / "out")
    assert list(listed["id"]) == ["007_label-1", "007_label-2", "../x_label-2"]
    features = ["original_firstorder_Mean", "original_firstorder_Entropy"]
    assert list(listed.columns) == ["id", "site", "case_id", "Label", "warning", *features]
    kept = pd.read_csv(tmp_path / "out" / "maps.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(kept, listed, check_dtype=False)
    assert not (tmp_path / "out" / "features.csv").exists()

    plain = FeatureExtractor(
        ExtractionConfig(
            featureClass={"firstorder": ["Mean", "Entropy"]}, setting={"binWidth": 20},
            voxelSetting={"kernelRadius": 1, "initValue": -1},
        ),
        "pyradiomics",
    )  # fmt: skip
    expected = plain.maps(make_volume(0, 14), 2)
    for row in listed.to_dict("records")[1:]:
        path = (tmp_path / "out" / row["original_firstorder_Mean"]).resolve()
        assert path.is_relative_to(tmp_path / "out" / "maps")
        found = read_image(path)
        np.testing.assert_array_equal(found.array, expected["original_firstorder_Mean"].array)
        assert found.geometry.difference(expected["original_firstorder_Mean"].geometry) is None


def test_maps_are_kept_and_a_lost_one_is_made_anew(cohort: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run(cohort, output)
    lost = output / str(first["original_firstorder_Mean"][0])
    stamp = {path: path.stat().st_mtime_ns for path in output.glob("maps/*/*")}
    lost.unlink()
    again = extract_to_folder(cohort, output, str(cohort.with_name("p.yaml")), SERIAL, voxel=True)
    assert (again.computed, again.reused) == (1, 1)
    assert lost.exists()
    other = output / str(first["original_firstorder_Mean"][2])
    assert other.stat().st_mtime_ns == stamp[other]


def test_the_engine_is_part_of_what_made_a_result(cohort: Path, tmp_path: Path) -> None:
    params, output = str(cohort.with_name("p.yaml")), tmp_path / "out"
    native = extract_to_folder(cohort, output, params, SERIAL)
    plain = extract_to_folder(cohort, output, params, SERIAL, engine="pyradiomics")
    assert (native.computed, plain.computed, plain.reused) == (2, 2, 0)
    assert native.table is not None
    assert plain.table is not None
    pd.testing.assert_frame_equal(native.table.features, plain.table.features, check_exact=True)
