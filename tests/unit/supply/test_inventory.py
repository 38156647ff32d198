"""What is in an environment and in wheels, and that nothing of it is run or let out."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from doubles.wheel import make_wheel

from kit.errors import UsageError
from kit.files import sha256_file
from kit.supply.component import Component, Part
from kit.supply.inventory import installed, read_wheel
from kit.supply.report import texts

pytest.importorskip("license_expression")


def test_this_environment_is_told_whole(here: tuple[Component, ...]) -> None:
    found = {each.name: each for each in here}
    assert found["numpy"].version == metadata.version("numpy")
    assert any("BSD" in text.text or "Redistribution" in text.text for text in found["numpy"].texts)
    assert "numpy" in found["opencv-python-headless"].needs
    without = [each.name for each in found.values() if not each.texts]
    assert len(without) < len(found) / 4, without


def test_a_folder_of_packages_and_a_virtual_environment(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", "tiny", "1.5", head="License-Expression: ISC")
    packages = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    for place in (packages, tmp_path / "venv"):
        [each] = installed(place)
        assert (each.name, each.version, each.licence.expression) == ("tiny", "1.5", "ISC")
        assert [text.text for text in each.texts] == ["The licence of tiny.\n"]


def test_where_nothing_is_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Python package"):
        installed(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        installed(tmp_path / "none")
    (tmp_path / "broken-1.dist-info").mkdir()
    with pytest.raises(UsageError, match="a package can't be told"):
        installed(tmp_path)


def test_a_wheel_tells_the_same_as_when_installed(tmp_path: Path) -> None:
    head = "License-Expression: MIT\nRequires-Dist: Other_Thing>1\nRequires-Dist: no; extra == 'x'"
    head += "\nLicense: Copyright © Zoë\n  and others\nAuthor: Zoë"
    wheel = make_wheel(tmp_path, "tiny", head=head, files={"tiny/NOTICE": "seen", "tiny/no.py": ""})
    told = read_wheel(wheel)
    assert told.sha256 == (sha256_file(wheel),)
    assert told.needs == ("other-thing",)
    assert sorted(text.text for text in told.texts) == ["The licence of tiny.\n", "seen"]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "packages")
    [there] = installed(tmp_path / "packages")
    assert replace(there, sha256=told.sha256) == told


BILL = {
    "bomFormat": "CycloneDX",
    "components": [
        {"name": "tiny", "version": "1.0", "purl": "pkg:pypi/tiny@1.0?file_name=x"},
        {
            "name": "openssl-libs",
            "version": "1.1.1k",
            "purl": "pkg:rpm/almalinux/openssl-libs@1.1.1k?arch=x",
            "components": [{"name": "zlib"}, "nonsense", {"components": 3}],
        },
    ],
}


def test_what_was_built_into_a_wheel(tmp_path: Path, here: tuple[Component, ...]) -> None:
    bills = {"tiny-1.0.dist-info/sboms/a.cdx.json": json.dumps(BILL)}
    told = read_wheel(make_wheel(tmp_path, "tiny", files=bills))
    assert told.parts == (
        Part("openssl-libs", "1.1.1k", "pkg:rpm/almalinux/openssl-libs@1.1.1k"),
        Part("zlib", ""),
    )
    inside = {part.name for each in here for part in each.parts}
    assert "openssl" in {name.partition("-")[0] for name in inside}  # of wheels that do tell


@pytest.mark.parametrize(
    "bill", ["", "{}", "[]", '{"components": 3}', '{"components": null}', "[" * 9999]
)
def test_a_bill_that_is_none_tells_nothing(bill: str, tmp_path: Path) -> None:
    bills = {"tiny-1.0.dist-info/sboms/a.cdx.json": bill}
    assert read_wheel(make_wheel(tmp_path, "tiny", files=bills)).parts == ()


def test_texts_go_nowhere_else(tmp_path: Path) -> None:
    hostile = {
        "../../LICENSE": "up",
        "/etc/COPYING": "root",
        "tiny-1.0.dist-info/licenses/../x": "",
    }
    told = read_wheel(make_wheel(tmp_path, "tiny", files=hostile))
    assert set(texts([told])) == {
        "tiny-1.0/LICENSE", "tiny-1.0/etc-COPYING",
        "tiny-1.0/licenses-LICENSE", "tiny-1.0/licenses-x",
    }  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"PK\x03\x04 not a zip",
        "truncated",
        "no metadata",
        "two metadata",
        "no name",
    ],
)
def test_what_is_no_wheel_is_refused(damage: object, tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "tiny")
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        names = {"no metadata": [], "two metadata": ["a", "b"], "no name": ["a"]}[str(damage)]
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(f"{name}-1.dist-info/METADATA", "Version: 1\n")
    with pytest.raises(UsageError, match="not a wheel"):
        read_wheel(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "bomb-1.0.dist-info/METADATA", b"Name: bomb\nVersion: 1\n" + bytes(9 << 20)
        )
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(UsageError, match="larger than"):
        read_wheel(path)


def test_it_needs_its_own_packages_only() -> None:
    """An image's build has these alone, see requirements/supply.txt."""
    lock = (Path(__file__).parents[3] / "requirements" / "supply.txt").read_text()
    absent = {"numpy", "cv2", "rich", "matplotlib", "PIL", "torch"}
    assert not any(f"\n{name}==" in lock for name in absent)
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent!r}))\n"
        "import kit.supply.__main__, kit.supply.audit, kit.supply.sbom\n"
        "from kit.supply.policy import policy; policy()\n"
        "from kit.supply.sbom import Subject, sbom; sbom(Subject('a', '1'), [])\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
