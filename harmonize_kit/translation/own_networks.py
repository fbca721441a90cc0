"""Networks of the user's own, by name or as they are, and what they must offer.

A generator is made from its :class:`~harmonize_kit.config.translation.GeneratorConfig` and called
as ``generator(images, mask)``:

- ``images``, shape (n, channels * (2 * neighbours + 1), ...): the slices that are seen, slice by
  slice, the middle one of which is to be changed; or patches. Sizes of slices are multiples of 4,
  from 16 on.
- ``mask``, bool, shape (n, 1, ...): where it may change.
- It returns the images that it makes, shape (n, channels, ...); outside of the mask they are those
  that came in: ``torch.where(mask, made, own)``.

A discriminator is made from its :class:`~harmonize_kit.config.translation.DiscriminatorConfig` and
called as ``discriminator(images, mask)``, images being of shape (n, channels, ...). It returns
verdicts, shape (n, 1, ...), and a list of features, any number of tensors of shape (n, f, ...); one
of them at least where ``feature_matching`` weighs something.

Where its configuration says ``coordinates``, a network is called with a third argument, the places
of voxels in the head, shape (n, 3, ...) (:mod:`.places`). Networks are copied, and a mean of their
weights is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor, nn

from harmonize_kit.config.translation import DiscriminatorConfig, GeneratorConfig
from harmonize_kit.errors import ConfigError, DependencyError
from harmonize_kit.translation.places import PLACES

Config = GeneratorConfig | DiscriminatorConfig
# Slices of volumes in use are padded to such sizes, whatever they were in training.
LEAST = (16, 20)


def import_network(name: str, allowed: Sequence[str]) -> type[nn.Module]:
    """Return the class that ``name`` stands for, if its package was allowed.

    To import is to run. A configuration may come from a stranger, so it may name only what the
    person at the keyboard allowed.

    Parameters
    ----------
    name : str
        ``package.module:Class``.
    allowed : sequence of str
        Packages or modules that may be imported.

    Raises
    ------
    ConfigError
        If the name is not of that form or not allowed, or names no network.
    DependencyError
        If the module cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise ConfigError(f"expected a network as package.module:Class, got '{name}'")
    if not any(module == root or module.startswith(f"{root}.") for root in allowed):
        raise ConfigError(
            f"the network '{name}' would run code of '{module}', which was not allowed; where you "
            f"trust it, say so: --allow {module.split('.')[0]}"
        )
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as error:
        raise DependencyError(f"the network '{name}' cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(f"expected '{name}' to be a torch.nn.Module, got {found!r}")
    return found


def make_network(name: str, config: Config, allowed: Sequence[str]) -> nn.Module:
    """Return a network of the class ``name`` stands for, made from its configuration.

    Raises
    ------
    ConfigError, DependencyError
        As :func:`import_network`; also if it cannot be made so.
    """
    kind = import_network(name, allowed)
    try:
        return kind(config)
    except TypeError as error:
        raise ConfigError(
            f"the network '{name}' is made from one argument, its configuration "
            f"({type(config).__name__}), and could not be ({error})"
        ) from error


def name_of(network: nn.Module) -> str:
    """Return ``package.module:Class`` of a network that was handed over."""
    return f"{type(network).__module__}:{type(network).__qualname__}"


def require_generator(network: nn.Module, config: GeneratorConfig, sizes: Sequence[int]) -> None:
    """Try a copy of a generator on noise of ``sizes``; refuse one that is not as it must be.

    Raises
    ------
    ConfigError
    """
    name = f"the generator '{name_of(network)}'"
    around = LEAST if config.dimensions == 2 else sizes
    channels = config.channels * (2 * config.neighbours + 1)
    images, mask, made = _tried(name, network, config, channels, around)
    expected = (len(images), config.channels, *around)
    if not isinstance(made, Tensor) or made.shape != expected:
        raise ConfigError(f"{name}: expected images of shape {expected}, got {_described(made)}")
    if not made.requires_grad:
        raise ConfigError(f"{name}: what it makes depends on no weights, so nothing can be learned")
    start = config.neighbours * config.channels
    own = images[:, start : start + config.channels]
    if not torch.equal(torch.where(mask, own, made), own):
        raise ConfigError(
            f"{name} changes what lies outside of the mask; let it end with "
            "torch.where(mask, made, own)"
        )


def require_discriminator(
    network: nn.Module, config: DiscriminatorConfig, sizes: Sequence[int], *, features: bool
) -> None:
    """Try a copy of a discriminator on noise of ``sizes``; refuse one that is not as it must be.

    ``features`` says whether there must be some.

    Raises
    ------
    ConfigError
    """
    name = f"the discriminator '{name_of(network)}'"
    images, _, told = _tried(name, network, config, config.channels, sizes)
    pair = cast(tuple[Any, ...], told) if isinstance(told, tuple) else ()
    if len(pair) != 2 or not isinstance(pair[0], Tensor) or not isinstance(pair[1], (list, tuple)):
        raise ConfigError(
            f"{name}: expected verdicts and a list of features, got "
            f"{_described(cast(object, told))}"
        )
    verdict, found = pair[0], cast(list[Any], pair[1])
    if verdict.ndim < 2 or verdict.shape[:2] != (len(images), 1) or not verdict.requires_grad:
        raise ConfigError(
            f"{name}: expected verdicts of shape ({len(images)}, 1, ...) that depend on its "
            f"weights, got {_described(verdict)}"
        )
    if not all(isinstance(one, Tensor) and one.ndim > 1 for one in found):
        raise ConfigError(f"{name}: expected features of shape (n, f, ...)")
    if features and not found:
        raise ConfigError(f"{name} gives no features, and feature_matching compares them; leave it")


def _tried(
    name: str, network: nn.Module, config: Config, channels: int, sizes: Sequence[int]
) -> tuple[Tensor, Tensor, Any]:
    """Return images, mask, and what a copy of the network makes of them."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        images = torch.randn(2, channels, *sizes)
        mask = torch.rand(2, 1, *sizes) > 0.5
        places = [torch.zeros(2, PLACES, *sizes)] * config.coordinates
        try:
            made = deepcopy(network).cpu().train(False)(images.clone(), mask, *places)
        except Exception as error:
            # Code of the user's own raises what it likes.
            raise ConfigError(
                f"{name} could not be called with images of shape {tuple(images.shape)} and their "
                f"mask{', and their places' * config.coordinates}: {error}"
            ) from error
    return images, mask, made


def _described(made: object) -> str:
    if isinstance(made, Tensor):
        return f"shape {tuple(made.shape)}"
    return f"a {type(made).__name__}"
