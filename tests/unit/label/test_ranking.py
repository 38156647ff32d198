"""Uncertain pictures first, no two of a kind before all kinds, and 10 inside 20."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.bundle import Bundle
from kit.data.manifest import Manifest
from kit.errors import UsageError
from kit.label.ranking import choose, rank
from kit.label.survey import survey

Array = np.ndarray[Any, Any]


def a_pool(seed: int, pictures: int = 40, channels: int = 5) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, 2.0, pictures), rng.normal(size=(pictures, channels)).astype(np.float32)


def standardised(features: Array) -> Array:
    return (features - features.mean(0)) / features.std(0)


def test_of_pictures_equally_unlike_the_most_uncertain_come_first() -> None:
    doubts = np.array([0.0, 3.0, 0.0, 1.0, 2.0, 0.0])
    assert rank(doubts, np.eye(6, dtype=np.float32), 3).tolist() == [1, 4, 3]


def test_somewhat_further_away_does_not_outweigh_far_more_uncertain() -> None:
    features = np.array([[0.0], [2.0], [-3.0], [-9.0]], np.float32)
    doubts = np.array([4.0, 3.0, 0.1, 0.1])
    assert rank(doubts[:3], features[:3], 2).tolist() == [0, 1]
    assert rank(doubts, features, 2).tolist() == [0, 3]


def test_without_features_uncertainty_decides_alone() -> None:
    doubts, _ = a_pool(0)
    assert rank(doubts, None, 40).tolist() == np.argsort(-doubts).tolist()


@given(st.integers(0, 10_000), st.integers(2, 20))
def test_two_of_a_kind_are_not_chosen_before_all_kinds(seed: int, kinds: int) -> None:
    """Equal uncertainty; each kind stands far from the others, and has two near-duplicates."""
    rng = np.random.default_rng(seed)
    middle = np.eye(kinds) * 10
    features = np.concatenate([middle + rng.normal(0, 0.01, middle.shape) for _ in range(3)])
    chosen = rank(np.ones(len(features)), features.astype(np.float32), kinds, seed=seed)
    assert sorted(index % kinds for index in chosen) == list(range(kinds))


def test_the_same_picture_twice_comes_last_however_uncertain() -> None:
    doubts, features = a_pool(1, pictures=10)
    doubts[3], features[7] = 50.0, features[3]
    doubts[7] = 50.0
    order = rank(doubts, features, 10).tolist()
    assert {order[0], order[-1]} == {3, 7}
    assert sorted(order) == list(range(10))


def test_a_picture_without_a_box_has_its_turn_when_it_is_unlike_all_others() -> None:
    doubts, features = np.array([2.0, 1.9, 1.8, 1.7, 0.0]), np.zeros((5, 1), np.float32)
    features[:, 0] = [0.0, 0.1, 0.2, 0.3, 9.0]
    assert rank(doubts, features, 2).tolist() == [0, 4]


@pytest.mark.parametrize("doubt", [0.0, 2.5])
def test_where_all_are_equally_uncertain_it_is_k_centre_greedy(doubt: float) -> None:
    _, features = a_pool(2)
    chosen = rank(np.full(40, doubt), features, 12)
    points = standardised(features.astype(np.float64))
    expected = [int(chosen[0])]
    while len(expected) < 12:
        apart = np.linalg.norm(points[:, None] - points[expected], axis=2).min(1)
        expected.append(int(apart.argmax()))
    assert chosen.tolist() == expected


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30))
def test_the_first_are_the_same_however_many_are_asked_for(seed: int, a: int, b: int) -> None:
    doubts, features = a_pool(seed, pictures=30)
    done = np.arange(30) % 4 == 0
    few, many = sorted((min(a, 22), min(b, 22)))
    short = rank(doubts, features, few, labelled=done)
    assert short.tolist() == rank(doubts, features, many, labelled=done)[:few].tolist()


@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 4))
def test_no_uncertain_picture_is_left_far_away(seed: int, pictures: int, count: int) -> None:
    """Within a factor of 3 of the best choice of as many, and of 1 + the ratio of the weights."""
    count = min(count, pictures)
    doubts, features = a_pool(seed, pictures, channels=2)
    weight = 1 + doubts / doubts.mean()
    points = standardised(features.astype(np.float64))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)

    def reach(chosen: Any) -> float:
        return float((weight * apart[:, list(chosen)].min(1)).max())

    best = min(reach(chosen) for chosen in combinations(range(pictures), count))
    bound = min(3.0, 1 + weight.max() / weight.min())
    assert reach(rank(doubts, features, count)) <= bound * best + 1e-4


def test_order_and_units_do_not_matter_and_the_seed_only_breaks_ties() -> None:
    doubts, features = a_pool(3)
    order = rank(doubts, features, 40)
    assert order.tolist() == rank(doubts, features, 40, seed=7).tolist()
    shuffled = np.random.default_rng(0).permutation(40)
    again = rank(doubts[shuffled], features[shuffled], 40)
    assert shuffled[again].tolist() == order.tolist()
    rounding = 0.1 + 7.5e-9 * (np.arange(40) % 2)  # a constant, but for the last bit
    scaled = np.column_stack([features * [1, 1000, 1, 0.01, 1], rounding])
    assert rank(doubts, scaled.astype(np.float32), 40).tolist() == order.tolist()
    ties = {tuple(rank(np.ones(9), np.eye(9, dtype=np.float32), 3, seed=s)) for s in range(5)}
    assert len(ties) > 1
    assert len({tuple(rank(np.ones(9), None, 3, seed=4)) for _ in range(5)}) == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_looks_like_a_labelled_picture_comes_late(seed: int) -> None:
    features = np.array([[0, 0], [0.1, 0], [5, 0], [5.1, 0], [0, 5]], np.float32)
    done = np.array([True, False, True, False, False])
    assert rank(np.full(5, 2.0), features, 3, labelled=done, seed=seed)[0] == 4
    for given_features in (features, None):  # the labelled are not chosen, however uncertain
        chosen = rank(np.array([9.0, 1, 9, 2, 3]), given_features, 3, labelled=done, seed=seed)
        assert sorted(chosen) == [1, 3, 4]


def test_the_manifest_tells_what_was_chosen_and_counts_no_object(
    reader: Callable[..., Any], paint: Callable[..., Path], bundle: Bundle, tmp_path: Path
) -> None:
    folder = paint(
        {
            "sure.png": (0, 0, 200),
            "open.png": (0, 90, 100),
            "like open.png": (1, 90, 101),
            "new/none.png": (200, 0, 0),
        }
    )
    (folder / "broken.png").touch()
    seen = survey(reader(), folder)
    choice = choose(seen, bundle, 2, seed=3)
    choice.manifest.save(tmp_path / "next.json")
    manifest = Manifest.load(tmp_path / "next.json")
    assert manifest.ids == ("open.png", "new/none.png")
    assert [one.id for one in choice.pictures] == list(manifest.ids)
    by_id = {one.id: one.sha256 for one in seen.seen}
    assert manifest.pictures == tuple(by_id[name] for name in manifest.ids)
    assert manifest.class_counts == {"cell": 0, "dust": 0}
    assert manifest.seed == 3
    for method in ("next to label", "1-vs-2", "Brust", "k-centre", "Sener and Savarese"):
        assert method in manifest.rule
    facts = manifest.facts
    assert (facts["bundle"], facts["bundle_sha256"]) == ("reader", bundle.sha256)
    assert (facts["pool"]["pictures"], facts["pool"]["labelled"]) == (4, 0)
    assert facts["left_out"] == {"broken.png": "not a picture, or a damaged one"}
    assert facts["sample"]["found"] == {"cell": 0, "dust": 1}
    assert facts["ranked"] == [
        {"rank": 1, "id": "open.png", "uncertainty": 1.0, "found": 1},
        {"rank": 2, "id": "new/none.png", "uncertainty": 0.0, "found": 0},
    ]


def test_what_is_labelled_is_not_chosen_and_too_many_are_refused(
    reader: Callable[..., Any], paint: Callable[..., Path], bundle: Bundle
) -> None:
    folder = paint({f"{i}.png": (20 * i, 0, 100) for i in range(4)})
    seen = survey(reader(), folder)
    done = {seen.seen[1].sha256, "0" * 64}
    choice = choose(seen, bundle, 3, labelled=done)
    assert sorted(choice.manifest.ids) == ["0.png", "2.png", "3.png"]
    assert choice.manifest.facts["pool"]["labelled"] == 1
    for count in (0, 4):
        with pytest.raises(UsageError, match=rf"{count} picture\(s\).* there are 3"):
            choose(seen, bundle, count, labelled=done)
    with pytest.raises(UsageError, match="there are 0"):
        choose(seen, bundle, 1, labelled={one.sha256 for one in seen.seen})


def test_a_bundle_without_features_says_so_in_the_rule(
    reader: Callable[..., Any], paint: Callable[..., Path], bundle: Bundle
) -> None:
    folder = paint({"a.png": (0, 0, 60), "b.png": (99, 0, 100), "c.png": (99, 0, 99)})
    choice = choose(survey(reader(features=False), folder), bundle, 2)
    assert choice.manifest.ids == ("b.png", "c.png")
    assert "k-centre" not in choice.manifest.rule
