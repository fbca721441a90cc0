"""One table in every form in which large tables are read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import zarr
from numpy.typing import NDArray

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.flows.tables import TableInput
from harmonize_kit.storage.images import read_image, write_image, write_mask

GRID = Geometry((5, 4, 3), (1.5, 1.5, 3.0), (-10.0, 4.0, 2.5))


def single(table: FeatureTable) -> FeatureTable:
    """The same table in numbers that float32 holds."""
    return table.with_values(table.values.astype(np.float32).astype(np.float64))


def frame_of(table: FeatureTable, dtype: Any) -> pd.DataFrame:
    frame = pd.concat([table.covariates, table.features.astype(dtype)], axis=1)
    return frame.rename_axis("id").reset_index()


def write_parts(table: FeatureTable, folder: Path, cuts: tuple[int, ...] = (31, 40)) -> TableInput:
    """Three parts of different lengths, with several groups of rows in each."""
    folder.mkdir()
    frame = frame_of(table, np.float32)
    edges = [0, *cuts, len(frame)]
    for number, (a, b) in enumerate(pairwise(edges)):
        arrow = pa.Table.from_pandas(frame.iloc[a:b], preserve_index=False)
        parquet.write_table(arrow, folder / f"part-{number}.parquet", row_group_size=13)
    return TableInput(folder)


def write_file(table: FeatureTable, path: Path) -> TableInput:
    arrow = pa.Table.from_pandas(frame_of(table, np.float64), preserve_index=False)
    parquet.write_table(arrow, path, row_group_size=25)
    return TableInput(path)


def write_group(table: FeatureTable, path: Path) -> TableInput:
    opened: Any = zarr
    group = opened.open_group(str(path), mode="w")
    values = table.values.astype(np.float32)
    group.create_array("values", data=values, chunks=(20, 5))
    for name, texts in (("id", table.ids), ("feature", table.names)):
        array = group.create_array(name, shape=(len(texts),), dtype=str)
        array[:] = np.array(texts, dtype=object)
    people = path.with_name("people.csv")
    table.covariates.rename_axis("id").iloc[::-1].to_csv(people)
    return TableInput(path, people)


def write_pictures(table: FeatureTable, folder: Path) -> TableInput:
    """Each case as an image that is 7 outside the mask."""
    folder.mkdir()
    mask = np.zeros(GRID.size[::-1], dtype=np.uint8)
    mask.reshape(-1)[3 : 3 + len(table.names)] = 1
    write_mask(Volume(mask, GRID, mask), folder / "mask.nii.gz")
    rows = table.covariates.copy()
    for case, values in zip(table.ids, table.values, strict=True):
        array = np.full(mask.shape, 7, dtype=np.float32)
        array[mask > 0] = values
        write_image(Volume(array, GRID), folder / f"{case}.nii.gz")
    rows.insert(0, "Image", [f"{case}.nii.gz" for case in table.ids])
    rows.rename_axis("id").to_csv(folder / "cohort.csv")
    return TableInput(folder / "cohort.csv", mask=folder / "mask.nii.gz")


WRITERS = {"parts": write_parts, "file": write_file, "zarr": write_group, "images": write_pictures}
NAMES = {"parts": "parts", "file": "table.parquet", "zarr": "table.zarr", "images": "images"}


def write_as(kind: str, table: FeatureTable, folder: Path) -> TableInput:
    return WRITERS[kind](table, folder / NAMES[kind])


def read_values(kind: str, output: Path, table: FeatureTable) -> NDArray[Any]:
    """The values of a product, in the order of the table's cases and features."""
    if kind == "zarr":
        opened: Any = zarr
        group = opened.open_group(str(output), mode="r")
        assert [str(name) for name in group["id"][:]] == table.ids
        assert [str(name) for name in group["feature"][:]] == table.names
        return np.asarray(group["values"][:])
    if kind == "images":
        listed = pd.read_csv(output / "cohort.csv", dtype=str)
        assert list(listed["id"]) == table.ids
        rows: list[NDArray[Any]] = []
        for name in listed["Image"]:
            volume = read_image(output / name)
            assert GRID.difference(volume.geometry) is None
            flat = volume.array.reshape(-1)
            assert (np.delete(flat, np.arange(3, 3 + len(table.names))) == 7).all()
            rows.append(flat[3 : 3 + len(table.names)])
        return np.stack(rows)
    files = sorted(output.glob("*.parquet")) if output.is_dir() else [output]
    frame = pd.concat([pd.read_parquet(file) for file in files])
    assert list(frame["id"]) == table.ids
    assert list(frame["site"]) == list(table.covariates["site"])
    return frame[table.names].to_numpy()
