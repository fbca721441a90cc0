"""Shared data: small tables and volumes with a known site effect, and the real data if at hand."""

from __future__ import annotations

import os
from pathlib import Path

# Before numpy is loaded: small problems are slower on several threads, and machines are shared.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from harmonize_kit.core.table import FeatureTable
from harmonize_kit.core.volume import Geometry, Volume
from harmonize_kit.storage.images import write_image, write_mask

ROOT = Path(__file__).parent.parent

# Laws are tried on the same draws each time; HYPOTHESIS_PROFILE=explore looks further.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def make_table(seed: int = 0, n: int = 90, p: int = 12, sites: str = "ABC") -> FeatureTable:
    """A table of ``n`` cases with site shift and scale, an age and a sex effect."""
    rng = np.random.default_rng(seed)
    code = rng.permutation(np.arange(n) % len(sites))
    age, sex = rng.uniform(20, 80, n), rng.choice(["F", "M"], n)
    shift, scale = rng.normal(0, 1, (len(sites), p)), rng.uniform(0.6, 1.6, (len(sites), p))
    noise = rng.normal(size=(n, p))
    biology = np.outer((age - 50) / 20, rng.normal(size=p)) + np.outer(
        sex == "M", rng.normal(size=p)
    )
    values = 10 + biology + shift[code] + scale[code] * noise
    index = pd.Index([f"sub-{i:03d}" for i in range(n)], name="id")
    covariates = pd.DataFrame(
        {"site": [sites[c] for c in code], "age": [f"{a:.3f}" for a in age], "sex": sex},
        index=index, dtype=object,
    )  # fmt: skip
    features = pd.DataFrame(values, index=index, columns=[f"f{j:02d}" for j in range(p)])
    return FeatureTable(features, covariates, source="synthetic")


@pytest.fixture
def table() -> FeatureTable:
    return make_table()


def make_volume(seed: int = 0, size: int = 18, dtype: str = "int16") -> Volume:
    """Smooth noise on an anisotropic, off-centre grid, with a ball as label 1 and a box as 2."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:size, :size, :size]
    array: NDArray[np.float64] = (
        300 + 60 * np.sin(x / 3) * np.cos(y / 4) + rng.normal(0, 25, x.shape)
    )
    centre = size // 2
    mask = ((z - centre) ** 2 + (y - centre) ** 2 + (x - centre) ** 2 <= 25).astype(np.uint8)
    mask[1:4, 1:5, 1:6] = 2
    geometry = Geometry((size, size, size), (0.9, 0.9, 2.5), (-30.0, 12.5, 7.0))
    return Volume(array.astype(dtype), geometry, mask)


@pytest.fixture
def volume() -> Volume:
    return make_volume()


@pytest.fixture
def cohort_path(tmp_path: Path) -> Path:
    """A cohort of four cases on disk, in two sites."""
    rows: list[dict[str, str]] = []
    for number in range(4):
        case = make_volume(number)
        write_image(case, tmp_path / f"{number}_image.nrrd")
        write_mask(case, tmp_path / f"{number}_mask.nrrd")
        rows.append(
            {
                "id": f"00{number}", "Image": f"{number}_image.nrrd",
                "Mask": f"{number}_mask.nrrd", "site": "AB"[number % 2],
            }
        )  # fmt: skip
    path = tmp_path / "cohort.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real multi-site data, where there is one."""
    for folder in (os.environ.get("HARMONIZE_KIT_DATA"), ROOT.parent / "shared" / "data"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("no real data: set HARMONIZE_KIT_DATA to its folder")
