"""The YAML cards that describe models, datasets and recipes, one folder a kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from kit.binding import STRICT, bind, read_yaml
from kit.errors import CardError

ROOT = Path(__file__).parent.parent
"""Where the card folders lie: the repository, or the installed package's data."""


@dataclass(frozen=True)
class Weights:
    """Where pretrained weights come from, and how they are known again."""

    __pydantic_config__ = STRICT
    file: str
    url: str
    sha256: str

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError("sha256 must be 64 hex digits in lower case")
        if "/" in self.file or not self.url.startswith("https://"):
            raise ValueError("file must be a bare name and url must begin with https://")


@dataclass(frozen=True)
class Input:
    """What the graph is fed: a square of ``size`` pixels, filled as ``fit`` says."""

    __pydantic_config__ = STRICT
    size: int
    fit: Literal["letterbox", "stretch"] = "letterbox"
    fill: int = 114

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 8192:
            raise ValueError(f"size must lie in 32..8192 pixels, it is {self.size}")
        if not 0 <= self.fill <= 255:
            raise ValueError(f"fill must lie in 0..255, it is {self.fill}")


@dataclass(frozen=True)
class Suppress:
    """Non-maximum suppression, for detectors that don't do it in their graph.

    Attributes:
        iou: boxes of one class that overlap more than this with a better one are dropped.
        candidates: only so many best boxes enter the suppression.
    """

    __pydantic_config__ = STRICT
    iou: float = 0.7
    candidates: int = 3000

    def __post_init__(self) -> None:
        if not 0 < self.iou <= 1 or self.candidates < 1:
            raise ValueError("iou must lie in 0..1 and candidates must be positive")


@dataclass(frozen=True)
class Published:
    """The score its makers published, and where."""

    __pydantic_config__ = STRICT
    ap: float
    source: str


@dataclass(frozen=True)
class ModelCard:
    """A pretrained detector: ``models/NAME.yaml``.

    Attributes:
        weights: None where none can be known by their sha256: then a start is random or a path.
    """

    __pydantic_config__ = STRICT
    FOLDER: ClassVar[str] = "models"
    name: str
    family: str
    architecture: str
    licence: str
    weights: Weights | None
    input: Input
    suppress: Suppress | None
    published: Published | None = None
    classes: int = 80


@dataclass(frozen=True)
class Source:
    """Where a dataset can be had."""

    __pydantic_config__ = STRICT
    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class Drawn:
    """An embedded set: blood smears drawn when they are first asked for (:mod:`kit.data.smear`),
    and split with slides kept whole."""

    __pydantic_config__ = STRICT
    pictures: int
    fractions: tuple[float, float, float]
    seed: int = 0


@dataclass(frozen=True)
class DatasetCard:
    """A dataset: ``datasets/NAME.yaml``.

    Attributes:
        folder: path below ``KIT_DATA`` (or the cache) where the dataset lies.
        bit_depth: bits used by 16-bit pictures, where the files don't say.
        splits: other splits than the folder's own: for each a text file below ``folder`` with a
            picture's name or stem a line.
        accepted: codes of errors (``kit data check --json``) that stop nothing here, since the set
            is repeated as it was published; ``flaws`` says what they are.
        drawn: None for pictures that must be had from somewhere.
    """

    __pydantic_config__ = STRICT
    FOLDER: ClassVar[str] = "datasets"
    name: str
    folder: str
    format: str
    classes: tuple[str, ...]
    licence: str
    citation: str
    source: Source | None = None
    flaws: tuple[str, ...] = ()
    bit_depth: int | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    drawn: Drawn | None = None


