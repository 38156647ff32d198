"""Bad input: one clear message, the right exit code, nothing run, nothing left behind.

A row per mistake. Every command is watched by the user's own check: whatever it leaves behind or
changes fails the row.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.reports import evaluation

from kit.bundle import open_bundle
from kit.evaluate.coco import ClassScore
from kit.report.film import VideoWriter
from kit.runtime.stream import Video

TRAIN = "--size 64 --epochs 1 --threads 1 --out new"
BLANK = f"--start random {TRAIN}"


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        words: typed after ``kit``; the shared paths stand in braces.
        told: what the message holds: the thing, and what to do.
        spoil: fills the folder ``bad``; it is given that and the folder commands are typed in.
    """

    name: str
    words: str
    told: tuple[str, ...]
    spoil: Callable[[Path, Path], object] = lambda bad, work: None


def nothing_known(bad: Path, work: Path) -> None:
    (bad / "notes.txt").write_text("a folder of something else")


def no_labels(bad: Path, work: Path) -> None:
    shutil.copytree(work / "smears" / "images", bad / "photos")


def not_coco(bad: Path, work: Path) -> None:
    (bad / "annotations.json").write_text('{"images": [], "annotations"')


def other_classes(bad: Path, work: Path) -> None:
    shutil.copytree(work / "data", bad, dirs_exist_ok=True)
    config = bad / "data.yaml"
    config.write_text(config.read_text().replace("WBC", "White"))


def lost_labels(bad: Path, work: Path) -> None:
    shutil.copytree(work / "data", bad, dirs_exist_ok=True)
    label = next((bad / "train" / "labels").iterdir())
    label.write_text("9 0.5 0.5 0.1 0.1\n")


def cut_picture(bad: Path, work: Path) -> None:
    shutil.copytree(work / "data", bad, dirs_exist_ok=True)
    picture = min((bad / "train" / "images").iterdir())
    picture.write_bytes(picture.read_bytes()[:2000])


def outside(bad: Path, work: Path) -> None:
    shutil.copytree(work / "smears", bad, dirs_exist_ok=True)
    with (bad / "data.yaml").open("a") as file:
        file.write("train: ../../../../etc\nval: images\n")


def bundle(change: Callable[[Path], object], of: str = "onnx") -> Callable[[Path, Path], None]:
    """A copy of a bundle with something changed."""

    def spoil(bad: Path, work: Path) -> None:
        shutil.copytree(work / of, bad, dirs_exist_ok=True)
        change(bad)

    return spoil


def flip(bad: Path) -> None:
    content = bytearray((bad / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bad / "model.onnx").write_bytes(content)


def card(**changes: Any) -> Callable[[Path], None]:
    def change(bad: Path) -> None:
        path = bad / "card.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch was-run",)


def evil_pickle(bad: Path, work: Path) -> None:
    with (bad / "evil.pt").open("wb") as file:
        pickle.dump({"model": Evil()}, file)


def evil_archive(bad: Path, work: Path) -> None:
    import torch

    torch.save({"model": Evil()}, bad / "evil.pt")


def another_report(bad: Path, work: Path) -> None:
    report_of("0" * 64, bad / "report.json")


def twice(bad: Path, work: Path) -> None:
    shutil.copytree(work / "onnx", bad / "onnx")
    for name in ("a.json", "b.json"):
        report_of(open_bundle(bad / "onnx").sha256, bad / name)


def report_of(sha256: str, path: Path) -> None:
    classes = {name: ClassScore(0.5, 0.5, 9) for name in ("Platelets", "RBC", "WBC")}
    evaluation(sha256, per_class=classes, detail=None).save(path)


def text(name: str, content: str) -> Callable[[Path, Path], None]:
    def spoil(bad: Path, work: Path) -> None:
        (bad / name).write_text(content)

    return spoil


RECIPE = "optimizer: adam\nlr: -1\nepoch: 3\nbatch: many\nmosaic: 3\n"

