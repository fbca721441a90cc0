"""How worker processes of this machine begin."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import forkserver

# One case a worker, one thread a case: the small eigenproblems of texture features are several
# times slower when BLAS and ITK each take every core.
SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
}
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"


def import_once(home: str) -> None:
    """Have one process import what workers need, so that each of them is a fork of it.

    Otherwise importing costs every worker two seconds, and again whenever one is started anew.
    The process has one thread and no connection, so that forking it is safe. It ends with this
    one. It starts in the background: call this before anything else that takes time.

    Parameters
    ----------
    home : str
        Module of the function that workers will run.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # This is a worker already, that runs the user's script again to find its functions.
        raise SystemExit(0)
    if START_METHOD != "forkserver":
        return
    # A user's own script is run again by each worker, under a name that is not __main__.
    own = [] if home == "__main__" else [home]
    multiprocessing.set_forkserver_preload([*own, "distributed.nanny"])
    before = {name: os.environ.get(name) for name in SINGLE_THREAD}
    os.environ.update(SINGLE_THREAD)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
