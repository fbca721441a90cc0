"""What a translation of a cohort consists of, and what of it is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harmonize_kit.config.execution import ExecutionConfig
from harmonize_kit.config.guards import GuardConfig
from harmonize_kit.config.load import load_file
from harmonize_kit.core.digest import digest_value
from harmonize_kit.errors import CaseError, ConfigError, did_you_mean
from harmonize_kit.flows.output_folder import JOURNAL
from harmonize_kit.flows.translate import ApplyOptions
from harmonize_kit.flows.translate_case import TranslationWork, is_kept, result_key
from harmonize_kit.flows.translate_cohort import TranslationCohort, read_translation_cohort
from harmonize_kit.provenance import digest_file
from harmonize_kit.translation.device import choose_device, count_threads
from harmonize_kit.translation.model import DOCUMENT, WEIGHTS, Translator, load_translator


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
    device = choose_device(options.device)
    translator = load_translator(model, device, options.allow)
    _require_known(translator, options)
    guards = GuardConfig() if options.guards is None else load_file(options.guards, GuardConfig)
    cohort = read_translation_cohort(
        cohort_path, translator.modalities, options.site, options.id_column
    )
    digest = digest_value([digest_file(model / name) for name in (DOCUMENT, WEIGHTS)])
    here = execution.scheduler is None and execution.cluster is None
    # Several processes share the cores; one has them all.
    threads = count_threads() if execution.workers == 1 else 1
    works = [
        TranslationWork(
            case,
            str(folder.absolute()),
            str(model.absolute()),
            digest,
            options.site is not None,
            options.to,
            options.flips,
            options.planes,
            guards,
            options.device,
            options.allow,
            threads,
            str(folder.absolute() / JOURNAL) if here else None,
            options.force,
        )
        for case in cohort.cases
    ]
    own = tuple(works[execution.part])
    mine = {work.case.id for work in own}
    others = tuple(replace(w, force=False) for w in works if w.case.id not in mine)
    target = translator.reference if options.to is None else options.to
    return Plan(cohort, own, others, digest, guards, device.type, target)


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


def serial(execution: ExecutionConfig) -> ExecutionConfig:
    """Return the choices with one process where the number was left open.

    A network takes all cores by itself, and the memory of one.
    """
    if execution.workers == "auto" and execution.scheduler is None and execution.cluster is None:
        return execution.model_copy(update={"workers": 1})
    return execution


def writable(folder: Path) -> bool:
    """Tell whether files can be made in ``folder``."""
    return os.access(folder, os.W_OK)


def _require_known(translator: Translator, options: ApplyOptions) -> None:
    known = (translator.reference, *translator.sites)
    if options.to is not None and options.to not in known:
        raise ConfigError(
            f"the model cannot make images of site '{options.to}'. "
            f"{did_you_mean(options.to, known)}"
        )
    if options.to not in (None, translator.reference) and options.site is None:
        raise ConfigError(
            f"only images of '{translator.reference}' can be taken to '{options.to}'; say which "
            "those are: --site COLUMN"
        )
