"""Sessions end when they should, and guessing gets slow without locking anybody out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.app.access import IDLE, LONGEST, Access, Slow
from kit.app.passwords import Hashed, write_users
from kit.errors import UsageError

ANNA, BOB = "anna's long password", "bob's long password"
HASHED = {"anna": Hashed.of(ANNA), "bob": Hashed.of(BOB)}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def track(self, items, label, total=None):  # type: ignore[no-untyped-def]
        yield from items


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    write_users(tmp_path / "users", HASHED)
    return tmp_path / "users"


@pytest.fixture
def access(users: Path, clock: Clock) -> Access:
    return Access(users, clock=clock)


def test_who_enters_is_known_by_a_token(access: Access) -> None:
    token = access.enter("anna", ANNA)
    assert access.user(token) == "anna"
    assert len(token or "") >= 43  # 256 bits
    assert access.enter("anna", ANNA) != token


@pytest.mark.parametrize(
    ("user", "password"), [("anna", BOB), ("anna", ""), ("nobody", ANNA), ("", ""), ("ANNA", ANNA)]
)
def test_others_do_not(access: Access, user: str, password: str) -> None:
    assert access.enter(user, password) is None
    assert len(access) == 0


@pytest.mark.parametrize("token", [None, "", "x", "\u00e9", "x" * 5000])
def test_a_token_can_not_be_made_up(access: Access, token: str | None) -> None:
    access.enter("anna", ANNA)
    assert access.user(token) is None


def test_an_unknown_user_costs_as_much(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Hashed] = []
    fits = Hashed.fits
    monkeypatch.setattr(Hashed, "fits", lambda self, p: checked.append(self) or fits(self, p))
    access.enter("nobody", ANNA)
    access.enter("anna", BOB)
    costs = [(each.cost, each.block, each.lanes) for each in checked]
    assert len(costs) == 2
    assert costs[0] == costs[1]


def test_a_session_ends_when_nobody_uses_it(access: Access, clock: Clock) -> None:
    token = access.enter("anna", ANNA)
    clock.now += IDLE - 1
    assert access.user(token) == "anna"
    clock.now += IDLE / 4
    assert access.user(token) == "anna"  # was used since
    clock.now += IDLE + 1
    assert access.user(token) is None
    assert len(access) == 0


def test_and_in_any_case(access: Access, clock: Clock) -> None:
    token = access.enter("anna", ANNA)
    for _ in range(int(LONGEST // 3600)):
        clock.now += 3600
        assert access.user(token) == "anna"
    clock.now += 1
    assert access.user(token) is None


def test_leaving(access: Access) -> None:
    first, second, bob = (
        access.enter(*who) for who in (("anna", ANNA), ("anna", ANNA), ("bob", BOB))
    )
    assert access.leave(first) is None  # still in by the other
    assert access.user(first) is None
    assert access.user(second) == "anna"
    assert access.leave(second) == "anna"
    assert access.leave(second) is None
    assert access.user(bob) == "bob"


def test_who_is_removed_is_out_at_once(access: Access, users: Path) -> None:
    anna, bob = access.enter("anna", ANNA), access.enter("bob", BOB)
    write_users(users, {"bob": HASHED["bob"]})
    assert access.user(anna) is None
    assert access.user(bob) == "bob"
    assert access.enter("anna", ANNA) is None


def test_a_new_password_ends_the_sessions_of_the_old(access: Access, users: Path) -> None:
    token = access.enter("anna", ANNA)
    write_users(users, {**HASHED, "anna": Hashed.of("another long one")})
    assert access.user(token) is None
    assert access.enter("anna", ANNA) is None
    assert access.user(access.enter("anna", "another long one")) == "anna"


def test_who_is_added_may_enter(access: Access, users: Path) -> None:
    write_users(users, {**HASHED, "cleo": Hashed.of("cleo's long password")})
    assert access.enter("cleo", "cleo's long password") is not None


@pytest.mark.parametrize("damage", ["anna", None])
def test_nobody_is_in_while_the_list_is_damaged(users: Path, damage: str | None) -> None:
    told = Told()
    access = Access(users, told)
    token = access.enter("anna", ANNA)
    if damage is None:
        users.unlink()
    else:
        users.write_text(damage)
    assert access.user(token) is None
    assert access.enter("anna", ANNA) is None
    assert len(told.notes) == 1  # once, though it is asked for again and again
    write_users(users, HASHED)
    assert access.enter("anna", ANNA) is not None


def test_a_list_of_nobody(tmp_path: Path) -> None:
    write_users(tmp_path / "users", {})
    with pytest.raises(UsageError, match="names no user"):
        Access(tmp_path / "users")


def guess(slow: Slow, clock: Clock, user: str, address: str, seconds: float) -> int:
    """How many guesses somebody gets who tries ten times a second."""
    begun = 0
    for _ in range(int(seconds * 10)):
        begun += slow.begin(user, address) == 0
        clock.now += 0.1
    return begun


def test_guessing_gets_slow(clock: Clock) -> None:
    slow = Slow(clock)
    assert guess(slow, clock, "anna", "1.1.1.1", 600) < 20
    assert slow.begin("anna", "1.1.1.1") <= 60


def test_other_addresses_are_not_kept_out(clock: Clock) -> None:
    slow = Slow(clock)
    for number in range(200):
        guess(slow, clock, "anna", f"9.9.9.{number}", 1)
    assert slow.begin("anna", "1.1.1.1") == 0
    assert 0 < slow.hold("anna") <= 4
    assert slow.begin("bob", "1.1.1.1") == 0
    assert slow.hold("bob") <= 1


def test_one_address_can_not_try_every_user(clock: Clock) -> None:
    slow = Slow(clock)
    begun = 0
    for number in range(1000):
        begun += slow.begin(f"user{number}", "1.1.1.1") == 0
        clock.now += 0.1
    assert begun < 60


def test_many_at_once_count(clock: Clock) -> None:
    slow = Slow(clock)
    assert sum(slow.begin("anna", "1.1.1.1") == 0 for _ in range(100)) <= 4


def test_a_slip_of_the_finger_is_forgiven(clock: Clock) -> None:
    slow = Slow(clock)
    for _ in range(3):
        assert slow.begin("anna", "1.1.1.1") == 0
    slow.succeeded("anna", "1.1.1.1")
    assert slow.begin("anna", "1.1.1.1") == 0
    assert slow.hold("anna") == 0


def test_failures_are_forgotten(clock: Clock) -> None:
    slow = Slow(clock)
    while slow.begin("anna", "1.1.1.1") == 0:
        pass
    clock.now += 15 * 60
    assert slow.begin("anna", "1.1.1.1") == 0


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12"), st.floats(0, 90)), max_size=60)
)
def test_nobody_waits_longer_than_a_minute(tries: list[tuple[str, str, float]]) -> None:
    clock = Clock()
    slow = Slow(clock)
    for user, address, pause in tries:
        assert slow.begin(user, address) <= 60
        assert slow.hold(user) <= 4
        clock.now += pause
    clock.now += 60
    assert slow.begin("a", "1") == 0


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_wall_clock_that_jumps_ends_no_session_and_bars_nobody_longer(
    users: Path, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(users)
    token = access.enter("anna", ANNA)
    while not (barred := access.slow.begin("bob", "1.2.3.4")):
        pass
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + jump)
    assert access.user(token) == "anna"
    assert 0 < access.slow.begin("bob", "1.2.3.4") <= barred
