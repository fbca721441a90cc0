"""One case through its stages: what is kept is taken up, what is new is made and kept."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from harmonize_kit.core.volume import Volume
from harmonize_kit.errors import (
    CaseError,
    DependencyError,
    HarmonizeError,
    ImageError,
    IntegrityError,
    StageError,
)
from harmonize_kit.flows.output_folder import cannot_write
from harmonize_kit.flows.preprocess_input import CaseReading, Files
from harmonize_kit.flows.preprocess_kept import Arrays, arrays_of
from harmonize_kit.flows.preprocess_population import load_intensities, summarize_scans
from harmonize_kit.flows.preprocess_product import Finished, Sheet, write_product
from harmonize_kit.flows.preprocess_sheets import sheet_of
from harmonize_kit.flows.preprocess_stages import STAGES, makers
from harmonize_kit.flows.preprocess_work import (
    CONVERT,
    READ,
    SUMMARIZE,
    WRITE,
    PreprocessWork,
    Step,
)  # fmt: skip
from harmonize_kit.preprocess.scans import Scans, Staged
from harmonize_kit.provenance import Journal
from harmonize_kit.storage.itk import one_thread
from harmonize_kit.storage.results import owner_of


class CaseResult(TypedDict):
    """What became of a case, as plain values.

    ``key`` is that of the last step, ``made`` holds the steps that were done now as [stage, key,
    seconds, seconds of the processor], ``computed`` is False where there was nothing to do.
    """

    key: str
    made: list[tuple[str, str, float, float]]
    computed: bool


def preprocess_case(work: PreprocessWork) -> CaseResult:
    """Take a case through its steps, from the first that is not kept on.

    Raises
    ------
    StageError
        With the step that failed and the reason code.
    OutputError
        If what was made cannot be kept.
    DependencyError
        If a package is missing, or this worker has other versions than the driver.
    """
    if work.made_by not in (None, makers(work.config)):
        raise DependencyError(
            "this worker has other versions of the packages that stages depend on than the driver; "
            "install the same everywhere"
        )
    with one_thread(), of_stage(READ):
        files = work.source.files()
        walk = _Walk(work, files)
        steps = work.plan_steps(files)
        count = work.count_kept(steps)
        if count < len(steps):
            walk.go(steps, count)
    return {"key": steps[-1].key, "made": walk.made, "computed": bool(walk.made)}


@contextmanager
def of_stage(name: str) -> Generator[None]:
    """Say of what fails in the block that it failed at this step, in the words of its reason.

    Raises
    ------
    StageError
        For every failure of the case; what is not the case's fault passes.
    """
    try:
        yield
    except StageError:
        raise
    except CaseError as error:
        raise StageError(name, error.code, error.message) from error
    except HarmonizeError:
        raise
    except Exception as error:
        code = "UNREADABLE" if name == READ else "PREPROCESSING"
        raise StageError(name, code, f"{type(error).__name__}: {error}") from error


class _Walk:
    """A case on its way through its steps."""

    def __init__(self, work: PreprocessWork, files: Files) -> None:
        self.work = work
        self.files = files
        self.stamps = _stamps(files)
        self.kept = work.kept
        self.records: list[dict[str, Any]] = []
        self.made: list[tuple[str, str, float, float]] = []
        self.converting = False
        self._read: CaseReading | None = None

    def go(self, steps: tuple[Step, ...], count: int) -> None:
        """Take up what is kept of the first ``count`` steps, and do the rest."""
        scans, arrays = self._take_up(steps[:count])
        if not self.records and steps[0].name == CONVERT:
            self.converting, self._read = True, None
        for step in steps[len(self.records) :]:
            with of_stage(step.name):
                scans = self._do(step, scans, arrays)

    def reading(self) -> CaseReading:
        """Return the case as it came, read once, of files that did not change meanwhile."""
        if self._read is None:
            with of_stage(READ):
                self._read = self.work.source.read(convert=self.converting)
                self._require_unchanged()
        return self._read

    def inputs(self) -> Scans:
        """Return the scans as they came."""
        return self.reading().scans

    def _take_up(self, steps: tuple[Step, ...]) -> tuple[Scans | None, Arrays]:
        """Return the scans after the last step whose outcome is sound; None before the first."""
        self.records = [self.kept.find(step.key) or {} for step in steps]
        while self.records:
            try:
                self.kept.byproducts(self.records)
                return self.kept.read(self.records[-1], self.inputs)
            except IntegrityError:
                # Damaged, or removed a moment ago: it is made again from what came before it.
                self.records.pop()
        return None, {}

    def _do(self, step: Step, scans: Scans | None, arrays: Arrays) -> Scans | None:
        start, cpu = time.perf_counter(), time.process_time()
        if scans is None:
            scans = self.inputs()
            if not self.reading().converted:
                arrays |= arrays_of(scans)
        if step.name == WRITE:
            self._write(step, scans)
            self._note(step, start, cpu)
            return scans
        staged = self._run(step.name, scans)
        with self._writing():
            more = {"id": self.work.id, "stage": step.name}
            self.records.append(self.kept.write(step.key, staged, arrays, **more))
        self._note(step, start, cpu)
        return staged.scans

    def _run(self, name: str, scans: Scans) -> Staged:
        config = self.work.config
        if name == CONVERT:
            return self.reading().as_stage
        if name == SUMMARIZE:
            return summarize_scans(scans, config.normalize)
        fitted = load_intensities(*self.work.model) if self.work.model else None
        return STAGES[name].run(scans, config, fitted)

    def _write(self, step: Step, scans: Scans) -> None:
        work = self.work
        before, notes = self._before()
        finished = Finished(
            work.source, work.product, Path(work.folder), before, scans, tuple(self.records),
            notes, work.config.registration if "register" in work.steps else None,
        )  # fmt: skip
        byproducts = self.kept.byproducts(self.records)
        finished, sheet = self._with_sheet(finished, byproducts)
        with self._writing():
            record = write_product(finished, byproducts, sheet)
            self._require_unchanged()
            self._forget_others(step.key, record)
            work.cases.write(step.key, record)
            if work.clean:
                self.kept.arrays.remove_all(owner_of(work.id))

    def _with_sheet(
        self, finished: Finished, byproducts: Mapping[str, Volume | str]
    ) -> tuple[Finished, Sheet | None]:
        """Return the page of pictures, or a case that is told to have none."""
        if not self.work.product.sheet:
            return finished, None
        try:
            return finished, sheet_of(finished, byproducts, self.kept)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001
            # Pictures are for looking at; they must not cost a case its images.
            note = f"the page of pictures could not be drawn ({type(error).__name__}: {error})"
            return replace(finished, notes=(*finished.notes, note)), None

    def _before(self) -> tuple[Scans, tuple[str, ...]]:
        """Return the case as it came, and what its files told if no record of a stage does."""
        if self.work.steps[0] != CONVERT:
            return self.inputs(), self.reading().notes
        try:
            return self.kept.read(self.records[0], self.inputs)[0], ()
        except IntegrityError:
            return self.inputs(), ()

    def _forget_others(self, key: str, record: dict[str, Any]) -> None:
        """Remove what an earlier configuration made of the case and this one does not."""
        current = {file["path"] for file in record["files"].values()}
        store, folder = self.work.cases, Path(self.work.folder)
        for other in store.keys_of(self.work.id):
            if other != key:
                old = store.read(other) or {"files": {}}
                for file in old["files"].values():
                    if file["path"] not in current:
                        (folder / file["path"]).unlink(missing_ok=True)
                store.remove(other)

    def _note(self, step: Step, start: float, cpu: float) -> None:
        wall = round(time.perf_counter() - start, 3)
        spent = round(time.process_time() - cpu, 3)
        self.made.append((step.name, step.key, wall, spent))
        if self.work.journal is not None:
            with self._writing():
                Journal(Path(self.work.journal)).write(
                    self.work.id, step.key, "done",
                    stage=step.name, seconds=wall, cpu_seconds=spent,
                )  # fmt: skip

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(Path(self.work.folder), error) from error

    def _require_unchanged(self) -> None:
        if _stamps(self.files) != self.stamps:
            raise ImageError(
                "UNREADABLE", "a file of the case changed while it was read; run again"
            )


def _stamps(files: Files) -> list[tuple[int, int]]:
    stats = [file.stat() for listed in files.values() for file in listed]
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]
