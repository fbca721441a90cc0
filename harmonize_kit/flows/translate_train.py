"""translate train: a cohort in, a trained translator out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harmonize_kit.config.load import load_config
from harmonize_kit.config.translate import TranslationConfig
from harmonize_kit.core.digest import digest_file
from harmonize_kit.errors import ConfigError, NothingSucceededError, did_you_mean
from harmonize_kit.flows.output_folder import writing
from harmonize_kit.flows.translate import CaseProgress, StepProgress, TrainOptions
from harmonize_kit.flows.translate_alike import (
    compared_columns,
    differences_as_drawn,
    differences_as_they_are,
    require_alike,
)
from harmonize_kit.flows.translate_begun import SLICES, note_choices, open_model_folder
from harmonize_kit.flows.translate_cohort import (
    TranslationCohort,
    column_of,
    read_translation_cohort,
    training_cases,
)
from harmonize_kit.flows.translate_slices import (
    Sliced,
    Unread,
    cut_slices,
    open_slices,
    slices_key,
)
from harmonize_kit.provenance import RunRecord
from harmonize_kit.storage.whole import write_text
from harmonize_kit.translation.apply import SMALLEST
from harmonize_kit.translation.device import (
    choose_device,
    describe_device,
    is_finite,
    peak_memory,
    seeded,
)
from harmonize_kit.translation.event_logs import open_logs, require_logs
from harmonize_kit.translation.generator import SIZE_MULTIPLE
from harmonize_kit.translation.matching import match
from harmonize_kit.translation.model import save_translator, translator_of
from harmonize_kit.translation.processes import first_before_others, join_processes, place
from harmonize_kit.translation.site_differences import SiteDifference
from harmonize_kit.translation.trainer import Trainer
from harmonize_kit.translation.training_sizes import require_own_networks

PRESETS = "translate"


@dataclass(frozen=True)
class _Begun:
    """All that is decided before an image is read."""

    config: TranslationConfig
    cohort: TranslationCohort
    reference: str
    differences: list[SiteDifference]


@dataclass(frozen=True)
class TrainingRun:
    """What came of a training.

    Parameters
    ----------
    folder : Path
        Of the model.
    cases : mapping of str to int
        Cases trained on, by site.
    reference : str
    modalities : tuple of str
    steps, begun_at : int
        Steps in all, and those that an earlier run had done.
    slices : int
    unread : tuple of Unread
        Cases left out because they cannot be read.
    notes : tuple of str
        What the user must know.
    device : str
    """

    folder: Path
    cases: dict[str, int]
    reference: str
    modalities: tuple[str, ...]
    steps: int
    begun_at: int
    slices: int
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    device: str


def train_to_folder(
    cohort_path: Path,
    folder: Path,
    options: TrainOptions,
    config_name: str,
    case_progress: CaseProgress,
    step_progress: StepProgress,
) -> TrainingRun:
    """Train into ``folder``; see :func:`harmonize_kit.flows.translate.train_translator`."""
    with join_processes(choose_device(options.device)) as device:
        # The others find done what the first has done, and say nothing that it says.
        with first_before_others() as first:
            require_logs(options.log_to, options.mlflow_uri)
            config = load_config(config_name, PRESETS, TranslationConfig)
            begun = _begin(cohort_path, options, config)
            # Before any image is read: a network of the user's own may not be what it should.
            networks = seeded(
                begun.config.training.seed, begun.cohort.sites, begun.reference,
                begun.config.generator, begun.config.discriminator, options.allow,
            )  # fmt: skip
            require_own_networks(networks, begun.config.objective, begun.config.training)
            record = _record(begun, cohort_path, config_name, options, describe_device(device))
            if first:
                open_model_folder(folder, resume=options.resume)
            with writing(folder):
                logs = open_logs(options.log_to, folder, options.mlflow_uri) if first else []
                sliced = _cut(begun, folder, options, case_progress) if first else (
                    open_slices(folder)
                )  # fmt: skip
                seen, told = _differences(begun, sliced, options)
                trainer = Trainer(
                    networks, sliced.store, begun.config.objective, begun.config.training, folder,
                    device, step_progress, logs,
                )  # fmt: skip
                trainer.resume()
        with writing(folder):
            begun_at = _train(trainer, begun.cohort.modalities, first=first)
            signs = trainer.signs.told
            differ = (f"sites differ in {one}" for one in told)
            notes = (*begun.cohort.notes, *sliced.notes, *differ, *signs)
            run = _summarize(trainer, begun, sliced, begun_at, notes)
            if first:
                finished = record.finish(
                    cases=run.cases, slices=run.slices, failed=len(run.unread), steps=run.steps,
                    begun_at=begun_at, differences=[asdict(one) for one in seen],
                    warnings=signs, processes=place()[1], peak_memory_bytes=peak_memory(device),
                )  # fmt: skip
                text = json.dumps(finished, indent=1, ensure_ascii=False)
                write_text(folder / "run.json", text + "\n")
    return run


def _differences(
    begun: _Begun, sliced: Sliced, options: TrainOptions
) -> tuple[list[SiteDifference], list[str]]:
    """Return how sites differ, as they are and as they are drawn, and what of it is too much."""
    training = begun.config.training
    matching = match(sliced.store, begun.reference, training.bandwidth, training.seed)
    seen = [*begun.differences, *differences_as_drawn(matching)]
    bounds = begun.config.differences
    return seen, list(require_alike(seen, bounds, despite=options.despite_differences))


def _record(
    begun: _Begun, path: Path, config_name: str, options: TrainOptions, device: dict[str, str]
) -> RunRecord:
    described = {
        "config": Path(config_name).name,
        "translation": begun.config.model_dump(mode="json"),
        **asdict(options),
        # It may hold a password.
        "mlflow_uri": None,
        **device,
    }
    return RunRecord("translate train", described, {path.name: digest_file(path)})


def _summarize(
    trainer: Trainer, begun: _Begun, sliced: Sliced, begun_at: int, notes: tuple[str, ...]
) -> TrainingRun:
    store = sliced.store
    return TrainingRun(
        folder=trainer.folder,
        cases={site: sum(case.site == site for case in store.cases) for site in store.sites},
        reference=begun.reference,
        modalities=begun.cohort.modalities,
        steps=trainer.step,
        begun_at=begun_at,
        slices=len(store.images),
        unread=sliced.unread,
        notes=notes,
        device=trainer.device.type,
    )


def _begin(path: Path, options: TrainOptions, config: TranslationConfig) -> _Begun:
    """Read the table, and refuse what can be refused by it."""
    found = read_translation_cohort(path, options.modalities, options.site, options.id_column)
    named = (*config.match, *options.match)
    matched = tuple(dict.fromkeys(column_of(found.cohort, name) for name in named))
    told = (config.differences.alike, options.alike or None)
    named = None if told == (None, None) else [name for one in told for name in one or ()]
    alike, unlike = compared_columns(training_cases(found, ()), named, matched)
    cohort = training_cases(found, tuple({*matched, *alike}))
    cohort = replace(cohort, notes=(*cohort.notes, *unlike))
    reference = _reference(options.reference or config.reference, cohort)
    update: dict[str, Any] = {"match": matched, "reference": reference}
    if options.seed is not None:
        update["training"] = config.training.model_copy(update={"seed": options.seed})
    try:
        config = config.model_copy(update=update).with_channels(len(cohort.modalities))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    differences = differences_as_they_are(cohort, alike, reference)
    require_alike(differences, config.differences, despite=options.despite_differences)
    cases = tuple(
        # What batches are matched on goes with the slices, and nothing else of a subject.
        replace(c, covariates=MappingProxyType({name: c.covariates[name] for name in matched}))
        for c in cohort.cases
    )
    return _Begun(config, replace(cohort, cases=cases), reference, differences)


def _reference(name: str | None, cohort: TranslationCohort) -> str:
    sites = cohort.sites
    if name is None:
        raise ConfigError(
            f"expected the site whose look images get: --reference, one of {', '.join(sites)}"
        )
    if name not in sites:
        raise ConfigError(
            f"there is no case of the reference '{name}' to train on. {did_you_mean(name, sites)}"
        )
    if len(sites) < 2:
        raise ConfigError(f"expected two sites or more to train on, got '{name}' alone")
    return name


def _cut(begun: _Begun, folder: Path, options: TrainOptions, progress: CaseProgress) -> Sliced:
    """Cut the slices unless they are there, once it is sure that no other training is."""
    training, shrink = begun.config.training, max(p.shrink for p in begun.config.training.phases)
    multiple = SIZE_MULTIPLE * shrink
    # What a discriminator halves so often must leave it something to judge.
    smallest = shrink * max(SMALLEST, 4 * 2**begun.config.discriminator.layers)
    least = max(training.crop or 0, smallest)
    key = slices_key(begun.cohort, multiple, least)
    # A training may go on compiled, or not.
    plain = begun.config.model_copy(
        update={"training": training.model_copy(update={"compile": False})}
    )
    choices = {
        "translation": plain.model_dump(
            mode="json", exclude={"differences": True, "training": {"samples"}}
        ),
        "modalities": list(begun.cohort.modalities),
        "site": options.site,
        SLICES: key,
    }
    note_choices(folder, choices)
    return cut_slices(begun.cohort, folder, key, multiple, least, progress)


def _train(trainer: Trainer, modalities: tuple[str, ...], *, first: bool) -> int:
    """Train to the end and save the model; return the step at which this run began.

    Raises
    ------
    NothingSucceededError
        If losses or weights are not finite any more.
    """
    told, scaled = trainer.progress, trainer.config.precision == "fp16"

    def progress(step: int, steps: int, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            # Gradients of half precision overflow now and then; such a step is not taken.
            if not math.isfinite(value) and not (scaled and name == "discriminator_gradient"):
                raise _diverged(f"{name} is {value} at step {step}")
        told(step, steps, losses)

    trainer.progress = progress
    begun_at = trainer.step
    told(begun_at, trainer.config.steps, {})
    trainer.train()
    translator = translator_of(trainer, modalities)
    if not all(map(is_finite, (translator.forwards, *translator.backwards.values()))):
        raise _diverged("weights are not finite any more")
    if first:
        save_translator(translator, trainer.folder)
    return begun_at


def _diverged(how: str) -> NothingSucceededError:
    return NothingSucceededError(
        f"the training diverged: {how}; lower generator_rate and discriminator_rate, or raise r1, "
        "and train into another folder"
    )
