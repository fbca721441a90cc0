"""The stages by the names of the command line: what each calls, and what its numbers depend on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from harmonize_kit.config.preprocess import PreprocessingConfig
from harmonize_kit.config.registration import RegistrationConfig
from harmonize_kit.core.digest import digest_file, digest_value
from harmonize_kit.errors import ConfigError
from harmonize_kit.preprocess.bias_field import correct_bias_field
from harmonize_kit.preprocess.coregistration import coregister
from harmonize_kit.preprocess.intensity import normalize_intensity
from harmonize_kit.preprocess.intensity_fit import FittedIntensity
from harmonize_kit.preprocess.quality import assess_quality
from harmonize_kit.preprocess.registration import register
from harmonize_kit.preprocess.resampling import resample
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.preprocess.skull_strip import strip_skull

Run = Callable[[Scans, PreprocessingConfig, FittedIntensity | None], Staged]
# The code that makes the numbers of every stage.
COMMON = ("harmonize-kit", "numpy", "scipy", "SimpleITK")


@dataclass(frozen=True)
class Stage:
    """One stage.

    Parameters
    ----------
    run : callable
        The stage as a function of scans, the whole configuration, and a fitted intensity model.
    makers : tuple of str
        Packages, beside :data:`COMMON`, a change of which makes its outcome anew.
    """

    run: Run
    makers: tuple[str, ...] = ()


def _quality(scans: Scans, config: PreprocessingConfig, fitted: object) -> Staged:
    return assess_quality(scans, config.quality)


def _n4(scans: Scans, config: PreprocessingConfig, fitted: object) -> Staged:
    return correct_bias_field(scans, config.n4)


def _strip(scans: Scans, config: PreprocessingConfig, fitted: object) -> Staged:
    return strip_skull(scans, config.strip)


def _resample(scans: Scans, config: PreprocessingConfig, fitted: object) -> Staged:
    return resample(scans, config.resample)


def _coregister(scans: Scans, config: PreprocessingConfig, fitted: object) -> Staged:
    return coregister(scans, config.registration)


def _register(scans: Scans, config: PreprocessingConfig, fitted: object) -> Staged:
    settings = config.settings_of("register")
    return register(scans, cast(RegistrationConfig, settings))


def _normalize(scans: Scans, config: PreprocessingConfig, fitted: FittedIntensity | None) -> Staged:
    return normalize_intensity(scans, config.normalize, fitted)


STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        "quality": Stage(_quality),
        "n4": Stage(_n4),
        "strip": Stage(_strip, ("deepbet", "torch")),
        "resample": Stage(_resample),
        "coregister": Stage(_coregister),
        "register": Stage(_register, ("nilearn",)),
        "normalize": Stage(_normalize),
    }
)


def describe_stage(name: str, config: PreprocessingConfig, model: str | None = None) -> Any:
    """Return, as plain values, all but the scans that determines what a stage makes.

    Parameters
    ----------
    name : str
    config : PreprocessingConfig
    model : str, optional
        Digest of the fitted intensity model, for the stage that applies it.
    """
    settings = config.settings_of(name)
    files = _template_files(config.registration) if name == "register" else {}
    return {
        **files,
        "stage": name,
        "settings": None if settings is None else settings.model_dump(mode="json"),
        "made_by": makers_of(name),
        "model": model,
    }


def _template_files(config: RegistrationConfig) -> dict[str, str]:
    """Return the digests of a template given by path, which may change under its name."""
    paths = {"template": config.template, "template_mask": config.template_mask}
    own = {name: Path(path) for name, path in paths.items() if path not in (None, "mni152", "none")}
    for name, path in own.items():
        if not path.is_file():
            raise ConfigError(f"register.{name}: there is no file {path}")
    return {name: _digest_at(str(p), p.stat().st_mtime_ns) for name, p in own.items()}


@lru_cache
def _digest_at(path: str, changed: int) -> str:
    del changed
    return digest_file(Path(path))


@lru_cache
def makers_of(name: str) -> str:
    """Return, as one text, the versions of what makes the numbers of a stage in this process."""
    stage = STAGES.get(name)
    packages = (*COMMON, *(stage.makers if stage else ()))
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def makers(config: PreprocessingConfig) -> str:
    """Return the digest of the versions and settings behind all stages of a configuration."""
    return digest_value([describe_stage(name, config) for name in config.stages])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
