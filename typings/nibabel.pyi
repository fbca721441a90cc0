# The part of nibabel that is used is typed where it enters.
from typing import Any

def __getattr__(name: str) -> Any: ...
