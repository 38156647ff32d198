"""Every card that is shipped loads, and says what it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.advise.measured import Measured
from kit.cards import DatasetCard, ModelCard, Recipe, card_names, load_card
from kit.families import names as families
from kit.finetune.distance import Reference
from kit.study.study import Study

ROOT = Path(__file__).parents[2]
MODELS, DATASETS, RECIPES, STUDIES, MEASURED = (
    card_names(kind) for kind in (ModelCard, DatasetCard, Recipe, Study, Measured)
)
REFERENCES = sorted((ROOT / "models").glob("*.coco.safetensors"))


def test_the_folders_hold_cards_and_nothing_else() -> None:
    folders = {
        "models": MODELS,
        "datasets": DATASETS,
        "recipes": RECIPES,
        "studies": STUDIES,
        "advice": MEASURED,
    }
    for folder, names in folders.items():
        there = {path.name for path in (ROOT / folder).iterdir()}
        assert there - {path.name for path in REFERENCES} == {f"{name}.yaml" for name in names}


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.name)
def test_a_reference_is_of_the_card_beside_it(path: Path) -> None:
    reference = Reference.load(path)
    card = load_card(ModelCard, path.name.partition(".")[0])
    assert card.weights is not None
    reference.require_model(card.name, card.weights.sha256, card.input.size, path)
    assert len(reference.pictures) == len(reference.sha256) >= len(reference.objects) >= 100
    assert path.stat().st_size < 1_000_000
    for measures in reference.yardsticks.values():
        assert set(measures) == {"cosine", "mmd", "svm"}


@pytest.mark.parametrize("name", MEASURED)
def test_what_was_measured_is_of_a_known_model(name: str) -> None:
    told = load_card(Measured, name)
    assert (ROOT / told.study).is_file()
    for case in told.cases:
        assert case.model in MODELS
        assert case.dataset in DATASETS
        assert case.tied[0] == max(case.outcomes, key=lambda way: case.outcomes[way].ap50)


@pytest.mark.parametrize("name", MODELS)
def test_model_card(name: str) -> None:
    card = load_card(ModelCard, name)
    assert card.name == name
    assert card.family in families()
    assert card.licence
    if card.weights is not None:
        assert card.weights.url.endswith(f"/{card.weights.file}")
    assert card.classes == 80
    assert card.input.size % 32 == 0
    assert card.published is not None
    assert 0.1 < card.published.ap < 0.7
    assert card.published.source.startswith("https://")


def test_no_two_models_share_a_file() -> None:
    named = [load_card(ModelCard, name).weights for name in MODELS]
    weights = [each for each in named if each is not None]
    assert len({each.sha256 for each in weights}) == len({each.url for each in weights})
    assert len({each.url for each in weights}) == len(weights) > 10


@pytest.mark.parametrize("name", DATASETS)
def test_dataset_card(name: str) -> None:
    card = load_card(DatasetCard, name)
    assert card.name == name
    assert (ROOT / "kit" / "data" / "formats" / f"{card.format}.py").is_file()
    assert len(set(card.classes)) == len(card.classes) > 0
    assert card.licence
    assert card.citation
    assert not Path(card.folder).is_absolute()
    assert ".." not in Path(card.folder).parts


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str) -> None:
    recipe = load_card(Recipe, name)
    assert recipe.name == name
    for step in recipe.augment:
        assert len(step) == 1, "one transform an entry: their order counts"


@pytest.mark.parametrize("name", STUDIES)
def test_study(name: str) -> None:
    study = load_card(Study, name)
    assert study.about.endswith("?"), "a study asks something"
    cells = study.cells()
    assert len({cell.name for cell in cells}) == len(cells)
    for grid in study.grids:
        settings = grid.settings()
        for figure in grid.published:
            assert any(figure.is_of(setting) for setting in settings), f"{figure} is of no cell"
