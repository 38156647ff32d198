"""Pascal VOC: one XML file a picture, split lists in ``ImageSets/Main``.

Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010. Coordinates are read
as they stand: VOC2012 itself counts pixels from 1, the tools that write the format today from 0.

Also read: pictures and XML files side by side, in split folders or none (what Roboflow exports).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as ET

from kit.data import side
from kit.data.dataset import SPLITS, Dataset
from kit.data.reading import MOST_LABELS, Reading, Row, find_root, folders, inside, split_name
from kit.data.writing import copy_picture, new_names, speakable, split_file
from kit.files import read_limited
from kit.pixels import is_picture
from kit.progress import SILENT, Progress
from kit.types import Example, Ignore

LOOKED_FOR = "Annotations/*.xml and JPEGImages/ (or .xml beside the pictures)"

DEEPEST = 50
"""Elements inside elements; what walks them does so by recursion. Labels have five."""

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_USUAL = {"pose": "Unspecified", "truncated": "0", "occluded": "0", "segmented": "0"}
_OWN = {"name", "bndbox", "difficult"}
_OWN_OF_PICTURE = {"folder", "filename", "path", "size", "object"}
_XML = "*.[xX][mM][lL]"
_OF_ONE_CLASS = re.compile(r".+_(train|val|trainval|test)$")  # VOC's lists for classification
_EXTRA = "xml"  # elements that have elements inside, kept as text

_Found = list[tuple[str, tuple[float, float, float, float], Ignore, dict[str, Any]]]


def sniff(root: Path) -> Path | None:
    """See :class:`kit.data.formats.Format`."""
    return find_root(root, _matches)


def read(root: Path, *, name: str, progress: Progress = SILENT) -> Dataset:
    """See :class:`kit.data.formats.Format`. Classes are in alphabetical order, unless ``kit.json``
    or a ``classes.txt`` tells another."""
    reading = Reading(root, "voc", name)
    pictures, labels = _pair(reading)
    keys: dict[str, str] = {}
    found: list[tuple[str, tuple[int, int], _Found, dict[str, Any]]] = []
    for key in progress.track(sorted(labels), "reading labels"):
        label = root / labels[key]
        annotation = _parse(label, reading)
        if annotation is None:
            continue
        if (id_ := _picture_of(pictures.get(key, []), annotation)) is None:
            reading.note("label_without_picture", labels[key])
        elif (size := reading.size(id_)) is not None:
            keys[key] = id_
            for other in pictures[key]:
                if other != id_:
                    reading.note("picture_left_out", f"{other}: {labels[key]} is {id_}'s")
            reading.label_files.add(label)
            if (told := _told_size(annotation)) is not None and told != size:
                reading.note("size_mismatch", f"{labels[key]}: says {told}, the picture is {size}")
            extra = _extras(annotation, _OWN_OF_PICTURE)
            found.append((id_, size, _objects(annotation, labels[key], reading), extra))
    for key in sorted(set(pictures) - set(labels)):
        reading.note("picture_left_out", f"{pictures[key][0]}: no label")
    classes = _class_order({name for _, _, objects, _ in found for name, *_ in objects}, reading)
    place = {name: index for index, name in enumerate(classes)}
    for id_, size, objects, extra in found:
        rows = [Row(box, place[name], ignore, more) for name, box, ignore, more in objects]
        reading.add(id_, size, rows, extra)
    return reading.dataset(classes, _splits(reading, keys))


def write(dataset: Dataset, out: Path, progress: Progress = SILENT) -> dict[str, int]:
    """See :class:`kit.data.formats.Format`."""
    names = new_names(dataset.ids)
    extra = dataset.extra.get("voc", {})
    label_files = []
    for index in progress.track(range(len(dataset)), "writing"):
        id_ = dataset.ids[index]
        annotation = _annotation(
            dataset[index],
            names[index],
            dataset.classes,
            extra.get("pictures", {}).get(id_, {}),
            extra.get("boxes", {}).get(id_, []),
        )
        copy_picture(dataset, index, out / "JPEGImages" / names[index])
        path = (out / "Annotations" / names[index]).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(annotation)
        label_files.append(path)
    lists = out / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    held = speakable(dataset.splits) and not any(map(_OF_ONE_CLASS.match, dataset.splits))
    for split, pictures in dataset.splits.items() if held else ():
        stems = [PurePosixPath(names[index]).with_suffix("").as_posix() for index in pictures]
        text = "".join(f"{stem}\n" for stem in stems)
        (lists / f"{split_file(split)}.txt").write_bytes(text.encode())
    return side.write(
        dataset,
        out,
        [f"JPEGImages/{name}" for name in names],
        label_files,
        format="voc",
        holds=(Ignore.DIFFICULT,),
        holds_classes=False,
        holds_splits=held,
    )


def _matches(root: Path) -> bool:
    if (root / "Annotations").is_dir():
        return any((root / "Annotations").rglob(_XML))
    for folder in (root, *(f for f in folders(root) if split_name(f.name) in SPLITS)):
        if label := next(folder.glob(_XML), None):
            return inside(root, label) and b"<annotation" in label.read_bytes()[:4096]
    return False


def _pair(reading: Reading) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Picture ids and label files by key: the path below their folder, without suffix."""
    root = reading.root
    apart = (root / "Annotations").is_dir()
    beside = next((f for f in ("JPEGImages", "images", "Images") if (root / f).is_dir()), "")
    pictures: dict[str, list[str]] = {}
    labels = {}
    for file in reading.files():
        path = PurePosixPath(file)
        if path.suffix.lower() == ".xml" and (not apart or path.parts[0] == "Annotations"):
            labels[_key(path, "Annotations" if apart else "")] = file
        elif is_picture(Path(file)) and (not (apart and beside) or path.parts[0] == beside):
            pictures.setdefault(_key(path, beside if apart else ""), []).append(file)
    return pictures, labels


