"""A camera in a real browser: frames travel, boxes come back, and it stops when nobody looks."""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from doubles.site import Site

WITHIN = 30_000  # ms: the machine may be busy
Visit = Callable[..., Any]
Serve = Callable[..., Any]


def open_tab(page: Any) -> None:
    page.get_by_role("tab", name="Live camera").click()
    page.locator(".kit-start:visible").wait_for()


def start(page: Any) -> None:
    open_tab(page)
    page.locator(".kit-start").click()


def number(page: Any, name: str) -> float:
    """One of the numbers beside the picture; 0 where it isn't told yet."""
    told = page.locator(f'.kit-live [data-number="{name}"]').text_content() or ""
    return float(told.split()[0]) if told[:1].isdigit() else 0.0


def frames(page: Any) -> int:
    """How often boxes were drawn since this was first asked."""
    return int(
        page.evaluate(
            """() => {
              if (window.kitDrawn === undefined) {
                window.kitDrawn = 0;
                const drawn = new MutationObserver(() => { window.kitDrawn += 1; });
                drawn.observe(document.querySelector(".kit-live svg"), { childList: true });
              }
              return window.kitDrawn;
            }"""
        )
    )


def until(done: Callable[[], object], page: Any = None) -> None:
    """A page must be waited with: else it hears nothing."""
    end = time.monotonic() + WITHIN / 1000
    while not done():
        assert time.monotonic() < end
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)


def looked_at(server: Any) -> int:
    """Cameras that the server looks at now."""
    with urllib.request.urlopen(f"{server.url}/readyz", timeout=10) as answer:
        return int(json.load(answer)["live"])


def watch(page: Any) -> None:
    """Wait until boxes come."""
    page.locator(".kit-live .kit-box").first.wait_for(state="attached", timeout=WITHIN)
    until(lambda: frames(page) > 5, page)


def test_frames_come_with_their_boxes_and_numbers(served: Any, visit: Visit) -> None:
    page = visit(served)
    start(page)
    watch(page)
    until(lambda: number(page, "rate") > 0 and number(page, "age") > 0, page)
    assert page.locator('[data-number="dropped"]').inner_text().isdigit()
    assert "look" in page.locator('.kit-live [data-number="stages"]').inner_text()
    size = page.evaluate(
        "(({width, height}) => [width, height])(document.querySelector('.kit-live canvas'))"
    )
    assert size == [640, 480]  # as they left the camera
    assert page.locator(".kit-live svg").get_attribute("viewBox") == "0 0 640 480"
    painted = page.evaluate(
        """() => { const canvas = document.querySelector(".kit-live canvas");
        return [...canvas.getContext("2d").getImageData(320, 240, 1, 1).data]; }"""
    )
    assert painted[3] == 255
    assert not served.temporary
    assert looked_at(served) == 1


def test_slider_and_classes_hold_for_the_frames_that_follow(served: Any, visit: Visit) -> None:
    page = visit(served)
    start(page)
    watch(page)
    page.locator(".kit-live .kit-slider").fill("1")
    before = frames(page)
    until(lambda: frames(page) > before + 3, page)
    assert page.locator(".kit-live .kit-box:not([hidden])").count() == 0
    assert page.locator(".kit-live .kit-at").inner_text() == "1.00"
    page.locator(".kit-live .kit-reset").click()
    assert page.locator(".kit-live .kit-at").inner_text() == "0.25"  # the bundle's own
    page.locator('.kit-live [data-class="0"]').uncheck()
    before = frames(page)
    until(lambda: frames(page) > before + 3, page)
    assert page.locator('.kit-live .kit-box[data-name="bright"]:not([hidden])').count() == 0


def test_two_visitors_both_get_their_frames(served: Any, visit: Visit) -> None:
    one, two = visit(served), visit(served)
    start(one)
    start(two)
    watch(one)
    watch(two)
    before = frames(one), frames(two)
    until(lambda: frames(one) > before[0] + 5, one)
    until(lambda: frames(two) > before[1] + 5, two)
    assert looked_at(served) == 2


def camera_is_on(page: Any) -> bool:
    return bool(page.evaluate("document.querySelector('.kit-eye').srcObject !== null"))


def test_stop_and_start_again(served: Any, visit: Visit) -> None:
    page = visit(served)
    start(page)
    watch(page)
    assert camera_is_on(page)
    page.locator(".kit-stop").click()
    assert page.locator(".kit-live .kit-status").inner_text() == "Stopped."
    assert not camera_is_on(page)
    until(lambda: looked_at(served) == 0)
    before = frames(page)
    page.locator(".kit-start").click()
    until(lambda: frames(page) > before + 3, page)


def test_a_closed_page_is_not_looked_at(served: Any, visit: Visit) -> None:
    page = visit(served)
    start(page)
    watch(page)
    assert looked_at(served) == 1
    page.close()
    until(lambda: looked_at(served) == 0)


