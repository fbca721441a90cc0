"""What plain PyRadiomics makes of each case of the corpus, written to pyradiomics.yaml.

Run by hand where PyRadiomics' version changes: python tests/corpus/measure_pyradiomics.py
Each case runs in a process of its own, with a limit on time and memory.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import resource
import sys
import tempfile
import warnings
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from corpus.make import make_case
from corpus.manifest import FOLDER, Expected, expected_cases, parameters
from ruamel.yaml import YAML

SECONDS, BYTES = 20, 4 << 30
# Told of every image, whatever is in it.
ALWAYS = ("GLCM is symmetrical", "to enable shape2D extraction")


def main() -> None:
    cases = {case.name: case for case in expected_cases() if case.group != "Ids"}
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        paths = {name: make_case(name, folder) for name in cases}
        for name, case in cases.items():
            if case.needs == "not root" and os.geteuid() == 0:
                continue
            found[name] = measured(case, *paths[name], folder)
    figures = {
        "pyradiomics": version("pyradiomics-bhklab"),
        "SimpleITK": version("SimpleITK"),
        "limits": {"seconds": SECONDS, "gigabytes": BYTES >> 30},
        "cases": {name: summary(cases[name], found) for name in found},
    }
    yaml = YAML()
    yaml.width = 200
    yaml.dump(figures, FOLDER / "pyradiomics.yaml")


def measured(case: Expected, image: Path, mask: Path, folder: Path) -> dict[str, Any]:
    """Features and warnings, or the error, or which limit was met."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, str(image), str(mask), parameters()[case.params])
    process = context.Process(target=_execute, args=arguments)
    process.start()
    theirs.close()
    try:
        if not ours.poll(SECONDS):
            process.kill()
            return {"outcome": "timeout"}
        result = ours.recv()
    except EOFError:
        result = {"outcome": "killed"}
    process.join()
    if "error" in result:
        result["error"] = (
            result["error"].replace(f"{folder}/{case.name}/", "").replace(str(folder), "")
        )
    return result


def _execute(pipe: Connection, image: str, mask: str, params: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    warnings.simplefilter("ignore")
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    logging.getLogger("radiomics").addHandler(handler)
    try:
        found = RadiomicsFeatureExtractor(params).execute(image, mask, label=1)
    except MemoryError:
        pipe.send({"outcome": "memory"})
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is asked for
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        pipe.send({"outcome": "error", "error": (lines or [type(error).__name__])[-1]})
    else:
        values = {
            name: complex(value).real
            for name, value in found.items()
            if not name.startswith("diagnostics")
        }
        told = [text for text in told if not any(known in text for known in ALWAYS)]
        warned = {"warned": told[0]} if told else {}
        pipe.send({"outcome": "features", "values": values, **warned})


def summary(case: Expected, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the page says of a case: how many features, and whether they are those of its twin."""
    own = dict(found[case.name])
    if own["outcome"] != "features":
        return own
    values: dict[str, float] = own.pop("values")
    mean = "original_firstorder_Mean"
    twin = found[case.like or "whole"].get("values", {})
    return {
        **own,
        "features": len(values),
        "same": values == twin,
        "mean": round(values[mean], 2) if math.isfinite(values[mean]) else str(values[mean]),
        "mean_of_whole": round(twin[mean], 2),
    }


if __name__ == "__main__":
    main()
