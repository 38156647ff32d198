"""What there is to choose from: models, datasets, recipes, backends."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output

Row = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=sorted(_ROWS))


def run(args: argparse.Namespace, out: Output) -> list[Row]:
    rows = list(_ROWS[args.what]())
    if rows:
        out.table("", list(rows[0]), [[_cell(*item) for item in row.items()] for row in rows])
    else:
        out.print(f"there are no {args.what}")
    return rows


def models() -> Iterator[Row]:
    """Pretrained detectors; ``here`` is where the weights lie, or null."""
    from kit import weights
    from kit.cards import ModelCard, card_names, load_card

    for name in card_names(ModelCard):
        card = load_card(ModelCard, name)
        here = weights.locate(card)
        yield {
            "name": name,
            "family": card.family,
            "licence": card.licence,
            "ap": card.published.ap if card.published else None,
            "size": card.input.size,
            "here": str(here) if here else None,
        }


def datasets() -> Iterator[Row]:
    """Datasets with a card; ``here`` is where the pictures lie, or null."""
    from kit.cards import DatasetCard, card_names, load_card
    from kit.data.source import dataset_folder
    from kit.errors import DataError

    for name in card_names(DatasetCard):
        card = load_card(DatasetCard, name)
        try:
            here = str(dataset_folder(card))
        except DataError:
            here = None
        yield {
            "name": name,
            "format": card.format,
            "classes": list(card.classes),
            "licence": card.licence,
            "here": here,
        }


def recipes() -> Iterator[Row]:
    """Fine-tuning recipes; null is chosen from the dataset when training starts."""
    from kit.cards import Recipe, card_names, load_card

    for name in card_names(Recipe):
        recipe = load_card(Recipe, name)
        yield {
            "name": name,
            "optimizer": recipe.optimizer,
            "lr": recipe.lr,
            "schedule": recipe.schedule,
            "epochs": recipe.epochs,
            "batch": recipe.batch,
            "size": recipe.size,
        }


def backends() -> Iterator[Row]:
    """Runtimes; ``missing`` says why one can't run on this machine, null that it can."""
    from kit.runtime.backends import load_backend, names

    for name in names():
        yield {"name": name, "missing": load_backend(name).available()}


def _cell(name: str, value: Any) -> object:
    if name == "here":
        return "yes" if value else None
    return len(value) if isinstance(value, list) else value


_ROWS: Mapping[str, Callable[[], Iterator[Row]]] = {
    "models": models,
    "datasets": datasets,
    "recipes": recipes,
    "backends": backends,
}
