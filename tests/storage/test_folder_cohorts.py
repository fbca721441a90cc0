"""Cohorts from folders: BIDS, BraTS and DICOM, and the tables they are written as."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")

from dicom import GRID, PATIENT, save, write_series

from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import TableError
from harmonize_kit.storage.cohorts import missing_files, read_cohort
from harmonize_kit.storage.folder_cohorts import cohort_from_folder, write_cohort


def touch(root: Path, *names: str) -> None:
    """Make files that are only looked for, not into."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def refused(root: Path, *words: str, **options: object) -> None:
    with pytest.raises(TableError) as raised:
        cohort_from_folder(root, **options)  # pyright: ignore[reportArgumentType]
    for word in words:
        assert word in str(raised.value)


def brats(root: Path, patients: tuple[str, ...] = ("HGG/P1", "HGG/P2", "LGG/P3")) -> Path:
    for patient in patients:
        name = patient.split("/")[-1]
        modalities = ("flair", "seg", "t1", "t1ce", "t2")
        touch(root, *(f"{patient}/{name}_{m}.nii.gz" for m in modalities))
    return root


# ---- BraTS


def test_a_brats_folder_gives_patients_classes_modalities_and_masks(tmp_path: Path) -> None:
    found = cohort_from_folder(brats(tmp_path))
    assert found.layout == "BraTS"
    assert found.notes == ()
    assert [(c.id, c.columns["class"]) for c in found.cohort] == [
        ("P1", "HGG"), ("P2", "HGG"), ("P3", "LGG"),
    ]  # fmt: skip
    case = found.cohort.cases[2]
    assert list(case.images) == ["t1", "t1ce", "t2", "flair"]
    assert case.images["t1ce"] == str(tmp_path / "LGG/P3/P3_t1ce.nii.gz")
    assert case.mask == str(tmp_path / "LGG/P3/P3_seg.nii.gz")
    assert case.labels is None
    assert not missing_files(found.cohort)


def test_classes_are_chosen_in_any_case_and_misspelt_ones_told(tmp_path: Path) -> None:
    brats(tmp_path)
    assert [c.id for c in cohort_from_folder(tmp_path, classes=["lgg"]).cohort] == ["P3"]
    refused(tmp_path, "no class 'LGC'", "Did you mean 'LGG'?", classes=["LGC"])
    refused(tmp_path, "layout of BraTS", "belong to BIDS", entities={"run": "1"})


def test_patients_without_classes_and_the_names_of_later_years(tmp_path: Path) -> None:
    for name in ("BraTS-GLI-00000-000", "BraTS-GLI-00002-000"):
        touch(tmp_path, *(f"{name}/{name}-{m}.nii" for m in ("t1n", "t1c", "t2w", "t2f", "seg")))
    cohort = cohort_from_folder(tmp_path).cohort
    assert cohort.columns == ()
    assert list(cohort.cases[1].images) == ["t1n", "t1c", "t2w", "t2f"]


def test_what_is_missing_in_a_brats_folder_is_counted_and_twins_are_told(tmp_path: Path) -> None:
    brats(tmp_path)
    (tmp_path / "HGG/P1/P1_t2.nii.gz").unlink()
    (tmp_path / "LGG/P3/P3_seg.nii.gz").unlink()
    touch(tmp_path, "HGG/P2/P2_brainmask.nii.gz", "HGG/P2/notes.txt")
    found = cohort_from_folder(tmp_path)
    told = "\n".join(found.notes)
    assert "1 of 3 cases have no t2" in told
    assert "1 of 3 cases have no segmentation" in told
    assert "1 files of other modalities" in told
    assert found.cohort.cases[2].mask == ""
    touch(tmp_path, "HGG/P2/P2_t1.nii", "LGG/P3/P3_t1.nii")
    refused(tmp_path, "P2: two images of t1: P2_t1.nii and P2_t1.nii.gz", "2 problems in all")
    (tmp_path / "HGG/P2/P2_t1.nii").unlink()
    (tmp_path / "LGG/P3/P3_t1.nii").unlink()
    brats(tmp_path, ("LGG/P1",))
    refused(tmp_path, "ids must be unique", "'P1'")


