"""The loop closed: boxes corrected in a real browser, kept, checked and learned from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit.app.chain import read_file
from kit.app.feedback import LISTS
from kit.cli.root import main
from kit.data.source import open_source

Visit = Callable[..., Any]
WIDTH, HEIGHT = 400, 300


def pictures(folder: Path, *brightness: int) -> list[Path]:
    """Grey with a blot of their own, as files that tell a name."""
    paths = []
    for number, value in enumerate(brightness):
        picture = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
        cv2.circle(picture, (60 + 25 * number, 150), 40, (0, 0, 255 - value), -1)
        paths.append(folder / f"patient DOE {number}.png")
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def choose(page: Any, *paths: Path) -> Any:
    """The part that boxes of the last picture are corrected in, begun."""
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", [str(path) for path in paths])
    page.locator(".kit-viewer[data-ready]").nth(len(paths) - 1).wait_for()
    viewer = page.locator(".kit-viewer").last
    viewer.get_by_role("button", name="Correct and keep").click()
    return viewer


def draw(page: Any, viewer: Any, *corners: float) -> None:
    """With the mouse, from one corner to the other, in pixels of the picture."""
    viewer.get_by_role("button", name="Draw a box").click()
    drag(page, viewer, *corners)


def drag(page: Any, viewer: Any, *corners: float) -> None:
    stage = viewer.locator(".kit-stage")
    stage.scroll_into_view_if_needed()
    edge = stage.bounding_box()
    scale = edge["width"] / WIDTH
    x, y, to_x, to_y = (edge["xy"[place % 2]] + at * scale for place, at in enumerate(corners))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move((x + to_x) / 2, (y + to_y) / 2)
    page.mouse.move(to_x, to_y)
    page.mouse.up()


def keep(viewer: Any, said: str = "Kept") -> None:
    viewer.get_by_role("button", name="Keep", exact=True).click()
    viewer.locator(".kit-edit-status", has_text=said).wait_for()


def row(viewer: Any, number: int) -> Any:
    return viewer.locator(".kit-edit-list li").nth(number - 1)


def truth(folder: Path) -> list[list[tuple[str, list[float]]]]:
    """Class and box of each picture, by picture, as the kit reads them."""
    dataset = open_source(str(folder))
    return [
        [(dataset.classes[label], box.tolist()) for box, _, label in dataset[index].truth]
        for index in np.argsort([dataset.extra["coco"]["pictures"][i]["id"] for i in dataset.ids])
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests here keep their pictures, each of a brightness of its own."""
    return tmp_path_factory.mktemp("feedback") / "kept"


@pytest.fixture(scope="module")
def server(serve: Any, bundle: Path, folder: Path) -> Any:
    return serve(bundle, "--feedback", folder, "--audit", folder.with_name("audit"))


def test_what_is_corrected_is_what_is_read(
    server: Any, visit: Visit, folder: Path, tmp_path: Path
) -> None:
    light, dark = pictures(tmp_path, 153, 90)
    page = visit(server)
    viewer = choose(page, light)
    assert viewer.get_by_role("button", name="Keep", exact=True).is_disabled()
    row(viewer, 1).get_by_role("button", name="Accept").click()
    row(viewer, 2).get_by_role("button", name="Reject").click()
    viewer.locator("[data-edit-new]").select_option("dark")
    draw(page, viewer, 100, 50, 200, 150)
    keep(viewer)

    viewer = choose(page, dark)
    row(viewer, 1).locator("select").select_option("bright")  # it was dark
    viewer.get_by_role("button", name="Accept the rest").click()
    viewer.get_by_role("button", name="Add a box by numbers").click()
    for side, value in (("left", 10), ("top", 20), ("width", 30), ("height", 40)):
        viewer.get_by_label(side, exact=True).fill(str(value))
        viewer.get_by_label(side, exact=True).press("Tab")
    row(viewer, 3).focus()
    row(viewer, 3).press("ArrowRight")
    row(viewer, 3).press("Shift+ArrowDown")
    keep(viewer)

    assert main(["data", "check", str(folder)]) == 0
    first, second = truth(folder)[-2:]
    whole = [0, 0, WIDTH, HEIGHT]
    assert [(name, pytest.approx(box, abs=0.01)) for name, box in first[:1]] == [("bright", whole)]
    assert first[1][0] == "dark"
    assert first[1][1] == pytest.approx([100, 50, 200, 150], abs=1)
    assert [(name, pytest.approx(box, abs=0.01)) for name, box in second] == [
        ("bright", whole),
        ("bright", whole),
        ("bright", [11, 30, 41, 70]),
    ]
    assert "DOE" not in "".join(path.read_text(errors="replace") for path in folder.rglob("*.*"))
    assert "DOE" not in folder.with_name("audit").read_text()
    log = read_file(folder.with_name("audit"))
    assert log.fault is None
    assert log.events["look"] >= log.events["kept"] >= 2


