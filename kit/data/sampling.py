"""Draw part of a dataset to learn from: one seeded order a rule, of which every sample is a prefix.

So 25 % lies inside 50 %, and that inside 100 %, and a number of pictures or objects goes on where
another stopped. Few-shot samples, so many objects of each class, are prefixes of an order of their
own: the rule's, without what brings nothing new (:func:`kit.data.ordering.shots`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kit.binding import STRICT
from kit.data.dataset import Dataset
from kit.data.doctor import groups_of, usable
from kit.data.manifest import Manifest
from kit.data.ordering import Indices, Units, balanced, shots, stratified
from kit.errors import DataError, UsageError

RULES: Mapping[str, Callable[..., Indices]] = {"balanced": balanced, "random": stratified}


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
        if self.rule not in RULES:
            wrong.append(f"rule must be one of {', '.join(RULES)}, it is {self.rule!r}")
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


def sample(
    dataset: Dataset,
    draw: Draw,
    *,
    seed: int = 0,
    split: str = "train",
    least: int = 1,
    group_by: str | None = None,
) -> Manifest:
    """Choose pictures of a split; only usable boxes count.

    Args:
        least: each class of the pool is there so many times, or as often as the pool has it, as
            soon as the budget allows.
        group_by: see :func:`kit.data.doctor.groups_of`; groups are kept whole. Without it the
            dataset's own are, where it has them.

    Returns:
        The pictures in the order they were drawn. Its facts: what was asked, pictures and objects
        of pool and sample, the classes of which it has fewer than ``per_class`` or ``least`` ask
        for, groups if there are any, and the entropy in bits of the distribution of objects over
        classes.

    Raises:
        UsageError: ``least`` is negative, or ``group_by`` is wrong.
        DataError: no such split, it has no pictures or less than the budget, a picture has no group
            or can't be read.
    """
    if least < 0:
        raise UsageError(f"least must not be negative, it is {least}")
    dataset = usable(dataset)
    pool = gather(dataset, split, group_by)
    require_budget(pool.units, draw, split, dataset.source or dataset.root)
    order = choose(pool.units, draw, seed=seed, least=least)
    before, after = pool.units.total(), pool.units[order].total()
    pictures = pool.pictures_of(order)
    facts: dict[str, Any] = {
        "asked": dict([draw.budget] if draw.budget else []),
        "least": least,
        "split": split,
        "pool": {"pictures": len(pool.pictures), "objects": int(before.sum())},
        "sample": {"pictures": len(pictures), "objects": int(after.sum())},
        "entropy": {"before": round(entropy(before), 6), "after": round(entropy(after), 6)},
    }
    wanted = draw.per_class or least
    if scarce := np.flatnonzero(after < wanted).tolist():
        facts["fewer"] = {dataset.classes[label]: int(after[label]) for label in scarce}
    rule = f"{draw} of {split}"
    if least != 1:
        rule += f", at least {least} of each class"
    if pool.grouped:
        facts["groups"] = {"by": group_by, "pool": len(pool.units), "sample": len(order)}
        rule += ", groups whole"
    return dataset.manifest(pictures, rule=rule, seed=seed, **facts)


@dataclass(frozen=True, eq=False)
class Pool:
    """What can be drawn.

    Attributes:
        pictures: ``(P,)`` indices into the dataset, unit by unit.
        units: pictures, or groups of them.
        grouped: which of the two.
    """

    pictures: Indices
    units: Units
    grouped: bool

    def pictures_of(self, units: Indices) -> Indices:
        """The pictures of some units, in the order of the units."""
        counts = self.units.pictures
        starts = (np.cumsum(counts) - counts)[units]
        ends = np.cumsum(counts[units])
        shift = np.repeat(starts - ends + counts[units], counts[units])
        return self.pictures[shift + np.arange(len(shift))]


def gather(dataset: Dataset, split: str = "train", group_by: str | None = None) -> Pool:
    """Count the objects of a split's pictures, or of its groups; the order of files is no matter.

    Args:
        dataset: of usable boxes.

    Raises:
        UsageError: ``group_by`` is wrong.
        DataError: no such split, it has no pictures, or one of them has no group.
    """
    pool = sorted(dataset.split(split).tolist(), key=dataset.ids.__getitem__)
    if not pool:
        raise DataError(f"the {split} split has no pictures", where=dataset.source or dataset.root)
    pictures, member = np.array(pool, np.int64), np.arange(len(pool))
    groups = groups_of(dataset, group_by)
    if groups is not None:
        names = [groups[picture] for picture in pool]
        if None in names:
            raise DataError(
                f"{names.count(None)} picture(s) belong to no group, "
                f"the first is {dataset.ids[pool[names.index(None)]]}",
                where=group_by,
                fix="write the expression so that it matches every picture",
            )
        member = np.unique(np.array(names, object), return_inverse=True)[1]
    unit = np.full(len(dataset), -1)
    unit[pictures] = member
    units = np.repeat(unit, np.diff(dataset.offsets))
    inside = units >= 0
    counted = Units.count(
        units[inside], dataset.labels[inside], np.bincount(member), len(dataset.classes)
    )
    return Pool(pictures[np.argsort(member, kind="stable")], counted, groups is not None)


def require_budget(units: Units, draw: Draw, split: str, where: object) -> None:
    """Raise where a pool holds less than is asked for.

    Raises:
        DataError: it does; of a few-shot sample, no class has as many objects.
    """
    if draw.budget is None:
        return
    name, asked = draw.budget
    objects = units.total()
    most, words = {
        "fraction": (1, ""),
        "images": (units.pictures.sum(), "{:.0f} pictures"),
        "objects": (objects.sum(), "{:.0f} labelled objects"),
        "per_class": (objects.max(initial=0), "no class with more than {:.0f} objects"),
    }[name]
    if asked > most:
        raise DataError(
            f"the {split} split has {words.format(most)}, {asked:g} were asked for",
            where=where,
            fix="ask for fewer, or take all of it",
        )


def choose(units: Units, draw: Draw, *, seed: int = 0, least: int = 1) -> Indices:
    """The units of a sample, in the order they are drawn.

    A prefix of the rule's order: the one whose pictures, or objects, are nearest to the budget, of
    two the shorter, and never none. A few-shot sample holds K objects of each class, or all where
    there are fewer, and what else is in the same units.
    """
    order = RULES[draw.rule](units, np.random.default_rng(seed), least=least)
    if draw.budget is None:
        return order
    name, asked = draw.budget
    if name == "per_class":
        missed = shots(units, order)
        return order[np.argsort(missed, kind="stable")][: np.count_nonzero(missed < asked)]
    if name == "fraction":
        asked = int(asked * units.pictures.sum() + 0.5)
    reached = np.cumsum((units.objects if name == "objects" else units.pictures)[order])
    return order[: np.abs(reached - asked).argmin() + 1]


def entropy(counts: NDArray[Any]) -> float:
    """Shannon entropy in bits of a distribution given by counts; 0 where there are none."""
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log2(share)).sum()) + 0.0
