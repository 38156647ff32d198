"""Pictures that show the same: equal files, and near-duplicates by a perceptual hash.

The hash is dHash (Krawetz 2013, "Kind of Like That"): is each of 8 x 8 places darker than its
right neighbour. It is written out here, since the ImageHash package would bring SciPy and
PyWavelets along to the edge image for these few lines.

``DISTANCE`` and ``CORRELATION`` were chosen on BCCD, Mask Wearing, Vehicles and COCO128: of changes
in brightness, gamma, sharpness and JPEG quality 97 to 100 % stay within them, of a 3 % crop 92 %
and more, while of their 280,000 pairs of different pictures none does; the nearest of those are 10
bits apart.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.errors import DataError
from kit.pixels import decode_picture
from kit.progress import SILENT, Progress
from kit.types import Picture

DISTANCE = 7
"""Bits two hashes may differ in."""

CORRELATION = 0.95
"""What the thumbnails' correlation must exceed, so that look-alikes are not called duplicates."""

_FLAT = 2.0  # grey levels; a picture with less contrast has a hash of noise
_THUMB = 16
_BANDS, _BAND_BITS = 4, 16
_BLOCK = 256  # pictures handed to the threads at once: how late Ctrl-C may be answered
_PAIRS = 1 << 22  # candidate pairs held in memory at once


@dataclass(frozen=True, eq=False)
class Look:
    """How one picture looks, in a few hundred bytes.

    Attributes:
        hash: dHash of the picture, 64 bits, row by row from the top left, most significant first;
            ``mirrored``: of its mirror image.
        thumb: ``(16, 16)`` uint8 grey.
        size: ``(width, height)`` as decoded.
    """

    hash: int
    mirrored: int
    thumb: NDArray[np.uint8]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Scan:
    """Every picture of a dataset, decoded once.

    Attributes:
        faults: why a picture could not be decoded, by index; such pictures have no duplicates.
        sizes: ``(P, 2)`` int32 width and height as decoded, 0 where it could not be.
        exact: ``(k, 2)`` pairs of equal files, each file with the first like it.
        near: ``(k, 2)`` pairs that look the same, mirror images included, but are not equal files.
    """

    faults: dict[int, str]
    sizes: NDArray[np.int32]
    exact: NDArray[np.int64]
    near: NDArray[np.int64]


def look(picture: Picture) -> Look:
    """Hashes and thumbnail of a picture."""
    grey = _grey(picture, 9, 8)
    return Look(
        hash=_gradient(grey),
        mirrored=_gradient(grey[:, ::-1]),
        thumb=_grey(picture, _THUMB, _THUMB),
        size=(picture.shape[1], picture.shape[0]),
    )


def scan(dataset: Dataset, progress: Progress = SILENT) -> Scan:
    """Decode every picture and find those that show the same."""
    digests: list[str] = []
    looks: list[Look | None] = []
    faults: dict[int, str] = {}

    def read(index: int) -> tuple[str, Look | None, str]:
        path = dataset.path(index)
        try:
            data = _bytes(path)
            picture = decode_picture(data, where=path, bit_depth=dataset.bit_depth)
        except DataError as error:
            return "", None, error.what
        return hashlib.sha256(data).hexdigest(), look(picture), ""

    total = len(dataset)
    for digest, seen, fault in progress.track(_threaded(read, total), "reading pictures", total):
        if seen is None:
            faults[len(looks)] = fault
        digests.append(digest)
        looks.append(seen)
    first: dict[str, int] = {}
    exact = [
        (first[digest], index)
        for index, digest in enumerate(digests)
        if digest and first.setdefault(digest, index) != index
    ]
    keep = np.array([i for i, digest in enumerate(digests) if first.get(digest) == i], np.int64)
    sizes = np.array([seen.size if seen else (0, 0) for seen in looks], np.int32).reshape(-1, 2)
    near = keep[near_duplicates([seen for i in keep if (seen := looks[i]) is not None])]
    return Scan(faults, sizes, np.array(exact, np.int64).reshape(-1, 2), near.reshape(-1, 2))


