"""The loss of Faster R-CNN, as sums over the anchors and the proposals that are sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kit.families import Outputs, Part, Targets, gains
from kit.families.torchvision.parts import truth_of
from kit.families.torchvision.two_stage import Seen, answers, judge, look, propose

BETA = 1 / 9
"""Where the losses of boxes turn from square to absolute, as the vendor trains."""

IGNORED = -1
"""Label of a region that is neither object nor background."""

Truth = Mapping[str, Tensor]


class Sample(NamedTuple):
    """Regions of one picture to learn from.

    Attributes:
        rows: ``(n,)`` of the regions.
        labels: ``(n,)``; 0 is the background.
        moves: ``(k, 4)`` from the regions that show an object to its box.
    """

    rows: Tensor
    labels: Tensor
    moves: Tensor


class TwoStageLoss(nn.Module):
    """The vendor's four losses: ``objectness`` and ``proposal`` (its box) of anchors, ``cls`` and
    ``box`` of proposals. ``extra`` may set the gain of each.

    What is sampled follows torch's generator, on the CPU whatever the device; validation samples
    the same every time.
    """

    GAINS: Mapping[str, float] = {"objectness": 1.0, "proposal": 1.0, "cls": 1.0, "box": 1.0}

    def __init__(self, network: Any, extra: Mapping[str, Any]) -> None:
        super().__init__()
        self.network: Any = network
        self._gains = gains(extra, self.GAINS)

    def forward(self, images: Tensor, targets: Targets) -> dict[str, Part]:
        network, truth = self.network, truth_of(targets, len(images))
        seen = look(network, images)
        regions = [
            torch.cat([proposals.boxes[proposals.used], own["boxes"]])
            for proposals, own in zip(propose(network, seen), truth, strict=True)
        ]
        samples = [self._sample(*pair, None) for pair in zip(regions, truth, strict=True)]
        regions = [boxes[each.rows] for boxes, each in zip(regions, samples, strict=True)]
        judged = judge(network, seen, regions)
        return self._parts(seen, truth, *judged, samples, None)

    def validate(self, images: Tensor, targets: Targets) -> tuple[dict[str, Part], Outputs]:
        network, truth = self.network.eval(), truth_of(targets, len(images))
        generator = torch.Generator().manual_seed(0)
        seen = look(network, images)
        proposals = propose(network, seen)
        # the true boxes are judged beside the proposals, for the loss, but are never answers
        regions = [
            torch.cat([each.boxes, own["boxes"]])
            for each, own in zip(proposals, truth, strict=True)
        ]
        counts = [len(boxes) for boxes in regions]
        judged = [torch.split(part, counts) for part in judge(network, seen, regions)]
        samples = [
            self._sample(boxes, own, generator, each.used)
            for boxes, own, each in zip(regions, truth, proposals, strict=True)
        ]
        logits, moves = (
            torch.cat([rows[each.rows] for rows, each in zip(part, samples, strict=True)])
            for part in judged
        )
        parts = self._parts(seen, truth, logits, moves, samples, generator)
        found = (
            [rows[: len(each.boxes)] for rows, each in zip(part, proposals, strict=True)]
            for part in judged
        )
        return parts, answers(network, seen, proposals, *found)

    def advance(self, epoch: int, epochs: int) -> None:
        """The balance stays."""

    def _sample(
        self,
        regions: Tensor,
        truth: Truth,
        generator: torch.Generator | None,
        used: Tensor | None = None,
    ) -> Sample:
        """Choose regions of one picture, a share of them with objects.

        Args:
            used: which of the first regions count; those after them all do.
        """
        heads = self.network.roi_heads
        (matched,), (labels,) = heads.assign_targets_to_proposals(
            [regions], [truth["boxes"]], [truth["labels"]]
        )
        if used is not None:
            labels[: len(used)][~used] = IGNORED
        rows = sample(labels, heads.fg_bg_sampler, generator)
        objects = rows[labels[rows] > 0]
        moves = heads.box_coder.encode_single(truth["boxes"][matched[objects]], regions[objects])
        return Sample(rows, labels[rows], moves)

    def _parts(
        self,
        seen: Seen,
        truth: Sequence[Truth],
        logits: Tensor,
        moves: Tensor,
        samples: Sequence[Sample],
        generator: torch.Generator | None,
    ) -> dict[str, Part]:
        objectness, proposal = _of_anchors(self.network.rpn, seen, truth, generator)
        cls, box = _of_regions(logits, moves, samples)
        parts = {"objectness": objectness, "proposal": proposal, "cls": cls, "box": box}
        return {name: Part(p.total * self._gains[name], p.weight) for name, p in parts.items()}


def _of_anchors(
    rpn: Any, seen: Seen, truth: Sequence[Truth], generator: torch.Generator | None
) -> tuple[Part, Part]:
    """Losses of the first stage: is there an object, and where exactly."""
    anchors = torch.cat(list(seen.anchors))
    labels, boxes = rpn.assign_targets_to_anchors([anchors] * len(truth), truth)
    logits, wanted, moves, aims = [], [], [], []
    for picture, (label, box) in enumerate(zip(labels, boxes, strict=True)):
        rows = sample(label, rpn.fg_bg_sampler, generator)
        objects = rows[label[rows] > 0]
        logits.append(seen.objectness[picture, rows])
        wanted.append(label[rows])
        moves.append(seen.moves[picture, objects])
        aims.append(rpn.box_coder.encode_single(box[objects], anchors[objects]))
    answer, target = torch.cat(logits), torch.cat(wanted)
    weight = answer.new_tensor(len(answer))
    objectness = F.binary_cross_entropy_with_logits(answer, target, reduction="sum")
    return Part(objectness, weight), Part(_box_loss(torch.cat(moves), torch.cat(aims)), weight)


def _of_regions(logits: Tensor, moves: Tensor, samples: Sequence[Sample]) -> tuple[Part, Part]:
    """Losses of the second stage: which class, and where exactly, by the class that it is."""
    labels = torch.cat([each.labels for each in samples])
    objects = torch.where(labels > 0)[0]
    own = moves.reshape(len(moves), -1, 4)[objects, labels[objects]]
    weight = logits.new_tensor(len(labels))
    cls = F.cross_entropy(logits, labels, reduction="sum")
    return Part(cls, weight), Part(_box_loss(own, torch.cat([s.moves for s in samples])), weight)


def _box_loss(moves: Tensor, wanted: Tensor) -> Tensor:
    return F.smooth_l1_loss(moves, wanted, beta=BETA, reduction="sum")


def sample(labels: Tensor, sizes: Any, generator: torch.Generator | None) -> Tensor:
    """Rows to learn from: objects up to their share, and background to fill up.

    Args:
        labels: ``(n,)``; above 0 an object, 0 the background, below 0 neither.
        sizes: the vendor's sampler, of which only the numbers are taken: it draws on the device.
        generator: of the CPU; None takes torch's own.
    """
    objects, rest = torch.where(labels > 0)[0], torch.where(labels == 0)[0]
    few = min(len(objects), int(sizes.batch_size_per_image * sizes.positive_fraction))
    drawn = [
        kind[torch.randperm(len(kind), generator=generator)[:count].to(kind.device)]
        for kind, count in ((objects, few), (rest, sizes.batch_size_per_image - few))
    ]
    return torch.cat(drawn)
