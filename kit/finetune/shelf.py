"""Room for tensors that are computed once: memory where there is enough, else the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from kit.parts import part

DISK_SHARE = 0.5
"""Of what is free on the disk may be taken, at most."""

_ALIGNED = 64


class Shelf:
    """Holds the tensors of so many things of one size; bounded, and gone with its process.

    Args:
        count: of things expected.
        limit: bytes of memory it may take.
        directory: on whose disk it may take room instead, in a file without a name.
    """

    def __init__(self, count: int, *, limit: int, directory: Path) -> None:
        self._count, self._limit, self._directory = count, limit, directory
        self._room: Tensor | None = None
        self._used = 0

    def put(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
        """Copies of a thing's tensors, of the same layout, that lie here; None where it is full."""
        sizes = [-(-tensor.nbytes // _ALIGNED) * _ALIGNED for tensor in tensors]
        if self._room is None:
            self._room = self._make(sum(sizes) * self._count)
        if self._used + sum(sizes) > len(self._room):
            return None
        kept = []
        for tensor, size in zip(tensors, sizes, strict=True):
            like = torch.empty_like(tensor, device="meta")  # dense, in the order the tensor has
            place = self._room[self._used : self._used + tensor.nbytes].view(tensor.dtype)
            kept.append(place.as_strided(like.shape, like.stride()).copy_(tensor))
            self._used += size
        return tuple(kept)

    def _make(self, wanted: int) -> Tensor:
        if wanted > self._limit:
            try:
                return self._on_disk(wanted)
            except (OSError, AttributeError):  # no room, or a system that can't promise any
                pass
        return torch.empty(min(wanted, self._limit), dtype=torch.uint8)

    def _on_disk(self, wanted: int) -> Tensor:
        self._directory.mkdir(parents=True, exist_ok=True)
        size = min(wanted, int(shutil.disk_usage(self._directory).free * DISK_SHARE))
        if size <= self._limit:
            raise OSError("the disk has less to give than the memory")
        with part(self._directory / "features") as (path, hold):
            os.posix_fallocate(hold.file, 0, size)  # else a full disk would be a signal later
            return torch.from_file(str(path), shared=True, size=size, dtype=torch.uint8)
