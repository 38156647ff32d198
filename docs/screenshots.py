"""The pictures of the page that stand in the README, made anew.

    python docs/screenshots.py BUNDLE PICTURE [--compare BUNDLE]

Serves the bundle on a port of its own, opens the page in Chromium (Debian's `chromium`), shows it
the picture, and writes docs/app-*.png.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    with serving(options.bundle) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, colours, size in (("light", "light", WIDE), ("phone", "dark", PHONE)):
            page = browser.new_page(viewport=size, color_scheme=colours, device_scale_factor=1.5)
            page.goto(address)
            looked_at(page, options.picture)
            page.screenshot(path=HERE / f"app-picture-{name}.png")
            page.get_by_role("tab", name="What it is worth").click()
            page.wait_for_selector(".kit-worth")
            page.screenshot(path=HERE / f"app-worth-{name}.png")
        browser.close()


def looked_at(page: Any, picture: Path) -> None:
    page.wait_for_selector("[data-intake=picture] input[type=file]", state="attached")
    page.set_input_files("[data-intake=picture] input[type=file]", picture)
    page.wait_for_selector(".kit-viewer[data-ready]")
    page.locator(".kit-box").last.hover()


@contextmanager
def serving(bundle: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "kit.cli.root", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"serving on (http://\S+)", line):
                yield found[1]
                break
        process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
