"""One case and what is to be done with it, as plain data; and the keys of what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harmonize_kit.config.preprocess import PreprocessingConfig
from harmonize_kit.core.digest import digest_value
from harmonize_kit.flows.preprocess_input import CaseInput, Files
from harmonize_kit.flows.preprocess_kept import KeptStages
from harmonize_kit.flows.preprocess_product import ProductPlan, product_is_whole
from harmonize_kit.flows.preprocess_stages import describe_stage
from harmonize_kit.storage.results import ResultStore, owner_of

# Steps beside the stages: reading the case, what a population method needs of it, and its images.
READ, SUMMARIZE, WRITE = "read", "summarize", "write"
CONVERT, NORMALIZE = "convert", "normalize"
CASES = "cases"


class Step(NamedTuple):
    """A stage of a case, with the digest of all that determines what comes of it."""

    name: str
    key: str


@dataclass(frozen=True)
class PreprocessWork:
    """One case and all that is needed to preprocess it, as plain data for a worker.

    Parameters
    ----------
    source : CaseInput
    config : PreprocessingConfig
    steps : tuple of str
        Names of the stages to go through; then ``write``, or ``summarize``.
    folder : str
        Output folder.
    work : str
        Folder of the arrays between stages.
    product : ProductPlan
    journal : str, optional
        Journal to note steps in, where this process may write to it.
    forced : tuple of str
        Steps to do though they are kept.
    clean : bool
        Whether the arrays between stages go once the images are written.
    model : tuple of (str, str), optional
        Folder and digest of the fitted intensity model.
    made_by : str, optional
        The driver's :func:`~harmonize_kit.flows.preprocess_stages.makers`, which must be the
        worker's too.
    """

    source: CaseInput
    config: PreprocessingConfig
    steps: tuple[str, ...]
    folder: str
    work: str
    product: ProductPlan
    journal: str | None = None
    forced: tuple[str, ...] = ()
    clean: bool = False
    model: tuple[str, str] | None = None
    made_by: str | None = None

    @property
    def id(self) -> str:
        """Id of the case."""
        return self.source.case.id

    @property
    def kept(self) -> KeptStages:
        """Where outcomes of stages are."""
        return KeptStages.at(Path(self.folder), Path(self.work))

    @property
    def cases(self) -> ResultStore:
        """Where the records of finished cases are."""
        return ResultStore(Path(self.folder) / CASES)

    def plan_steps(self, files: Files | None = None) -> tuple[Step, ...]:
        """Return the steps with their keys; the files of the case are read to their end.

        A key is the digest of the key before it, the stage, its settings, the versions of what
        makes it and, where one is applied, the fitted model; the first key before is the digest of
        the content of the files. So a change redoes a stage and what follows, and nothing else.

        Raises
        ------
        ImageError
            If a file is not there or cannot be read.
        """
        source = self.source
        before = digest_value(source.content(source.files() if files is None else files))
        steps: list[Step] = []
        for name in self.steps:
            model = self.model[1] if self.model and name == NORMALIZE else None
            made_of = describe_stage(name, self.config, model)
            if name == WRITE:
                made_of |= {"product": self.product.describe()}
            before = digest_value({"before": before, **made_of})
            steps.append(Step(name, f"{owner_of(self.id)}-{before[:52]}"))
        return tuple(steps)

    def is_done(self, key: str) -> bool:
        """Tell whether the last step is done, and what it left is whole."""
        if self.steps[-1] != WRITE:
            return self.kept.find(key) is not None
        record = self.cases.read(key)
        return record is not None and product_is_whole(record, Path(self.folder))

    def count_kept(self, steps: tuple[Step, ...]) -> int:
        """Return how many of the first steps need not be done again."""
        if self.is_done(steps[-1].key) and not self.forced:
            return len(steps)
        kept = self.kept
        for number, step in enumerate(steps):
            if step.name in self.forced or step.name == WRITE or kept.find(step.key) is None:
                return number
        return len(steps)
