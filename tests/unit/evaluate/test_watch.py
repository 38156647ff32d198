"""The watch: what it flags, how often it is wrong, and when it warns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit.bundle import Bundle, BundleCard, open_bundle, save_bundle
from kit.cards import Input
from kit.errors import BundleError, DataError
from kit.evaluate.watch import Looks, auroc, fit, shrunk_covariance, threshold, usual
from kit.runtime.backends.null import NullRunner
from kit.runtime.quality import SAYS, Quality, complaints, quality
from kit.runtime.watch import FILE, Drift, Watch, WatchedDetector, facts, load_watch, pack
from kit.types import Detections, Result

METHODS: list[Any] = ["mahalanobis", "neighbours"]
DIMENSIONS = 24


def scene(seed: int = 0, side: int = 200) -> np.ndarray:
    """A picture with edges and colours."""
    rng = np.random.default_rng(seed)
    picture = np.full((side, side, 3), 180, np.uint8)
    for _ in range(30):
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        x, y, radius = (int(value) for value in rng.integers(5, side - 5, 3))
        cv2.circle(picture, (x, y), max(radius // 8, 3), colour, -1)
    return picture


def drawn(count: int, seed: int, shift: float = 0.0) -> Looks:
    """Features of a lopsided cloud, moved along a direction in which it is thin."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(3, 0.1, DIMENSIONS)
    features = 1 + rng.normal(size=(count, DIMENSIONS)) * spread
    features[:, -1] += shift
    return Looks(features.astype(np.float32), [quality(scene(place)) for place in range(3)])


@pytest.mark.parametrize("method", METHODS)
def test_it_tells_apart_what_differs(method: Any) -> None:
    watch = fit(drawn(300, 0), drawn(120, 1), method=method)
    inside = watch.distance(drawn(400, 2).features)
    far = watch.distance(np.full((50, DIMENSIONS), -9, np.float32))
    assert auroc(inside, far) == 1
    assert (far > watch.threshold).all()
    assert abs((inside > watch.threshold).mean() - 0.05) < 0.04
    assert abs(watch.alarms - 0.05) < 0.04


def test_mahalanobis_sees_what_is_unusual_in_a_direction_that_hardly_varies() -> None:
    watch = fit(drawn(300, 0), drawn(120, 1))
    shifted = watch.distance(drawn(200, 3, shift=4.0).features)
    assert auroc(watch.distance(drawn(400, 2).features), shifted) > 0.99


def test_the_covariance_is_ledoit_and_wolfs() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    for count in (10, 40, 400):
        features = drawn(count, 5).features
        expected = covariance.LedoitWolf().fit(features.astype(np.float64)).covariance_
        np.testing.assert_allclose(shrunk_covariance(features), expected, rtol=1e-4, atol=1e-5)


def test_equal_features_are_no_reason_to_fail() -> None:
    same = Looks(np.ones((30, 4), np.float32), [quality(scene())])
    watch = fit(same, same)
    assert np.isfinite(watch.distance(np.zeros((1, 4), np.float32))).all()


def test_auroc_is_the_area() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for _ in range(20):
        inside, outside = rng.integers(0, 6, 17).astype(float), rng.integers(2, 9, 11).astype(float)
        truth = np.repeat([0, 1], [17, 11])
        expected = metrics.roc_auc_score(truth, np.concatenate([inside, outside]))
        assert auroc(inside, outside) == pytest.approx(expected, abs=1e-12)


def test_the_threshold_bounds_alarms_for_a_picture_to_come() -> None:
    rng, flagged = np.random.default_rng(0), []
    for _ in range(2000):
        distances = rng.normal(size=60)
        flagged.append(distances[-1] > threshold(distances[:-1], 0.05))
    assert 0.03 < np.mean(flagged) <= 0.055
    assert threshold(np.array([1.0, 2.0, 3.0]), 0.05) == 3.0  # too few: none of these is flagged


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="valid has 5 pictures"):
        fit(drawn(50, 0), drawn(5, 1))


# -- quality


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda p: p, ""),
        (lambda p: cv2.GaussianBlur(p, (0, 0), 9), "blurred"),
        (lambda p: np.clip(p.astype(int) - 170, 0, 255).astype(np.uint8), "too dark"),
        (lambda p: np.clip(p.astype(int) + 170, 0, 255).astype(np.uint8), "overexposed"),
        (lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
         "pale or grey"),
        (lambda p: cv2.resize(p, (30, 30)), "too small"),
        (lambda p: cv2.resize(p, (900, 900)), "too large"),
        (lambda p: cv2.resize(p, (200, 50)), "too wide"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_picture_is_said(change: Any, word: str) -> None:
    ranges = usual([quality(scene(seed)) for seed in range(12)])
    said = complaints(quality(np.ascontiguousarray(change(scene(99)))), ranges)
    assert (word in said) if word else (said == ())


def test_every_figure_has_words() -> None:
    assert set(SAYS) == set(Quality.__dataclass_fields__)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (3, 7)])
def test_odd_pictures_have_figures(shape: tuple[int, int]) -> None:
    seen = quality(np.zeros((*shape, 3), np.uint8))
    assert np.isfinite(list(vars(seen).values())).all()


