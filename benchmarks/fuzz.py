"""How many damaged, hostile and random files every parser of the kit answers as it should.

For each parser of tests/fuzz/targets.py: files made of whole ones by hypothesis, in a process that
may take 2 GiB of address space and 10 s a file; then, where Atheris is installed (`pip install
'detector-kit[fuzz]'`), files bred by which of the kit's lines they reach, for parsers that are the
kit's own; then all of tests/fuzz/nasty/, each with the answer it must have. Promised: no error but
the kit's own, no crash, no hang, and no more than 1 GiB of memory.

Expect the seconds that are asked for, and a minute more. The files differ from run to run unless
`--seed` says which; a fault tells the file that caused it, as base64.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from _common import ROOT, Limit, at_least, finish, parser, write_report

TESTS = ROOT / "tests"
ROUND = 200
"""Files between two looks at the clock."""


def main() -> int:
    options = parser(__doc__)
    options.add_argument(
        "--seconds", type=int, default=600, metavar="N", help="of all of it (default 600)"
    )
    options.add_argument("--seed", type=int, metavar="K", help="of the files (default: by chance)")
    args = options.parse_args()
    at_least(args, seconds=1, seed=0)
    sys.path.insert(0, str(TESTS))
    from fuzz.nasty import CASES  # type: ignore[import-not-found]
    from fuzz.run import lacks, run  # type: ignore[import-not-found]
    from fuzz.targets import TARGETS  # type: ignore[import-not-found]
    from fuzz.zygote import FLOOD  # type: ignore[import-not-found]

    seed = secrets.randbelow(1 << 31) if args.seed is None else args.seed
    targets = [target for target in TARGETS if not lacks(target.needs)]
    guided = find_spec("atheris") is not None
    cores = os.cpu_count() or 1
    each = args.seconds * cores / len(targets) / (2 if guided else 1)
    print(f"seed {seed}: {len(targets)} parsers, {each:.0f} s each by hypothesis", flush=True)
    jobs = [{"target": t.name, "examples": ROUND, "seconds": each, "seed": seed} for t in targets]
    drawn = {outcome["target"]: outcome for outcome in run(jobs)}
    bred = {}
    if guided:
        own = [target.name for target in targets if target.own]
        each = args.seconds * cores / len(own) / 2
        print(f"{len(own)} parsers, {each:.0f} s each by atheris", flush=True)
        bred = breed(own, each, seed)
    there = [name for name, case in CASES.items() if not lacks(case.needs)]
    thrown = {outcome["nasty"]: outcome for outcome in run([{"nasty": name} for name in there])}
    wrong = [
        name
        for name, outcome in thrown.items()
        if outcome["fault"] or not re.match(CASES[name].told, outcome["answer"], re.DOTALL)
    ]
    faults = [o for o in (*drawn.values(), *bred.values()) if o["fault"]]
    for outcome in faults:
        print(f"FAULT in {outcome['target']}: {outcome['fault']}\n  file: {outcome['file']}")
    for name in wrong:
        print(f"WRONG ANSWER to {name}: {thrown[name]['fault'] or thrown[name]['answer']}")
    flood = max(o["flood"] for o in (*drawn.values(), *thrown.values()))
    limits = [
        Limit("parsers with a fault", len({o["target"] for o in faults}), 0),
        Limit("nasty files with another answer", len(wrong), 0),
        Limit("memory of one parser, MiB", flood / (1 << 20), FLOOD / (1 << 20)),
    ]
    told = told_of(drawn, bred)
    return write_report(
        "fuzz",
        "Files of strangers",
        f"{sum(o['tried'] for o in drawn.values()):,} files made by hypothesis and "
        f"{sum(o['tried'] for o in bred.values()):,} bred by atheris, for {len(targets)} parsers; "
        f"{len(thrown)} nasty files that were thought up.",
        told,
        limits,
        {"seed": seed, "drawn": drawn, "bred": bred, "nasty": thrown},
        threads=None,
        out=args.out,
    )


def breed(names: Sequence[str], seconds: float, seed: int) -> dict[str, Any]:
    """Outcomes of :mod:`fuzz.guided`, as many at a time as there are cores."""
    path = os.pathsep.join([str(TESTS), str(ROOT), os.environ.get("PYTHONPATH", "")])

    def one(name: str) -> Any:
        command = [sys.executable, "-m", "fuzz.guided", name, str(max(1, seconds)), str(seed)]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            fault = done.stderr.decode(errors="replace")[-2000:]
            return {"target": name, "tried": 0, "reached": 0, "fault": fault, "file": ""}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {outcome["target"]: outcome for outcome in pool.map(one, names)}


def told_of(drawn: dict[str, Any], bred: dict[str, Any]) -> list[Any]:
    """The table of all parsers."""
    from kit.report.page import Table, Text

    rows = []
    for name, outcome in drawn.items():
        answers, by_reach = outcome.get("answers") or {}, bred.get(name, {})
        faults = sum(bool(o.get("fault")) for o in (outcome, by_reach))
        rows.append(
            [
                name, outcome["tried"], answers.get("read", 0), answers.get("refused", 0),
                round(outcome["flood"] / (1 << 20)), by_reach.get("tried"),
                by_reach.get("reached"), faults,
            ]
        )  # fmt: skip
    header = ("parser", "files", "read", "refused", "MiB", "bred files", "branches", "faults")
    note = (
        "Files: made by hypothesis; read and refused: how they were answered. MiB: memory that the "
        "parser took beyond what its libraries have when they are loaded. Bred files: by Atheris; "
        "branches: of the kit's code that they reached."
    )
    return [Text("What was tried", [note]), Table("Parsers", header, rows)]


if __name__ == "__main__":
    finish(main)
