"""The pictures of the page that stand in the README, made anew.

    python docs/screenshots.py runs/quickstart/documented PICTURE

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
SIZE = {"width": 1200, "height": 800}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    with serving(options.bundle) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(address)
        looked_at(page, options.picture)
        page.screenshot(path=HERE / "app-picture.png")
        page.get_by_role("tab", name="What it is worth").click()
        page.wait_for_selector(".kit-worth")
        page.screenshot(path=HERE / "app-worth.png")
        browser.close()


def looked_at(page: Any, picture: Path) -> None:
    intake = page.locator(".kit-intake:visible input[type=file]")
    intake.wait_for(state="attached")
    intake.set_input_files(picture)
    page.wait_for_selector(".kit-viewer[data-ready]")
    page.locator(".kit-box:not([hidden])").last.hover()


@contextmanager
def serving(bundle: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "kit.cli.root", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            told = (re.search(r"serving on (http://\S+)", line) for line in process.stderr)
            yield next(found[1] for found in told if found)
        finally:
            process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
