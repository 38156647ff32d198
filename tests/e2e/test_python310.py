"""The runtime and the page on Python 3.10, from a lock of their own.

Needs that interpreter and a package registry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "edge-cpu-py310.txt"

RUN = """
import importlib, pathlib, sys
assert sys.version_info[:2] == (3, 10)
for path in sorted(pathlib.Path("kit").rglob("*.py")):
    parts = path.with_suffix("").parts
    if parts[1] not in ("families", "finetune", "export", "study", "advise"):
        importlib.import_module(".".join(parts))
from kit.runtime.backends import onnxruntime
assert onnxruntime.available() is None
import gradio
from kit.types import Detections
assert len(Detections.truth([[0, 0, 1, 1]], [0])) == 1
"""


def python310() -> str | None:
    """A Python 3.10 that really runs: on the path, or among those pyenv keeps."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (shutil.which("python3.10"), *sorted(kept.glob("3.10*/bin/python"))):
        if candidate:
            told = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
            if told.stdout.startswith("Python 3.10"):
                return str(candidate)
    return None


@pytest.mark.slow
def test_the_runtime_works_on_3_10(tmp_path: Path) -> None:
    interpreter = python310()
    if interpreter is None:
        pytest.skip("there is no Python 3.10 on this machine")
    subprocess.run([interpreter, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", LOCK]
    subprocess.run(install, check=True)
    subprocess.run([python, "-m", "pip", "check"], check=True)
    for code in ([python, "-c", RUN], [python, "-m", "kit.cli.root", "list", "backends"]):
        told = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
