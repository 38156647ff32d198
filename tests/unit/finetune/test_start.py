"""What a start fills: copied, drawn or left, counted, and refused where it is too little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kit.errors import UsageError, WeightsError
from kit.families import load_family
from kit.finetune.job import MEAN_VAR
from kit.finetune.layout import Layout, lay_out, learning_rates
from kit.finetune.plan import parse
from kit.finetune.start import Start, load_start

FAMILY = load_family("ultralytics")


def build(classes: int = 3, architecture: str = "yolov8n.yaml", seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return FAMILY.build(architecture, classes, 80)


def begin(network: Any, path: Path, plan: str | None = None, **how: Any) -> tuple[Layout, Start]:
    layout = lay_out(FAMILY, network, None if plan is None else parse(plan))
    return layout, load_start(FAMILY, network, path, how.pop("kind", "it"), layout=layout, **how)


@pytest.fixture(scope="module")
def source(learnt: Path) -> dict[str, torch.Tensor]:
    return load_file(learnt / "weights.safetensors")


def test_what_is_re_initialised_is_as_it_was_built(
    learnt: Path, source: dict[str, torch.Tensor]
) -> None:
    built, network = build().state_dict(), build()
    _, start = begin(network, learnt, "R1-2 T:rest R:classes")
    state = network.state_dict()
    new = ("model.0.", "model.1.", *FAMILY.class_layers(network))
    for name, value in state.items():
        assert torch.equal(value, built[name] if name.startswith(new) else source[name]), name
    assert not torch.equal(state["model.0.conv.weight"], source["model.0.conv.weight"])
    left = [name for name in state if name.startswith(new)]
    assert (start.copied, start.fresh) == (len(state) - len(left), len(left))
    assert start.skipped == start.fresh
    assert start.share == 1.0
    assert start.filled == set(state) - set(left)


def test_other_classes_are_new_and_learn_at_the_full_rate(learnt: Path) -> None:
    network = build(classes=5)
    layout, start = begin(network, learnt, "F:backbone T:rest@0.1")
    factors = learning_rates(layout, network, start.filled)
    classes = FAMILY.class_layers(network)
    for name, parameter in network.named_parameters():
        if name.startswith(classes):
            assert factors[name] == 1.0
        elif not name.startswith("model.22.dfl"):  # a constant
            frozen = int(name.split(".")[1]) < 10
            assert factors.get(name) == (None if frozen else 0.1)
            assert parameter.requires_grad != frozen


def test_frozen_layers_are_never_random(learnt: Path) -> None:
    network = build(classes=5)
    layout, start = begin(network, learnt, "T:backbone F:rest")
    with pytest.raises(UsageError, match=r"freezes 6 tensors .* random for ever.*\n.*R:classes"):
        learning_rates(layout, network, start.filled)
    layout, start = begin(network, learnt, "T:backbone F:rest R:classes")
    assert learning_rates(layout, network, start.filled)
    layout = lay_out(FAMILY, build(), parse("F1 T:rest"))
    with pytest.raises(UsageError, match=r"freezes 5 tensors .*model\.0\.conv\.weight"):
        learning_rates(layout, network, filled=())


def test_without_a_plan_everything_learns_at_one_rate(learnt: Path) -> None:
    network = build()
    learns = {name for name, p in network.named_parameters() if p.requires_grad}
    layout, start = begin(network, learnt)
    assert learning_rates(layout, network, start.filled) == dict.fromkeys(learns, 1.0)


def test_mean_var_keeps_mean_and_variance_and_no_value(
    learnt: Path, source: dict[str, torch.Tensor]
) -> None:
    built, network = build().state_dict(), build()
    learns = {name for name, p in network.named_parameters() if p.requires_grad}
    _, start = begin(network, learnt, kind=MEAN_VAR, seed=3)
    state = network.state_dict()
    for name, value in state.items():
        like = source[name]
        if name in learns:
            count, deviation = like.numel(), float(like.double().std(correction=0))
            assert abs(float(value.double().mean() - like.double().mean())) <= (
                5 * deviation / count**0.5 + 1e-7
            ), name
            if count >= 1000:
                assert float(value.double().std()) == pytest.approx(deviation, rel=0.12), name
            if deviation > 1e-6:
                assert not torch.isclose(value, like, rtol=1e-6).all(), name
        elif "dfl" in name:  # a constant, no weight
            assert torch.equal(value, like)
        else:  # statistics of features that are gone
            assert torch.equal(value, built[name]), name
    assert start.filled >= learns
    assert start.share == 1.0
    assert "drawn with the mean and variance" in str(start)


def test_mean_var_is_drawn_by_the_seed(learnt: Path) -> None:
    states = []
    for seed in (0, 0, 1):
        network = build()
        begin(network, learnt, kind=MEAN_VAR, seed=seed)
        states.append(network.state_dict()["model.4.cv1.conv.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_too_little_is_refused_unless_allowed(learnt: Path) -> None:
    """Weights of another size of the same model: names fit, shapes don't."""
    network = build(architecture="yolov8s.yaml")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match="these are weights of another model"):
        begin(network, learnt)
    with pytest.raises(WeightsError, match=r'only .* that the plan "T:rest@0.2" copies fit'):
        begin(network, learnt, "tune-all")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    _, start = begin(network, learnt, partial=True)
    assert start.copied > 0
    assert start.share < 0.1


def test_an_original_yolov5_gives_backbone_and_neck(weights: Path) -> None:
    """Its head is of another kind, so a plan must not count on it."""
    path = weights / "yolov5n_coco80_legacy.pt"
    for plan, partial in (("T:backbone T:neck R:head", False), ("tune-all", True), (None, False)):
        network = build(architecture="yolov5n.yaml")
        _, start = begin(network, path, plan, partial=partial)
        assert start.copied == 342
        assert (start.share == 1.0) != partial
    with pytest.raises(WeightsError, match=r"(?s)only \d\d% .*mark the stages that don't as R"):
        begin(network, path, "tune-all")
