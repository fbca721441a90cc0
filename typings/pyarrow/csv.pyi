# pyarrow ships no types; its values are typed where they leave this package.
from typing import Any

def __getattr__(name: str) -> Any: ...
