"""The plot of a film's counts, read back from the drawing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from kit.report.timeline import AXES, _binned, timeline


def element(root: Any, name: str) -> Any:
    return next(node for node in root.iter() if node.get("id") == name)


def test_names_axes_and_colours_of_the_page() -> None:
    drawn = timeline(
        {"a<b": np.array([0, 2, 1]), "other": np.array([1, 1, 1])}, 0.3, ["#e69f00", "#56b4e9"]
    )
    root = ET.fromstring(drawn)
    words = [node.text for node in root.iter("text")]
    assert {"a<b", "other", "seconds"} <= set(words)
    assert element(root, AXES).find("path") is not None  # what a click is measured against
    assert "#e69f00" in drawn
    assert "#56b4e9" in drawn
    assert "currentColor" in drawn
    assert drawn == timeline(
        {"a<b": np.array([0, 2, 1]), "other": np.array([1, 1, 1])}, 0.3, ["#e69f00", "#56b4e9"]
    )


def test_a_film_where_nothing_is_shown() -> None:
    assert AXES in timeline({}, 4.0, [])


@pytest.mark.parametrize("count", [1, 399, 400, 401, 5000])
def test_long_films_keep_their_peaks_and_their_mean(count: int) -> None:
    values = np.random.default_rng(count).poisson(3, count)
    middle, mean, least, most = _binned(values, 60.0)
    assert len(middle) <= 400
    assert (most.max(), least.min()) == (values.max(), values.min())
    assert (least <= mean).all()
    assert (mean <= most).all()
    assert 0 < middle[0] <= middle[-1] < 60
    assert mean.mean() == pytest.approx(values.mean(), rel=0.05)
