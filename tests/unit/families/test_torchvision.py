"""Golden answers: the vendor's own predict, losses, pooling and published layouts."""

from __future__ import annotations

import math
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import detection, get_model_weights
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign, roi_align

from kit.cards import ModelCard, card_names, load_card
from kit.errors import WeightsError
from kit.families import Targets, load_family
from kit.families.torchvision import detectron2
from kit.families.torchvision.networks import ExactAnchors, Pool
from kit.families.torchvision.parts import prepare
from kit.families.torchvision.two_stage import ROWS, anchors_of
from kit.finetune.start import load_start
from kit.runtime.suppress import decode
from kit.types import Detections

FAMILY = load_family("torchvision")
SIZE, CLASSES = 96, 3
MOBILE, SHOT = "fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large"
RESNET, V2 = "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2"
NAMES_91 = detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
COCO = [name for name in NAMES_91[1:] if name != "N/A"]
FEW = 40
"""Proposals in these tests: the heads on them are most of the work, and say the same of few."""


def images(count: int = 1) -> torch.Tensor:
    shape = (count, SIZE, SIZE, 3)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def as_vendor(pictures: torch.Tensor) -> list[torch.Tensor]:
    """RGB in 0..1, one by one."""
    return list(pictures.flip(3).permute(0, 3, 1, 2).float() / 255)


def targets() -> Targets:
    boxes = torch.tensor([[10.0, 10, 60, 60], [20, 30, 120, 80], [5, 5, 40, 70]])
    return Targets(boxes, torch.tensor([0, 2, 1]), torch.tensor([0, 0, 1]))


def enlivened(architecture: str, classes: int = CLASSES) -> Any:
    """Fresh weights say nearly the same everywhere: here scores and boxes differ, and batch
    statistics are what some training would leave."""
    torch.manual_seed(0)
    return enliven(FAMILY.build(architecture, classes, 80))


def enliven(network: Any) -> Any:
    spread = {
        r"rpn\.head\.cls_logits\.weight": 0.1,
        r"roi_heads\.box_predictor\.cls_score\.weight": 0.1,
        r"roi_heads\.box_predictor\.bbox_pred\.weight": 0.05,
        r"head\.classification_head\.module_list\.\d\.1\.weight": 0.3,
        r"head\.regression_head\.module_list\.\d\.1\.weight": 0.1,
    }
    with torch.no_grad():
        for name, value in network.named_parameters():
            for pattern, deviation in spread.items():
                if re.fullmatch(pattern, name):
                    value.normal_(std=deviation)
    if hasattr(network, "rpn"):
        network.rpn.score_thresh = 0.0
        network.rpn._post_nms_top_n = {"testing": FEW, "training": FEW}
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # what it sees now is what it knows
    with torch.no_grad():
        maps = network.train().backbone(torch.stack(as_vendor(images(2))) * 4 - 2)
        if hasattr(network, "head"):
            network.head(list(maps.values()))
    return network.eval()


def vendor_of(architecture: str, network: Any) -> Any:
    """The vendor's network with the same weights, for pictures of our size."""
    options = {"box_score_thresh": -1.0, "box_detections_per_img": ROWS}
    if architecture == SHOT:
        options = {}
    else:
        options |= {"min_size": SIZE, "max_size": SIZE}
    theirs = getattr(detection, architecture)(
        weights=None, weights_backbone=None, num_classes=CLASSES + 1, **options
    )
    theirs.load_state_dict(network.state_dict())
    if architecture == SHOT:
        theirs.transform.fixed_size = (SIZE, SIZE)
    else:
        theirs.rpn.score_thresh = network.rpn.score_thresh
        theirs.rpn._post_nms_top_n = network.rpn._post_nms_top_n
    return theirs


def same(ours: Detections, boxes: Any, scores: Any, labels: Any) -> bool:
    """Whether every detection has its like on the other side; equal scores may change places."""
    near = np.abs(ours.xyxy[:, None] - np.asarray(boxes)[None]).max(axis=2) < 0.1
    near &= np.abs(ours.scores[:, None] - np.asarray(scores)[None]) < 1e-3
    near &= ours.labels[:, None] == np.asarray(labels)[None]
    return bool(near.any(axis=0).all() and near.any(axis=1).all())


SLOW_V2 = pytest.param(V2, marks=pytest.mark.slow)


