"""Documents that are executed: their fenced blocks, and what is typed in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and where it begins."""

    language: str
    lines: tuple[str, ...]
    number: int


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    inside: tuple[str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif inside is None:
            inside, lines = (line[3:].strip(), number), []
        else:
            found.append(Block(inside[0], tuple(lines), inside[1]))
            inside = None
    assert inside is None, f"the block of line {inside} has no end"
    return found


def typed(block: Block) -> list[str]:
    """The commands of a session."""
    commands: list[str] = []
    open_ended = False
    for line in block.lines:
        if open_ended:
            commands[-1] += " " + line.removeprefix(">").strip()
        elif line.startswith("$ "):
            commands.append(line[2:].strip())
        else:
            continue
        open_ended = commands[-1].endswith("\\")
        commands[-1] = commands[-1].removesuffix("\\").strip()
    return commands
