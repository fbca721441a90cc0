"""Losses as metrics of a run of MLflow."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from harmonize_kit.errors import ConfigError
from harmonize_kit.storage.whole import write_text
from harmonize_kit.translation.training_log import LogLine

EXPERIMENT = "harmonize-kit"
logger = logging.getLogger(__name__)


class MlflowLog:
    """A run of MLflow; see :class:`.training_log.TrainingLog`.

    MLflow forgets nothing, so that after a stop steps that come again are not told again. A store
    that cannot be reached any more ends this log, and not the training.

    Parameters
    ----------
    folder : Path
        Of the model; ``mlflow.json`` in it says which run is its.
    uri : str, optional
        Where runs are kept; without one, in plain files under ``folder``.

    Raises
    ------
    ConfigError
        If no run can be kept there.
    """

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        # Left alone, MLflow tells its makers that it is used, and refuses to write plain files.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        self.name, self.noted = folder.resolve().name, folder / "mlflow.json"
        self.uri = uri or (folder.resolve() / "mlflow").as_uri()
        self._metric: Any = import_module("mlflow.entities").Metric
        self._run, self._told, self._anew, self._lost = "", 0, "", False
        try:
            self._client: Any = import_module("mlflow.tracking").MlflowClient(self.uri)
            found = self._client.get_experiment_by_name(EXPERIMENT)
            if found is not None:
                self._experiment = found.experiment_id
            else:
                self._experiment = self._client.create_experiment(EXPERIMENT)
        except Exception as error:
            # MLflow has errors of its own, but its stores raise what they like.
            raise ConfigError(f"MLflow cannot keep runs at the place named ({error})") from error

    def begin(self, step: int) -> None:
        """Take up the run of the folder; where that cannot be, say so and begin another."""
        del step
        self._run, self._told = "", 0
        if not self.noted.exists():
            return
        try:
            kept = json.loads(self.noted.read_text(encoding="utf-8"))
            run, told = str(kept["run"]), int(kept["step"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._begin_anew(f"{self.noted} cannot be read ({type(error).__name__}: {error})")
            return
        try:
            self._client.update_run(run, "RUNNING")
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self._begin_anew(f"run {run} is not to be had from {self.uri} ({error})")
            return
        self._run, self._told = run, told

    def note(self, line: LogLine) -> None:
        """Tell losses as metrics, ``name/site``, unless an earlier run told this step."""
        if self._lost or line.step <= self._told:
            return
        site, now = re.sub(r"[^\w\- ]", "_", line.site), int(1000 * time.time())
        metrics = [
            self._metric(f"{name}/{site}", value, now, line.step)
            for name, value in line.values.items()
            if math.isfinite(value)
        ]
        try:
            if not self._run:
                run = self._client.create_run(self._experiment, run_name=self.name)
                self._run = run.info.run_id
            self._client.log_batch(self._run, metrics)
        except Exception as error:  # noqa: BLE001 - stores raise what they like
            self._lose(error)
            return
        write_text(self.noted, json.dumps({"run": self._run, "step": line.step}) + "\n")

    def end(self) -> None:
        """Say that the run has finished."""
        if self._run and not self._lost:
            try:
                self._client.set_terminated(self._run)
            except Exception as error:  # noqa: BLE001 - stores raise what they like
                self._lose(error)

    def _begin_anew(self, reason: str) -> None:
        # A log may be begun several times before its first line.
        if reason != self._anew:
            logger.warning("MLflow: a new run is begun, since %s", reason)
        self._anew = reason

    def _lose(self, error: Exception) -> None:
        self._lost = True
        logger.warning("MLflow takes no more of this training, which goes on: %s", error)