def _key(path: PurePosixPath, folder: str) -> str:
    return (path.relative_to(folder) if folder else path).with_suffix("").as_posix()


def _picture_of(choices: Sequence[str], annotation: ET.Element) -> str | None:
    """Of pictures that differ only in suffix, the one the label names."""
    named = (annotation.findtext("filename") or "").strip()
    return next((c for c in choices if PurePosixPath(c).name == named), next(iter(choices), None))


class _NoDoctype(ET.TreeBuilder):
    """Entities, the way to bombs and to other files, need a DOCTYPE; labels have none."""

    _depth = 0

    def start(self, tag: Any, attrs: Any, /) -> ET.Element:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ET.ParseError(f"has elements nested more than {DEEPEST} deep")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> ET.Element:
        self._depth -= 1
        return super().end(tag)

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ET.ParseError("has a DOCTYPE")


def _parse(path: Path, reading: Reading) -> ET.Element | None:
    try:
        root = ET.fromstring(read_limited(path, MOST_LABELS), ET.XMLParser(target=_NoDoctype()))
    except (ET.ParseError, OSError, ValueError, LookupError) as error:
        reading.note("bad_label", f"{reading.id_of(path)}: {error}")
        return None
    if root.tag != "annotation":
        reading.note("bad_label", f"{reading.id_of(path)}: <{root.tag}> instead of <annotation>")
        return None
    return root


def _told_size(annotation: ET.Element) -> tuple[int, int] | None:
    if annotation.find("size") is None:
        return None
    try:
        width, height = (float(annotation.findtext(f"size/{w}") or "") for w in ("width", "height"))
        return int(width), int(height)
    except (ValueError, OverflowError):
        return (0, 0)


def _objects(annotation: ET.Element, where: str, reading: Reading) -> _Found:
    found: _Found = []
    for number, element in enumerate(annotation.findall("object"), 1):
        name = (element.findtext("name") or "").strip()
        try:
            left, top, right, bottom = (
                float(element.findtext(f"bndbox/{side}") or "") for side in _SIDES
            )
            sound = bool(name) and all(map(math.isfinite, (left, top, right, bottom)))
        except ValueError:
            sound = False
        if not sound:
            reading.note("bad_label", f"{where}: object {number} has no name or no box")
            continue
        difficult = (element.findtext("difficult") or "0").strip().lower() in ("1", "true")
        ignore = Ignore.DIFFICULT if difficult else Ignore.NONE
        found.append((name, (left, top, right, bottom), ignore, _extras(element, _OWN)))
    return found


