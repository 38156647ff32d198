"""What the repository as a whole promises: its locks, and nothing of anybody's machine in it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
IMAGES = sorted((ROOT / "docker").glob("*.Dockerfile"))
RUNNING = [lock for lock in LOCKS if lock.stem not in ("build", "supply")]  # these run no detector

# Written in two parts, so that this file doesn't hold what it looks for.
NOT_OURS = re.compile(
    "|".join(
        (
            r"(?:py" r"pi\.org|python" r"hosted\.org|registry\.npm" r"js\.org|test\.py" r"pi)",
            r"(?<![\w./])/(?:root|work|tmp/w|(?:home|Users)(?=/(?!some)))/\w",
            r"[A-Z]:\\\\?Users",
        )
    )
)


def tracked() -> list[Path]:
    """Every file git knows, that is there."""
    try:
        told = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: there is no list of files to walk")
    return [path for name in told.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def pinned(lock: Path) -> dict[str, list[str]]:
    """Versions by package."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(version)
    return found


def test_no_file_names_a_registry_or_somebodys_folder() -> None:
    found = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {match[0]}"
            for number, line in enumerate(lines, 1)
            if (match := NOT_OURS.search(line))
        ]
    assert not found


def test_there_are_locks() -> None:
    assert {lock.stem for lock in LOCKS} >= {"dev", "train", "edge-cpu", "edge-cuda"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_by_hash_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 4
    for entry in entries:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


@pytest.mark.parametrize("lock", RUNNING, ids=lambda lock: lock.stem)
def test_a_lock_holds_one_opencv_and_one_engine(lock: Path) -> None:
    names = pinned(lock)
    assert [name for name in names if name.startswith("opencv")] == ["opencv-python-headless"]
    assert len([name for name in names if name.startswith("onnxruntime")]) == 1
    assert "ultralytics-platform" not in names


def test_the_edge_is_free_of_torch_and_of_the_agpl() -> None:
    edges = [lock for lock in LOCKS if lock.stem.startswith(("edge", "jetson"))]
    assert len(edges) >= 7
    for lock in edges:
        assert not {"torch", "torchvision", "ultralytics", "albumentations"} & set(pinned(lock))


def test_only_the_extra_ultralytics_brings_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert [line.split(" = ")[0] for line in text.splitlines() if '["ultralytics' in line] == [
        "ultralytics"
    ]
    assert len(re.findall(r'"ultralytics[^"]*[<>=]', text)) == 1


def test_one_opencv_is_installed_and_it_needs_no_screen() -> None:
    import cv2

    names = {(dist.metadata["Name"] or "").lower() for dist in metadata.distributions()}
    assert {name for name in names if name.startswith("opencv")} == {"opencv-python-headless"}
    assert re.search(r"GUI:\s+NONE", cv2.getBuildInformation())


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / "README.md").read_text()
    steps = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make test\b", steps, re.MULTILINE)


def test_this_python_is_one_that_is_promised() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    least = re.search(r'requires-python = ">=3\.(\d+)"', text)
    assert least is not None
    assert sys.version_info >= (3, int(least[1]))


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_an_image_is_of_this_version_and_its_locks_are_there(path: Path) -> None:
    from kit import __version__

    text = path.read_text()
    assert re.findall(r"^ARG VERSION=(.*)$", text, re.MULTILINE) == [__version__]
    named = re.findall(r"requirements/([\w$-]+)\.txt", text)
    found = {
        name.replace("$VARIANT", variant).replace("$JETPACK", jetpack)
        for name in named
        for variant in ("cpu", "cuda")
        for jetpack in ("6", "7")
    }
    assert len(found) > 2
    assert found <= {lock.stem for lock in LOCKS}
