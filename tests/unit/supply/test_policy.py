"""What may be inside, and where: of the kit's own locks, and of what must be refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from kit.errors import GateRefused
from kit.supply.component import Component
from kit.supply.lock import locked_components, read_lock
from kit.supply.policy import breaches, policy
from kit.supply.report import require_policy
from kit.supply.spdx import Licence

pytest.importorskip("license_expression")

ROOT = Path(__file__).parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def of(expression: str, name: str = "thing") -> Component:
    return Component(name, "1", Licence(expression, "what it says"))


def test_what_is_installed_to_work_on_the_kit_may_be(here: tuple[Component, ...]) -> None:
    assert len(here) > 50
    require_policy(here, "dev")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_what_a_lock_brings_may_be_there(lock: Path, here: tuple[Component, ...]) -> None:
    require_policy(locked_components(read_lock(lock), here), lock.stem)


@pytest.mark.parametrize("place", ["edge-cpu", "edge-cuda", "edge-new", "supply", "environment"])
def test_the_agpl_is_in_no_other_place(place: str, here: tuple[Component, ...]) -> None:
    theirs = [each for each in here if each.name.startswith("ultralytics")]
    if not theirs:
        pytest.skip("ultralytics is not installed")
    assert {each.name for each in breaches(theirs, place)} == {each.name for each in theirs}
    assert not breaches(theirs, "train")


def test_a_lock_of_the_edge_that_brings_it_is_refused(
    here: tuple[Component, ...], tmp_path: Path
) -> None:
    text = (ROOT / "requirements" / "edge-cpu.txt").read_text()
    lock = tmp_path / "edge-cpu.txt"
    lock.write_text(f"{text}ultralytics==8.4.190 \\\n    --hash=sha256:{'a' * 64}\n")
    agpl = Component("ultralytics", "8.4.190", Licence("AGPL-3.0-only"))
    told = locked_components(read_lock(lock), (*here, agpl))
    with pytest.raises(GateRefused, match=r"1 package\(s\) break(.|\n)*ultralytics 8.4.190: AGPL"):
        require_policy(told, lock.stem)


def test_the_agpl_is_of_no_other_package() -> None:
    for licence in ("AGPL-3.0-only", "AGPL-3.0-or-later", "MIT AND AGPL-3.0-only"):
        assert breaches([of(licence)], "train")
        assert not breaches([of(licence, "ultralytics")], "train")


def test_only_what_asks_for_ultralytics_may_hold_the_agpl() -> None:
    """The places of the exception are the locks made with that extra, and no others."""
    [agpl] = [each for each in policy().exceptions if "AGPL-3.0-only" in each.licences]
    makefile = (ROOT / "Makefile").read_text()
    made = re.findall(r"^\t\$\(compile.* -o requirements/([\w-]+)\.txt", makefile, re.MULTILINE)
    with_extra = re.findall(r"\$\(training\).* -o requirements/([\w-]+)\.txt", makefile)
    assert {lock.stem for lock in LOCKS} == set(made)
    assert set(agpl.places) == set(with_extra)


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("MIT", ""),
        ("MIT OR GPL-3.0-only", ""),  # one is enough
        ("MIT AND GPL-3.0-only", "GPL-3.0-only"),
        ("GPL-2.0-only OR GPL-3.0-only", "GPL-2.0-only, GPL-3.0-only"),
        ("MIT AND (SSPL-1.0 OR Apache-2.0)", ""),
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", ""),  # as a whole, not its halves
        ("GPL-2.0-or-later WITH GCC-exception-3.1", "GPL-2.0-or-later WITH GCC-exception-3.1"),
        ("LicenseRef-Nobody-Knows", "LicenseRef-Nobody-Knows"),
    ],
)
def test_or_and_with(expression: str, refused: str) -> None:
    found = breaches([of(expression)], "edge-cpu")
    assert [each.what for each in found] == (
        [f"{refused} may not be in edge-cpu"] if refused else []
    )


def test_nothing_unknown() -> None:
    [found] = breaches([of("")], "dev")
    assert "is not known" in found.what
    assert "what it says" in found.what
    with pytest.raises(GateRefused, match="thing 1: its licence is not known"):
        require_policy([of("MIT"), of("")], "dev")


def test_what_is_excepted_is_so_by_its_rule() -> None:
    """An exception lets in what it names, where it says so, and nothing without it does."""
    rules, nvidia = policy(), of("LicenseRef-NVIDIA-Proprietary", "nvidia-cublas")
    assert not breaches([nvidia], "edge-cuda", rules)
    assert breaches([nvidia], "edge-cuda", replace(rules, exceptions=()))
    assert breaches([nvidia], "edge-cpu", rules)
    assert all(each.why for each in rules.exceptions)
    assert not {"AGPL-3.0-only", "GPL-3.0-only", "GPL-3.0-or-later"} & {*rules.allowed}