# -- in a bundle, and at run time


@dataclass
class Fake:
    """Answers with features of the picture's mean colour."""

    card: Any
    classes: tuple[str, ...] = ("a",)
    backend: str = "fake"
    tiling: Any = None
    fits: Any = None
    runner: Any = field(default_factory=lambda: NullRunner(1))

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        means = [image.mean(axis=(0, 1)).astype(np.float32) for image in images]
        return [Result(Detections.empty(), {"run": 1}, mean) for mean in means]

    def __call__(self, image: Any) -> Detections:
        return self.detect([image])[0].detections


CARD = BundleCard(
    name="tiny", kind="onnx", family="none", model="none", architecture="none", licence="none",
    classes=("a",), input=Input(64), suppress=None, weights="w.onnx", files={},
)  # fmt: skip


def kept(where: Path, watch: Watch) -> Bundle:
    return save_bundle(where, replace(CARD, watch=facts(watch)), {"w.onnx": b"", FILE: pack(watch)})


@pytest.mark.parametrize("method", METHODS)
def test_it_travels_with_the_bundle(tmp_path: Path, method: Any) -> None:
    watch = fit(drawn(60, 0), drawn(30, 1), method=method)
    bundle = open_bundle(kept(tmp_path / "bundle", watch).directory)
    again = load_watch(bundle)
    assert again is not None
    features = drawn(20, 4).features
    np.testing.assert_array_equal(again.distance(features), watch.distance(features))
    assert (again.threshold, again.usual) == (watch.threshold, watch.usual)
    assert load_watch(save_bundle(tmp_path / "none", CARD, {"w.onnx": b""})) is None


def test_a_damaged_watch_is_one_message(tmp_path: Path) -> None:
    watch = fit(drawn(60, 0), drawn(30, 1))
    for place, (told, content) in enumerate(
        (
            (facts(watch), b"nonsense"),
            ({**facts(watch), "method": "magic"}, pack(watch)),
            ({**facts(watch), "threshold": None}, pack(watch)),
            (facts(watch), pack(replace(watch, arrays={"mean": np.zeros(3, np.float32)}))),
            (facts(watch), pack(replace(watch, arrays={**watch.arrays, "mean": np.zeros(3)}))),
        )
    ):
        card = replace(CARD, watch=told)
        bundle = save_bundle(tmp_path / str(place), card, {"w.onnx": b"", FILE: content})
        with pytest.raises(BundleError, match="watch can't be read"):
            load_watch(bundle)


@pytest.mark.parametrize("method", METHODS)
def test_a_watch_of_other_features_is_one_message(method: Any) -> None:
    """Before any picture is looked at, where the runner tells the width of its features."""
    watch = fit(drawn(60, 0), drawn(30, 1), method=method)
    wrong = "fitted to 24 features a picture, its graph has 3"
    with pytest.raises(BundleError, match=wrong):
        WatchedDetector(Fake(CARD, runner=NullRunner(1, width=3)), watch)
    opened = WatchedDetector(Fake(CARD), watch)
    with pytest.raises(BundleError, match=wrong):
        opened.detect([scene()])


def test_results_say_it() -> None:
    colours = np.random.default_rng(0).normal(150, 5, (80, 3)).astype(np.float32)
    train = Looks(colours[:40], [quality(scene(place)) for place in range(5)])
    watch = fit(train, Looks(colours[40:], train.qualities))
    detector = WatchedDetector(Fake(CARD), watch)
    like, unlike = np.full((200, 200, 3), 150, np.uint8), np.full((200, 200, 3), 20, np.uint8)
    first, second = detector.detect([like, unlike])
    assert first.watched is not None
    assert second.watched is not None
    assert (first.watched.unlike, second.watched.unlike) == (False, True)
    assert "pale or grey" in second.watched.complaints
    assert detector.classes == ("a",)
    assert len(detector(like)) == 0


def test_numbers_that_are_none_are_unlike() -> None:
    watch = fit(drawn(60, 0), drawn(30, 1))
    assert watch.look(scene(), np.full(DIMENSIONS, np.nan, np.float32)).unlike


# -- drift


def flags(share: float, count: int, seed: int) -> list[bool]:
    return list(np.random.default_rng(seed).random(count) < share)


def test_drift_is_told_once() -> None:
    drift = Drift(alarms=0.05)
    stream = flags(0.05, 500, 0) + flags(0.6, 500, 1) + flags(0.05, 500, 2) + flags(0.6, 500, 3)
    told = [place for place, flag in enumerate(stream) if drift.add(flag)]
    assert len(told) == 2  # once for each drift, and not while it lasts
    assert 500 < told[0] < 600
    assert 1500 < told[1] < 1600


def test_what_is_as_it_was_hardly_ever_warns() -> None:
    warned = 0
    for seed in range(40):
        drift = Drift(alarms=0.05)
        told = [drift.add(flag) for flag in flags(0.05, 1000, seed)]
        warned += any(told)
    assert warned <= 3


def test_facts_are_plain(tmp_path: Path) -> None:
    assert json.loads(json.dumps(facts(fit(drawn(60, 0), drawn(30, 1)))))["method"] == "mahalanobis"
