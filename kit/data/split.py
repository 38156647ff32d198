"""Divide a pool of pictures into train, valid and test, or into folds.

What must not be torn apart stays together: the pictures of a patient or slide, equal files and
near-duplicates. Such units are dealt out by iterative stratification (Sechidis, Tsoumakas and
Vlahavas 2011, "On the Stratification of Multi-label Data"): the rarest class first, each unit to
the part that lacks most of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kit.data.boxes import listed
from kit.data.dataset import SPLITS, Dataset
from kit.data.doctor import groups_of
from kit.data.findings import noted, require_read
from kit.data.similar import components, scan
from kit.errors import DataError, UsageError
from kit.progress import SILENT, Progress

_TRIES = 16  # seeded orders; the first that gives every class to every part is taken


@dataclass(frozen=True, eq=False)
class Units:
    """Pictures that stay together.

    Attributes:
        of: ``(P,)`` the unit each picture belongs to.
        pictures: ``(U,)`` pictures in each unit.
        holding: ``(U, C)`` pictures of the unit that hold each class.
    """

    of: NDArray[np.int64]
    pictures: NDArray[np.int64]
    holding: NDArray[np.int64]


def split(
    dataset: Dataset,
    fractions: Sequence[float] = (0.7, 0.2, 0.1),
    *,
    group_by: str | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Dataset:
    """The same pictures with new splits; the old ones are pooled.

    Args:
        fractions: of train, valid and test; they sum to 1, and a part of 0 is left out.
        group_by: see :func:`kit.data.doctor.groups_of`.

    Raises:
        UsageError: fractions that are not fractions of one whole.
        DataError: a picture can't be read, or there are fewer units than parts.
    """
    shares = checked_fractions(fractions)
    units = gather(dataset, group_by=group_by, progress=progress)
    part = deal(units, shares, np.random.default_rng(seed))[units.of]
    return replace(dataset, splits=_splits(part, shares))


def folds(
    dataset: Dataset,
    count: int,
    fractions: Sequence[float] = (0.7, 0.2, 0.1),
    *,
    group_by: str | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> list[Dataset]:
    """``count`` datasets whose test parts partition the pool; of the rest, train and valid are
    drawn in the ratio of their fractions.

    Raises:
        UsageError: fewer than two folds, or wrong fractions.
        DataError: a picture can't be read, or there are too few units.
    """
    if count < 2:
        raise UsageError(f"there must be at least 2 folds, not {count}")
    train, valid, _ = checked_fractions(fractions)
    units = gather(dataset, group_by=group_by, progress=progress)
    rng = np.random.default_rng(seed)
    fold = deal(units, [1 / count] * count, rng)
    rest = (train / (train + valid), valid / (train + valid), 0.0) if train + valid else (1, 0, 0)
    found = []
    for number in range(count):
        part = np.full(len(units.pictures), SPLITS.index("test"))
        others = np.flatnonzero(fold != number)
        part[others] = deal(_some(units, others), rest, rng)
        found.append(replace(dataset, splits=_splits(part[units.of], (*rest[:2], 1.0))))
    return found


def gather(dataset: Dataset, *, group_by: str | None = None, progress: Progress = SILENT) -> Units:
    """Find what must stay together.

    Raises:
        DataError: a picture or label can't be read, or has no group while others do.
    """
    require_read(dataset, before="splitting")  # written anew, the fault would no longer be seen
    for finding in noted(dataset.notes):
        progress.note(str(finding))
    groups = groups_of(dataset, group_by)
    if groups and None in groups:
        raise DataError(
            f"{groups.count(None)} picture(s) belong to no group, "
            f"the first is {dataset.ids[groups.index(None)]}",
            where=group_by,
            fix="write the expression so that it matches every picture",
        )
    seen = scan(dataset, progress)
    if seen.faults:
        index, fault = next(iter(seen.faults.items()))
        raise DataError(
            f"{len(seen.faults)} picture(s) can't be read, the first: {fault}",
            where=dataset.path(index),
            fix="see `kit data check`; mend or remove them",
        )
    pairs = [seen.exact, seen.near]
    if groups:
        first: dict[str | None, int] = {}
        linked = [(first.setdefault(group, index), index) for index, group in enumerate(groups)]
        pairs.append(np.array(linked, np.int64).reshape(-1, 2))
    of = np.unique(components(len(dataset), np.concatenate(pairs)), return_inverse=True)[1]
    of = np.asarray(of, np.int64)
    clean = listed(dataset)
    holds = np.zeros((len(dataset), len(dataset.classes)), bool)
    holds[clean.picture_of, clean.labels] = True
    count = int(of.max(initial=-1)) + 1
    holding = np.zeros((count, len(dataset.classes)), np.int64)
    np.add.at(holding, of, holds)
    return Units(of, np.bincount(of, minlength=count).astype(np.int64), holding)


def deal(units: Units, shares: Sequence[float], rng: np.random.Generator) -> NDArray[np.int64]:
    """``(U,)`` the part each unit goes to.

    Parts get their number of pictures to within a unit, none with a share is left empty, and
    classes are spread as evenly as whole units allow: of several seeded orders the first is taken
    that gives each part every class that has enough units, else the one that misses least.

    Raises:
        DataError: there are fewer units than parts with a share.
    """
    wanted = [place for place, share in enumerate(shares) if share > 0]
    if len(units.pictures) < len(wanted):
        raise DataError(
            f"{len(units.pictures)} picture(s), group(s) or sets of duplicates "
            f"can't be divided into {len(wanted)} parts"
        )
    enough = (units.holding > 0).sum(0) >= len(wanted)
    best, least = None, np.inf
    for _ in range(_TRIES):
        part = _deal_once(units, np.array([shares[place] for place in wanted]), rng)
        got = np.zeros((len(wanted), units.holding.shape[1]), np.int64)
        np.add.at(got, part, units.holding)
        missed = float((got[:, enough] == 0).sum())
        if missed < least:
            best, least = part, missed
        if not least:
            break
    return np.asarray(wanted, np.int64)[best]


def _deal_once(
    units: Units, shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    many, parts = len(units.pictures), len(shares)
    room = _whole(int(units.pictures.sum()), shares)
    need = shares[:, None] * units.holding.sum(0)  # pictures of each class a part still lacks
    part = np.full(many, -1, np.int64)
    left = (units.holding > 0).sum(0)  # units of each class not dealt yet
    lacking = np.ones((parts, units.holding.shape[1]), bool)
    empty = np.ones(parts, bool)
    # large units first, while there is room to choose; else as seeded
    order = rng.permutation(many)
    order = order[np.argsort(-units.pictures[order], kind="stable")]

    def give(unit: int, focus: int | None) -> None:
        held = units.holding[unit] > 0
        allowed: NDArray[np.bool_] = np.ones(parts, bool)
        if empty.sum() >= (part < 0).sum():
            allowed = empty  # as many units as empty parts: each must get one
        else:
            fits = room >= units.pictures[unit]
            # a class with as many units left as parts without it must reach those parts
            owed = np.asarray(lacking[:, held & (left <= lacking.sum(0))].any(1))
            for choice in (owed & fits, fits, owed & (room > 0), room > 0):
                if choice.any():
                    allowed = choice
                    break
        wish = need[:, focus] if focus is not None else room.astype(np.float64)
        key = np.where(allowed, wish, -np.inf)
        ties = np.flatnonzero(key >= key.max() - 1e-9)
        ties = ties[room[ties] == room[ties].max()]
        to = int(ties[rng.integers(len(ties))])
        part[unit] = to
        room[to] -= units.pictures[unit]
        need[to] -= units.holding[unit]
        left[held] -= 1
        lacking[to, held] = False
        empty[to] = False

    for focus in np.argsort(left, kind="stable"):
        for unit in order:
            if part[unit] < 0 and units.holding[unit, focus]:
                give(int(unit), int(focus))
    for unit in order:
        if part[unit] < 0:
            give(int(unit), None)
    return part


def _whole(total: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in these shares that sum to ``total``, none of them 0 (largest remainder)."""
    exact = shares / shares.sum() * total
    whole = np.maximum(np.floor(exact + 1e-9), 1).astype(np.int64)
    while whole.sum() < total:
        whole[np.argmax(exact - whole)] += 1
    while whole.sum() > total:
        whole[np.argmax(np.where(whole > 1, whole - exact, -np.inf))] -= 1
    return np.asarray(whole)


def _some(units: Units, chosen: NDArray[np.int64]) -> Units:
    return Units(np.arange(len(chosen)), units.pictures[chosen], units.holding[chosen])


def _splits(part: NDArray[np.int64], shares: Sequence[float]) -> Mapping[str, NDArray[np.int64]]:
    return {
        name: np.flatnonzero(part == place)
        for place, name in enumerate(SPLITS)
        if shares[place] > 0
    }


def checked_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    """Three numbers in 0..1 that sum to 1.

    Raises:
        UsageError: they aren't.
    """
    if len(fractions) != len(SPLITS):
        raise UsageError(
            f"there must be three fractions, of train, valid and test, not {len(fractions)}",
            fix="for example --fractions 0.7,0.2,0.1",
        )
    train, valid, test = (float(fraction) for fraction in fractions)
    if not all(0 <= fraction <= 1 for fraction in (train, valid, test)):
        raise UsageError(f"fractions must lie in 0..1, they are {train:g},{valid:g},{test:g}")
    if abs(train + valid + test - 1) > 1e-6:
        raise UsageError(
            f"the fractions must sum to 1, they sum to {train + valid + test:g}",
            fix="for example --fractions 0.7,0.2,0.1",
        )
    return train, valid, test
