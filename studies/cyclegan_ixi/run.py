"""A study of image harmonization with a truth: real heads, a second scanner rendered from them.

python run.py ixi_hh_t1_2mm OUTPUT [--family place] [--seed 0] [--steps 2000]

Without options everything: three families and three seeds; options may be repeated. What is done
already is not done again. All of it goes through the command line of harmonize-kit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import judge
import numpy as np
import pandas as pd
import render
import SimpleITK as sitk
import yaml
from sklearn.isotonic import IsotonicRegression

HERE = Path(__file__).parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
SEEDS = (0, 1, 2)
STEPS = 2000
# Where S is blurred and noisy, the way back ends in both, so that the way there learns to restore.
BY_FAMILY = {
    "noise": {
        "generator": {"degradation": "measured", "detail_mm": 4},
        "objective": {"cycle": 10, "site_cycle": 0.1, "cycle_field": 0.05},
    }
}
FITTED = ("histogram-matching", "nyul", "curve-field", "atlas-template")
CHEAP = ("histogram-matching", "atlas-template")
# By input and site aimed at: methods without networks, and the families that networks are for.
PLAN = {
    ("z", "R"): (FITTED, tuple(render.FAMILIES)),
    ("z", "S"): (CHEAP, tuple(render.FAMILIES)),
    ("n4", "R"): (CHEAP, ("varying",)),
}


def kit(*arguments: str | Path) -> float:
    """Run harmonize-kit; return the seconds of processor that it and its workers took."""
    script = Path(sys.executable).with_name("harmonize-kit")
    before = os.times()
    command = [str(part) for part in (script, *arguments)]
    subprocess.run(command, check=True, env=os.environ | ONE_THREAD)  # noqa: S603 (our own)
    after = os.times()
    return after[2] + after[3] - before[2] - before[3]


def heads(data: Path, work: Path) -> pd.DataFrame:
    """Correct the bias field of every head in its brain; return who is in which part."""
    people = render.splits(pd.read_csv(data / "participants.csv"))
    if (work / "heads" / "run.json").exists():
        return people
    rows: list[dict[str, str]] = []
    for name in people["MRID"]:
        labels = sitk.ReadImage(str(data / f"{name}_T1_DLMUSE.nii.gz"))
        brain = work / "brains" / f"{name}.nii.gz"
        brain.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.Cast(labels > 0, sitk.sitkUInt8), str(brain))
        rows.append({"id": name, "Image": f"{data / name}_T1.nii.gz", "Brain_mask": str(brain)})
    pd.DataFrame(rows).to_csv(work / "heads.csv", index=False)
    kit("preprocess", work / "heads.csv", "-o", work / "heads", "--config", HERE / "heads.yaml",
        "--no-sheets", "--clean-work", "-q")  # fmt: skip
    return people


def rendered(data: Path, work: Path, people: pd.DataFrame) -> Path:
    """Render everybody in R and in the S of every family; return the table."""
    table = work / "rendered" / "cohort.csv"
    if table.exists():
        return table
    # Of those trained on, every other has lesions, in either site; all that are judged have.
    people = people.assign(number=range(len(people)), turn=people.groupby("part").cumcount())
    rows = [row for person in people.itertuples() for row in _scans(data, work, person)]
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


def _scans(data: Path, work: Path, person: Any) -> Iterator[dict[str, Any]]:
    """Render a person: those trained on at one site, the others at both."""
    regions = sitk.ReadImage(str(data / f"{person.MRID}_T1_DLMUSE.nii.gz"))
    image = sitk.ReadImage(str(work / "heads" / "images" / person.MRID / f"{person.MRID}.nii.gz"))
    head, labels = render.to_box(image, regions)
    head /= float(np.median(head[render.class_of(labels)["white"]]))
    trained = str(person.part).startswith("train")
    count = render.LESIONS if person.turn % 2 or not trained else 0
    lesion = render.lesions(labels, count, np.random.default_rng([1, person.number]))
    subject, folder = person.MRID[:6], work / "rendered"
    row = {
        "subject": subject, "age": person.Age, "sex": person.Sex,
        "split": "train" if trained else person.part,
    }  # fmt: skip
    for name, array in (
        ("Brain_mask", (labels > 0).astype(np.uint8)),
        ("Regions", labels.astype(np.uint16)),
        ("Mask", (lesion > 0.5).astype(np.uint8)),
    ):
        row[name] = str(folder / f"{subject}_{name.lower()}.nii.gz")
        render.write(array, Path(row[name]))
    if not count:
        row["Mask"] = ""
    for place, site in enumerate((render.REFERENCE, *render.FAMILIES)):
        ours = site == render.REFERENCE
        if trained and ours != (person.part == "train R"):
            continue
        rng = np.random.default_rng([2, place, person.number])
        made = (
            render.as_reference(head, lesion)
            if ours
            else render.as_site(head, labels, lesion, render.FAMILIES[site], rng)
        )
        path = folder / f"{subject}_{site}.nii.gz"
        render.write(made.astype(np.float32), path)
        yield row | {
            "id": f"{subject}_{site}", "site": site if ours else "S", "family": site,
            "Image": str(path),
        }  # fmt: skip


def normalised(work: Path, table: Path) -> dict[str, pd.DataFrame]:
    """Return all scans as z-scores ("z"), and with those of S corrected by N4 before ("n4").

    R was corrected when the heads were, and is not again.
    """
    scans = pd.read_csv(table, keep_default_na=False)
    found: dict[str, pd.DataFrame] = {}
    for name, rows in (("z", scans), ("n4", scans[scans["site"] == "S"])):
        folder = work / name
        if not (folder / "run.json").exists():
            rows.to_csv(work / f"{name}.csv", index=False)
            kit("preprocess", work / f"{name}.csv", "-o", folder, "--config", HERE / f"{name}.yaml",
                "--no-sheets", "--clean-work", "-q")  # fmt: skip
        made = pd.read_csv(folder / "cohort.csv", keep_default_na=False)
        for column in ("Image", "Mask", "Brain_mask"):
            made[column] = [str(folder / path) for path in made[column]]
        found[name] = made
    corrected = found["z"][found["z"]["site"] == render.REFERENCE]
    found["n4"] = pd.concat([corrected, found["n4"]], ignore_index=True)
    return found


def cohort(work: Path, scans: pd.DataFrame, family: str, name: str) -> Path:
    """Write the table of one family: R and its own S."""
    path = work / family / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    scans[scans["family"].isin((render.REFERENCE, family))].to_csv(path, index=False)
    return path


def train(work: Path, family: str, name: str, seed: int, steps: int) -> Path:
    """Train both generators of one family; the model's folder also says what that took."""
    folder = work / family / f"cyclegan-{name}-{seed}-{steps}"
    if (folder / "cpu_seconds").exists():
        return folder
    recipe = yaml.safe_load((HERE / "recipe.yaml").read_text())
    for phase in recipe["training"]["phases"]:
        phase["steps"] = phase["steps"] * steps // STEPS
    for part, choices in BY_FAMILY.get(family, {}).items():
        recipe[part] |= choices
    chosen = work / f"recipe-{family}-{steps}.yaml"
    chosen.write_text(yaml.safe_dump(recipe))
    seconds = kit("translate", "train", work / family / f"{name}.csv", "-o", folder, "--config",
                  chosen, "--site", "site", "--reference", render.REFERENCE, "--seed", str(seed),
                  "--device", "cpu", "-q")  # fmt: skip
    # Of a training that was taken up again this is the last part only.
    (folder / "cpu_seconds").write_text(f"{seconds:.1f}\n")
    return folder


