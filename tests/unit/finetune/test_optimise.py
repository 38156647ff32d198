"""Schedules, weight decay and the weight average."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kit.cards import Recipe
from kit.finetune.optimise import Average, freeze_norm, make_optimizer, rate


@given(
    st.sampled_from(["cosine", "linear", "constant"]),
    st.floats(0, 1),
    st.integers(1, 500),
)
def test_rates_stay_positive_and_at_most_one(schedule: str, warmup: float, steps: int) -> None:
    recipe = Recipe("r", schedule=schedule, warmup=warmup)  # type: ignore[arg-type]
    rates = [rate(recipe, step, steps) for step in range(steps)]
    assert all(0 < value <= 1 for value in rates)
    warm = round(warmup * steps)
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_schedule_ends_at_a_hundredth(schedule: str) -> None:
    recipe = Recipe("r", schedule=schedule, warmup=0.1)  # type: ignore[arg-type]
    assert rate(recipe, 99, 100) == pytest.approx(0.01)
    assert rate(recipe, 10, 100) == pytest.approx(1.0)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_only_filters_decay(optimizer: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    made = make_optimizer(network, Recipe("r", optimizer=optimizer, lr=0.1))  # type: ignore[arg-type]
    decay = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert {name: decay[id(p)] > 0 for name, p in network.named_parameters()} == {
        "0.weight": True,
        "0.bias": False,
        "1.weight": False,
        "1.bias": False,
    }


def test_sgd_is_nesterov() -> None:
    made = make_optimizer(nn.Linear(2, 2), Recipe("r", optimizer="sgd", lr=0.1))
    assert all(group["nesterov"] and group["momentum"] == 0.9 for group in made.param_groups)


def test_the_average_follows_at_its_horizon() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, horizon=10)
    nn.init.ones_(network.weight)
    values = []
    for _ in range(200):
        average.update(network)
        values.append(float(next(average.network.parameters())))
    assert values == sorted(values)
    assert values[0] > 0.5  # the start does not linger
    assert 1 - values[100] == pytest.approx((1 - values[99]) * 0.9, rel=1e-3, abs=1e-6)


def test_what_is_still_keeps_every_bit() -> None:
    """Rounded weights hold negative zeros, whose average is a positive one."""
    network = nn.Linear(1, 2)
    nn.init.constant_(network.weight, -0.0)
    bias = network.bias.detach().clone()
    average = Average(network, horizon=10, still={"weight"})
    nn.init.ones_(network.bias)
    for _ in range(3):
        average.update(network)
    assert torch.signbit(average.network.weight).all()
    assert not torch.equal(average.network.bias, bias)


def test_no_horizon_is_no_average() -> None:
    network = nn.Linear(3, 3)
    average = Average(network, horizon=0)
    nn.init.ones_(network.weight)
    average.update(network)
    assert torch.equal(average.network.weight, network.weight)


def test_frozen_statistics_do_not_move() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    freeze_norm(network)
    network(torch.randn(2, 3, 8, 8) * 5 + 3)
    assert not network[1].running_mean.any()
    assert network[0].training
