"""Corrected pictures on disk: a dataset at every moment, whoever writes and however it ends."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.served import CLASSES, looked, served

from kit.app.correction import Correction, Decision, settle
from kit.app.feedback import Feedback, Kept
from kit.app.looked import Looked
from kit.cli.root import main
from kit.data.doctor import examine
from kit.data.source import open_source
from kit.errors import DataError, RunFailed, UsageError

ALL = Correction((Decision("accepted", 0), Decision("accepted", 1)))
ONE = Correction((Decision("accepted", 0), Decision("rejected", 1)))


def keep(feedback: Feedback, look: Looked, correction: Correction = ALL) -> Kept:
    return feedback.keep(look, correction, settle(look, correction))


def listed(folder: Path) -> dict[str, Any]:
    """All splits together."""
    parts = [json.loads(path.read_text()) for path in (folder / "annotations").glob("*.json")]
    return {part: [each for one in parts for each in one[part]] for part in parts[0]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def test_it_is_a_dataset_that_can_be_learned_from(folder: Path) -> None:
    feedback = Feedback(folder, [served()])
    assert keep(feedback, looked(100)) == Kept(False, 1, 2)
    assert keep(feedback, looked(160), ONE) == Kept(False, 2, 3)
    dataset = open_source(str(folder))
    assert dataset.classes == CLASSES
    assert list(dataset.splits) == ["train", "valid"]
    examine(dataset).require_sound(folder)
    assert main(["data", "check", str(folder)]) == 0
    boxes = {tuple(box) for box in dataset.boxes.round(3).tolist()}
    assert boxes == {(10, 10, 50, 40), (0, 20, 30, 80)}
    assert sorted(np.diff(dataset.offsets)) == [1, 2]


def splits(folder: Path) -> dict[str, set[str]]:
    dataset = open_source(str(folder))
    return {
        name: set(dataset.manifest(dataset.split(name), rule=name).ids) for name in dataset.splits
    }


def test_every_fifth_picture_is_set_aside_and_stays_there(folder: Path) -> None:
    feedback = Feedback(folder, [served()])
    for seed in range(12):
        keep(feedback, looked(seed))
    before = splits(folder)
    assert {name: len(ids) for name, ids in before.items()} == {"train": 9, "valid": 3}
    for seed in range(12):
        assert keep(feedback, looked(seed), ONE).replaced
    assert splits(folder) == before
    assert len(open_source(str(folder)).boxes) == 12
    examine(open_source(str(folder))).require_sound(folder)


def test_what_looks_the_same_stays_together(folder: Path) -> None:
    feedback = Feedback(folder, [served()])
    keep(feedback, looked(0))
    first = looked(1)
    keep(feedback, first)  # the second: set aside
    for more in (1, 2, 3):
        brighter = np.clip(first.picture.astype(int) + more, 0, 255).astype(np.uint8)
        keep(feedback, replace(first, picture=brighter))
    assert {name: len(ids) for name, ids in splits(folder).items()} == {"train": 1, "valid": 4}
    assert not examine(open_source(str(folder))).errors


def test_a_valid_split_comes_with_the_first_picture_that_differs(folder: Path) -> None:
    feedback = Feedback(folder, [served()])
    keep(feedback, looked(0))
    keep(feedback, replace(looked(0), picture=np.clip(looked(0).picture, 0, 250)))
    assert list(splits(folder)) == ["train"]
    keep(feedback, looked(1))
    assert {name: len(ids) for name, ids in splits(folder).items()} == {"train": 2, "valid": 1}


def test_what_is_kept_is_nobody_elses(folder: Path) -> None:
    keep(Feedback(folder, [served()]), looked())
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.glob("*/*.*"):
        assert path.stat().st_mode & 0o077 == 0


def test_pictures_are_the_very_pixels_and_named_by_their_hash(folder: Path) -> None:
    look = looked()
    keep(Feedback(folder, [served()]), look)
    (path,) = (folder / "images").iterdir()
    data = path.read_bytes()
    assert path.name == f"{hashlib.sha256(data).hexdigest()}.png"
    assert (cv2.imread(str(path)) == look.picture).all()
    assert not any(part in data for part in (b"tEXt", b"eXIf", b"tIME", b"iTXt", b"zTXt"))


def test_a_picture_kept_twice_is_replaced(folder: Path) -> None:
    feedback = Feedback(folder, [served()])
    keep(feedback, looked(100))
    keep(feedback, looked(160))
    assert keep(Feedback(folder, [served()]), looked(100), ONE) == Kept(True, 2, 3)
    assert len(list((folder / "images").iterdir())) == 2
    content = listed(folder)
    for part in ("images", "annotations"):
        ids = [each["id"] for each in content[part]]
        assert len(set(ids)) == len(ids)


def test_it_says_where_boxes_come_from(folder: Path) -> None:
    look = looked(user="ann")
    changed = Decision("changed", 0, name="platelet")
    drawn = Decision("drawn", name="cell", box=(1, 2, 30, 40))
    keep(Feedback(folder, [served()]), look, Correction((changed, ONE.boxes[1], drawn), 0.55))
    dataset = open_source(str(folder))
    (picture,) = dataset.extra["coco"]["pictures"].values()
    kept = picture["kept"]
    assert kept["bundle"] == "fixed"
    assert kept["bundle_sha256"] == "c" * 64
    assert kept["picture_sha256"] == look.picture_sha256
    assert kept["user"] == "ann"
    assert kept["threshold"] == 0.55
    assert [box["class"] for box in kept["rejected"]] == ["platelet"]
    (boxes,) = dataset.extra["coco"]["boxes"].values()
    assert boxes[0]["kept"]["decision"] == "changed"
    assert boxes[0]["kept"]["proposed"]["class"] == "cell"
    assert boxes[1]["kept"] == {"decision": "drawn", "proposed": None}


def test_an_orphan_is_told_of_and_taken_up(folder: Path, tmp_path: Path) -> None:
    feedback = Feedback(folder, [served()])
    keep(feedback, looked(100))
    other = tmp_path / "other"
    keep(Feedback(other, [served()]), looked(160))
    (orphan,) = (other / "images").iterdir()
    orphan.rename(folder / "images" / orphan.name)
    half = folder / "images" / f".{'a' * 64}.png.abcd1234.kit-part"
    half.write_bytes(b"half a picture")
    codes = [finding.code for finding in examine(open_source(str(folder))).warnings]
    assert "picture_left_out" in codes
    assert main(["data", "check", str(folder)]) == 0
    keep(Feedback(folder, [served()]), looked(160))
    assert not half.exists()
    assert len(list((folder / "images").iterdir())) == 2
    codes = [finding.code for finding in examine(open_source(str(folder))).warnings]
    assert "picture_left_out" not in codes


def test_what_cannot_be_kept_in(folder: Path, tmp_path: Path) -> None:
    keep(Feedback(folder, [served()]), looked())
    with pytest.raises(UsageError, match="its classes are cell, platelet, the bundle's a, b"):
        Feedback(folder, [served(("a", "b"))])
    with pytest.raises(UsageError, match="its classes"):
        Feedback(folder, [served(CLASSES[::-1])])
    with pytest.raises(UsageError, match="have different classes"):
        Feedback(tmp_path / "new", [served(), served(("a", "b"), "other")])
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="can't be written to"):
            Feedback(place, [served()])
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.odt").touch()
    with pytest.raises(UsageError, match=r"holds other things \(letter.odt\)"):
        Feedback(tmp_path / "home", [served()])
    assert [path.name for path in (tmp_path / "home").iterdir() if path.name[0] != "."] == [
        "letter.odt"
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"images": [], "annotations": []}'])
def test_a_damaged_list_is_not_written_over(folder: Path, content: str) -> None:
    feedback = Feedback(folder, [served()])
    keep(feedback, looked())
    path = folder / "annotations" / "instances_train.json"
    path.write_text(content)
    with pytest.raises(DataError, match="not a dataset"):
        keep(feedback, looked(160))
    with pytest.raises(DataError, match="not a dataset"):
        Feedback(folder, [served()])
    assert path.read_text() == content


@pytest.mark.parametrize("room", [0, 100, 1500])
def test_a_full_disk_leaves_it_as_it_was(folder: Path, room: int) -> None:
    feedback = Feedback(folder, [served()])
    keep(feedback, looked())
    before = {path: path.read_bytes() for path in folder.rglob("[!.]*") if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(RunFailed, match="could not be kept"):
            keep(feedback, looked(160))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in folder.rglob("[!.]*") if path.is_file()} == before
    assert not list(folder.rglob("*.kit-part"))
    assert keep(feedback, looked(160)).pictures == 2


WRITES = """
import sys
from pathlib import Path
from threading import Thread
sys.path.insert(0, "tests")
from doubles.served import looked, served
from kit.app.correction import Correction, Decision, settle
from kit.app.feedback import Feedback
feedback = Feedback(Path(sys.argv[1]), [served()])
told = Correction((Decision("accepted", 0), Decision("accepted", 1)))
def write(first, last):
    for brightness in range(first, last):
        look = looked(brightness)
        feedback.keep(look, told, settle(look, told))
        print("kept", flush=True)
first, last = map(int, sys.argv[2:])
middle = (first + last) // 2
threads = [Thread(target=write, args=part) for part in ((first, middle), (middle, last))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def writer(folder: Path, first: int, last: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITES, str(folder), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)


def test_threads_and_processes_take_turns(folder: Path) -> None:
    processes = [writer(folder, 0, 10), writer(folder, 10, 20)]
    assert [process.wait(120) for process in processes] == [0, 0]
    dataset = open_source(str(folder))
    assert len(dataset) == 20
    assert len(dataset.boxes) == 40


@pytest.mark.parametrize("after", [1, 3, 8])
def test_a_kill_at_any_moment_leaves_a_dataset(folder: Path, after: int) -> None:
    process = writer(folder, 0, 170)
    assert process.stdout is not None
    for _ in range(after):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    kept = after + len(process.stdout.read().splitlines())
    process.wait()
    dataset = open_source(str(folder))
    examine(dataset).require_sound(folder)
    assert len(dataset) >= kept
    assert (np.diff(dataset.offsets) == 2).all()
    feedback = Feedback(folder, [served()])
    assert keep(feedback, looked(200)).pictures == len(dataset) + 1
