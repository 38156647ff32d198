"""Detectron2's Faster R-CNN X101-32x8d-FPN, by the names and in the order our network has.

Its parts have other names, its pixels are BGR, and its background is the last class, without a
box, instead of the first. Mean and deviation of its pixels are torchvision's in the other order;
anchors, pooling and the layout of all other tensors are the same, or our network is built as there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from kit.errors import WeightsError

_BODY = "backbone.bottom_up."
_BLOCK = rf"{re.escape(_BODY)}res(?P<stage>\d)\.(?P<block>\d+)"
_NAMES = {
    rf"{re.escape(_BODY)}stem\.conv1\.norm": "backbone.body.bn1",
    rf"{re.escape(_BODY)}stem\.conv1": "backbone.body.conv1",
    rf"{_BLOCK}\.shortcut\.norm": "backbone.body.layer{layer}.{block}.downsample.1",
    rf"{_BLOCK}\.shortcut": "backbone.body.layer{layer}.{block}.downsample.0",
    rf"{_BLOCK}\.conv(?P<conv>\d)\.norm": "backbone.body.layer{layer}.{block}.bn{conv}",
    rf"{_BLOCK}\.conv(?P<conv>\d)": "backbone.body.layer{layer}.{block}.conv{conv}",
    r"backbone\.fpn_lateral(?P<stage>\d)": "backbone.fpn.inner_blocks.{level}.0",
    r"backbone\.fpn_output(?P<stage>\d)": "backbone.fpn.layer_blocks.{level}.0",
    r"proposal_generator\.rpn_head\.conv": "rpn.head.conv.0.0",
    r"proposal_generator\.rpn_head\.objectness_logits": "rpn.head.cls_logits",
    r"proposal_generator\.rpn_head\.anchor_deltas": "rpn.head.bbox_pred",
    r"roi_heads\.box_head\.fc1": "roi_heads.box_head.fc6",
    r"roi_heads\.box_head\.fc2": "roi_heads.box_head.fc7",
    r"roi_heads\.box_predictor\.cls_score": "roi_heads.box_predictor.cls_score",
    r"roi_heads\.box_predictor\.bbox_pred": "roi_heads.box_predictor.bbox_pred",
}
"""Modules there and here. Stages are counted from the finest map's stride there (res2, 2 ** 2), our
layers from 1 and the pyramid's levels from 0."""


def is_layout(state: Mapping[str, Tensor]) -> bool:
    """Whether these are the names of a pyramid of Detectron2's."""
    return any(name.startswith(_BODY) for name in state)


def convert(state: Mapping[str, Tensor], *, where: object = None) -> dict[str, Tensor]:
    """Rename and reorder. Tensors that are no weights (anchors, pixel statistics) are left out.

    Raises:
        WeightsError: of another of Detectron2's models; the pixels or strides of some differ, and
            the tensors would fit all the same.
    """
    grouped = state.get(f"{_BODY}res2.0.conv2.weight")
    if grouped is None or tuple(grouped.shape) != (256, 8, 3, 3):
        raise WeightsError(
            "of Detectron2's models only Faster R-CNN X101-32x8d-FPN can be read", where=where
        )
    found = {}
    for name, value in state.items():
        module, _, tensor = name.rpartition(".")
        own = _own_name(module)
        if own is None:
            continue
        if own == "backbone.body.conv1":
            value = value.flip(1)
        elif own == "roi_heads.box_predictor.cls_score":
            value = value.roll(1, 0)
        elif own == "roi_heads.box_predictor.bbox_pred":
            value = torch.cat([torch.zeros_like(value[:4]), value])
        found[f"{own}.{tensor}"] = value
    return found


def _own_name(module: str) -> str | None:
    for pattern, template in _NAMES.items():
        if match := re.fullmatch(pattern, module):
            stage = int(match.groupdict().get("stage", 2))
            return template.format(layer=stage - 1, level=stage - 2, **match.groupdict())
    return None
