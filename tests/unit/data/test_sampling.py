"""Samples are nested, seeded and honest about what they hold; balanced ones are balanced."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kit.data import smear
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.data.sampling import RULES, balanced_order, entropy, object_counts, sample
from kit.data.source import open_source
from kit.errors import DataError, UsageError

tables = st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=1, max_size=25).map(
    lambda rows: np.array(rows, np.int64)
)


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("smears") / "set"
    smear.make(folder, pictures=60)
    pool = open_source(str(folder))
    splits = {"train": np.arange(50), "valid": np.arange(50, 60), "test": np.zeros(0, np.int64)}
    return replace(pool, splits=splits)


@settings(max_examples=60, deadline=None)
@given(counts=tables, seed=st.integers(0, 999), rule=st.sampled_from(sorted(RULES)))
def test_every_sample_is_a_prefix_of_one_ordering(
    counts: NDArray[np.int64], seed: int, rule: str
) -> None:
    def draw(size: int) -> list[int]:
        return RULES[rule](counts, np.random.default_rng(seed), size).tolist()

    whole = draw(len(counts))
    assert sorted(whole) == list(range(len(counts)))
    for size in range(1, len(counts)):
        assert draw(size) == whole[:size]


@settings(max_examples=60, deadline=None)
@given(counts=tables, seed=st.integers(0, 999))
def test_balanced_brings_a_new_class_while_any_is_missing(
    counts: NDArray[np.int64], seed: int
) -> None:
    order = balanced_order(counts, np.random.default_rng(seed), len(counts))
    seen = np.zeros(3, bool)
    for row in order:
        if not (seen | (counts.sum(0) == 0)).all():
            assert (counts[row].astype(bool) & ~seen).any()
        seen |= counts[row] > 0
    empty = counts[order].sum(1) == 0
    assert not empty[: int((~empty).sum())].any()  # those without objects come last


@settings(max_examples=60, deadline=None)
@given(counts=tables, seed=st.integers(0, 999))
def test_the_lazy_greedy_is_the_plain_greedy(counts: NDArray[np.int64], seed: int) -> None:
    order = balanced_order(counts, np.random.default_rng(seed), len(counts))
    large = np.log1p(counts.sum(0)).sum() + 1
    have, left = np.zeros(3), set(range(len(counts)))
    for row in order:
        gains = {
            other: np.log1p(have + counts[other]).sum()
            - np.log1p(have).sum()
            + large * ((have == 0) & (counts[other] > 0)).sum()
            for other in left
        }
        assert gains[int(row)] == pytest.approx(max(gains.values()), abs=1e-9)
        left.remove(int(row))
        have += counts[row]


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=4, max_size=9),
    size=st.integers(1, 4),
)
def test_the_guarantee_against_every_choice(rows: list[list[int]], size: int) -> None:
    counts = np.array(rows, np.int64)
    large = np.log1p(counts.sum(0)).sum() + 1

    def worth(chosen: NDArray[np.int64] | list[int]) -> float:
        total = counts[chosen].sum(0)
        return float(np.log1p(total).sum() + large * (total > 0).sum())

    best = max(worth(list(some)) for some in itertools.combinations(range(len(counts)), size))
    got = worth(balanced_order(counts, np.random.default_rng(0), size))
    assert got >= (1 - 1 / np.e) * best - 1e-9


def test_entropy_by_hand() -> None:
    assert entropy(np.array([1, 1, 1, 1])) == pytest.approx(2)
    assert entropy(np.array([3, 1])) == pytest.approx(0.811278, abs=1e-6)
    assert entropy(np.array([7, 0])) == 0
    assert entropy(np.array([0, 0])) == 0


@pytest.mark.parametrize("rule", sorted(RULES))
def test_manifests_are_nested_and_repeat(smears: Dataset, rule: str, tmp_path: Path) -> None:
    quarter, half, full = (sample(smears, f, rule=rule, seed=3) for f in (0.25, 0.5, 1))
    assert len(quarter.ids) == 13
    assert quarter.ids == half.ids[:13]
    assert half.ids == full.ids[:25]
    assert sorted(full.ids) == sorted(smears.ids[:50])
    assert sample(smears, 0.25, rule=rule, seed=3).sha256 == quarter.sha256
    assert sample(smears, 0.25, rule=rule, seed=4).ids != quarter.ids
    quarter.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == quarter


def test_facts_are_those_of_the_pictures(smears: Dataset) -> None:
    manifest = sample(smears, 0.3, seed=1)
    chosen = smears.take(manifest)
    assert manifest.class_counts == chosen.class_counts()
    assert manifest.facts["sample"] == {"pictures": 15, "objects": len(chosen.labels)}
    assert manifest.facts["pool"]["pictures"] == 50
    counts = np.array(list(manifest.class_counts.values()))
    assert manifest.facts["entropy"]["after"] == pytest.approx(entropy(counts), abs=1e-6)
    assert manifest.facts["split"] == "train"
    assert manifest.facts["fraction"] == 0.3


def test_balanced_is_more_even_than_random(smears: Dataset) -> None:
    bits = {
        rule: np.mean(
            [sample(smears, 0.3, rule=rule, seed=s).facts["entropy"]["after"] for s in range(5)]
        )
        for rule in RULES
    }
    assert bits["balanced"] > bits["random"] + 0.05


def test_what_can_not_be_sampled(smears: Dataset) -> None:
    for fraction in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(UsageError, match="fraction"):
            sample(smears, fraction)
    with pytest.raises(UsageError, match="balanced, random"):
        sample(smears, 0.5, rule="fair")
    with pytest.raises(DataError, match="no pictures"):
        sample(smears, 0.5, split="test")
    with pytest.raises(DataError, match="kit data split"):
        sample(replace(smears, splits={}), 0.5)


@pytest.mark.parametrize("folder", ["bccd", "mask-wearing", "vehicles-openimages"])
def test_real_data_becomes_more_even(folder: str) -> None:
    if "KIT_DATA" not in os.environ:
        pytest.skip("KIT_DATA is not set: the real datasets are not here")
    dataset = open_source(str(Path(os.environ["KIT_DATA"]) / folder))
    for fraction in (0.1, 0.25, 0.5):
        facts = sample(dataset, fraction).facts
        assert facts["entropy"]["after"] > facts["entropy"]["before"] + 0.05
    counts = object_counts(dataset, dataset.split("train"))
    assert (counts[balanced_order(counts, np.random.default_rng(0), 5)].sum(0) > 0).all()
