"""Try one parser with files that are bred by which of the kit's lines they reach.

    python -m fuzz.guided TARGET SECONDS SEED > OUTCOME

Atheris (Google's libFuzzer for Python) keeps a file that reaches a new branch, and damages those it
keeps. It is no part of the locks: it has no wheels for some systems the kit runs on.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import atheris  # type: ignore[import-not-found]

from fuzz.zygote import FLOOD, HANG


def main() -> None:
    name, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    folder = Path(tempfile.mkdtemp(prefix="kit-fuzz-"))
    try:
        print(json.dumps({"target": name, **_bred(name, seconds, seed, folder)}))
    finally:
        shutil.rmtree(folder)


def _bred(name: str, seconds: float, seed: int, folder: Path) -> dict[str, object]:
    log = folder / "log"
    pid = os.fork()
    if pid == 0:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        try:
            _breed(name, seconds, seed, folder)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)  # libFuzzer itself ends the process where all is well
    _, status = os.waitpid(pid, 0)
    said = log.read_text(errors="replace")
    tried = re.findall(r"stat::number_of_executed_units:\s*(\d+)", said)
    reached = [int(number) for number in re.findall(r"\bcov: (\d+)", said)]
    found = [
        path for kind in ("crash", "timeout", "oom", "leak") for path in folder.glob(f"{kind}-*")
    ]
    fault = None
    if found or os.waitstatus_to_exitcode(status) != 0:
        fault = f"{found[0].name.partition('-')[0] if found else 'died'}\n{said[-2000:]}"
    return {
        "tried": int(tried[-1]) if tried else 0,
        "reached": max(reached, default=0),
        "began": reached[0] if reached else 0,
        "fault": fault,
        "file": base64.b64encode(found[0].read_bytes()[:3000]).decode() if found else "",
    }


def _breed(name: str, seconds: float, seed: int, folder: Path) -> None:
    with atheris.instrument_imports(include=["kit"]):
        import kit.data.fetch
        import kit.data.source
        import kit.report.dossier
        import kit.runtime.plain_graph
        import kit.runtime.watch  # noqa: F401
        from fuzz.targets import BY_NAME

        target = BY_NAME[name]
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, data in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(data)
            target.parse(data, _empty(folder))  # so that all it imports is instrumented
    from kit.errors import KitError

    def attempt(data: bytes) -> None:
        try:
            target.parse(data, _empty(folder))
        except KitError:
            return

    options = {
        "max_total_time": round(seconds), "timeout": HANG, "rss_limit_mb": 2 * FLOOD >> 20,
        "seed": seed + 1, "print_final_stats": 1, "artifact_prefix": f"{folder}/",
        "max_len": 1 << 14,
    }  # fmt: skip
    words = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *words, str(corpus)], attempt)
    atheris.Fuzz()


def _empty(folder: Path) -> Path:
    files = folder / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    return files


if __name__ == "__main__":
    main()
