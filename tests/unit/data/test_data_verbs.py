"""`kit data check`, `kit data split` and `kit sample`, as they are typed."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from kit.cli.root import main
from kit.data import smear
from kit.data.manifest import Manifest
from kit.data.source import open_source
from kit.errors import DataError


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smears") / "set"
    smear.make(folder, pictures=40)
    return folder


def test_the_way_from_a_folder_to_a_sample(
    smears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = ["--group-by", "slide([0-9]+)"]
    fractions = ["--fractions", "0.5,0.25,0.25"]
    parted, report = tmp_path / "parted", tmp_path / "split.json"
    command = ["data", "split", str(smears), *fractions, *group, "--out", str(parted)]
    assert main([*command, "--json", str(report)]) == 0
    told = json.loads(report.read_text())["split"]
    assert told.pop("all")["pictures"] == 40
    assert {name: told[name]["pictures"] for name in told} == {"train": 20, "valid": 10, "test": 10}
    dataset = open_source(str(parted))
    assert dataset.format == open_source(str(smears)).format
    assert {name: len(chosen) for name, chosen in dataset.splits.items()} == {
        name: told[name]["pictures"] for name in told
    }
    capsys.readouterr()

    assert main(["data", "check", str(parted), *group, "--json", "-"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["sound"]
    assert checked["counts"]["train"] == told["train"]["class_counts"]

    for fraction in ("0.25", "0.5"):
        out = str(tmp_path / f"{fraction}.json")
        assert main(["sample", str(parted), "--fraction", fraction, "--out", out]) == 0
    text = capsys.readouterr().out
    assert "entropy" in text
    quarter, half = (Manifest.load(tmp_path / f"{f}.json") for f in ("0.25", "0.5"))
    assert half.ids[: len(quarter.ids)] == quarter.ids
    assert len(half.ids) == 10


def test_folds_are_datasets(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds"
    assert main(["data", "split", str(smears), "--folds", "4", "--out", str(out)]) == 0
    tested: list[str] = []
    for number in range(4):
        fold = open_source(str(out / f"fold{number}"))
        assert len(fold) == 40
        tested += [Path(fold.ids[index]).name for index in fold.splits["test"]]
    assert sorted(tested) == sorted(path.name for path in (smears / "images").iterdir())


def test_errors_end_the_check_with_2_and_are_in_the_json(
    smears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parted = tmp_path / "parted"
    assert main(["data", "split", str(smears), "--out", str(parted)]) == 0
    dataset = open_source(str(parted))
    leaked, tested = (dataset.path(int(dataset.splits[s][0])) for s in ("train", "test"))
    tested.write_bytes(leaked.read_bytes())
    capsys.readouterr()
    report = tmp_path / "check.json"
    assert main(["data", "check", str(parted), "--json", str(report)]) == 2
    said = capsys.readouterr()
    assert "error: 1 picture(s) of test" in said.out
    assert leaked.name in said.out
    assert "Traceback" not in said.err
    found = json.loads(report.read_text())
    assert not found["sound"]
    assert "duplicate_in_test" in {finding["code"] for finding in found["findings"]}


def test_train_and_valid_may_not_be_the_same_pictures(
    smears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in COCO128's data.yaml. They are told of by split, and may be split anew."""
    both = tmp_path / "both"
    shutil.copytree(smears, both)
    with (both / "data.yaml").open("a") as file:
        file.write("train: images\nval: images\n")
    assert main(["data", "check", str(both)]) == 2
    assert "40 picture(s) are in more than one split (40 in train and valid)" in (
        capsys.readouterr().out
    )
    assert main(["data", "split", str(both), "--out", str(tmp_path / "apart")]) == 0
    assert main(["data", "check", str(tmp_path / "apart")]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--fractions", "0.7,0.2,0.2"],
        ["--fractions", "most,some,few"],
        ["--group-by", "slide"],
        ["--folds", "1"],
        ["--folds", "50"],
    ],
)
def test_a_wrong_split_writes_nothing(
    smears: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new"
    assert main(["data", "split", str(smears), *words, "--out", str(out)]) == 2
    assert "error:" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    (tmp_path / "old.json").write_text("keep me")
    assert main(["data", "split", str(smears), "--out", str(tmp_path / "mine")]) == 2
    command = ["sample", str(smears), "--fraction", "1", "--out", str(tmp_path / "old.json")]
    assert main(command) == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"
    assert (tmp_path / "old.json").read_text() == "keep me"


def test_a_folder_without_splits_is_not_sampled_silently(
    smears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sample.json"
    assert main(["sample", str(smears), "--fraction", "0.5", "--out", str(out)]) == 2
    assert f"kit data split {smears}" in capsys.readouterr().err
    assert not out.exists()


def test_the_line_to_paste_does_what_it_says(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(smears, tmp_path / "my smears")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as told:
        open_source("my smears").split("train")
    kit, *words = shlex.split(str(told.value).partition("-> ")[2])
    assert kit == "kit"
    assert main(words) == 0
    assert set(open_source("my smears-split").splits) == {"train", "valid", "test"}
