"""What the command line calls SRC: a dataset folder in any format, or the name of a card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.cards import DatasetCard, cache_folder, card_names, load_card
from kit.data.convert import ClassMap
from kit.data.dataset import Dataset
from kit.data.embedded import draw_dataset, drawn_folder
from kit.data.formats import formats, load
from kit.errors import DataError
from kit.pixels import is_picture
from kit.progress import SILENT, Progress

_SHOWN = 10


def open_source(
    source: str,
    *,
    format: str | None = None,
    classes: ClassMap | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Open a dataset.

    Args:
        source: a folder, a COCO .json, a data.yaml, or the name of a card in ``datasets/``.
        format: take it for this one instead of looking.
        classes: new names; needed where a YOLO folder names none, as ``{0: first, 1: second}``.

    Raises:
        DataError: missing, empty, unreadable, in no known format or in several, without class
            names, or not what its card says.
    """
    try:
        return _open(source, format, classes, progress)
    except PermissionError as error:
        raise DataError(
            f"not allowed to read {error.filename}", where=source, fix=f"chmod -R u+rX {source}"
        ) from error


def _open(source: str, format: str | None, classes: ClassMap | None, progress: Progress) -> Dataset:
    path = Path(source)
    card = None
    if not path.exists():
        card = _card(source)
        if card.drawn is not None and not drawn_folder(card).is_dir():
            draw_dataset(card, progress=progress)
        path, format = dataset_folder(card), format or card.format
    form, root = _recognise(path, format)
    name = card.name if card else path.resolve().stem
    dataset = replace(load(form).read(root, name=name, progress=progress), source=source)
    if "unnamed_classes" in dataset.notes and not set(dataset.classes) <= set(
        classes.names if classes else ()
    ):
        raise DataError(
            f"nothing names its classes {', '.join(dataset.classes[:_SHOWN])}"
            + (f" ... ({len(dataset.classes)} in all)" if len(dataset.classes) > _SHOWN else ""),
            where=path,
            fix="add a classes.txt with one name a line, or name them with "
            f"`kit data convert {source} --to yolo --classes MAP.yaml --out DIR`, "
            "where MAP.yaml is lines like `0: first name`",
        )
    if card is not None:
        check_card(dataset, card)
        if card.splits:
            dataset = replace(dataset, splits=_listed(dataset, path, card.splits))
        dataset = replace(
            dataset,
            bit_depth=card.bit_depth or dataset.bit_depth,
            accepted=card.accepted,
            flaws=card.flaws,
        )
    return classes.apply(dataset) if classes else dataset


def dataset_folder(card: DatasetCard) -> Path:
    """Where a card's dataset lies: below ``KIT_DATA``, else in the cache.

    Raises:
        DataError: in neither; the message names the command that fetches it.
    """
    places = [drawn_folder(card) if card.drawn else cache_folder() / "data" / card.name]
    if own := os.environ.get("KIT_DATA"):
        places.insert(0, Path(own) / card.folder)
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"the dataset is not here: looked for {' and '.join(map(str, places))}",
        where=card.name,
        fix=f"kit data fetch {card.name}" + ("" if card.source else " --from PATH"),
    )


def _listed(
    dataset: Dataset, folder: Path, lists: Mapping[str, str]
) -> dict[str, NDArray[np.int64]]:
    """Splits from text files of names or stems."""
    place = {key: i for i, id_ in enumerate(dataset.ids) for key in (Path(id_).stem, id_)}
    splits = {}
    for split, name in lists.items():
        try:
            lines = (folder / name).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"the list of its {split} split can't be read", where=name) from error
        if missing := [line for line in lines if line not in place]:
            raise DataError(
                f"lists {len(missing)} picture(s) the dataset doesn't have, as {missing[0]}",
                where=folder / name,
            )
        splits[split] = np.array([place[line] for line in lines], np.int64)
    return splits


def _card(source: str) -> DatasetCard:
    if source not in card_names(DatasetCard):
        raise DataError(
            "there is no such folder, and no dataset card of this name",
            where=source,
            fix=f"a folder, or one of: {', '.join(card_names(DatasetCard)) or '(no cards)'}",
        )
    return load_card(DatasetCard, source)


def _recognise(path: Path, format: str | None) -> tuple[str, Path]:
    """The format and the root of a folder or file."""
    names = formats() if format is None else [format]
    found = [(name, root) for name in names if (root := load(name).sniff(path)) is not None]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"it could be {' or '.join(f'{name} ({root})' for name, root in found)}",
            where=path,
            fix="name the data.yaml or the .json instead, or keep one kind of labels in a folder",
        )
    looked = "; ".join(f"{name}: {load(name).LOOKED_FOR}" for name in names)
    if path.is_file():
        what = "not a file that describes a dataset"
    elif not any(path.iterdir()):
        what = "the folder is empty"
    elif any(is_picture(file) for file in path.rglob("*")):
        what = "there are pictures but no labels in a known layout"
    else:
        what = "no dataset in a known layout"
    raise DataError(what, where=path, fix=f"looked for {looked}")


def check_card(dataset: Dataset, card: DatasetCard) -> None:
    """Compare the classes and their order with the card's.

    Raises:
        DataError: they differ.
    """
    if dataset.classes == card.classes:
        return
    differ = sorted(set(dataset.classes) ^ set(card.classes))
    raise DataError(
        f"its classes are {', '.join(dataset.classes)}, the card says {', '.join(card.classes)}"
        + (f": {', '.join(differ)} differ" if differ else ": their order differs"),
        where=dataset.root,
        fix=f"name the folder instead of the card {card.name}, or fetch the dataset again",
    )
