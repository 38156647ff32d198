"""Clips shown to the page in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.report.film import VideoWriter

Visit = Callable[..., Any]
RATE = 10


def filmed(path: Path, *shades: int, rate: float = RATE) -> Path:
    with closing(VideoWriter(path, rate)) as writer:
        for shade in shades:
            writer.write(np.full((96, 128, 3), shade, np.uint8))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds dark, then two bright."""
    return filmed(tmp_path / "patient DOE.mp4", *[0] * 20, *[255] * 20)


def show(page: Any, path: Path) -> None:
    page.get_by_role("tab", name="Video").click()
    page.locator("[data-clip] input[type=file]").set_input_files(str(path))


def test_the_film_plays_and_seeks(served: Any, visit: Visit, clip: Path) -> None:
    page = visit(served)
    show(page, clip)
    film = page.locator("video.kit-film")
    film.wait_for(timeout=30_000)
    page.wait_for_function("document.querySelector('.kit-film').readyState >= 2")
    assert film.evaluate("film => film.duration") == pytest.approx(4, abs=0.11)
    assert film.evaluate("film => film.videoHeight") == 480  # small ones are enlarged
    film.evaluate("film => { film.muted = true; return film.play() }")
    page.wait_for_function("document.querySelector('.kit-film').currentTime > 0.2")
    film.evaluate("film => film.pause()")
    shade = """film => new Promise((done) => {
        film.onseeked = () => {
          const canvas = new OffscreenCanvas(1, 1).getContext("2d");
          canvas.drawImage(film, film.videoWidth / 2, film.videoHeight / 2, 1, 1, 0, 0, 1, 1);
          done(canvas.getImageData(0, 0, 1, 1).data[0]);
        };
        film.currentTime = SECOND;
    })"""
    assert film.evaluate(shade.replace("SECOND", "3.5")) > 200
    assert film.evaluate(shade.replace("SECOND", "0.5")) < 60
    # a click in the middle between the axes goes to the middle of the film
    page.locator(".kit-drawn").scroll_into_view_if_needed()
    area = page.evaluate(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
        "(document.querySelector('#kit-time').getBoundingClientRect())"
    )
    page.mouse.click(*area)
    assert film.evaluate("film => film.currentTime") == pytest.approx(2, abs=0.1)
    assert not served.temporary
    assert "DOE" not in served.log.read_text()


def test_counts_and_json(served: Any, visit: Visit, clip: Path) -> None:
    page = visit(served)
    show(page, clip)
    page.locator(".kit-clip").wait_for(timeout=30_000)
    rows = page.locator(".kit-clip tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [
        ["bright", "1", "0.50", "20"],
        ["dark", "1", "0.50", "20"],
    ]
    with page.expect_download() as got:
        page.get_by_role("link", name="JSON of all frames").click()
    told = json.loads(Path(got.value.path()).read_text())
    assert [row["detections"][0]["class"] for row in told["rows"]] == ["dark"] * 20 + [
        "bright"
    ] * 20
    assert told["warnings"] == []
    with page.expect_download() as got:
        page.get_by_role("link", name="Clip with boxes").click()
    assert Path(got.value.path()).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    assert not served.temporary


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    return filmed(tmp_path / "long.mp4", *[9] * 600, rate=1)


@pytest.mark.parametrize("content", [b"", b"not a film at all", b"\0\0\0 ftypisom" + bytes(99)])
def test_what_is_no_clip(served: Any, visit: Visit, tmp_path: Path, content: bytes) -> None:
    wrong = tmp_path / "wrong.mp4"
    wrong.write_bytes(content)
    page = visit(served)
    show(page, wrong)
    warning = page.locator("[data-clip] .kit-warning")
    warning.wait_for()
    assert "not a video, or a damaged one" in warning.inner_text()
    assert not served.temporary


def test_ten_minutes_are_too_long(served: Any, visit: Visit, long_clip: Path) -> None:
    page = visit(served)
    show(page, long_clip)
    warning = page.locator("[data-clip] .kit-warning")
    warning.wait_for()
    assert "it lasts 10 min, more than the 2 min that" in warning.inner_text()
    assert not served.temporary


def test_a_damaged_end_is_told_of(served: Any, visit: Visit, tmp_path: Path) -> None:
    whole = tmp_path / "whole.avi"
    generator = np.random.default_rng(0)
    with closing(VideoWriter(whole, RATE)) as writer:
        for _ in range(12):
            writer.write(generator.integers(0, 255, (240, 320, 3)).astype(np.uint8))
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    page = visit(served)
    show(page, whole)
    page.locator(".kit-clip").wait_for(timeout=30_000)
    assert "The clip is damaged: it tells of 12 frames" in page.locator(".kit-warning").inner_text()
    assert not served.temporary


def test_cancel_and_leave(served: Any, visit: Visit, tmp_path: Path) -> None:
    slow = filmed(tmp_path / "slow.mp4", *[99] * 1100)
    page = visit(served)
    show(page, slow)
    page.wait_for_function(
        "document.querySelector('[data-clip] .kit-status').textContent.includes('Frame')"
    )
    page.get_by_role("button", name="Cancel").click()
    assert "Cancelled" in page.locator("[data-clip] .kit-status").inner_text()
    show(page, slow)
    page.wait_for_function(
        "document.querySelector('[data-clip] .kit-status').textContent.includes('Frame')"
    )
    assert served.temporary  # the film, as far as it is
    page.goto("about:blank")
    for _ in range(60):  # far less than the clip would take
        if not served.temporary:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"still there: {served.temporary}")
