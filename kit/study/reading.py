"""What the finished cells of a setting say together: one score a seed, k folds of a seed as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.manifest import Manifest, require_same_manifest
from kit.data.source import open_source
from kit.errors import DataError
from kit.evaluate.coco import Scores, run, summarize
from kit.evaluate.intervals import Resampled, resample, units_of
from kit.evaluate.matches import match
from kit.evaluate.paired import Repeated, Usual, usual
from kit.progress import SILENT, Progress
from kit.study.cell import Cell, Setting
from kit.study.results import RESAMPLES, Finished
from kit.types import Detections


@dataclass(frozen=True, eq=False)
class Trial:
    """One seed of a setting.

    Attributes:
        cells: the one, or that of each fold.
        scores: on test; with folds, of the detections on all of them, pooled.
        resampled: the same on pictures drawn anew.
        manifest_sha256: of the test pictures.
    """

    seed: int
    cells: tuple[Finished, ...]
    scores: Scores
    resampled: Resampled
    manifest_sha256: str

    @property
    def bundle(self) -> str:
        """What it is called, for messages."""
        return f"{self.cells[0].result.cell.setting}, seed {self.seed}"


@dataclass(frozen=True, eq=False)
class Reading:
    """A setting, as far as it has been measured.

    Attributes:
        asked: how many cells it has.
        cells: that are finished.
        trials: seeds that are complete; only they count.
        gaps: why others are not, in words.
        usual: by figure, the variance over seeds of other settings, see :func:`moderated`.
    """

    setting: Setting
    asked: int
    cells: tuple[Finished, ...]
    trials: tuple[Trial, ...]
    gaps: tuple[str, ...] = ()
    usual: Mapping[str, Usual | None] = field(default_factory=dict)

    @cached_property
    def ap50(self) -> Repeated | None:
        """On test; None before a seed is complete."""
        return self._repeated("ap50")

    @cached_property
    def ap(self) -> Repeated | None:
        return self._repeated("ap")

    @cached_property
    def per_class(self) -> Mapping[str, float | None]:
        """AP50 of each class, the mean over seeds; None where test holds no such object."""
        names = self.trials[0].scores.per_class if self.trials else ()
        return {
            name: mean([trial.scores.per_class[name].ap50 for trial in self.trials])
            for name in names
        }

    @property
    def complete(self) -> bool:
        """Whether every cell that was asked for counts."""
        return not self.gaps and len(self.cells) == self.asked

    def _repeated(self, figure: Literal["ap", "ap50"]) -> Repeated | None:
        known = {trial.seed: getattr(trial.scores, figure) for trial in self.trials}
        if not known or None in known.values():
            return None
        return Repeated(
            bundle=str(self.setting),
            manifest_sha256=self.trials[0].manifest_sha256,
            scores=known,
            drawn={trial.seed: getattr(trial.resampled, figure) for trial in self.trials},
            usual=self.usual.get(figure),
        )


@dataclass
class Reader:
    """Reads finished cells; each dataset is opened once, and folds are pooled once."""

    progress: Progress = SILENT
    _datasets: dict[str, Dataset] = field(default_factory=dict)
    _listed: dict[str, Manifest] = field(default_factory=dict)
    _trials: dict[tuple[Path, ...], Trial] = field(default_factory=dict)

    def dataset(self, source: str) -> Dataset:
        """As it is scored: usable boxes only.

        Raises:
            DataError: it isn't here, or can't be read.
        """
        if source not in self._datasets:
            self._datasets[source] = usable(open_source(source, progress=self.progress))
        return self._datasets[source]

    def read(self, cells: Sequence[Cell], finished: Sequence[Finished]) -> list[Reading]:
        """Gather cells by their settings, in the order given.

        Args:
            cells: all that were asked for.
            finished: those that are there, and maybe others, which are left out.

        Raises:
            DataError: a dataset is not the one that folds were measured on, or seeds of one
                setting were measured on different pictures.
        """
        done = {each.result.cell: each for each in finished}
        asked: dict[Setting, dict[int, list[Cell]]] = {}
        for cell in cells:
            asked.setdefault(cell.setting, {}).setdefault(cell.seed, []).append(cell)
        return [self._read(setting, seeds, done) for setting, seeds in asked.items()]

    def _read(
        self,
        setting: Setting,
        seeds: Mapping[int, Sequence[Cell]],
        done: Mapping[Cell, Finished],
    ) -> Reading:
        trials, gaps = [], []
        for seed, cells in seeds.items():
            missing = [str(cell.fold) for cell in cells if cell not in done]
            if not missing:
                trials.append(self._trial(seed, [done[cell] for cell in cells]))
            elif len(missing) < len(cells):
                gaps.append(
                    f"seed {seed} doesn't count, of its {len(cells)} folds there is no "
                    f"{' and no '.join(missing)}"
                )
        require_same_manifest(*trials)
        every = [cell for cells in seeds.values() for cell in cells]
        finished = tuple(done[cell] for cell in every if cell in done)
        return Reading(setting, len(every), finished, tuple(trials), tuple(gaps))

    def _trial(self, seed: int, cells: Sequence[Finished]) -> Trial:
        key = tuple(each.directory for each in cells)
        if key not in self._trials:
            if cells[0].result.cell.fold is None:
                (only,) = cells
                test = only.result.test
                trial = Trial(seed, (only,), test, only.resampled(), test.manifest_sha256)
            else:
                source = cells[0].result.cell.setting.dataset
                trial = _pool(seed, cells, self.dataset(source), self._whole(source))
            self._trials[key] = trial
        return self._trials[key]

    def _whole(self, source: str) -> Manifest:
        """All pictures, hashed once."""
        if source not in self._listed:
            dataset = self.dataset(source)
            self._listed[source] = dataset.manifest(np.arange(len(dataset)), rule="all pictures")
        return self._listed[source]


def moderated(readings: Sequence[Reading], among: Sequence[Reading]) -> list[Reading]:
    """The readings, each with the usual variance over seeds of the other settings among those given
    that were measured on the same pictures; :mod:`kit.evaluate.paired` says what for."""
    found = []
    for reading in readings:
        peers = [
            each for each in among if each.setting != reading.setting and _alike(each, reading)
        ]
        variances = {
            "ap50": usual([runs for peer in peers if (runs := peer.ap50) is not None]),
            "ap": usual([runs for peer in peers if (runs := peer.ap) is not None]),
        }
        found.append(replace(reading, usual=variances))
    return found


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _alike(one: Reading, other: Reading) -> bool:
    """Whether both were measured, and on the same pictures."""
    both = one.trials[:1] + other.trials[:1]
    return len(both) == 2 and both[0].manifest_sha256 == both[1].manifest_sha256


def _pool(seed: int, cells: Sequence[Finished], dataset: Dataset, whole: Manifest) -> Trial:
    """Score the detections on all folds as one set, each picture by the detector that was not
    trained on it."""
    found: dict[str, Detections] = {}
    for each in cells:
        part = each.found()
        if _sha256(part, dataset, whole) != each.result.test.manifest_sha256:
            raise DataError(
                f"is not what {each.result.cell} was measured on: pictures or labels have changed",
                where=dataset.source,
                fix=f"bring the dataset back, or delete {each.directory} and run the study again",
            )
        found |= part
    if set(found) != set(dataset.ids):
        raise DataError(f"the folds of seed {seed} don't cover its pictures", where=dataset.source)
    evaluator = run(dataset, [found[id_] for id_ in dataset.ids])
    scores = summarize(evaluator, dataset)
    units = units_of(dataset.groups)
    resampled = resample(match(evaluator, dataset), scores, units=units, resamples=RESAMPLES)
    return Trial(seed, tuple(cells), scores, resampled, whole.sha256)


def _sha256(part: Iterable[str], dataset: Dataset, whole: Manifest) -> str | None:
    """Of these pictures as they are now; None where one is not there."""
    ids = tuple(part)
    if not set(ids) <= set(dataset.index):
        return None
    places = np.array([dataset.index[id_] for id_ in ids], np.int64)
    return Manifest(
        ids=ids,
        pictures=tuple(whole.pictures[place] for place in places),
        truth=dataset.select(places).truth_sha256(),
        rule=whole.rule,
        seed=whole.seed,
        class_counts={},
    ).sha256
