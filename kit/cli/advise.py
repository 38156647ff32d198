"""What to do with pretrained weights for a dataset of your own: freeze or tune, from where, at what
size; each with its evidence.

Looks at the training pictures (or those of --sample) through the pretrained model, measures how far
they lie from the pictures it was trained on, counts classes and sizes, and sets beside it what the
kit's own studies measured on sets like this one. --try trains the candidate plans briefly on the
same pictures and picks by AP on valid.

    kit advise yolov8n bccd
    kit advise yolov8n bccd --sample fifty.json --try
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_seed, add_source, add_threads
from kit.cli.output import Output
from kit.errors import UsageError
from kit.parts import scratch

if TYPE_CHECKING:
    from kit.advise.trial import Tried


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="name of a model card: see `kit list models`"
    )
    add_source(parser)
    parser.add_argument(
        "--sample", type=Path, metavar="MANIFEST", help="look at these training pictures only"
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="what the distance is to (default: COCO pictures under this model, where the kit has "
        "them)",
    )
    parser.add_argument(
        "--write-reference",
        type=Path,
        metavar="FILE",
        help="make such a file of SRC, all of its pictures, instead of advice",
    )
    parser.add_argument(
        "--try",
        dest="try_",
        action="store_true",
        help="train the candidate plans briefly and pick one",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of each try (default: recipe brief's)"
    )
    parser.add_argument(
        "--size", type=int, metavar="S", help="side of the input in a try (default: the card's)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="keep the tries there; the next one goes on"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda:N")
    parser.add_argument(
        "--download", action="store_true", help="fetch the pretrained weights if they are missing"
    )
    add_threads(parser)
    add_seed(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.advise.evidence import look, write_reference

    given = [name for name in ("epochs", "size", "out") if getattr(args, name) is not None]
    if given and not args.try_:
        raise UsageError(f"--{given[0]} says how to try", fix="add --try")
    if args.write_reference is not None:
        reference = write_reference(
            args.model, args.source, args.write_reference, device=args.device, threads=args.threads,
            download=args.download, progress=out,
        )  # fmt: skip
        out.print(f"{len(reference.pictures)} pictures -> {args.write_reference}")
        return {"reference": str(args.write_reference), "pictures": len(reference.pictures)}
    evidence = look(
        args.model, args.source, sample=args.sample, reference=args.reference, device=args.device,
        threads=args.threads, download=args.download, progress=out,
    )  # fmt: skip
    told = evidence.facts()
    out.table(
        f"{evidence.card.name} ({evidence.card.licence}) on {evidence.dataset.name}: "
        f"{evidence.held.pictures} pictures, {evidence.held.objects} objects",
        ("class", "pictures", "objects"),
        [(name, held.pictures, held.objects) for name, held in evidence.held.classes.items()],
    )
    out.table(
        f"distance to {evidence.reference.source}, 95 % intervals over pictures",
        ("of", "cosine", "MMD", "linear SVM"),
        [(name, each.cosine, each.mmd, each.svm) for name, each in evidence.distances.items()],
    )
    if evidence.reference.yardsticks:
        out.table(
            "for comparison, whole pictures",
            ("of", "cosine", "MMD", "linear SVM"),
            [
                (name, *(f"{each[measure]:.3f}" for measure in ("cosine", "mmd", "svm")))
                for name, each in evidence.reference.yardsticks.items()
            ],
        )
    out.print(f"TLogME {evidence.tlogme:.3f}: only to compare models on these pictures")
    for advice in evidence.advice:
        out.print(f"\n{advice.about}: {advice.choice}")
        for why in advice.why:
            out.print(f"  - {why}")
    options = [option for advice in evidence.advice for option in advice.options]
    tried: Sequence[Tried] = ()
    if args.try_:
        tried = _try(args, evidence, out)
        options = _replaced(options, "--plan", tried[0].plan)
    words = ["kit", "train", args.model, args.source, *options]
    if args.sample is not None:
        words += ["--sample", str(args.sample)]
    out.print(f"\n{_typed(words)} --out RUN")
    return {**told, "try": [each.facts() for each in tried] or None, "options": options}


def _try(args: argparse.Namespace, evidence: Any, out: Output) -> Sequence[Tried]:
    from kit.advise.recommend import FREEZE, TUNE
    from kit.advise.trial import attempt
    from kit.finetune.engine import Machine

    plans = [TUNE, FREEZE, *(["head-only"] if evidence.bands.says == "freeze" else [])]
    with _kept(args.out) as directory:
        tried = attempt(
            plans, args.model, evidence.dataset, directory,
            Machine(args.device, 1, args.threads), sample=evidence.sample, size=args.size,
            epochs=args.epochs, seed=args.seed, progress=out,
        )  # fmt: skip
    out.table(
        "tried briefly on the same pictures, AP on valid with 95 % intervals over pictures",
        ("plan", "AP", "AP50", "behind the best", "s"),
        [
            (
                each.plan or "tune everything",
                f"{each.ap:.3f} ({each.interval[0]:.3f} to {each.interval[1]:.3f})",
                f"{each.ap50:.3f}",
                None
                if each.behind is None
                else f"{each.behind.mean:.3f} ({each.behind.interval[0]:.3f} to "
                f"{each.behind.interval[1]:.3f})",
                f"{each.seconds:.0f}",
            )
            for each in tried
        ],
    )
    close = [each for each in tried[1:] if each.behind and each.behind.interval[0] <= 0]
    out.print(
        f"picked: {tried[0].plan or 'tune everything'}"
        + (f"; not significantly better than {len(close)} other(s)" if close else "")
    )
    return tried


@contextmanager
def _kept(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        yield directory
        return
    with scratch("advise") as folder:
        yield folder


def _replaced(options: Sequence[str], name: str, value: str | None) -> list[str]:
    kept = list(options)
    if name in kept:
        place = kept.index(name)
        del kept[place : place + 2]
    return kept if value is None else [*kept, name, value]


def _typed(words: Sequence[str]) -> str:
    import shlex

    return shlex.join(words)
