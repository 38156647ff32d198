"""What goes into a parcel: every file by its path, as bytes or as the file it is copied from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TypeAlias

from kit.bundle import CARD, Bundle
from kit.cards import DatasetCard, ModelCard, card_folder, card_names
from kit.errors import UsageError
from kit.files import json_bytes
from kit.parcel import readme
from kit.parcel.manifest import BUNDLE, IMAGE, README, REQUIREMENTS, SAMPLES, WHEELS
from kit.parcel.wheels import OWN, Wheels
from kit.pixels import encode_picture, read_picture
from kit.progress import SILENT, Progress
from kit.signature import SIGNATURE, signature_of
from kit.supply import report
from kit.supply.component import Component
from kit.supply.sbom import Subject, sbom

Pieces: TypeAlias = Mapping[str, bytes | Path]
"""Content by path in the parcel."""

SUFFIX = ".jpg"
_QUALITY = 95
_REFERENCE = re.compile(r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    """A container image that goes with the bundle.

    Attributes:
        reference: ``NAME@sha256:...``; empty where only the archive is known.
        archive: what `docker save` wrote, to be carried along; None to be fetched elsewhere.
    """

    reference: str = ""
    archive: Path | None = None

    def __post_init__(self) -> None:
        if self.reference and not _REFERENCE.fullmatch(self.reference):
            raise UsageError(
                "an image is named with its digest, NAME@sha256:..., since a tag can move",
                where=self.reference,
                fix="docker image inspect --format '{{index .RepoDigests 0}}' NAME",
            )
        if self.archive is not None and not self.archive.is_file():
            raise UsageError("there is no such file", where=self.archive, fix="docker save -o FILE")


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        name: of the folder in the archive.
        samples: pictures, with the bits that those with 16 really use.
        private: key that signs; None leaves it unsigned.
    """

    name: str
    bundle: Bundle
    wheels: Wheels | None = None
    image: Image | None = None
    samples: Sequence[Path] = ()
    bit_depth: int | None = None
    private: Path | None = None


def gather(order: Order, *, progress: Progress = SILENT) -> dict[str, bytes | Path]:
    """Everything but the manifest, its signature and the sums.

    Raises:
        DataError: a sample is no picture.
        UsageError: a key or an image is not what it should be.
    """
    pieces: dict[str, bytes | Path] = {}
    pieces |= _bundle(order.bundle, order.private)
    pieces |= _cards(order.bundle)
    pieces |= _samples(order.samples, order.bit_depth, progress)
    pieces |= _licences(order)
    if order.wheels is not None:
        pieces[REQUIREMENTS] = order.wheels.requirements.encode()
        pieces |= {f"{WHEELS}/{name}": path for name, path in order.wheels.files.items()}
    if order.image is not None and order.image.archive is not None:
        pieces[f"{IMAGE}/archive.tar"] = order.image.archive
    if order.image is not None and order.image.reference:
        pieces[f"{IMAGE}/REFERENCE.txt"] = f"{order.image.reference}\n".encode()
    pieces[README] = readme.text(order.name, pieces, order.wheels, signed=bool(order.private))
    return pieces


def _bundle(bundle: Bundle, private: Path | None) -> Pieces:
    """The bundle's own files and nothing that lies beside them; signed too where the parcel is, as
    the other side may take only what is."""
    names = [CARD, *bundle.card.files]
    pieces: dict[str, bytes | Path] = {
        f"{BUNDLE}/{name}": bundle.directory / name for name in names
    }
    signature = bundle.directory / SIGNATURE
    if signature.is_file():
        pieces[f"{BUNDLE}/{SIGNATURE}"] = signature
    elif private is not None:
        told = signature_of((bundle.directory / CARD).read_bytes(), private)
        pieces[f"{BUNDLE}/{SIGNATURE}"] = json_bytes(told)
    return pieces


def _cards(bundle: Bundle) -> Pieces:
    """The kit's cards of the pretrained model and of the dataset, where it has such."""
    found: dict[str, bytes | Path] = {}
    for kind, name in (
        (ModelCard, bundle.card.model),
        (DatasetCard, bundle.card.dataset.get("name", "")),
    ):
        if name in card_names(kind):
            found[f"cards/{kind.FOLDER}-{name}.yaml"] = card_folder(kind) / f"{name}.yaml"
    return found


def _samples(paths: Sequence[Path], bit_depth: int | None, progress: Progress) -> Pieces:
    """Pictures decoded and encoded again: no name, no EXIF, no thumbnail comes along."""
    width = len(str(len(paths)))
    return {
        f"{SAMPLES}/sample-{number:0{width}}{SUFFIX}": encode_picture(
            read_picture(path, bit_depth=bit_depth), SUFFIX, quality=_QUALITY
        )
        for number, path in enumerate(progress.track(paths, "samples"), 1)
    }


def _licences(order: Order) -> Pieces:
    """Licences, and the bill of materials."""
    components = () if order.wheels is None else order.wheels.components
    place = "parcel" if order.wheels is None else order.wheels.lock
    model = model_of(order.bundle)
    subject = Subject(order.name, order.bundle.sha256[:16])
    found: dict[str, bytes | Path] = {
        "sbom.cdx.json": json_bytes(sbom(subject, components, [model])),
        "licences.json": json_bytes(
            {
                **report.as_json(order.name, components, place),
                "model": {"name": model.name, "licence": model.licence},
            }
        ),
        "LICENCES.md": _told(order, components, place),
    }
    found["licences/LICENSE"] = _own_licence()
    for name, text in report.texts(components).items():
        path = f"licences/{'/'.join(_plain(part) for part in name.split('/'))}"
        while path.casefold() in {each.casefold() for each in found}:
            path += "_"
        found[path] = text
    return found


def _own_licence() -> bytes:
    """The kit's, from its checkout or from what was installed."""
    checkout = Path(__file__).parents[2] / "LICENSE"
    if checkout.is_file():
        return checkout.read_bytes()
    installed = distribution(OWN)
    text = installed.read_text("licenses/LICENSE") or installed.metadata["License-Expression"]
    return text.encode()


def _told(order: Order, components: Sequence[Component], place: str) -> bytes:
    card = order.bundle.card
    text = report.markdown(order.name, components, place)
    return f"{text}\n## The model\n\n{card.name}, from {card.model}: {card.licence}\n".encode()


def model_of(bundle: Bundle) -> Subject:
    """The bundle as a part of a bill of materials."""
    card = bundle.card
    parameters = {
        "task": "object-detection",
        "architectureFamily": card.family,
        "modelArchitecture": card.architecture,
    }
    if name := card.dataset.get("name"):
        parameters["datasets"] = [{"type": "dataset", "name": name}]  # type: ignore[assignment]
    return Subject(
        name=card.name,
        version=bundle.sha256[:16],
        licence=card.licence,
        model={"modelParameters": parameters},
        sha256=card.files[card.weights],
        facts={
            "kit:bundle_sha256": bundle.sha256,
            "kit:classes": ", ".join(card.classes),
            "kit:kind": card.kind,
            "kit:precision": card.precision,
        },
    )


def _plain(part: str) -> str:
    """A file's name in letters that every disk takes."""
    text = re.sub(r"[^A-Za-z0-9._+!-]", "-", part).strip("-.")[:70].strip("-.")
    return text or "file"
