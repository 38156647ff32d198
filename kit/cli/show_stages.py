"""The stages of a model, which a plan freezes, tunes or re-initialises.

Plans name stages by number, by name, or by the first words of a name; `kit train --plan` takes one.

    kit show-stages yolov8n
    kit train yolov8n bccd --plan "F1-10 T:rest" --out runs/frozen
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="name of a model card: see `kit list models`"
    )


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cards import ModelCard, load_card
    from kit.families import load_family
    from kit.finetune.plan import NAMED, parse

    card = load_card(ModelCard, args.model)
    family = load_family(card.family)
    network = family.build(card.architecture, card.classes, card.classes)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    stages = [
        {
            "number": number,
            "name": stage.name,
            "parameters": sum(n for name, n in sizes.items() if name.startswith(stage.prefixes)),
        }
        for number, stage in enumerate(family.stages(network), 1)
    ]
    out.table(
        f"{card.name} ({card.licence})",
        ("stage", "parameters"),
        [(f"{s['number']:>2}  {s['name']}", f"{s['parameters']:,}") for s in stages],
    )
    plans = {name: str(parse(name)) for name in NAMED}
    for name, plan in plans.items():
        out.print(f"{name}: {plan}")
    return {"model": card.name, "stages": stages, "plans": plans}
