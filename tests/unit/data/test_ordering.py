"""Orders are whole, seeded, and as good as they say: held to plain loops and the exact optimum."""

from __future__ import annotations

import itertools
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.data.ordering import TOLERANCE, Units, balanced, shots, stratified

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SLACK = (1 + TOLERANCE) ** 2

Table = NDArray[np.int64]
tables = st.integers(1, 5).flatmap(
    lambda classes: st.lists(
        st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 3, 7]), min_size=classes, max_size=classes),
        min_size=1,
        max_size=25,
    ).map(lambda rows: np.array(rows, np.int64))
)
seeds = st.integers(0, 999)


def units_of(table: Table, pictures: NDArray[np.int64] | None = None) -> Units:
    """Units from a ``(U, C)`` table of objects; their objects come in no order."""
    cells = np.repeat(np.arange(table.size), table.ravel())
    cells = np.random.default_rng(0).permutation(cells)
    unit, label = np.divmod(cells, table.shape[1])
    pictures = np.ones(len(table), np.int64) if pictures is None else pictures
    return Units.count(unit, label, pictures, table.shape[1])


def made_up(seed: int, pictures: int, classes: int) -> Table:
    """A skewed pool: common classes crowd the pictures."""
    rng = np.random.default_rng(seed)
    mean = 4 / np.arange(1, classes + 1) ** 1.5
    return rng.poisson(rng.gamma(0.7, 1 / 0.7, (pictures, 1)) * mean)


@given(tables)
def test_what_is_counted(table: Table) -> None:
    units = units_of(table)
    assert len(units) == len(table)
    assert units.total().tolist() == table.sum(0).tolist()
    assert units.objects.tolist() == table.sum(1).tolist()
    assert units.lengths.tolist() == np.count_nonzero(table, axis=1).tolist()
    backwards = np.arange(len(table))[::-1]
    assert units[backwards].objects.tolist() == table[backwards].sum(1).tolist()
    assert units[backwards[:2]].total().tolist() == table[backwards[:2]].sum(0).tolist()
    before = np.cumsum(table, axis=0) - table
    assert units.earlier().tolist() == before[table > 0].tolist()


@given(tables, st.data())
def test_a_pattern_is_all_units_that_are_alike(table: Table, data: st.DataObject) -> None:
    sizes = st.lists(st.integers(1, 2), min_size=len(table), max_size=len(table))
    pictures = np.array(data.draw(sizes), np.int64)
    first, pattern = units_of(table, pictures).patterns()
    rows = np.column_stack([table, pictures])
    assert (rows[first][pattern] == rows).all()
    assert len(first) == len(np.unique(rows, axis=0))


@pytest.mark.parametrize("order", [balanced, stratified])
@settings(max_examples=60, deadline=None)
@given(table=tables, seed=seeds, least=st.integers(0, 3))
def test_an_order_holds_every_unit_once_and_repeats(
    order: object, table: Table, seed: int, least: int
) -> None:
    assert callable(order)
    found = order(units_of(table), np.random.default_rng(seed), least=least)
    assert sorted(found.tolist()) == list(range(len(table)))
    again = order(units_of(table), np.random.default_rng(seed), least=least)
    assert found.tolist() == again.tolist()


def assert_greedy(table: Table, order: NDArray[np.int64]) -> None:
    """Each unit gains per object what the best left would, or nearly."""
    have, left = np.zeros(table.shape[1]), np.ones(len(table), bool)
    objects = np.maximum(table.sum(1), 1)
    for unit in order:
        gains = np.where(left, np.log1p(table / (1 + have)).sum(1) / objects, 0)
        assert gains[unit] >= gains.max() / SLACK * (1 - 1e-9)
        left[unit] = False
        have += table[unit]


@settings(max_examples=60, deadline=None)
@given(tables, seeds)
def test_each_draw_is_nearly_the_best(table: Table, seed: int) -> None:
    order = balanced(units_of(table), np.random.default_rng(seed), least=0)
    assert_greedy(table, order)
    empty = table[order].sum(1) == 0
    assert not empty[: np.count_nonzero(~empty)].any()  # those without objects come last


@pytest.mark.parametrize("classes", [2, 12])
def test_so_it_is_where_many_are_drawn_at_a_time(classes: int) -> None:
    table = made_up(classes, 2500, classes)
    assert_greedy(table, balanced(units_of(table), np.random.default_rng(0), least=0))