CASES = (
    # datasets
    Case("missing", f"train yolov8n nowhere {BLANK}", ("nowhere", "no such folder", "bccd")),
    Case("empty", f"train yolov8n bad {BLANK}", ("bad", "empty", "looked for")),
    Case("no dataset", f"train yolov8n bad {BLANK}", ("bad", "layout", "yaml"), nothing_known),
    Case("no labels", f"train yolov8n bad {BLANK}", ("bad", "no labels", "xml"), no_labels),
    Case("half a COCO file", "data check bad", ("bad", "layout", "looked for"), not_coco),
    Case("half a data.yaml", "data check bad", ("data.yaml", "YAML"), text("data.yaml", "nc: [")),
    Case("not split", f"train yolov8n {{smears}} {BLANK}", ("smears", "kit data split smears")),
    Case("not split: evaluate", "evaluate {onnx} {smears}", ("smears", "kit data split smears")),
    Case("outside", "data check bad", ("bad", "etc", "outside"), outside),
    Case("labels lost", f"train yolov8n bad {BLANK}", ("class 9", "mend"), lost_labels),
    Case(
        "corrupt picture", f"train yolov8n bad {BLANK}",
        ("slide", "can't be decoded", "leave out"), cut_picture,
    ),
    Case("corrupt picture: check", "data check bad", ("bad", "leave out"), cut_picture),
    Case("no such split", "evaluate {onnx} {data} --split holdout", ("holdout", "train, valid")),
    # a class list that disagrees
    Case(
        "classes: evaluate", "evaluate {onnx} bad",
        ("bad", "White", "WBC", "kit data convert"), other_classes,
    ),
    Case("classes: bench", "bench {onnx} bad", ("bad", "White", "kit data convert"), other_classes),
    Case(
        "classes: export", "export {run}/best --data bad --out new",
        ("bad", "White", "WBC"), other_classes,
    ),
    Case(
        "classes: card", "evaluate bad {data}", ("model.onnx", "classes", "kit export"),
        bundle(card(classes=["RBC", "WBC", "Platelets"])),
    ),
    # starts and models
    Case("no such model", f"train yolov9 {{data}} {BLANK}", ("yolov9", "yolov8n")),
    Case("no weights", f"train yolov8n {{data}} {TRAIN}", ("yolov8n.pt", "kit fetch yolov8n")),
    Case("no such start", f"train yolov8n {{data}} --start no.pt {TRAIN}", ("no.pt", "random")),
    Case(
        "another model", f"train yolo11n {{data}} --start {{run}}/best {TRAIN}",
        ("run/best", "another model", "choose the model"),
    ),
    Case(
        "a graph as start", f"train yolov8n {{data}} --start {{onnx}} {TRAIN}",
        ("onnx", "checkpoint", "exported from"),
    ),
    Case(
        "not a checkpoint", f"train yolov8n {{data}} --start bad/w.pt {TRAIN}",
        ("w.pt", "not a readable checkpoint", "sha256"), text("w.pt", "not weights"),
    ),
    Case(
        "code in a pickle", f"train yolov8n {{data}} --start bad/evil.pt {TRAIN}",
        ("evil.pt", "posix.system", "could do harm", "sha256"), evil_pickle,
    ),
    Case(
        "code in an archive", f"train yolov8n {{data}} --start bad/evil.pt {TRAIN}",
        ("evil.pt", "posix.system", "could do harm", "sha256"), evil_archive,
    ),
    # recipes and options
    Case(
        "mistakes in a recipe", f"train yolov8n {{data}} --recipe bad/r.yaml {BLANK}",
        ("r.yaml", "5 mistake(s)", "optimizer", "batch", "epoch: unknown key", "lr must", "mosaic"),
        text("r.yaml", RECIPE),
    ),
    Case(
        "a recipe that is no YAML", f"train yolov8n {{data}} --recipe bad/r.yaml {BLANK}",
        ("r.yaml", "YAML", "line 2"), text("r.yaml", "lr: [1\n"),
    ),
    Case(
        "a transform that is none", f"train yolov8n {{data}} --recipe bad/r.yaml {BLANK}",
        ("Sparkle",), text("r.yaml", "augment: [{Sparkle: {p: 1}}]\n"),
    ),
    Case("no such recipe", f"train yolov8n {{data}} --recipe best {BLANK}", ("best", "default")),
    Case(
        "size off the stride", "train yolov8n {data} --start random --size 70 --out new",
        ("multiple of 32", "--size 96"),
    ),
    Case(
        "size out of range", "train yolov8n {data} --start random --size 9999 --out new",
        ("--size 9999", "32..8192"),
    ),
    Case(
        "no epochs", "train yolov8n {data} --start random --epochs 0 --batch 0 --out new",
        ("--epochs 0", "epochs must be positive", "batch must be positive"),
    ),
    Case("no threads", f"train yolov8n {{data}} {BLANK} --threads 0", ("--threads", "at least 1")),
    Case("no such device", f"train yolov8n {{data}} {BLANK} --device tpu", ("tpu", "cuda")),
    Case("no such backend", "evaluate {onnx} {data} --backend tflite", ("tflite", "onnxruntime")),
    Case("a backend for graphs", "evaluate {run}/best {data} --backend onnxruntime",
         ("run/best", "kit export run/best")),
    Case("no such device: graph", "evaluate {onnx} {data} --device tpu", ("tpu", "cpu")),
    Case("a fraction of 2", "sample {data} --fraction 2 --out new", ("fraction", "at most 1")),
    Case("not a manifest", f"train yolov8n {{data}} --sample bad/m.json {BLANK}",
         ("m.json", "kit sample"), text("m.json", "[")),
    Case("out in a file", f"train yolov8n {{data}} {BLANK}/x", ("data.yaml", "is a file")),
    Case("nothing to resume", f"train yolov8n {{data}} {BLANK} --resume", ("new", "resume")),
    # bundles
    Case("no bundle", "evaluate {data} {data}", ("data", "not a bundle", "kit train")),
    Case("a flipped bit", "verify bad", ("model.onnx", "damaged", "copy"), bundle(flip)),
    Case("a flipped bit: detect", "detect bad {smears}/images --out new",
         ("model.onnx", "damaged", "copy"), bundle(flip)),
    Case("a schema of tomorrow", "card bad", ("card.json", "schema 1", "newer"),
         bundle(card(schema=2))),
    Case("half a card", "evaluate bad {data}", ("card.json", "copy"),
         bundle(lambda bad: (bad / "card.json").write_text('{"schema": 1,'))),
    Case("a file is gone", "verify bad", ("model.onnx", "missing", "copy"),
         bundle(lambda bad: (bad / "model.onnx").unlink())),
    Case("weights elsewhere", "evaluate bad {data}", ("outside itself",),
         bundle(card(weights="../onnx/model.onnx", files={"../onnx/model.onnx": "0" * 64}))),
    Case("a graph again", "export {onnx} --data {data} --out new", ("onnx", "exported already")),
    Case("the rest of fp16", "export {onnx} --precision fp16 --rest fp16 --out new",
         ("--rest", "--precision int8")),
    Case("triton of less", "export {onnx} --to triton --precision int8 --out new",
         ("--to", "--precision")),
    Case("no tolerance", "export {onnx} --precision fp16 --tolerance 0 --out new",
         ("--tolerance", "above 0")),
    # model cards
    Case("a report of another", "card {onnx} bad/report.json --out new",
         ("report.json", "of another bundle", "0" * 12, "--sibling"), another_report),
    Case("a damaged report", "card {onnx} bad/report.json --out new",
         ("report.json", "not a report", "kit evaluate"), text("report.json", '{"ap": 0.')),
    Case("two reports of one thing", "card bad/onnx bad/a.json bad/b.json --out new",
         ("b.json", "measures the same as bad/a.json"), twice),
    Case("mistakes in statements", "card {onnx} --statements bad/said.yaml --out new",
         ("said.yaml", "2 mistake(s)", "line 1: use: unknown key", "line 2: contact"),
         text("said.yaml", "use: all\ncontact: [me]\n")),
    Case("not a sibling", "card {onnx} --sibling {onnx} --out new",
         ("onnx", "this very bundle")),
    # streams
    Case("no such camera", "detect {onnx} 99 --out new", ("camera 99", "no such camera")),
    Case("nobody answers", "detect {onnx} rtsp://me:secret@127.0.0.1:9/live --out new",
         ("rtsp://***@127.0.0.1:9/live", "does not answer", "password")),
    Case("another protocol", "detect {onnx} ftp://host/film --out new", ("ftp://host", "rtsp://")),
    Case("no such video", "detect {onnx} no.mp4 --out new", ("no.mp4", "no such video")),
    Case("not a video", "detect {onnx} bad/film.mp4 --out new", ("film.mp4", "not a video"),
         text("film.mp4", "a letter")),
    Case("frames are no files", "detect {onnx} 0 --save coco", ("coco", "--save json")),
    Case("seconds of pictures", "detect {onnx} {smears}/images --seconds 3",
         ("--seconds", "videos")),
    Case("nothing to write", "detect {onnx} 0 --no-draw --save none", ("nothing to write",)),
    Case("no pictures for the gate", "export {run}/best --data nowhere --out new",
         ("nowhere", "no such folder", "dataset card")),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_new(user: Any) -> Iterator[None]:
    """What a test made, or left against its will, is not in the next one's way."""
    yield
    shutil.rmtree(user.folder / "new", ignore_errors=True)
    (user.folder / "new").unlink(missing_ok=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_one_message(
    user: Any, smears: str, parted: str, trained: str, exported: str, spoiled: Path, case: Case
) -> None:
    case.spoil(spoiled, user.folder)
    names = {"smears": smears, "data": parted, "run": trained, "onnx": exported}
    words = case.words.format(**names)
    if case.name == "out in a file":
        words = words.replace("--out new/x", f"--out {parted}/data.yaml/x")
    told = user(*shlex.split(words), code=2).stderr
    assert_one_message(told, *case.told)
    assert not (user.folder / "was-run").exists()


def assert_one_message(told: str, *parts: str) -> None:
    """One error, the last thing told, that holds these words."""
    begins = [place.start() for place in re.finditer(r"^(kit [\w ]+: )?error: ", told, re.M)]
    assert len(begins) == 1, told
    message = told[begins[0] :]
    assert "warning:" not in message
    for part in parts:
        assert part in message, message


def test_the_line_that_is_told_works_when_pasted(user: Any, smears: str) -> None:
    told = user("train", "yolov8n", smears, *BLANK.split(), code=2).stderr
    (line,) = re.findall(r"-> kit (data split .*)", told)
    words = shlex.split(line)
    out = words[words.index("--out") + 1]
    user(*words, makes=[out])
    assert {"train", "valid", "test"} <= set(user.json("data", "check", out)["pictures"])


def no_privilege() -> None:
    """Take from root, in a child, the right to read what its mode forbids."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            raise OSError("a capability can't be dropped")


@pytest.mark.parametrize("part", [".", "images"])
def test_an_unreadable_dataset(user: Any, smears: str, spoiled: Path, part: str) -> None:
    options = {"preexec_fn": no_privilege} if os.geteuid() == 0 else {}
    shutil.copytree(user.folder / smears, spoiled, dirs_exist_ok=True)
    (spoiled / part).chmod(0)
    look = [sys.executable, "-c", "import os, sys; os.listdir(sys.argv[1])", str(spoiled / part)]
    try:
        told = subprocess.run(look, capture_output=True, text=True, check=False, **options)
    except subprocess.SubprocessError:
        pytest.skip("root reads everything, and can't drop that right here")
    if "PermissionError" not in told.stderr:
        pytest.skip("this user reads everything")
    told = user("data", "check", "bad", code=2, **options).stderr
    assert_one_message(told, "bad", "not allowed to read", "chmod")


def test_a_download_script_is_named_and_never_run(user: Any, parted: str, spoiled: Path) -> None:
    shutil.copytree(user.folder / parted, spoiled, dirs_exist_ok=True)
    with (spoiled / "data.yaml").open("a") as file:
        file.write('download: |\n  import os\n  os.system("touch was-run")\n')
    checked = user.json("data", "check", "bad")
    assert "download_ignored" in {finding["code"] for finding in checked["findings"]}
    done = user("train", "yolov8n", "bad", *BLANK.split(), makes=["new"])
    assert "warning: 1 download script(s): never run" in done.stderr
    assert not list(user.root.rglob("was-run"))


def test_a_score_without_a_picture_is_refused(
    user: Any, parted: str, exported: str, spoiled: Path
) -> None:
    shutil.copytree(user.folder / parted, spoiled, dirs_exist_ok=True)
    picture = min((spoiled / "test" / "images").iterdir())
    picture.write_bytes(b"")
    done = user("evaluate", exported, "bad", "--threads", "1", code=2)
    assert re.search(rf"error: .*{picture.name}.*1 picture.*can't be decoded", done.stderr)
    assert "before scoring" in done.stderr


# A full disk


def small_files(limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_a_run_goes_on_after_the_disk_was_full(user: Any, parted: str) -> None:
    """20 MB hold the best weights, not the state."""
    words = ["train", "yolov8n", parted, *BLANK.split()]
    told = user(*words, code=1, makes=["new"], preexec_fn=small_files(20_000_000)).stderr
    assert_one_message(told, "state.pt", "the disk is full", "--resume")
    hidden = [path.name for path in (user.folder / "new").iterdir() if path.name[0] == "."]
    assert hidden == [".lock"]
    user(*words, "--resume", makes=["new"])
    assert json.loads(user("verify", "new/best", "--json", "-").stdout)["unnamed"] == []


@pytest.mark.parametrize(
    "words",
    [
        "data split {smears} --out new",
        "data convert {data} --to voc --out new",
        "sample {data} --fraction 1 --out new",
        "detect {onnx} {smears}/images --out new",
        "evaluate {onnx} {data} --out new",
        "export {run}/best --out new",
    ],
)
def test_no_room_leaves_nothing(
    user: Any, smears: str, parted: str, trained: str, exported: str, words: str
) -> None:
    """No file may be longer than 200 bytes."""
    names = {"smears": smears, "data": parted, "run": trained, "onnx": exported}
    typed = shlex.split(words.format(**names))
    told = user(*typed, code=1, preexec_fn=small_files(200)).stderr
    assert_one_message(told, "file is larger")


@pytest.fixture
def small_disk(user: Any) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder: Path = user.folder / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_disk_that_is_full(user: Any, trained: str, small_disk: Path) -> None:
    told = user("export", f"{trained}/best", "--out", "small/new", code=1).stderr
    assert_one_message(told, "the disk is full")


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_goes_on(user: Any, parted: str, number: int, code: int) -> None:
    words = ["train", "yolov8n", parted, "--start", "random", "--size", "64", "--epochs", "6",
             "--batch", "4", "--threads", "1", "--out", "new"]  # fmt: skip
    process = user.start(*words)
    told = []
    for line in process.stderr:
        told.append(line)
        if re.match(r"\s*1/6\s", line):
            process.send_signal(number)
            break
    told.append(process.communicate(timeout=120)[1])
    assert process.returncode == code, "".join(told)
    assert_one_message("".join(told), "of 6, saved", "--resume")
    assert "Traceback" not in "".join(told)
    assert not (user.folder / "new" / "best").exists()
    done = user(*words, "--resume", makes=["new"])
    assert "going on in epoch" in done.stderr
    history = json.loads((user.folder / "new" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    user("verify", "new/best")


def film(path: Path, frames: int) -> None:
    with closing(VideoWriter(path, 25)) as writer:
        for number in range(frames):
            writer.write(np.full((96, 128, 3), number % 250, np.uint8))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_stream_is_kept(
    user: Any, exported: str, spoiled: Path, number: int, code: int
) -> None:
    film(spoiled / "film.mp4", 4000)
    words = ["detect", exported, "bad/film.mp4", "--threads", "1", "--out", "new", "--json", "-"]
    process = user.start(*words)
    rows = user.folder / "new" / "detections.jsonl"
    end = time.monotonic() + 60
    while not (rows.exists() and rows.stat().st_size):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(number)
    said, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert_one_message(told, "stopped after", "what was found is in new")
    frames = json.loads(said)["frames"]
    assert 0 < frames < 4000
    assert [json.loads(line)["frame"] for line in rows.open()] == list(range(frames))
    with closing(Video(user.folder / "new" / "drawn.mp4")) as drawn:
        assert drawn.frames == frames == len(list(drawn))


def test_a_video_that_breaks_is_kept_up_to_there(user: Any, exported: str, spoiled: Path) -> None:
    film(spoiled / "film.avi", 300)
    whole = (spoiled / "film.avi").read_bytes()
    (spoiled / "film.avi").write_bytes(whole[: len(whole) // 2])
    done = user("detect", exported, "bad/film.avi", "--out", "new", "--json", "-", makes=["new"])
    told = json.loads(done.stdout)
    assert f"warning: bad/film.avi tells of 300 frames, {told['frames']}" in done.stderr
    rows = (user.folder / "new" / "detections.jsonl").read_text().splitlines()
    with closing(Video(user.folder / "new" / "drawn.mp4")) as drawn:
        assert len(rows) == len(list(drawn)) == told["frames"] < 300
    assert len(done.stdout) < 2000  # whatever its length
