"""Hashing and look-up: near pairs are all of them and no others; look-alikes are not duplicates."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.data import smear
from kit.data.dataset import Dataset
from kit.data.similar import components, look, near_duplicates, near_pairs, scan
from kit.types import Detections, Example, Picture


def brute_force(hashes: list[int], distance: int) -> set[tuple[int, int]]:
    return {
        (a, b)
        for a in range(len(hashes))
        for b in range(a + 1, len(hashes))
        if (hashes[a] ^ hashes[b]).bit_count() <= distance
    }


@settings(max_examples=60, deadline=None)
@given(data=st.data(), distance=st.integers(0, 11))
def test_near_pairs_are_those_of_brute_force(data: st.DataObject, distance: int) -> None:
    base = data.draw(st.lists(st.integers(0, 2**64 - 1), max_size=6))
    hashes = list(base)
    for value in base:  # near ones, which chance would never make
        flips = data.draw(st.lists(st.sets(st.integers(0, 63), max_size=13), max_size=3))
        hashes += [value ^ sum(1 << bit for bit in bits) for bits in flips]
    pairs = near_pairs(np.array(hashes, np.uint64), distance)
    assert {(int(a), int(b)) for a, b in pairs} == brute_force(hashes, distance)
    assert len(pairs) == len(np.unique(pairs, axis=0))


def test_many_equal_hashes_are_paired_in_bounded_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.data.similar._PAIRS", 7)
    assert len(near_pairs(np.full(12, 99, np.uint64), 3)) == 12 * 11 // 2


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=60))
def test_components_are_those_of_a_graph_walk(links: list[tuple[int, int]]) -> None:
    first = components(30, np.array(links, np.int64).reshape(-1, 2))
    expected = list(range(30))
    for _ in range(30):
        for a, b in links:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert first.tolist() == expected


def test_dhash_by_hand() -> None:
    rising = np.repeat(np.arange(0, 90, 10, dtype=np.uint8)[None, :], 8, axis=0)
    picture = np.repeat(rising[..., None], 3, axis=2)
    assert look(picture).hash == 2**64 - 1
    assert look(np.ascontiguousarray(picture[:, ::-1])).hash == 0
    picture[0, 1] = 0  # now its left neighbour is not darker
    assert look(picture).hash == 2**63 - 1


def altered(picture: Picture) -> dict[str, Picture]:
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
    gamma = (255 * (np.arange(256) / 255) ** 1.4).astype(np.uint8)
    return {
        "brighter": np.clip(picture * 1.1 + 8, 0, 255).astype(np.uint8),
        "gamma": cv2.LUT(picture, gamma).astype(np.uint8),
        "blurred": np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.uint8),
        "jpeg": np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8),
        "smaller": np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5), np.uint8),
        "mirrored": np.ascontiguousarray(picture[:, ::-1]),
    }


@pytest.mark.parametrize("change", ["brighter", "gamma", "blurred", "jpeg", "smaller", "mirrored"])
def test_altered_copies_are_found_and_different_smears_are_not(change: str) -> None:
    pictures = [smear.draw(4, index)[0] for index in range(40)]
    copies = [altered(picture)[change] for picture in pictures]
    found = near_duplicates([look(picture) for picture in pictures + copies])
    true = {(index, index + 40) for index in range(40)}
    got = {(int(a), int(b)) for a, b in found}
    assert got <= true
    assert len(got) >= 38


def test_pictures_without_contrast_are_no_duplicates() -> None:
    blank = [np.full((50, 60, 3), level, np.uint8) for level in (10, 10, 200)]
    assert len(near_duplicates([look(picture) for picture in blank])) == 0
    assert len(near_duplicates([])) == 0


def test_scan_tells_equal_files_from_near_ones_and_names_damage(tmp_path: Path) -> None:
    first, other = smear.draw(0, 0)[0], smear.draw(0, 50)[0]
    cv2.imwrite(str(tmp_path / "a.png"), first)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    cv2.imwrite(str(tmp_path / "c.jpg"), first)
    cv2.imwrite(str(tmp_path / "d.png"), other)
    (tmp_path / "e.jpg").write_bytes((tmp_path / "c.jpg").read_bytes()[:4000])
    none, free = Detections.empty(), np.zeros(0, np.uint8)
    names = ["a.png", "b.png", "c.jpg", "d.png", "e.jpg", "f.png"]
    dataset = Dataset.from_examples(
        "set",
        tmp_path,
        ["x"],
        [Example(name, tmp_path / name, (320, 240), none, free) for name in names],
        {},
    )
    seen = scan(dataset)
    assert seen.exact.tolist() == [[0, 1]]
    assert seen.near.tolist() == [[0, 2]]
    assert set(seen.faults) == {4, 5}
    assert "cut off" in seen.faults[4]
    assert seen.sizes.tolist() == [[320, 240]] * 4 + [[0, 0]] * 2
