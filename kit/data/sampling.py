"""Draw part of a dataset to learn from: one seeded ordering, of which every sample is a prefix.

So 25 % lies inside 50 %, and that inside 100 %, for the same rule and seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kit.binding import STRICT
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.manifest import Manifest
from kit.errors import DataError, UsageError


@dataclass(frozen=True)
class Draw:
    """How training pictures are drawn: within one budget at most; without one, all are taken.

    Attributes:
        rule: ``balanced`` over classes, or ``random``.
        fraction: of the pictures, above 0 and up to 1.
        images: how many pictures. objects: how many labelled objects.
        per_class: objects of each class.
    """

    __pydantic_config__ = STRICT
    BUDGETS: ClassVar = ("fraction", "images", "objects", "per_class")
    rule: Literal["balanced", "random"] = "balanced"
    fraction: float | None = None
    images: int | None = None
    objects: int | None = None
    per_class: int | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in self.BUDGETS}
        given = {name: value for name, value in given.items() if value is not None}
        wrong = [f"{name} must be above 0" for name, value in given.items() if not value > 0]
        if len(given) > 1:
            wrong.append(f"there must be one budget, not {' and '.join(given)}")
        if self.fraction is not None and self.fraction > 1:
            wrong.append("fraction must be at most 1")
        if wrong:
            raise ValueError("; ".join(wrong))
        if not given or self.fraction == 1:  # nothing is left to choose: equal draws, equal words
            object.__setattr__(self, "rule", "balanced")
            object.__setattr__(self, "fraction", None)

    @property
    def budget(self) -> tuple[str, float] | None:
        """Its name and size; None takes all pictures."""
        given = ((name, getattr(self, name)) for name in self.BUDGETS)
        return next(((name, value) for name, value in given if value is not None), None)

    def __str__(self) -> str:
        if self.budget is None:
            return "all"
        name, value = self.budget
        unit = {"fraction": "%", "per_class": " per class"}.get(name, f" {name}")
        return f"{self.rule} {value * 100 if name == 'fraction' else value:g}{unit}"


ALL = Draw()

Order = Callable[[NDArray[np.int64], np.random.Generator, int], NDArray[np.int64]]


def sample(
    dataset: Dataset,
    fraction: float,
    *,
    rule: str = "balanced",
    seed: int = 0,
    split: str = "train",
) -> Manifest:
    """Choose a fraction of a split's pictures, at least one; only usable boxes count.

    Args:
        fraction: of the pictures, above 0 and up to 1; rounded to a whole picture.
        rule: ``random`` or ``balanced``.

    Returns:
        The pictures in the order they were drawn. Its facts: what was asked, pictures and objects
        of pool and sample, and the entropy in bits of the distribution of objects over classes.

    Raises:
        UsageError: no such rule, or not a fraction.
        DataError: no such split, or it has no pictures.
    """
    if rule not in RULES:
        raise UsageError(f"there is no rule {rule!r}", fix=f"one of: {', '.join(RULES)}")
    if not 0 < fraction <= 1:
        raise UsageError(f"the fraction must be above 0 and at most 1, it is {fraction:g}")
    dataset = usable(dataset)
    pool = dataset.split(split)
    if not len(pool):
        raise DataError(f"the {split} split has no pictures", where=dataset.source or dataset.root)
    pool = np.array(sorted(pool, key=lambda index: dataset.ids[index]), np.int64)
    counts = object_counts(dataset, pool)
    size = max(1, int(fraction * len(pool) + 0.5))
    order = RULES[rule](counts, np.random.default_rng(seed), size)
    chosen = order[:size]
    return dataset.manifest(
        pool[chosen],
        rule=f"{rule}, fraction {fraction:g} of {split}",
        seed=seed,
        fraction=fraction,
        split=split,
        pool={"pictures": len(pool), "objects": int(counts.sum())},
        sample={"pictures": size, "objects": int(counts[chosen].sum())},
        entropy={
            "before": round(entropy(counts.sum(0)), 6),
            "after": round(entropy(counts[chosen].sum(0)), 6),
        },
    )


def random_order(
    counts: NDArray[np.int64], rng: np.random.Generator, size: int
) -> NDArray[np.int64]:
    """A seeded shuffle."""
    return rng.permutation(len(counts))[:size]


def balanced_order(
    counts: NDArray[np.int64], rng: np.random.Generator, size: int
) -> NDArray[np.int64]:
    """Greedily the picture that adds most to ``f``, the sum over classes of ``log(1 + objects)``,
    to which each class that is present adds a constant larger than all logarithms together.

    Guaranteed: f is monotone and submodular, so every prefix reaches at least 1 - 1/e of the best f
    of any choice of as many pictures (Nemhauser, Wolsey and Fisher 1978); and while classes are
    missing each picture brings at least one, so C pictures hold all C classes. Only measured: that
    the distribution of objects becomes more even. Pictures without objects add nothing and come
    last.

    Args:
        counts: ``(P, C)`` objects.
        size: how much of the ordering is wanted; what comes first doesn't depend on it.

    Returns:
        ``(size,)`` rows of ``counts``.
    """
    rank = rng.permutation(len(counts))
    held = [np.flatnonzero(row) for row in counts]
    added = [counts[row, classes].astype(np.float64) for row, classes in enumerate(held)]
    have = np.zeros(counts.shape[1])
    unseen = np.log1p(counts.sum(0)).sum() + 1.0  # no sum of logarithms is worth more

    def gain(row: int) -> float:
        before = have[held[row]]
        grown = np.log1p(added[row] / (1 + before)).sum()
        return float(grown + unseen * np.count_nonzero(before == 0))

    # lazily (Minoux 1978): gains only fall, so an old one that is beaten needs no new look
    queue = [(-gain(row), int(rank[row]), row) for row in range(len(counts))]
    heapq.heapify(queue)
    chosen = np.empty(size, np.int64)
    for place in range(size):
        while True:
            old, tie, row = queue[0]
            now = -gain(row)
            if now <= old:
                break
            heapq.heapreplace(queue, (now, tie, row))
        heapq.heappop(queue)
        have[held[row]] += added[row]
        chosen[place] = row
    return chosen


RULES: Mapping[str, Order] = {"balanced": balanced_order, "random": random_order}


def object_counts(dataset: Dataset, pictures: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(len(pictures), C)`` objects of each class in each picture."""
    width = len(dataset.classes)
    cells = dataset.picture_of * width + dataset.labels
    counts = np.bincount(cells, minlength=len(dataset) * width).reshape(len(dataset), width)
    return np.asarray(counts[pictures], np.int64)


def entropy(counts: NDArray[np.int64]) -> float:
    """Shannon entropy in bits of a distribution given by counts; 0 where there are none."""
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log2(share)).sum()) + 0.0
