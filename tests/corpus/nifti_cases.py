"""Damaged and odd NIfTI files."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from corpus.builders import (
    PATIENT,
    Names,
    array,
    ball,
    case,
    edited,
    flipped,
    packed,
    put,
    whole,
)
from corpus.formats import (
    SPACING,
    nifti,
    nifti_header,
    sets,
    voxels,
)
from numpy.typing import NDArray


@case
def nii_gz_truncated_mid(here: Path) -> Names:
    content = packed(nifti(array()))
    return put(here, content[: len(content) // 2])


@case
def nii_gz_payload_short_valid_gz(here: Path) -> Names:
    return put(here, packed(nifti(array())[:-2000]))


@case
def nii_payload_short(here: Path) -> Names:
    return put(here, nifti(array())[:-2000], "image.nii")


@case
def nii_gz_crc_bitflip(here: Path) -> Names:
    return put(here, flipped(gzip.compress(nifti(array()), compresslevel=0, mtime=0)))


@case
def nii_gz_crc_of_header(here: Path) -> Names:
    content = bytearray(gzip.compress(nifti(array()), compresslevel=0, mtime=0))
    at = content.index(b"\x03\x00\x0e\x00\x0d\x00\x0c\x00")
    content[at + 3] ^= 0x80
    return put(here, bytes(content))


@case
def nii_gz_trailing_garbage(here: Path) -> Names:
    return put(here, packed(nifti(array())) + b"not part of the image")


@case
def nii_gz_trailing_zeros(here: Path) -> Names:
    return put(here, packed(nifti(array())) + bytes(512))


@case
def nii_gz_multi_member(here: Path) -> Names:
    content = nifti(array())
    return put(here, packed(content[:1000]) + packed(content[1000:]))


@case
def zero_byte(here: Path) -> Names:
    return put(here, b"")


@case
def text_renamed_nii(here: Path) -> Names:
    return put(here, b"Dear colleague, please find the image attached.\n" * 20, "image.nii")


@case
def nii_renamed_gz(here: Path) -> Names:
    return put(here, nifti(array()))


@case
def gz_renamed_nii(here: Path) -> Names:
    return put(here, packed(nifti(array())), "image.nii")


@case
def missing_file(here: Path) -> Names:
    return "nowhere.nii.gz", whole(here)[1]


@case
def directory_as_file(here: Path) -> Names:
    (here / "folder.nii.gz").mkdir()
    return "folder.nii.gz", whole(here)[1]


@case
def permission_denied(here: Path) -> Names:
    names = whole(here)
    (here / names[0]).chmod(0)
    return names


@case
def dangling_symlink(here: Path) -> Names:
    (here / "link.nii.gz").symlink_to(here / "gone.nii.gz")
    return "link.nii.gz", whole(here)[1]


@case
def fifo(here: Path) -> Names:
    os.mkfifo(here / "pipe.nii.gz")
    return "pipe.nii.gz", whole(here)[1]


@case
def other_format(here: Path) -> Names:
    return put(here, b"\x89PNG\r\n\x1a\n" + bytes(200), "image.png")


@case
def huge_dims_small_payload(here: Path) -> Names:
    return edited(here, sets(dim_1=4000, dim_2=4000, dim_3=4000))


@case
def huge_dims_small_payload_nii(here: Path) -> Names:
    edit = sets(dim_1=32767, dim_2=32767, dim_3=32767)
    return put(here, nifti(array(), None, edit), "image.nii")


@case
def large_dims_small_payload(here: Path) -> Names:
    return edited(here, sets(dim_1=1000, dim_2=1000, dim_3=1000))


@case
def gzip_bomb(here: Path) -> Names:
    # 16 GiB of zeros in 16 MB.
    head = nifti_header(array(), None, sets(dim_1=2048, dim_2=2048, dim_3=2048)) + bytes(4)
    return put(here, packed(head) + packed(bytes(1 << 26)) * 256)


@case
def gzip_bomb_after_voxels(here: Path) -> Names:
    return put(here, packed(nifti(array())) + packed(bytes(1 << 26)) * 16)


@case
def negative_dim(here: Path) -> Names:
    return edited(here, sets(dim_2=-13))


@case
def zero_dim(here: Path) -> Names:
    return edited(here, sets(dim_2=0))


@case
def dim0_8(here: Path) -> Names:
    return edited(here, sets(dim_0=8))


@case
def vox_offset_past_end(here: Path) -> Names:
    return edited(here, sets(vox_offset=1_000_000))


@case
def vox_offset_zero(here: Path) -> Names:
    return edited(here, sets(vox_offset=0))


@case
def unknown_datatype(here: Path) -> Names:
    return edited(here, sets(datatype=9999))


@case
def bigendian(here: Path) -> Names:
    return put(here, packed(nifti(array(), order=">")))


@case
def nifti2(here: Path) -> Names:
    def of_version(content: NDArray[Any]) -> bytes:
        magic = np.frombuffer(b"n+2\0", "S4")[0]
        return packed(nifti(content, None, sets(magic=magic), version=2))

    return put(here, of_version(array()), mask=of_version(ball()))


@case
def analyze_pair(here: Path) -> Names:
    for name, content in (("image", array()), ("mask", ball())):
        header: Any = nibabel.AnalyzeHeader()
        header.set_data_shape(content.shape[::-1])
        header.set_data_dtype(content.dtype)
        header.set_zooms(SPACING)
        (here / f"{name}.hdr").write_bytes(header.binaryblock)
        (here / f"{name}.img").write_bytes(voxels(content))
    return "image.hdr", "mask.img"


@case
def nifti_pair(here: Path) -> Names:
    (here / "image.img").write_bytes(voxels(array()))
    return put(here, nifti_header(array(), single=False), "image.hdr")


@case
def nifti_pair_without_img(here: Path) -> Names:
    return put(here, nifti_header(array(), single=False), "image.hdr")


@case
def header_extension_phi(here: Path) -> Names:
    text = f"PatientName={PATIENT}".encode().ljust(56, b"\0")
    extension = np.array([64, 6], "<i4").tobytes() + text
    head = nifti_header(array(), None, sets(descrip=PATIENT), extension=64)
    return put(here, packed(head + b"\1\0\0\0" + extension + voxels(array())))
