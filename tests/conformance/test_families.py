"""Every family, over every architecture a card names: the graph waist, the loss, the stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kit.cards import ModelCard, card_names, load_card
from kit.errors import CardError
from kit.families import Targets, load_family, names
from kit.runtime.contract import check

CARDS = [load_card(ModelCard, name) for name in card_names(ModelCard)]
# of the sizes of a YOLO the smallest
TRIED = {
    card.architecture: card
    for card in CARDS
    if card.family != "ultralytics" or card.architecture.endswith("n.yaml")
}
SLOW = ("resnet50", "resnext101")
SIZE, CLASSES = 96, 3


def cases() -> list[Any]:
    return [
        pytest.param(name, marks=pytest.mark.slow if any(part in name for part in SLOW) else ())
        for name in sorted(TRIED)
    ]


@pytest.fixture(params=cases(), scope="module")
def built(request: pytest.FixtureRequest) -> tuple[Any, ModelCard, Any]:
    """A family, a card and a network with fresh weights for three classes."""
    card = TRIED[request.param]
    family = load_family(card.family)
    torch.manual_seed(0)
    return family, card, family.build(card.architecture, CLASSES, card.classes)


def images() -> torch.Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    return torch.from_numpy(drawn)


def targets() -> Targets:
    return Targets(
        torch.tensor([[10.0, 10, 60, 60], [20, 30, 90, 80], [5, 5, 40, 70]]),
        torch.tensor([0, 2, 1]),
        torch.tensor([0, 0, 1]),
    )


def test_every_card_names_a_family_that_is_there() -> None:
    assert {card.family for card in CARDS} <= set(names())
    assert {"yolov5", "yolov8", "yolo11", "yolo26"} <= {card.name[:6] for card in CARDS}


def test_an_unknown_family_and_architecture_are_told() -> None:
    with pytest.raises(CardError, match="no such family"):
        load_family("none")
    for name in names():
        with pytest.raises(CardError, match="no such architecture"):
            load_family(name).build("yolov99n.yaml", 3, 80)


def test_the_graph_keeps_the_waist(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    with torch.inference_mode():
        answer = family.graph(network, SIZE)(images())
    arrays = [None if value is None else value.numpy() for value in answer]
    check(*arrays, classes=CLASSES, batch=2, size=SIZE)
    assert arrays[1].shape[2] == CLASSES


def test_features_are_the_means_of_the_maps(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    graph = family.graph(network, SIZE)
    with torch.inference_mode():
        features = graph(images())[2]
        maps = graph.maps(images())
    torch.testing.assert_close(features, torch.cat([each.mean((2, 3)) for each in maps], 1))
    sides = [each.shape[2] for each in maps]
    assert sides == sorted(sides, reverse=True)


def test_colour_order_is_inside_the_graph(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    with torch.inference_mode():
        graph = family.graph(network, SIZE)
        plain, swapped = graph(images())[2], graph(images().flip(3))[2]
    assert not torch.allclose(plain, swapped, atol=0)


def test_a_size_off_the_stride_is_told(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    with pytest.raises(CardError, match=r"multiple of 32.*\n.*--size 128"):
        family.graph(network, 100)


def test_suppression_is_as_the_card_says(built: tuple[Any, ModelCard, Any]) -> None:
    """Also: an NMS-free head answers with its one-to-one branch, not the silent default."""
    family, card, network = built
    assert family.needs_suppression(network) == (card.suppress is not None)


def test_the_loss_reaches_every_parameter(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    loss = family.loss(network, {}).train()
    loss.advance(0, 10)
    network.zero_grad()
    parts = loss(images(), targets())
    total = sum(part.total / part.weight.clamp(min=1) for part in parts.values())
    assert torch.isfinite(total)
    total.backward()
    still = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not still


def test_no_object_is_a_loss_too(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    loss = family.loss(network, {}).train()
    loss.advance(0, 10)
    none = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0).long())
    parts = loss(images(), none)
    assert all(torch.isfinite(part.total) and part.weight >= 0 for part in parts.values())
    assert not any(part.total.any() for name, part in parts.items() if name.endswith("box"))


def test_validation_sees_what_the_graph_says(built: tuple[Any, ModelCard, Any]) -> None:
    """One pass gives the loss, and the very boxes of the graph; batch statistics stay."""
    family, _, network = built
    loss = family.loss(network, {})
    loss.advance(0, 10)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        parts, outputs = loss.validate(images(), targets())
        boxes, scores, _ = family.graph(network, SIZE)(images())
    assert torch.allclose(outputs.boxes, boxes, atol=1e-2)
    assert torch.allclose(outputs.scores, scores, atol=1e-5)
    assert all(torch.isfinite(part.total) for part in parts.values())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_only_the_class_layers_depend_on_the_classes(built: tuple[Any, ModelCard, Any]) -> None:
    """So all others can be copied from pretrained weights."""
    family, card, network = built
    coco = family.build(card.architecture, card.classes, card.classes)
    own, theirs = network.state_dict(), coco.state_dict()
    assert own.keys() == theirs.keys()
    differ = {name for name in own if own[name].shape != theirs[name].shape}
    layers = family.class_layers(network)
    assert differ == {name for name in own if name.startswith(layers)}


def test_stages_cover_the_network_once(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    stages = family.stages(network)
    for name, _ in network.named_parameters():
        assert sum(name.startswith(stage.prefixes) for stage in stages) == 1
    assert len({stage.name for stage in stages}) == len(stages)


def test_unknown_extra_settings_are_told(built: tuple[Any, ModelCard, Any]) -> None:
    family, _, network = built
    with pytest.raises(CardError, match="unknown key in extra: boxx"):
        family.loss(network, {"boxx": 1.0})
    with pytest.raises(CardError, match="the gain box must be a number"):
        family.loss(network, {"box": "much"})
