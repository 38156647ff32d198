"""Locks are read whole, or refused with every line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import UsageError
from kit.supply.component import Component
from kit.supply.lock import locked_components, read_lock
from kit.supply.spdx import Licence

pytest.importorskip("packaging")

ROOT = Path(__file__).parents[3]
A, B = "a" * 64, "b" * 64


def lock(folder: Path, text: str) -> Path:
    path = folder / "some.txt"
    path.write_text(text)
    return path


def test_pins_markers_and_hashes(tmp_path: Path) -> None:
    text = (
        "# a comment\n"
        "One_Thing==1.0 ; python_version < '3.12' \\\n"
        f"    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
        f"two==2.0.post1 --hash=sha256:{B}  # why\n"
    )
    one, two = read_lock(lock(tmp_path, text))
    assert (one.name, one.version, one.sha256) == ("one-thing", "1.0", (A, B))
    assert one.wanted({"python_version": "3.11"})
    assert not one.wanted({"python_version": "3.12"})
    assert (two.version, two.marker, two.wanted()) == ("2.0.post1", "", True)


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=str)
def test_the_kits_own_are_read_whole(path: Path) -> None:
    names = [line for line in path.read_text().splitlines() if "==" in line.split(";")[0]]
    assert len(read_lock(path)) == len(names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thing==1.0\n", "has no sha256: thing==1.0"),
        (f"thing==1.0 --hash=sha256:{A} --hash=md5:00\n", "has no sha256"),
        (f"thing==1.0 --hash=sha256:{A[:-1]}\n", "has no sha256"),
        (f"thing>=1.0 --hash=sha256:{A}\n", "pins nothing: thing>=1.0"),
        (f"thing==1.* --hash=sha256:{A}\n", "pins nothing"),
        (f"thing @ file:///thing.whl --hash=sha256:{A}\n", "pins nothing"),
        ("--index-url nowhere\n", "pins nothing: --index-url nowhere"),
        ("-r other.txt\n", "pins nothing: -r other.txt"),
        ("# nothing\n", "it pins nothing at all"),
    ],
)
def test_what_is_no_lock_is_refused(text: str, said: str, tmp_path: Path) -> None:
    good = f"good==1 --hash=sha256:{A}\n" if "nothing at all" not in said else ""
    with pytest.raises(UsageError, match="not a lock") as refused:
        read_lock(lock(tmp_path, good + text))
    assert said in str(refused.value)
    assert "good" not in str(refused.value)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        read_lock(tmp_path / "none.txt")


@given(st.text(max_size=200))
def test_any_text_is_a_lock_or_refused(text: str) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "any.txt"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            pins = read_lock(path)
        except UsageError:
            return
        assert all(pin.sha256 for pin in pins)


def test_licences_come_from_what_is_at_hand(tmp_path: Path) -> None:
    text = "".join(
        f"{name}==1 --hash=sha256:{A}\n" for name in ("here", "older", "unheard", "nvidia-curand")
    )
    known = (
        Component("here", "1", Licence("MIT")),
        Component("here", "2", Licence("ISC")),
        Component("older", "0.9", Licence("ISC")),
    )
    found = {each.name: each for each in locked_components(read_lock(lock(tmp_path, text)), known)}
    assert found["here"].licence.expression == "MIT"
    assert found["older"].licence.expression == "ISC"
    assert found["unheard"].licence.expression == ""
    assert found["nvidia-curand"].licence.known_by == "review"
    assert found["here"].sha256 == (A,)