def _extras(element: ET.Element, own: set[str]) -> dict[str, Any]:
    """What an element says beyond the usual, as plain data."""
    extra: dict[str, Any] = {}
    for child in element:
        if child.tag in own:
            continue
        text = (child.text or "").strip()
        if len(child):
            child.tail = None
            if ET.tostring(child, encoding="unicode").split() != _UNKNOWN_SOURCE:
                extra.setdefault(_EXTRA, []).append(ET.tostring(child, encoding="unicode"))
        elif text and text != _USUAL.get(child.tag):
            extra[child.tag] = text
    return extra


_UNKNOWN_SOURCE = ["<source>", "<database>Unknown</database>", "</source>"]


def _class_order(found: Iterable[str], reading: Reading) -> list[str]:
    told: list[str] = []
    path = reading.root / "classes.txt"
    if path.is_file() and inside(reading.root, path):
        told = [line.strip() for line in reading.lines(path) if line.strip()]
    return told + sorted(set(found) - set(told))


def _splits(reading: Reading, keys: Mapping[str, str]) -> dict[str, list[str]]:
    """From the lists; without any, from the folders labels lie in."""
    splits: dict[str, list[str]] = {}
    for path in sorted((reading.root / "ImageSets" / "Main").glob("*.txt")):
        if _OF_ONE_CLASS.match(path.stem) or not inside(reading.root, path):
            continue
        ids = splits.setdefault(split_name(path.stem), [])
        for line in reading.lines(path):
            key = next((k for k in (line, line.strip(), line.split(" ")[0]) if k in keys), None)
            if key is not None:
                ids.append(keys[key])
            elif line.strip():
                reading.note("split_without_picture", f"{reading.id_of(path)}: {line.strip()}")
    if not splits:
        for key, id_ in keys.items():
            if (split := split_name(PurePosixPath(key).parts[0])) in SPLITS and "/" in key:
                splits.setdefault(split, []).append(id_)
    return splits


def _annotation(
    example: Example,
    name: str,
    classes: Sequence[str],
    extra: Mapping[str, Any],
    extras: Sequence[Mapping[str, Any]],
) -> bytes:
    root = ET.Element("annotation")
    _leaf(root, "folder", "JPEGImages")
    _leaf(root, "filename", PurePosixPath(name).name)
    size = ET.SubElement(root, "size")
    for tag, value in zip(("width", "height", "depth"), (*example.size, 3), strict=True):
        _leaf(size, tag, value)
    _put(root, {"segmented": "0", **extra})
    for number, (box, _, label) in enumerate(example.truth):
        element = ET.SubElement(root, "object")
        _leaf(element, "name", classes[label])
        held = extras[number] if number < len(extras) else {}
        difficult = int(example.ignore[number] == Ignore.DIFFICULT)
        _put(element, {"pose": "Unspecified", "truncated": "0", "difficult": difficult, **held})
        bndbox = ET.SubElement(element, "bndbox")
        for tag, value in zip(_SIDES, box, strict=True):
            _leaf(bndbox, tag, f"{round(value, 4):.4f}".rstrip("0").rstrip("."))
    ET.indent(root, "\t")
    text = f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
    return text.encode()


def _put(element: ET.Element, values: Mapping[str, Any]) -> None:
    for tag, value in values.items():
        if tag != _EXTRA:
            _leaf(element, tag, value)
    for text in values.get(_EXTRA, ()):
        element.append(ET.fromstring(text, ET.XMLParser(target=_NoDoctype())))


def _leaf(parent: ET.Element, tag: str, value: object) -> None:
    ET.SubElement(parent, tag).text = str(value)