# ---- BIDS


def bids(root: Path) -> Path:
    for subject in ("01", "02"):
        for session in ("a", "b"):
            stem = f"sub-{subject}/ses-{session}/anat/sub-{subject}_ses-{session}"
            touch(root, f"{stem}_T1w.nii.gz", f"{stem}_FLAIR.nii.gz")
    table = "participant_id\tage\tsite\tid\nsub-01\t89+\t007\tx\nsub-02\tn/a\tNA\ty\n"
    (root / "participants.tsv").write_text(table)
    return root


def test_a_bids_dataset_gives_sessions_suffixes_and_participants(tmp_path: Path) -> None:
    found = cohort_from_folder(bids(tmp_path))
    assert found.layout == "BIDS"
    assert found.notes == ()
    ids = [case.id for case in found.cohort]
    assert ids == ["sub-01_ses-a", "sub-01_ses-b", "sub-02_ses-a", "sub-02_ses-b"]
    case = found.cohort.cases[3]
    assert case.images == {
        m: str(tmp_path / f"sub-02/ses-b/anat/sub-02_ses-b_{m}.nii.gz") for m in ("FLAIR", "T1w")
    }
    # A column of the table that would be taken for the ids gets another name.
    assert case.columns == {
        "subject": "sub-02", "session": "ses-b", "age": "n/a", "site": "NA", "id_": "y",
    }  # fmt: skip


def test_sidecars_are_inherited_and_only_allowed_fields_pass(tmp_path: Path) -> None:
    bids(tmp_path)
    shared = {"MagneticFieldStrength": 3, "Manufacturer": "SIEMENS", "EchoTime": 0.002}
    (tmp_path / "T1w.json").write_text(json.dumps(shared))
    near = {"EchoTime": 0.003, "PatientName": PATIENT, "SeriesDescription": "t1 of Jane"}
    path = tmp_path / "sub-01/ses-a/anat/sub-01_ses-a_T1w.json"
    path.write_text(json.dumps(near))
    (tmp_path / "FLAIR.json").write_text(json.dumps({"EchoTime": 0.1, "Manufacturer": "SIEMENS"}))
    first, second, *_ = cohort_from_folder(tmp_path).cohort
    assert first.columns["echo_time_T1w"] == "0.003"
    assert second.columns["echo_time_T1w"] == "0.002"
    assert first.columns["echo_time_FLAIR"] == "0.1"
    assert first.columns["manufacturer"] == "Siemens"
    assert first.columns["scanner"] == "Siemens 3T"
    assert not any("jane" in value.lower() for value in first.columns.values())
    path.write_text("{")
    refused(tmp_path, "no JSON file")


def test_two_runs_are_told_and_chosen(tmp_path: Path) -> None:
    names = [f"sub-01/anat/sub-01_run-{run}_T1w.nii.gz" for run in (1, 2)]
    touch(tmp_path, *names, "sub-01/anat/sub-01_ce-gd_T1w.nii.gz", "sub-02/anat/sub-02_T1w.nii")
    refused(tmp_path, "two images of T1w", "sub-01_run-1_T1w.nii.gz and sub-01_run-2_T1w.nii.gz")
    found = cohort_from_folder(tmp_path, entities={"run": "2"})
    case = found.cohort.cases[0]
    assert case.images["T1w"].endswith("run-2_T1w.nii.gz")
    assert case.images["T1w_ce"].endswith("ce-gd_T1w.nii.gz")
    assert list(found.cohort.cases[1].images) == ["T1w"]
    assert "no participants.tsv" in "".join(found.notes)
    assert "1 of 2 cases have no T1w_ce" in found.notes


