"""AP50 against labelled pictures: the settings of a study that differ in nothing but their draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kit.data.manifest import require_same_manifest
from kit.data.sampling import ALL
from kit.errors import DataError
from kit.progress import SILENT, Progress
from kit.study.cell import Cell, Setting
from kit.study.power_law import Points
from kit.study.reading import Reader, Trial
from kit.study.results import Finished

SIZES, APART = 3, 1.25
"""Fewest sizes that a curve is fitted to, each at least so many times the one before."""


@dataclass(frozen=True)
class Size:
    """What was measured after learning from so many pictures; means over seeds.

    Attributes:
        deviation: of AP50 over seeds; None for one seed.
    """

    pictures: float
    objects: float
    seeds: int
    ap50: float
    deviation: float | None


@dataclass(frozen=True, eq=False)
class Series:
    """Trials that differ in nothing but how many pictures were drawn by one rule, and chance.

    Attributes:
        setting: without its draw.
        rule: of drawing: ``balanced``, ``random`` or ``per class``; ``all`` where nothing was
            drawn.
        trials: at least one.
        gaps: what doesn't count, and why.
    """

    setting: Setting
    rule: str
    trials: tuple[Trial, ...]
    gaps: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = str(self.setting).split(", ")
        words.remove(str(ALL))
        return ", ".join([*words, self.rule])

    @property
    def tests(self) -> int:
        """Test pictures."""
        return self.trials[0].scores.images

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """A draw each, the smallest first."""
        by_draw: dict[str, list[Trial]] = {}
        for trial in self.trials:
            by_draw.setdefault(str(_setting(trial).draw), []).append(trial)
        return tuple(sorted(map(_size, by_draw.values()), key=lambda size: size.pictures))

    @cached_property
    def pool(self) -> int:
        """Labelled pictures there are: of the draw that takes all, else as the fractions tell, else
        the most that were learnt from."""
        draws = [(_setting(trial).draw, _pictures(trial)) for trial in self.trials]
        whole = [pictures for draw, pictures in draws if draw == ALL]
        told = [pictures / draw.fraction for draw, pictures in draws if draw.fraction is not None]
        return round(float(np.median(whole or told or [self.sizes[-1].pictures])))

    @property
    def too_few(self) -> str | None:
        """Why no curve can be fitted; None where it can."""
        steps: list[float] = []
        for size in self.sizes:
            if not steps or size.pictures >= APART * steps[-1]:
                steps.append(size.pictures)
        if len(steps) >= SIZES:
            return None
        there = " and ".join(f"{size.pictures:g}" for size in self.sizes)
        return (
            f"a curve with a ceiling needs {SIZES} sizes, each a quarter larger than the one "
            f"before, and there are results after {there} pictures only"
        )

    @cached_property
    def points(self) -> Points:
        """Their scores as they are fitted."""
        return Points.of(
            np.array([_pictures(trial) for trial in self.trials]),
            np.array([trial.scores.ap50 for trial in self.trials]),
            np.array([trial.seed for trial in self.trials]),
            np.stack([trial.resampled.ap50 for trial in self.trials]),
            tests=self.tests,
            pool=float(self.pool),
        )

    def up_to(self, share: float) -> Series:
        """Only what learnt from at most this share of the pool."""
        most = share * self.pool + 0.5
        return replace(self, trials=tuple(t for t in self.trials if _pictures(t) <= most))


def read_series(finished: Sequence[Finished], progress: Progress = SILENT) -> list[Series]:
    """Gather finished cells; those that learnt from all pictures end the series of every rule.

    Raises:
        DataError: cells are damaged or were measured on different pictures, or none of them counts.
    """
    readings = Reader(progress).read(_asked(finished), finished)
    trials: dict[tuple[Setting, str], list[Trial]] = {}
    gaps: dict[tuple[Setting, str], list[str]] = {}
    for reading in sorted(readings, key=lambda each: each.setting.draw == ALL):
        bare, draw = replace(reading.setting, draw=ALL), reading.setting.draw
        rules: list[str] = [draw.rule if draw.per_class is None else "per class"]
        if draw == ALL:
            rules = [rule for setting, rule in trials if setting == bare] or [str(ALL)]
        for rule in rules:
            known = [trial for trial in reading.trials if trial.scores.ap50 is not None]
            trials.setdefault((bare, rule), []).extend(known)
            gaps.setdefault((bare, rule), []).extend(
                f"{reading.setting}: {gap}" for gap in reading.gaps
            )
    if not any(trials.values()):
        told = sorted({gap for those in gaps.values() for gap in those})
        raise DataError("\n  ".join(["no seed has all of its scores", *told]))
    for together in trials.values():
        require_same_manifest(*together)
    return [
        Series(setting, rule, tuple(together), tuple(gaps[setting, rule]))
        for (setting, rule), together in trials.items()
        if together
    ]


def _asked(finished: Sequence[Finished]) -> list[Cell]:
    """The finished cells, and the folds that their seeds lack."""
    cells = sorted((each.result.cell for each in finished), key=lambda cell: cell.seed)
    return list(
        dict.fromkeys(
            replace(cell, fold=fold)
            for cell in cells
            for fold in ([None] if cell.setting.folds is None else range(cell.setting.folds))
        )
    )


def _setting(trial: Trial) -> Setting:
    return trial.cells[0].result.cell.setting


def _pictures(trial: Trial) -> float:
    """Learnt from, the mean over folds."""
    return float(np.mean([each.result.pictures for each in trial.cells]))


def _size(trials: Sequence[Trial]) -> Size:
    scores = [trial.scores.ap50 for trial in trials if trial.scores.ap50 is not None]
    return Size(
        pictures=float(np.mean([_pictures(trial) for trial in trials])),
        objects=float(np.mean([each.result.objects for t in trials for each in t.cells])),
        seeds=len(trials),
        ap50=float(np.mean(scores)),
        deviation=float(np.std(scores, ddof=1)) if len(scores) > 1 else None,
    )
