"""The bundles that are served, opened once, and whose turn it is to look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import numpy as np

from kit import door
from kit.app.settings import Settings
from kit.bundle import CARD, Bundle, open_bundle
from kit.errors import BundleError, KitError, OutOfMemory, RunFailed
from kit.types import Detector, Picture, Result

FLOOR = 0.05
"""Lowest score that the page can show; the slider moves above it without a new look."""

_PROBE_SECONDS = 10.0

_DEMO = "runs/quickstart*"
_PARTS = ("documented", "onnx")


@dataclass(frozen=True, eq=False)
class Served:
    """A bundle that visitors can choose.

    Attributes:
        name: by which it is asked for.
        turns: looks wait here, first come first served, whoever asks. A camera never has more than
            one waiting, so eight of them take turns and none starves.
        failing: set while the last look failed for the machine's sake, e.g. of a lost device.
    """

    name: str
    bundle: Bundle
    detector: Detector
    turns: ThreadPoolExecutor = field(repr=False)
    failing: Event = field(default_factory=Event, repr=False)

    @property
    def title(self) -> str:
        """For people: what it is, and which of several."""
        card = self.bundle.card
        return f"{card.name}, {card.precision} ({self.name})"

    @property
    def floor(self) -> float:
        """Lowest score asked for: low enough for the slider, and for every threshold."""
        return min(FLOOR, *self.bundle.card.thresholds)

    @property
    def threshold(self) -> float | dict[str, float]:
        """The operating point: for all classes where it is the same, else by class."""
        card = self.bundle.card
        by_class = dict(zip(card.classes, card.thresholds, strict=True))
        return card.thresholds[0] if len(set(card.thresholds)) == 1 else by_class

    def look(self, picture: Picture) -> Future[Result]:
        """Detect on a picture when it is its turn."""
        return self.turns.submit(self._detect, picture)

    def _detect(self, picture: Picture) -> Result:
        try:
            result = self.detector.detect([picture], floor=self.floor)[0]
        except RunFailed as error:
            if not isinstance(error, OutOfMemory):  # of this picture; the next may fit
                self.failing.set()
            raise
        self.failing.clear()
        return result

    def try_out(self) -> Future[Result]:
        """Look at a black picture: is there anything that looks?"""
        return self.look(np.zeros((64, 64, 3), np.uint8))

    def works(self) -> bool:
        """Whether it can look now; where the last look failed, it is tried out."""
        if not self.failing.is_set():
            return True
        try:
            self.try_out().result(_PROBE_SECONDS)
        except (KitError, NotInTime):
            return False
        return True


class Shelf(Mapping[str, Served]):
    """Bundles by name, in the order they were given."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = dict(served)

    @classmethod
    def open(cls, settings: Settings) -> Shelf:
        """Open every bundle, and run each once, so that the first visitor doesn't wait.

        Raises:
            BundleError: missing, damaged, not signed with the key, a checkpoint, or it can't run.
            RunFailed: the machine can't run it.
        """
        folders = settings.bundles or (_demo(),)
        turns = ThreadPoolExecutor(1, "kit-turn")  # of all bundles: they share the processor
        served = {}
        for folder, name in zip(folders, _names(folders), strict=True):
            bundle = open_bundle(folder)
            if bundle.card.kind == "checkpoint":
                raise BundleError(
                    "a checkpoint: the app serves what was exported",
                    where=folder,
                    fix=f"kit export {folder} --precision fp32 --out {folder}-onnx",
                )
            detector = door.open(
                bundle,
                backend=settings.backend,
                device=settings.device,
                threads=settings.threads,
                key=settings.key,
                shrink=True,
            )
            served[name] = Served(name, bundle, detector, turns)
            _warm_up(served[name])
        return cls(served)

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    @property
    def first(self) -> Served:
        return next(iter(self._served.values()))


def _warm_up(served: Served) -> None:
    folder = served.bundle.directory
    try:
        served.try_out().result()
    except KitError as error:
        kind = RunFailed if isinstance(error, RunFailed) else BundleError
        raise kind(f"can't look at a picture: {error.what}", where=folder, fix=error.fix) from error


def _demo() -> Path:
    """What the last quick start made."""
    made = sorted(Path().glob(_DEMO), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in made:
        for part in _PARTS:
            if (folder / part / CARD).is_file():
                return folder / part
    raise BundleError(
        "no bundle was named, and there is no demo bundle in runs/",
        fix="kit serve BUNDLE, or make the demo first: make quickstart (or kit quickstart)",
    )


def _names(folders: tuple[Path, ...]) -> list[str]:
    """The shortest ends of their paths that tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    names = ["/".join(each[-1:]) for each in parts]
    for length in range(2, max(map(len, parts)) + 1):
        if len(set(names)) == len(names):
            break
        names = [
            "/".join(each[-length:]) if names.count(name) > 1 else name
            for each, name in zip(parts, names, strict=True)
        ]
    if len(set(names)) < len(names):
        raise BundleError("a bundle is named twice", where=", ".join(map(str, folders)))
    return names
