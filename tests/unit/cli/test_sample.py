"""``kit sample``, as it is typed: a manifest, a table and a plot, or one message and nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.cli.root import main
from kit.data import smear
from kit.data.manifest import Manifest


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smears")
    smear.make(folder / "drawn", pictures=50)
    words = ["data", "split", str(folder / "drawn"), "--fractions", "0.6,0.2,0.2"]
    assert main([*words, "--group-by", smear.GROUPS, "--out", str(folder / "set")]) == 0
    return folder / "set"


@pytest.mark.parametrize("rule", ["--balanced", "--random"])
@pytest.mark.parametrize(
    "budget", [["--fraction", "0.4"], ["--images", "12"], ["--objects", "90"], ["--per-class", "9"]]
)
def test_every_budget_and_rule(
    parted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], budget: list[str], rule: str
) -> None:
    out, report = tmp_path / "some.json", tmp_path / "report.json"
    words = ["sample", str(parted), *budget, rule, "--seed", "2", "--out", str(out)]
    assert main([*words, "--json", str(report)]) == 0
    manifest, told = Manifest.load(out), json.loads(report.read_text())
    assert told["ids"] == list(manifest.ids)
    assert told["sha256"] == manifest.sha256
    assert told["plot"] == str(tmp_path / "some.svg")
    assert manifest.rule.startswith(rule[2:])
    assert manifest.seed == 2
    text = capsys.readouterr().out
    for name, count in manifest.class_counts.items():
        [row] = [line for line in text.splitlines() if name in line]
        assert f" {count} " in row
    assert f"{manifest.facts['entropy']['after']:.3f}" in text
    plot = (tmp_path / "some.svg").read_text()
    assert plot.startswith("<svg xmlns=")
    for word in ("before", "after", *manifest.class_counts):
        assert f">{word}<" in plot


def test_groups_and_the_least_of_each_class(
    parted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sample", str(parted), "--images", "9", "--least", "200"]
    assert main([*words, "--group-by", smear.GROUPS, "--out", str(tmp_path / "a.json")]) == 0
    said = capsys.readouterr()
    assert "groups" in said.out
    assert "the sample has fewer than 200 of Platelets (" in said.err
    manifest = Manifest.load(tmp_path / "a.json")
    assert manifest.facts["groups"]["sample"] == 1
    assert len(manifest.ids) == 10
    assert manifest.rule == "balanced 9 images of train, at least 200 of each class, groups whole"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fraction", "1.5"], "fraction must be at most 1"),
        (["--fraction", "0"], "fraction must be above 0"),
        (["--images", "31"], "the train split has 30 pictures, 31 were asked for"),
        (["--objects", "9999"], "labelled objects, 9999 were asked for"),
        (["--per-class", "9999"], "no class with more than"),
        (["--images", "3", "--group-by", "slide"], "no (group)"),
    ],
)
def test_a_wrong_budget_writes_nothing(
    parted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["sample", str(parted), *words, "--out", str(tmp_path / "new.json")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of the arguments --fraction --images --objects --per-class --next is required"),
        (["--images", "0"], "must be at least 1, it is 0"),
        (["--images", "3", "--objects", "3"], "not allowed with argument"),
        (["--images", "3", "--least", "-1"], "must not be negative"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["sample", "nowhere", *words, "--out", "new.json"])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_neither_manifest_nor_plot_is_overwritten(parted: Path, tmp_path: Path) -> None:
    words = ["sample", str(parted), "--images", "3", "--out"]
    (tmp_path / "a.svg").write_text("mine")
    assert main([*words, str(tmp_path / "a.json")]) == 2
    assert main([*words, str(tmp_path / "b.svg")]) == 2
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.svg": "mine"}


def test_there_is_no_manifest_without_its_plot(
    parted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kit.report.plots.class_bars", full)
    words = ["sample", str(parted), "--images", "3", "--out", str(tmp_path / "a.json")]
    assert main(words) == 1
    assert list(tmp_path.iterdir()) == []