@settings(max_examples=60, deadline=None)
@given(table=tables, seed=seeds, least=st.integers(1, 4), data=st.data())
def test_first_of_all_each_class_gets_what_it_is_owed(
    table: Table, seed: int, least: int, data: st.DataObject
) -> None:
    sizes = st.lists(st.integers(1, 3), min_size=len(table), max_size=len(table))
    pictures = np.array(data.draw(sizes), np.int64)
    order = balanced(units_of(table, pictures), np.random.default_rng(seed), least=least)
    owed = np.minimum(least, table.sum(0))
    filled = table.sum(1) > 0
    share = pictures / max(1, pictures[filled].sum()) + table.sum(1) / max(1, table.sum())
    have, left = np.zeros(table.shape[1]), np.ones(len(table), bool)
    for drawn, unit in enumerate(order):
        lack = np.maximum(owed - have, 0)
        if not lack.any():
            break
        brings = np.minimum(table, lack).sum(1) * left / share
        assert brings[unit] == pytest.approx(brings.max())
        left[unit] = False
        have += table[unit]
        assert drawn < owed.sum()
    assert (have >= owed).all()


@pytest.mark.parametrize("seed", range(12))
def test_the_guarantee_against_the_exact_optimum(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    exact = import_module("_optimum")
    table = made_up(seed, 16, 2 + seed % 4)
    objects = table.sum(1)
    for least, pictures in itertools.product((0, 1), (2, 5, 9)):
        order = balanced(units_of(table), np.random.default_rng(seed), least=least)[:pictures]
        spent = objects[order].sum()
        have = np.cumsum(table[order], axis=0)
        lacking = (np.minimum(have, least) < np.minimum(table.sum(0), least)).any(1)
        brought = objects[order][: np.count_nonzero(lacking) + 1].sum() if least else 0
        promised = 1 - np.exp(-max(0, 1 - brought / spent) / SLACK)
        best = exact.optimum(table, objects, spent)
        assert promised * best <= exact.worth(have[-1]) <= best + 1e-9


def test_the_optimum_is_that_of_all_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    exact = import_module("_optimum")
    table = made_up(5, 9, 3)
    choices = [list(some) for size in range(10) for some in itertools.combinations(range(9), size)]
    for cost, budget in ((table.sum(1), 12), (np.ones(9), 4)):
        best = max(
            exact.worth(table[some].sum(0)) for some in choices if cost[some].sum() <= budget
        )
        assert exact.optimum(table, cost, budget) == pytest.approx(best)


@given(table=tables, seed=seeds)
def test_a_prefix_has_its_share_of_each_stratum(table: Table, seed: int) -> None:
    """Where each unit is one object, strata are the classes."""
    ones = np.eye(table.shape[1], dtype=np.int64)[table.argmax(1)]
    order = stratified(units_of(ones), np.random.default_rng(seed), least=0)
    place = np.arange(1, len(ones) + 1)[:, None] / len(ones)
    ahead = np.abs(np.cumsum(ones[order], axis=0) - place * ones.sum(0))
    assert ahead.max() < 1 + table.shape[1] / 2


def test_prefixes_are_more_like_the_whole_than_chance() -> None:
    rng = np.random.default_rng(0)
    table = np.zeros((400, 5), np.int64)
    table[np.arange(400), rng.choice(5, 400, p=[0.5, 0.2, 0.1, 0.1, 0.1])] = rng.geometric(0.5, 400)
    mix = table.sum(0) / table.sum()

    def apart(order: NDArray[np.int64]) -> float:
        taken = table[order[:100]].sum(0)
        return float(np.abs(taken / taken.sum() - mix).sum())

    units, rngs = units_of(table), [np.random.default_rng(seed) for seed in range(40)]
    dealt = [apart(stratified(units, rng, least=0)) for rng in rngs]
    shuffled = [apart(rng.permutation(400)) for rng in rngs]
    assert np.mean(dealt) < 0.5 * np.mean(shuffled)


@settings(max_examples=60, deadline=None)
@given(table=tables, seed=seeds, least=st.integers(1, 3))
def test_at_random_too_each_class_is_there_from_the_start(
    table: Table, seed: int, least: int
) -> None:
    plain = stratified(units_of(table), np.random.default_rng(seed), least=0)
    order = stratified(units_of(table), np.random.default_rng(seed), least=least)
    first = order[: int(np.minimum(least, table.sum(0)).sum())]
    assert (table[first].sum(0) >= np.minimum(least, table.sum(0))).all()
    needed = set(plain[shots(units_of(table), plain) < least].tolist())
    assert set(order[: len(needed)].tolist()) == needed
    assert order[len(needed) :].tolist() == [unit for unit in plain if unit not in needed]


@given(tables, seeds)
def test_few_shot_sets_are_small_and_nested(table: Table, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(table))
    missed = shots(units_of(table), order)
    smaller: set[int] = set()
    for wanted in (1, 2, 5, 100):
        found = set(order[missed < wanted].tolist())
        assert smaller <= found
        assert len(found) <= wanted * table.shape[1]
        assert (table[sorted(found)].sum(0) >= np.minimum(wanted, table.sum(0))).all()
        smaller = found
