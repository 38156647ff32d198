"""Which cells of a study are done, to do, or can't be run, by the hash of what determines each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.binding import bind, plain
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.data.sampling import sample
from kit.data.split import folds
from kit.errors import DataError, KitError
from kit.files import read_json, write_json
from kit.finetune.job import Job
from kit.finetune.prepare import examined, prepare
from kit.progress import SILENT, Progress
from kit.study.cell import Cell
from kit.study.results import CELLS, RESULT, Finished, load
from kit.study.study import Study

TASK, FAILURE, LOG = "cell.json", "failure.txt", "log.txt"


@dataclass(frozen=True)
class Ready:
    """A cell with everything it needs at hand.

    Attributes:
        dataset: usable boxes only, with the splits of the cell's fold.
        sample: its training pictures; None takes the whole train split.
        test: the test pictures.
    """

    cell: Cell
    dataset: Dataset
    sample: Manifest | None
    job: Job
    test: Manifest

    def facts(self) -> dict[str, Any]:
        """Everything that determines the result, however it is called and wherever it lies."""
        job = self.job.facts()
        return {
            **{name: job[name] for name in job if name not in ("source", "start")},
            "test": self.test.sha256,
        }


@dataclass(frozen=True)
class Task:
    """A cell, and where it belongs.

    Attributes:
        facts: what determines its result.
        passes: pictures trained on, over all epochs.
        size: side of the input in pixels.
    """

    cell: Cell
    directory: Path
    facts: Mapping[str, Any]
    passes: int
    size: int

    def begin(self) -> None:
        """Write the task into its directory: from then on the directory stands alone.

        What an earlier try failed of is forgotten here, before the process that tries again can
        be killed: its end would be told as the cause of this one.
        """
        (self.directory / FAILURE).unlink(missing_ok=True)
        write_json(self.directory / TASK, {"cell": plain(self.cell), "facts": dict(self.facts)})


@dataclass(frozen=True)
class Tasks:
    """A study, sorted. ``not_run`` says why a cell can't be run."""

    done: Sequence[Finished]
    to_do: Sequence[Task]
    not_run: Mapping[Cell, str]


@dataclass
class Datasets:
    """Each dataset read and examined once."""

    progress: Progress = SILENT
    _kept: dict[tuple[str, int | None, int], Sequence[Dataset]] = field(default_factory=dict)

    def of(self, cell: Cell) -> Dataset:
        """Usable boxes only; with folds, split into those of the cell."""
        source, count = cell.setting.dataset, cell.setting.folds
        whole = self._once((source, None, 0), lambda: [examined(source, progress=self.progress)])
        if count is None or cell.fold is None:
            return whole[0]
        parts = self._once(
            (source, count, cell.seed), lambda: folds(whole[0], count, seed=cell.seed)
        )
        return parts[cell.fold]

    def _once(self, key: Any, make: Any) -> Sequence[Dataset]:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def ready(
    cell: Cell, datasets: Datasets, *, download: bool = False, progress: Progress = SILENT
) -> Ready:
    """Gather what a cell needs.

    Raises:
        KitError: weights, data or a package are missing, or don't go together.
    """
    setting, dataset = cell.setting, datasets.of(cell)
    drawn = None
    if setting.draw.budget is not None:
        drawn = sample(dataset, setting.draw, seed=cell.seed)
    job = prepare(
        setting.model,
        dataset,
        sample=drawn,
        recipe=setting.recipe,
        start=setting.start,
        plan=setting.plan,
        seed=cell.seed,
        download=download,
        progress=progress,
        size=setting.size,
        epochs=setting.epochs,
    )
    test = dataset.manifest(dataset.split("test"), rule="the test split")
    if not test.objects:
        raise DataError("test must hold at least one object", where=setting.dataset)
    return Ready(cell, dataset, drawn, job, test)


def sort(study: Study, out: Path, *, download: bool = False, progress: Progress = SILENT) -> Tasks:
    """Look at every cell of a study.

    Raises:
        DataError: a cell in ``out`` was made from other data, weights or software than there are
            now: mixing them would compare what can't be compared.
    """
    datasets = Datasets(progress)
    done, to_do, not_run, changed = [], [], dict[Cell, str](), list[str]()
    for cell in progress.track(study.cells(), "looking at the cells"):
        try:
            found = ready(cell, datasets, download=download)
        except KitError as error:
            not_run[cell] = str(error)
            continue
        job, facts = found.job, found.facts()
        directory = out / CELLS / cell.name
        before = read_task(directory)[1] if (directory / TASK).is_file() else facts
        if before != facts:
            differ = sorted(k for k in {*before, *facts} if before.get(k) != facts.get(k))
            changed.append(f"{directory.name} (another {', '.join(differ)})")
        elif (directory / RESULT).is_file():
            done.append(load(directory))
        else:
            passes = len(job.train) * (job.recipe.epochs or 0)
            to_do.append(Task(cell, directory, facts, passes, job.recipe.size or 0))
    if changed:
        raise DataError(
            "\n  ".join([f"{len(changed)} cell(s) were made from something else:", *changed]),
            where=out / CELLS,
            fix="move these folders away to have the cells run again, or choose another --out",
        )
    return Tasks(done, to_do, not_run)


def read_task(directory: Path) -> tuple[Cell, dict[str, Any]]:
    """The cell a directory is for, and what determines its result.

    Raises:
        DataError: the directory holds no cell.
    """
    path = directory / TASK
    data = read_json(path, "a cell", error=DataError, fix="it is made by `kit study`")
    try:
        return bind(Cell, data["cell"], where=path, error=DataError), dict(data["facts"])
    except (KeyError, TypeError) as error:
        raise DataError("not a cell", where=path) from error