def apply(model: Path, table: Path, folder: Path, to: str, *views: str) -> dict[str, str]:
    """Translate the images of a table; return them by subject."""
    if not (folder / "run.json").exists():
        kit("translate", "apply", model, table, "-o", folder, "--site", "site", "--to", to,
            "--device", "cpu", "--workers", "1", "-q", *views)  # fmt: skip
    made = pd.read_csv(folder / "cohort.csv", keep_default_na=False)
    return {row.subject: str(folder / row.Image) for row in made.itertuples()}


def fit(work: Path, family: str, name: str, method: str, reference: str) -> Path:
    """Fit a method without networks on the training scans of one family."""
    folder = work / family / f"{method}-{name}-{reference}"
    if not (folder / "run.json").exists():
        kit("translate", "fit", work / family / f"{name}.csv", "-o", folder, "--site", "site",
            "--reference", reference, "--method", method, "-q")  # fmt: skip
    return folder


def oracle(before: pd.DataFrame, truth: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Map each head by the monotone curve nearest to its truth: the most that a curve could do."""
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[str, str] = {}
    for subject, row in before.iterrows():
        image, inside = judge.read(row["Image"]), judge.read(row["Brain_mask"]) > 0
        wanted = judge.read(truth.loc[subject, "Image"])[inside]
        curve = IsotonicRegression(out_of_bounds="clip").fit(image[inside], wanted)
        image[inside] = curve.predict(image[inside])
        made[str(subject)] = str(folder / f"{subject}.nii.gz")
        render.write(image.astype(np.float32), Path(made[str(subject)]))
    return made


def methods(
    work: Path, family: str, name: str, to: str, seeds: tuple[int, ...], steps: tuple[int, ...]
) -> Iterator[tuple[str, int | None, dict[str, str], pd.DataFrame, pd.DataFrame]]:
    """Return each method with its images by subject, what it was given, and the truth."""
    scans = pd.read_csv(work / family / f"{name}.csv", keep_default_na=False)
    scans = scans[scans["split"] == "test"]
    by_site = {site: rows.set_index("subject", drop=False) for site, rows in scans.groupby("site")}
    truth = by_site[to]
    before = next(rows for site, rows in by_site.items() if site != to)
    folder = work / family / f"test-{name}-to-{to}"
    folder.mkdir(parents=True, exist_ok=True)
    before.to_csv(folder / "given.csv", index=False)

    def translated(model: Path, *views: str) -> dict[str, str]:
        return apply(model, folder / "given.csv", folder / model.name, to, *views)

    yield "as it is", None, dict(before["Image"]), before, truth
    yield "oracle curve", None, oracle(before, truth, folder / "oracle"), before, truth
    fitted, trained = PLAN[name, to]
    for method in fitted:
        # Scales are the reference's own; changes between sites can be taken back.
        scale = method in ("histogram-matching", "nyul")
        model = fit(work, family, name, method, to if scale else render.REFERENCE)
        yield method, None, translated(model), before, truth
    for length in steps if family in trained else ():
        for seed in seeds:
            model = train(work, family, name, seed, length)
            yield f"cyclegan {length}", seed, translated(model, "--flips"), before, truth


def judged(work: Path, family: str, seeds: tuple[int, ...], steps: tuple[int, ...]) -> pd.DataFrame:
    """Return the image scores of every method of one family, both inputs, both directions."""
    rows: list[dict[str, Any]] = []
    for name, to in PLAN:
        for method, seed, made, before, truth in methods(work, family, name, to, seeds, steps):
            kept = work / family / "scores" / f"{name}-{to}-{method}-{seed}.json"
            if not kept.exists():
                kept.parent.mkdir(exist_ok=True)
                scores = judge.image_scores(judge.read_heads(made, before, truth))
                kept.write_text(json.dumps(scores))
            length = method.removeprefix("cyclegan ")
            trained = work / family / f"cyclegan-{name}-{seed}-{length}" / "cpu_seconds"
            rows.append({
                "to": to, "input": name, "method": method, "seed": seed,
                "cpu_seconds": None if seed is None else float(trained.read_text()),
                **json.loads(kept.read_text()),
            })  # fmt: skip
            print(family, name, to, method, seed, rows[-1]["psnr"], flush=True)
    return pd.DataFrame(rows)


def features(
    work: Path, family: str, to: str, seeds: tuple[int, ...], steps: tuple[int, ...]
) -> pd.DataFrame:
    """Return the feature agreement and the site probe of every method, towards one site."""
    folder = work / family / f"features-to-{to}"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    told: dict[str, dict[str, Any]] = {}
    for name in (name for name, aimed in PLAN if aimed == to):
        for method, seed, made, before, truth in methods(work, family, name, to, seeds, steps):
            label = "-".join(str(part) for part in (name, method, seed) if part is not None)
            told[label] = {"to": to, "input": name, "method": method, "seed": seed}
            if not rows:
                rows += [_row(judge.AIM, row, row["Image"], folder) for _, row in truth.iterrows()]
            rows += [_row(label, before.loc[who], path, folder) for who, path in made.items()]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    (folder / "params.yaml").write_text(yaml.safe_dump(judge.PARAMS))
    kit("extract", folder / "cohort.csv", "-o", folder / "made", "--params",
        folder / "params.yaml", "-q")  # fmt: skip
    found = judge.feature_scores(pd.read_csv(folder / "made" / "features.csv"), list(told), folder)
    return pd.DataFrame(
        [
            told[label.removesuffix(judge.COMBAT)]
            | {"method": told[label.removesuffix(judge.COMBAT)]["method"] + end}
            | scores
            for label, scores in found.items()
            for end in (judge.COMBAT if label.endswith(judge.COMBAT) else "",)
        ]
    )


def _row(label: str, row: pd.Series, image: str, folder: Path) -> dict[str, str]:
    return {
        "id": f"{label}_{row['subject']}", "method": label, "subject": row["subject"],
        "Image": image, "Mask": judge.feature_regions(row, folder),
        "Label": ";".join(map(str, judge.FEATURE_REGIONS)),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("data", type=Path, help="folder of the heads")
    options.add_argument("output", type=Path)
    options.add_argument("--family", choices=render.FAMILIES, action="append")
    options.add_argument("--seed", type=int, action="append")
    options.add_argument("--steps", type=int, action="append")
    chosen = options.parse_args()
    data, work = chosen.data.resolve(), chosen.output.resolve()
    work.mkdir(parents=True, exist_ok=True)
    scans = normalised(work, rendered(data, work, heads(data, work)))
    seeds, steps = tuple(chosen.seed or SEEDS), tuple(chosen.steps or (STEPS,))
    tables: list[pd.DataFrame] = []
    for family in chosen.family or render.FAMILIES:
        for name in scans:
            cohort(work, scans[name], family, name)
        table = judged(work, family, seeds, steps)
        found = pd.concat([features(work, family, to, seeds, steps) for to in ("R", "S")])
        keys = ["to", "input", "method", "seed"]
        table = table.merge(found, on=keys, how="outer").assign(family=family)
        table.to_csv(work / f"scores-{family}.csv", index=False, float_format="%.4f")
        tables.append(table)
    everything = pd.concat(tables)
    everything.to_csv(work / "scores.csv", index=False, float_format="%.4f")
    means = everything.groupby(["family", "to", "input", "method"])[["psnr", "roi_error"]].mean()
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
