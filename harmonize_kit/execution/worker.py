"""Loaded by every worker process when it starts."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the driver, which then stops its workers in order.

    A terminal sends it to the whole group of processes, and workers would each end in a traceback.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
