"""What a calibration fitted to one graph is worth on another: carried on, or left out and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kit import door
from kit.bundle import Bundle, BundleCard, Scaling, save_bundle
from kit.cards import Input
from kit.evaluate.matches import Matches
from kit.evaluate.reliability import fit as fit_scaling
from kit.evaluate.reliability import shown
from kit.evaluate.watch import Looks, fit
from kit.export.carry import MOVED, carry, moved
from kit.progress import Silent
from kit.runtime.quality import quality
from kit.runtime.watch import FILE, Watch, facts, load_watch, pack

GREY = quality(np.full((8, 8, 3), 99, np.uint8))
METHODS: list[Any] = ["mahalanobis", "neighbours"]


class Notes(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def watched(where: Path, watch: Watch, **more: Any) -> Bundle:
    card = BundleCard(
        name="n", kind="onnx", family="f", model="m", architecture="x", licence="l",
        classes=("a",), input=Input(64), suppress=None, weights="w", files={},
        watch=facts(watch), **more,
    )  # fmt: skip
    return save_bundle(where, card, {"w": b"w", FILE: pack(watch)})


def features(seed: int, count: int = 60) -> Any:
    return np.random.default_rng(seed).normal(1, 0.5, (count, 12)).astype(np.float32)


def answers(seen: Any, scores: Any = (), right: Any = ()) -> Any:
    """As much of a gate's answers as is looked at: one detection a picture."""
    hit = np.asarray(right, bool)[None]
    found = Matches(
        np.asarray(scores, float), np.arange(len(scores)), hit, np.zeros_like(hit),
        np.ones(len(scores), np.int64),
    )  # fmt: skip
    return SimpleNamespace(features=seen, matches={"a": found})


@pytest.mark.parametrize("method", METHODS)
def test_a_watch_goes_on_while_distances_stay(tmp_path: Path, method: Any) -> None:
    watch = fit(Looks(features(0), [GREY]), Looks(features(1), [GREY]), method=method)
    bundle = watched(tmp_path / "bundle", watch)
    before, told = features(2), Notes()
    nearly = before * np.float32(1.0005)
    card, files = carry(bundle, bundle.card, answers(before), answers(nearly), told)
    assert (card, list(files), told.notes) == (bundle.card, [FILE], [])
    far = before + np.float32(0.3) * np.random.default_rng(3).normal(size=before.shape)
    assert (moved(watch, answers(before), answers(far.astype(np.float32))) or 0) > MOVED
    card, files = carry(bundle, bundle.card, answers(before), answers(far), told)
    assert (card.watch, files) == ({}, {})
    assert "distances of valid pictures moved" in told.notes[0]
    assert "--watch" in told.notes[0]


@pytest.mark.parametrize("seen", [None, np.zeros((60, 5), np.float32)])
def test_a_watch_needs_the_features_it_knows(tmp_path: Path, seen: Any) -> None:
    watch = fit(Looks(features(0), [GREY]), Looks(features(1), [GREY]))
    bundle, told = watched(tmp_path / "bundle", watch), Notes()
    card, files = carry(bundle, bundle.card, answers(features(2)), answers(seen), told)
    assert (card.watch, files) == ({}, {})
    assert "not the features" in told.notes[0]


def test_a_scaling_goes_on_while_it_holds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.1, 0.95, 2000)
    right = rng.random(2000) < scores**2  # scores promise too much
    before = answers(None, scores, right)
    scaling = fit_scaling(shown(before.matches), "isotonic")
    watch = fit(Looks(features(0), [GREY]), Looks(features(1), [GREY]))
    bundle = watched(tmp_path / "bundle", watch)
    card = replace(bundle.card, watch={}, scaling=scaling)
    alone = replace(bundle, card=card)
    rounded = answers(None, scores + rng.normal(0, 1e-3, 2000), right)
    assert carry(alone, card, before, rounded)[0].scaling == scaling
    told = Notes()
    squeezed = answers(None, scores**2, right)
    assert carry(alone, card, before, squeezed, told)[0].scaling is None
    assert "calibration error on valid" in told.notes[0]
    assert carry(alone, card, before, answers(None), told)[0].scaling is None
    assert "too little is detected" in told.notes[1]


def test_a_graph_in_half_precision_keeps_its_watch_and_scaling(
    exported: Bundle, to_less: Callable[..., Bundle], tmp_path: Path
) -> None:
    side = exported.card.input.size
    drawn = np.random.default_rng(0).integers(0, 256, (80, side, side, 3), np.uint8)
    seen = np.stack([r.features for r in door.open(exported).detect(list(drawn))])  # type: ignore[misc]
    watch = fit(Looks(seen[:50], [GREY]), Looks(seen[50:], [GREY]), method="neighbours")
    scaling = Scaling("temperature", temperature=1.5)
    card = replace(exported.card, watch=facts(watch), scaling=scaling)
    files = {card.weights: exported.weights, FILE: pack(watch)}
    watching = save_bundle(tmp_path / "watching", card, files)
    made = to_less(watching, "fp16", None, tmp_path / "less")
    kept = load_watch(made)
    assert kept is not None
    assert kept.threshold == watch.threshold
    assert made.card.scaling == scaling
    [result] = door.open(made).detect([drawn[0]])
    assert result.watched is not None
