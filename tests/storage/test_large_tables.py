"""What large tables are refused for, with file, id and feature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from conftest import make_table
from large import GRID, single, write_group, write_parts, write_pictures

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.errors import HarmonizeWarning, TableError
from harmonize_kit.storage import parquet_parts, parquet_tables
from harmonize_kit.storage.images import write_image
from harmonize_kit.storage.large_tables import open_large_table
from harmonize_kit.storage.parquet_tables import ParquetTable

ZARR: Any = zarr
ROLES = {"not_features": {"age", "sex", "site"}}


def read_all(path: Path, **options: Any) -> np.ndarray[Any, Any]:
    table = open_large_table(path, **options)
    part = table.part(slice(0, len(table.cases.ids)), slice(0, len(table.names)))
    return np.concatenate([values.copy() for values in part.read(7)])


@pytest.fixture
def small() -> FeatureTable:
    return single(make_table())


def test_any_part_of_a_table_is_what_stands_there(small: FeatureTable, tmp_path: Path) -> None:
    sources = [
        (write_parts(small, tmp_path / "parts").path, {}),
        (write_group(small, tmp_path / "a.zarr").path, {}),
    ]
    pictures = write_pictures(small, tmp_path / "images")
    sources.append((pictures.path, {"mask": pictures.mask}))
    for path, options in sources:
        table = open_large_table(path, **options)
        assert table.cases.ids == small.ids
        for rows, columns in ((slice(25, 60), slice(3, 9)), (slice(40, 41), slice(0, 12))):
            blocks = [values.copy() for values in table.part(rows, columns).read(11)]
            np.testing.assert_array_equal(np.concatenate(blocks), small.values[rows, columns])
        turned = table.choose([table.names[5], table.names[2]])
        found = np.concatenate([v.copy() for v in turned.part(slice(0, 90), slice(0, 2)).read(90)])
        np.testing.assert_array_equal(found, small.values[:, [5, 2]])


def test_rows_of_a_group_that_is_large_are_read_some_at_a_time(
    small: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parts(small, tmp_path / "parts").path
    monkeypatch.setattr(parquet_tables, "CELLS", 40)
    monkeypatch.setattr(parquet_parts, "CELLS", 40)
    table = open_large_table(path)
    assert isinstance(table, ParquetTable)
    assert not table.by_group
    np.testing.assert_array_equal(read_all(path), small.values)


def test_a_group_of_the_older_format_with_integers(small: FeatureTable, tmp_path: Path) -> None:
    group = ZARR.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    values = np.arange(90 * 12, dtype=np.int16).reshape(90, 12)
    group.create_array("values", data=values, chunks=(90, 3))
    for name, texts in (("id", small.ids), ("feature", small.names)):
        stored = group.create_array(name, shape=(len(texts),), dtype=str)
        stored[:] = np.array(texts, dtype=object)
    table = open_large_table(tmp_path / "a.zarr")
    assert (table.dtype, table.cases.ids) == (np.float64, small.ids)
    np.testing.assert_array_equal(read_all(tmp_path / "a.zarr"), values)


def test_a_part_with_other_columns_is_named(small: FeatureTable, tmp_path: Path) -> None:
    write_parts(small, tmp_path / "parts")
    second = tmp_path / "parts" / "part-1.parquet"
    pd.read_parquet(second).rename(columns={"f03": "f3"}).to_parquet(second)
    with pytest.raises(TableError, match=r"part-1\.parquet: .*'f03' is absent.*'f3'"):
        open_large_table(tmp_path / "parts")
    frame = pd.read_parquet(second).rename(columns={"f3": "f03"})
    frame.assign(more=1.0).to_parquet(second)
    with pytest.raises(TableError, match=r"part-1\.parquet: .*got 'more'"):
        open_large_table(tmp_path / "parts")
    frame.assign(f03="text").to_parquet(second)
    with pytest.raises(TableError, match=r"part-1\.parquet: column 'f03' is of type"):
        open_large_table(tmp_path / "parts")
    frame[frame.columns[::-1]].to_parquet(second)
    np.testing.assert_array_equal(read_all(tmp_path / "parts"), small.values)


def test_damage_is_told_with_its_file(small: FeatureTable, tmp_path: Path) -> None:
    write_parts(small, tmp_path / "parts")
    second = tmp_path / "parts" / "part-1.parquet"
    second.write_bytes(second.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"part-1\.parquet is no intact Parquet file"):
        open_large_table(tmp_path / "parts")
    write_group(small, tmp_path / "a.zarr")
    chunk = next(path for path in (tmp_path / "a.zarr" / "values" / "c" / "1").iterdir())
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(TableError, match=r"a\.zarr: cases .* cannot be read"):
        read_all(tmp_path / "a.zarr")


def test_an_id_in_two_parts_is_refused(small: FeatureTable, tmp_path: Path) -> None:
    write_parts(small, tmp_path / "parts")
    last = tmp_path / "parts" / "part-2.parquet"
    frame = pd.read_parquet(last)
    frame.loc[0, "id"] = "sub-000"
    frame.to_parquet(last)
    with pytest.raises(TableError, match="sub-000"):
        open_large_table(tmp_path / "parts")


@pytest.mark.parametrize("kind", ["parts", "zarr"])
def test_an_infinite_value_is_told_by_id_and_feature(
    small: FeatureTable, tmp_path: Path, kind: str
) -> None:
    values = small.values.copy()
    if kind == "parts":
        path = write_parts(small, tmp_path / "parts").path
        file = path / "part-1.parquet"
        frame = pd.read_parquet(file)
        frame.loc[2, "f04"] = -np.inf
        frame.to_parquet(file)
        case = "sub-033"
    else:
        path = write_group(small, tmp_path / "a.zarr").path
        values[42, 4] = np.inf
        ZARR.open_group(str(path), mode="r+")["values"][:] = values.astype(np.float32)
        case = "sub-042"
    with pytest.raises(TableError, match=f"id '{case}', feature 'f04'"):
        read_all(path)


def test_a_voxel_that_is_not_finite_is_told_by_id(small: FeatureTable, tmp_path: Path) -> None:
    source = write_pictures(small, tmp_path / "images")
    array = np.full(GRID.size[::-1], 7.0, dtype=np.float32)
    array.reshape(-1)[0] = np.nan
    write_image(Volume(array, GRID), tmp_path / "images" / "sub-007.nii.gz")
    read_all(source.path, mask=source.mask)
    array.reshape(-1)[4] = np.nan
    write_image(Volume(array, GRID), tmp_path / "images" / "sub-007.nii.gz")
    with pytest.raises(TableError, match=r"id 'sub-007': .* the first at \(4, 0, 0\)"):
        read_all(source.path, mask=source.mask)


def test_an_image_on_another_grid_or_absent_is_told_by_id(
    small: FeatureTable, tmp_path: Path
) -> None:
    source = write_pictures(small, tmp_path / "images")
    image = tmp_path / "images" / "sub-007.nii.gz"
    moved = Geometry(GRID.size, GRID.spacing, (0.0, 0.0, 0.0))
    write_image(Volume(np.zeros(GRID.size[::-1], np.float32), moved), image)
    with pytest.raises(TableError, match=r"id 'sub-007': image and mask must lie on one grid"):
        read_all(source.path, mask=source.mask)
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(TableError, match=r"id 'sub-007': .*sub-007"):
        read_all(source.path, mask=source.mask)
    image.unlink()
    with pytest.raises(TableError, match=r"data row 8: there is no file .*sub-007"):
        open_large_table(source.path, mask=source.mask)


def test_a_group_of_another_layout_is_refused(small: FeatureTable, tmp_path: Path) -> None:
    write_group(small, tmp_path / "a.zarr")
    group = ZARR.open_group(str(tmp_path / "a.zarr"), mode="r+")
    del group["feature"]
    with pytest.raises(TableError, match="there is no 'feature'"):
        open_large_table(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(TableError, match="expected a Zarr group"):
        open_large_table(tmp_path / "b.zarr")
    with pytest.raises(TableError, match="there is no Zarr group"):
        open_large_table(tmp_path / "c.zarr")


def test_chunks_that_were_never_written_are_told(small: FeatureTable, tmp_path: Path) -> None:
    """Zarr reads them as zeros without a word."""
    write_group(small, tmp_path / "a.zarr")
    next((tmp_path / "a.zarr" / "values" / "c" / "1").iterdir()).unlink()
    with pytest.warns(HarmonizeWarning, match="1 of 15 chunks are not there"):
        open_large_table(tmp_path / "a.zarr")


def test_what_is_no_large_table_is_refused(small: FeatureTable, tmp_path: Path) -> None:
    small.features.to_csv(tmp_path / "table.csv")
    with pytest.raises(TableError, match=r"save the table as \.parquet"):
        open_large_table(tmp_path / "table.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableError, match="a folder with the parts"):
        open_large_table(tmp_path / "empty")
