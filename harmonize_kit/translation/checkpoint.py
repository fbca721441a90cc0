"""Checkpoints: one file that holds everything, appears whole, and is proved before it is used.

safetensors holds the tensors and, in its header, a JSON document of all that is no tensor, with the
digest of both. Nothing is pickled: a checkpoint is data, whoever made it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harmonize_kit.core.digest import digest_arrays, digest_value
from harmonize_kit.errors import IntegrityError
from harmonize_kit.storage.whole import whole_file

SCHEMA = "harmonize-kit/checkpoint/1"
TENSOR = "tensor"
logger = logging.getLogger(__name__)


def save_state(path: Path, state: Any) -> None:
    """Write nested dicts, lists, tensors and plain values as a whole file."""
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_take_out(state, tensors, "state"), allow_nan=False)
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = {"schema": SCHEMA, "document": text, "sha256": _digest(text, kept)}
    with whole_file(path) as temporary:
        save_file(kept, temporary, header)


def load_state(path: Path) -> Any:
    """Return what :func:`save_state` was given, its tensors on the processor.

    Raises
    ------
    IntegrityError
        If the file is cut short, damaged, changed since it was written, or no checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise IntegrityError(f"{path.name} is damaged or cut short ({error})") from error
    if header.get("schema") != SCHEMA:
        raise IntegrityError(
            f"{path.name}: expected {SCHEMA}, got {header.get('schema', 'another file')}"
        )
    if header.get("sha256") != _digest(header["document"], tensors):
        raise IntegrityError(f"{path.name} was changed after it was written")
    return _put_back(json.loads(header["document"]), tensors)


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after ``step`` steps belongs."""
    return folder / f"step-{step:08d}.safetensors"


def load_latest(folder: Path) -> Any | None:
    """Return the newest checkpoint that is whole, or None where there is none at all.

    One that is not is told and passed over.

    Raises
    ------
    IntegrityError
        If there are checkpoints and all are damaged.
    """
    found = sorted(folder.glob("step-*.safetensors"), reverse=True)
    for path in found:
        try:
            return load_state(path)
        except IntegrityError as error:
            logger.warning("%s; the one before it is used", error)
    if found:
        raise IntegrityError(f"{folder}: none of {len(found)} checkpoints is whole; train anew")
    return None


def remove_old(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints."""
    for path in sorted(folder.glob("step-*.safetensors"))[:-keep]:
        path.unlink(missing_ok=True)


def _take_out(node: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """Return ``node`` as JSON knows it, its tensors moved to ``tensors``.

    Dicts become lists of pairs, because optimizers number their entries and JSON would make text
    of the numbers.
    """
    if isinstance(node, Tensor):
        tensors[name] = node
        return {TENSOR: name}
    if isinstance(node, dict):
        items = cast(dict[Any, Any], node).items()
        return {"dict": [[key, _take_out(value, tensors, f"{name}.{key}")] for key, value in items]}
    if isinstance(node, (list, tuple)):
        values = cast(list[Any], node)
        taken = [_take_out(value, tensors, f"{name}.{n}") for n, value in enumerate(values)]
        return {"tuple" if isinstance(node, tuple) else "list": taken}
    return node


def _put_back(node: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, content),) = cast(dict[str, Any], node).items()
    if kind == TENSOR:
        return tensors[content]
    if kind == "dict":
        return {key: _put_back(value, tensors) for key, value in content}
    values = [_put_back(value, tensors) for value in content]
    return tuple(values) if kind == "tuple" else values


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    plain = {
        # numpy knows no bfloat16; its bits are digested as they lie.
        name: (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
        for name, tensor in tensors.items()
    }
    return digest_value([text, digest_arrays(plain)])
