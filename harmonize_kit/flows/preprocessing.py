"""preprocess as Python users call it.

It bears the name of the room whose stages do the work. The room's package is imported here first
(it loads nothing by itself), so that at the root the function keeps the name.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harmonize_kit.config.preprocess import PreprocessingConfig
    from harmonize_kit.core.cohort import Cohort
    from harmonize_kit.flows.preprocess import PreprocessingRun

import_module("harmonize_kit.preprocess")


def preprocess(
    cohort: Cohort | str | Path,
    config: PreprocessingConfig | str | Path | dict[str, Any] = "brain-mr-t1",
    *,
    output: str | Path,
    stages: str | None = None,
    workers: int | str = "auto",
) -> PreprocessingRun:
    """Preprocess a cohort into a folder; what is done there already is not done again.

    Parameters
    ----------
    cohort : Cohort or path
        A cohort table, or a folder: BIDS, BraTS or DICOM series.
    config : preset, path, dict or PreprocessingConfig
    output : path
        Folder for images, tables and what is kept between stages; ``cohort.csv`` in it is the
        cohort that :func:`extract` takes.
    stages : str, optional
        Stages to run instead of those of the configuration, ``"n4,zscore"``.
    workers : int or "auto"
        Processes. With more than one, call from a script under ``if __name__ == "__main__":``.

    Returns
    -------
    PreprocessingRun
        Tables of the cases that succeeded (``table``) and of those that failed (``failures``).

    Raises
    ------
    TableError, ConfigError
        If the cohort or the configuration is not usable; nothing was started.
    NothingSucceededError
        If every case failed.

    Examples
    --------
    >>> run = hk.preprocess("cohort.csv", "brain-mr-t1", output="heads")  # doctest: +SKIP
    >>> table = hk.extract(run.folder / "cohort.csv", params="mr-default")  # doctest: +SKIP
    """
    from harmonize_kit.config.execution import ExecutionConfig
    from harmonize_kit.config.load import validate_config
    from harmonize_kit.core.cohort import Cohort
    from harmonize_kit.flows.preprocess import preprocess_to_folder
    from harmonize_kit.flows.preprocess_plan import Options

    own = cohort if isinstance(cohort, Cohort) else Path(cohort)
    execution = validate_config({"workers": workers}, "workers", ExecutionConfig)
    return preprocess_to_folder(own, Path(output), config, execution, Options(stages=stages))
