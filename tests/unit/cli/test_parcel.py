"""The verbs `kit pack` and `kit unpack`: what they say, their JSON, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.keys import make_keys
from doubles.parcel import members, tiny_bundle, tiny_wheels
from PIL import Image

from kit.cli.root import main

pytest.importorskip("cyclonedx")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KIT_PUBLIC_KEY", raising=False)
    tiny_bundle(tmp_path / "bundle")
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    """What a command answers to ``--json -``, and what it says besides."""
    capsys.readouterr()
    assert main([*words, "--json", "-"]) == 0
    told = capsys.readouterr()
    return json.loads(told.out), told.err


def test_there_and_back(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_wheels(place)
    words = ["pack", "bundle", "--wheels", "wheels", "--lock", "edge-tiny.txt", "--python", "3.11"]
    packed, said = answer(capsys, *words, "--machine", "x86_64", "--out", "My cells!.tar")
    assert packed["wheels"] == 3
    assert packed["lock"] == "edge-tiny"
    assert packed["bytes"] == Path("My cells!.tar").stat().st_size
    assert packed["licence"] == "AGPL-3.0"
    assert "owes them the source of the whole" in said
    found, said = answer(capsys, "unpack", "My cells!.tar", "--out", "out dir")
    assert found["bundle_sha256"] == packed["bundle_sha256"]
    assert found["manifest_sha256"] == packed["manifest_sha256"]
    assert found["files"] == packed["files"]
    assert found["next"][0] == "python3.11 -m venv venv"
    assert "--require-hashes" in found["next"][1]
    assert "cd 'out dir'" in said
    assert "is under AGPL-3.0" in said
    assert json.loads(Path("out dir/manifest.json").read_text())["name"] == "My-cells"


def test_a_licence_nobody_knows_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from doubles.wheel import lock_of, make_wheel

    made = make_wheel(place / "wheels", "odd", head="License: Ask me")
    make_wheel(place / "wheels", "detector_kit", head="License-Expression: Apache-2.0")
    Path("lock.txt").write_text(lock_of(made))
    words = ["pack", "bundle", "--wheels", "wheels", "--lock", "lock.txt", "--out", "a.tar"]
    packed, said = answer(capsys, *words)
    assert "look at the licence of odd 1.0" in said
    assert len(packed["licences_to_look_at"]) == 1
    assert b"The policy is broken" in members(Path("a.tar"))["LICENCES.md"]


def test_samples_of_a_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pictures").mkdir()
    for number in range(9):
        pixels = np.full((32, 32, 3), number * 20, np.uint8)
        Image.fromarray(pixels).save(f"pictures/{number}.png")
    words = ["pack", "bundle", "--samples", "pictures"]
    packed, _ = answer(capsys, *words, "--n", "3", "--out", "a.tar")
    assert packed["samples"] == 3
    packed, _ = answer(capsys, *words, "--n", "99", "--out", "b.tar")
    assert packed["samples"] == 9
    Path("empty").mkdir()
    assert main(["pack", "bundle", "--samples", "empty", "--out", "c.tar"]) == 2
    assert main(["pack", "bundle", "--samples", "none", "--out", "c.tar"]) == 2
    assert not Path("c.tar").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lock", "x.txt"], "--lock: is of wheels, and there is no --wheels"),
        (["--wheels", "wheels"], "say which wheels these have to be"),
        (["--wheels", "w", "--lock", "none.txt"], "none.txt: a lock can't be read"),
        (["--image", "kit:latest"], "named with its digest"),
        (["--image-archive", "none.tar"], "none.tar: there is no such file"),
        (["--key", "none.pem"], "none.pem: the key can't be read"),
        (["--wheels", "w", "--lock", "l", "--python", "2.7"], "python must be like 3.11"),
    ],
)
def test_what_is_asked_wrongly(
    words: list[str],
    said: str,
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = place / "bundle" / "w.onnx"  # any file: no wheel is built for what is refused anyway
    monkeypatch.setattr("kit.parcel.wheels.build_own", lambda folder: own)
    assert main(["pack", "bundle", *words, "--out", "a.tar"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("a.tar").exists()


def test_out_that_exists_is_left(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.tar").write_text("mine")
    assert main(["pack", "bundle", "--out", "a.tar"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path("a.tar").read_text() == "mine"


def test_a_site_that_takes_only_what_is_signed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = map(str, make_keys(place))
    assert main(["pack", "bundle", "--out", "plain.tar"]) == 0
    assert main(["pack", "bundle", "--key", private, "--out", "signed.tar"]) == 0
    monkeypatch.setenv("KIT_PUBLIC_KEY", public)
    assert main(["unpack", "plain.tar", "--out", "1"]) == 2
    assert "not signed" in capsys.readouterr().err
    assert main(["unpack", "signed.tar", "--out", "2"]) == 0
    assert "signed by" in capsys.readouterr().out
    assert main(["verify", "2/bundle"]) == 0  # the bundle too is what the site will open
    assert not Path("1").exists()


@pytest.mark.parametrize("kind", ["engine", "checkpoint"])
def test_what_wont_run_there_is_said(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_bundle(tmp_path / "bundle", kind=kind)
    assert main(["pack", str(tmp_path / "bundle"), "--out", str(tmp_path / "a.tar")]) == 0
    said = capsys.readouterr().err
    assert {"engine": "opens only where", "checkpoint": "needs torch"}[kind] in said
    assert "no software is inside" in said