@pytest.mark.parametrize("architecture", [MOBILE, RESNET, SLOW_V2, SHOT])
def test_the_vendors_predict_agrees(architecture: str) -> None:
    """Same weights, same picture: the vendor's boxes and ours, through both suppressions."""
    network = enlivened(architecture)
    with torch.inference_mode():
        found = FAMILY.graph(network, SIZE)(images())
        (theirs,) = vendor_of(architecture, network).eval()(as_vendor(images()))
    suppress = load_card(ModelCard, "ssdlite320").suppress if architecture == SHOT else None
    boxes, scores = (value[0].numpy() for value in found[:2])
    ours = decode(boxes, scores, floor=0.001, cap=ROWS, suppress=suppress)
    strong = {name: value[theirs["scores"] >= 0.001].numpy() for name, value in theirs.items()}
    assert len(ours) == len(strong["scores"]) > 30
    assert same(ours, strong["boxes"], strong["scores"], strong["labels"] - 1)


@pytest.mark.parametrize("architecture", [MOBILE, SLOW_V2, SHOT])
def test_the_vendors_loss_agrees(architecture: str) -> None:
    """Our sums over weights are the vendor's own figures, where it too looks at everything instead
    of at what it happens to draw."""
    network = enlivened(architecture)
    theirs = vendor_of(architecture, network).train()
    if architecture != SHOT:
        for each in (network, theirs):
            each.rpn.fg_bg_sampler.batch_size_per_image = 10**6
            each.roi_heads.fg_bg_sampler.batch_size_per_image = 10**6
    loss = FAMILY.loss(network, {}).train()
    ours = {name: part.total / part.weight for name, part in loss(images(2), targets()).items()}
    truth = [
        {"boxes": targets().boxes[:2], "labels": torch.tensor([1, 3])},
        {"boxes": targets().boxes[2:], "labels": torch.tensor([2])},
    ]
    expected = theirs(as_vendor(images(2)), truth)
    names = {
        "objectness": "loss_objectness",
        "proposal": "loss_rpn_box_reg",
        "cls": "loss_classifier",
        "box": "loss_box_reg",
    }
    if architecture == SHOT:
        names = {"cls": "classification", "box": "bbox_regression"}
    for name, their_name in names.items():
        assert ours[name].item() == pytest.approx(expected[their_name].item(), rel=1e-4)


