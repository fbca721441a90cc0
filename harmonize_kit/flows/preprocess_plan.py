"""What preprocessing a cohort has to do, and what is there already."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.load import load_config, validate_config
from harmonize_kit.config.preprocess import PreprocessingConfig, with_stages
from harmonize_kit.core.cohort import Case, Cohort
from harmonize_kit.errors import CaseError, ConfigError, TableError
from harmonize_kit.flows.output_folder import JOURNAL
from harmonize_kit.flows.preprocess_cohort import BRATS, Source, read_source
from harmonize_kit.flows.preprocess_input import CaseInput
from harmonize_kit.flows.preprocess_population import find_model, training_cases
from harmonize_kit.flows.preprocess_product import ProductPlan
from harmonize_kit.flows.preprocess_stages import makers
from harmonize_kit.flows.preprocess_work import NORMALIZE, SUMMARIZE, WRITE, PreprocessWork
from harmonize_kit.storage.results import plain_name

DEFAULT_CONFIG = "brain-mr-t1"
PRESETS = "preprocess"
# Tables in the output folder.
WRITTEN = ("cohort.csv", "manifest.csv", "quality.csv", "failures.csv")


@dataclass(frozen=True)
class Options:
    """What the command line says beside the configuration.

    Parameters
    ----------
    stages : str, optional
        Stages to run instead of those of the configuration, ``"n4,zscore"``.
    classes : tuple of str
        Classes of a BraTS tree to take; none means all.
    id_column : str, optional
    work : Path, optional
        Folder of the arrays between stages; ``work`` in the output folder by default.
    clean_work : bool
        Whether they go once the images of a case are written.
    sheets : bool
        Whether pages of pictures are made.
    intensity_model : Path, optional
        Fitted intensity model to apply instead of fitting one.
    force : bool
        Whether to do again what is kept.
    """

    stages: str | None = None
    classes: tuple[str, ...] = ()
    id_column: str | None = None
    work: Path | None = None
    clean_work: bool = False
    sheets: bool = True
    intensity_model: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Plan:
    """A cohort and a configuration found good, and the work they make.

    Parameters
    ----------
    source : Source
    config : PreprocessingConfig
    works : tuple of PreprocessWork
        All cases, in the cohort's order.
    own : frozenset of str
        Ids of the cases of this shard; all where there are no shards.
    training : frozenset of str
        Ids of the cases an intensity model is fitted on; empty where none is.
    notes : tuple of str
        What the user must know of the plan.
    """

    source: Source
    config: PreprocessingConfig
    works: tuple[PreprocessWork, ...]
    own: frozenset[str]
    training: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def cohort(self) -> Cohort:
        """The cases."""
        return self.source.cohort

    def summarizing(self) -> tuple[PreprocessWork, ...]:
        """Return the work an intensity model needs first: training cases up to their summary."""
        before = self.config.stages[: self.config.stages.index(NORMALIZE)]
        return tuple(
            replace(work, steps=(*before, SUMMARIZE), forced=_forced(work, (*before, SUMMARIZE)))
            for work in self.works
            if work.id in self.training
        )

    def with_model(self, model: tuple[str, str]) -> Plan:
        """Return the plan with a fitted model; what training cases went through stays as it is."""
        before = self.config.stages[: self.config.stages.index(NORMALIZE)]
        works = [
            replace(
                work,
                model=model,
                forced=tuple(
                    step for step in work.forced
                    if work.id not in self.training or step not in before
                ),
            )
            for work in self.works
        ]  # fmt: skip
        return replace(self, works=tuple(works))


def plan_preprocessing(
    cohort: Cohort | Path,
    folder: Path,
    config: PreprocessingConfig | str | Path | dict[str, Any],
    execution: ExecutionConfig,
    options: Options,
) -> Plan:
    """Check everything that can be checked before a case runs.

    Raises
    ------
    TableError, ConfigError
        If the cohort, the configuration, the model or the folder cannot be used.
    """
    choices = load_preprocessing(config)
    if options.stages is not None:
        choices = with_stages(choices, options.stages)
    source = read_source(cohort, choices, options.classes, options.id_column)
    own = source.cohort.cases[execution.part]
    if not own:
        raise ConfigError(f"shard {execution.shard}: there are only {len(source.cohort)} cases")
    _check_folder(folder, source, cohort)
    _check_names(source)
    training, notes, model = _population(source.cohort, choices, execution, options)
    # Workers on this machine note their steps themselves, so that none is kept unnoted. From
    # several machines, lines appended to one file of a network disk would overwrite each other.
    here = execution.scheduler is None and execution.cluster is None and execution.shard is None
    steps = (*choices.stages, WRITE)
    made_by = makers(choices)
    works = tuple(
        PreprocessWork(
            CaseInput(
                case, source.brain_masks.get(case.id, ""), choices.drawn_on, choices.nonfinite
            ),
            choices,
            steps,
            str(folder.absolute()),
            str((options.work or folder / "work").absolute()),
            _product_plan(source, case, sheet=options.sheets),
            str(folder.absolute() / JOURNAL) if here else None,
            steps if options.force else (),
            options.clean_work,
            model,
            made_by,
        )
        for case in source.cohort
    )
    return Plan(source, choices, works, frozenset(case.id for case in own), training, notes)


def load_preprocessing(
    config: PreprocessingConfig | str | Path | dict[str, Any],
) -> PreprocessingConfig:
    """Return a configuration from a preset name, a file, plain values, or itself."""
    if isinstance(config, PreprocessingConfig):
        return config
    if isinstance(config, dict):
        return validate_config(config, "config", PreprocessingConfig)
    return load_config(str(config), PRESETS, PreprocessingConfig)


def find_done(works: Sequence[PreprocessWork]) -> dict[str, str]:
    """Return the last key, by id, of each case whose last step is done and whole."""

    def done_key(work: PreprocessWork) -> str | None:
        try:
            key = work.plan_steps()[-1].key
        except (CaseError, OSError):
            return None
        return key if not work.forced and work.is_done(key) else None

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        keys = list(pool.map(done_key, works))
    return {work.id: key for work, key in zip(works, keys, strict=True) if key is not None}


def _forced(work: PreprocessWork, steps: Collection[str]) -> tuple[str, ...]:
    return tuple(steps) if work.forced else ()


def _population(
    cohort: Cohort, config: PreprocessingConfig, execution: ExecutionConfig, options: Options
) -> tuple[frozenset[str], tuple[str, ...], tuple[str, str] | None]:
    """Return the cases to fit an intensity model on, what to say of it, or the model that is."""
    needed = _fitted_modalities(cohort, config)
    if options.intensity_model is not None:
        if not needed:
            raise ConfigError(
                "an intensity model was given, but nothing applies one: expected the stage "
                "normalize with nyul or histogram-matching for some modality"
            )
        return frozenset(), (), find_model(options.intensity_model)
    if not needed:
        return frozenset(), (), None
    if execution.shard is not None:
        raise ConfigError(
            "the intensity model is fitted on all training cases together, which a shard does not "
            "see; run once without --shard on the training cases, then give the shards the model "
            "it saved (--intensity-model DIR/models/intensity)"
        )
    training, sentence = training_cases(cohort, config.train)
    return training, (sentence,), None


def _fitted_modalities(cohort: Cohort, config: PreprocessingConfig) -> tuple[str, ...]:
    """Return the modalities whose intensities are fitted; refuse what would fail in every case."""
    if NORMALIZE not in config.stages:
        return ()
    modalities = list(dict.fromkeys(name for case in cohort for name in case.images))
    problems = config.normalize.problems(modalities)
    if problems:
        raise ConfigError("; ".join(problems), problems)
    return config.normalize.to_fit(modalities)


def _product_plan(source: Source, case: Case, *, sheet: bool) -> ProductPlan:
    name = plain_name(case.id)
    page = f"sheets/{name}.html" if sheet else ""
    if source.layout != BRATS:
        return ProductPlan(f"images/{name}", case.id, sheet=page)
    place = "/".join(plain_name(part) for part in (source.class_of(case), case.id) if part)
    one = Path(next(iter(case.images.values()))).name
    separator = "-" if one.startswith(f"{case.id}-") else "_"
    return ProductPlan(f"images/{place}", case.id, "seg", page, separator)


def _check_folder(folder: Path, source: Source, cohort: Cohort | Path) -> None:
    """Refuse an output folder in which inputs would be written over."""
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; choose a folder with -o")
    images = (folder / "images").resolve()
    inputs = [Path(cohort)] if isinstance(cohort, Path) and cohort.is_file() else []
    for case in source.cohort:
        masks = [case.mask, source.brain_masks.get(case.id, "")]
        inputs += [Path(path) for path in (*case.images.values(), *masks) if path]
    for path in inputs:
        real = path.resolve()
        own = real.parent == folder.resolve() and real.name in WRITTEN
        if own or real.is_relative_to(images):
            raise ConfigError(
                f"{path} is an input, and {folder} is where outputs go; inputs are never written "
                "over, so choose another folder with -o"
            )


def _check_names(source: Source) -> None:
    for modality in source.cohort.cases[0].images:
        if modality.lower() in {"mask", "labels", "seg"}:
            raise TableError(
                f"{source.name}: an image cannot be called '{modality}', which masks are; rename "
                f"the column Image_{modality}"
            )
    places = [_product_plan(source, case, sheet=False).place.lower() for case in source.cohort]
    if len(set(places)) < len(places):
        double = next(place for place in places if places.count(place) > 1)
        raise TableError(
            f"{source.name}: two ids make the same folder {double} where case does not count; "
            "rename one"
        )