def test_another_tab_stops_it(served: Any, visit: Visit) -> None:
    page = visit(served)
    start(page)
    watch(page)
    page.get_by_role("tab", name="Picture").click()
    until(lambda: looked_at(served) == 0, page)
    page.get_by_role("tab", name="Live camera").click()
    assert "out of sight" in page.locator(".kit-live .kit-status").inner_text()


def test_a_page_out_of_sight_stops_after_a_while(served: Any, visit: Visit) -> None:
    page = visit(served)
    page.clock.install()
    start(page)
    watch(page)
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { get: () => true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    page.clock.fast_forward(10_000)
    assert looked_at(served) == 1  # a glance elsewhere
    page.clock.fast_forward(15_000)
    until(lambda: looked_at(served) == 0, page)
    assert not camera_is_on(page)


def test_another_detector_goes_on_with_the_same_camera(
    serve: Serve, visit: Visit, bundle: Path, tmp_path: Path
) -> None:
    server = serve(bundle, shutil.copytree(bundle, tmp_path / "other"))
    page = visit(server)
    start(page)
    watch(page)
    page.locator(".kit-bundle").select_option(index=1)
    page.locator('.kit-live .kit-results[data-bundle="other"]').wait_for(timeout=WITHIN)
    page.evaluate("window.kitDrawn = undefined")
    watch(page)
    assert looked_at(server) == 1


def test_no_place_is_left(serve: Serve, visit: Visit, bundle: Path) -> None:
    server = serve(bundle, "--visitors", "1")
    first, late = visit(server), visit(server)
    start(first)
    watch(first)
    start(late)
    late.locator(".kit-live .kit-warning", has_text="All 1 places").wait_for(timeout=WITHIN)
    assert not camera_is_on(late)
    first.locator(".kit-stop").click()
    until(lambda: looked_at(server) == 0)
    late.locator(".kit-start").click()
    watch(late)
    assert late.locator(".kit-live .kit-warning:visible").count() == 0


REFUSE = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "%s"));
}"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotAllowedError", "may not use the camera"),
        ("NotFoundError", "no such camera"),
        ("NotReadableError", "Another program"),
        ("TypeError", "The camera can't be used: no"),
    ],
)
def test_why_there_is_no_camera(served: Any, visit: Visit, error: str, words: str) -> None:
    page = visit(served)
    page.evaluate(REFUSE % error)
    start(page)
    page.locator(".kit-live .kit-warning", has_text=words).wait_for(timeout=WITHIN)
    assert page.locator(".kit-start").is_enabled()
    assert looked_at(served) == 0


def test_without_https_the_page_says_what_is_missing(served: Any, visit: Visit) -> None:
    page = visit(served)
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.reload()
    open_tab(page)
    page.locator(".kit-insecure:visible", has_text="--certfile").wait_for(timeout=WITHIN)
    assert page.locator(".kit-start").is_disabled()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    made.serve()
    with closing(made):
        yield made


def test_a_camera_of_the_server(serve: Serve, visit: Visit, bundle: Path, site: Site) -> None:
    server = serve(bundle, "--camera", f"{site.address}/camera?token=secret")
    page = visit(server)
    open_tab(page)
    page.locator(".kit-source").select_option(value="server:0")
    page.locator(".kit-start").click()
    watch(page)
    until(lambda: number(page, "rate") > 0 and number(page, "age") > 0, page)
    assert "secret" not in page.content()
    assert "secret" not in server.log.read_text()
    assert site.opened == 1
    assert not camera_is_on(page)  # the visitor's
    site.close()
    page.locator(".kit-live .kit-stale").wait_for(timeout=WITHIN)  # what is shown is old
    page.locator(".kit-live .kit-warning", has_text="is being tried again").wait_for()
    site.serve(site.server.server_address[1])
    page.locator(".kit-live .kit-viewer:not(.kit-stale)").wait_for(timeout=WITHIN)
    assert page.locator(".kit-troubles .kit-warning").count() == 0
    page.locator(".kit-stop").click()
    until(lambda: site.watching == 0)
    assert not server.temporary


def test_a_camera_of_the_server_needs_no_https(
    serve: Serve, visit: Visit, bundle: Path, site: Site
) -> None:
    server = serve(bundle, "--camera", f"{site.address}/camera")
    page = visit(server)
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.reload()
    open_tab(page)
    page.locator(".kit-source").select_option(value="server:0")
    assert not page.locator(".kit-insecure").is_visible()
    page.locator(".kit-start").click()
    watch(page)


def test_the_server_goes(serve: Serve, visit: Visit, bundle: Path) -> None:
    server = serve(bundle)
    page = visit(server)
    start(page)
    watch(page)
    server.process.kill()
    page.locator(".kit-live .kit-warning", has_text="can't be reached").wait_for(timeout=WITHIN)
    assert not camera_is_on(page)
