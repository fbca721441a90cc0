"""The networks that are trained together, and the passes of one step."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.degradation import Degradation, degradation_of
from harmonize_kit.translation.discriminator import PatchDiscriminator
from harmonize_kit.translation.generator import Generator
from harmonize_kit.translation.intensity_range import InRange
from harmonize_kit.translation.own_networks import make_network, name_of
from harmonize_kit.translation.random_field import shaded


@dataclass(frozen=True)
class Batch:
    """Images of one site.

    Parameters
    ----------
    images : Tensor, shape (n, k, ...)
        The slices that are seen, slice by slice; the middle one is changed.
    mask : Tensor of bool, shape (n, 1, ...)
        Of the middle slice.
    lesion : Tensor of bool, shape (n, 1, ...), optional
        Of the middle slice, where the cohort tells.
    places : Tensor, shape (n, 3, ...), optional
        Of the middle slice's voxels in the head (:mod:`.places`), where a network asks for them.
    shrink : int
        How many voxels a side were averaged into one.
    """

    images: Tensor
    mask: Tensor
    lesion: Tensor | None = None
    places: Tensor | None = None
    shrink: int = 1


class CycleGAN(nn.Module):
    """One generator towards the reference site, and one back to every other site.

    The forward generator is told nothing but the image, so that it serves sites it has never seen
    (Roca et al. 2025); of two sites this is the CycleGAN of Zhu et al. (2017).

    Parameters
    ----------
    sites : sequence of str
        All sites that images come from.
    reference : str
        The one whose look is learned.
    generator, discriminator
        Configurations of the networks; both must speak of the same images.
    allowed : sequence of str
        Packages that networks of the user's own may come from.
    own_generator, own_discriminator : Module, optional
        Networks of the user's own as they are (:mod:`.own_networks`), of which every one that is
        needed is a copy. Their configurations say what they are shown: channels, neighbours,
        dimensions, coordinates.
    """

    def __init__(
        self,
        sites: Sequence[str],
        reference: str,
        generator: GeneratorConfig,
        discriminator: DiscriminatorConfig,
        allowed: Sequence[str] = (),
        *,
        own_generator: nn.Module | None = None,
        own_discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if reference not in sites or len(set(sites)) < 2:
            raise ConfigError(
                f"expected two sites or more, and '{reference}' among them, got "
                f"{', '.join(sorted(set(sites))) or 'none'}"
            )
        for name in ("channels", "dimensions"):
            ours, theirs = getattr(generator, name), getattr(discriminator, name)
            if ours != theirs:
                raise ConfigError(
                    f"generator and discriminator must see the same images, got {name} {ours} and "
                    f"{theirs}"
                )
        if own_generator is not None:
            if generator.field_mm or generator.detail_mm or generator.degradation != "none":
                raise ConfigError(
                    "a generator of one's own has no field_mm, detail_mm and degradation"
                )
            generator = generator.model_copy(update=_as_own(own_generator))
        if own_discriminator is not None:
            discriminator = discriminator.model_copy(update=_as_own(own_discriminator))
        self.generator_config, self.discriminator_config = generator, discriminator
        self.reference = reference
        self.others = tuple(sorted(set(sites) - {reference}))
        self.slices = 2 * generator.neighbours + 1
        self.channels = generator.channels
        self.dimensions = generator.dimensions
        self.told_to_generators = generator.coordinates
        self.told_to_judges = discriminator.coordinates
        self.forwards = make_generator(generator, allowed, own_generator)
        self.backwards = nn.ModuleList(
            make_way_back(generator, allowed, own_generator) for _ in self.others
        )
        self.judges = nn.ModuleList(
            make_discriminator(discriminator, allowed, own_discriminator)
            for _ in (reference, *self.others)
        )

    def back_to(self, site: str) -> nn.Module:
        """Return the generator from the reference to ``site``."""
        return self.backwards[self.others.index(site)]

    def degradation_of(self, site: str) -> Degradation | None:
        """Return the blur and noise that end the way back to ``site``, if it is to have them."""
        return degradation_of(self.back_to(site))

    def judge_of(self, site: str) -> nn.Module:
        """Return the discriminator of ``site``."""
        return self.judges[0 if site == self.reference else 1 + self.others.index(site)]

    @property
    def wants_places(self) -> bool:
        """Whether batches must say where their voxels lie in the head."""
        return self.told_to_generators or self.told_to_judges

    def make(self, generator: nn.Module, images: Tensor, on: Batch) -> Tensor:
        """Return what ``generator`` makes of images that lie where those of ``on`` do."""
        return generator(images, on.mask, *_places(on, self.told_to_generators))

    def judge(self, site: str, images: Tensor, on: Batch) -> tuple[Tensor, list[Tensor]]:
        """Return verdicts and features of ``images`` that lie where those of ``on`` do."""
        return self.judge_of(site)(images, on.mask, *_places(on, self.told_to_judges))

    def middle(self, images: Tensor) -> Tensor:
        """Return the slices that are changed, shape (n, c, ...), of those that are seen."""
        start = self.slices // 2 * self.channels
        return images[:, start : start + self.channels]

    def seen_again(self, made: Tensor) -> Tensor:
        """Return made slices as a generator sees them, each its own neighbour.

        Its true neighbours were not made; a slice at the end of a volume is seen the same way.
        """
        return made.repeat(1, self.slices, *[1] * (made.ndim - 2))


def joined(first: Batch, second: Batch) -> Batch:
    """Return two batches as one, ``first`` before ``second``; lesions are left out."""
    places = None
    if first.places is not None and second.places is not None:
        places = torch.cat([first.places, second.places])
    images, mask = (
        torch.cat(both) for both in ((first.images, second.images), (first.mask, second.mask))
    )
    return Batch(images, mask, None, places, first.shrink)


@dataclass(frozen=True)
class Translated:
    """All that a step makes of a batch of a site and one of the reference.

    ``to_site_sharp`` is ``to_site`` before it is degraded, if it is; ``site_kept`` is sharp as
    well, and ``site_again`` blurred, but has no noise.
    """

    to_reference: Tensor
    to_site: Tensor
    to_site_sharp: Tensor
    site_again: Tensor
    reference_again: Tensor
    site_kept: Tensor
    reference_kept: Tensor


def translate(
    networks: CycleGAN,
    site: str,
    x: Batch,
    r: Batch,
    draws: torch.Generator | None = None,
    field: float = 0.0,
) -> Translated:
    """Make there, back, and identity, four passes for six images by joining their batches.

    ``draws`` is where the noise of a degradation comes from, and the gains of size ``field`` that
    are laid on what goes on from the site to the reference again.
    """
    there, back = networks.forwards, networks.back_to(site)
    n, both = len(x.images), joined(x, r)
    made = networks.make(there, both.images, both)
    to_reference, reference_kept = made[:n], made[n:]
    made = networks.make(back, both.images, both)
    site_kept, sharp = made[:n], made[n:]
    again = networks.make(back, networks.seen_again(to_reference), x)
    degradation, to_site = networks.degradation_of(site), sharp
    if degradation is not None:
        again = degradation.blurred(again, x.mask, x.shrink)
        blurred = degradation.blurred(sharp, r.mask, r.shrink)
        to_site = degradation.noisy(blurred, r.mask, draws, r.shrink)
    shown = shaded(to_site, r.mask, field, draws) if field > 0 else to_site
    return Translated(
        to_reference,
        to_site,
        sharp,
        again,
        networks.make(there, networks.seen_again(shown), r),
        site_kept,
        reference_kept,
    )


def _places(on: Batch, told: bool) -> tuple[Tensor | None, ...]:
    # A network of the user's own that asks for no places need not know of them.
    return (on.places,) if told else ()


def lay_out(network: nn.Module, dimensions: int, device: torch.device) -> None:
    """Let the channels of a voxel lie beside each other where convolutions are faster so.

    Those of slices are on processors as well, by about a seventh.
    """
    if dimensions == 2:
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    elif device.type == "cuda":
        network.to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue]


def make_generator(
    config: GeneratorConfig, allowed: Sequence[str], own: nn.Module | None = None
) -> nn.Module:
    """Return the generator that ``config`` describes, or a copy of the user's own."""
    if own is not None:
        return deepcopy(own)
    if config.custom is not None:
        return make_network(config.custom, config, allowed)
    made = Generator(config)
    return InRange(made, config) if config.head == "direct" else made


def make_way_back(
    config: GeneratorConfig, allowed: Sequence[str], own: nn.Module | None = None
) -> nn.Module:
    """Return a generator to a site, which may end in the blur and noise of that site."""
    if config.degradation == "none":
        return make_generator(config, allowed, own)
    return Generator(config, degraded=True)


def make_discriminator(
    config: DiscriminatorConfig, allowed: Sequence[str], own: nn.Module | None = None
) -> nn.Module:
    """Return the discriminator that ``config`` describes, or a copy of the user's own."""
    if own is not None:
        return deepcopy(own)
    if config.custom is not None:
        return make_network(config.custom, config, allowed)
    return PatchDiscriminator(config)


def _as_own(network: nn.Module) -> dict[str, str]:
    return {"architecture": "custom", "custom": name_of(network)}
