"""The ``kit`` command: find the verb's file, run it, end with one message and an exit code."""

from __future__ import annotations

import argparse
import ast
import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

from kit.errors import KitError, MissingPackage

FOLDER = Path(__file__).parent
_NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this machine allows",
}
_NOT_VERBS = {"__init__", "live", "next_to_label", "options", "output", "parity", "root"}
_LISTED_FIRST = (
    "quickstart",
    "doctor",
    "list",
    "data",
    "sample",
    "train",
    "evaluate",
    "export",
    "calibrate",
)
_EXTRAS = {
    "cyclonedx": "supply",
    "license_expression": "supply",
    "packaging": "supply",
    "ray": "ray",
    "scipy": "study",
    "sklearn": "study",
}
"""What brings a package that is not in the extra train."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit codes are those of :mod:`kit.errors`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in ("--version", "-V"):
        from kit import __version__

        print(f"kit {__version__}")
        return 0
    path, rest = _find(words)
    if path is None:
        return _help(rest)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(path, rest)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as stop:
        print("stopped", file=sys.stderr)
        return 143 if isinstance(stop, _Terminated) else 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "kit").partition(".")[0]
        if package == "kit":
            raise
        print(f"error: {MissingPackage(package, _EXTRAS.get(package, 'train'))}", file=sys.stderr)
        return MissingPackage.exit_code
    except MemoryError:
        print("error: out of memory\n  -> try a smaller --batch or --size", file=sys.stderr)
        return 1
    except OSError as error:
        text = _in_words(error)
        if text is None:
            raise
        print(f"error: {text}", file=sys.stderr)
        return 1


def _in_words(error: OSError) -> str | None:
    """What the system said; None where that would tell nobody anything."""
    if error.errno in _NO_ROOM:
        return f"{_NO_ROOM[error.errno]} ({error.filename or 'writing results'})"
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return f"not allowed to write or read {error.filename}"
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return None


def verbs(folder: Path = FOLDER) -> dict[str, str]:
    """Each verb (or group of verbs) in a folder with its first line of help, read, not imported."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".py" and path.stem not in _NOT_VERBS:
            found[path.stem.replace("_", "-")] = _first_line(path)
        elif path.is_dir() and (path / "__init__.py").is_file():
            found[path.name.replace("_", "-")] = _first_line(path / "__init__.py")
    order = {name: place for place, name in enumerate(_LISTED_FIRST)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], 99), item[0])))


def _find(words: list[str]) -> tuple[Path | None, list[str]]:
    """The verb's file and what follows it; no file where the words end in a group."""
    folder, taken = FOLDER, 0
    for word in words:
        path = folder / f"{word.replace('-', '_')}.py"
        if word.startswith("-") or word not in verbs(folder):
            break
        if path.is_file():
            return path, words[taken + 1 :]
        folder, taken = folder / word.replace("-", "_"), taken + 1
    return None, words


def _run(path: Path, rest: list[str]) -> int:
    name = ".".join(path.relative_to(FOLDER.parent.parent).with_suffix("").parts)
    spoken = " ".join(path.relative_to(FOLDER).with_suffix("").parts).replace("_", "-")
    module = import_module(name)
    parser = argparse.ArgumentParser(
        prog=f"kit {spoken}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    parser.add_argument(
        "--json",
        metavar="PATH",
        help="write the result as JSON; - is standard output, where then nothing else is printed",
    )
    args = parser.parse_args(rest)
    from kit.cli.output import Output

    out = Output(json_path=args.json)
    result = module.run(args, out)
    out.finish(result)
    return 0


def _help(words: list[str]) -> int:
    folder, spoken = FOLDER, "kit"
    unknown = None
    for word in words:
        if word in ("-h", "--help"):
            break
        if word in verbs(folder):
            folder, spoken = folder / word.replace("-", "_"), f"{spoken} {word}"
        else:
            unknown = word
            break
    listing = verbs(folder)
    width = max(len(name) for name in listing)
    lines = [f"usage: {spoken} VERB ...", ""]
    lines += [f"  {name:<{width}}  {text}" for name, text in listing.items()]
    lines += ["", f"{spoken} VERB --help tells more."]
    if unknown is not None:
        print(f"error: {spoken} has no verb {unknown!r}\n", file=sys.stderr)
    asked = unknown is None and bool(words) and words[-1] in ("-h", "--help")
    print("\n".join(lines), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


class _Terminated(KeyboardInterrupt):
    """SIGTERM, as what containers send to stop."""


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main())