@pytest.mark.parametrize("strides", [(4, 8, 16, 32), (32,)])
def test_pooling_is_the_vendors(strides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    size = 256
    maps = {str(i): torch.randn(2, 5, size // s, size // s) for i, s in enumerate(strides)}
    maps["pool"] = torch.randn(2, 5, 4, 4)
    corners = torch.rand(2, 50, 2) * 200
    extent = torch.rand(2, 50, 2) ** 3 * 250
    boxes = list(torch.cat([corners, (corners + extent).clamp(max=size)], 2))
    ours = Pool(strides, samples=2, aligned=False)(maps, boxes, None)
    vendor = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
    torch.testing.assert_close(ours, vendor(maps, boxes, [(size, size)] * 2))


# --- what is published -----------------------------------------------------------------------


def test_cards_name_the_vendors_files() -> None:
    """The vendor publishes the first digits of each sha256, in the file's name."""
    cards = [load_card(ModelCard, name) for name in card_names(ModelCard)]
    seen = 0
    for card in cards:
        if card.family == "torchvision" and card.weights is not None:
            published = get_model_weights(card.architecture).COCO_V1
            assert card.weights.url == published.url
            assert Path(card.weights.file).stem.endswith(f"-{card.weights.sha256[:8]}")
            assert card.published is not None
            score = published.meta["_metrics"]["COCO-val2017"]["box_map"]
            assert card.published.ap == pytest.approx(score / 100)
            seen += 1
    assert seen == 5


@pytest.mark.parametrize(
    ("architecture", "frozen"),
    [
        (RESNET, True),
        (V2, False),
        ("fasterrcnn_mobilenet_v3_large_fpn", True),
        (MOBILE, True),
        (SHOT, False),
    ],
)
def test_published_networks_have_so_many_parameters(architecture: str, frozen: bool) -> None:
    """The vendor's own count tells which were published frozen: what is frozen is no parameter."""
    network = FAMILY.build(architecture, 90, 80)
    if frozen:
        state = network.state_dict()
        network.load_state_dict({k: v for k, v in state.items() if "num_batches" not in k})
    published = get_model_weights(architecture).COCO_V1.meta["num_params"]
    assert sum(parameter.numel() for parameter in network.parameters()) == published


def frozen_resnet() -> Any:
    """The vendor's first detector as it was published: frozen statistics, no epsilon, 91 ids."""
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5
    )
    network = enliven(detection.FasterRCNN(backbone, 91, min_size=SIZE, max_size=SIZE))
    silence_unused_ids(network.roi_heads.box_predictor.cls_score)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(module.num_features, eps=0.0)
            frozen.load_state_dict(module.state_dict())
            network.set_submodule(name, frozen)
    return network


def silence_unused_ids(layer: Any) -> None:
    """Ids that no object carries are never said, as after any training."""
    unused = [index for index, name in enumerate(NAMES_91) if name == "N/A"]
    with torch.no_grad():
        layer.weight.unflatten(0, (-1, 91))[:, unused] = 0
        layer.bias.unflatten(0, (-1, 91))[:, unused] = -1e4


def in_the_old_naming(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """That of torchvision before 0.13, in which the files of that time are published."""
    return {
        re.sub(r"(rpn\.head\.conv|backbone\.fpn\.\w+_blocks\.\d)(\.0)+\.", r"\1.", name): value
        for name, value in state.items()
    }


def test_the_published_resnet_says_what_it_said(tmp_path: Path) -> None:
    """Old names, frozen statistics without an epsilon, 91 ids: the vendor's own loading takes the
    same file, and its detections are ours."""
    theirs = frozen_resnet()
    path = tmp_path / "fasterrcnn_resnet50_fpn_coco.pth"
    old = in_the_old_naming(theirs.state_dict())
    torch.save(OrderedDict(old), path, _use_new_zipfile_serialization=False)
    assert len(old) == 295
    theirs.load_state_dict(torch.load(path, weights_only=True))  # so these are its names

    network: Any = FAMILY.build(RESNET, 80, 80)
    start = load_start(FAMILY, network, path, "coco")
    assert (start.copied, start.skipped, start.fresh, start.share) == (295, 0, 0, 1.0)
    network.rpn._post_nms_top_n["testing"] = FEW
    with torch.inference_mode():
        found = FAMILY.graph(network, SIZE)(images())
        (expected,) = theirs.eval()(as_vendor(images()))
    ours = decode(found[0][0].numpy(), found[1][0].numpy(), floor=0.05, cap=100, suppress=None)
    assert len(ours) == len(expected["scores"]) > 10
    assert same(ours, expected["boxes"], expected["scores"], in_80(expected["labels"]))


def test_the_published_ssdlite_says_what_it_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = enliven(detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None))
    for level in theirs.head.classification_head.module_list:
        with torch.no_grad():
            level[1].weight *= 2  # of so many classes one should stand out
        silence_unused_ids(level[1])
    path = tmp_path / "ssdlite320_mobilenet_v3_large_coco.pth"
    torch.save(theirs.state_dict(), path)
    network = FAMILY.build(SHOT, 80, 80)
    start = load_start(FAMILY, network, path, "coco")
    assert (start.skipped, start.fresh, start.share) == (0, 0, 1.0)
    theirs.transform.fixed_size = (SIZE, SIZE)
    with torch.inference_mode():
        found = FAMILY.graph(network, SIZE)(images())
        (expected,) = theirs.eval()(as_vendor(images()))
    suppress = load_card(ModelCard, "ssdlite320").suppress
    ours = decode(found[0][0].numpy(), found[1][0].numpy(), floor=0.05, cap=300, suppress=suppress)
    strong = {name: value[expected["scores"] >= 0.05] for name, value in expected.items()}
    assert len(ours) > 10
    assert same(ours, strong["boxes"], strong["scores"], in_80(strong["labels"]))


def in_80(ids: torch.Tensor) -> list[int]:
    return [COCO.index(NAMES_91[id_]) for id_ in ids]


@pytest.mark.parametrize("architecture", [MOBILE, V2])
def test_official_layouts_start_three_classes(architecture: str, tmp_path: Path) -> None:
    """All but the last layers is copied; what was frozen stays so, what learnt learns on."""
    theirs = getattr(detection, architecture)(weights=None, weights_backbone=None)
    state = theirs.state_dict()
    if architecture == MOBILE:  # published with frozen statistics, which count no batches
        state = {name: value for name, value in state.items() if "num_batches" not in name}
    torch.save(in_the_old_naming(state) if architecture == MOBILE else state, tmp_path / "coco.pth")
    network: Any = FAMILY.build(architecture, CLASSES, 80)
    start = load_start(FAMILY, network, tmp_path / "coco.pth", "coco")
    assert (start.copied, start.skipped, start.share) == (len(state) - 4, 4, 1.0)
    frozen = [m for m in network.backbone.body.modules() if isinstance(m, FrozenBatchNorm2d)]
    learning = [m for m in network.backbone.body.modules() if isinstance(m, nn.BatchNorm2d)]
    assert bool(frozen) == (architecture == MOBILE)
    assert bool(learning) == (architecture != MOBILE)
    own = network.state_dict()
    assert all(
        torch.equal(value, own[name])
        for name, value in state.items()
        if "box_predictor" not in name
    )


def test_frozen_statistics_stay_frozen_through_a_bundle() -> None:
    """A bundle of what was frozen loads as such, strictly, and says the same; the graph folds."""
    network = enlivened(MOBILE)
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    before = FAMILY.graph(network, SIZE)
    network.load_state_dict(state)
    frozen = {name: v.clone() for name, v in network.state_dict().items() if ".running_" in name}
    loss = FAMILY.loss(network, {}).train()
    sum(part.total for part in loss(images(2), targets()).values()).backward()
    assert all(torch.equal(v, network.state_dict()[name]) for name, v in frozen.items())
    again: Any = FAMILY.build(MOBILE, CLASSES, 80)
    again.rpn._post_nms_top_n["testing"] = FEW
    again.rpn.score_thresh = 0.0
    again.load_state_dict(network.state_dict())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in again.backbone.body.modules())
    after = FAMILY.graph(again, SIZE)
    assert not any(isinstance(m, FrozenBatchNorm2d) for m in after.modules())
    with torch.inference_mode():
        for one, other in zip(before(images()), after(images()), strict=True):
            torch.testing.assert_close(one, other)
    again.load_state_dict(FAMILY.build(MOBILE, CLASSES, 80).state_dict())  # and back
    assert not any(isinstance(m, FrozenBatchNorm2d) for m in again.modules())


@pytest.mark.parametrize("content", [{"model": {"a": torch.zeros(1)}}, {}, [1, 2]])
def test_a_file_without_a_detector_is_told(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="holds no detector of torchvision's"):
        FAMILY.read_state(tmp_path / "other.pth")


# --- Detectron2's X101-FPN -------------------------------------------------------------------

LISTED = {
    name: tuple(map(int, shape))
    for name, *shape in (
        line.split()
        for line in Path(__file__).with_name("detectron2_x101_fpn.txt").read_text().splitlines()
        if not line.startswith("#")
    )
}
X101 = "fasterrcnn_resnext101_32x8d_fpn"


def listed(**real: torch.Tensor) -> dict[str, torch.Tensor]:
    """The published tensors, without numbers but for some."""
    state = {name: torch.empty(shape, device="meta") for name, shape in LISTED.items()}
    return {**state, **{name.replace("__", "."): value for name, value in real.items()}}


def test_detectron2s_tensors_fill_the_network() -> None:
    """Every name of the list finds its place, in its shape, and no place is left but the counts of
    batches, since its statistics are frozen."""
    with torch.device("meta"):
        own = {n: tuple(v.shape) for n, v in FAMILY.build(X101, 80, 80).state_dict().items()}
    converted = {name: tuple(value.shape) for name, value in detectron2.convert(listed()).items()}
    assert converted.items() <= own.items()
    assert all(name.endswith("num_batches_tracked") for name in own.keys() - converted.keys())
    assert len(converted) == len(LISTED) - 5  # its anchors are no weights


def test_detectron2s_background_comes_first() -> None:
    torch.manual_seed(0)
    seen = torch.randn(4, 1024)
    score, move = nn.Linear(1024, 81), nn.Linear(1024, 320)
    state = detectron2.convert(
        listed(
            roi_heads__box_predictor__cls_score__weight=score.weight,
            roi_heads__box_predictor__cls_score__bias=score.bias,
            roi_heads__box_predictor__bbox_pred__weight=move.weight,
            roi_heads__box_predictor__bbox_pred__bias=move.bias,
        )
    )
    head = "roi_heads.box_predictor."
    ours, moves = (
        nn.functional.linear(seen, state[f"{head}{name}.weight"], state[f"{head}{name}.bias"])
        for name in ("cls_score", "bbox_pred")
    )
    theirs = score(seen)
    torch.testing.assert_close(ours[:, 0], theirs[:, 80])
    torch.testing.assert_close(ours[:, 1:], theirs[:, :80])
    torch.testing.assert_close(moves[:, 4:], move(seen))
    assert not moves[:, :4].any()


def test_detectron2s_pixels_are_blue_first() -> None:
    """Its stem on its own pixels (BGR, its mean and deviation) is our stem on ours."""
    torch.manual_seed(0)
    stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    state = detectron2.convert(listed(backbone__bottom_up__stem__conv1__weight=stem.weight))
    mean = torch.tensor([103.530, 116.280, 123.675])[:, None, None]
    deviation = torch.tensor([57.375, 57.120, 58.395])[:, None, None]
    theirs = stem((images().permute(0, 3, 1, 2).float() - mean) / deviation)
    with torch.device("meta"):
        network = FAMILY.build(X101, 80, 80)
    ours = nn.functional.conv2d(
        prepare(images(), network), state["backbone.body.conv1.weight"], None, 2, 3
    )
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_detectron2s_anchors() -> None:
    """Those of its own test (``tests/modeling/test_anchor_generator.py``); nothing is rounded, and
    a stride is a power of two even where the maps don't fit the input."""
    square = ExactAnchors(((32,),), ((0.25, 1.0, 4.0),))
    (found,) = anchors_of(_around(square), [(2, 2)], 8)
    expected = [[-32, -8, 32, 8], [-16, -16, 16, 16], [-8, -32, 8, 32], [-28, -8, 36, 8]]
    assert found[:4].tolist() == expected
    exact = ExactAnchors(((512,),), ((0.5,),))
    (found,) = anchors_of(_around(exact), [(13, 13)], 800)
    width = math.sqrt(512**2 / 0.5)
    left, top = 64 - width / 2, 64 - width / 4
    torch.testing.assert_close(found[14], torch.tensor([left, top, left + width, top + width / 2]))


def _around(generator: Any) -> Any:
    return SimpleNamespace(rpn=SimpleNamespace(anchor_generator=generator))


def test_aligned_pixels_are_pooled_as_detectron2_does() -> None:
    """RoIAlign itself, on the level its formula names: a box of 112 to 224 pixels on stride 8."""
    torch.manual_seed(0)
    maps = {str(s): torch.randn(1, 3, 256 // s, 256 // s) for s in (4, 8, 16, 32)}
    boxes = torch.tensor([[3.0, 5, 203, 155]])
    ours = Pool((4, 8, 16, 32), samples=0, aligned=True)(maps, [boxes], None)
    theirs = roi_align(maps["8"], [boxes], 7, 1 / 8, sampling_ratio=0, aligned=True)
    torch.testing.assert_close(ours, theirs)


def test_only_x101_is_read_of_detectron2s(tmp_path: Path) -> None:
    """Its R50-FPN would fit ours, tensor by tensor, and see other pixels at other strides."""
    path = tmp_path / "model_final_280758.pkl"
    arrays = {"backbone.bottom_up.res2.0.conv2.weight": np.zeros((64, 64, 3, 3), np.float32)}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}))
    with pytest.raises(WeightsError, match="only Faster R-CNN X101-32x8d-FPN can be read"):
        FAMILY.read_state(path)


@pytest.mark.slow
def test_detectron2s_file_starts_three_classes(tmp_path: Path) -> None:
    """Written as the published file is, with arrays of the listed names and shapes."""
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.random(shape, np.float32) * (1.0 if "running_var" in name else 0.01)
        for name, shape in LISTED.items()
    }
    path = tmp_path / "model_final_68b088.pkl"
    with path.open("wb") as file:
        pickle.dump({"model": arrays, "__author__": "Detectron2 Model Zoo"}, file, protocol=2)
    network = FAMILY.build(X101, CLASSES, 80)
    start = load_start(FAMILY, network, path, str(path))
    assert (start.skipped, start.share) == (4, 1.0)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    name = "backbone.bottom_up.res4.22.conv2.weight"
    assert np.array_equal(
        network.state_dict()["backbone.body.layer3.22.conv2.weight"].numpy(), arrays[name]
    )
    with torch.inference_mode():
        boxes, scores, _ = FAMILY.graph(network, SIZE)(images())
    assert torch.isfinite(boxes).all()
    assert torch.isfinite(scores).all()
