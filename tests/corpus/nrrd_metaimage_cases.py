"""Damaged and odd NRRD and MetaImage files."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from corpus.builders import (
    Names,
    array,
    ball,
    case,
    flipped,
    packed,
    put,
)
from corpus.formats import (
    metaimage,
    nrrd,
    voxels,
)


@case
def nrrd_whole(here: Path) -> Names:
    return put(here, nrrd(array()), "image.nrrd", nrrd(ball()), "mask.nrrd")


@case
def nrrd_truncated(here: Path) -> Names:
    return put(here, nrrd(array())[:-1500], "image.nrrd")


@case
def nrrd_payload_short(here: Path) -> Names:
    return put(here, nrrd(array(), data=packed(voxels(array())[:-500])), "image.nrrd")


@case
def nrrd_crc(here: Path) -> Names:
    content = flipped(gzip.compress(voxels(array()), compresslevel=0, mtime=0))
    return put(here, nrrd(array(), data=content), "image.nrrd")


@case
def nrrd_huge_dims(here: Path) -> Names:
    return put(here, nrrd(array(), fields={"sizes": "40000 40000 40000"}), "image.nrrd")


@case
def nrrd_zero_size(here: Path) -> Names:
    return put(here, nrrd(array(), fields={"sizes": "14 0 12"}), "image.nrrd")


@case
def nrrd_nan_spacing(here: Path) -> Names:
    fields = {"space directions": "", "space": "", "space origin": "", "spacings": "nan 1 1"}
    return put(
        here, nrrd(array(), fields=fields), "image.nrrd", nrrd(ball(), fields=fields), "mask.nrrd"
    )


@case
def nrrd_no_spacing(here: Path) -> Names:
    fields = {"space directions": "", "space": "", "space origin": ""}
    return put(
        here, nrrd(array(), fields=fields), "image.nrrd", nrrd(ball(), fields=fields), "mask.nrrd"
    )


@case
def nrrd_flat_directions(here: Path) -> Names:
    fields = {"space directions": "(1,0,0) (1,0,0) (0,0,1)"}
    return put(here, nrrd(array(), fields=fields), "image.nrrd")


@case
def nrrd_bzip2(here: Path) -> Names:
    return put(here, nrrd(array(), encoding="bzip2", data=b"BZh9" + bytes(50)), "image.nrrd")


@case
def nhdr_detached(here: Path) -> Names:
    (here / "voxels.raw.gz").write_bytes(packed(voxels(array())))
    head = nrrd(array(), fields={"data file": "voxels.raw.gz"}, data=b"")
    return put(here, head, "image.nhdr", nrrd(ball()), "mask.nrrd")


@case
def nhdr_data_missing(here: Path) -> Names:
    head = nrrd(array(), fields={"data file": "voxels.raw.gz"}, data=b"")
    return put(here, head, "image.nhdr")


@case
def mha_whole(here: Path) -> Names:
    return put(here, metaimage(array(), compressed=True), "image.mha")


@case
def mha_payload_short(here: Path) -> Names:
    return put(here, metaimage(array())[:-500], "image.mha")


@case
def mha_truncated(here: Path) -> Names:
    return put(here, metaimage(array(), compressed=True)[:-500], "image.mha")


@case
def mha_damaged(here: Path) -> Names:
    content = flipped(zlib.compress(voxels(array()), 0))
    return put(here, metaimage(array(), compressed=True, data=content), "image.mha")


@case
def mha_without_compressed_size(here: Path) -> Names:
    fields = {"CompressedDataSize": ""}
    return put(here, metaimage(array(), compressed=True, fields=fields), "image.mha")


@case
def mha_huge_dims(here: Path) -> Names:
    return put(here, metaimage(array(), fields={"DimSize": "40000 40000 40000"}), "image.mha")


@case
def mha_zero_spacing(here: Path) -> Names:
    return put(here, metaimage(array(), fields={"ElementSpacing": "0 1 1"}), "image.mha")


@case
def mhd_detached(here: Path) -> Names:
    (here / "image.raw").write_bytes(voxels(array()))
    return put(here, metaimage(array(), data_file="image.raw"), "image.mhd")
