"""A study as it is written down: grids of fine-tunings, and what others published about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from kit.binding import STRICT
from kit.cards import Card, DatasetCard, ModelCard, Recipe, card_names
from kit.data.sampling import ALL, Draw
from kit.errors import UsageError
from kit.finetune.plan import parse
from kit.study.cell import Cell, Setting


def _known(kind: type[Card], *, folders: bool = False) -> Callable[[str], str]:
    """Names of cards, and paths."""

    def check(name: str) -> str:
        known = card_names(kind)
        try:
            there = Path(name).is_dir() if folders else Path(name).is_file()
        except OSError:  # longer than any name
            there = False
        if name not in known and not there:
            raise ValueError(f"there is none of this name, only {', '.join(known)}")
        return name

    return check


def _plan(text: str) -> str:
    """A plan's notation or name; which stages there are depends on the model."""
    try:
        parse(text)
    except UsageError as error:
        raise ValueError(error.what) from error
    return text


Model = Annotated[str, AfterValidator(_known(ModelCard))]
Source = Annotated[str, AfterValidator(_known(DatasetCard, folders=True))]
RecipeName = Annotated[str, AfterValidator(_known(Recipe))]
Plan = Annotated[str, AfterValidator(_plan)]


@dataclass(frozen=True)
class Published:
    """A figure of somebody else's, shown beside the setting it belongs to.

    Attributes:
        ap50: on test, in 0..1.
        source: where it stands.
    """

    __pydantic_config__ = STRICT
    model: Model
    dataset: Source
    ap50: float
    source: str
    draw: Draw = ALL
    start: str = "coco"

    def __post_init__(self) -> None:
        if not 0 <= self.ap50 <= 1:
            raise ValueError(f"ap50 must lie in 0..1, it is {self.ap50:g}")

    def is_of(self, setting: Setting) -> bool:
        """Whether it can stand beside a setting's own figures."""
        ours = (setting.model, setting.dataset, setting.draw, setting.start)
        return ours == (self.model, self.dataset, self.draw, self.start)


@dataclass(frozen=True)
class Grid:
    """Every combination of its lists; one table of the report.

    Attributes:
        seeds: of draw and training; a mean and its interval are over them.
        size, epochs, folds: of all its cells, see :class:`kit.study.cell.Setting`.
    """

    __pydantic_config__ = STRICT
    title: str
    models: tuple[Model, ...]
    datasets: tuple[Source, ...]
    draws: tuple[Draw, ...] = (ALL,)
    starts: tuple[str, ...] = ("coco",)
    plans: tuple[Plan | None, ...] = (None,)
    recipes: tuple[RecipeName, ...] = ("default",)
    seeds: tuple[int, ...] = (0,)
    size: int | None = None
    epochs: int | None = None
    folds: int | None = None
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        axes = ("models", "datasets", "draws", "starts", "plans", "recipes", "seeds")
        wrong = [f"{axis} must not be empty" for axis in axes if not getattr(self, axis)]
        wrong += [
            f"{name} must be at least {least}"
            for name, least in (("size", 32), ("epochs", 1), ("folds", 2))
            if (value := getattr(self, name)) is not None and value < least
        ]
        if wrong:
            raise ValueError("; ".join(wrong))

    def settings(self) -> list[Setting]:
        """Without repetition, in the order of the lists."""
        axes = product(
            self.models, self.datasets, self.draws, self.starts, self.plans, self.recipes
        )
        rest = (self.size, self.epochs, self.folds)
        return list(dict.fromkeys(Setting(*each, *rest) for each in axes))

    def cells(self) -> list[Cell]:
        """Seed by seed, so that a study that is stopped early has some of everything."""
        folds = [None] if self.folds is None else list(range(self.folds))
        return [
            Cell(setting, seed, fold)
            for seed in dict.fromkeys(self.seeds)
            for setting in self.settings()
            for fold in folds
        ]


@dataclass(frozen=True)
class Study:
    """Grids that are run and read together: ``studies/NAME.yaml``.

    Attributes:
        about: what it asks, for the head of the report.
        latency_ms: the winner's budget: median milliseconds a picture from file to boxes, of its
            ONNX graph on this machine; None sets none.
    """

    __pydantic_config__ = STRICT
    FOLDER: ClassVar[str] = "studies"
    name: str
    about: str
    grids: tuple[Grid, ...]
    latency_ms: float | None = None

    def __post_init__(self) -> None:
        if not self.grids:
            raise ValueError("grids must not be empty")

    def cells(self) -> list[Cell]:
        """Of all grids, each once."""
        return list(dict.fromkeys(cell for grid in self.grids for cell in grid.cells()))
