"""A bundle: a directory with ``card.json``, one weights file, and any further files the card names.

Checkpoint, ONNX graph and engine are all bundles. ``card.json`` holds the sha256 of every other
file, and the sha256 of ``card.json`` names the bundle, so one digest vouches for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from kit.binding import bind, plain
from kit.cards import Input, Suppress
from kit.errors import BundleError
from kit.files import new_directory, read_json, sha256_file, write_json

CARD = "card.json"
Precision = Literal["fp32", "fp16", "int8"]
_MAKE = "make one with `kit train`"
_COPY_AGAIN = "copy the bundle again from where it was made"


@dataclass(frozen=True)
class Scaling:
    """How scores become chances, see :mod:`kit.runtime.scaling`.

    Attributes:
        temperature: what logits are divided by.
        scores, chances: knots of isotonic scaling, both strictly increasing in 0..1.
    """

    method: Literal["temperature", "isotonic"]
    temperature: float = 1.0
    scores: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):  # also false for NaN
            raise ValueError(f"temperature must be positive, it is {self.temperature}")
        if len(self.scores) != len(self.chances):
            raise ValueError("scaling needs as many scores as chances")
        if self.method == "isotonic" and not self.scores:
            raise ValueError("isotonic scaling needs knots")
        for knots in (self.scores, self.chances):
            rising = all(low < high for low, high in pairwise(knots))
            if not (rising and all(0 <= each <= 1 for each in knots)):
                raise ValueError("knots of a scaling must increase, and lie in 0..1")


@dataclass(frozen=True)
class Related:
    """Another bundle of the same model, known to be so by their cards.

    Attributes:
        of: its ``bundle_sha256``, without documents and with, as far as known.
        relation: what it is to this one: made from the same bundle it is a sibling.
        conversion, parity: what its card tells of how it came to its precision, and what the gate
            saw then; empty where only a report of it was at hand.
    """

    of: tuple[str, ...]
    relation: Literal["parent", "child", "sibling"]
    precision: str
    kind: str = ""
    conversion: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Documents:
    """Which files of a bundle tell of it; `kit card` writes them. All but ``of``, ``made_from`` and
    ``related`` are names of files.

    Attributes:
        of: ``bundle_sha256`` of the bundle that is told of, without documents, and of each
            documented one since: their weights and thresholds are the same, so that a report of any
            of them is a report of this one.
        made_from: what the first of these was made from, its ``parent``; None where it has none.
        markdown, html: the model card. statements: what only people can say, as YAML.
        evaluations, latencies: reports of `kit evaluate` and `kit bench`.
        samples: pictures to try the detector on.
        related: the other bundles that reports may be of.
    """

    of: tuple[str, ...]
    made_from: str | None
    markdown: str
    html: str
    statements: str
    evaluations: tuple[str, ...] = ()
    latencies: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all of them."""
        reports = (*self.evaluations, *self.latencies)
        return (self.markdown, self.html, self.statements, *reports, *self.samples)


@dataclass(frozen=True)
class BundleCard:
    """What travels with the weights. Everything a runtime needs, and how the model came to be.

    Attributes:
        kind: what the weights file is.
        model: the model card it was built from, by name; ``architecture`` in the family's words.
        classes: names, 0-based; a background class never leaves a family.
        suppress: None where the graph needs no suppression after it.
        cap: most detections returned per picture.
        boxes: rows N of the graph's outputs; None for a checkpoint.
        max_batch: largest batch the graph takes; None means any.
        backends: those it is proven on.
        operating_point: score from which a box is shown.
        dataset: ``{source, name}`` it was trained on; ``manifests`` the hash of each split used.
        conversion: how it came to its precision: what the rest runs in, the calibration, what was
            left in float, and every way that was tried.
        parent: ``bundle_sha256`` of the bundle this was made from.
        training: facts of the run: start, seed, epochs, recipe, the epoch kept.
        reports: headline figures, each with the manifest they were measured on.
        watch: how pictures unlike those of training are told, see :mod:`kit.runtime.watch`; empty
            where they aren't.
        class_thresholds: by name, for classes that have a score of their own from which they are
            shown; the others take ``operating_point``.
        rule: by which these were chosen, as ``kit calibrate`` was told; None for the default.
        scaling: makes chances of scores, where asked for; thresholds are of scores before it.
        documents: which of the files tell of the bundle; None where none do.
        files: sha256 of every file but the card.
    """

    name: str
    kind: Literal["checkpoint", "onnx", "engine"]
    family: str
    model: str
    architecture: str
    licence: str
    classes: tuple[str, ...]
    input: Input
    suppress: Suppress | None
    weights: str
    files: Mapping[str, str]
    cap: int = 300
    boxes: int | None = None
    max_batch: int | None = None
    precision: Precision = "fp32"
    backends: tuple[str, ...] = ()
    operating_point: float = 0.25
    dataset: Mapping[str, str] = field(default_factory=dict)
    manifests: Mapping[str, str] = field(default_factory=dict)
    conversion: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    reports: Mapping[str, Any] = field(default_factory=dict)
    watch: Mapping[str, Any] = field(default_factory=dict)
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    rule: str | None = None
    scaling: Scaling | None = None
    documents: Documents | None = None
    made_by: str = ""
    schema: Literal[1] = 1

    def __post_init__(self) -> None:
        for name, threshold in self.class_thresholds.items():
            if name not in self.classes:
                raise ValueError(f"class_thresholds names {name!r}, which is no class of it")
            if not threshold >= 0:  # also for NaN
                raise ValueError(f"the threshold of {name} must not be negative, it is {threshold}")

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Score from which a box is shown, for each class in order."""
        return tuple(self.class_thresholds.get(each, self.operating_point) for each in self.classes)


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, its files checked against its card."""

    directory: Path
    card: BundleCard
    sha256: str

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.directory / self.card.weights

    @property
    def same(self) -> tuple[str, ...]:
        """``bundle_sha256`` of all bundles known to have these very weights and thresholds."""
        documents = self.card.documents
        return (self.sha256,) if documents is None else (*documents.of, self.sha256)

    @property
    def made_from(self) -> str | None:
        """``bundle_sha256`` of the bundle whose weights or thresholds were changed to these; None
        where there is none."""
        documents = self.card.documents
        return self.card.parent if documents is None else documents.made_from


