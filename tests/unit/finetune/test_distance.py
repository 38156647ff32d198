"""Distances of sets whose distance is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kit.errors import DataError
from kit.finetune.distance import Reference, measure

rng = np.random.default_rng(3)
CENTRE = rng.uniform(0.5, 1.5, 40)


def draw(count: int, shift: float = 0.0, spread: float = 0.3) -> np.ndarray:
    away = np.where(np.arange(40) % 2, shift, -shift)
    return (CENTRE + away + spread * rng.standard_normal((count, 40))).astype(np.float32)


def test_two_samples_of_one_set_are_not_apart() -> None:
    found = measure(draw(60), draw(80))
    assert found.cosine.value < 0.01
    assert found.mmd.low < 0 < found.mmd.high
    assert abs(found.mmd.value) < 0.002
    assert 0.35 < found.svm.value < 0.65


def test_all_measures_grow_with_the_shift() -> None:
    reference = draw(80)
    found = [measure(draw(60, shift), reference) for shift in (0.0, 0.05, 0.2, 0.6)]
    for name in ("cosine", "mmd", "svm"):
        values = [getattr(each, name).value for each in found]
        assert values == sorted(values), name
    assert found[-1].svm.value == 1
    assert 0.9 < found[-1].svm.low < found[-1].svm.high < 1, "that all were right is chance, too"


def test_intervals_hold_the_truth() -> None:
    """MMD of normal sets is known: the squared shift, in units of the reference's mean square."""
    shift = 0.2
    truth = 40 * shift**2 / ((CENTRE**2).sum() + 40 * 0.3**2)
    inside = 0
    for _ in range(40):
        found = measure(draw(40, shift), draw(50)).mmd
        inside += found.low <= truth <= found.high
    assert inside >= 33, "95 % intervals; fewer than this of 40 has a chance of 1 in 1000"


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="the dataset has 9 pictures"):
        measure(draw(9), draw(40))


def make(**changes: object) -> Reference:
    facts = {
        "model": "yolov8n",
        "weights_sha256": "ab" * 32,
        "size": 640,
        "source": "12 pictures of a set",
        "sha256": {"a.jpg": "cd" * 32},
        "pictures": draw(12),
        "objects": draw(11),
        "yardsticks": {"halves": {"cosine": 0.1}},
    }
    return Reference(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_reference_comes_back(tmp_path: Path) -> None:
    before = make()
    before.save(tmp_path / "r.safetensors")
    after = Reference.load(tmp_path / "r.safetensors")
    np.testing.assert_allclose(after.pictures, before.pictures, rtol=1e-3)
    np.testing.assert_allclose(after.objects, before.objects, rtol=1e-3)
    for name in ("model", "weights_sha256", "size", "source", "sha256", "yardsticks"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "yolov8s"}, "another model: of yolov8s, not of yolov8n"),
        ({"weights_sha256": "00" * 32}, "another weights"),
        ({"size": 320}, "another input size: of 320, not of 640"),
    ],
)
def test_a_reference_of_another_model_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make(**changes).require_model("yolov8n", "ab" * 32, 640, "r.safetensors")


@pytest.mark.parametrize("content", [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      ", None])
def test_what_is_no_reference_is_told(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="reference"):
        Reference.load(path)
