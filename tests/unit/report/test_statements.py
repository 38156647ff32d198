"""What people say is read as they wrote it, and a mistake is told in their words."""

from __future__ import annotations

import datetime
from dataclasses import fields
from pathlib import Path

import pytest

from kit.errors import CardError
from kit.report.statements import ASKED, MOST, TEMPLATE, Lifted, Statements, read_statements


def test_every_statement_is_asked_for() -> None:
    assert [*ASKED, "research_use_only"] == [each.name for each in fields(Statements)]


def test_the_template_says_nothing_yet_and_everything_once_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "said.yaml"
    path.write_text(TEMPLATE)
    assert read_statements(path) == Statements()
    filled = TEMPLATE
    for name in ASKED:
        filled = filled.replace(f"# {name}:", f"{name}: of {name}")
    for line, value in (
        ("# research_use_only:", ""), ("#   lifted_by:", " Dr A"), ("#   reason:", " validated"),
    ):  # fmt: skip
        filled = filled.replace(line, line.replace("# ", "", 1).replace("#  ", "  ") + value)
    path.write_text(filled.replace("#   date: YYYY-MM-DD", "  date: 2026-03-01"))
    said = read_statements(path)
    assert said.contact == "of contact"
    assert said.research_use_only == Lifted("Dr A", datetime.date(2026, 3, 1), "validated")


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "said.yaml").write_text("")
    assert read_statements(tmp_path / "said.yaml") == Statements()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("purpose: all\nusers: nurses\n", ("2 mistake(s)", "line 1: purpose: unknown key",
                                           "line 2: users: unknown key")),
        ("intended_use: [a, b]\n", ("line 1: intended_use", "string")),
        ("intended_use: '  '\ncontact: ''\n", ("intended_use is empty", "contact is empty")),
        ("research_use_only: false\n", ("research_use_only",)),
        ("research_use_only: {lifted_by: A, date: soon, reason: b}\n", ("date",)),
        ("research_use_only: {lifted_by: A, reason: b}\n", ("date: is missing",)),
        ("research_use_only: {lifted_by: ' ', date: 2026-01-01, reason: b}\n",
         ("lifted_by is empty",)),
        ("- intended_use\n", ("mistake",)),
        ("intended_use: [\n", ("YAML",)),
        ("intended_use: !!python/object/apply:os.getcwd []\n", ("YAML",)),
        ("intended_use: &a x\ncontact: *a\n", ("reference",)),
        ("[" * 5000, ("YAML",)),
        ("#" * (MOST + 1), ("larger",)),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, content: str, told: tuple[str, ...]) -> None:
    path = tmp_path / "said.yaml"
    path.write_text(content)
    with pytest.raises(CardError) as caught:
        read_statements(path)
    for words in ("said.yaml", *told):
        assert words in str(caught.value)


def test_what_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="--template"):
        read_statements(tmp_path / "nowhere.yaml")
    (tmp_path / "said.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CardError, match=r"said\.yaml"):
        read_statements(tmp_path / "said.yaml")