def test_masks_come_from_derivatives(tmp_path: Path) -> None:
    raw, made = tmp_path / "raw", tmp_path / "derivatives"
    touch(raw, *(f"sub-{n}/anat/sub-{n}_T1w.nii.gz" for n in ("01", "02", "03")))
    stem = "sub-01/anat/sub-01_space-orig"
    touch(made, f"{stem}_desc-lesion_mask.nii.gz", f"{stem}_desc-brain_mask.nii.gz")
    touch(made, "sub-02/anat/sub-02_desc-lesion_mask.nii.gz")
    refused(raw, "sub-01: 2 masks", "narrower pattern", derivatives=made)
    found = cohort_from_folder(raw, derivatives=made, mask="*_desc-lesion_mask.nii*")
    assert [Path(c.mask).name for c in found.cohort] == [
        "sub-01_space-orig_desc-lesion_mask.nii.gz", "sub-02_desc-lesion_mask.nii.gz", "",
    ]  # fmt: skip
    assert "1 of 3 cases have no mask" in "".join(found.notes)


def test_participants_that_do_not_fit_are_told(tmp_path: Path) -> None:
    bids(tmp_path)
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tage\n02\t30\n")
    found = cohort_from_folder(tmp_path)
    assert "2 cases are not in participants.tsv, sub-01_ses-a first" in found.notes
    assert [case.columns["age"] for case in found.cohort] == ["", "", "30", "30"]
    path.write_text("participant_id\tage\nsub-02\t30\n02\t31\n")
    refused(tmp_path, "'sub-02' stands in two rows")
    path.write_text("subject\tage\nsub-02\t30\n")
    refused(tmp_path, "expected a column 'participant_id'")


# ---- DICOM


def series(
    folder: Path, name: str, patient: str, study: str = "1.2.1", date: str = "20200101"
) -> None:
    """Write a series of two slices that is called ``name``."""
    array = np.ones((2, *GRID.size[1::-1]), np.uint16)
    for dataset in write_series(folder / "part", array):
        dataset.PatientName = dataset.PatientID = patient
        dataset.SeriesDescription, dataset.StudyInstanceUID = name, study
        dataset.StudyDate = date
        dataset.ManufacturerModelName, dataset.MagneticFieldStrength = "Skyra", 3
        dataset.EchoTime = 3
        save(dataset, folder / f"{dataset.SOPInstanceUID}.dcm")
    for file in (folder / "part").iterdir():
        file.unlink()
    (folder / "part").rmdir()


def patients(root: Path) -> Path:
    series(root / "zoe" / "t1", "T1 MPRAGE", "ZOE", "1.2.2", "20210101")
    series(root / "zoe" / "t1_first", "T1 MPRAGE", "ZOE", "1.2.3", "20190101")
    series(root / "adam" / "all", "t1_mprage_sag", "ADAM")
    series(root / "adam" / "all", "FLAIR", "ADAM")
    return root


def test_dicom_patients_are_numbered_and_sessions_follow_their_dates(tmp_path: Path) -> None:
    found = cohort_from_folder(patients(tmp_path), modalities={"t1": "t1*", "flair": "*flair*"})
    assert found.layout == "DICOM"
    assert [case.id for case in found.cohort] == ["sub-001", "sub-002_ses-01", "sub-002_ses-02"]
    assert [sorted(case.images) for case in found.cohort] == [["flair", "t1"], ["t1"], ["t1"]]
    assert found.cohort.cases[1].images["t1"] == str(tmp_path / "zoe" / "t1_first")
    columns = found.cohort.cases[0].columns
    assert columns["scanner"] == "maker Skyra 3T"
    assert columns["echo_time_t1"] == "0.003"
    said = "".join([*found.notes, *(str(dict(case.columns)) for case in found.cohort)])
    assert "numbered" in said
    assert "2 of 3 cases have no flair" in said
    assert not any(word in said.lower() for word in ("zoe", "adam", "2019", "mprage"))


def test_without_modalities_each_series_is_a_row(tmp_path: Path) -> None:
    ids = [case.id for case in cohort_from_folder(patients(tmp_path)).cohort]
    assert ids == ["sub-001_series-01", "sub-001_series-02", "sub-002_ses-01", "sub-002_ses-02"]


