# PyRadiomics ships no types; its values are typed where they enter the features room.
from typing import Any

def __getattr__(name: str) -> Any: ...
