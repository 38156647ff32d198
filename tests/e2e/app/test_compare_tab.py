"""Two served bundles on one picture in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.graph import whole_picture_graph

from kit.bundle import open_bundle, save_bundle

Visit = Callable[..., Any]
READY = ".kit-compare[data-ready]"


@pytest.fixture(scope="session")
def two(serve: Any, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The detector that every test can tell the answers of, and one that sees all brighter."""
    brighter = tmp_path_factory.mktemp("brighter") / "brighter"
    card = replace(open_bundle(bundle).card, name="brighter")
    save_bundle(brighter, card, {"model.onnx": whole_picture_graph(64, gain=1.5)})
    return serve(bundle, brighter)


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """A says bright 0.4, dark 0.6; B says bright 0.6, dark 0.4."""
    path = tmp_path / "patient DOE.png"
    cv2.imwrite(str(path), np.full((80, 120, 3), 102, np.uint8))
    return path


def show(page: Any, path: Path) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator('[data-intake="kit/compare"] input[type=file]').set_input_files(str(path))
    page.wait_for_selector(READY)


def says(page: Any, text: str) -> None:
    page.locator(".kit-sentence").filter(has_text=text).wait_for()


def test_one_slider_moves_both(two: Any, visit: Visit, grey: Path) -> None:
    page = visit(two)
    show(page, grey)
    says(page, "At the operating points, both show 2; nothing alone")
    assert page.locator(".kit-box:not([hidden])").count() == 4
    page.locator(".kit-compare .kit-slider").fill("0.5")
    says(page, "Of what scores at least 0.50, both show 0; A alone shows 0, B alone shows 0, 1 is")
    assert page.locator(".kit-box:not([hidden])").count() == 2
    assert page.locator(".kit-box.kit-other:not([hidden])").count() == 2
    assert page.locator(".kit-matches tbody tr").first.inner_text().split() == [
        "another", "class", "dark", "/", "bright", "0.60", "0.60", "+0.00",
    ]  # fmt: skip
    page.locator('.kit-compare [data-class="0"]').uncheck()
    says(page, "both show 0; A alone shows 1, B alone shows 0")
    assert page.locator(".kit-box.kit-lone:not([hidden])").count() == 1
    assert "(0.40)" in page.locator(".kit-matches tbody tr").first.inner_text()
    with page.expect_download() as got:
        page.locator(".kit-compare").get_by_role("link", name="JSON").click()
    told = json.loads(Path(got.value.path()).read_text())
    assert told["counts"] == {"both": 0, "first_alone": 1, "second_alone": 0, "other_class": 0}
    assert told["threshold"] == 0.5
    assert "DOE" not in json.dumps(told)
    page.locator(".kit-compare .kit-reset").click()
    says(page, "At the operating points")
    assert not two.temporary


def test_a_box_and_its_like_light_up_together(two: Any, visit: Visit, grey: Path) -> None:
    page = visit(two)
    show(page, grey)
    page.locator(".kit-matches tbody tr").first.hover()
    assert page.locator(".kit-box.kit-on").count() == 2
    assert page.locator(".kit-tip:not([hidden])").count() == 2


def test_another_choice_looks_again_at_the_same_picture(two: Any, visit: Visit, grey: Path) -> None:
    page = visit(two)
    show(page, grey)
    page.locator('select[name="second"]').select_option("whole")
    page.locator(".kit-caption").nth(1).filter(has_text="whole").wait_for()
    says(page, "both show 2; nothing alone, and no class differs. Where both show the same, scores"
         " differ by 0.00")  # fmt: skip


def test_one_bundle_alone_says_how_to_start_with_two(served: Any, visit: Visit) -> None:
    page = visit(served)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_text("kit serve A B").wait_for()
    assert page.locator('[data-intake="kit/compare"]').count() == 0


def test_what_is_no_picture(two: Any, visit: Visit, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jpg"
    wrong.write_bytes(b"no picture")
    page = visit(two)
    page.get_by_role("tab", name="Compare").click()
    page.locator('[data-intake="kit/compare"] input[type=file]').set_input_files(str(wrong))
    page.locator('[data-intake="kit/compare"] .kit-warning').wait_for()
    assert not two.temporary
