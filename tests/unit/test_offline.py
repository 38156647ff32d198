"""Vendors find their switches set when they are first looked for, whatever the caller had set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kit import offline

WATCH = """
import json, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            print(json.dumps(dict(os.environ)))
            sys.stdout.flush()
            os._exit(0)

sys.meta_path.insert(0, Watch())
import kit
"""

FIRST = {
    "ultralytics": "import kit.families.ultralytics",
    "onnxruntime": "import kit.runtime.backends.onnxruntime as o; o._provider('cpu')",
    "albumentations": "import kit.finetune.augment",
    "torch": "import kit.families",
    "gradio": "from kit.app.server import serve; serve(None)",
    "ray": "from kit.study.ray import _connect; _connect('auto')",
    "matplotlib": "import kit.report.plots",
}
"""What makes the kit import a vendor for the first time."""

IMPORTED = [vendor for vendor in offline.VENDORS if vendor.importer is not None]


def test_every_importer_is_tried_and_is_a_module() -> None:
    assert {vendor.package for vendor in IMPORTED} == set(FIRST)
    for vendor in IMPORTED:
        assert vendor.importer is not None
        assert vendor.importer in FIRST[vendor.package].replace(
            " import onnxruntime", ".onnxruntime"
        )
        path = Path(__file__).parents[2] / vendor.importer.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file()


def test_whoever_is_brought_along_is_known() -> None:
    known = {vendor.package for vendor in offline.VENDORS}
    assert len(known) == len(offline.VENDORS)
    assert {*offline.ALONG}.union(*offline.ALONG.values()) <= known


@pytest.mark.parametrize("vendor", IMPORTED, ids=lambda vendor: vendor.package)
def test_a_vendor_meets_its_switches(vendor: offline.Vendor, tmp_path: Path) -> None:
    """In a process of its own, whose environment says the opposite of each."""
    if find_spec(vendor.module) is None:
        pytest.skip(f"{vendor.package} is not installed")
    by_name = {each.package: each for each in offline.VENDORS}
    all_of_them = [vendor, *(by_name[name] for name in offline.ALONG.get(vendor.package, ()))]
    hostile = {name: "on" for each in all_of_them for name in (*each.switches, *each.unset)}
    code = WATCH.format(module=vendor.module) + FIRST[vendor.package]
    variables = {**os.environ, **hostile, "KIT_CACHE": str(tmp_path)}
    for name in [name for each in offline.VENDORS for name in each.folders]:
        variables.pop(name, None)
    told = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    found = json.loads(told.stdout)
    for each in all_of_them:
        assert {name: found.get(name) for name in each.switches} == dict(each.switches)
        assert not set(each.unset) & set(found)
        for name, folder in each.folders.items():
            assert found[name] == str(tmp_path / folder)


def test_a_folder_of_the_users_own_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    offline.seal("matplotlib")
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path)


def test_what_stands_against_a_switch_is_named() -> None:
    told = {
        each.vendor.package: each.against
        for each in offline.held(
            {"YOLO_OFFLINE": "0", "ULTRALYTICS_API_KEY": "secret", "WANDB_MODE": "disabled"}
        )
    }
    assert told["ultralytics"] == ("ULTRALYTICS_API_KEY", "YOLO_OFFLINE")
    assert told["ultralytics-platform"] == ("ULTRALYTICS_API_KEY",)
    assert not told["wandb"]
    assert not any(each.against for each in offline.held({}))
