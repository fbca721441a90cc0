"""How a table that does not fit into memory is worked through."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harmonize_kit.config.execution import ExecutionConfig

AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?)B?", re.IGNORECASE)
POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def count_bytes(amount: str) -> int:
    """Return the bytes of an amount of memory: ``2G`` and ``2GB`` are 2e9, ``2GiB`` is 2 * 2**30.

    Raises
    ------
    ValueError
        If it is none.
    """
    found = AMOUNT.fullmatch(amount.strip())
    if found is None or float(found[1]) == 0:
        raise ValueError(f"expected an amount of memory such as 2G or 512MiB, got '{amount}'")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** POWERS[found[2].upper()])


def _amount(amount: str) -> str:
    count_bytes(amount)
    return amount


class LargeConfig(BaseModel):
    """Memory and workers.

    Parameters
    ----------
    memory : str
        What the command may use in all on this machine, such as ``"2G"``; of each worker where
        the workers are elsewhere (a scheduler or a cluster).
    execution : ExecutionConfig
        Where sums are made and parts are written; in this process unless said otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: Annotated[str, AfterValidator(_amount)] = "2G"
    execution: ExecutionConfig = Field(default_factory=lambda: ExecutionConfig(workers=1))

    @property
    def nbytes(self) -> int:
        """The memory in bytes."""
        return count_bytes(self.memory)