def open_bundle(directory: Path | str) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: no card, a card this version can't read, or a file that is missing, not named
            by the card's digest, or outside the bundle.
    """
    directory = Path(directory)
    path = directory / CARD
    if not path.is_file():
        inside = [name for name in ("best", "last") if (directory / name / CARD).is_file()]
        raise BundleError(
            f"not a bundle: it has no {CARD}",
            where=directory,
            fix=f"name one inside it: {directory / inside[0]}" if inside else _MAKE,
        )
    data = read_json(path, "a bundle's card", error=BundleError, fix=_COPY_AGAIN)
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != 1:
        raise BundleError(
            f"not a bundle card of schema 1, which this version reads: its schema is {schema}",
            where=path,
            fix="open it with the version of the kit that made it, or a newer one",
        )
    card = bind(BundleCard, data, where=path, error=BundleError)
    if card.weights not in card.files:
        raise BundleError(f"the card gives no digest for {card.weights}", where=path)
    if card.documents is not None:
        _check_documents(card, card.documents, path)
    for name, digest in card.files.items():
        _verify(directory, name, digest)
    return Bundle(directory, card, sha256_file(path))


def undocumented(card: BundleCard) -> BundleCard:
    """The card of a bundle that is made from this one: documents don't tell of what is changed."""
    return replace(card, documents=None)


def save_bundle(directory: Path, card: BundleCard, files: Mapping[str, Path | bytes]) -> Bundle:
    """Write a bundle; it appears under its name only when complete.

    Args:
        card: its ``files`` are filled in here.
        files: content by name; one of them is ``card.weights``.
    """
    with new_directory(directory) as beside:
        fill_bundle(beside, card, files)
    return open_bundle(directory)


def fill_bundle(directory: Path, card: BundleCard, files: Mapping[str, Path | bytes]) -> None:
    """Write a bundle's files into a directory that is being made."""
    digests = {}
    for name, content in files.items():
        target = directory / name
        target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        digests[name] = sha256_file(target)
    write_json(directory / CARD, {**plain(card), "files": digests})


def _check_documents(card: BundleCard, documents: Documents, path: Path) -> None:
    names = documents.files
    if unknown := sorted({*names} - {*card.files}):
        raise BundleError(f"the card gives no digest for {', '.join(unknown)}", where=path)
    if len({*names}) < len(names) or card.weights in names:
        raise BundleError("the card names a file twice, as different documents", where=path)
    if not documents.of:
        raise BundleError("the card has documents, and says not of which bundle", where=path)


def _verify(directory: Path, name: str, digest: str) -> None:
    path = directory / name
    if Path(name).name != name or path.is_symlink():
        raise BundleError(f"names a file outside itself: {name}", where=directory)
    if not path.is_file():
        raise BundleError(f"the file {name} is missing", where=directory, fix=_COPY_AGAIN)
    if sha256_file(path) != digest:
        raise BundleError(
            f"{name} is not the file the card names: it was changed or damaged",
            where=directory,
            fix=_COPY_AGAIN,
        )
