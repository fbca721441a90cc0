"""Where workers come from: this machine, a batch system, or a scheduler that runs already."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import dask
from distributed import Client, LocalCluster

from harmonize_kit.config.execution import ClusterConfig, ExecutionConfig
from harmonize_kit.errors import ConfigError, DependencyError
from harmonize_kit.execution.processes import SINGLE_THREAD, START_METHOD

CONNECT_SECONDS = 20
PRELOAD = "harmonize_kit.execution.worker"
SETTINGS = {
    "distributed.nanny.pre-spawn-environ": SINGLE_THREAD,
    "distributed.worker.preload": [PRELOAD],
    # A case may hold the interpreter in C for longer than any time to live of its worker.
    "distributed.scheduler.worker-ttl": None,
    # The case of a dead worker comes back at once; Dispatch tries it again.
    "distributed.scheduler.allowed-failures": 0,
    # A worker holds the cases it is at and no others.
    "distributed.scheduler.worker-saturation": 1.0,
    # A nanny starts its worker anew; meanwhile the cluster must not take both for lost.
    "distributed.deploy.lost-worker-timeout": "60s",
    # There are no results on workers that could be moved or spilled, and none is ever paused.
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # The memory of the driver does not grow with the cohort.
    "distributed.admin.low-level-log-length": 100,
    "distributed.worker.profile.enabled": False,
}
# Dask's pages of figures are left out; what remains of their server takes any free port.
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
HERE = {
    # On this machine a nanny is lost with the driver only.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    "distributed.worker.multiprocessing-method": START_METHOD,
}
CLUSTERS = {
    "slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster", "moab": "MoabCluster", "oar": "OARCluster",
}  # fmt: skip


@contextmanager
def connect(config: ExecutionConfig, workers: int) -> Generator[Client]:
    """Give a client of the workers ``config`` asks for; those started for it end with it.

    Raises
    ------
    DependencyError
        If no scheduler answers, the batch system or its library is missing, or processes cannot
        be started.
    ConfigError
        If the batch system refuses the job.
    """
    if config.scheduler is not None:
        with _running(config.scheduler) as client:
            yield client
        return
    with dask.config.set(SETTINGS if config.cluster else SETTINGS | HERE):
        batch = config.cluster
        cluster = _local(config, workers) if batch is None else _batch(batch)
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


def _running(address: str) -> Client:
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise DependencyError(
            f"no Dask scheduler answers at {address} ({error}); is it running, and of the same "
            "version of dask?"
        ) from error


def _local(config: ExecutionConfig, workers: int) -> LocalCluster:
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=config.memory_per_worker or "auto",
            scheduler_kwargs=NO_DASHBOARD,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise DependencyError(
            f"worker processes cannot be started ({error}); a script that uses several must call "
            'from under if __name__ == "__main__":, or with workers=1'
        ) from None


def _batch(config: ClusterConfig) -> Any:
    name, job = config.system
    try:
        import dask_jobqueue
    except ImportError as error:
        raise DependencyError(
            "a cluster needs dask-jobqueue: pip install 'harmonize-kit[cluster]'"
        ) from error
    make = getattr(dask_jobqueue, CLUSTERS[name])
    submit = str(make.job_cls.submit_command).split()[0]
    if shutil.which(submit) is None:
        raise DependencyError(
            f"there is no command {submit} here; run where jobs of {name} can be submitted"
        )
    options = {key: value for key, value in job.model_dump(mode="json").items() if value}
    exports = [f"export {variable}={value}" for variable, value in SINGLE_THREAD.items()]
    options["job_script_prologue"] = [*exports, *job.job_script_prologue]
    options["worker_extra_args"] = ["--preload", PRELOAD, *job.worker_extra_args]
    try:
        cluster = make(
            processes=job.cores, silence_logs=logging.CRITICAL, scheduler_options=NO_DASHBOARD,
            **options,
        )  # fmt: skip
    except (TypeError, ValueError) as error:
        reason = str(error).partition(". Very likely")[0]
        raise ConfigError(f"{name} cannot have such a job: {reason}") from error
    try:
        # What cluster.scale does, but waiting for it, so that a refusal of the job is heard.
        while len(cluster.worker_spec) < config.jobs:
            cluster.worker_spec.update(cluster.new_worker_spec())
        cluster.sync(cluster._correct_state)
    except RuntimeError as error:
        # Dask insists that every job was started before it is closed.
        with suppress(AssertionError):
            cluster.close()
        raise ConfigError(f"{name} refuses the job: {_last_words(error)}") from error
    # Jobs that are cancelled or reach their time limit are replaced.
    cluster.adapt(minimum_jobs=config.jobs, maximum_jobs=config.jobs)
    return cluster


def _last_words(error: BaseException) -> str:
    """Return the last line a command said, of the report that dask-jobqueue makes of it."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)
