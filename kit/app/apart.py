"""Which split a kept picture goes into: one in five is set aside, and what looks the same stays
together, since a scene in train and in valid would flatter whatever learns from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from kit.data.similar import Look, near_duplicates

KEPT = "kept"
"""Key of a picture's and a box's provenance; our reader hands it on, others pass it over."""

LOOKS = "looks"
"""Key in it: how a picture looks."""

_FIFTH = 5


def split_of(lists: dict[str, dict[str, Any]], old: dict[str, Any] | None, seen: Look) -> str:
    """Where a picture goes: where it is, else where its like is, else by its number.

    Args:
        lists: the COCO list of each split.
        old: its entry there, where it was kept before.
        seen: how it looks.
    """
    images = [(split, each) for split, content in lists.items() for each in content["images"]]
    for split, each in images:
        if each is old:
            return split
    known = [(split, look) for split, each in images if (look := _unpacked(each)) is not None]
    pairs = near_duplicates([*(look for _, look in known), seen])
    for one, other in pairs.tolist():
        if other == len(known):
            return str(known[one][0])
    aside = len(lists["valid"]["images"])
    return "valid" if images and _FIFTH * aside < len(images) + _FIFTH - 1 else "train"


def packed(seen: Look) -> str:
    """How a picture looks, as text: so that another's like is found without reading pictures."""
    bits = f"{seen.hash:016x}{seen.mirrored:016x}"
    return bits + seen.thumb.tobytes().hex()


def _unpacked(entry: dict[str, Any]) -> Look | None:
    """None where somebody took it out."""
    try:
        data = bytes.fromhex(entry[KEPT][LOOKS])
        thumb = np.frombuffer(data[16:], np.uint8).reshape(16, 16)
        size = int(entry["width"]), int(entry["height"])
    except (KeyError, TypeError, ValueError):
        return None
    return Look(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:16], "big"), thumb, size)
