"""What must hold of networks and slices before the first step."""

from __future__ import annotations

from harmonize_kit.config.translation import ObjectiveConfig, TrainingConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.cyclegan import CycleGAN
from harmonize_kit.translation.generator import SIZE_MULTIPLE
from harmonize_kit.translation.own_networks import require_discriminator, require_generator
from harmonize_kit.translation.store import SliceStore

# A side to try networks on that are shown slices whole, before there are slices.
UNKNOWN = 64


def require_sizes(networks: CycleGAN, store: SliceStore, config: TrainingConfig) -> None:
    """Refuse what networks could not halve, and what cannot be cropped.

    Raises
    ------
    ConfigError
    """
    y, x = store.images.shape[-2:]
    crop = config.crop
    if crop is None and networks.dimensions == 3:
        raise ConfigError("networks of patches need to know their size; set training.crop")
    if crop is not None and crop > min(y, x):
        raise ConfigError(f"a crop of {crop} voxels does not fit into slices of {y} x {x}")
    multiple = SIZE_MULTIPLE * max(phase.shrink for phase in config.phases)
    sizes = (y, x) if crop is None else (crop, crop)
    if any(size % multiple for size in sizes):
        raise ConfigError(
            f"expected crops, or slices, of multiples of {multiple} voxels (the networks halve "
            f"twice what is shrunk first), got {sizes[0]} x {sizes[1]}"
        )


def require_own_networks(
    networks: CycleGAN,
    objective: ObjectiveConfig,
    config: TrainingConfig,
    store: SliceStore | None = None,
) -> None:
    """Refuse networks of the user's own that are not as :mod:`.own_networks` says.

    They are tried on the smallest images that they will be shown, which are guessed where slices
    are shown whole and there are none yet.

    Raises
    ------
    ConfigError
    """
    shrink = max(phase.shrink for phase in config.phases)
    if config.crop is None and store is not None:
        sizes = tuple(size // shrink for size in store.images.shape[-2:])
    else:
        sizes = ((config.crop or UNKNOWN) // shrink,) * networks.dimensions
    if networks.generator_config.custom is not None:
        for network in (networks.forwards, *networks.backwards):
            require_generator(network, networks.generator_config, sizes)
    if networks.discriminator_config.custom is not None:
        for network in networks.judges:
            require_discriminator(
                network, networks.discriminator_config, sizes,
                features=objective.feature_matching > 0,
            )  # fmt: skip
