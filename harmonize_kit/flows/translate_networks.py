"""A trained translator in use: its networks on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harmonize_kit.errors import ConfigError, did_you_mean
from harmonize_kit.flows.translate_model import Translated, Views
from harmonize_kit.flows.translate_read import ReadCase
from harmonize_kit.translation.apply import PATCH, apply_generator
from harmonize_kit.translation.device import (
    Device,
    choose_device,
    fitting_batch,
    precision_on,
)
from harmonize_kit.translation.model import Translator, load_translator


@dataclass(frozen=True)
class TrainedTranslation:
    """Networks, and the device they work on; see :class:`.translate_model.TranslationModel`."""

    translator: Translator
    device: Device

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
        config, images = self.translator.config, read.channels()
        trained = self.translator.trained_on.get("training", {})
        device, patch = choose_device(self.device), int(trained.get("crop") or PATCH)
        size = (patch,) * 3 if config.dimensions == 3 else images.shape[2:]
        made = apply_generator(
            generator, config, images, read.mask, flips=views.flips, planes=views.planes,
            batch=fitting_batch(generator, config, size, device), patch=patch, device=device,
            precision=precision_on(device, trained.get("precision")),
        )  # fmt: skip
        return Translated(made.images, made.spread)
