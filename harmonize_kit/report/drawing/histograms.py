"""Histograms of images before and after."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.report.drawing.keys import band_key, draw_legend, line_key
from harmonize_kit.report.drawing.marks import draw_density, draw_steps
from harmonize_kit.report.drawing.panels import new_small_panels
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import PALETTE, styled
from harmonize_kit.report.image_table import image_table
from harmonize_kit.report.material import Array, ImageChange
from harmonize_kit.report.text import shown

_BINS = 64
_TITLE = "Intensities before and after"
_CAPTION = (
    "One panel an image, the state before as an area; the background, outside of the "
    "brain mask, or where none is known darker before than a tenth of the way to the 99th "
    "percentile, is left out. After harmonization images of different "
    "sites ought to have alike histograms, as far as their contents are alike."
)


def draw_histograms(images: Sequence[ImageChange]) -> Picture | None:
    """Return the picture, None without images."""
    if not images:
        return None
    inside = [_foreground(i.before) if i.region is None else i.region for i in images]
    before = [image.before[where] for image, where in zip(images, inside, strict=True)]
    after = [
        [array[where] for array in image.after] for image, where in zip(images, inside, strict=True)
    ]
    every = (*before, *(part for parts in after for part in parts))
    both = np.concatenate([part for part in every if part.size] or [np.zeros(1)])
    low, high = (float(end) for end in np.percentile(both, (0.2, 99.8)))
    bins = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    with styled():
        figure, panels = new_small_panels(len(images), "intensity", 4)
        for axes, image, start, ends in zip(panels, images, before, after, strict=True):
            axes.set_title(shown(image.name, 24), loc="left")
            draw_density(axes, np.histogram(start, bins)[0].astype(np.float64), bins)
            for end, colour in zip(ends, cycle(PALETTE), strict=False):
                draw_steps(axes, np.histogram(end, bins)[0].astype(np.float64), bins, colour)
            axes.set_xlim(bins[0], bins[-1])
            axes.set_ylim(bottom=0)
        first, *others = (shown(label, 24) for label in images[0].labels)
        keys = [band_key(first)]
        keys += [line_key(label, c) for label, c in zip(others, cycle(PALETTE), strict=False)]
        draw_legend(figure, keys, 4)
    return finish(figure, "image_histograms", _TITLE, _CAPTION, {}, image_table(images))


def _foreground(array: Array) -> NDArray[np.bool_]:
    low, high = float(array.min()), float(np.percentile(array, 99))
    return array > low + 0.1 * (high - low)
