"""Which setting to carry on to the device: an explicit rule that never looks at test.

1. Candidates are a dataset's settings of which every cell is finished. With a latency budget, the
   median time a picture of the model at the size must be known and within it.
2. The best has the highest mean AP on valid.
3. Ties with it are broken for the cheaper: candidates whose mean lies within one standard error of
   the best's (Breiman, Friedman, Olshen and Stone 1984, "Classification and Regression Trees", the
   1-SE rule). Valid scores aren't resampled, so the error is that over seeds: their deviation,
   pooled over the candidates, by the root of the number of seeds. Where no candidate has a second
   seed it can't be known, and 0.01 AP stands for it.
4. The cheaper takes less time a picture; at the same time, or where it isn't known, less training;
   at the same cost the better one wins.
5. Of the winner's cells, the bundle with the highest AP on valid is the one to export. Of a
   setting with folds there is none: each of its detectors left pictures out to be tested on.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kit.bench.report import LatencyReport
from kit.study.cell import Setting
from kit.study.reading import Reading
from kit.study.results import Finished

ONE_SEED = 0.01
"""AP on valid that a change of seed alone is taken to move, where no setting was repeated."""

WINNERS = "winners"
"""Folder of a study that exports are proposed for."""

Latencies = Mapping[tuple[str, int], LatencyReport]
"""By name of the model's card and side of the input in pixels."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A setting on valid.

    Attributes:
        cells: finished ones, by AP on valid, the best first.
        ap, deviation: mean and deviation over seeds of AP on valid, each the mean over folds; the
            deviation is None for one seed.
        milliseconds: median a picture; None where it wasn't measured.
        seconds: of training, the mean over cells.
        excluded: why it can't win; None where it can.
    """

    setting: Setting
    cells: tuple[Finished, ...]
    seeds: int
    ap: float
    deviation: float | None
    milliseconds: float | None
    seconds: float
    excluded: str | None = None

    @property
    def cost(self) -> tuple[float, float]:
        """What it is ordered by; training to two digits, since the rest is the machine's mood."""
        milliseconds = np.inf if self.milliseconds is None else self.milliseconds
        return milliseconds, float(f"{self.seconds:.2g}")


@dataclass(frozen=True, eq=False)
class Ruling:
    """The rule's answer for one dataset.

    Attributes:
        dataset: with the number of folds, where there are any.
        winner: None where no setting can win.
        candidates: all, the best first; also those that can't win, with the reason.
        tolerance: AP within which candidates tie with the best.
        ties: those that do, the best among them.
    """

    dataset: str
    winner: Candidate | None
    candidates: tuple[Candidate, ...]
    tolerance: float
    ties: tuple[Candidate, ...]

    @property
    def export(self) -> str | None:
        """The line that carries the winner's best bundle on; None where there is none."""
        if self.winner is None or self.winner.setting.folds is not None:
            return None
        best = self.winner.cells[0]
        out = best.directory.parents[1] / WINNERS / re.sub(r"[^\w.-]+", "-", self.dataset)
        words = ["kit", "export", str(best.bundle), "--precision", "fp32", "--out", str(out)]
        return shlex.join(words)

    def __str__(self) -> str:
        """The answer and its reason, in a sentence."""
        if self.winner is None:
            reasons = "; ".join(f"{each.setting}: {each.excluded}" for each in self.candidates)
            return f"no winner on {self.dataset}: {reasons}"
        won, best = self.winner, self.ties[0]
        text = f"on {self.dataset} wins {won.setting}, with AP {won.ap:.3f} on valid"
        if won is not best:
            text += f", a tie with {best.setting} ({best.ap:.3f}), and cheaper"
        elif len(self.ties) > 1:
            text += f", one of {len(self.ties)} that tie, none of them cheaper"
        if won.milliseconds is not None:
            text += f"; {won.milliseconds:.1f} ms a picture"
        if won.setting.folds is not None:
            text += "; to be trained on all pictures, since its detectors left out a fold each"
        return text


def winners(
    readings: Sequence[Reading], latency: Latencies, budget: float | None = None
) -> list[Ruling]:
    """Apply the rule to each dataset; settings with folds are a dataset of their own, since they
    are validated on other pictures.

    Args:
        readings: of all settings of a study.
        budget: median milliseconds a picture; None sets none.
    """
    groups: dict[tuple[str, int | None], list[Candidate]] = {}
    for reading in readings:
        if reading.cells:
            setting = reading.setting
            candidate = _candidate(reading, latency, budget)
            groups.setdefault((setting.dataset, setting.folds), []).append(candidate)
    return [_rule(candidates) for candidates in groups.values()]


def _rule(candidates: Sequence[Candidate]) -> Ruling:
    parts = candidates[0].setting.parts()
    folds = candidates[0].setting.folds
    dataset = parts["dataset"] if folds is None else f"{parts['dataset']}, {folds} folds"
    ranked = tuple(sorted(candidates, key=lambda each: -each.ap))
    able = [each for each in ranked if each.excluded is None]
    if not able:
        return Ruling(dataset, None, ranked, 0.0, ())
    tolerance = _tolerance(able)
    ties = tuple(each for each in able if each.ap >= able[0].ap - tolerance)
    return Ruling(dataset, min(ties, key=lambda each: each.cost), ranked, tolerance, ties)


def _tolerance(able: Sequence[Candidate]) -> float:
    """One standard error of the best, whose deviation is pooled over the candidates."""
    known = [(each.seeds - 1, each.deviation**2) for each in able if each.deviation is not None]
    if not known:
        return ONE_SEED
    weights, variances = zip(*known, strict=True)
    return float((np.average(variances, weights=weights) / able[0].seeds) ** 0.5)


def _candidate(reading: Reading, latency: Latencies, budget: float | None) -> Candidate:
    by_seed: dict[int, list[float]] = {}
    for each in reading.cells:
        by_seed.setdefault(each.result.cell.seed, []).append(each.result.valid["ap"])
    means = [float(np.mean(scores)) for scores in by_seed.values()]
    result = reading.cells[0].result
    report = latency.get((result.cell.setting.model, result.size))
    total = None if report is None else report.stages.get("total")
    milliseconds = None if total is None else total.p50
    excluded = None
    if not reading.complete:
        excluded = f"{len(reading.cells)} of {reading.asked} cells are finished"
    elif budget is not None and milliseconds is None:
        excluded = f"its time a picture isn't known, and the budget is {budget:g} ms"
    elif budget is not None and milliseconds is not None and milliseconds > budget:
        excluded = f"takes {milliseconds:.1f} ms a picture, the budget is {budget:g} ms"
    return Candidate(
        setting=reading.setting,
        cells=tuple(sorted(reading.cells, key=lambda each: -each.result.valid["ap"])),
        seeds=len(means),
        ap=float(np.mean(means)),
        deviation=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        milliseconds=milliseconds,
        seconds=float(np.mean([each.result.seconds for each in reading.cells])),
        excluded=excluded,
    )
