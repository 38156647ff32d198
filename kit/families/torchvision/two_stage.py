"""Faster R-CNN (Ren et al., 2015): proposals first, then what each of them shows.

The vendor's network answers with losses while training and with detections otherwise, for pictures
of any size. Here its parts are called one by one on inputs of one size: one pass can give both, and
every shape is fixed but that of a suppression's answer, which is filled up or cut.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.ops import nms

from kit.families import Graph, Outputs
from kit.families.torchvision.networks import thaw
from kit.families.torchvision.parts import clip, map_sizes, prepare

ROWS = 300
"""Rows of the graph's outputs: as many as a bundle shows of one picture."""

CANDIDATES = 2000
"""Pairs of a proposal and a class, best first, that enter the last suppression."""

SMALLEST = 1e-2
"""Side of a detection in pixels, as the vendor has it."""


class Seen(NamedTuple):
    """What the first stage makes of a batch.

    Attributes:
        maps: the pyramid, finest first.
        objectness: ``(B, A)`` logits of the anchors, level by level.
        moves: ``(B, A, 4)`` of the anchors, towards objects.
        anchors: ``(n, 4)`` xyxy in input pixels, of each level.
        size: side of the input in pixels.
    """

    maps: Mapping[str, Tensor]
    objectness: Tensor
    moves: Tensor
    anchors: Sequence[Tensor]
    size: int


class Proposals(NamedTuple):
    """Where one picture may show an object.

    Attributes:
        boxes: ``(P, 4)`` xyxy in input pixels; rows that are not used are zero.
        used: ``(P,)`` bool.
    """

    boxes: Tensor
    used: Tensor


def look(network: Any, images: Tensor, anchors: Sequence[Tensor] | None = None) -> Seen:
    """The first stage on ``(B, S, S, 3)`` uint8 BGR."""
    size = int(images.shape[1])
    maps = network.backbone(prepare(images, network))
    scores, moves = network.rpn.head(list(maps.values()))
    if anchors is None:
        sizes = [(each.shape[2], each.shape[3]) for each in maps.values()]
        anchors = [each.to(images.device) for each in anchors_of(network, sizes, size)]
    return Seen(
        maps,
        torch.cat([each.permute(0, 2, 3, 1).flatten(1) for each in scores], 1).float(),
        torch.cat(
            [each.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3) for each in moves], 1
        ).float(),
        anchors,
        size,
    )


