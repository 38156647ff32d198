"""Orders in which units, pictures or whole groups of them, are drawn; a sample is a prefix of one.

The balanced order is greedy for ``f``, the sum over classes of ``log(1 + objects)``, by gain per
object. f is monotone and submodular, and of choices with equally many objects those with evener
classes have more of it.

Guaranteed for any pool: a prefix that holds B objects, the first b of them drawn to bring every
class, reaches ``1 - exp(-(1 - b / B) / (1 + e)**2)`` of the best f of any choice of at most B
objects, where e is :data:`TOLERANCE`: 0.61 where b is small. It is the ``1 - 1/e`` of greedy choice
by gain per cost, taken at the cost a prefix really has (Wolsey 1982, "Maximising real-valued
submodular functions"), less what it costs to take units within ``(1 + e)**2`` of the best
(Goundan and Schulz 2007, "Revisiting the greedy approach to submodular set function maximization").

Only measured: how even the classes are, as the entropy of the objects, and what a number of
*pictures* reaches. Gain per picture would extend the guarantee to that, but it rewards crowded
pictures, and what crowds them is the common class: docs/results/sampling.md has both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.025
"""Gains this close count as equal: the seed decides, and many units are drawn at a time."""

_NEAR = 1.15  # gains are kept up to date from the best one down to this part of it
_BLOCK = 32  # units looked at together, at least

Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn whole, with its objects by class. Sparse: an entry is a class in a unit.

    Attributes:
        offsets: ``(U + 1,)`` the entries of unit u are ``offsets[u]:offsets[u + 1]``, by class.
        kinds: ``(E,)`` what each entry is: its place in the next two.
        class_of: ``(K,)`` class of each kind of entry.
        count_of: ``(K,)`` objects in an entry of each kind, at least 1.
        pictures: ``(U,)`` pictures in each unit.
        classes: how many classes there are.
    """

    offsets: Indices
    kinds: NDArray[np.intp]
    class_of: Indices
    count_of: Numbers
    pictures: Indices
    classes: int

    @classmethod
    def count(cls, units: Indices, labels: Indices, pictures: Indices, classes: int) -> Units:
        """Count objects.

        Args:
            units: ``(M,)`` the unit that each object is in.
            labels: ``(M,)`` its class.
            pictures: ``(U,)`` pictures in each unit.
            classes: how many there are.
        """
        cells = units * classes + labels
        cells.sort()
        heads = _heads(cells)
        counts = np.diff(heads, append=len(cells))
        holders, labels = np.divmod(cells[heads], classes)
        most = int(counts.max(initial=0)) + 1
        entries = labels * most + counts
        known = np.bincount(entries) > 0
        kinds = (np.cumsum(known) - 1)[entries]
        class_of, count_of = np.divmod(np.flatnonzero(known), most)
        offsets = np.searchsorted(holders, np.arange(len(pictures) + 1))
        return cls(offsets, kinds, class_of, count_of.astype(np.float64), pictures, classes)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, chosen: Indices) -> Units:
        """Some units, in the order given."""
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.offsets[:-1][chosen] - offsets[:-1], lengths)
        places += np.arange(len(places))
        kinds, pictures = self.kinds[places], self.pictures[chosen]
        return replace(self, offsets=offsets, kinds=kinds, pictures=pictures)

    @property
    def lengths(self) -> Indices:
        """``(U,)`` entries of each unit."""
        return np.diff(self.offsets)

    @property
    def objects(self) -> Numbers:
        """``(U,)`` objects in each unit."""
        owners = np.repeat(np.arange(len(self)), self.lengths)
        found = np.bincount(owners, self.count_of[self.kinds], minlength=len(self))
        return found.astype(np.float64)

    def total(self) -> Numbers:
        """``(C,)`` objects of each class."""
        entries = np.bincount(self.kinds, minlength=len(self.count_of))
        found = np.bincount(self.class_of, entries * self.count_of, minlength=self.classes)
        return found.astype(np.float64)

    def sums(self, worth: Numbers) -> Numbers:
        """``(U,)`` over the entries of each unit, of which there must be some.

        Args:
            worth: ``(K,)`` of an entry of each kind.
        """
        np.take(worth, self.kinds, out=self._scratch, mode="clip")  # unchecked, so twice as fast
        return np.asarray(np.add.reduceat(self._scratch, self.offsets[:-1]))

    @cached_property
    def _scratch(self) -> Numbers:
        """``(E,)`` kept, since fresh memory takes longer than the sums."""
        return np.empty(len(self.kinds))

    def earlier(self) -> Numbers:
        """``(E,)`` objects of the same class in the units before the entry's own."""
        labels = self.class_of[self.kinds]
        order = np.argsort(labels.astype(np.min_scalar_type(self.classes)), kind="stable")
        counts, labels = self.count_of[self.kinds[order]], labels[order]
        before = np.cumsum(counts) - counts
        heads = _heads(labels)
        before -= np.repeat(before[heads], np.diff(heads, append=len(labels)))
        found = np.empty_like(before)
        found[order] = before
        return found

    def patterns(self) -> tuple[Indices, Indices]:
        """Units that are alike, in objects and in pictures.

        Returns:
            One unit of each pattern, and the ``(U,)`` pattern of each unit.
        """
        same, lengths = np.unique(self.pictures, return_inverse=True)[1], self.lengths
        for place in range(int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > place)
            pairs = same[longer] * len(self.count_of) + self.kinds[self.offsets[longer] + place]
            same[longer] = np.unique(pairs, return_inverse=True)[1] + same.max() + 1
        _, first, pattern = np.unique(same, return_index=True, return_inverse=True)
        return first, pattern