def test_folders_may_name_the_patients(tmp_path: Path) -> None:
    patients(tmp_path)
    found = cohort_from_folder(tmp_path, folder_names=True, modalities={"t1": "t1*"})
    assert [case.id for case in found.cohort] == ["adam", "zoe_ses-01", "zoe_ses-02"]
    assert "pseudonyms" in found.notes[0]
    assert "1 series match no modality" in "".join(found.notes)
    series(tmp_path / "zoe" / "other", "T1", "SOMEONE", "1.2.9")
    refused(tmp_path, "folder zoe holds several patients", folder_names=True)


def test_emptied_headers_never_merge_patients(tmp_path: Path) -> None:
    for number in (1, 2):
        series(tmp_path / f"case{number}", "T1", "ANONYMOUS", f"1.2.{number}")
        series(tmp_path / f"same{number}", "T1", "ONE", f"1.3.{number}")
    found = cohort_from_folder(tmp_path)
    assert [case.id for case in found.cohort] == [
        "sub-001", "sub-002", "sub-003_ses-01", "sub-003_ses-02",
    ]  # fmt: skip
    assert "sub-003 lies in 2 folders" in "".join(found.notes)
    named = cohort_from_folder(tmp_path, folder_names=True).cohort
    assert [case.id for case in named] == ["case1", "case2", "same1", "same2"]


def test_series_that_cannot_be_told_apart_or_are_torn_are_told(tmp_path: Path) -> None:
    patients(tmp_path)
    refused(tmp_path, "2 series match '*'", "narrow the pattern", modalities={"t1": "*"})
    refused(tmp_path, "no series is called like '*t3*'", modalities={"t1": "*t3*"})
    array = np.ones((4, *GRID.size[1::-1]), np.uint16)
    write_series(tmp_path / "torn" / "a", array)
    (tmp_path / "torn" / "b").mkdir()
    for number in (0, 1):
        file = next((tmp_path / "torn" / "a").glob(f"?{number}.dcm"))
        file.rename(tmp_path / "torn" / "b" / file.name)
    refused(tmp_path, "one DICOM series lie in", "one folder")


# ---- layouts and tables


def test_a_folder_of_no_layout_or_two_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "there is no folder")
    touch(tmp_path, "a/image.nii.gz", "notes.txt")
    refused(tmp_path, "none of them", "Image_<modality>")
    brats(tmp_path)
    bids(tmp_path)
    refused(tmp_path, "BIDS and BraTS", "give one")


def test_a_cohort_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    brats(tmp_path / "data")
    (tmp_path / "data/HGG/P1/P1_t2.nii.gz").unlink()
    (tmp_path / "data/LGG/P3/P3_seg.nii.gz").unlink()
    made = cohort_from_folder(tmp_path / "data").cohort
    elsewhere = Case("007", {"t1": "/other/NA.nii"}, "/other/m.nii", (1, 4), 2, {"class": "NA"})
    cohort = Cohort((*made.cases, elsewhere), made.columns)
    for suffix in ("csv", "tsv", "parquet"):
        path = tmp_path / f"cohort.{suffix}"
        write_cohort(cohort, path)
        found = read_cohort(path, masked=False)
        assert found.columns == cohort.columns
        assert [vars(c) for c in found] == [vars(c) for c in cohort]
    # The folder and its table move together.
    (tmp_path / "moved").mkdir()
    for name in ("data", "cohort.csv"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    found = read_cohort(tmp_path / "moved" / "cohort.csv", masked=False)
    assert Path(found.cases[0].images["t1"]).is_file()


def test_a_table_without_masks_serves_where_none_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text("Image_t1,Image_t2,site\na.nii.gz,,A\nb.nii.gz,c.nii.gz,B\n")
    with pytest.raises(TableError, match="'Mask'"):
        read_cohort(path)
    found = read_cohort(path, masked=False)
    assert [case.id for case in found] == ["a", "b"]
    assert [list(case.images) for case in found] == [["t1"], ["t1", "t2"]]
    assert [case.mask for case in found] == ["", ""]
    path.write_text("id,Image_t1,Image_t2\n1,,\n")
    with pytest.raises(TableError, match="no image"):
        read_cohort(path, masked=False)
