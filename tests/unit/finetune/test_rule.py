"""What a recipe leaves open follows from the dataset; what it says, stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.cards import ModelCard, Recipe, card_names, load_card
from kit.finetune.augment import Augment
from kit.finetune.prepare import prepare
from kit.finetune.rule import Extent, measure, resolve

MODEL = load_card(ModelCard, "yolov8n")
RULE = load_card(Recipe, "rule")
BCCD = Extent(205, 2804, 0.126)


@pytest.mark.parametrize(
    ("pictures", "epochs"), [(1, 150), (50, 150), (107, 150), (205, 79), (534, 30), (10_000, 30)]
)
def test_steps_not_epochs_are_what_a_schedule_aims_at(pictures: int, epochs: int) -> None:
    assert resolve(RULE, MODEL, Extent(pictures, 10, 0.2)).epochs == epochs


@pytest.mark.parametrize(("pictures", "epochs"), [(1, 300), (16, 300), (17, 150), (439, 11)])
def test_a_recipe_may_say_how_many_steps(pictures: int, epochs: int) -> None:
    recipe = replace(RULE, steps=300)
    assert resolve(recipe, MODEL, Extent(pictures, 10, 0.2)).epochs == epochs
    assert resolve(recipe, MODEL, Extent(pictures, 10, 0.2), epochs=3).epochs == 3


@pytest.mark.parametrize(
    ("side", "size", "mosaic"),
    [
        (0.9, 320, 1.0),  # never below what a detector was made for
        (0.126, 384, 1.0),  # 48 px of 384
        (0.0751, 640, 1.0),
        (0.05, 640, 0.67),  # 32 px, though the input is as large as it may be
        (0.01, 640, 0.13),
    ],
)
def test_resolution_and_mosaic_follow_the_small_objects(
    side: float, size: int, mosaic: float
) -> None:
    chosen = resolve(RULE, MODEL, Extent(205, 2804, side))
    assert (chosen.size, chosen.mosaic) == (size, mosaic)


@pytest.mark.parametrize(("objects", "mixup"), [(10, 0.0), (19_999, 0.0), (20_000, 0.1)])
def test_pictures_are_mixed_where_there_are_many(objects: int, mixup: float) -> None:
    assert resolve(RULE, MODEL, Extent(5000, objects, 0.1)).mixup == mixup


@given(st.integers(1, 10**6), st.integers(1, 10**7), st.floats(1e-4, 1.0))
def test_whatever_the_dataset_the_rule_gives_a_recipe(
    pictures: int, objects: int, side: float
) -> None:
    chosen = resolve(RULE, MODEL, Extent(pictures, objects, side))
    assert chosen.size is not None
    assert chosen.size % 32 == 0
    assert 320 <= chosen.size <= MODEL.input.size
    assert chosen.mosaic is not None
    assert 0 <= chosen.mosaic <= 1
    assert chosen == resolve(chosen, MODEL, Extent(1, 1, 0.5))  # nothing is open any more


def test_what_the_user_sets_stays() -> None:
    chosen = resolve(RULE, MODEL, BCCD, size=416, epochs=7, batch=4)
    assert (chosen.size, chosen.epochs, chosen.batch) == (416, 7, 4)
    small = replace(MODEL, input=replace(MODEL.input, size=256))
    assert resolve(RULE, small, BCCD).size == 256


@pytest.mark.parametrize("name", [n for n in card_names(Recipe) if n != "rule"])
@pytest.mark.parametrize("extent", [BCCD, Extent(50_000, 400_000, 0.01)])
def test_other_recipes_leave_no_more_open_than_schedule_and_size(name: str, extent: Extent) -> None:
    recipe = load_card(Recipe, name)
    chosen = resolve(recipe, MODEL, extent)
    known = extent is BCCD and recipe.batch == 16 and recipe.steps is None
    epochs = 79 if known else chosen.epochs
    open_ = {"epochs": epochs, "lr": recipe.lr or chosen.lr, "size": recipe.size or 640}
    assert chosen == replace(recipe, **open_)  # type: ignore[arg-type]


def test_an_extent_is_that_of_the_training_pictures(make_job: Any) -> None:
    train = make_job().train
    extent = measure(train)
    sides = [
        np.sqrt(np.prod(box[2:] - box[:2])) / max(example.size)
        for example in train
        for box in example.truth.xyxy
    ]
    assert (extent.pictures, extent.objects) == (8, len(sides))
    assert extent.side == pytest.approx(np.quantile(sides, 0.1))


def test_the_rule_trains_on_real_pictures(data: object, weights: object) -> None:
    """Every set at its own resolution; the rule sees the sample only."""
    found = {
        name: prepare("yolov8n", name, recipe="rule").recipe
        for name in ("bccd", "mask-wearing", "vehicles-openimages")
    }
    assert {name: recipe.size for name, recipe in found.items()} == {
        "bccd": 384,
        "mask-wearing": 640,
        "vehicles-openimages": 640,
    }
    assert all(0.85 < (recipe.mosaic or 0) <= 1 for recipe in found.values())
    assert {recipe.mixup for recipe in found.values()} == {0.0}


def test_a_mix_shows_both_pictures_and_has_the_boxes_of_both() -> None:
    def load(index: int) -> Any:
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[..., index] = 200
        return picture, np.array([[8.0, 8, 30, 30]]) + index, np.array([index])

    augment = Augment(Recipe("r"), 64, 114)
    drawn = [augment([seed], load, 0, 3, mosaic=0.0, mixup=1.0) for seed in range(20)]
    for picture, boxes, labels in drawn:
        second = int(labels[1])
        assert labels[0] == 0
        assert boxes.tolist() == [
            [8, 8, 30, 30],
            [8 + second, 8 + second, 30 + second, 30 + second],
        ]
        if second:
            assert 60 < picture[0, 0, 0] < 140
            assert abs(int(picture[0, 0, 0]) + int(picture[0, 0, second]) - 200) <= 2
    assert {int(labels[1]) for _, _, labels in drawn} == {0, 1, 2}


def test_a_recipe_that_mixes_nothing_draws_what_it_drew_before() -> None:
    """A mosaic's other three are still the first that is drawn after it is decided on."""
    seen: list[int] = []

    def load(index: int) -> Any:
        seen.append(index)
        return np.zeros((64, 64, 3), np.uint8), np.array([[8.0, 8, 30, 30]]), np.array([index])

    Augment(Recipe("r"), 64, 114)([4], load, 0, 9, mosaic=1.0)
    rng = np.random.default_rng([4])
    rng.random()
    assert seen == [*rng.integers(9, size=3), 0]
