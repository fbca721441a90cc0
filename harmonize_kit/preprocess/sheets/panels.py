"""What a sheet shows of one modality: rows of three planes, and histograms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from harmonize_kit.core.shown import shown
from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.sheets.bias_row import bias_row
from harmonize_kit.preprocess.sheets.content import SheetContent
from harmonize_kit.preprocess.sheets.grids import same_grid
from harmonize_kit.preprocess.sheets.histograms import Histogram, histogram, number
from harmonize_kit.preprocess.sheets.overlay_rows import Reference, overlay_rows
from harmonize_kit.preprocess.sheets.pictures import Line, Picture, frame, label_lines, mask_line
from harmonize_kit.preprocess.sheets.planes import PLANES, Point, View, centre_of, tilt, view_of
from harmonize_kit.preprocess.sheets.rows import LONGEST, Row
from harmonize_kit.preprocess.sheets.shades import Shaded, data_uri, grey, shaded

_OBLIQUE_DEGREES = 0.5


@dataclass(frozen=True)
class Panel:
    """One modality: its name, rows of pictures, and histograms before and after."""

    name: str
    rows: tuple[Row, ...]
    histograms: tuple[Histogram, ...]


def panels(content: SheetContent) -> list[Panel]:
    """Return a panel for each modality, before and after in the order they are named."""
    names = dict.fromkeys((*content.before.images, *content.after.images))
    after = {name: shaded(volume) for name, volume in content.after.images.items()}
    views = _views(content.after, after)
    reference = Reference.of(content, after)
    return [
        _panel(content, name, f"m{place}", after.get(name), views.get(name), reference)
        for place, name in enumerate(names)
    ]


def _views(scans: Scans, seen: Mapping[str, Shaded]) -> dict[str, View]:
    """Return one view for all images on the grid of the first, so that like stands by like."""
    if not seen:
        return {}
    first = next(iter(seen))
    alike = [name for name in seen if same_grid(seen[name].volume, seen[first].volume)]
    box = np.logical_or.reduce([seen[name].inside for name in alike])
    common = view_of(seen[first].volume, box, middle_of(scans, seen[first].volume))
    return dict.fromkeys(alike, common)


def middle_of(scans: Scans, volume: Volume) -> Point | None:
    """Return where to cut: through the lesion, else the mask, else (None) the middle."""
    if scans.labels is not None:
        found = centre_of(scans.labels.array > 0, scans.labels.geometry)
        if found is not None:
            return found
    return None if volume.mask is None else centre_of(volume.mask != 0, volume.geometry)


def _panel(
    content: SheetContent,
    name: str,
    key: str,
    after: Shaded | None,
    view: View | None,
    reference: Reference | None,
) -> Panel:
    rows: list[Row] = []
    drawn: list[Histogram] = []
    before = content.before.images.get(name)
    unstripped = _unstripped(content, name, after)
    if before is not None:
        for source in (unstripped, after.volume if after is not None else None):
            if before.mask is None and source is not None and same_grid(before, source):
                before = Volume(before.array, before.geometry, source.mask)
        seen = shaded(before)
        rows.append(_row("Before", content.before, name, seen, f"{key}-before")[0])
        drawn.append(histogram(f"Before, {_where(seen)}", seen.values))
    rows += bias_row(content, name, before, f"{key}-bias")
    if unstripped is not None and (before is None or not same_grid(before, unstripped)):
        seen, scans = shaded(unstripped), content.unstripped or content.before
        rows.append(_row("Before the skull strip", scans, name, seen, f"{key}-unstripped")[0])
    if after is not None:
        row, view = _row("After", content.after, name, after, f"{key}-after", view)
        rows.append(row)
        drawn.append(histogram(f"After, {_where(after)}", after.values))
        rows += overlay_rows(name, after, view, f"{key}-after", reference)
    return Panel(shown(name or "image"), tuple(rows), tuple(drawn))


def _unstripped(content: SheetContent, name: str, after: Shaded | None) -> Volume | None:
    """Return the image the mask was found on with that mask, None where that is not known."""
    whole = content.unstripped.images.get(name) if content.unstripped is not None else None
    if whole is None or whole.mask is not None:
        return whole
    if after is None or after.volume.mask is None or not same_grid(whole, after.volume):
        return None
    return Volume(whole.array, whole.geometry, after.volume.mask)


def _row(
    title: str, scans: Scans, name: str, seen: Shaded, key: str, view: View | None = None
) -> tuple[Row, View]:
    """Return a row of one image with its mask and labels, and the view it is cut by."""
    volume, box = seen.volume, seen.inside
    if volume.mask is not None and not seen.cleared:
        # All of the head is shown, not only what the mask will leave of it.
        box = box | (volume.array > float(np.mean(volume.array, dtype=np.float64)))
    if view is None:
        view = view_of(volume, box, middle_of(scans, volume))
    draw = _lines_on(scans, name, volume)
    text = f"{shown(name or 'image')}, {title.lower()}"
    pictures: list[Picture] = []
    for plane in PLANES:
        uri = data_uri(grey(seen.cut(view, plane)), LONGEST)
        told, lines = f"{text}, {plane} plane", draw(view, plane)
        pictures.append(frame(f"{key}-{plane}", uri, told, view, plane, lines))
    return Row(title, _caption(seen), tuple(pictures)), view


def _lines_on(scans: Scans, name: str, volume: Volume) -> Callable[[View, str], tuple[Line, ...]]:
    """Return what draws the edge of the mask, and the labels where they belong to this image."""
    labels = scans.labels
    if labels is not None and name != scans.drawn_on and not same_grid(labels, volume):
        labels = None

    def draw(view: View, plane: str) -> tuple[Line, ...]:
        drawn = mask_line(volume, view, plane)
        return drawn if labels is None else drawn + label_lines(labels, view, plane)

    return draw


def _caption(seen: Shaded) -> str:
    geometry = seen.volume.geometry
    x, y, z = geometry.size
    spacing = " x ".join(number(mm) for mm in geometry.spacing)
    lean = tilt(geometry)
    oblique = f", oblique by {lean:.0f}°" if lean >= _OBLIQUE_DEGREES else ""
    shades = f"black {number(seen.low)}, white {number(seen.high)}"
    return f"{x} x {y} x {z} voxels of {spacing} mm{oblique}; {shades}"


def _where(seen: Shaded) -> str:
    thinned = f", one voxel in {seen.step}" if seen.step > 1 else ""
    where = "inside the mask" if seen.volume.mask is not None else "voxels above the mean"
    return f"{where}{thinned}"