def balanced(units: Units, rng: np.random.Generator, *, least: int = 1) -> Indices:
    """All units, in an order that keeps the classes of objects even.

    Until each class has ``least`` objects, or all there are: the unit that brings most of those for
    its cost, which is its share of all pictures plus its share of all objects, since budgets are
    counted in either. That costs at most ``1 + log(least * C)`` times the least that could do it
    (Wolsey 1982, "An analysis of the greedy algorithm for the submodular set covering problem").

    From then on any unit whose gain per object is within ``(1 + TOLERANCE)**2`` of the best. Units
    without objects come last.

    Returns:
        ``(U,)`` indices.
    """
    shuffled = rng.permutation(len(units))
    filled = units.lengths[shuffled] > 0
    held = shuffled[filled]
    first, pattern = units[held].patterns()
    draw = _Draw(units[held[first]], np.bincount(pattern), rng)
    draw.cover(least)
    draw.level()
    order = np.empty_like(held)
    order[np.argsort(draw.drawn, kind="stable")] = held[np.argsort(pattern, kind="stable")]
    return np.concatenate([order, shuffled[~filled]])


def stratified(units: Units, rng: np.random.Generator, *, least: int = 1) -> Indices:
    """All units at random, every prefix as like the whole as whole units allow.

    Strata are units with the same rarest class and, by quarters, as many objects. The n of a
    stratum are shuffled, and the i-th from 0 is put at a random place between ``i / n`` and
    ``(i + 1) / n`` of the order, so a prefix has its share of each to within one.

    Before them come the units that hold one of the first ``least`` objects of a class.

    Returns:
        ``(U,)`` indices.
    """
    filled = np.flatnonzero(units.lengths)
    holders = np.bincount(units.class_of[units.kinds], minlength=units.classes)
    rank = np.argsort(np.argsort(holders, kind="stable"))[units.class_of]
    rarest = np.full(len(units), units.classes)
    rarest[filled] = np.minimum.reduceat(rank[units.kinds], units.offsets[:-1][filled])
    quarter = np.searchsorted(np.quantile(units.objects, [0.25, 0.5, 0.75]), units.objects)
    shuffled = rng.permutation(len(units))
    strata = (rarest * 4 + quarter)[shuffled]
    dealt = np.argsort(strata, kind="stable")
    heads = _heads(strata[dealt])
    sizes = np.diff(heads, append=len(units))
    turn = np.arange(len(units)) - np.repeat(heads, sizes)
    place = (turn + rng.random(len(units))) / np.repeat(sizes, sizes)
    order = shuffled[dealt[np.argsort(place)]]
    return order[np.argsort(np.minimum(shots(units, order), least), kind="stable")]


