"""A run's state on disk: enough to go on, bit for bit, after a kill at any moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from kit.errors import BundleError, RunFailed
from kit.families.checkpoint import read_tensors
from kit.files import replaced, write_bytes, write_json, write_text

STATE, BEST = "state.pt", "best.safetensors"


@dataclass
class Standing:
    """How far a run has come.

    Attributes:
        epoch: the one under way, or to begin.
        step: steps of it that are done.
        best: highest AP on valid so far, and ``best_epoch`` where.
        history: one row per finished epoch.
        sums: loss of the epoch under way, ``{part: [total, weight]}``.
        seconds: spent in the epoch under way.
        micro: pictures that fit on a device at once; None means a whole batch does.
    """

    epoch: int = 0
    step: int = 0
    best: float = -1.0
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    micro: int | None = None


def save_state(directory: Path, standing: Standing, modules: Mapping[str, Any]) -> None:
    """Write the state beside the old one, then take its name.

    Args:
        modules: anything with ``state_dict()`` or plain tensors, by name.

    Raises:
        RunFailed: the disk is full.
    """
    path = directory / STATE
    content = {"standing": vars(standing), "rng": torch.get_rng_state(), **modules}
    try:
        with replaced(path) as beside:
            torch.save(content, beside)
    except RuntimeError as error:
        if "inline_container" not in str(error):
            raise
        raise RunFailed(  # torch's writer keeps the reason to itself
            "the state can't be written: the disk is full, or fails",
            where=path,
            fix="make room; the same command with --resume goes on",
        ) from error


def load_state(directory: Path) -> tuple[Standing, dict[str, Any]] | None:
    """The last state, or None where the run was stopped before its first.

    Raises:
        BundleError: the file is damaged.
    """
    path = directory / STATE
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        standing = Standing(**content.pop("standing"))
    except Exception as error:  # torch raises whatever a damaged archive makes it raise
        raise BundleError(
            f"the state can't be read ({error})", where=path, fix="start the run again"
        ) from error
    torch.set_rng_state(content.pop("rng"))
    return standing, content


def save_best(directory: Path, network: torch.nn.Module) -> None:
    """Keep weights as the best so far."""
    write_bytes(directory / BEST, weights_bytes(network.state_dict()))


def load_best(directory: Path) -> dict[str, torch.Tensor]:
    return read_tensors(directory / BEST)


def weights_bytes(state: Mapping[str, torch.Tensor]) -> bytes:
    """A state dict in the safetensors format, which holds numbers and no code."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})


def save_history(directory: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """``history.json`` and ``history.csv``: one row per epoch."""
    write_json(directory / "history.json", list(history))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(k for row in history for k in row)))
    writer.writeheader()
    writer.writerows(history)
    write_text(directory / "history.csv", text.getvalue())
