"""How large the images are, and how soon a container has found something.

Builds the images of the edge as the README says, or takes those it is given. Measured: each image's
size; wall time of `docker run IMAGE detect` on one picture, from the command to its end, confined
as docker/compose.yaml says; and of `docker run APP serve` until its page answers; medians.
Promised: 450 MB and, with the page, 900 MB; 3 s to the first detection.

    python benchmarks/containers.py --edge kit-edge --app kit-app --bundle runs/bccd-onnx \\
        --picture smear.jpg

Needs a Docker daemon (DOCKER_HOST), and to build the images a base image. Expect some minutes to
build and one to measure.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _common import ROOT, Limit, at_least, finish, parser, write_report

from kit.errors import RunFailed, UsageError

MB = 1_000_000
LIMITS = {"edge": 450, "app": 900}
CONFINED = (
    "--init", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--pids-limit", "512",
    "--security-opt", "no-new-privileges", "--memory", "4g", "--shm-size", "1g",
)  # fmt: skip
PORT = 17860


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--edge", metavar="IMAGE", help="take it (default: build it)")
    options.add_argument("--app", metavar="IMAGE", help="take it (default: build it)")
    options.add_argument("--bundle", type=Path, metavar="DIR", required=True, help="an ONNX bundle")
    options.add_argument("--picture", type=Path, metavar="FILE", required=True, help="to look at")
    options.add_argument("--runs", type=int, default=7, metavar="N", help="of each (default 7)")
    args = options.parse_args()
    at_least(args, runs=1)
    for path in (args.bundle, args.picture):
        if not path.exists():
            raise UsageError("is not there", where=path)
    from kit.report.page import Table

    images = {
        "edge": args.edge or build("kit-edge"),
        "app": args.app or build("kit-app", "--build-arg", "APP=1"),
    }
    sizes = {name: json.loads(docker("image", "inspect", image))[0]["Size"] / MB
             for name, image in images.items()}  # fmt: skip
    nothing = [alone(images["edge"]) for _ in range(args.runs + 1)][1:]
    first = [detect(images["edge"], args.bundle, args.picture) for _ in range(args.runs + 1)][1:]
    page = [serve(images["app"], args.bundle) for _ in range(args.runs)]
    seconds = {
        "docker run, a Python that does nothing": nothing,
        "docker run, to the first detection and its end": first,
        "docker run, until the page answers": page,
    }
    rows: list[list[Any]] = [
        [name, statistics.median(times), min(times), max(times)] for name, times in seconds.items()
    ]
    limits = [Limit(f"{name}, MB", sizes[name], most) for name, most in LIMITS.items()]
    limits.append(Limit("seconds to the first detection", statistics.median(first), 3))
    return write_report(
        "containers",
        "Containers",
        f"Images for CPUs, on {json.loads(docker('version', '-f', '{{json .Server}}'))['Version']}"
        f" of the Docker engine; {args.runs} runs of each, after one that warms the disk's cache.",
        [
            Table("Size", ("image", "MB, unpacked"), [[n, round(mb)] for n, mb in sizes.items()]),
            Table("Seconds", ("what", "median", "least", "most"), rows),
        ],
        limits,
        {"megabytes": sizes, "seconds": seconds, "confined": CONFINED},
        threads=None,
        out=args.out,
    )


def docker(*words: str) -> str:
    """What a command answers.

    Raises:
        RunFailed: it fails.
    """
    told = subprocess.run(
        ["docker", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )
    if told.returncode:
        raise RunFailed(f"docker {words[0]} ended with {told.returncode}: {told.stderr[-600:]}")
    return told.stdout


def build(name: str, *words: str) -> str:
    print(f"building {name}", flush=True)
    docker("build", "-f", f"{ROOT}/docker/edge.Dockerfile", "-t", name, *words, str(ROOT))
    return name


def alone(image: str) -> float:
    """Seconds of a container that does nothing."""
    begun = time.perf_counter()
    docker("run", "--rm", *CONFINED, "--network", "none", "--entrypoint", "python", image, "-c", "")
    return time.perf_counter() - begun


def detect(image: str, bundle: Path, picture: Path) -> float:
    """Seconds from the command to its end, with what was found on disk."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        volumes = (f"{bundle.resolve()}:/models:ro", f"{picture.resolve()}:/data/{picture.name}:ro",
                   f"{folder}:/out")  # fmt: skip
        mounted = [word for volume in volumes for word in ("-v", volume)]
        begun = time.perf_counter()
        docker("run", "--rm", *CONFINED, "--network", "none", *mounted, image,
               "detect", "/models", f"/data/{picture.name}", "--out", "found")  # fmt: skip
        seconds = time.perf_counter() - begun
        if not any((Path(folder) / "found").iterdir()):
            raise RunFailed("nothing was written")
    return seconds


def serve(image: str, bundle: Path) -> float:
    """Seconds until the page's first answer."""
    begun = time.perf_counter()
    container = docker(
        "run", "-d", *CONFINED, "-p", f"127.0.0.1:{PORT}:7860",
        "-v", f"{bundle.resolve()}:/models:ro", image, "serve", "/models", "--host", "0.0.0.0",
    ).strip()  # fmt: skip
    try:
        while time.perf_counter() - begun < 120:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2):
                    return time.perf_counter() - begun
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        raise RunFailed("the page did not answer within two minutes")
    finally:
        docker("rm", "-f", container)


if __name__ == "__main__":
    finish(main)