def near_duplicates(looks: list[Look]) -> NDArray[np.int64]:
    """``(k, 2)`` sorted pairs of pictures that look the same, or like each other's mirror image.

    Hashes propose, thumbnails decide; pictures without contrast have no look to compare.
    """
    count = len(looks)
    if count < 2:
        return np.zeros((0, 2), np.int64)
    thumbs = np.stack([seen.thumb for seen in looks]).astype(np.float32)
    thumbs -= thumbs.mean((1, 2), keepdims=True)
    contrast = np.sqrt((thumbs**2).mean((1, 2)))
    hashes = np.array([seen.hash for seen in looks] + [seen.mirrored for seen in looks], np.uint64)
    pairs = near_pairs(hashes, DISTANCE)
    pairs = pairs[pairs[:, 0] < count]  # two mirror images pair where their pictures do
    mirrored = pairs[:, 1] >= count
    pairs = pairs % count
    found = []
    for flip in (False, True):
        left, right = pairs[mirrored == flip].T
        other = thumbs[:, :, ::-1] if flip else thumbs
        scale = contrast[left] * contrast[right] * _THUMB**2
        alike = np.einsum("nij,nij->n", thumbs[left], other[right]) > CORRELATION * scale
        alike &= (contrast[left] > _FLAT) & (contrast[right] > _FLAT) & (left != right)
        found.append(np.sort(np.stack([left[alike], right[alike]], 1), axis=1))
    return np.unique(np.concatenate(found), axis=0)


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
    """All pairs of hashes that differ in at most ``distance`` bits.

    Multi-index hashing (Norouzi, Punjani and Fleet 2012): of 4 bands of 16 bits one must agree up
    to ``distance // 4`` bits, so hashes are looked up by band, and only those found are compared.

    Args:
        hashes: ``(n,)``.
        distance: 0..63; the work grows steeply above 11.

    Returns:
        ``(k, 2)`` sorted pairs of indices, first below second.
    """
    hashes = np.ascontiguousarray(hashes, np.uint64)
    flips = [
        sum(1 << bit for bit in bits)
        for many in range(distance // _BANDS + 1)
        for bits in combinations(range(_BAND_BITS), many)
    ]
    found = [np.zeros((0, 2), np.int64)]
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        for flip in flips:
            wanted = keys ^ np.uint64(flip)
            starts = np.searchsorted(ranked, wanted, "left")
            counts = np.searchsorted(ranked, wanted, "right") - starts
            for left, right in _expand(starts, counts, order):
                near = (left < right) & (_bits(hashes[left] ^ hashes[right]) <= distance)
                found.append(np.stack([left[near], right[near]], 1))
    return np.unique(np.concatenate(found), axis=0)


def components(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(count,)`` for each item the first of all it is linked to, directly or through others."""
    first = np.arange(count)
    while True:
        lower = np.minimum(first[pairs[:, 0]], first[pairs[:, 1]])
        before = first.copy()
        for side in (0, 1):
            np.minimum.at(first, before[pairs[:, side]], lower)
            np.minimum.at(first, pairs[:, side], lower)
        first = first[first]
        if np.array_equal(first, before):
            return first


def _expand(
    starts: NDArray[np.int64], counts: NDArray[np.int64], order: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Spell out ``order[starts[i]:starts[i] + counts[i]]`` beside i, a bounded lot at a time."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + _PAIRS, "right")))
        part = counts[begin:stop]
        left = np.repeat(np.arange(begin, stop), part)
        within = np.arange(len(left)) - np.repeat(np.cumsum(part) - part, part)
        yield left, order[np.repeat(starts[begin:stop], part) + within]
        begin = stop


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number of ones (Warren, Hacker's Delight, 5-1)."""
    one, two, four = (np.uint64(mask) for mask in _MASKS)
    values = values - ((values >> np.uint64(1)) & one)
    values = (values & two) + ((values >> np.uint64(2)) & two)
    values = (values + (values >> np.uint64(4))) & four
    return np.asarray((values * np.uint64(0x0101010101010101)) >> np.uint64(56), np.int64)


_MASKS = (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F)


def _grey(picture: Picture, width: int, height: int) -> NDArray[np.uint8]:
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def _gradient(grey: NDArray[np.uint8]) -> int:
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"can't be read ({error.strerror or error})", where=path) from error


def _threaded(
    read: Callable[[int], tuple[str, Look | None, str]], total: int
) -> Iterator[tuple[str, Look | None, str]]:
    """Results in order; decoding lets other threads run."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as threads:
        for begin in range(0, total, _BLOCK):
            yield from threads.map(read, range(begin, min(begin + _BLOCK, total)))
