"""A short fuzz of every parser, and all of the nasty files; ``make fuzz`` looks for longer."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from fuzz.faulty import FAULTY
from fuzz.nasty import CASES
from fuzz.run import lacks, run
from fuzz.targets import TARGETS, Target
from fuzz.zygote import FLOOD

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are forked, and told how much memory they may take"
)

EXAMPLES = 60

ROOMS = Path(__file__).parents[2] / "kit"

PARSES = re.compile(
    r"\b(read_json|read_yaml|load_yaml|load_arrays|read_graph|load_file|safe_open|tarfile\.open|"
    r"ZipFile|ET\.fromstring|json\.loads|torch\.load|np\.load|Unpickler|VideoCapture|imdecode)\("
)


@pytest.fixture(scope="module")
def fuzzed() -> dict[str, dict[str, Any]]:
    there = [target for target in TARGETS if not lacks(target.needs)]
    jobs = [{"target": target.name, "examples": EXAMPLES} for target in there]
    return {outcome["target"]: outcome for outcome in run(jobs)}


@pytest.fixture(scope="module")
def faults() -> dict[str, dict[str, Any]]:
    hang = {"hang": 1}
    jobs = [{"target": name, "examples": 1, **(hang if name in hang else {})} for name in FAULTY]
    return {outcome["target"]: outcome for outcome in run(jobs)}


@pytest.fixture(scope="module")
def thrown() -> dict[str, dict[str, Any]]:
    there = [name for name, case in CASES.items() if not lacks(case.needs)]
    return {outcome["nasty"]: outcome for outcome in run([{"nasty": name} for name in there])}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes_are_read_or_refused(target: Target, fuzzed: dict[str, Any]) -> None:
    """With an error of the kit's and no other, in seconds and in bounded memory."""
    if missing := lacks(target.needs):
        pytest.skip(f"{', '.join(missing)} not installed")
    outcome = fuzzed[target.name]
    if outcome["fault"]:
        seen = base64.b64decode(outcome["file"])
        pytest.fail(f"{outcome['fault']}\nthe file began with {seen[:400]!r}")
    assert outcome["tried"] >= EXAMPLES // 2
    assert outcome["answers"].get("refused") or target.name in NOTES
    assert outcome["flood"] < FLOOD


NOTES = {"split list", "side file", "audit log"}
"""Parsers that note what they can't read, and go on."""


@pytest.mark.parametrize("name", CASES)
def test_nasty_files_have_their_answer(name: str, thrown: dict[str, Any]) -> None:
    if missing := lacks(CASES[name].needs):
        pytest.skip(f"{', '.join(missing)} not installed")
    outcome = thrown[name]
    assert outcome["fault"] is None, outcome["fault"]
    assert re.match(CASES[name].told, outcome["answer"], re.DOTALL), outcome["answer"]
    assert outcome["flood"] < FLOOD


def test_what_goes_wrong_is_seen(faults: dict[str, dict[str, Any]]) -> None:
    """An error of another kind, a crash, a hang, and too much memory: told as what it is."""
    assert "KeyError" in faults["error"]["fault"]
    assert "it crashed (-11)" in faults["crash"]["fault"]
    assert "it hung" in faults["hang"]["fault"]
    assert "MemoryError" in faults["memory"]["fault"]
    assert faults["flood"]["fault"] is None
    assert faults["flood"]["flood"] > FLOOD


def test_every_room_that_parses_has_a_target() -> None:
    """A module that reads files from elsewhere is one that a target, or a case, goes through."""
    found = {
        path.relative_to(ROOMS).with_suffix("").as_posix()
        for path in ROOMS.rglob("*.py")
        if PARSES.search(path.read_text(encoding="utf-8"))
    }
    assert found - set(TRIED) - set(OWN) == set()
    assert {*TRIED, *OWN} <= found


TRIED = (
    "app/chain", "app/feedback", "app/feedback_routes", "bench/report", "binding", "bundle",
    "cards", "data/convert", "data/fetch", "data/formats/_description", "data/formats/coco",
    "data/formats/voc", "data/manifest", "evaluate/report", "families/checkpoint", "files",
    "finetune/distance", "finetune/state", "parcel/manifest", "parcel/unpack", "pixels",
    "report/dossier", "report/statements",
    "runtime/backends/onnxruntime/__init__", "runtime/backends/onnxruntime/session",
    "runtime/backends/tensorrt/identity", "runtime/capture", "runtime/plain_graph",
    "runtime/watch", "signature", "study/results", "supply/component", "supply/inventory",
)  # fmt: skip
"""Rooms that the targets go through."""

OWN = {
    "advise/trial": "the learning curve of a run it has just made",
    "cli/compare": "as a report",
    "cli/quickstart": "the learning curve of a run it has just made",
    "export/export": "as an onnx graph",
    "export/triton": "as an onnx graph",
    "finetune/job": "the settings of a run, compared as a whole",
    "lock": "a note of who holds a folder, cut off and never relied on",
    "runtime/backends/tensorrt/builder": "as an onnx graph; and what TensorRT's inspector says",
    "study/tasks": "what the study has written",
    "study/work": "what the study has written",
    "supply/audit": "what pip-audit answers",
    "supply/policy": "a file of the kit's own",
    "supply/sbom": "what it has just made",
    "supply/spdx": "a file of the kit's own",
}
"""Rooms that read what a tried one reads, or what the kit itself has written, and which."""