def test_boxes_are_moved_resized_and_set_back(
    server: Any, visit: Visit, folder: Path, tmp_path: Path
) -> None:
    page = visit(server)
    viewer = choose(page, *pictures(tmp_path, 152))
    for number in (1, 2):
        row(viewer, number).get_by_role("button", name="Reject").click()
    draw(page, viewer, 100, 50, 200, 150)
    drag(page, viewer, 150, 100, 190, 120)  # by its middle
    drag(page, viewer, 240, 170, 300, 250)  # by its corner
    draw(page, viewer, 300, 20, 380, 60)
    row(viewer, 4).get_by_role("button", name="Remove").click()
    assert viewer.locator(".kit-edit-list li").count() == 3
    viewer.get_by_role("button", name="Undo").click()
    assert viewer.locator(".kit-edit-list li").count() == 4
    draw(page, viewer, 350, 250, 500, 400)  # out of the picture: cut at its edges
    keep(viewer)
    ((_, moved), (_, drawn), (_, cut)) = truth(folder)[-1]
    assert moved == pytest.approx([140, 70, 300, 250], abs=1)
    assert drawn == pytest.approx([300, 20, 380, 60], abs=1)
    assert cut == pytest.approx([350, 250, WIDTH, HEIGHT], abs=1)

    row(viewer, 3).get_by_role("button", name="Remove").click()
    keep(viewer, "Kept in place of before")
    assert len(truth(folder)[-1]) == 2


def test_with_a_finger_on_a_phone(server: Any, visit: Visit, folder: Path, tmp_path: Path) -> None:
    page = visit(server, viewport={"width": 390, "height": 800}, has_touch=True)
    viewer = choose(page, *pictures(tmp_path, 151))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for number in (1, 2):
        row(viewer, number).get_by_role("button", name="Reject").tap()
    viewer.get_by_role("button", name="Draw a box").tap()
    stage = viewer.locator(".kit-stage")
    stage.scroll_into_view_if_needed()
    edge = stage.bounding_box()
    scale = edge["width"] / WIDTH
    finger = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", (40, 30)), ("touchMove", (90, 80)), ("touchMove", (120, 110))):
        point = {"x": edge["x"] + at[0] * scale, "y": edge["y"] + at[1] * scale}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    keep(viewer)
    ((_, box),) = truth(folder)[-1]
    assert box == pytest.approx([40, 30, 120, 110], abs=2)


def test_corrections_are_not_lost_unasked(server: Any, visit: Visit, tmp_path: Path) -> None:
    page = visit(server)
    viewer = choose(page, *pictures(tmp_path, 150))
    viewer.get_by_role("button", name="Accept the rest").click()
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", stay)
    page.set_input_files("input[type=file]", str(tmp_path / "patient DOE 0.png"))
    viewer.get_by_role("button", name="Leave").wait_for()
    assert asked == ["Corrections that were not kept will be lost. Go on?"]
    page.once("dialog", lambda dialog: dialog.accept())
    viewer.get_by_role("button", name="Leave").click()
    assert viewer.locator(".kit-table").is_visible()


def test_a_refusal_is_told(server: Any, visit: Visit, folder: Path, tmp_path: Path) -> None:
    page = visit(server)
    viewer = choose(page, *pictures(tmp_path, 149))
    viewer.get_by_role("button", name="Accept the rest").click()
    keep(viewer)
    train = folder / LISTS["train"]
    before = train.read_text()
    train.write_text("{}")
    keep(viewer, "Not kept: not a dataset")
    assert str(folder) not in viewer.inner_text()
    train.write_text(before)
    keep(viewer)


def test_without_feedback_there_is_no_trace_of_it(
    served: Any, visit: Visit, tmp_path: Path
) -> None:
    page = visit(served)
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", [str(path) for path in pictures(tmp_path, 153)])
    page.wait_for_selector(".kit-viewer[data-ready]")
    assert "kit-edit" not in page.content()
    assert "edit.js" not in page.content()
    assert page.request.post(f"{served.url}/kit/keep/any", data="{}").status == 404


@pytest.mark.slow
def test_it_can_be_learned_from(server: Any, visit: Visit, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics", reason="ultralytics is not installed")
    page = visit(server)
    for path in pictures(tmp_path, 40, 90, 130, 170, 210, 250):
        viewer = choose(page, path)
        draw(page, viewer, 100, 50, 200, 150)
        viewer.get_by_role("button", name="Accept the rest").click()
        keep(viewer)
    run = tmp_path / "run"
    words = ["train", "yolov8n", str(folder), "--start", "random", "--size", "64"]
    assert main([*words, "--epochs", "1", "--threads", "1", "--out", str(run)]) == 0
    assert (run / "best").is_dir()
