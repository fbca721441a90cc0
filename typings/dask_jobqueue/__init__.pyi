# dask-jobqueue ships no types; its values are typed where they enter the execution layer.
from typing import Any

def __getattr__(name: str) -> Any: ...
