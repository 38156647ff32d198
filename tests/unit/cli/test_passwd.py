"""``kit passwd`` as it is typed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kit.app.passwords import read_users
from kit.cli import passwd, root

GOOD = "correct horse battery"


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_user_comes_changes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tmp_path / "users"
    typed(monkeypatch, GOOD + "\n")
    assert root.main(["passwd", str(users), "anna"]) == 0
    assert read_users(users)["anna"].fits(GOOD)
    typed(monkeypatch, "another long one\r\n")
    assert root.main(["passwd", str(users), "anna"]) == 0
    assert read_users(users)["anna"].fits("another long one")
    assert root.main(["passwd", str(users), "anna", "--remove"]) == 0
    assert read_users(users) == {}
    assert users.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (["anna"], "short\n", "12 to 1024 characters"),
        (["anna"], "", "12 to 1024 characters"),
        (["an na"], GOOD, "1 to 64 letters"),
        (["anna", "--remove"], "", "there is no user anna"),
    ],
)
def test_mistakes_change_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    text: str,
    message: str,
) -> None:
    typed(monkeypatch, text)
    assert root.main(["passwd", str(tmp_path / "users"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_another_file_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("remember the milk\n")
    typed(monkeypatch, GOOD)
    assert root.main(["passwd", str(other), "anna"]) == 2
    assert other.read_text() == "remember the milk\n"


def test_at_a_terminal_it_is_asked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    answers = iter([GOOD, GOOD, GOOD, GOOD + "!"])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(passwd, "getpass", lambda prompt: next(answers))
    users = tmp_path / "users"
    assert root.main(["passwd", str(users), "anna"]) == 0
    assert root.main(["passwd", str(users), "bob"]) == 2
    assert "the two passwords differ" in capsys.readouterr().err
    assert set(read_users(users)) == {"anna"}
