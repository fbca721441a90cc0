"""The bias field a stage found, as colours around its middle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from harmonize_kit.core.shown import shown
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.sheets.content import SheetContent
from harmonize_kit.preprocess.sheets.grids import same_grid
from harmonize_kit.preprocess.sheets.histograms import number
from harmonize_kit.preprocess.sheets.pictures import Picture, frame
from harmonize_kit.preprocess.sheets.planes import PLANES, cut, view_of
from harmonize_kit.preprocess.sheets.rows import Row
from harmonize_kit.preprocess.sheets.shades import data_uri, diverging, foreground

_LONGEST = 128  # a smooth field needs few pixels
_FAINT = 0.35  # how bright the field is drawn where there is no tissue
_SMALLEST = 0.05  # the strongest colour stands for at least this much of log2


def fields_between(given: Scans, corrected: Scans) -> dict[str, Volume]:
    """Return the field each image was divided by, by the name a stage gives it.

    For sheets of runs that do not keep their fields. Where the image is 0 there is no telling: the
    median stands there, outside of the mask of the field.
    """
    fields: dict[str, Volume] = {}
    for name, before in given.images.items():
        after = corrected.images.get(name)
        if after is None or not same_grid(before, after):
            continue
        told = (before.array > 0) & (after.array > 0)
        ratio = np.ones(before.array.shape, np.float32)
        np.divide(before.array, after.array, out=ratio, where=told, casting="unsafe")
        if told.any():
            ratio[~told] = np.median(ratio[told])
        key = "_".join(filter(None, ("bias_field", name)))
        fields[key] = Volume(ratio, before.geometry, told.astype(np.uint8))
    return fields


def bias_row(content: SheetContent, name: str, before: Volume | None, key: str) -> list[Row]:
    """Return the row of a modality's bias field, none where there is no field.

    The field is drawn relative to its median in the tissue, on a logarithmic scale, since N4
    estimates it so; where there is no tissue it is an extrapolation, and drawn dark.
    """
    only = len(content.before.images) == 1
    field = content.byproducts.get(f"bias_field_{name}" if name else "bias_field")
    field = field if field is not None or not only else content.byproducts.get("bias_field")
    if not isinstance(field, Volume):
        return []
    tissue = field
    if field.mask is None and before is not None and same_grid(field, before):
        tissue = before
    inside = foreground(tissue)
    values = field.array[inside].astype(np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return []
    middle = float(np.median(values))
    low, high = (float(end) for end in np.percentile(values, (1, 99)) / middle)
    largest = max(abs(np.log2(low)), abs(np.log2(high)), _SMALLEST)
    view = view_of(tissue, inside)
    pictures: list[Picture] = []
    for plane in PLANES:
        factors = cut(field.array, field.geometry, view, plane, outside=middle) / middle
        # 0 beyond the grid, 1 where there is no tissue, 2 in tissue.
        there = cut(inside.astype(np.uint8) + 1, field.geometry, view, plane, nearest=True)
        whole = ndimage.binary_closing(there > 1, iterations=2)
        bright = np.where(whole, 1.0, np.where(there > 0, _FAINT, 0.0))
        colours = diverging(np.log2(np.maximum(factors, 1e-6)) / largest, bright)
        text = f"{shown(name or 'image')}, bias field, {plane} plane"
        uri = data_uri(colours, _LONGEST)
        pictures.append(frame(f"{key}-{plane}", uri, text, view, plane, ()))
    caption = (
        f"{number(low)} to {number(high)} of its median in the tissue (1st to 99th percentile); "
        f"blue below, white at, red above it, full colour at a factor of {number(2**largest)}"
    )
    return [Row("Bias field", caption, tuple(pictures))]
