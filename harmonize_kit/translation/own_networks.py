"""Networks of the user's own, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from torch import nn

from harmonize_kit.errors import ConfigError, DependencyError


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
