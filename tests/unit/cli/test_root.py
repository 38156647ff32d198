"""One message and one exit code for whatever happens, and help at once."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.cli import root
from kit.errors import DataError, GateRefused, KitError, RunFailed, Stopped

REPOSITORY = Path(__file__).parents[3]
HEAVY = ("numpy", "cv2", "torch", "onnxruntime", "matplotlib", "pydantic", "ultralytics")

Act = Callable[[argparse.Namespace, Any], Any]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], None]:
    """Make ``kit list`` do something else."""
    from kit.cli import list as module

    def become(act: Act) -> None:
        monkeypatch.setattr(module, "run", act)

    return become


def all_verbs(folder: Path = root.FOLDER) -> list[list[str]]:
    """The words of every verb, found as the root finds them."""
    found = []
    for name in root.verbs(folder):
        inner = folder / name.replace("-", "_")
        if inner.is_dir():
            found += [[name, *rest] for rest in all_verbs(inner)]
        else:
            found.append([name])
    return found


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def test_every_verb_helps_without_loading_anything_heavy() -> None:
    verbs = all_verbs()
    assert ["doctor"] in verbs
    told = python(
        "import contextlib, io, sys\n"
        "from kit.cli.root import main\n"
        f"for words in [['--help'], *{verbs!r}]:\n"
        "    text = io.StringIO()\n"
        "    with contextlib.redirect_stdout(text):\n"
        "        try: code = main([*words, '--help'])\n"
        "        except SystemExit as end: code = end.code\n"
        "    assert code == 0 and 'usage: kit' in text.getvalue(), words\n"
        f"    loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    assert not loaded, (words, loaded)\n"
    )
    assert told.returncode == 0, told.stderr


def test_help_lists_every_verb_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert root.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, text in root.verbs().items():
        assert text, f"{name} has no docstring"
        assert any(line.split() == [name, *text.split()] for line in lines)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from kit import __version__

    assert root.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kit {__version__}\n"


@pytest.mark.parametrize("words", [[], ["lits"], ["lits", "--help"], ["data", "nix"], ["data"]])
def test_an_unknown_or_missing_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if words[:1] == ["data"] and "data" not in root.verbs():
        pytest.skip("there is no group of verbs named data")
    assert root.main(words) == 2
    told = capsys.readouterr()
    assert not told.out
    assert "usage: kit" in told.err
    wrong = [word for word in words if word in ("lits", "nix")]
    assert all(repr(word) in told.err for word in wrong)


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        root.main(["doctor", "--nix"])
    assert end.value.code == 2
    assert "--nix" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KitError("it broke"), 1, "error: it broke"),
        (DataError("no labels", where="x", fix="add"), 2, "error: x: no labels\n  -> add"),
        (GateRefused("AP fell"), 3, "error: AP fell"),
        (RunFailed("lost the device"), 1, "error: lost the device"),
        (Stopped("stopped, saved"), 130, "error: stopped, saved"),
        (Stopped("stopped, saved", number=signal.SIGTERM), 143, "error: stopped, saved"),
        (KeyboardInterrupt(), 130, "stopped"),
        (MemoryError(), 1, "out of memory"),
        (ModuleNotFoundError("No module", name="torch.nn"), 2, "pip install 'detector-kit[train]'"),
        (OSError(errno.ENOSPC, "No space left on device", "a.bin"), 1, "the disk is full (a.bin)"),
        (PermissionError(errno.EACCES, "denied", "a.bin"), 1, "not allowed to write or read a.bin"),
    ],
)
def test_errors_are_one_message_and_a_code(
    verb: Callable[[Act], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    told: str,
) -> None:
    def fail(args: argparse.Namespace, out: Any) -> None:
        raise error

    verb(fail)
    assert root.main(["list", "models"]) == code
    captured = capsys.readouterr()
    assert told in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out


def test_a_mistake_of_ours_is_not_hidden(verb: Callable[[Act], None]) -> None:
    def fail(args: argparse.Namespace, out: Any) -> None:
        raise ZeroDivisionError

    verb(fail)
    with pytest.raises(ZeroDivisionError):
        root.main(["list", "models"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_with_their_code(number: int, code: int, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys, time\n"
            "from kit.cli import list as module, root\n"
            "def run(args, out):\n"
            f"    pathlib.Path({str(ready)!r}).touch()\n"
            "    time.sleep(60)\n"
            "module.run = run\n"
            "sys.exit(root.main(['list', 'models']))\n",
        ],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        # what runs in the background ignores Ctrl-C, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while not ready.exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code
    assert told == "stopped\n"


def test_json_on_standard_output_stands_alone(
    verb: Callable[[Act], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def work(args: argparse.Namespace, out: Any) -> dict[str, Any]:
        out.print("for people")
        out.table("title", ["a", "b"], [[1, 2]])
        out.note("a remark")
        return {"done": list(out.track(range(3), "working"))}

    verb(work)
    assert root.main(["list", "models", "--json", "-"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"done": [0, 1, 2]}
    assert "for people" in told.err


def test_json_in_a_file_leaves_the_text(
    verb: Callable[[Act], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def work(args: argparse.Namespace, out: Any) -> dict[str, int]:
        out.print("[for people]")
        return {"n": 1}

    verb(work)
    assert root.main(["list", "models", "--json", str(tmp_path / "r.json")]) == 0
    assert capsys.readouterr().out == "[for people]\n"
    assert json.loads((tmp_path / "r.json").read_text()) == {"n": 1}


def test_a_reader_that_leaves_is_not_an_error_message() -> None:
    read, write = os.pipe()
    os.close(read)
    told = subprocess.run(
        [sys.executable, "-m", "kit.cli.root", "list", "models", "--json", "-"],
        cwd=REPOSITORY,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
