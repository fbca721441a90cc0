# dask ships no types that hold; its values are typed where they enter the execution layer.
from typing import Any

def __getattr__(name: str) -> Any: ...
