"""One fine-tuning of a study, and what determines it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from kit.binding import plain
from kit.data.sampling import ALL, Draw
from kit.files import sha256_json


@dataclass(frozen=True)
class Setting:
    """What is compared: cells of one setting differ in nothing but chance.

    Attributes:
        model: name of a model card. dataset: folder or name of a dataset card.
        draw: of the training pictures.
        start: ``coco``, ``random``, ``mean-var`` or a path.
        plan: what is frozen, tuned and re-initialised; None tunes everything at the recipe's rate.
        recipe: name or file.
        size: side of the input in pixels, epochs: passes; None leaves them to the recipe.
        folds: None tests on the dataset's own test split; else each cell tests on one of so many
            parts of the whole set, and the predictions on all of them are pooled.
    """

    model: str
    dataset: str
    draw: Draw = ALL
    start: str = "coco"
    plan: str | None = None
    recipe: str = "default"
    size: int | None = None
    epochs: int | None = None
    folds: int | None = None

    def parts(self) -> dict[str, str]:
        """Each attribute in words, for tables that show the ones that differ."""
        return {
            "model": _stem(self.model),
            "dataset": _stem(self.dataset),
            "sample": str(self.draw),
            "start": _stem(self.start),
            "plan": self.plan or "tune everything",
            "recipe": _stem(self.recipe),
            "size": "card's" if self.size is None else f"{self.size} px",
            "epochs": "recipe's" if self.epochs is None else str(self.epochs),
            "folds": "-" if self.folds is None else str(self.folds),
        }

    def __str__(self) -> str:
        unset, said = Setting(self.model, self.dataset).parts(), []
        for name, words in self.parts().items():
            if name in ("model", "dataset", "sample"):
                said.append(words)
            elif words != unset[name]:
                said.append(_IN_WORDS[name].format(words))
        return ", ".join(said)


_IN_WORDS = {
    "start": "from {}",
    "plan": "{}",
    "recipe": "recipe {}",
    "size": "{}",
    "epochs": "{} epochs",
    "folds": "{} folds",
}


@dataclass(frozen=True)
class Cell:
    """A setting with its chances.

    Attributes:
        seed: of the draw, the folds and the training.
        fold: which, from 0; None without folds.
    """

    setting: Setting
    seed: int = 0
    fold: int | None = None

    @property
    def name(self) -> str:
        """Of its directory: readable, and another for every other cell."""
        fold = "" if self.fold is None else f" fold {self.fold}"
        text = f"{self.setting}{fold} seed {self.seed}".replace("%", "pc")
        words = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")
        return f"{words[:100]}-{sha256_json(plain(self))[:8]}"

    def __str__(self) -> str:
        fold = "" if self.fold is None else f", fold {self.fold}"
        return f"{self.setting}{fold}, seed {self.seed}"


def _stem(text: str) -> str:
    """Cards by their name, files and folders by the last parts of their path."""
    return "/".join(PurePath(text).with_suffix("").parts[-2:])
