"""A trained translator in use: its networks on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harmonize_kit.errors import CaseError, ConfigError, did_you_mean
from harmonize_kit.flows.translate_model import Translated, Views
from harmonize_kit.flows.translate_read import ReadCase
from harmonize_kit.translation.apply import (
    PATCH,
    Applied,
    Network,
    apply_generator,
    within_memory,
)
from harmonize_kit.translation.device import Device, choose_device, first_batch, precision_on
from harmonize_kit.translation.model import SPACING, Translator, load_translator

# Longest side of a voxel to the shortest, beyond which coronal and sagittal slices show a head in
# proportions that no axial slice has. 0.94 x 0.94 x 1.2 mm is within, 1 x 1 x 2 mm is not.
SIDES_AT_MOST = 1.5
# How far sides may lie outside of those that networks were trained on before it is said.
SPACING_TOLERANCE = 0.1
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class TrainedTranslation:
    """Networks, and the device they work on; see :class:`.translate_model.TranslationModel`.

    ``batches`` remembers what memory sufficed for, by the size of the images.
    """

    translator: Translator
    device: Device
    batches: dict[tuple[int, ...], int] = field(default_factory=dict[tuple[int, ...], int])

    asks_site = True
    needs_normalised = True

    @classmethod
    def read(cls, folder: Path, device: Device, allow: tuple[str, ...]) -> TrainedTranslation:
        """Read a model folder; see :func:`.model.load_translator`."""
        return cls(load_translator(folder, choose_device(device), allow), device)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Channels of the images, in order."""
        return self.translator.modalities

    @property
    def reference(self) -> str:
        """The site whose look images get."""
        return self.translator.reference

    def require(self, to: str | None, *, sites_told: bool, views: Views) -> None:
        """Refuse a site that no network leads to, and planes of networks of patches."""
        if views.planes and self.translator.config.dimensions == 3:
            raise ConfigError("the model's networks see patches, which have no planes: no --planes")
        known = (self.reference, *self.translator.sites)
        if to is not None and to not in known:
            raise ConfigError(
                f"the model cannot make images of site '{to}'. {did_you_mean(to, known)}"
            )
        if to not in (None, self.reference) and not sites_told:
            raise ConfigError(
                f"only images of '{self.reference}' can be taken to '{to}'; say which those are: "
                "--site COLUMN"
            )

    def translate(
        self, read: ReadCase, site: str | None, to: str | None, views: Views
    ) -> Translated | None:
        """Return the images of a case as the network for its site makes them."""
        generator = self.translator.forwards
        if site is not None:
            chosen = self.translator.generator_for(site, to=to)
            if chosen is None:
                return None
            generator = chosen
        spacing = read.stack.geometry.spacing
        if views.planes:
            _require_even(spacing)
        made = self._apply(generator, read, views)
        seen: dict[str, Spacing] | None = self.translator.trained_on.get(SPACING)
        return Translated(made.images, made.spread, _spacing_notes(spacing, seen))

    def _apply(self, generator: Network, read: ReadCase, views: Views) -> Applied:
        """Return a case translated, in batches as large as memory bears."""
        config, images = self.translator.config, read.channels()
        trained, device = self.translator.trained_on.get("training", {}), choose_device(self.device)
        made, batch = within_memory(
            lambda batch: apply_generator(
                generator, config, images, read.mask, flips=views.flips, planes=views.planes,
                spacing=read.stack.geometry.spacing, batch=batch,
                patch=int(trained.get("crop") or PATCH), device=device,
                precision=precision_on(device, trained.get("precision")),
            ),
            self.batches.get(images.shape, first_batch(config, device)),
        )  # fmt: skip
        self.batches[images.shape] = batch
        return made


def _require_even(spacing: Spacing) -> None:
    if max(spacing) > SIDES_AT_MOST * min(spacing):
        raise CaseError(
            "GEOMETRY",
            f"--planes needs voxels whose longest side is at most {SIDES_AT_MOST} times the "
            f"shortest, got {_sides(spacing)}; leave out --planes, or resample the images (stage "
            "resample of preprocess)",
        )


def _spacing_notes(spacing: Spacing, seen: Mapping[str, Spacing] | None) -> tuple[str, ...]:
    """Say where voxels have other sides than those of the training, as far as these are known.

    Networks see voxels: what is twice as large in them is twice as large to them.
    """
    if seen is None:
        return ()
    pairs = zip(spacing, seen["low"], seen["high"], strict=True)
    if all(low * (1 - SPACING_TOLERANCE) <= n <= high * (1 + SPACING_TOLERANCE)
           for n, low, high in pairs):  # fmt: skip
        return ()
    low, high = _sides(seen["low"]), _sides(seen["high"])
    trained = low if low == high else f"{low} to {high}"
    return (
        f"its voxels are {_sides(spacing)}, and those the model was trained on {trained}: networks "
        "see sizes in voxels, so resample the images to those, or look at the result twice",
    )


def _sides(spacing: Spacing) -> str:
    return " x ".join(f"{side:.3g}" for side in spacing) + " mm"
