"""What is read within a box is what the map shows there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from kit.data.source import open_source
from kit.families import load_family
from kit.finetune.features import extract, pool
from kit.finetune.start import begin

shares = st.floats(0.02, 0.95)


def ramp(size: int) -> torch.Tensor:
    """``(1, 2, h, w)``: how far to the right, and how far down, as shares of the sides."""
    steps = (torch.arange(size) + 0.5) / size
    return torch.stack([steps.expand(size, size), steps[:, None].expand(size, size)])[None]


@given(x=shares, y=shares, width=shares, height=shares)
def test_a_ramp_read_within_a_box_is_its_middle(
    x: float, y: float, width: float, height: float
) -> None:
    half = (min(width, x - 0.02, 0.98 - x, 1) / 2, min(height, y - 0.02, 0.98 - y, 1) / 2)
    if min(half) <= 0:
        return
    box = torch.tensor([[x - half[0], y - half[1], x + half[0], y + half[1]]])
    found = pool([ramp(40), ramp(64)], box)
    torch.testing.assert_close(found, torch.tensor([[x, y, x, y]]), atol=0.003, rtol=0)


def test_no_box_gives_no_row() -> None:
    assert pool([ramp(8)], torch.zeros(0, 4)).shape == (0, 2)


def test_every_picture_and_object_is_looked_at(make_job: Any, smears: Any) -> None:
    job = make_job()
    family = load_family("ultralytics")
    begun = begin(family, job.model, 3, seed=0, start="random", weights=None)
    dataset = open_source(str(smears))
    card = job.model.input
    small = type(card)(size=64, fit=card.fit, fill=card.fill)
    graph = family.graph(begun.network, 64)
    found = extract(graph, dataset, small, device=torch.device("cpu"))
    assert len(found.pictures) == len(dataset) == 16
    assert len(found.objects) == len(found.labels) == len(found.boxes) == len(dataset.labels)
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 1
    first = found.picture_of == 0
    np.testing.assert_allclose(
        found.pictures_by_object[0], found.objects[first].mean(0), rtol=1e-4, atol=1e-5
    )
    own = extract(graph, dataset.select(np.array([5])), small, device=torch.device("cpu"))
    np.testing.assert_array_equal(own.pictures[0], found.pictures[5])
