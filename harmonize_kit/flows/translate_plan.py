"""What a translation of a cohort consists of, and what of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.config.load import load_file
from harmonize_kit.errors import CaseError, ConfigError
from harmonize_kit.flows.output_folder import JOURNAL
from harmonize_kit.flows.translate import ApplyOptions
from harmonize_kit.flows.translate_case import TranslationWork, is_kept, result_key
from harmonize_kit.flows.translate_cohort import TranslationCohort, read_translation_cohort
from harmonize_kit.flows.translate_load import (
    computed_on,
    holds_networks,
    model_digest,
    read_model,
)
from harmonize_kit.flows.translate_model import Views


@dataclass(frozen=True)
class Plan:
    """A translation that may begin.

    Parameters
    ----------
    cohort : TranslationCohort
    own, others : tuple of TranslationWork
        Of this shard, and of the others.
    model_sha256 : str
    guards : GuardConfig
    device : str
    target : str
        The site that images are made to look like.
    """

    cohort: TranslationCohort
    own: tuple[TranslationWork, ...]
    others: tuple[TranslationWork, ...]
    model_sha256: str
    guards: GuardConfig
    device: str
    target: str


def plan_translation(
    model: Path, cohort_path: Path, folder: Path, options: ApplyOptions, execution: ExecutionConfig
) -> Plan:
    """Read model and cohort; refuse what cannot be worked with.

    Raises
    ------
    TableError, ConfigError, IntegrityError, DependencyError
    """
    if cohort_path.resolve().parent == folder.resolve():
        raise ConfigError(
            f"{folder} holds the cohort itself, whose table would be replaced; choose another "
            "folder with -o"
        )
    networks, views = holds_networks(model), Views(options.flips, options.planes)
    known = read_model(model, options.device, options.allow)
    known.require(options.to, sites_told=options.site is not None, views=views)
    guards = GuardConfig() if options.guards is None else load_file(options.guards, GuardConfig)
    cohort = read_translation_cohort(cohort_path, known.modalities, options.site, options.id_column)
    digest = model_digest(model)
    here = execution.scheduler is None and execution.cluster is None
    works = [
        TranslationWork(
            case,
            str(folder.absolute()),
            str(model.absolute()),
            digest,
            networks,
            options.site is not None and known.asks_site,
            options.to,
            views,
            guards,
            options.device,
            options.allow,
            _threads(execution) if networks else 1,
            str(folder.absolute() / JOURNAL) if here else None,
            options.force,
        )
        for case in cohort.cases
    ]
    own = tuple(works[execution.part])
    mine = {work.case.id for work in own}
    others = tuple(replace(w, force=False) for w in works if w.case.id not in mine)
    target = known.reference if options.to is None else options.to
    device = computed_on(options.device, networks=networks)["device"]
    return Plan(cohort, own, others, digest, guards, device, target)


def find_kept(works: Sequence[TranslationWork]) -> dict[str, str]:
    """Return the key of each case whose whole result is there, by id."""
    kept: dict[str, str] = {}
    for work in works:
        key = None if work.force else known_key(work)
        if key and is_kept(work, key):
            kept[work.case.id] = key
    return kept


def known_key(work: TranslationWork) -> str:
    """Return the key of a case; empty where its files cannot be read."""
    try:
        return result_key(work)
    except (CaseError, OSError):
        return ""


def serial(model: Path, execution: ExecutionConfig) -> ExecutionConfig:
    """Return the choices with one process where the number was left open and a network works.

    A network takes all cores by itself, and the memory of one.
    """
    left_open = execution.workers == "auto" and execution.scheduler is None
    if left_open and execution.cluster is None and holds_networks(model):
        return execution.model_copy(update={"workers": 1})
    return execution


def _threads(execution: ExecutionConfig) -> int:
    """Return how many threads a network works with: several processes share the cores."""
    from harmonize_kit.translation.device import count_threads

    return count_threads() if execution.workers == 1 else 1
