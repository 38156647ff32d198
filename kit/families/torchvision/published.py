"""Published checkpoints, as tensors by the names our networks use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

from kit.errors import WeightsError
from kit.families.checkpoint import read_checkpoint, read_pickle
from kit.families.torchvision import detectron2

_EPSILON = 1e-5  # of normalisation as it is built now
_COUNT = "num_batches_tracked"  # what only learnt statistics have
_SHOT_CLASSES = re.compile(r"head\.classification_head\.module_list\.\d\.1\.")
_CATEGORIES = FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]
_OBJECTS = [index for index, name in enumerate(_CATEGORIES) if name != "N/A"]
"""Of the 91 rows of a COCO head, the background and the 80 ids that objects carry. No object ever
had another id, so their rows say never, and are left out."""


def read_published(path: Path) -> dict[str, Tensor]:
    """Read torchvision's own layout (old and new), or Detectron2's.

    Raises:
        WeightsError: unreadable, unsafe, or neither.
    """
    content = read_pickle(path) if path.suffix == ".pkl" else read_checkpoint(path)
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]  # beside optimizer or author
    state = _tensors(content)
    if detectron2.is_layout(state):
        return detectron2.convert(state, where=path)
    if not any(name.startswith("backbone.") for name in state):
        raise WeightsError("holds no detector of torchvision's", where=path)
    return _eighty(_renamed(_with_epsilon(state)))


def _tensors(content: Any) -> dict[str, Tensor]:
    state = {}
    for name, value in content.items() if isinstance(content, Mapping) else ():
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        if isinstance(value, Tensor):
            state[str(name)] = value.float() if value.is_floating_point() else value
    return state


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Files older than torchvision 0.13 have no level for what came to stand beside the filters."""
    new = {}
    for name, value in state.items():
        *path, last = name.split(".")
        stem = ".".join(path)
        if stem == "rpn.head.conv":
            stem += ".0.0"
        elif stem.startswith(("backbone.fpn.inner_blocks.", "backbone.fpn.layer_blocks.")):
            stem += ".0" if len(path) == 4 else ""
        new[f"{stem}.{last}"] = value
    return new


def _with_epsilon(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The ResNet-50 with frozen normalisation was trained when that had no epsilon
    (pytorch/vision#2933). Ours has one, so the scale takes it up: the function is the same.

    It is the only such file in the old naming on a ResNet; the vendor tells it by its address.
    """
    names = ("rpn.head.conv.weight", "backbone.body.bn1.running_var")
    if not all(name in state for name in names) or any(n.endswith(_COUNT) for n in state):
        return state
    for name in [name for name in state if name.endswith(".running_var")]:
        scale, variance = name.removesuffix("running_var") + "weight", state[name].double()
        factor = ((variance + _EPSILON) / variance).sqrt()
        state[scale] = (state[scale].double() * factor).float()
    return state


def _eighty(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Heads of 91 outputs have 81 from here on."""
    every, kept = len(_CATEGORIES), torch.tensor(_OBJECTS)
    for name, value in state.items():
        if name.startswith("roi_heads.box_predictor.") and len(value) in (every, 4 * every):
            state[name] = torch.unflatten(value, 0, (every, -1))[kept].flatten(0, 1)
        elif _SHOT_CLASSES.match(name) and len(value) % every == 0:
            state[name] = torch.unflatten(value, 0, (-1, every))[:, kept].flatten(0, 1)
    return state
