"""No class is lost between the labels and the exported graph, whatever the family.

A class whose number slips by one, or that takes the background's place, scores nothing while the
others look well. Here every class is so easy that few steps from random weights find it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kit import door
from kit.cards import ModelCard, card_names, load_card
from kit.data.doctor import usable
from kit.data.source import open_source
from kit.evaluate.coco import score
from kit.export.data import gate_pictures
from kit.export.export import export_onnx
from kit.families.torchvision import networks
from kit.finetune.engine import Machine
from kit.finetune.prepare import prepare
from kit.finetune.train import train
from kit.pixels import encode_picture, read_picture
from kit.runtime.detector import EVALUATION_FLOOR

SIZE, SIDE = 128, 64
COLOURS = {"red": (40, 40, 220), "green": (40, 200, 40), "blue": (220, 60, 40)}  # BGR
PLACES = (((0, 0), (64, 64)), ((64, 0), (0, 64)), ((0, 32), (64, 32)), ((32, 0), (32, 64)))
PICTURES = {"train": 160, "valid": 9}


class Training(NamedTuple):
    """What a model needs to find them."""

    epochs: int
    lr: float
    slow: bool = True


MODELS = {
    "fasterrcnn-mobilenet-320-fpn": Training(3, 0.0005, slow=False),
    "fasterrcnn-mobilenet-fpn": Training(3, 0.0005),
    "fasterrcnn-r50-fpn": Training(3, 0.0002),
    "fasterrcnn-r50-fpn-v2": Training(3, 0.0002),
    "fasterrcnn-x101-fpn": Training(3, 0.0002),
    "ssdlite320": Training(10, 0.001),
    "yolov8n": Training(10, 0.001),
    "yolo26n": Training(20, 0.001),
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two squares of different colours a picture, where an anchor is."""
    root, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    for part, count in PICTURES.items():
        (root / part / "images").mkdir(parents=True)
        (root / part / "labels").mkdir()
        for number in range(count):
            picture = rng.integers(90, 130, (SIZE, SIZE, 3)).astype(np.uint8)
            lines = []
            for (x, y), label in zip(PLACES[rng.integers(4)], rng.permutation(3), strict=False):
                picture[y : y + SIDE, x : x + SIDE] = list(COLOURS.values())[label]
                centre = ((x + SIDE / 2) / SIZE, (y + SIDE / 2) / SIZE)
                lines.append(f"{label} {centre[0]} {centre[1]} {SIDE / SIZE} {SIDE / SIZE}")
            (root / part / "images" / f"{number}.png").write_bytes(encode_picture(picture, ".png"))
            (root / part / "labels" / f"{number}.txt").write_text("\n".join(lines))
    names = ", ".join(COLOURS)
    (root / "data.yaml").write_text(f"names: [{names}]\ntrain: train/images\nval: valid/images\n")
    return root


def cases() -> list[Any]:
    return [
        pytest.param(name, marks=pytest.mark.slow if training.slow else ())
        for name, training in MODELS.items()
    ]


def test_every_family_is_tried() -> None:
    cards = [load_card(ModelCard, name) for name in card_names(ModelCard)]
    tried = {load_card(ModelCard, name).architecture for name in MODELS}
    assert {card.family for card in cards} == {
        card.family for card in cards if card.architecture in tried
    }
    assert {card.architecture for card in cards if card.family == "torchvision"} <= tried


@pytest.mark.parametrize("model", cases())
def test_every_class_is_found_through_export(
    model: str, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = networks.build_network
    monkeypatch.setattr("kit.families.torchvision.build_network", lambda *of: lean(build(*of)))
    training = MODELS[model]
    recipe = tmp_path / "easy.yaml"
    recipe.write_text("mosaic: 0.0\naugment: []\n")
    dataset = usable(open_source(str(squares)))  # its pictures are nearly alike, on purpose
    job = prepare(
        model,
        dataset,
        recipe=str(recipe),
        start="random",
        epochs=training.epochs,
        lr=training.lr,
        batch=4,
        size=SIZE,
    )
    machine = Machine("cpu", threads=2)
    bundle = train(job, tmp_path / "run", machine)
    exported, _ = export_onnx(bundle, gate_pictures(bundle, None), tmp_path / "onnx", threads=2)
    detector = door.open(exported, device="cpu", threads=2)
    found = [
        detector.detect([read_picture(example.path)], floor=EVALUATION_FLOOR)[0].detections
        for example in job.valid
    ]
    assert detector.classes == tuple(COLOURS)
    scores = {name: each.ap50 for name, each in score(job.valid, found).per_class.items()}
    assert all(ap50 is not None and ap50 > 0.5 for ap50 in scores.values()), scores


def lean(network: Any) -> Any:
    """For two objects a picture, fewer proposals do: the heads on them are most of the work."""
    if hasattr(network, "rpn"):
        for sampler in (network.rpn.fg_bg_sampler, network.roi_heads.fg_bg_sampler):
            sampler.batch_size_per_image = 64
        network.rpn._post_nms_top_n = {"training": 200, "testing": 50}
    return network
