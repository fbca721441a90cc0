"""Image-level harmonization: train networks on a cohort, and use a model on another.

Importing this loads no torch; calling does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.errors import DependencyError

if TYPE_CHECKING:
    from harmonize_kit.flows.translate_apply import TranslationEstimate, TranslationRun
    from harmonize_kit.flows.translate_train import TrainingRun

NEEDED = ("torch", "safetensors")
DEFAULT_CONFIG = "cyclegan"
Device = Literal["auto", "cpu", "cuda"]
# Told of each case: its outcome, how many are done, and how many there are.
CaseProgress = Callable[[Any, int, int], None]
# Told step, steps in all, and the newest losses by name.
StepProgress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainOptions:
    """What is said of a training beside its configuration.

    Parameters
    ----------
    site : str
        Column of the sites.
    reference : str, optional
        The site whose look images get; the configuration may name it instead.
    match : tuple of str
        Covariates that batches are matched on, beside those of the configuration.
    modalities : tuple of str
        Those to take, as channels in this order; none means all.
    id_column : str, optional
    allow : tuple of str
        Packages that networks of the user's own may come from.
    device : {"auto", "cpu", "cuda"}
    seed : int, optional
        Instead of the configuration's.
    resume : bool
        Whether there must be something to take up again. What is there is taken up in any case.
    despite_differences : bool
        Whether to train though sites differ in lesions or covariates beyond the bounds.
    log_to : tuple of str
        Logs beside ``metrics.jsonl``: "tensorboard", "mlflow".
    mlflow_uri : str, optional
        Where MLflow keeps runs, instead of the folder of the model.
    alike : tuple of str
        Covariates that sites must not differ in, beside those of the configuration. Where neither
        names any, the columns called as age and sex are compared.
    """

    site: str
    reference: str | None = None
    match: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    id_column: str | None = None
    allow: tuple[str, ...] = ()
    device: Device = "auto"
    seed: int | None = None
    resume: bool = False
    despite_differences: bool = False
    log_to: tuple[str, ...] = ()
    mlflow_uri: str | None = None
    alike: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApplyOptions:
    """How a model is used.

    Parameters
    ----------
    site : str, optional
        Column of the sites; without one, every case is taken to the reference.
    to : str, optional
        The site to make images look like, instead of the reference.
    flips, planes : bool
        Views beside the axial one; see :func:`~harmonize_kit.translation.apply.apply_generator`.
    guards : Path, optional
        File with the bounds of :class:`~harmonize_kit.config.guards.GuardConfig`.
    id_column : str, optional
    allow : tuple of str
        Packages that a generator of the user's own may come from.
    device : {"auto", "cpu", "cuda"}
    force : bool
        Whether to do again what is kept.
    """

    site: str | None = None
    to: str | None = None
    flips: bool = False
    planes: bool = False
    guards: Path | None = None
    id_column: str | None = None
    allow: tuple[str, ...] = ()
    device: Device = "auto"
    force: bool = False


def train_translator(
    cohort: Path,
    folder: Path,
    options: TrainOptions,
    config: str = DEFAULT_CONFIG,
    case_progress: CaseProgress = lambda outcome, done, total: None,
    step_progress: StepProgress = lambda step, steps, losses: None,
) -> TrainingRun:
    """Train networks on the cohort at ``cohort`` into the model folder ``folder``.

    What an earlier run of the same choices on the same files left there is taken up again.
    Processes that torchrun started train as one, on a batch as many times as large; the first of
    them alone cuts slices, writes and logs.

    Raises
    ------
    TableError, ConfigError, DesignError
        If the cohort or a choice is not usable, or the sites differ in more than their scanners.
    DependencyError
        If torch is not installed, or no GPU where one is asked for.
    NothingSucceededError
        If no case of a site can be read, or the training diverged.
    """
    require_torch()
    from harmonize_kit.flows.translate_train import train_to_folder

    return train_to_folder(cohort, folder, options, config, case_progress, step_progress)


def translate_cohort(
    model: str | Path,
    cohort: str | Path,
    folder: str | Path,
    options: ApplyOptions | None = None,
    execution: ExecutionConfig | None = None,
    progress: CaseProgress = lambda outcome, done, total: None,
) -> TranslationRun:
    """Translate the images of a cohort by the model at ``model``, into ``folder``.

    The model is one that :func:`train_translator` or
    :func:`~harmonize_kit.flows.translate_fit.fit_baseline` wrote.

    Raises
    ------
    TableError, ConfigError
        If the cohort or a choice is not usable; nothing was started.
    DependencyError, IntegrityError
        If the model holds networks and torch is not installed, or it is damaged.
    NothingSucceededError
        If every case failed; failures.csv says why.
    """
    from harmonize_kit.flows.translate_apply import apply_to_folder

    chosen = options or ApplyOptions()
    own = execution or ExecutionConfig()
    return apply_to_folder(Path(model), Path(cohort), Path(folder), chosen, own, progress)


def estimate_translation(
    model: str | Path,
    cohort: str | Path,
    folder: str | Path,
    options: ApplyOptions | None = None,
    execution: ExecutionConfig | None = None,
) -> TranslationEstimate:
    """Tell what :func:`translate_cohort` would do, and do nothing; it raises the same."""
    from harmonize_kit.flows.translate_apply import estimate_apply

    chosen = options or ApplyOptions()
    own = execution or ExecutionConfig()
    return estimate_apply(Path(model), Path(cohort), Path(folder), chosen, own)


def is_first_process() -> bool:
    """Tell whether this is the process, of those torchrun started, that speaks for all."""
    return "MASTER_ADDR" not in os.environ or os.environ.get("RANK", "0") == "0"


def require_torch() -> None:
    """Raise DependencyError, with what to install, where torch is not there.

    Where it is, its threads are told, before it is loaded, to sleep while they wait for each other:
    spinning, they stall each other wherever another program shares the cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"image-level harmonization needs {' and '.join(missing)}; install it with pip install "
            "'harmonize-kit[image]'"
        )