def anchors_of(network: Any, sizes: Sequence[tuple[int, int]], size: int) -> list[Tensor]:
    """``(n, 4)`` xyxy in input pixels for each map.

    Args:
        sizes: height and width of the maps.
        size: side of the input.
    """
    strides = [(size // height, size // width) for height, width in sizes]
    found: list[Tensor] = network.rpn.anchor_generator.grid_anchors(sizes, strides)
    return found


def propose(network: Any, seen: Seen) -> list[Proposals]:
    """The best boxes of each picture; more of them while the network is training."""
    with torch.no_grad():
        pairs = zip(seen.objectness, seen.moves, strict=True)
        return [_propose(network.rpn, *pair, seen) for pair in pairs]


def _propose(rpn: Any, objectness: Tensor, moves: Tensor, seen: Seen) -> Proposals:
    chosen, levels, first = [], [], 0
    for level, anchors in enumerate(seen.anchors):
        count = min(rpn.pre_nms_top_n(), len(anchors))
        chosen.append(objectness[first : first + len(anchors)].topk(count).indices + first)
        levels.append(torch.full((count,), level, device=objectness.device))
        first += len(anchors)
    index, level_of = torch.cat(chosen), torch.cat(levels)
    boxes = rpn.box_coder.decode_single(moves[index], torch.cat(list(seen.anchors))[index])
    boxes, scores = clip(boxes, seen.size), objectness[index].sigmoid()
    useful = _sides_reach(boxes, rpn.min_size) & (scores >= rpn.score_thresh)
    scores = scores.where(useful, -1.0)  # last, so that they neither suppress nor take a place
    kept = suppress(boxes, scores, level_of, seen.size, rpn.nms_thresh, rpn.post_nms_top_n())
    boxes, scores = _with_zero(boxes)[kept], torch.cat([scores, -scores.new_ones(1)])[kept]
    used = scores >= 0
    return Proposals(boxes * used[:, None], used)


def judge(network: Any, seen: Seen, regions: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The second stage: class logits ``(M, C + 1)``, background first, and moves
    ``(M, 4 * (C + 1))`` of the regions of all pictures, one after another."""
    heads, sizes = network.roi_heads, [(seen.size, seen.size)] * len(regions)
    pooled = heads.box_roi_pool(seen.maps, list(regions), sizes)
    logits, moves = heads.box_predictor(heads.box_head(pooled))
    return logits.float(), moves.float()


def answers(
    network: Any,
    seen: Seen,
    proposals: Sequence[Proposals],
    logits: Sequence[Tensor],
    moves: Sequence[Tensor],
) -> Outputs:
    """The graph's outputs, from what was judged of each picture's proposals."""
    each = [
        _detect(network.roi_heads, *judged, seen.size)
        for judged in zip(proposals, logits, moves, strict=True)
    ]
    boxes, scores = (torch.stack(column) for column in zip(*each, strict=True))
    means = [each.mean((2, 3)) for each in _different(seen.maps)]
    return Outputs(boxes, scores, torch.cat(means, 1).float())


def _different(maps: Mapping[str, Tensor]) -> list[Tensor]:
    """Without the coarsest, which is a part of the one before it."""
    return list(maps.values())[:-1]


def _detect(
    heads: Any, proposals: Proposals, logits: Tensor, moves: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """Boxes ``(ROWS, 4)`` and scores ``(ROWS, C)`` of one picture; a row has one class."""
    columns = heads.box_predictor.cls_score.out_features
    scores = logits.softmax(1)[:, 1:] * proposals.used[:, None]
    best = scores.flatten().topk(min(CANDIDATES, scores.numel()))
    row, label = best.indices // (columns - 1), best.indices % (columns - 1)
    own = moves.reshape(-1, 4)[row * columns + label + 1]
    boxes = clip(heads.box_coder.decode_single(own, proposals.boxes[row]), size)
    values = best.values.where(_sides_reach(boxes, SMALLEST), 0.0)
    kept = suppress(boxes, values, label, size, heads.nms_thresh, ROWS)
    boxes, values = _with_zero(boxes)[kept], _with_zero(values)[kept]
    hot = _with_zero(label)[kept][:, None] == torch.arange(columns - 1, device=label.device)
    return boxes, hot * values[:, None]


def suppress(
    boxes: Tensor, scores: Tensor, groups: Tensor, size: int, iou: float, count: int
) -> Tensor:
    """Greedy suppression within each group: ``(count,)`` indices, best first. Where there are not
    so many, ``len(boxes)`` fills them up.

    Args:
        boxes: ``(n, 4)`` within an input of ``size`` pixels.
        scores, groups: ``(n,)``.
        iou: boxes that overlap more than this with a better one are dropped.
    """
    apart = boxes + (groups * (size + 1))[:, None]  # groups lie side by side, and never overlap
    kept = nms(apart, scores, iou)
    return torch.cat([kept, kept.new_full((count,), len(boxes))])[:count]


def _sides_reach(boxes: Tensor, smallest: float) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2] >= smallest).all(1)


def _with_zero(rows: Tensor) -> Tensor:
    """One more row, of zeros, for the places that nothing fills."""
    return torch.cat([rows, torch.zeros_like(rows[:1])])


class TwoStageGraph(Graph):
    """uint8 BGR images to boxes, scores and pooled features: the graph waist. Suppression is
    inside, since the second stage needs the first one's."""

    def __init__(self, network: Any, size: int) -> None:
        super().__init__()
        self.network: Any = thaw(copy.deepcopy(network)).eval()
        every = anchors_of(self.network, map_sizes(self.network, size), size)
        self._levels = [f"anchors{level}" for level in range(len(every))]
        for name, anchors in zip(self._levels, every, strict=True):
            self.register_buffer(name, anchors)

    def maps(self, images: Tensor) -> list[Tensor]:
        return _different(self.network.backbone(prepare(images, self.network)))

    def forward(self, images: Tensor) -> Outputs:
        network, anchors = self.network, [getattr(self, name) for name in self._levels]
        seen = look(network, images, anchors)
        proposals = propose(network, seen)
        judged = judge(network, seen, [each.boxes for each in proposals])
        each = (torch.split(part, len(proposals[0].boxes)) for part in judged)
        return answers(network, seen, proposals, *each)
