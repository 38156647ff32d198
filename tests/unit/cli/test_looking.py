"""``kit list``, ``kit doctor``, ``kit fetch``: what there is, told truly, with no network."""

from __future__ import annotations

import hashlib
import json
import socket
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from kit.cards import ModelCard, card_names, load_card
from kit.cli import doctor
from kit.cli.root import main


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KIT_WEIGHTS", raising=False)
    monkeypatch.delenv("KIT_DATA", raising=False)


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*words, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_models_are_the_cards(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = told(["list", "models"], capsys)
    assert [row["name"] for row in rows] == card_names(ModelCard)
    assert {row["here"] for row in rows} == {None}
    assert {row["licence"] for row in rows if row["family"] == "ultralytics"} == {"AGPL-3.0"}


def test_weights_that_are_here_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    card = load_card(ModelCard, "yolov8n")
    digest = hashlib.sha256(b"weights").hexdigest()
    text = (Path(__file__).parents[3] / "models" / "yolov8n.yaml").read_text()
    (models / "yolov8n.yaml").write_text(text.replace(card.weights.sha256, digest))
    (tmp_path / "yolov8n.pt").write_bytes(b"weights")
    monkeypatch.setattr("kit.cards.ROOT", tmp_path)
    monkeypatch.setenv("KIT_WEIGHTS", str(tmp_path))
    [row] = told(["list", "models"], capsys)
    assert row["here"] == str(tmp_path / "yolov8n.pt")
    [fetched] = told(["fetch", "yolov8n"], capsys)
    assert fetched == {
        "model": "yolov8n",
        "path": str(tmp_path / "yolov8n.pt"),
        "sha256": digest,
        "licence": "AGPL-3.0",
        "downloaded": False,
    }


@pytest.mark.parametrize("what", ["datasets", "recipes", "backends"])
def test_the_other_lists(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(["list", what], capsys)
    names = [row["name"] for row in rows]
    assert names == sorted(set(names))
    assert main(["list", what]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in names)


def test_fetch_takes_all_names_or_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "yolov8n", "nix"]) == 2
    assert "nix: there is none of this name in models/" in capsys.readouterr().err


def test_doctor_tells_what_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = [
        "numpy>=1.26",
        'no-such-package>=1; extra == "cpu"',
        "other[a,b]<7,>=6; python_version > '3' and extra == 'app'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: wanted)
    monkeypatch.setenv("KIT_DATA", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://me:word@proxy:8080")
    result = told(["doctor"], capsys)
    assert result["packages"] == {
        "core": {"numpy": metadata.version("numpy")},
        "cpu": {"no-such-package": None},
        "app": {"other": None},
    }
    assert result["problems"] == []
    assert result["environment"]["KIT_DATA"] == str(tmp_path)
    assert result["environment"]["HTTPS_PROXY"] == "http://...@proxy:8080"
    assert set(result["weights"]) == set(card_names(ModelCard))
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "no-such-package (missing)" in text
    assert "reaches for the network: nothing" in text


@pytest.mark.parametrize(
    ("there", "told_of"),
    [
        ({"opencv-python", "opencv-python-headless"}, "cv2"),
        ({"onnxruntime", "onnxruntime-gpu"}, "onnxruntime"),
        ({"onnxruntime", "opencv-python-headless"}, None),
    ],
)
def test_doctor_finds_two_that_unpack_into_one_folder(
    monkeypatch: pytest.MonkeyPatch, there: set[str], told_of: str | None
) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: "1.0" if name in there else None)
    found = doctor.problems({"core": {}})
    assert [problem for problem in found if "both unpack" in problem] == found
    assert bool(found) == (told_of is not None)
    assert told_of is None or f"the folder {told_of}" in found[0]


def test_doctor_finds_a_missing_core_package() -> None:
    [problem] = doctor.problems({"core": {"numpy": None}})
    assert "pip install numpy" in problem
