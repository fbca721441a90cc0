"""What a training in a folder was begun with, so that no other goes on from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from harmonize_kit.errors import ConfigError
from harmonize_kit.flows.output_folder import make_writable
from harmonize_kit.storage.whole import remove_abandoned, write_text

DOCUMENT, CHECKPOINTS = "training.json", "checkpoints"
SLICES = "slices_key"


def open_model_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder of a model ready.

    Raises
    ------
    ConfigError
        If it cannot be written to, or ``resume`` asks for a training that is not there.
    """
    if resume and not _has_checkpoint(folder):
        raise ConfigError(
            f"{folder} holds no training to resume (no checkpoint); leave out --resume to begin one"
        )
    make_writable(folder)
    remove_abandoned(folder)
    remove_abandoned(folder / CHECKPOINTS)


def note_choices(folder: Path, choices: Mapping[str, Any]) -> None:
    """Write down what a training is begun with.

    Raises
    ------
    ConfigError
        If a checkpoint is there that was made with something else; what differs is named.
    """
    path = folder / DOCUMENT
    # As JSON gives it back, so that tuples compare with lists.
    own = json.loads(json.dumps(choices, ensure_ascii=False))
    if _has_checkpoint(folder) and path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is damaged ({error}); train into another folder") from error
        told = list(_apart("", before, own))
        if told:
            more = f" and {len(told) - 3} more" if len(told) > 3 else ""
            raise ConfigError(
                f"{folder} holds a training begun with other choices: {'; '.join(told[:3])}{more}; "
                "say the same again to go on with it, or train into another folder",
                told,
            )
    write_text(path, json.dumps(own, indent=1, ensure_ascii=False) + "\n")


def _has_checkpoint(folder: Path) -> bool:
    return any((folder / CHECKPOINTS).glob("step-*.safetensors"))


def _apart(where: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        a, b = cast(dict[str, Any], before), cast(dict[str, Any], now)
        for name in sorted({*a, *b}):
            yield from _apart(f"{where}.{name}" if where else name, a.get(name), b.get(name))
    elif before != now:
        if where == SLICES:
            yield "its images, masks or the table say something else than they did"
        else:
            yield f"{where} was {json.dumps(before)}, is {json.dumps(now)}"
