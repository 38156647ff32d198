"""Samples are nested, seeded and honest about what they hold; balanced ones are balanced."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.data import smear
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.data.ordering import Units
from kit.data.sampling import ALL, RULES, Draw, choose, entropy, gather, sample
from kit.data.source import open_source
from kit.errors import DataError, UsageError

rules = st.sampled_from(sorted(RULES))


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("smears") / "set"
    smear.make(folder, pictures=60)
    pool = open_source(str(folder))
    splits = {"train": np.arange(50), "valid": np.arange(50, 60), "test": np.zeros(0, np.int64)}
    return replace(pool, splits=splits)


@st.composite
def pools(draw: Any) -> Units:
    """Units of one to three pictures, at least one of them with an object."""
    classes = draw(st.integers(1, 4))
    row = st.tuples(st.integers(1, 3), *[st.integers(0, 5)] * classes)
    rows = np.array([(1, *[1] * classes), *draw(st.lists(row, max_size=20))], np.int64)
    unit, label = np.divmod(np.repeat(np.arange(rows[:, 1:].size), rows[:, 1:].ravel()), classes)
    return Units.count(unit, label, rows[:, 0], classes)


@settings(max_examples=60, deadline=None)
@given(units=pools(), rule=rules, seed=st.integers(0, 99), least=st.integers(0, 3))
def test_every_sample_is_a_prefix_of_one_order(
    units: Units, rule: str, seed: int, least: int
) -> None:
    pictures, objects = int(units.pictures.sum()), int(units.total().sum())

    def prefix(**budget: float) -> list[int]:
        drawn = Draw(rule, **budget)  # type: ignore[arg-type]
        return choose(units, drawn, seed=seed, least=least).tolist()

    whole = prefix(images=pictures)
    assert sorted(whole) == list(range(len(units)))
    for size in range(1, pictures + 1):
        found = prefix(images=size)
        assert found == whole[: len(found)]
        assert found
        reached = np.cumsum(units.pictures[whole])
        assert abs(reached[len(found) - 1] - size) == np.abs(reached - size).min()
        share = size / pictures
        assert share == 1 or prefix(fraction=share) == found
    reached = np.cumsum(units.objects[whole])
    for size in range(1, objects + 1):
        found = prefix(objects=size)
        assert found == whole[: len(found)]
        assert abs(reached[len(found) - 1] - size) == np.abs(reached - size).min()
    few = prefix(per_class=objects)
    for wanted in (1, 2, 3, 7):
        found = prefix(per_class=wanted)
        assert found == few[: len(found)]
        assert (units[np.array(found)].total() >= np.minimum(wanted, units.total())).all()


@pytest.mark.parametrize("rule", sorted(RULES))
def test_manifests_repeat_and_another_seed_draws_others(
    smears: Dataset, rule: str, tmp_path: Path
) -> None:
    draw = Draw(rule, fraction=0.25)  # type: ignore[arg-type]
    quarter = sample(smears, draw, seed=3)
    assert len(quarter.ids) == 13
    half = sample(smears, replace(draw, fraction=0.5), seed=3)
    assert quarter.ids == half.ids[:13]
    few = sample(smears, Draw(rule, objects=quarter.objects), seed=3)  # type: ignore[arg-type]
    assert few.ids == quarter.ids
    assert sample(smears, draw, seed=3).sha256 == quarter.sha256
    assert sample(smears, draw, seed=4).ids != quarter.ids
    quarter.save(tmp_path / "m.json")
    assert Manifest.load(tmp_path / "m.json") == quarter


def test_the_order_of_files_is_no_matter(smears: Dataset) -> None:
    shuffled = smears.select(np.random.default_rng(0).permutation(len(smears)))
    assert sample(shuffled, Draw(images=9)).sha256 == sample(smears, Draw(images=9)).sha256


def test_all_is_all(smears: Dataset) -> None:
    manifest = sample(smears, ALL)
    assert sorted(manifest.ids) == sorted(smears.ids[:50])
    assert manifest.rule == "all of train"
    assert manifest.facts["asked"] == {}


def test_facts_are_those_of_the_pictures(smears: Dataset) -> None:
    manifest = sample(smears, Draw(objects=200), seed=1)
    chosen = smears.take(manifest)
    assert manifest.rule == "balanced 200 objects of train"
    assert manifest.class_counts == chosen.class_counts()
    facts = manifest.facts
    assert facts["asked"] == {"objects": 200}
    assert facts["sample"] == {"pictures": len(chosen), "objects": len(chosen.labels)}
    assert abs(len(chosen.labels) - 200) < 30
    train = smears.select(smears.splits["train"])
    assert facts["pool"] == {"pictures": 50, "objects": len(train.labels)}
    for when, counts in (("before", train.class_counts()), ("after", chosen.class_counts())):
        bits = entropy(np.array(list(counts.values())))
        assert facts["entropy"][when] == pytest.approx(bits, abs=1e-6)
    assert (facts["split"], facts["least"]) == ("train", 1)
    assert "fewer" not in facts
    assert "groups" not in facts


def test_a_few_shot_sample_says_what_it_could_not_reach(smears: Dataset) -> None:
    pool = smears.class_counts(smears.splits["train"])
    wanted = min(pool.values()) + 1
    manifest = sample(smears, Draw(per_class=wanted))
    assert manifest.facts["fewer"] == {k: v for k, v in pool.items() if v < wanted}
    assert manifest.facts["fewer"]
    for name, count in manifest.class_counts.items():
        assert count >= min(wanted, pool[name])
    classes = replace(smears, classes=(*smears.classes, "Parasite"))
    assert sample(classes, Draw(per_class=2)).facts["fewer"] == {"Parasite": 0}
    assert sample(classes, Draw(images=9)).facts["fewer"] == {"Parasite": 0}


def test_each_class_is_there_as_often_as_is_asked(smears: Dataset) -> None:
    for rule in ("balanced", "random"):
        manifest = sample(smears, Draw(rule, images=12), least=9)  # type: ignore[arg-type]
        assert min(manifest.class_counts.values()) >= 9
    assert manifest.rule == "random 12 images of train, at least 9 of each class"


@pytest.mark.parametrize("rule", sorted(RULES))
def test_groups_are_kept_whole(smears: Dataset, rule: str) -> None:
    own = replace(smears, groups=tuple(f"slide{index // 10}" for index in range(60)))
    before: tuple[str, ...] = ()
    for size in (1, 14, 16, 34, 50):
        draw = Draw(rule, images=size)  # type: ignore[arg-type]
        manifest = sample(smears, draw, group_by=smear.GROUPS)
        assert len(manifest.ids) == max(10, round(size, -1))
        slides = {id_.split("slide")[1][:2] for id_ in manifest.ids}
        assert len(slides) == len(manifest.ids) / 10
        assert manifest.ids[: len(before)] == before
        assert manifest.facts["groups"] == {
            "by": smear.GROUPS,
            "pool": 5,
            "sample": len(manifest.ids) // 10,
        }
        assert manifest.rule.endswith("groups whole")
        assert sample(own, draw).ids == manifest.ids
        before = manifest.ids
    few = sample(smears, Draw(rule, per_class=12), group_by=smear.GROUPS)  # type: ignore[arg-type]
    assert len(few.ids) % 10 == 0


def test_entropy_by_hand() -> None:
    assert entropy(np.array([1, 1, 1, 1])) == pytest.approx(2)
    assert entropy(np.array([3, 1])) == pytest.approx(0.811278, abs=1e-6)
    assert entropy(np.array([7, 0])) == 0
    assert entropy(np.array([0, 0])) == 0


def test_a_draw_says_everything_that_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match=r"rule must be one of balanced, random, it is 'fair'"):
        Draw("fair", images=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"images must be above 0; .* not fraction and images; "):
        Draw(images=0, fraction=2)
    for fraction in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(ValueError, match="fraction"):
            Draw(fraction=fraction)


def test_what_can_not_be_sampled(smears: Dataset) -> None:
    objects = sum(smears.class_counts(smears.splits["train"]).values())
    for draw, words in (
        (Draw(images=51), "the train split has 50 pictures, 51 were asked for"),
        (Draw(objects=objects + 1), f"has {objects} labelled objects, {objects + 1} were"),
        (Draw(per_class=objects), "no class with more than"),
    ):
        with pytest.raises(DataError, match=words):
            sample(smears, draw)
    with pytest.raises(DataError, match="no pictures"):
        sample(smears, Draw(fraction=0.5), split="test")
    with pytest.raises(DataError, match="kit data split"):
        sample(replace(smears, splits={}), Draw(fraction=0.5))
    with pytest.raises(UsageError, match="least must not be negative, it is -1"):
        sample(smears, Draw(fraction=0.5), least=-1)
    with pytest.raises(DataError, match=r"40 picture\(s\) belong to no group, the first is"):
        sample(smears, Draw(fraction=0.5), group_by="(slide01)")
    with pytest.raises(UsageError, match="matches no picture"):
        sample(smears, Draw(fraction=0.5), group_by="(patient)")


@pytest.mark.parametrize("rule", sorted(RULES))
def test_pictures_without_labels_can_be_sampled_by_number(smears: Dataset, rule: str) -> None:
    bare = replace(
        smears,
        offsets=np.zeros(61, np.int64),
        boxes=np.zeros((0, 4)),
        labels=np.zeros(0, np.int64),
        ignore=np.zeros(0, np.uint8),
    )
    manifest = sample(bare, Draw(rule, fraction=0.5))  # type: ignore[arg-type]
    assert len(manifest.ids) == 25
    assert manifest.facts["entropy"] == {"before": 0, "after": 0}
    with pytest.raises(DataError, match="has 0 labelled objects, 1 were asked for"):
        sample(bare, Draw(rule, objects=1))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["bccd", "mask-wearing", "vehicles-openimages"])
def test_real_data_becomes_more_even(name: str) -> None:
    if "KIT_DATA" not in os.environ:
        pytest.skip("KIT_DATA is not set: the real datasets are not here")
    units = gather(open_source(str(Path(os.environ["KIT_DATA"]) / name))).units
    before = entropy(units.total())
    for budget in ({"fraction": 0.1}, {"fraction": 0.25}, {"fraction": 0.5}, {"objects": 150}):
        bits = {
            rule: entropy(units[choose(units, Draw(rule, **budget))].total())  # type: ignore[arg-type]
            for rule in RULES
        }
        assert bits["balanced"] > before + 0.15
        assert bits["balanced"] > bits["random"] + 0.05
