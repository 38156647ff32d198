"""Every plan with a name, over every family: stages are called what plans call them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from kit.cards import ModelCard, card_names, load_card
from kit.errors import UsageError
from kit.families import load_family
from kit.finetune.layout import lay_out, learning_rates
from kit.finetune.plan import NAMED, parse

CARDS = [load_card(ModelCard, name) for name in card_names(ModelCard)]
# of the sizes of a YOLO the smallest
TRIED = {
    card.architecture: card
    for card in CARDS
    if card.family != "ultralytics" or card.architecture.endswith("n.yaml")
}
SLOW = ("resnext101",)
PARTS = ("backbone", "neck", "head")


def cases() -> list[Any]:
    return [
        pytest.param(name, marks=pytest.mark.slow if any(part in name for part in SLOW) else ())
        for name in sorted(TRIED)
    ]


@pytest.fixture(params=cases(), scope="module")
def once(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    card = TRIED[request.param]
    family = load_family(card.family)
    return family, family.build(card.architecture, 3, card.classes)


@pytest.fixture
def built(once: tuple[Any, Any]) -> tuple[Any, Any]:
    """A family, and a network of it for three classes that a test may change."""
    family, network = once
    return family, copy.deepcopy(network)


def test_stages_are_called_by_their_part_in_order(built: tuple[Any, Any]) -> None:
    family, network = built
    first = [stage.name.split()[0] for stage in family.stages(network)]
    assert set(first) <= set(PARTS)
    assert first == sorted(first, key=PARTS.index)
    assert {"backbone", "head"} <= set(first)


@pytest.mark.parametrize("name", NAMED)
def test_named_plans_train_what_they_say(built: tuple[Any, Any], name: str) -> None:
    """As after a start that filled all but the class-dependent layers."""
    family, network = built
    learns = {key for key, parameter in network.named_parameters() if parameter.requires_grad}
    layout = lay_out(family, network, parse(name))
    classes = family.class_layers(network)
    filled = {key for key in network.state_dict() if not key.startswith(classes)}
    factors = learning_rates(layout, network, filled)
    part = {
        key: stage.name.split()[0]
        for stage in layout.stages
        for key in network.state_dict()
        if key.startswith(stage.prefixes)
    }
    expected = {
        "head-only": {"head"},
        "freeze-backbone": {"neck", "head"} & set(part.values()),
        "tune-all": set(part.values()),
        "paper": set(part.values()),
    }[name]
    assert set(factors) == {key for key in learns if part[key] in expected}
    tuned = {factors[key] for key in factors if not key.startswith(classes)}
    assert tuned == {1.0 if name == "paper" else 0.2}
    assert {factors[key] for key in factors if key.startswith(classes)} == {1.0}
    for key, parameter in network.named_parameters():
        assert parameter.requires_grad == (key in factors)
    frozen = layout.frozen(network.state_dict())
    assert {part[key] for key in frozen} == set(part.values()) - expected


def test_frozen_parts_keep_their_statistics(built: tuple[Any, Any]) -> None:
    """In evaluation where they are frozen, in training where they are not."""
    family, network = built
    network.train()
    lay_out(family, network, parse("F:backbone T:rest")).hold(network)
    norms = {
        name: module.training
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    }
    backbone = tuple(
        prefix
        for stage in family.stages(network)
        if stage.name.startswith("backbone")
        for prefix in stage.prefixes
    )
    assert all(training != f"{name}.".startswith(backbone) for name, training in norms.items())
    assert network.training


def test_a_frozen_class_layer_is_told(built: tuple[Any, Any]) -> None:
    family, network = built
    filled = {
        key for key in network.state_dict() if not key.startswith(family.class_layers(network))
    }
    layout = lay_out(family, network, parse("T:backbone F:rest"))
    with pytest.raises(UsageError, match="random for ever"):
        learning_rates(layout, network, filled)
