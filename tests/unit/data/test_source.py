from __future__ import annotations

from pathlib import Path

import pytest

from kit import cards
from kit.data.convert import ClassMap
from kit.data.source import open_source
from kit.errors import DataError

LINE = "0 0.5 0.5 0.2 0.25\n"
FLAT = {"images/a.jpg": "", "labels/a.txt": LINE}
VOC = {
    "Annotations/a.xml": "<annotation><object><name>ape</name><bndbox><xmin>1</xmin><ymin>2</ymin>"
    "<xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>",
    "JPEGImages/a.jpg": "",
}


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card `zoo`; its dataset is looked for in `data/set`."""
    (tmp_path / "datasets").mkdir()
    monkeypatch.setattr(cards, "ROOT", tmp_path)
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KIT_DATA", raising=False)
    path = tmp_path / "datasets/zoo.yaml"
    path.write_text(
        "folder: set\nformat: yolo\nclasses: [ape]\nlicence: x\ncitation: y\nbit_depth: 12\n"
    )
    return path


def test_a_folder_is_recognised(folder) -> None:
    root = folder({**VOC})
    dataset = open_source(str(root))
    assert (dataset.format, dataset.name, dataset.source) == ("voc", "set", str(root))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.jpg": "", "b/c.jpg": ""}, "pictures but no labels"),
        ({"notes.txt": "hello"}, r"no dataset in a known layout(.|\n)*voc: Annotations"),
        ({**FLAT, **VOC, "classes.txt": "ape"}, r"could be voc .* or yolo"),
        (FLAT, r"nothing names its classes 0(.|\n)*classes\.txt(.|\n)*--classes MAP\.yaml"),
    ],
)
def test_folders_that_are_no_dataset(folder, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(str(folder(files)))


def test_missing_empty_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder, and no dataset card"):
        open_source(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the folder is empty"):
        open_source(str(tmp_path / "empty"))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match="not a file that describes a dataset"):
        open_source(str(tmp_path / "a.json"))


def test_classes_are_named_by_a_map(folder) -> None:
    root = folder({**FLAT, "labels/a.txt": LINE + "2 0.5 0.5 0.1 0.1\n"})
    dataset = open_source(str(root), classes=ClassMap({"0": "ape", "2": "cow"}))
    assert dataset.classes == ("ape", "cow")
    assert "unnamed_classes" not in dataset.notes
    with pytest.raises(DataError, match="nothing names"):
        open_source(str(root), classes=ClassMap({"0": "ape"}))


def test_a_format_that_is_asked_for(folder) -> None:
    root = folder({**FLAT, **VOC, "classes.txt": "ape"})
    assert open_source(str(root), format="voc").format == "voc"
    assert open_source(str(root), format="yolo").format == "yolo"


def test_a_description_by_its_path(folder) -> None:
    root = folder({**FLAT, "a.yaml": "names: [ape]", "b.yaml": "names: [cow]"})
    assert open_source(str(root / "b.yaml")).classes == ("cow",)


def test_a_card_by_its_name(folder, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder({**FLAT, "data.yaml": "names: [ape]"})
    with pytest.raises(DataError, match="kit data fetch zoo --from PATH"):
        open_source("zoo")
    monkeypatch.setenv("KIT_DATA", str(root.parent))
    dataset = open_source("zoo")
    assert (dataset.name, dataset.source, dataset.bit_depth) == ("zoo", "zoo", 12)


def test_a_card_in_the_cache(folder, card: Path, tmp_path: Path) -> None:
    root = folder({**FLAT, "data.yaml": "names: [ape]"})
    (tmp_path / "cache/data").mkdir(parents=True)
    root.rename(tmp_path / "cache/data/zoo")
    assert open_source("zoo").root == tmp_path / "cache/data/zoo"


@pytest.mark.parametrize(
    ("names", "message"),
    [("[cow]", "ape, cow differ"), ("[cow, ape]", "cow differ"), ("[ape]", None)],
)
def test_classes_must_be_the_cards(
    folder, card: Path, monkeypatch: pytest.MonkeyPatch, names: str, message: str | None
) -> None:
    root = folder({**FLAT, "data.yaml": f"names: {names}"})
    monkeypatch.setenv("KIT_DATA", str(root.parent))
    if message is None:
        open_source("zoo")
        return
    with pytest.raises(DataError, match=message):
        open_source("zoo")


def test_the_order_of_classes_must_be_the_cards(
    folder, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.write_text(card.read_text().replace("[ape]", "[ape, cow]"))
    root = folder({**FLAT, "data.yaml": "names: [cow, ape]"})
    monkeypatch.setenv("KIT_DATA", str(root.parent))
    with pytest.raises(DataError, match="their order differs"):
        open_source("zoo")


def test_a_card_may_split_by_lists(folder, card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"images/{name}.jpg": "" for name in "abc"}
    files |= {f"labels/{name}.txt": LINE for name in "abc"}
    lists = {"lists/train.txt": "c\na\n", "lists/test.txt": "images/b.jpg\n"}
    root = folder({**files, **lists, "data.yaml": "names: [ape]"})
    monkeypatch.setenv("KIT_DATA", str(root.parent))
    card.write_text(
        card.read_text() + "splits: {train: lists/train.txt, test: lists/test.txt}\n"
        "accepted: [near_duplicate_in_test]\n"
    )
    dataset = open_source("zoo")
    named = {split: [dataset.ids[i] for i in rows] for split, rows in dataset.splits.items()}
    assert named == {"train": ["images/c.jpg", "images/a.jpg"], "test": ["images/b.jpg"]}
    assert dataset.accepted == ("near_duplicate_in_test",)
    (root / "lists/test.txt").write_text("b\nd\n")
    with pytest.raises(DataError, match=r"lists 1 picture.* as d"):
        open_source("zoo")
    (root / "lists/test.txt").unlink()
    with pytest.raises(DataError, match="test split can't be read"):
        open_source("zoo")


def test_a_card_may_be_drawn(card: Path, tmp_path: Path) -> None:
    """When it is first asked for; later it lies in the cache."""
    card.write_text(
        "folder: zoo\nformat: yolo\nclasses: [Platelets, RBC, WBC]\nlicence: x\ncitation: y\n"
        "drawn: {pictures: 30, fractions: [0.4, 0.3, 0.3]}\n"
    )
    first = open_source("zoo")
    assert {split: len(rows) for split, rows in first.splits.items()} == {
        "train": 10, "valid": 10, "test": 10,
    }  # fmt: skip
    assert first.root.is_relative_to(tmp_path / "cache")
    made = first.path(0).stat().st_mtime_ns
    again = open_source("zoo")
    assert again.path(0).stat().st_mtime_ns == made
    assert again.truth_sha256() == first.truth_sha256()
