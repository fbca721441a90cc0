from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from conftest import make_volume

import harmonize_kit as hk
from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import ConfigError, NothingSucceededError, TableError
from harmonize_kit.flows.extract import extract_to_folder
from harmonize_kit.storage.images import write_image, write_mask
from harmonize_kit.storage.itk import to_itk

SERIAL = ExecutionConfig(workers=1)
SMALL = {"featureClass": {"firstorder": ["Mean", "Entropy"], "shape": ["MeshVolume"]}}


@pytest.fixture
def params(tmp_path: Path) -> str:
    path = tmp_path / "params.yaml"
    path.write_text("featureClass:\n  firstorder: [Mean, Entropy]\n  shape: [MeshVolume]\n")
    return str(path)


def rewrite(cohort: Path, **cells: str | list[str]) -> pd.DataFrame:
    frame = pd.read_csv(cohort, dtype=str)
    for name, value in cells.items():
        frame[name] = value
    frame.to_csv(cohort, index=False)
    return frame


def events(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "journal.jsonl").read_text().splitlines()
    return [(line["id"], line["event"]) for line in map(json.loads, lines)]


def test_a_folder_holds_the_product_and_its_record(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    run = extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    assert (run.computed, run.reused, len(run.failures)) == (4, 0, 0)
    table = pd.read_csv(tmp_path / "out" / "features.csv", dtype={"id": str}, index_col="id")
    assert list(table.columns)[:3] == ["site", "warning", "original_shape_MeshVolume"]
    assert len(table.columns) == 5
    assert list(table.index) == ["000", "001", "002", "003"]
    columnar = pd.read_parquet(tmp_path / "out" / "features.parquet")
    np.testing.assert_array_equal(
        columnar["original_firstorder_Mean"], table["original_firstorder_Mean"]
    )
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["counts"]["computed"] == 4
    assert record["inputs"]["cohort.csv"]
    assert (tmp_path / "out" / "failures.csv").read_text() == "id,stage,code,message\n"
    assert events(tmp_path / "out") == [(f"00{n}", "done") for n in range(4)]
    assert len(list((tmp_path / "out" / "cases").iterdir())) == 4


def test_nothing_is_measured_twice_and_every_change_is_measured(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    out = tmp_path / "out"
    extract_to_folder(cohort_path, out, params, SERIAL)
    first = (out / "features.csv").read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in (out / "cases").iterdir()}

    again = extract_to_folder(cohort_path, out, params, SERIAL)
    assert (again.computed, again.reused) == (0, 4)
    assert (out / "features.csv").read_bytes() == first
    assert len(events(out)) == 4
    assert {path: path.stat().st_mtime_ns for path in (out / "cases").iterdir()} == stamps

    write_image(make_volume(77), tmp_path / "2_image.nrrd")
    changed = extract_to_folder(cohort_path, out, params, SERIAL)
    assert (changed.computed, changed.reused) == (1, 3)
    assert events(out)[-1] == ("002", "done")

    frame = pd.read_csv(cohort_path, dtype=str)
    new = frame.iloc[[0]].assign(id="new")
    pd.concat([new, frame]).to_csv(cohort_path, index=False)
    inserted = extract_to_folder(cohort_path, out, params, SERIAL)
    assert (inserted.computed, inserted.reused) == (1, 4)
    assert inserted.table is not None
    assert inserted.table.ids == ["new", "000", "001", "002", "003"]

    Path(params).write_text("featureClass:\n  firstorder: [Mean]\n")
    other = extract_to_folder(cohort_path, out, params, SERIAL)
    assert other.table is not None
    assert (other.computed, other.table.names) == (5, ["original_firstorder_Mean"])
    forced = extract_to_folder(cohort_path, out, params, SERIAL, force=True)
    assert forced.computed == 5


def test_workers_do_not_change_a_byte(cohort_path: Path, tmp_path: Path, params: str) -> None:
    rewrite(cohort_path, Label=["1", "2", "1", "2"])
    for workers in (1, 2):
        extract_to_folder(
            cohort_path, tmp_path / str(workers), params, ExecutionConfig(workers=workers)
        )
    for name in ("features.csv", "features.json", "failures.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_failed_case_is_a_row_with_its_reason_and_the_others_go_on(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    content = (tmp_path / "1_image.nrrd").read_bytes()
    (tmp_path / "1_image.nrrd").write_bytes(b"not an image")
    (tmp_path / "2_mask.nrrd").unlink()
    run = extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    failures = pd.read_csv(tmp_path / "out" / "failures.csv", dtype=str)
    assert failures[["id", "stage", "code"]].to_numpy().tolist() == [
        ["001", "read", "NOT_AN_IMAGE"],
        ["002", "read", "MISSING_FILE"],
    ]
    assert run.table is not None
    assert run.table.ids == ["000", "003"]
    (tmp_path / "1_image.nrrd").write_bytes(content)
    mended = extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    assert (mended.computed, mended.reused, len(mended.failures)) == (1, 2, 1)


def test_when_nothing_succeeds_there_is_no_table(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    rewrite(cohort_path, Label="9")
    with pytest.raises(NothingSucceededError, match="LABEL_MISSING"):
        extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    assert not (tmp_path / "out" / "features.csv").exists()
    assert len(pd.read_csv(tmp_path / "out" / "failures.csv")) == 4


def test_stopping_at_the_first_error_leaves_no_table(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    (tmp_path / "1_image.nrrd").write_bytes(b"not an image")
    config = ExecutionConfig(workers=1, on_error="stop")
    extract_to_folder(cohort_path, tmp_path / "out", params, config)
    assert not (tmp_path / "out" / "features.csv").exists()
    assert pd.read_csv(tmp_path / "out" / "failures.csv")["code"].tolist() == ["NOT_AN_IMAGE"]
    assert [event for _, event in events(tmp_path / "out")] == ["done", "failed"]


def test_bad_input_starts_nothing(cohort_path: Path, tmp_path: Path, params: str) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'mr-default'"):
        extract_to_folder(cohort_path, tmp_path / "out", "mr-defualt", SERIAL)
    rewrite(cohort_path, id="same")
    with pytest.raises(TableError, match="unique"):
        extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    assert not (tmp_path / "out").exists()


def test_all_labels_of_a_mask_become_rows(cohort_path: Path, tmp_path: Path) -> None:
    rewrite(cohort_path, Label=["all", "1", "2;1", "2"])
    table = hk.extract(hk.read_cohort(cohort_path), SMALL, workers=1)
    assert table.ids == [
        "000_label-1", "000_label-2", "001_label-1", "002_label-2", "002_label-1", "003_label-2",
    ]  # fmt: skip
    assert table.covariates["case_id"].tolist()[:2] == ["000", "000"]
    assert table.covariates["Label"].tolist() == ["1", "2", "1", "2", "1", "2"]


def test_modalities_prefix_their_features(tmp_path: Path) -> None:
    case = make_volume(1)
    write_image(case, tmp_path / "t1.nrrd")
    write_image(make_volume(2), tmp_path / "flair.nrrd")
    write_mask(case, tmp_path / "m.nrrd")
    path = tmp_path / "c.csv"
    path.write_text("id,Image_t1,Image_flair,Mask\na,t1.nrrd,flair.nrrd,m.nrrd\n")
    table = hk.extract(path, SMALL, workers=1)
    assert {name.split("_")[0] for name in table.names} == {"t1", "flair"}
    assert len(table.names) == 6


def test_in_memory_equals_on_disk(cohort_path: Path, tmp_path: Path) -> None:
    run = extract_to_folder(cohort_path, tmp_path / "out", execution=SERIAL)
    table = hk.extract(cohort_path, workers=1)
    assert run.table is not None
    pd.testing.assert_frame_equal(table.features, run.table.features)
    read = hk.read_feature_table(tmp_path / "out" / "features.csv")
    np.testing.assert_array_equal(read.values, table.values)


def test_a_folder_that_cannot_be_written_is_told(cohort_path: Path, params: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        extract_to_folder(cohort_path, Path("/proc/here"), params, SERIAL)


def test_ids_do_not_depend_on_which_cases_succeed(cohort_path: Path, tmp_path: Path) -> None:
    rewrite(cohort_path, Label=["1", "1;2", "1", "1"])
    (tmp_path / "1_mask.nrrd").unlink()
    table = hk.extract(cohort_path, SMALL, workers=1)
    assert table.ids == ["000_label-1", "002_label-1", "003_label-1"]


def test_a_table_of_an_earlier_run_does_not_outlive_it(
    cohort_path: Path, tmp_path: Path, params: str
) -> None:
    extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    rewrite(cohort_path, Label="9")
    with pytest.raises(NothingSucceededError):
        extract_to_folder(cohort_path, tmp_path / "out", params, SERIAL)
    assert not list((tmp_path / "out").glob("features.*"))


def test_a_changed_data_file_behind_a_header_is_measured(tmp_path: Path, params: str) -> None:
    case = make_volume(0)
    sitk.WriteImage(to_itk(case), str(tmp_path / "i.mhd"))
    write_mask(case, tmp_path / "m.nrrd")
    (tmp_path / "c.csv").write_text("id,Image,Mask\na,i.mhd,m.nrrd\n")
    first = extract_to_folder(tmp_path / "c.csv", tmp_path / "out", params, SERIAL)
    header = (tmp_path / "i.mhd").read_bytes()
    sitk.WriteImage(to_itk(case.with_array(case.array + 1000)), str(tmp_path / "i.mhd"))
    assert (tmp_path / "i.mhd").read_bytes() == header
    second = extract_to_folder(tmp_path / "c.csv", tmp_path / "out", params, SERIAL)
    assert (first.computed, second.computed) == (1, 1)


def test_columns_that_are_made_here_must_not_be_there(cohort_path: Path, tmp_path: Path) -> None:
    rewrite(cohort_path, warning="mine")
    with pytest.raises(TableError, match="'warning' is made here"):
        extract_to_folder(cohort_path, tmp_path / "out", execution=SERIAL)
