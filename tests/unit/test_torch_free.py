"""Everything up to the app works where torch was never installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCH_ROOMS = {"families", "finetune", "export", "study", "advise"}
NEVER = ("torch", "torchvision", "ultralytics", "lightning_fabric", "albumentations")

BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def modules() -> list[str]:
    """All modules outside the rooms that may know torch."""
    names = []
    for path in sorted((ROOT / "kit").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[1] not in TORCH_ROOMS:
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def run(code: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(names=NEVER) + code
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_block_blocks() -> None:
    assert "No module named 'torch'" in run("import torch").stderr


def test_every_module_imports_without_torch() -> None:
    names = modules()
    assert "kit.runtime.detector" in names
    # One process for all; each failure is told by its name.
    told = run(
        "import importlib\n"
        f"for name in {names!r}:\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error: print(name, 'needs', error.name)\n"
    )
    # An inference engine is an extra of its own, in its own file.
    engines = {f"kit.runtime.backends.{name} needs {name}" for name in ("onnxruntime", "tensorrt")}
    assert told.returncode == 0, told.stderr
    assert set(told.stdout.splitlines()) <= engines


def test_a_checkpoint_names_what_it_lacks() -> None:
    told = run(
        "from kit import door\n"
        "from kit.errors import MissingPackage\n"
        "try: door._family('ultralytics')\n"
        "except MissingPackage as error: print(error)\n"
    )
    assert told.stdout.startswith("torch is not installed"), told.stderr


@pytest.mark.parametrize("room", ["kit", "kit.runtime", "kit.cli.root"])
def test_light_rooms_stay_light(room: str) -> None:
    heavy = ("torch", "cv2", "numpy", "onnxruntime", "matplotlib", "pydantic", "rich")
    code = f"import sys, {room}\nprint([name for name in {heavy!r} if name in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
