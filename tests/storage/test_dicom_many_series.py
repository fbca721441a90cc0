"""Several series in one folder: one file stands for its series."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom
from conversion import array
from dicom import save, write_series, write_structures

from harmonize_kit.errors import ImageError
from harmonize_kit.storage.folder_cohorts import cohort_from_folder
from harmonize_kit.storage.images import data_files, open_image


def test_one_file_stands_for_its_series(tmp_path: Path) -> None:
    """Two series, the echoes of one of them, a structure set and a report lie in one folder."""
    for name, part in (("a", array()), ("b", array() + 1), ("c", array() + 2)):
        series = "1.2.3.4" if name in "bc" else "1.2.3.5"
        write_series(tmp_path / name, part, series=series)
        for number, file in enumerate(sorted((tmp_path / name).iterdir())):
            dataset = pydicom.dcmread(file)
            dataset.EchoTime = 10 if name == "b" else 20
            save(dataset, tmp_path / f"{name}{number}.dcm")
        shutil.rmtree(tmp_path / name)
    write_structures(tmp_path / "rs.dcm", {})
    for number, name in enumerate("abc"):
        path = tmp_path / f"{name}3.dcm"
        assert {file.name[0] for file in data_files(path)} == {name}
        assert np.array_equal(open_image(path).volume.array, array() + number)
    assert data_files(tmp_path / "rs.dcm") == (tmp_path / "rs.dcm",)
    with pytest.raises(ImageError, match="got 2 in 18 files"):
        open_image(tmp_path)


def test_kinds_of_image_are_parted_only_where_slices_coincide(tmp_path: Path) -> None:
    """Magnitude and phase lie at one place; a field that varies along a volume tears nothing."""
    for name, part in (("m", array()), ("p", array() + 1)):
        write_series(tmp_path / name, part, series="1.2.3")
        for file in (tmp_path / name).iterdir():
            dataset = pydicom.dcmread(file)
            dataset.ImageType = ["ORIGINAL", "PRIMARY", name.upper()]
            save(dataset, tmp_path / f"{name}{file.name}")
        shutil.rmtree(tmp_path / name)
    for number, name in enumerate("mp"):
        found = open_image(next(tmp_path.glob(f"{name}*3.dcm"))).volume
        assert np.array_equal(found.array, array() + number)
    assert [c.id for c in cohort_from_folder(tmp_path).cohort] == [
        "sub-001_series-01", "sub-001_series-02",
    ]  # fmt: skip
    for file in tmp_path.glob("p*.dcm"):
        file.unlink()
    first = next(tmp_path.glob("m*0.dcm"))
    dataset = pydicom.dcmread(first)
    dataset.ImageType, dataset.EchoTime = ["DERIVED", "PRIMARY", "M"], 7
    save(dataset, first)
    assert len(data_files(first)) == 6


def test_a_localizer_among_the_slices_is_left_out_and_volumes_in_time_are_refused(
    tmp_path: Path,
) -> None:
    write_series(tmp_path, array(), series="1.2.3")
    scout = pydicom.dcmread(next(tmp_path.glob("?0.dcm")))
    scout.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    save(scout, tmp_path / "scout.dcm")
    found = cohort_from_folder(tmp_path)
    assert "1 single slices or localizers were left out" in found.notes
    [case] = found.cohort
    assert np.array_equal(open_image(Path(case.images[""])).volume.array, array())
    (tmp_path / "scout.dcm").unlink()
    for file in list(tmp_path.iterdir()):
        shutil.copy(file, tmp_path / f"again_{file.name}")
    [case] = cohort_from_folder(tmp_path).cohort
    with pytest.raises(ImageError, match="several slices lie at one place"):
        open_image(Path(case.images[""]))
