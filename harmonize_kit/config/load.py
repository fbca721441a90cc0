"""Configuration files: the only input and output of this layer."""

from __future__ import annotations

import io
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harmonize_kit.errors import ConfigError, did_you_mean

Config = TypeVar("Config", bound=BaseModel)
PRESETS = "harmonize_kit_configs"
MAX_BYTES = 1_000_000
MAX_ALIASES = 8


def preset_names(group: str) -> list[str]:
    """Return the names of the presets of a command, such as ``extract``, in order."""
    folder = files(PRESETS) / group
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_config(name: str, group: str, model: type[Config]) -> Config:
    """Load a preset by name, or a YAML or JSON file by path, as ``model``.

    Raises
    ------
    ConfigError
        If there is no such preset or file, it is no YAML, or a key or value is not allowed; the
        path inside the file is named, and every problem is listed.
    """
    source, text = _text(name, group)
    return parse_config(text, source, model)


def load_file(path: Path, model: type[Config]) -> Config:
    """Load a YAML or JSON file as ``model``.

    Raises
    ------
    ConfigError
        See :func:`load_config`.
    """
    return parse_config(_file_text(path), path.name, model)


def parse_config(text: str, source: str, model: type[Config]) -> Config:
    """Validate YAML (or JSON, which is YAML) text as ``model``.

    Raises
    ------
    ConfigError
        See :func:`load_config`.
    """
    return validate_config(_parse_yaml(text, source), source, model)


def validate_config(content: Any, source: str, model: type[Config]) -> Config:
    """Validate plain values as ``model``.

    Raises
    ------
    ConfigError
        See :func:`load_config`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_sentence(cast(dict[str, Any], item), model) for item in error.errors()]
        told = [f"{source}: {problem}" for problem in problems]
        raise ConfigError(f"{source}: {'; '.join(problems)}", told) from error


def _text(name: str, group: str) -> tuple[str, str]:
    known = preset_names(group)
    if name not in known and (
        Path(name).suffix.lower() in {".yaml", ".yml", ".json"} or Path(name[:255]).is_file()
    ):
        return Path(name).name, _file_text(Path(name))
    if name not in known:
        raise ConfigError(
            f"there is no preset '{name}' and no file of that name. {did_you_mean(name, known)}"
        )
    resource = files(PRESETS) / group / f"{name}.yaml"
    return f"preset {name}", resource.read_text(encoding="utf-8")


def _file_text(path: Path) -> str:
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"{path}: expected a configuration under 1 MB")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name}: the text is not UTF-8") from error


def _parse_yaml(text: str, source: str) -> Any:
    if source.endswith(".json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{source}: no valid JSON: {error}") from error
    if len(re.findall(r"(?:^|[\s\[{,:-])\*\w", text)) > MAX_ALIASES:
        raise ConfigError(f"{source}: at most {MAX_ALIASES} YAML aliases (*name) are read")
    # Pure Python and safe: tags that would build objects are refused, as PyRadiomics does.
    parser = YAML(typ="safe", pure=True)
    try:
        return cast(Any, parser).load(io.StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{source}: no valid YAML: {reason}") from error


def _sentence(problem: dict[str, Any], model: type[BaseModel]) -> str:
    location = [str(part) for part in problem["loc"]]
    where = ".".join(location) or "top level"
    if problem["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in model.model_fields.items()]
        hint = did_you_mean(location[-1], known) if len(location) == 1 else ""
        return f"unknown key '{where}'. {hint}".strip()
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
