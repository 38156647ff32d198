"""Pictures shown to the page in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

READY = ".kit-viewer[data-ready]"
Visit = Callable[..., Any]


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """A picture as bright as 60 %: the detector says bright 0.6, dark 0.4."""
    path = tmp_path / "patient DOE.png"
    cv2.imwrite(str(path), np.full((80, 120, 3), 153, np.uint8))
    return path


def choose(page: Any, *paths: Path) -> None:
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", [str(path) for path in paths])


def test_boxes_slider_and_classes(served: Any, visit: Visit, grey: Path) -> None:
    page = visit(served)
    choose(page, grey)
    page.wait_for_selector(READY)
    boxes = page.locator(".kit-box:not([hidden])")
    assert boxes.count() == 2
    page.locator(".kit-slider").fill("0.5")
    assert boxes.count() == 1
    assert boxes.get_attribute("data-name") == "bright"
    assert page.locator('[data-count-of="1"]').inner_text() == "0"
    page.locator(".kit-slider").fill("0.7")
    assert boxes.count() == 0
    assert page.locator(".kit-none").is_visible()
    page.locator(".kit-reset").click()
    assert boxes.count() == 2
    page.locator('[data-class="0"]').uncheck()
    assert boxes.count() == 1
    assert boxes.get_attribute("data-name") == "dark"


def test_downloads_hold_what_is_shown(served: Any, visit: Visit, grey: Path) -> None:
    page = visit(served)
    choose(page, grey)
    page.wait_for_selector(READY)
    page.locator(".kit-slider").fill("0.5")
    with page.expect_download() as got:
        page.get_by_role("link", name="JSON").click()
    told = json.loads(Path(got.value.path()).read_text())
    assert told["counts"] == {"bright": 1, "dark": 0}
    assert told["threshold"] == 0.5
    assert "DOE" not in json.dumps(told)
    with page.expect_download() as got:
        page.get_by_role("link", name="Picture with boxes").click()
    assert cv2.imread(str(got.value.path())) is not None


def test_nothing_stays(served: Any, visit: Visit, grey: Path) -> None:
    page = visit(served)
    choose(page, grey, grey)
    page.locator(READY).nth(1).wait_for()
    assert not served.temporary
    assert "DOE" not in served.log.read_text()


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\xff\xd8\xff\xe0cut"])
def test_what_is_no_picture(served: Any, visit: Visit, tmp_path: Path, content: bytes) -> None:
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(content)
    page = visit(served)
    choose(page, wrong)
    page.wait_for_selector(".kit-warning")
    assert "could not be looked at" in page.locator(".kit-warning").inner_text()
    assert not served.temporary


def test_a_sample_of_the_bundle(serve: Any, visit: Visit, bundle: Path, grey: Path) -> None:
    told = bundle.parent / "sampled"
    command = [sys.executable, "-m", "kit.cli.root", "card", bundle, "--out", told]
    subprocess.run([*command, "--sample", grey], check=True, capture_output=True)
    page = visit(serve(told))
    page.get_by_role("button", name="Sample picture 1").click()
    page.wait_for_selector(READY)
    assert page.locator(".kit-box:not([hidden])").count() == 2
    page.get_by_role("tab", name="What it is worth").click()
    page.wait_for_selector(".kit-worth")
    assert "not measured" in page.locator(".kit-worth").inner_text()
