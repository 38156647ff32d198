"""A folder of wheels is exactly what the lock wants on a machine, or refused with every fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from doubles.parcel import HERE
from doubles.wheel import lock_of, make_wheel

from kit.errors import MissingPackage, UsageError
from kit.parcel import wheels as module
from kit.parcel.manifest import Target
from kit.parcel.wheels import build_own, gather, own_wheel
from kit.supply.lock import read_lock

ARM = Target("3.10", "aarch64")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with ``wheels`` and ``own``."""
    make_wheel(tmp_path / "own", "detector_kit")
    (tmp_path / "wheels").mkdir()
    return tmp_path


def lock(place: Path, text: str) -> Path:
    path = place / "edge-tiny.txt"
    path.write_text(text)
    return path


def held(place: Path, text: str, target: Target = HERE) -> set[str]:
    own = place / "own" / "detector_kit-1.0-py3-none-any.whl"
    found = gather(place / "wheels", lock(place, text), target, own)
    return set(found.files) - {own.name}


def refused(place: Path, text: str, target: Target = HERE) -> str:
    with pytest.raises(UsageError) as error:
        held(place, text, target)
    return str(error.value)


def test_what_the_lock_wants_and_no_more(place: Path) -> None:
    one, two = (make_wheel(place / "wheels", name) for name in ("one", "two"))
    text = lock_of(one, two)
    assert held(place, text) == {one.name, two.name}
    make_wheel(place / "wheels", "three")
    told = refused(place, text)
    assert "three-1.0-py3-none-any.whl: the lock doesn't want it there" in told
    assert "one" not in told.partition("\n  ->")[0].replace("none", "")
    assert "pip download --require-hashes" in told


def test_the_requirements_are_the_lock_cut_down_to_it(place: Path) -> None:
    one = make_wheel(place / "wheels", "one")
    own = place / "own" / "detector_kit-1.0-py3-none-any.whl"
    other = f"    --hash=sha256:{'0' * 64}"  # of another platform's file
    text = lock_of(one).rstrip() + " \\\n" + other + "\n"
    found = gather(place / "wheels", lock(place, text), HERE, own)
    (place / "requirements.txt").write_text(found.requirements)
    pins = {pin.name: pin for pin in read_lock(place / "requirements.txt")}
    assert set(pins) == {"one", "detector-kit"}
    assert [len(pin.sha256) for pin in pins.values()] == [1, 1]
    assert (found.lock, found.target) == ("edge-tiny", HERE)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: next(folder.glob("one*")).unlink(), "one 1.0 is missing"),
        (lambda folder: next(folder.glob("one*")).write_bytes(b"PK"), "none of those in the lock"),
        (lambda folder: make_wheel(folder, "one", "2.0"), "the lock wants 1.0"),
        (lambda folder: (folder / "one-1.0.tar.gz").write_bytes(b""), "can't build it"),
        (lambda folder: (folder / "notes.txt").write_bytes(b""), "notes.txt: not a wheel"),
        (lambda folder: (folder / "sub").mkdir(), "sub: not a plain file"),
        (
            lambda folder: (folder / "two-1.0-py3-none-any.whl").symlink_to("/etc/passwd"),
            "not a plain file",
        ),
        (
            lambda folder: shutil.copy(
                folder / "one-1.0-py3-none-any.whl", folder / "one-1.0-py2.py3-none-any.whl"
            ),
            "is the same package",
        ),
    ],
)
def test_what_is_refused(place: Path, spoil: Callable[[Path], object], why: str) -> None:
    text = lock_of(make_wheel(place / "wheels", "one"))
    spoil(place / "wheels")
    assert why in refused(place, text)


@pytest.mark.parametrize(
    ("tag", "x86", "arm"),
    [
        ("py3-none-any", True, True),
        ("py2.py3-none-any", True, True),
        ("cp311-cp311-manylinux_2_28_x86_64", True, False),
        ("cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64", True, False),
        ("cp310-cp310-manylinux_2_28_aarch64", False, True),
        ("cp310-abi3-manylinux_2_28_aarch64", False, True),
        ("cp38-abi3-manylinux_2_28_x86_64", True, False),
        ("cp312-abi3-manylinux_2_28_x86_64", False, False),
        ("cp312-cp312-manylinux_2_28_x86_64", False, False),
        ("cp311-cp311t-manylinux_2_28_x86_64", False, False),
        ("py3-none-manylinux_2_28_aarch64", False, True),
        ("cp311-cp311-musllinux_1_2_x86_64", False, False),
        ("cp311-cp311-win_amd64", False, False),
        ("cp311-cp311-macosx_11_0_arm64", False, False),
    ],
)
def test_for_which_machine(place: Path, tag: str, x86: bool, arm: bool) -> None:
    text = lock_of(made := make_wheel(place / "wheels", "one", tag=tag))
    for target, fits in ((HERE, x86), (ARM, arm)):
        if fits:
            assert held(place, text, target) == {made.name}
        else:
            assert "it is not for Python" in refused(place, text, target)


def test_markers_are_those_of_the_other_machine(place: Path) -> None:
    one, two = (make_wheel(place / "wheels", name) for name in ("one", "two"))
    text = lock_of(one).replace("==1.0", "==1.0 ; platform_machine == 'x86_64'")
    text += lock_of(two).replace("==1.0", "==1.0 ; python_full_version < '3.11'")
    two.unlink()
    assert held(place, text, HERE) == {one.name}
    one.unlink()
    make_wheel(place / "wheels", "two")
    assert held(place, text, ARM) == {two.name}


def test_a_wheel_that_calls_itself_something_else(place: Path) -> None:
    made = make_wheel(place / "wheels", "one")
    made = made.rename(made.with_name("other-1.0-py3-none-any.whl"))
    assert "it says it is one 1.0" in refused(place, lock_of(made))


def test_the_kits_own(place: Path) -> None:
    assert own_wheel(place / "wheels") is None
    made = make_wheel(place / "wheels", "detector_kit", "9.9")
    assert own_wheel(place / "wheels") == made
    one = make_wheel(place / "wheels", "one")
    found = gather(place / "wheels", lock(place, lock_of(one)), HERE, made)
    assert "detector-kit==9.9" in found.requirements
    make_wheel(place / "wheels", "detector_kit", "9.8")
    with pytest.raises(UsageError, match="2 wheels of the kit itself"):
        own_wheel(place / "wheels")


def test_it_is_built_from_a_checkout_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    first, again = build_own(tmp_path / "1"), build_own(tmp_path / "2")
    assert first.name.startswith("detector_kit-")
    assert first.read_bytes() == again.read_bytes()


def test_where_it_cant_be_built_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingPackage, match="hatchling"):
        build_own(tmp_path)
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    with pytest.raises(UsageError, match="among the wheels"):
        build_own(tmp_path)


def test_no_folder(place: Path) -> None:
    text = lock_of(make_wheel(place / "elsewhere", "one"))
    (place / "wheels").rmdir()
    assert "no such folder" in refused(place, text)
    assert "manylinux_2_28_aarch64" in refused(place, text, replace(HERE, machine="aarch64"))
