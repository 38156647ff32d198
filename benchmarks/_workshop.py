"""A small dataset, and the four kinds of work that are disturbed, as commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from _common import ROOT

RECIPE = "optimizer: adamw\nlr: 0.003\nbatch: 3\nema: 0\nmosaic: 0\naugment: []\n"
STUDY = """\
about: what becomes of it when it is disturbed?
grids:
  - title: disturbed
    models: [yolov8n]
    datasets: [data]
    starts: [random]
    recipes: [small.yaml]
    seeds: [0, 1]
    size: 64
    epochs: 2
"""
EPOCHS = 4
KEPT = 40  # pictures that are kept
WORKS = ("train", "export", "study", "feedback")
COMPLETE = ("the run is complete", "exists already")
"""What a command says that finds its work done."""


@dataclass(frozen=True)
class Ended:
    """A command that came to its end: its exit code, and what it said on standard error."""

    code: int
    told: str

    @property
    def message(self) -> str:
        """Its error, with the advice; empty where there is none."""
        return self.told[self.told.find("error: ") :].strip() if "error: " in self.told else ""

    @property
    def is_one_message(self) -> bool:
        """Whether it failed as it should: with one error, and no traceback."""
        clear = self.told.count("error: ") == 1 and "Traceback" not in self.told
        return self.code > 0 and clear


@dataclass(frozen=True)
class Workshop:
    """A folder with data, recipe and study, in which commands are run.

    Args:
        root: an empty folder.
    """

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def furnish(self) -> None:
        """Make the data; every command then works on the same."""
        from kit.data import smear

        smear.make(self.root / "smears", pictures=12, size=(128, 96))
        (self.root / "small.yaml").write_text(RECIPE)
        (self.root / "study.yaml").write_text(STUDY)
        self.require(self.kit("data", "split", "smears", "--fractions", "0.5,0.25,0.25",
                              "--out", "data"))  # fmt: skip

    def command(self, work: str, out: str, *more: str) -> list[str]:
        """What begins or goes on with a work in the folder ``out``."""
        if work == "train":
            begun = (self.root / out / "run.json").is_file()
            words = ["train", "yolov8n", "data", "--start", "random", "--recipe", "small.yaml",
                     "--size", "64", "--epochs", str(EPOCHS), "--threads", "1", "--workers", "1",
                     "--out", out, *(["--resume"] if begun else []), *more]  # fmt: skip
            return _kit(words)
        if work == "export":
            return _kit(["export", "train-whole/best", "--threads", "1", "--out", f"{out}/onnx"])
        if work == "study":
            return _kit(["study", "study.yaml", "--threads", "1", "--out", out])
        return keeping("pictures", out, KEPT)

    def start(
        self, command: Sequence[str], told: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Begin a command, as a group of processes of its own; what it says goes to a file."""
        own = {"PYTHONPATH": str(ROOT), "KIT_CACHE": str(self.root / "cache"),
               "TMPDIR": str(self.root / "tmp"), "COLUMNS": "300"}  # fmt: skip
        (self.root / "tmp").mkdir(exist_ok=True)
        with told.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.root,
                env={**os.environ, **own, **self.environment, **(environment or {})},
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )

    def run(self, command: Sequence[str], **environment: str) -> Ended:
        """Run a command to its end."""
        told = self.root / "told.txt"
        code = self.start(command, told, environment).wait()
        return Ended(code, told.read_text(errors="replace").replace(f"{self.root}/", ""))

    def kit(self, *words: str, **environment: str) -> Ended:
        """Run a command of the kit to its end."""
        return self.run(_kit(words), **environment)

    def finish(self, work: str, out: str, **environment: str) -> Ended:
        """Do a work, or what is left of it, undisturbed; what is done already is done."""
        ended = self.run(self.command(work, out), **environment)
        done = ended.code == 2 and any(text in ended.message for text in COMPLETE)
        return Ended(0, "") if done else ended

    def require(self, ended: Ended) -> None:
        """Raise where a command failed that nothing disturbed.

        Raises:
            RunFailed: with what it said.
        """
        from kit.errors import RunFailed

        if ended.code:
            raise RunFailed(f"it ended with {ended.code} undisturbed: {ended.told[-2000:]}")


def _kit(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "kit.cli.root", *words]


def keeping(what: str, place: str, count: int) -> list[str]:
    """The command of :mod:`_keeping`."""
    return [sys.executable, str(ROOT / "benchmarks" / "_keeping.py"), what, place, str(count)]
