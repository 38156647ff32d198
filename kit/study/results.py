"""What finished cells left behind: figures in result.json, what they are made from in test.npz.

A cell's directory stands alone: it also holds its sample (sample.json) and its run (run/, with
history.json and the bundles best/ and last/).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.binding import bind, plain
from kit.errors import DataError
from kit.evaluate.intervals import Resampled
from kit.evaluate.report import EvalReport, Measurement
from kit.files import load_arrays, read_json, write_bytes, write_json
from kit.study.cell import Cell, Setting
from kit.types import Detections

CELLS, RESULT, TEST = "cells", "result.json", "test.npz"

RESAMPLES = 1000
"""Rows of test scores a cell holds: cells of a study that goes on must pair with those it has."""


@dataclass(frozen=True)
class Result:
    """A finished cell in figures.

    Attributes:
        cell: what was asked for.
        key: sha256 of everything that determined it.
        pictures, objects, class_counts: it was trained on.
        size: side of the input in pixels.
        epochs: trained; ``best_epoch`` is the one kept.
        valid: ``ap`` and ``ap50`` of the kept epoch, in 0..1.
        test: of the checkpoint.
        seconds: of training, validation included.
        energy_wh: of training; None where the machine doesn't tell.
        licence: of the bundle.
        environment: machine, versions and date.
    """

    cell: Cell
    key: str
    pictures: int
    objects: int
    class_counts: Mapping[str, int]
    size: int
    epochs: int
    best_epoch: int
    valid: Mapping[str, float]
    test: EvalReport
    seconds: float
    energy_wh: float | None
    licence: str
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """A result, and the directory it lies in."""

    directory: Path
    result: Result

    @property
    def bundle(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.directory / "run" / "best"

    def history(self) -> list[dict[str, Any]]:
        """The learning curve, a row an epoch: ``epoch, train_loss, valid_loss, train_ap, ap, ap50,
        seconds, valid_seconds`` and more."""
        path = self.directory / "run" / "history.json"
        rows: list[dict[str, Any]] = read_json(path, "a learning curve", error=DataError)
        return rows

    def resampled(self) -> Resampled:
        """Test scores on pictures drawn anew."""
        with self._test() as columns:
            return Resampled(columns["ap"], columns["ap50"])

    def found(self) -> dict[str, Detections]:
        """Detections on every test picture, by its id."""
        with self._test() as columns:
            ends = np.cumsum(columns["lengths"])[:-1]
            boxes, scores, labels = (
                np.split(columns[name], ends) for name in ("xyxy", "scores", "labels")
            )
            rows = zip(columns["ids"], boxes, scores, labels, strict=True)
            return {str(id_): Detections(*found) for id_, *found in rows}

    @contextmanager
    def _test(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        """What was kept of the test pictures; what doesn't fit together is told as damaged."""
        path = self.directory / TEST
        try:
            yield load_arrays(path)
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise DataError(
                "the cell's detections can't be read", where=path, fix="delete the cell's folder"
            ) from error


def save(directory: Path, result: Result, measured: Measurement) -> Finished:
    """Write a cell's result; the last step, after which it counts as done."""
    found = [Detections.empty(), *measured.found]
    columns = {
        "ids": np.array(measured.ids),
        "lengths": np.array([len(each) for each in measured.found], np.int64),
        **{k: np.concatenate([getattr(f, k) for f in found]) for k in ("xyxy", "scores", "labels")},
        **vars(measured.resampled),
    }
    file = io.BytesIO()
    np.savez_compressed(file, **columns)
    write_bytes(directory / TEST, file.getvalue())
    write_json(directory / RESULT, plain(result))
    return Finished(directory, result)


def load(directory: Path) -> Finished:
    """Read a finished cell.

    Raises:
        DataError: it isn't one, or was damaged.
    """
    path = directory / RESULT
    data = read_json(path, "a cell's result", error=DataError, fix="run the study again")
    return Finished(directory, bind(Result, data, where=path, error=DataError))


def load_all(study: Path) -> list[Finished]:
    """Every finished cell below a study's directory, by name.

    Raises:
        DataError: it holds none.
    """
    found = [load(path.parent) for path in sorted((study / CELLS).glob(f"*/{RESULT}"))]
    if not found:
        raise DataError(
            "holds no finished cell", where=study, fix=f"kit study STUDY.yaml --out {study}"
        )
    return found


def by_setting(finished: Sequence[Finished]) -> dict[Setting, list[Finished]]:
    """Cells that differ in nothing but chance, together; by seed and fold."""
    grouped: dict[Setting, list[Finished]] = {}
    for each in sorted(finished, key=lambda f: (f.result.cell.seed, f.result.cell.fold or 0)):
        grouped.setdefault(each.result.cell.setting, []).append(each)
    return grouped