def shots(units: Units, order: Indices) -> Numbers:
    """Which units a few-shot set needs: those with less than K hold one of the first K objects of a
    class. They are at most ``K * C``, have K objects of each class or all there are, and lie inside
    those of a larger K. (The random sets of few-shot detection are drawn so: Wang et al. 2020,
    "Frustratingly simple few-shot object detection".)

    Returns:
        ``(U,)`` by place in the order: of the classes a unit holds, the fewest objects before it;
        infinite where it holds none.
    """
    ordered = units[order]
    filled = np.flatnonzero(ordered.lengths)
    fewest = np.full(len(units), np.inf)
    fewest[filled] = np.minimum.reduceat(ordered.earlier(), ordered.offsets[:-1][filled])
    return fewest


class _Draw:
    """Draws patterns, each as often as there are units of it."""

    def __init__(self, patterns: Units, supply: Indices, rng: np.random.Generator) -> None:
        self._patterns, self._supply, self._rng = patterns, supply, rng
        self._objects = patterns.objects  # infinite where the supply is used up
        self._have = np.zeros(patterns.classes)
        self._count = 0
        self._drawn = [np.zeros(0, np.int64)]

    @property
    def drawn(self) -> Indices:
        return np.concatenate(self._drawn)

    def cover(self, least: int) -> None:
        """Draw until no class lacks what it can have."""
        units, left = self._patterns, np.arange(len(self._patterns))
        shares = [sizes / (sizes * self._supply).sum() for sizes in (units.pictures, units.objects)]
        cost = np.sum(shares, axis=0)
        while len(left):
            lack = np.maximum(least - self._have, 0)
            brings = units.sums(np.minimum(units.count_of, lack[units.class_of])) / cost[left]
            brings[self._supply[left] == 0] = 0
            if not brings.any():
                return
            self._take(self._rng.choice(left[brings == brings.max()], 1))
            useful = np.flatnonzero(brings)
            if len(useful) < len(left) / 2:
                units, left = units[useful], left[useful]

    def level(self) -> None:
        """Draw all that is left."""
        left = np.flatnonzero(self._supply)
        units = self._patterns[left]
        while len(left):
            gains = self._gains(units, left)
            floor = gains.max() / _NEAR
            self._sweep(left[gains >= floor], floor)
            stays = np.flatnonzero(self._supply[left])
            if len(stays) < 0.8 * len(left):
                left, units = left[stays], units[stays]

    def _sweep(self, near: Indices, floor: float) -> None:
        """Draw from the best until one elsewhere may be better, which had less than ``floor``:
        gains only fall (Minoux 1978)."""
        units = self._patterns[near]
        while (best := (gains := self._gains(units, near)).max()) >= floor:
            front = near[gains >= best / (1 + TOLERANCE)]
            block = self._copies(front, max(_BLOCK, self._count // 10))
            good = self._gains_in_turn(block) >= best / (1 + TOLERANCE) ** 2
            good[0] = True  # nothing is before it, and sums may be rounded in different ways
            self._take(block[good])

    def _copies(self, patterns: Indices, most: int) -> Indices:
        """Units of these patterns, shuffled."""
        copies = np.minimum(self._supply[patterns], most)
        return self._rng.permutation(np.repeat(patterns, copies))[:most]

    def _gains(self, units: Units, patterns: Indices) -> Numbers:
        """Of f, per object; 0 where the supply is used up."""
        gains = units.sums(np.log1p(units.count_of / (1 + self._have[units.class_of])))
        gains /= self._objects[patterns]
        return gains

    def _gains_in_turn(self, block: Indices) -> Numbers:
        """The least that each gains after those before it, whether they are drawn or not."""
        units = self._patterns[block]
        have = self._have[units.class_of[units.kinds]] + units.earlier()
        worth = np.log1p(units.count_of[units.kinds] / (1 + have))
        return np.asarray(np.add.reduceat(worth, units.offsets[:-1]) / self._objects[block])

    def _take(self, block: Indices) -> None:
        self._have += self._patterns[block].total()
        np.subtract.at(self._supply, block, 1)
        self._objects[block[self._supply[block] == 0]] = np.inf
        self._count += len(block)
        self._drawn.append(block)


def _heads(values: NDArray[np.integer]) -> Indices:
    """Where runs of equal values begin; values are not negative."""
    return np.flatnonzero(np.diff(values, prepend=-1))
