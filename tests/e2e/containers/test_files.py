"""What the files say, without an engine: the linter, the schema, what is promised of each."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCKER = Path(__file__).parents[3] / "docker"
FILES = sorted(DOCKER.glob("*.Dockerfile"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_linter_is_content(path: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if linter is None:
        pytest.skip("hadolint is not installed (extra dev, x86-64 only)")
    told = subprocess.run(
        [linter, "--config", DOCKER.parent / ".hadolint.yaml", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_in_particular_and_installs_by_hash(path: Path) -> None:
    text = re.sub(r"\\\n\s*", "", path.read_text())
    last = re.split(r"^FROM .*", text, flags=re.MULTILINE)
    assert "USER 10001:10001" in text
    assert 'ENTRYPOINT ["kit"]' in text
    assert re.match(r"(#.*\n)*ARG BASE_IMAGE=", text), "the base is an argument"
    for command in re.findall(r"pip (?:--python \S+ )?install [^;\n]*", text):
        assert "--no-deps" in command
        assert "--require-hashes" in command or "--no-index" in command, command
    assert not re.search(r"apt-get install[^;]*(pip|binutils|gcc)", last[-1])


def test_the_services_fit_the_schema_of_compose() -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed (extra dev)")
    told = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         DOCKER / "compose.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    assert set(services) == {
        f"{name}{gpu}" for name in ("train", "bench", "app") for gpu in ("", "-gpu")
    }
    for name, each in services.items():
        assert each["cap_drop"] == ["ALL"], name
        assert each["read_only"] is True
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert each["user"] not in ("", "0", "root")
        assert each["pids_limit"] <= 512
        assert "mem_limit" in each
        assert "privileged" not in each
        assert ("deploy" in each) == name.endswith("-gpu") == (each["profiles"] == ["gpu"])
        assert all(port.startswith("127.0.0.1:") for port in each.get("ports", ()))
        if not name.startswith("app"):
            assert each["network_mode"] == "none"
        for volume in each["volumes"]:
            assert volume.endswith((":ro", ":/out"))
