"""The sheet of one case, and its thumbnail."""

from __future__ import annotations

from harmonize_kit.core.volume import Volume
from harmonize_kit.preprocess.scans import Scans
from harmonize_kit.preprocess.sheets.content import SheetContent
from harmonize_kit.preprocess.sheets.histograms import HEIGHT, WIDTH
from harmonize_kit.preprocess.sheets.page import render
from harmonize_kit.preprocess.sheets.panels import middle_of, panels
from harmonize_kit.preprocess.sheets.pictures import labels_of
from harmonize_kit.preprocess.sheets.planes import PLANES, view_of
from harmonize_kit.preprocess.sheets.records import decided_tables, quality_tables
from harmonize_kit.preprocess.sheets.shades import data_uri, grey, shaded
from harmonize_kit.preprocess.sheets.thumbnail import side_by_side

_THUMBNAIL = 288  # pixels of its longer side: three planes


def make_sheet(content: SheetContent) -> str:
    """Return a page that shows one case before and after, to be judged by eye.

    One HTML text with everything inside: it needs no network, loads nothing, and names the patient
    by nothing but the id of the case. For each modality it shows three planes before and after, the
    bias field, the edge of the mask, the labels, the registration and the intensities inside the
    mask; beneath them the measures of quality and what each stage decided. The planes lie along the
    axes of the patient whatever the order and angle of storage, and are in proportion to mm.

    Examples
    --------
    >>> import numpy as np
    >>> from harmonize_kit.core.volume import Geometry, Volume
    >>> ball = np.linalg.norm(np.indices((12, 12, 12)) - 6, axis=0) < 5
    >>> scans = Scans({"t1": Volume(100.0 * ball, Geometry((12, 12, 12)), ball)})
    >>> make_sheet(SheetContent("sub-01", scans, scans)).startswith("<!DOCTYPE html>")
    True
    """
    drawn = panels(content)
    lines = {
        line.kind.partition(" ")[0]
        for panel in drawn
        for row in panel.rows
        for picture in row.pictures
        for line in picture.lines
    }
    return render(
        "sheet.html.j2",
        "sheet.js",
        id=content.id,
        flags=content.flags,
        notes=content.notes,
        panels=drawn,
        lines=lines,
        quality=quality_tables(content.quality),
        decided=decided_tables(content.decided),
        labels=_labels(content),
        histogram=(WIDTH, HEIGHT),
    )


def _labels(content: SheetContent) -> tuple[int, ...]:
    """Return the labels that are drawn each on its own."""
    labels = content.after.labels or content.before.labels
    return () if labels is None else labels_of(labels)


def make_thumbnail(scans: Scans) -> str:
    """Return the three planes of the first modality as one small picture, a data URI.

    Empty where there is no image.
    """
    volume: Volume | None = next(iter(scans.images.values()), None)
    if volume is None:
        return ""
    seen = shaded(volume)
    view = view_of(volume, seen.inside, middle_of(scans, volume))
    cuts = [grey(seen.cut(view, plane)) for plane in PLANES]
    return data_uri(side_by_side(cuts), _THUMBNAIL)
