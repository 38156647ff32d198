"""`kit card`, and what other verbs do with the bundle it writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.graph import whole_picture_graph
from doubles.reports import evaluation

from kit import door
from kit.bundle import BundleCard, open_bundle, save_bundle
from kit.cards import Input
from kit.cli.root import main
from kit.pixels import read_picture
from kit.report.dossier import read_dossier


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, pictures it finds everything in, and two reports of it."""
    root = tmp_path_factory.mktemp("card")
    card = BundleCard(
        name="bright-or-dark", kind="onnx", family="none", model="none", architecture="mean",
        licence="Apache-2.0", classes=("bright", "dark"), input=Input(64, fit="stretch"),
        suppress=None, weights="model.onnx", files={}, boxes=1,
    )  # fmt: skip
    save_bundle(root / "bundle", card, {"model.onnx": whole_picture_graph(64)})
    for split in ("valid", "test"):
        for folder in ("images", "labels"):
            (root / "data" / split / folder).mkdir(parents=True)
        for index, value in enumerate((250, 240, 5, 15)):
            picture = np.full((60, 90, 3), value, np.uint8)
            cv2.imwrite(str(root / f"data/{split}/images/{index}.png"), picture)
            label = root / f"data/{split}/labels/{index}.txt"
            label.write_text(f"{int(value < 128)} 0.5 0.5 1 1\n")
    (root / "data/data.yaml").write_text(
        "val: valid/images\ntest: test/images\nnames: [bright, dark]\n"
    )
    for words in (
        ["evaluate", "bundle", "data", "--out", "test.json"],
        ["evaluate", "bundle", "data", "--split", "valid", "--out", "valid.json"],
        ["bench", "bundle", "data", "--seconds", "0.2", "--out", "latency.json"],
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(root)
            assert main(words) == 0
    return root


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def kit(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Types a command; answers with its JSON."""

    def typed(*words: str) -> Any:
        assert main([*words, "--json", "-"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return typed


def test_the_card_travels_with_the_model(kit: Callable[..., Any], place: Path) -> None:
    told = kit("card", "bundle", "test.json", "valid.json", "latency.json", "--out", "full")
    assert told["documented"]["sentences"][0].startswith("Finds 4 of 4 objects")
    assert kit("verify", "full")["files"].items() >= told["documented"]["files"].items()
    assert kit("verify", "full")["unnamed"] == []
    known = read_dossier(open_bundle("full"))
    assert [each.split for each in known.own] == ["test", "valid"]
    assert len(known.latencies) == 1
    assert known.own[0].detail is not None
    assert {*known.own[0].detail.subgroups} == {"size", "thirds"}
    page = Path("full/MODEL_CARD.html").read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "")
    picture = read_picture(place / "data/test/images/0.png")
    before, after = door.open("bundle")(picture), door.open("full")(picture)
    assert np.array_equal(before.xyxy, after.xyxy)
    assert np.array_equal(before.scores, after.scores)
    Path("full/MODEL_CARD.md").write_text("better than it is")
    with pytest.raises(Exception, match=r"MODEL_CARD\.md is not the file the card names"):
        open_bundle("full")


def test_beside_the_bundle_where_no_place_is_named(
    kit: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert kit("card", "bundle")["documented"]["bundle"] == "bundle-documented"
    assert main(["card", "bundle"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_looking_writes_nothing(kit: Callable[..., Any], place: Path) -> None:
    before = sorted(place.iterdir())
    told = kit("card", "bundle", "--show")
    assert (told["name"], told["documented"]) == ("bright-or-dark", None)
    assert sorted(place.iterdir()) == before


def test_statements_are_asked_for_and_kept(kit: Callable[..., Any]) -> None:
    kit("card", "bundle", "--template", "said.yaml")
    path = Path("said.yaml")
    path.write_text(path.read_text().replace("# contact:", "contact: the <b>ward</b>"))
    kit("card", "bundle", "--statements", "said.yaml", "--out", "said")
    kit("card", "said", "latency.json", "--out", "said-and-timed")
    for name in ("said", "said-and-timed"):
        assert read_dossier(open_bundle(name)).statements.contact == "the <b>ward</b>"
        assert "the &lt;b&gt;ward&lt;/b&gt;" in Path(name, "MODEL_CARD.html").read_text()


def test_what_is_made_from_it_leaves_its_documents_behind(kit: Callable[..., Any]) -> None:
    """They tell of other thresholds, another precision."""
    kit("card", "bundle", "test.json", "--out", "told")
    told = kit("calibrate", "told", "data", "--rule", "f1", "--out", "chosen")
    chosen = open_bundle("chosen")
    assert chosen.card.documents is None
    assert {*chosen.card.files} == {"model.onnx"}
    assert chosen.made_from == open_bundle("told").sha256
    assert read_dossier(chosen).evaluations == ()
    assert kit("card", "chosen", "test.json", "--sibling", "told", "--out", "chosen-told")
    known = read_dossier(open_bundle("chosen-told"))
    assert known.own == ()
    assert [each.relation for each in known.related] == ["parent"]
    assert told["bundle_sha256"] == chosen.sha256


def damaged(name: str, content: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(content)


@pytest.mark.parametrize(
    ("words", "spoil", "told"),
    [
        ("bad.json", damaged("bad.json", '{"ap": 0.'), ("bad.json", "not a report")),
        ("bad.json", damaged("bad.json", '{"ap": "high"}'), ("bad.json", "mistake")),
        ("bad.json", lambda: evaluation("0" * 64).save(Path("bad.json")), ("bad.json", "classes")),
        ("test.json test.json", None, ("measures the same as test.json",)),
        ("nowhere.json", None, ("nowhere.json", "kit evaluate")),
        ("--statements bad.yaml", damaged("bad.yaml", "use: all\n"),
         ("bad.yaml", "line 1: use: unknown key")),
        ("--statements nowhere.yaml", None, ("nowhere.yaml", "--template")),
        ("--sibling bundle", None, ("this very bundle",)),
        ("--sibling data", None, ("not a bundle",)),
        ("test.json --show", None, ("--show", "without REPORT")),
        ("--template t.yaml --out new", None, ("--template", "without --out")),
        ("--template test.json", None, ("test.json", "exists already")),
    ],
)  # fmt: skip
def test_bad_input_is_one_message_and_writes_nothing(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    spoil: Callable[[], object] | None,
    told: tuple[str, ...],
) -> None:
    if spoil is not None:
        spoil()
    before = sorted(place.iterdir())
    out = [] if "--template" in words or "--show" in words else ["--out", "new"]
    assert main(["card", "bundle", *words.split(), *out]) == 2
    said = capsys.readouterr().err
    assert said.count("error:") == 1
    for part in told:
        assert part in said
    assert sorted(place.iterdir()) == before
