"""Frozen features can be kept for every family, and the rest of the network can't tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from kit.cards import ModelCard, card_names, load_card
from kit.families import Targets, load_family
from kit.finetune.front import Front, find_parts
from kit.finetune.layout import lay_out
from kit.finetune.plan import parse
from kit.finetune.shelf import Shelf

CARDS = [load_card(ModelCard, name) for name in card_names(ModelCard)]
# of the sizes of a YOLO the smallest
TRIED = {
    card.architecture: card
    for card in CARDS
    if card.family != "ultralytics" or card.architecture.endswith("n.yaml")
}
SLOW = ("resnet50", "resnext101")
SIZE = 96


def cases() -> list[Any]:
    return [
        pytest.param(name, marks=pytest.mark.slow if any(part in name for part in SLOW) else ())
        for name in sorted(TRIED)
    ]


@pytest.fixture(params=cases())
def frozen(request: pytest.FixtureRequest) -> Any:
    """A family, and its loss around a network of it that learns nothing."""
    card = TRIED[request.param]
    family = load_family(card.family)
    torch.manual_seed(0)
    network = family.build(card.architecture, 3, card.classes).eval().requires_grad_(False)
    loss = family.loss(network, {})
    loss.advance(0, 10)
    return family, loss


@pytest.mark.parametrize("plan", ["freeze-backbone", "head-only"])
def test_the_rest_says_the_same(frozen: Any, plan: str, tmp_path: Path) -> None:
    family, loss = frozen
    layout = lay_out(family, loss.network, parse(plan))
    parts = find_parts(loss, layout, SIZE)
    assert any(any(part.read) for part in parts)
    prefixes = tuple(
        prefix
        for stage, treatment in zip(layout.stages, layout.treatments, strict=True)
        for prefix in stage.prefixes
        if treatment.letter == "F"
    )
    assert all(f"{part.name}.".startswith(prefixes) for part in parts)
    # one picture: then a batch is no other sum than its picture
    image = torch.randint(0, 256, (1, SIZE, SIZE, 3), dtype=torch.uint8)
    targets = Targets(
        torch.tensor([[10.0, 10, 60, 60], [20, 30, 90, 80]]),
        torch.tensor([0, 2]),
        torch.tensor([0, 0]),
    )
    front = Front(loss, parts, Shelf(1, limit=1 << 26, directory=tmp_path))
    with torch.inference_mode():
        torch.manual_seed(1)  # some losses draw
        totals, raw = loss.validate(image, targets)
    torch.manual_seed(1)
    with front.stands_in(loss.network, image), torch.inference_mode():
        again, same = loss.validate(torch.zeros_like(image), targets)
    assert torch.equal(raw.boxes, same.boxes)
    assert torch.equal(raw.scores, same.scores)
    assert all(torch.equal(totals[name].total, again[name].total) for name in totals)