@dataclass(frozen=True)
class Recipe:
    """How to fine-tune. Fields that are None are chosen from the dataset when training starts.

    Attributes:
        optimizer: ``adamw`` or ``sgd`` (Nesterov).
        lr: highest learning rate, for a batch of ``batch``.
        momentum: SGD's momentum, AdamW's first beta.
        weight_decay: on weights, never on biases and normalisation.
        schedule: ``cosine``, ``linear`` or ``constant`` after the warm-up.
        warmup: steps, as a fraction of all steps.
        epochs: passes over the training pictures.
        steps: where ``epochs`` is None, so many passes that there are at least as many optimizer
            steps; None leaves their number to the rule.
        batch: pictures per optimizer step, over all devices.
        size: side of the square input in pixels; None takes the model card's, or looks at the
            objects where ``object_side`` is set.
        fit: ``letterbox`` or ``stretch``; None takes the model card's.
        patience: epochs without a better AP on valid before it stops; None never stops early.
        ema: horizon of the weight average, as a fraction of all steps; 0 turns it off.
        clip: largest norm of the gradient; None leaves it.
        norm: ``train`` lets batch normalisation learn its statistics, ``frozen`` keeps those it
            has, for batches too small to tell.
        views: ways each picture is drawn in, which come again epoch by epoch, so that frozen
            features of them can be kept; None draws every picture anew.
        object_side: where ``size`` is None, it is chosen so that nine objects of ten have at least
            this side in input pixels, up to the model card's size.
        mosaic: probability of a four-picture mosaic; off for the last ``plain`` share of epochs.
        mixup: probability that two pictures are laid over each other; off with the mosaic.
        augment: albumentations transforms, ``{Name: {argument: value}}`` each, in order.
        extra: settings only one family knows; it checks them.
    """

    __pydantic_config__ = STRICT
    FOLDER: ClassVar[str] = "recipes"
    name: str
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.0005
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.1
    epochs: int | None = None
    steps: int | None = None
    batch: int = 16
    size: int | None = None
    fit: Literal["letterbox", "stretch"] | None = None
    patience: int | None = None
    ema: float = 0.1
    clip: float | None = 10.0
    norm: Literal["train", "frozen"] = "train"
    views: int | None = None
    object_side: int | None = None
    mosaic: float | None = 0.0
    mixup: float | None = 0.0
    plain: float = 0.3
    augment: tuple[Mapping[str, Mapping[str, Any]], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = [
            text
            for text, bad in (
                ("lr must be positive", self.lr is not None and self.lr <= 0),
                ("momentum must lie in 0..1", not 0 <= self.momentum < 1),
                ("weight_decay must not be negative", self.weight_decay < 0),
                ("warmup, plain and ema must lie in 0..1", not 0 <= self.warmup <= 1),
                ("warmup, plain and ema must lie in 0..1", not 0 <= self.plain <= 1),
                ("warmup, plain and ema must lie in 0..1", not 0 <= self.ema <= 1),
                ("mosaic must lie in 0..1", not 0 <= (self.mosaic or 0) <= 1),
                ("mixup must lie in 0..1", not 0 <= (self.mixup or 0) <= 1),
                (
                    "object_side must be positive",
                    self.object_side is not None and self.object_side < 1,
                ),
                ("epochs must be positive", self.epochs is not None and self.epochs < 1),
                ("steps must be positive", self.steps is not None and self.steps < 1),
                ("batch must be positive", self.batch < 1),
                ("views must be positive", self.views is not None and self.views < 1),
                (
                    "size must lie in 32..8192",
                    self.size is not None and not 32 <= self.size <= 8192,
                ),
            )
            if bad
        ]
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    @property
    def repeats(self) -> bool:
        """Whether a picture is drawn the same again."""
        return self.views is not None or not (self.mosaic or self.mixup or self.augment)


class Card(Protocol):
    """What a YAML file in a folder of cards holds; without a name of its own it has the file's."""

    FOLDER: ClassVar[str]

    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=Card)


def load_card(kind: type[C], name: str) -> C:
    """Load a card by its name, or by the path of a YAML file.

    Raises:
        CardError: no such card (the message lists those there are), or mistakes in it.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else card_folder(kind) / f"{name}.yaml"
    if not path.is_file():
        raise CardError(
            f"there is none of this name in {kind.FOLDER}/",
            where=name,
            fix=f"one of: {', '.join(card_names(kind))}",
        )
    data, lines = read_yaml(path)
    if isinstance(data, dict):
        data.setdefault("name", path.stem)
    return bind(kind, data, where=path, lines=lines)


def card_names(kind: type[C]) -> list[str]:
    """Names of all cards of a kind."""
    return sorted(path.stem for path in card_folder(kind).glob("*.yaml"))


def card_folder(kind: type[C]) -> Path:
    """The folder a kind of card lies in: inside the installed package, else of the checkout."""
    inside = Path(__file__).parent / "shared"  # first: another package may be named `datasets`
    return (inside if inside.is_dir() else ROOT) / kind.FOLDER


def cache_folder() -> Path:
    """The kit's own cache: ``KIT_CACHE``, else the user's cache folder. The only place outside the
    output directories that the kit writes to."""
    if own := os.environ.get("KIT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "detector-kit"
