"""The README does what it says: its sessions are typed, its Python is run, its verbs exist.

``console`` blocks hold a session: a line that begins with ``$`` is typed, one that ends in a
backslash goes on in the next, anything else is what came back. All of them are typed in order, in
one folder, with real data, shortened to one epoch on small pictures. Lines with ``make`` are left
to CI, sessions with Docker to the tests of containers. ``python`` blocks are run on a bundle and a
picture of the names they use. Other blocks are text.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.document import blocks, typed

from kit.cli import root
from kit.report.film import VideoWriter

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SHORTER = (
    (r"--epochs \d+", "--epochs 1"),
    (r"--size \d+", "--size 96"),
    (r"\bkit bench(?!.*--seconds)", "kit bench --seconds 1"),
    (r"\bkit study smoke\b", "kit study tiny.yaml"),
    # after one epoch there is nothing to lose yet
    (r"--precision (fp16|int8)", r"--precision \1 --tolerance 50"),
    (r"--precision int8", "--precision int8 --calibrate 8"),
)
TINY = """\
about: the smoke study, shortened?
grids:
  - title: Samples
    models: [yolov8n]
    datasets: [blood-smears]
    draws: [{fraction: 0.25}, {fraction: 0.5}, {fraction: 1}]
    starts: [random]
    recipes: [quickstart]
    size: 64
    epochs: 1
"""


def shorter(command: str) -> str:
    for pattern, short in SHORTER:
        command = re.sub(pattern, short, command)
    return command


def mentioned(text: str) -> set[str]:
    """Commands of the kit that stand in code: blocks, and words in backticks."""
    lines = [line for block in blocks(text) for line in block.lines]
    prose = "\n".join(re.split(r"^```.*?^```$", text, flags=re.M | re.S))
    words = [*lines, *re.findall(r"`([^`]+)`", prose)]
    return {match[0] for word in words if (match := re.match(r"(?:\$ )?kit [a-z].*", word.strip()))}


def verb_of(command: str) -> tuple[list[str], list[str]]:
    """The words that name a verb's file, or a group of verbs, and what follows them."""
    folder, words = root.FOLDER, command.removeprefix("$ ").split()[1:]
    for place, word in enumerate(words):
        if word not in root.verbs(folder):
            return words[:place], words[place:]
        folder = folder / word.replace("-", "_")
        if not folder.is_dir():
            return words[: place + 1], words[place + 1 :]
    return words, []


SAMPLE = """\
Use `kit train` or `kit --help`.

```console
$ make quickstart
$ kit train yolov8n bccd --epochs 30 \\
>     --size 416 --out runs/a
epoch 1
$ kit bench runs/a bccd
```

```
kit data check SRC    what is wrong
```
"""


def test_a_session_is_parsed_and_shortened() -> None:
    session, plain = blocks(SAMPLE)
    assert (session.language, session.number, plain.language) == ("console", 3, "")
    assert [shorter(command) for command in typed(session)] == [
        "make quickstart",
        "kit train yolov8n bccd --epochs 1 --size 96 --out runs/a",
        "kit bench --seconds 1 runs/a bccd",
    ]
    assert typed(plain) == []
    assert len(mentioned(SAMPLE)) == 4
    assert verb_of("kit data check SRC") == (["data", "check"], ["SRC"])
    assert verb_of("kit nonesuch") == ([], ["nonesuch"])


def test_every_verb_and_option_of_the_readme_exists() -> None:
    commands = mentioned(README)
    assert len(commands) > 5
    for command in sorted(commands):
        verb, rest = verb_of(command)
        assert verb, f"README: there is no `{command}`"
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            root.main([*verb, "--help"])
        for option in re.findall(r"(?<!\S)--[a-z-]+", " ".join(rest)):
            assert re.search(rf"{option}\b", text.getvalue()), f"README: {command}: no {option}"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.M))
    code = [line for block in blocks(README) for line in block.lines]
    code += re.findall(r"`([^`]+)`", README)
    named = {match[1] for line in code if (match := re.match(r"(?:\$ )?make ([a-z]+)", line))}
    assert {"quickstart", "test"} <= named <= targets


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (REPOSITORY / link).exists(), f"README: {link}"


def test_the_sessions_work(
    new_user: Callable[..., Any], tmp_path: Path, data: Path, weights: Path
) -> None:
    sessions = [
        block
        for block in blocks(README)
        if block.language == "console" and not any("docker " in line for line in block.lines)
    ]
    if not sessions:
        pytest.skip("the README shows no session")
    shim = tmp_path / "kit"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kit.cli.root "$@"\n')
    shim.chmod(0o755)
    user = new_user(
        KIT_DATA=str(data), KIT_WEIGHTS=str(weights), PATH=f"{tmp_path}:{os.environ['PATH']}"
    )
    (user.folder / "tiny.yaml").write_text(TINY)
    with closing(VideoWriter(user.folder / "film.mp4", 25)) as film:
        for level in (0, 120, 240):
            film.write(np.full((96, 128, 3), level, np.uint8))
    for command in (shorter(command) for block in sessions for command in typed(block)):
        if command.startswith("make "):
            continue
        told = subprocess.run(
            ["bash", "-c", command],
            cwd=user.folder, env=user.variables(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, f"$ {command}\n{told.stdout}\n{told.stderr}"


def test_the_python_works(user: Any, parted: str, exported: str, tmp_path: Path) -> None:
    snippets = [block for block in blocks(README) if block.language == "python"]
    assert snippets
    picture = next((user.folder / parted / "test" / "images").iterdir())
    for snippet in snippets:
        code = "\n".join(snippet.lines)
        for bundle in re.findall(r'kit\.open\("([^"]+)"', code):
            shutil.copytree(user.folder / exported, tmp_path / bundle, dirs_exist_ok=True)
        for name in re.findall(r'read_picture\("([^"]+)"', code):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, tmp_path / name)
        told = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path, env=user.variables(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert told.returncode == 0, f"README, line {snippet.number}: {told.stderr}"
