"""Both measures see what networks share, and not how their channels are numbered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kit.cards import ModelCard, load_card
from kit.families import load_family
from kit.finetune.similarity import Alike, Kept, alike, compare
from kit.finetune.start import begin

rng = np.random.default_rng(0)


def turn(size: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def test_a_turn_a_scale_and_a_shift_change_nothing() -> None:
    one = rng.standard_normal((400, 12)) * np.geomspace(1, 0.1, 12)
    found = alike(one, 3.0 * one @ turn(12) + rng.standard_normal(12))
    assert found.cka == pytest.approx(1)
    assert found.svcca == pytest.approx(1)


def test_what_is_independent_is_not_alike() -> None:
    found = alike(rng.standard_normal((4000, 10)), rng.standard_normal((4000, 8)))
    assert found.cka < 0.02
    assert found.svcca < 0.1


def test_half_shared_lies_between() -> None:
    shared = rng.standard_normal((2000, 6))
    one = np.concatenate([shared, rng.standard_normal((2000, 6))], 1)
    two = np.concatenate([shared, rng.standard_normal((2000, 6))], 1) @ turn(12)
    found = alike(one, two)
    assert found.cka == pytest.approx(0.5, abs=0.06)
    assert found.svcca == pytest.approx(0.5, abs=0.08)


def test_constant_answers_are_alike_in_nothing() -> None:
    assert alike(np.ones((50, 3)), rng.standard_normal((50, 3))) == Alike(0.0, 0.0)


def test_reuse_needs_both_measures_above_every_other_pair() -> None:
    others = [Alike(0.5, 0.4), Alike(0.3, 0.6)]
    assert Kept("a", Alike(0.9, 0.7), others).reused
    assert not Kept("a", Alike(0.9, 0.55), others).reused
    assert Kept("a", Alike(0.9, 0.9), []).reused is None


@pytest.mark.parametrize("model", ["yolov8n", "ssdlite320", "fasterrcnn-mobilenet-320-fpn"])
def test_a_stage_that_was_changed_is_seen(model: str) -> None:
    """All that comes before it is the same, and all that comes after it is not."""
    card, size = load_card(ModelCard, model), 64
    family = load_family(card.family)
    before, after = (
        begin(family, card, 3, seed=0, start="random", weights=None).network for _ in range(2)
    )
    stages = family.stages(before)
    with torch.no_grad():
        for name, parameter in after.named_parameters():
            if name.startswith(stages[3].prefixes) and parameter.ndim == 4:
                parameter.copy_(torch.randn_like(parameter) * parameter.std())
    pictures = [rng.integers(0, 256, (size, size, 3), np.uint8) for _ in range(4)]
    graphs = [family.graph(network, size) for network in (before, after)]
    found = compare(stages, graphs[0], graphs[1], graphs, pictures)
    cka = {kept.stage: kept.trained.cka for kept in found}
    names = [stage.name for stage in stages]
    assert [cka[name] for name in names[:3]] == pytest.approx([1, 1, 1])
    assert cka[names[3]] < 0.999
    assert found[3].random == [found[3].trained]
