"""Logs of a training beside its metrics file, written when they are asked for.

They are loaded only then. TensorBoard's event files and MLflow's file store lie in the folder of
the model, and nothing leaves the machine unless another place is named for MLflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from harmonize_kit.errors import ConfigError, DependencyError, did_you_mean
from harmonize_kit.translation.training_log import TrainingLog

TENSORBOARD, MLFLOW = "tensorboard", "mlflow"
NAMES = (TENSORBOARD, MLFLOW)


def require_logs(names: Sequence[str], uri: str | None = None) -> None:
    """Refuse what :func:`open_logs` could not open.

    Raises
    ------
    ConfigError
        If a name is unknown, or ``uri`` is given and no log takes it.
    DependencyError
        If a package is not installed.
    """
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"there is no log '{name}'. {did_you_mean(name, NAMES)}")
        if find_spec(name) is None:
            raise DependencyError(
                f"a log for {name} needs it; install it with pip install 'harmonize-kit[{name}]'"
            )
    if uri is not None and MLFLOW not in names:
        raise ConfigError(
            f"{uri} was named for MLflow's runs, but no log of mlflow was asked for; add it: "
            "--log-to mlflow"
        )


def open_logs(names: Sequence[str], folder: Path, uri: str | None = None) -> list[TrainingLog]:
    """Return logs by their names.

    Parameters
    ----------
    names : sequence of str
        Of ``NAMES``.
    folder : Path
        Of the model.
    uri : str, optional
        Where MLflow is to keep runs, instead of ``folder``.

    Raises
    ------
    ConfigError, DependencyError
        As :func:`require_logs`; also if MLflow cannot keep runs there.
    """
    require_logs(names, uri)
    logs: list[TrainingLog] = []
    if TENSORBOARD in names:
        from harmonize_kit.translation.tensorboard_log import TensorBoardLog

        logs.append(TensorBoardLog(folder / TENSORBOARD))
    if MLFLOW in names:
        from harmonize_kit.translation.mlflow_log import MlflowLog

        logs.append(MlflowLog(folder, uri))
    return logs
