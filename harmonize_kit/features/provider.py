"""Which distribution answers to the module name ``radiomics``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harmonize_kit.errors import DependencyError, HarmonizeWarning

PROVIDER, EXPECTED = "pyradiomics-bhklab", "3.1.4"
# What PyRadiomics imports for an image type, and passes over in silence where it is missing.
NEEDED_BY = {
    "LBP2D": (("skimage.feature", "local_binary_pattern", "pip install scikit-image"),),
    "LBP3D": (
        ("scipy.ndimage.interpolation", "map_coordinates", "pip install 'scipy<1.17'"),
        ("scipy.special", "sph_harm", "pip install 'scipy<1.17'"),
        ("trimesh.creation", "icosphere", "pip install trimesh"),
    ),
}
OTHERS = ("pyradiomics", "pyradiomics-fix", "pyradiomics-cuda")


def describe_provider() -> str:
    """Return what provides the module ``radiomics``, in words.

    Raises
    ------
    DependencyError
        If nothing does, or two distributions do: they overwrite each other's files, so that what
        runs is neither.
    """
    own = _version(PROVIDER)
    others = [f"{name} {found}" for name in OTHERS if (found := _version(name))]
    if own is None and not others:
        raise DependencyError(f"PyRadiomics is missing; pip install {PROVIDER}=={EXPECTED}")
    if own is None:
        return f"{others[0]} instead of {PROVIDER} {EXPECTED}: numbers may differ in the last bits"
    if others:
        raise DependencyError(
            f"two distributions provide the module radiomics: {PROVIDER} {own} and {others[0]}; "
            f"pip uninstall both, then pip install --no-cache-dir {PROVIDER}=={EXPECTED}"
        )
    if own != EXPECTED:
        return f"{PROVIDER} {own} instead of {EXPECTED}: numbers may differ in the last bits"
    return f"{PROVIDER} {own}"


def load_pyradiomics() -> Any:
    """Import PyRadiomics quietly and return its feature extractor module.

    Raises
    ------
    DependencyError
        If it is missing, doubled, or its compiled part does not load.
    """
    found = describe_provider()
    if "instead of" in found:
        warnings.warn(f"the module radiomics comes from {found}", HarmonizeWarning, stacklevel=3)
    try:
        import radiomics
        from radiomics import featureextractor
    except Exception as error:
        raise DependencyError(
            f"PyRadiomics is installed but does not load ({error}); reinstall it with "
            f"pip install --no-cache-dir --force-reinstall --no-deps {PROVIDER}=={EXPECTED}"
        ) from error
    # It prints the same hints for every case, on a handler of its own.
    radiomics.setVerbosity(60)
    return featureextractor


def require_image_types(image_types: Iterable[str]) -> None:
    """Refuse image types whose packages are not here; PyRadiomics would leave them out.

    Raises
    ------
    DependencyError
    """
    for image_type in image_types:
        for module, name, remedy in NEEDED_BY.get(image_type, ()):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    getattr(import_module(module), name)
            except (ImportError, AttributeError) as error:
                raise DependencyError(
                    f"image type {image_type} needs {module}.{name}, which is not here; {remedy}"
                ) from error


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
