"""What is installed from a wheel works as the checkout does: same cards, template and all."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip does."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_it_holds_every_card(installed: Path) -> None:
    for folder in ("models", "datasets", "recipes"):
        shipped = {path.name: path.read_bytes() for path in (ROOT / folder).iterdir()}
        inside = installed / "kit" / "shared" / folder
        assert {path.name: path.read_bytes() for path in inside.iterdir()} == shipped


def test_it_holds_the_package_and_nothing_beside_it(installed: Path) -> None:
    names = {path.name for path in installed.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"kit"}
    assert list(installed.glob("*.dist-info/licenses/LICENSE"))


def test_it_holds_the_policy_of_licences_and_its_own(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from kit.parcel.contents import _own_licence\n"
        "from kit.supply import policy, spdx\n"
        "assert policy.__file__.startswith(sys.argv[1])\n"
        "print(len(policy.policy().allowed), len(spdx.table().fields), _own_licence()[:80])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, installed],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "Apache License" in told.stdout


def test_it_finds_its_cards_even_beside_a_package_of_that_name(
    installed: Path, tmp_path: Path
) -> None:
    (installed / "datasets").mkdir()  # as the package of this name would
    code = (
        "import kit.cards as cards, kit.report.html as html\n"
        "assert cards.__file__.startswith(sys.argv[1])\n"
        "print(cards.card_names(cards.ModelCard), cards.card_names(cards.DatasetCard))\n"
        "html._template()\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1])\n{code}", installed],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    for folder in ("models", "datasets"):
        for card in (ROOT / folder).glob("*.yaml"):
            assert repr(card.stem) in told.stdout
