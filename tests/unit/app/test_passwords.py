"""The list of users: what it holds, and what it says when it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.app.passwords import Hashed, check_name, read_users, write_users
from kit.errors import UsageError

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def hashed() -> Hashed:
    return Hashed.of(GOOD)


def test_only_the_password_fits(hashed: Hashed) -> None:
    assert hashed.fits(GOOD)
    assert not hashed.fits(GOOD + " ")
    assert not hashed.fits("")
    assert GOOD not in str(hashed)


def test_the_same_password_is_another_line(hashed: Hashed) -> None:
    assert hashed != Hashed.of(GOOD)


def test_letters_are_letters_however_they_are_typed() -> None:
    assert Hashed.of("caf\u00e9 au lait noir").fits("cafe\u0301 au lait noir")


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 1025])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(UsageError, match="12 to 1024"):
        Hashed.of(password)


@settings(max_examples=5)
@given(st.binary(min_size=16, max_size=64), st.sampled_from([2, 16]), st.integers(1, 3))
def test_older_costs_still_hold(salt: bytes, cost: int, lanes: int) -> None:
    empty = Hashed(cost, 8, lanes, salt, bytes(32))
    line = Hashed(cost, 8, lanes, salt, empty._derive(GOOD))
    assert Hashed.parse(str(line)) == line
    assert line.fits(GOOD)


def test_what_was_written_is_read(tmp_path: Path, hashed: Hashed) -> None:
    path = tmp_path / "users"
    write_users(path, {"bob": hashed, "anna@ward": hashed})
    assert read_users(path) == {"anna@ward": hashed, "bob": hashed}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path, hashed: Hashed) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "users")
    write_users(tmp_path / "link", {"bob": hashed})
    assert (tmp_path / "link").is_symlink()
    assert read_users(tmp_path / "users") == {"bob": hashed}


@pytest.mark.parametrize(
    "damage",
    [
        "anna",
        "anna:",
        "anna:plain password",
        ":scrypt$2$8$1$AAAA$AAAA",
        "an na:{hashed}",
        "anna:bcrypt{hashed}",
        "anna:scrypt$2$8$1$AAAA$AAAA",  # salt and digest were cut
        "anna:scrypt$3$8$1${tail}",  # no power of two
        "anna:scrypt$1048576$8$99${tail}",  # would compute for minutes
        "anna:scrypt$1073741824$8$1${tail}",  # would take all memory
        "anna:scrypt$-2$8$1${tail}",
        "anna:scrypt$2$8$1$\u00e4${tail}",
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, hashed: Hashed, damage: str) -> None:
    path = tmp_path / "users"
    tail = "$".join(str(hashed).split("$")[-2:])
    line = damage.replace("{hashed}", str(hashed)).replace("{tail}", tail)
    path.write_text(f"# a remark\n\nbob:{hashed}\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 4: not a user"):
        read_users(path)


def test_a_user_stands_there_once(tmp_path: Path, hashed: Hashed) -> None:
    path = tmp_path / "users"
    path.write_text(f"bob:{hashed}\nbob:{hashed}\n")
    with pytest.raises(UsageError, match="line 2: a second line for bob"):
        read_users(path)


@given(text=st.text(min_size=1, max_size=40).map(lambda text: "x" + text))
def test_what_is_no_list_of_users_is_none(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "users"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(UsageError, match="users"):
        read_users(path)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "#a", "a\n", "a" * 65, "../x"])
def test_names_that_could_not_stand_there(name: str) -> None:
    with pytest.raises(UsageError, match="1 to 64 letters"):
        check_name(name)


def test_names_that_can() -> None:
    for name in ("anna", "J\u00f6rg", "a.b_c@d+e-f"):
        assert check_name(name) == name
