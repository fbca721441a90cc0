"""Histograms of images before and after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harmonize_kit.report.drawing.keys import band_key, draw_legend, line_key
from harmonize_kit.report.drawing.marks import draw_density, draw_steps
from harmonize_kit.report.drawing.panels import new_small_panels
from harmonize_kit.report.drawing.picture import Picture, finish
from harmonize_kit.report.drawing.style import BLUE, styled
from harmonize_kit.report.image_table import image_table
from harmonize_kit.report.material import Array, ImageChange
from harmonize_kit.report.text import shown

_BINS = 64
_TITLE = "Intensities before and after"
_CAPTION = (
    "One panel an image; the background, what is darker before than a tenth of the way to the "
    "99th percentile, is left out. After harmonization images of different sites ought to have "
    "alike histograms, as far as their contents are alike."
)


def draw_histograms(images: Sequence[ImageChange]) -> Picture | None:
    """Return the picture, None without images."""
    if not images:
        return None
    inside = [_foreground(image.before) for image in images]
    before = [image.before[where] for image, where in zip(images, inside, strict=True)]
    after = [image.after[where] for image, where in zip(images, inside, strict=True)]
    both = np.concatenate([part for part in (*before, *after) if part.size] or [np.zeros(1)])
    low, high = (float(end) for end in np.percentile(both, (0.2, 99.8)))
    bins = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    with styled():
        figure, panels = new_small_panels(len(images), "intensity", 4)
        for axes, image, start, end in zip(panels, images, before, after, strict=True):
            axes.set_title(shown(image.name, 24), loc="left")
            draw_density(axes, np.histogram(start, bins)[0].astype(np.float64), bins)
            draw_steps(axes, np.histogram(end, bins)[0].astype(np.float64), bins, BLUE)
            axes.set_xlim(bins[0], bins[-1])
            axes.set_ylim(bottom=0)
        labels = images[0].labels
        keys = [band_key(shown(labels[0], 24)), line_key(shown(labels[1], 24), BLUE)]
        draw_legend(figure, keys, 2)
    return finish(figure, "image_histograms", _TITLE, _CAPTION, {}, image_table(images))


def _foreground(array: Array) -> NDArray[np.bool_]:
    low, high = float(array.min()), float(np.percentile(array, 99))
    return array > low + 0.1 * (high - low)
