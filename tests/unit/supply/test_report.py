"""``python -m kit.supply``: what an image's build and ``make sbom`` call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doubles.wheel import make_wheel

from kit.supply.__main__ import main
from kit.supply.component import Component
from kit.supply.report import REPORT, SBOM, TABLE, TEXTS

pytest.importorskip("cyclonedx")

ROOT = Path(__file__).parents[3]


def environment(folder: Path, *heads: str) -> Path:
    import zipfile

    for number, head in enumerate(heads):
        wheel = make_wheel(folder.parent / "wheels", f"tiny{number}", head=head)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def test_it_writes_bill_report_and_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = environment(tmp_path / "env", "License-Expression: MIT", "License: ISC")
    out = tmp_path / "out"
    assert main([str(out), "--environment", str(place), "--place", "edge-cpu"]) == 0
    assert "2 packages, held to the policy for edge-cpu" in capsys.readouterr().out
    bill = json.loads((out / SBOM).read_text())
    assert [each["name"] for each in bill["components"]] == ["tiny0", "tiny1"]
    told = json.loads((out / TABLE).read_text())
    assert [each["licence"] for each in told["components"]] == ["MIT", "ISC"]
    assert told["breaches"] == []
    assert "| tiny1 | 1.0 | ISC | License |" in (out / REPORT).read_text()
    assert (out / TEXTS / "tiny0-1.0" / "licenses-LICENSE").read_text() == "The licence of tiny0.\n"
    again = tmp_path / "again"
    main([str(again), "--environment", str(place), "--place", "edge-cpu"])
    for path in (path for path in out.rglob("*") if path.is_file()):
        assert (again / path.relative_to(out)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("License-Expression: AGPL-3.0-only", "AGPL-3.0-only may not be in edge-cpu"),
        ("License: Ask the author", "its licence is not known"),
        ("Summary: nothing said", "its licence is not known"),
    ],
)
def test_a_broken_policy_writes_nothing(
    head: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = environment(tmp_path / "env", "License-Expression: MIT", head)
    out = tmp_path / "out"
    assert main([str(out), "--environment", str(place), "--place", "edge-cpu"]) == 3
    told = capsys.readouterr().err
    assert f"tiny1 1.0: {said}" in told
    assert "tiny0" not in told
    assert not out.exists()


def test_of_a_lock(
    here: tuple[Component, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kit.supply.__main__.installed", lambda environment: here)
    out = tmp_path / "out"
    assert main([str(out), "--lock", str(ROOT / "requirements" / "edge-cuda.txt")]) == 0
    told = (out / REPORT).read_text()
    assert "**LicenseRef-NVIDIA-Proprietary**: " in told
    assert "nvidia-ml-py," not in told.partition("## Licences")[0]  # which is under a free one
    bad = tmp_path / "bad.txt"
    bad.write_text("thing==1.0\n")
    assert main([str(tmp_path / "none"), "--lock", str(bad)]) == 2
    assert "has no sha256: thing==1.0" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_file_in_the_way_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = environment(tmp_path / "env", "License-Expression: MIT")
    (tmp_path / "out").write_text("a file")
    assert main([str(tmp_path / "out"), "--environment", str(place)]) == 1
    assert str(tmp_path / "out") in capsys.readouterr().err
