"""The pictures of the study: one head by every method, and how far each method comes.

python figures.py OUTPUT FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import judge
import matplotlib as mpl
import numpy as np
import pandas as pd
import render

mpl.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {"z": "#4477aa", "n4": "#cc6677"}
METHODS = (
    "as it is", "histogram-matching", "nyul", "oracle curve", "curve-field", "atlas-template"
)  # fmt: skip
SHOWN = (
    ("as given", "given"),
    ("atlas template", "atlas-template-{input}-R"),
    ("CycleGAN", "cyclegan-{input}-0-{steps}"),
)


def scores(table: pd.DataFrame, path: Path) -> None:
    """Draw PSNR by method, one panel a family; a line over the seeds' range."""
    chosen = table[(table["to"] == "R") & table["psnr"].notna()]
    trained = sorted({name for name in chosen["method"] if name.startswith("cyclegan")})
    order = [*METHODS, *trained]
    figure, axes = plt.subplots(
        1, len(render.FAMILIES), figsize=(9, 2.8), sharey=True, layout="constrained"
    )
    for axis, family in zip(axes, render.FAMILIES, strict=True):
        for (name, method), rows in chosen[chosen["family"] == family].groupby(["input", "method"]):
            place = len(order) - order.index(method) + (0.12 if name == "z" else -0.12)
            values = rows["psnr"]
            axis.plot([values.min(), values.max()], [place, place], color=COLOURS[name], lw=2)
            axis.plot(values.mean(), place, "o", color=COLOURS[name], ms=5)
        axis.set_title(family, fontsize=9)
        axis.set_xlabel("PSNR against the truth, dB", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", lw=0.4, color="#cccccc")
    axes[0].set_yticks(range(len(order), 0, -1), order)
    handles = [plt.Line2D([], [], marker="o", ls="", color=c) for c in COLOURS.values()]
    labels = ["z-score", "N4, z-score"]
    figure.legend(handles, labels, fontsize=8, ncol=2, loc="outside lower center")
    figure.savefig(path)


def heads(work: Path, family: str, name: str, steps: int, path: Path) -> None:
    """Draw one test head: as given, as methods make it, as it should be, and what is amiss."""
    folder = work / family / f"test-{name}-to-R"
    given = pd.read_csv(folder / "given.csv", keep_default_na=False).iloc[0]
    scans = pd.read_csv(work / family / f"{name}.csv", keep_default_na=False)
    match = (scans["subject"] == given["subject"]) & (scans["site"] == "R")
    truth = judge.read(scans[match].iloc[0]["Image"])
    inside = judge.read(given["Brain_mask"]) > 0
    level = truth.shape[0] // 2
    figure, axes = plt.subplots(2, len(SHOWN) + 1, figsize=(7, 4.4))
    for column, (title, where) in enumerate((*SHOWN, ("truth", ""))):
        if where == "given":
            image = judge.read(given["Image"])
        elif where:
            model = where.format(input=name, steps=steps)
            made = pd.read_csv(folder / model / "cohort.csv", keep_default_na=False)
            row = made[made["subject"] == given["subject"]].iloc[0]
            image = judge.read(folder / model / row["Image"])
        else:
            image = truth
        shown = np.where(inside, image, np.nan)[level]
        axes[0, column].imshow(shown, cmap="gray", vmin=-2.5, vmax=2)
        axes[0, column].set_title(title, fontsize=9)
        if where:
            apart = np.where(inside, image - truth, np.nan)[level]
            axes[1, column].imshow(apart, cmap="RdBu_r", vmin=-1.5, vmax=1.5)
    for axis in axes.ravel():
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main(work: Path, folder: Path, steps: int = 2000) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scores(pd.read_csv(work / "scores.csv"), folder / "psnr.svg")
    for family in render.FAMILIES:
        heads(work, family, "z", steps, folder / f"heads_{family}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
