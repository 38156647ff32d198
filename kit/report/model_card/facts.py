"""Sections of the model card that the bundle's own card tells.

What a card holds beyond its typed fields may be missing or odd in a bundle from elsewhere, so it is
looked up, never relied on; what is absent is said to be absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kit.bundle import Bundle, BundleCard
from kit.cards import DatasetCard, card_names, load_card
from kit.report.page import Cell, Facts, Section, Table, Text

NOT_RECORDED = "not recorded"
AGPL = (
    "The model it was made from is under AGPL-3.0, and so is this detector, unless its user has "
    "another licence from the model's makers. In short: who passes it on, or lets others use a "
    "changed one over a network, has to offer them the corresponding source under the same "
    "licence. The licence's own text counts, not this sentence."
)


def at(mapping: Mapping[str, Any], *keys: str) -> Any:
    """What lies at nested keys; None where there is nothing."""
    value: Any = mapping
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def cell(value: Any) -> Cell:
    """Any plain data as a cell."""
    if value is None or isinstance(value, (str, float)) or type(value) is int:
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False)


def pair(value: Any, places: str = ".3f") -> str | None:
    """An interval in words; None where there is none."""
    if isinstance(value, (list, tuple)) and [type(each) for each in value] == [float, float]:
        return f"{value[0]:{places}} to {value[1]:{places}}"
    return None


def identity(bundle: Bundle) -> list[Section]:
    """What it is, and what its licence asks."""
    card = bundle.card
    suppress = card.suppress
    items: list[tuple[str, Cell]] = [
        ("Name", card.name),
        ("Finds", ", ".join(card.classes)),
        ("Started from", f"{card.model}, {card.architecture}"),
        ("Family", card.family),
        ("Kind", card.kind),
        ("Precision", card.precision),
        ("Input", f"{card.input.size} x {card.input.size} px, {card.input.fit}"),
        ("Suppression", "in the graph" if suppress is None else f"above IoU {suppress.iou:g}"),
        ("Most boxes a picture", card.cap),
        ("Proven on", ", ".join(card.backends) or "its family's framework"),
        ("Made by", card.made_by or NOT_RECORDED),
        ("Licence", card.licence),
    ]
    what = "CLAIM 2024: model. MI-CLAIM: study design, reproducible pipeline. FUTURE-AI: "
    sections: list[Section] = [Facts("What it is", items, _follows(what + "traceability."))]
    if "AGPL" in card.licence.upper():
        sections.append(Text("What the licence asks", [AGPL], note=_follows("FUTURE-AI: general.")))
    return sections


def data(card: BundleCard) -> list[Section]:
    """What it was trained and chosen on."""
    source = card.dataset.get("source", "")
    known = load_card(DatasetCard, source) if source in card_names(DatasetCard) else None
    absent = f"{NOT_RECORDED}: it has no card in datasets/"
    items: list[tuple[str, Cell]] = [
        ("Dataset", card.dataset.get("name", NOT_RECORDED)),
        ("Its licence", absent if known is None else known.licence),
        ("To be cited as", absent if known is None else known.citation),
        ("Training pictures", cell(card.training.get("train_pictures", NOT_RECORDED))),
        *((f"Manifest, {split}", digest) for split, digest in card.manifests.items()),
    ]
    if not card.manifests:
        items.append(("Manifests", NOT_RECORDED))
    note = _follows(
        "CLAIM 2024: data, data partitions. MI-CLAIM: separation of data into partitions. "
        "FUTURE-AI: fairness, traceability.",
        "A manifest's sha256 names pictures and labels exactly. Licence, citation and flaws are "
        "told by the dataset's own card.",
    )
    sections: list[Section] = [Facts("Data", items, note)]
    if known is not None and known.flaws:
        sections.append(Text("Known flaws of the dataset", known.flaws))
    objects = card.training.get("train_objects")
    if isinstance(objects, Mapping):
        rows = [[name, cell(count)] for name, count in objects.items()]
        sections.append(Table("Training objects", ("class", "objects"), rows))
    return sections


def training(card: BundleCard) -> list[Section]:
    """How it was trained, and what was kept."""
    facts = card.training
    if not facts:
        return [Text("Training", [f"{NOT_RECORDED.capitalize()}."], note=_TRAINING)]
    start, epochs = facts.get("start"), facts.get("epochs")
    items: list[tuple[str, Cell]] = [
        ("Start", cell(at(facts, "start", "kind") or start) or NOT_RECORDED),
        ("Weights started from, sha256", cell(at(facts, "start", "sha256"))),
        ("Plan", cell(at(facts, "plan", "notation") or facts.get("plan")) or "all stages tuned"),
        ("Recipe", cell(at(facts, "recipe", "name")) or NOT_RECORDED),
        ("Seed", cell(facts.get("seed"))),
        ("Epochs", cell(epochs)),
        ("Kept", f"epoch {facts.get('epoch')} of {epochs}" if epochs else NOT_RECORDED),
        ("AP on valid", cell(at(card.reports, "valid", "ap"))),
    ]
    recipe = at(facts, "recipe")
    sections: list[Section] = [Facts("Training", items, _TRAINING)]
    if isinstance(recipe, Mapping):
        told = {name: value for name, value in recipe.items() if value not in (None, {}, [])}
        rows = [[name, str(cell(value))] for name, value in told.items()]
        sections.append(Table("The recipe in full", ("setting", "value"), rows))
    return sections


def operating_point(card: BundleCard) -> list[Section]:
    """The scores from which boxes are shown, and what chose them."""
    told = at(card.reports, "operating_point", "together")
    items: list[tuple[str, Cell]] = [
        ("Shown from a score of", card.operating_point),
        *((f"{name}, from", value) for name, value in card.class_thresholds.items()),
        ("Chosen by the rule", card.rule or "none: the default"),
    ]
    note = "Thresholds are of raw scores."
    if isinstance(told, Mapping):
        items.append(("Objects that chose", cell(at(told, "fitted", "objects"))))
        for figure, name in _EXPECTED.items():
            items.append((f"{name}, expected on others", pair(at(told, "expected", figure))))
        note += " Expected: 95 % of as many other pictures, by bootstrap out of the bag."
    elif card.rule is None:
        note += " Choose by a rule: kit calibrate BUNDLE SRC --rule sensitivity=0.95 --out NEW."
    follows = "CLAIM 2024: evaluation. MI-CLAIM: optimisation and final model selection."
    return [Facts("Operating point", items, _follows(follows, note))]


def scaling(card: BundleCard) -> list[Section]:
    """Whether a score can be read as a chance."""
    title, follows = "Scores as chances", "CLAIM 2024: evaluation. FUTURE-AI: explainability."
    if card.scaling is None:
        why = "Not measured: a score is no chance. kit calibrate BUNDLE SRC --scores temperature."
        return [Text(title, [why], note=_follows(follows))]
    told = card.reports.get("scaling", {})
    items: list[tuple[str, Cell]] = [
        ("Method", card.scaling.method),
        ("Calibration error before", cell(at(told, "gain", "before", "error"))),
        ("After", cell(at(told, "gain", "after", "error"))),
        ("Detections", cell(at(told, "detections"))),
    ]
    note = "D-ECE on valid pictures, each scaled by a fit to others; applied where asked for."
    return [Facts(title, items, _follows(follows, note))]


def watch(card: BundleCard) -> list[Section]:
    """How it tells pictures that are unlike those of training."""
    title, follows = "Watch", "CLAIM 2024: evaluation. FUTURE-AI: robustness, universality."
    if not card.watch:
        why = (
            "None: it answers for any picture, however unlike those of training it is. Fit one: "
            "kit calibrate BUNDLE SRC --watch --out NEW."
        )
        return [Text(title, [why], note=_follows(follows))]
    alarms = card.watch.get("alarms")
    items: list[tuple[str, Cell]] = [
        ("Method", cell(card.watch.get("method"))),
        ("Flags of usual pictures", f"{alarms:.1%}" if isinstance(alarms, float) else cell(alarms)),
        ("From a distance of", cell(card.watch.get("threshold"))),
    ]
    note = "Measured on valid pictures that did not set the threshold. It knows no diseases."
    return [Facts(title, items, _follows(follows, note))]


def files(bundle: Bundle) -> list[Section]:
    """All files that were there before the documents, and where they come from."""
    known = bundle.card.documents
    left = set() if known is None else set(known.files)
    rows: list[list[Cell]] = [
        [name, digest] for name, digest in bundle.card.files.items() if name not in left
    ]
    rows += [["(the bundle itself)", bundle.same[0]], ["(made from)", bundle.made_from]]
    note = _follows(
        "MI-CLAIM: reproducible pipeline. FUTURE-AI: traceability.",
        "`kit verify` checks them, and the documents beside this page, against the bundle's card.",
    )
    return [Table("Files", ("file", "sha256"), rows, note)]


def _follows(topics: str, first: str = "") -> str:
    return f"{first} Topics of {topics}".strip()


_TRAINING = _follows(
    "CLAIM 2024: training. MI-CLAIM: optimisation and final model selection. FUTURE-AI: "
    "traceability."
)
_EXPECTED = {"sensitivity": "Sensitivity", "precision": "Precision", "fppi": "False per picture"}
