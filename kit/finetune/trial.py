"""What training a model costs on a machine, before there is anything to train on."""

from __future__ import annotations

import numpy as np
import torch

from kit.cards import ModelCard, load_card
from kit.families import Targets, load_family, pick_device
from kit.finetune.batches import Batch
from kit.finetune.engine import Machine
from kit.finetune.loop import VALIDATION_SHARE
from kit.finetune.preflight import preflight
from kit.runtime.machine import cores

_BATCH = 8  # pictures of the trial step; time per picture hardly depends on it


def seconds_a_picture(model: str, size: int, machine: Machine) -> float:
    """Seconds of training, validation included, that a picture costs in each epoch, from a step on
    noise with one box in each picture.

    Args:
        model: name of its card. size: side of the input in pixels.
    """
    card, device = load_card(ModelCard, model), pick_device(machine.device)
    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads or cores())
    try:
        family = load_family(card.family)
        network = family.build(card.architecture, card.classes, card.classes).to(device).train()
        noise = np.random.default_rng(0).integers(0, 256, (_BATCH, size, size, 3), np.uint8)
        middle = torch.tensor([[0.25, 0.25, 0.75, 0.75]]).repeat(_BATCH, 1) * size
        labels = torch.zeros(_BATCH, dtype=torch.int64)
        targets = Targets(middle, labels, torch.arange(_BATCH))
        batch = Batch(torch.from_numpy(noise), targets, ())
        step = preflight(family, network, {}, batch, device, None)
        return step.seconds / _BATCH * VALIDATION_SHARE
    finally:
        torch.set_num_threads(before)
