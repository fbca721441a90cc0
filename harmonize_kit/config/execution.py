"""How cases are spread over processes or a cluster."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator


def _amount(amount: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?\s*[KMGT]i?B", amount):
        raise ValueError(f"expected an amount of memory such as 4GB or 512MiB, got '{amount}'")
    return amount


Memory = Annotated[str, AfterValidator(_amount)]
SYSTEMS = ("slurm", "pbs", "sge", "lsf", "htcondor", "moab", "oar")


class JobConfig(BaseModel):
    """One job of a batch system, in the words of dask-jobqueue.

    Parameters
    ----------
    cores : int
        Cores of a job; each takes one case at a time.
    memory : str
        Memory of a job, shared by its cores.
    walltime, queue, account, project, resource_spec, job_cpu, job_mem, interface, ...
        As in dask-jobqueue; what a batch system does not know is refused when the run starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: Memory
    cores: Annotated[int, Field(ge=1)] = 1
    queue: str | None = None
    account: str | None = None
    project: str | None = None
    walltime: str | None = None
    resource_spec: str | None = None
    job_cpu: int | None = None
    job_mem: str | None = None
    interface: str | None = None
    job_extra_directives: tuple[str, ...] = ()
    job_directives_skip: tuple[str, ...] = ()
    job_script_prologue: tuple[str, ...] = ()
    worker_extra_args: tuple[str, ...] = ()
    local_directory: str | None = None
    log_directory: str | None = None
    shebang: str | None = None
    python: str | None = None


class ClusterConfig(BaseModel):
    """A batch system: one of its names with the options of a job, and how many jobs.

    Parameters
    ----------
    slurm, pbs, sge, lsf, htcondor, moab, oar : JobConfig
        Exactly one of them.
    jobs : int
        Jobs to keep in the queue; one that ends before the run does is replaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slurm: JobConfig | None = None
    pbs: JobConfig | None = None
    sge: JobConfig | None = None
    lsf: JobConfig | None = None
    htcondor: JobConfig | None = None
    moab: JobConfig | None = None
    oar: JobConfig | None = None
    jobs: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_system(self) -> Self:
        named = [name for name in SYSTEMS if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(
                f"expected one batch system of {', '.join(SYSTEMS)}, got {' and '.join(named) or 0}"
            )
        return self

    @property
    def system(self) -> tuple[str, JobConfig]:
        """Name of the batch system, and its job."""
        return next((name, getattr(self, name)) for name in SYSTEMS if getattr(self, name))


class ExecutionConfig(BaseModel):
    """Where and how cases run.

    Parameters
    ----------
    workers : int or "auto"
        Processes on this machine, one thread each; "auto" takes the cores the process may use.
        One worker runs in the calling process, unless a limit of memory or time is set.
    scheduler : str, optional
        Address of a running Dask scheduler (``tcp://host:8786``); then ``workers`` is its matter.
    cluster : ClusterConfig, optional
        Batch system that workers are asked of; then ``workers`` is its matter.
    shard : str, optional
        ``"I/N"``: only every N-th case, from the I-th on, as one of N jobs that share the work.
    memory_per_worker : str, optional
        Memory limit of each worker, such as ``"4GB"``; a case that needs more fails.
    case_timeout : float, optional
        Time limit of each case, in seconds.
    on_error : {"skip", "stop"}
        Whether the other cases go on when one fails.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int | Literal["auto"] = Field(default="auto")
    scheduler: str | None = None
    cluster: ClusterConfig | None = None
    shard: str | None = None
    memory_per_worker: Memory | None = None
    case_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    on_error: Literal["skip", "stop"] = "skip"

    @field_validator("workers")
    @classmethod
    def _at_least_one(cls, workers: int | str) -> int | str:
        if isinstance(workers, int) and workers < 1:
            raise ValueError(f"expected a number of workers from 1 on, or 'auto', got {workers}")
        return workers

    @field_validator("shard")
    @classmethod
    def _part(cls, shard: str | None) -> str | None:
        found = re.fullmatch(r"(\d+)/(\d+)", shard or "1/1")
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(f"expected I/N with I from 1 to N, such as 3/8, got '{shard}'")
        return shard

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.scheduler is not None and self.cluster is not None:
            raise ValueError("expected a scheduler or a cluster, got both")
        elsewhere = self.scheduler is not None or self.cluster is not None
        if elsewhere and self.memory_per_worker is not None:
            raise ValueError(
                "memory_per_worker is for workers on this machine; set the memory where the "
                "workers are started, or in the cluster file"
            )
        return self

    @property
    def part(self) -> slice:
        """The cases of this shard, as a slice of all."""
        index, count = map(int, (self.shard or "1/1").split("/"))
        return slice(index - 1, None, count)
