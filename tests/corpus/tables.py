"""Cohort tables that are odd or broken, over one whole image and mask."""

from __future__ import annotations

from pathlib import Path

ROW = "image.nii.gz,mask.nii.gz"

TABLES: dict[str, bytes] = {
    "duplicate_ids": f"id,Image,Mask\na,{ROW}\nb,{ROW}\na,{ROW}\n".encode(),
    "bom_utf8": f"\ufeffid,Image,Mask\na,{ROW}\n".encode(),
    "crlf": f"id,Image,Mask\r\na,{ROW}\r\n".encode(),
    "extra_columns": f"id,Image,Mask,site,note\na,{ROW},007,=1+1\n".encode(),
    "latin1": f"id,Image,Mask,site\na,{ROW},Zürich\n".encode("latin1"),
    "semicolon": f"id,Image,Mask\na,{ROW}\n".replace(",", ";").encode(),
    "header_only": b"id,Image,Mask\n",
    "missing_columns": f"id,Imag,Mask\na,{ROW}\n".encode(),
    "nul_in_id": f"id,Image,Mask\na\0b,{ROW}\n".encode(),
    "newline_in_id": f'id,Image,Mask\n"a\nb",{ROW}\n'.encode(),
}


def make_table(name: str, folder: Path) -> Path:
    """Write a table beside the image and mask it names."""
    path = folder / f"{name}.csv"
    path.write_bytes(TABLES[name])
    return path
