"""Every recipe in the folder is one that can be trained with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kit.cards import ModelCard, Recipe, card_names, load_card
from kit.data import smear
from kit.families import load_family
from kit.finetune.augment import Augment, Boxed
from kit.finetune.rule import EPOCHS, Extent, resolve

MODEL = load_card(ModelCard, "yolov8n")


@pytest.fixture(params=card_names(Recipe))
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return load_card(Recipe, request.param)


@pytest.mark.parametrize("pictures", [1, 50, 205, 100_000])
def test_the_schedule_comes_from_the_dataset_alone(recipe: Recipe, pictures: int) -> None:
    extent = Extent(pictures, 10 * pictures, 0.1)
    chosen = resolve(recipe, MODEL, extent)
    assert chosen.epochs is not None
    if recipe.steps is None:
        assert EPOCHS[0] <= chosen.epochs <= EPOCHS[1]
    else:
        assert chosen.epochs * math.ceil(pictures / recipe.batch) >= recipe.steps
    assert chosen.lr is not None
    assert chosen.size is not None
    assert None not in (chosen.mosaic, chosen.mixup)
    assert resolve(recipe, MODEL, extent, epochs=7, size=96, batch=3).epochs == 7


def test_its_augmentation_runs_and_keeps_most_objects(recipe: Recipe) -> None:
    def load(index: int) -> Boxed:
        picture, truth = smear.draw(0, index, (128, 96))
        return picture, truth.xyxy, truth.labels

    augment = Augment(recipe, 128, 114)
    kept = whole = 0
    for index in range(12):
        picture, boxes, labels = augment([index], load, index, 12, mosaic=0.0)
        assert picture.shape == (128, 128, 3)
        assert picture.dtype == np.uint8
        assert len(boxes) == len(labels)
        kept, whole = kept + len(labels), whole + len(load(index)[2])
        augment([index], load, index, 12, mosaic=1.0)
    assert kept > 0.6 * whole


def test_its_extra_settings_are_known_to_a_family(recipe: Recipe) -> None:
    family = load_family(MODEL.family)
    family.loss(family.build(MODEL.architecture, 2, MODEL.classes), recipe.extra)
