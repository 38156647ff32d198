"""Freeze, tune, or start without features: what the study measured, and who would have told so.

Reads `studies/transfer.yaml`, run to DIR (--study): yolov8n on 50 and 100 pictures of BCCD and Mask
Wearing, from COCO weights frozen and tuned, from weights drawn like them (mean-var), and from
random ones. For each dataset and sample it asks which way is best on test, which others are ties,
and whether freeze or tune was picked rightly by

    the bands of the study, from the distance and the rarest class's pictures ("try both" counts as
    no pick);
    the most similar case of the other dataset, as `kit advise` picks;
    a try: the better AP on valid of the first seed alone, as `kit advise --try` picks.

A pick is right where it is the measured best, and not wrong where it is a tie with it. Beside that:
which stages tuning has kept, against runs from random weights (`kit similarity`). The outcomes
are written to advice/transfer.yaml, which `kit advise` quotes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from _common import ROOT, finish, parser, write_report

if TYPE_CHECKING:
    from kit.advise.measured import Case, Measured
    from kit.report.page import Table
    from kit.study.reading import Reading

STUDY = "transfer"
VALID = 32
"""Pictures that stages are compared on."""
NOTE = "short runs (300 steps at 288 px): who learns slowly has not learnt all"


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--study", type=Path, default=ROOT / "runs" / STUDY, metavar="DIR")
    args = options.parse_args()
    from kit.advise.measured import Measured
    from kit.binding import plain
    from kit.cards import card_folder, load_card
    from kit.files import write_text
    from kit.study.reading import Reader, moderated
    from kit.study.results import load_all
    from kit.study.study import Study

    study, finished = load_card(Study, STUDY), load_all(args.study)
    there = {each.result.cell for each in finished}
    readings = Reader().read(study.cells(), finished)
    groups: dict[tuple[str, int], list[Reading]] = {}
    for reading in moderated(readings, readings):
        if reading.ap50 is not None:
            key = (reading.setting.dataset, reading.setting.draw.images or 0)
            groups.setdefault(key, []).append(reading)
    cases = tuple(_case(*key, group) for key, group in groups.items())
    first = finished[0].result.environment
    made = f"{first['date'][:10]}, commit {first['commit']}, {first['cpu']}"
    told = Measured(STUDY, f"studies/{STUDY}.yaml", made, NOTE, cases)
    missing = [str(cell) for cell in study.cells() if cell not in there]
    body = {name: value for name, value in plain(told).items() if name != "name"}
    head = "# Made by benchmarks/transfer.py; `kit advise` quotes it.\n"
    path = card_folder(Measured) / f"{STUDY}.yaml"
    write_text(path, head + yaml.safe_dump(_lists(body), sort_keys=False, width=100))
    return report(args.out, told, groups, missing)


def _way(reading: Reading) -> str:
    setting = reading.setting
    if setting.start != "coco":
        return setting.start
    return "tune" if setting.plan is None else "freeze"


def _case(dataset: str, images: int, group: list[Reading]) -> Case:
    """Outcomes on one dataset and sample, and how far and rare the sample is."""
    import numpy as np

    from kit.advise.evidence import beside
    from kit.advise.facts import gather
    from kit.advise.measured import Case, Outcome
    from kit.cards import ModelCard, load_card
    from kit.data.manifest import Manifest
    from kit.finetune import distance
    from kit.finetune.features import extract
    from kit.finetune.prepare import chosen_pictures, examined
    from kit.finetune.pretrained import pretrained
    from kit.study.compared import standings

    card = load_card(ModelCard, group[0].setting.model)
    own, whole = pretrained(card), examined(dataset)
    sample = Manifest.load(group[0].cells[0].directory / "sample.json")
    train = whole.take(chosen_pictures(whole, sample))
    seen = extract(own.graph, train, card.input, device=own.device)
    found = distance.of(seen, distance.Reference.load(beside(card)))["pictures"]
    standing = standings(group)
    outcomes = {}
    for reading in group:
        runs = reading.ap50
        assert runs is not None
        valid = [cell.result.valid["ap"] for cell in reading.cells]
        low, high = runs.interval
        outcomes[_way(reading)] = Outcome(
            round(runs.mean, 4), (round(low, 4), round(high, 4)),
            round(float(np.mean(valid)), 4), len(runs.scores),
        )  # fmt: skip
    best = max(outcomes, key=lambda way: outcomes[way].ap50)
    tied = [_way(r) for r in group if r.setting in standing and standing[r.setting].tie]
    return Case(
        model=card.name,
        dataset=dataset,
        pictures=images,
        cosine=round(found.cosine.value, 4),
        fewest=gather(train, card.input, card.input.size).fewest,
        outcomes=outcomes,
        tied=(best, *(way for way in tied if way != best)),
    )


def report(
    out: Path,
    told: Measured,
    groups: dict[tuple[str, int], list[Reading]],
    missing: list[str],
) -> int:
    from kit.report.page import Table

    rows: list[list[Any]] = []
    picks: list[list[Any]] = []
    right = {name: [0, 0, 0] for name in ("bands", "other dataset", "try")}
    for case in told.cases:
        for way, each in case.outcomes.items():
            place = "best" if way == case.tied[0] else "tie" if way in case.tied else ""
            rows.append(
                [
                    f"{case.dataset}, {case.pictures}", way, f"{each.ap50:.3f}",
                    f"{each.interval[0]:.3f} to {each.interval[1]:.3f}", f"{each.valid:.3f}",
                    each.seeds, place,
                ]
            )  # fmt: skip
        best, tie, chosen = _picks(told, case, groups[(case.dataset, case.pictures)])
        picks.append([f"{case.dataset}, {case.pictures}", best, "yes" if tie else "no",
                      *(pick or "none" for pick in chosen.values())])  # fmt: skip
        for name, pick in chosen.items():
            right[name][0] += pick is not None
            right[name][1] += pick == best
            right[name][2] += pick is not None and (pick == best or tie)
    said: list[list[Any]] = [[name, *counts] for name, counts in right.items()]
    for name, (made, hit, fine) in right.items():
        print(f"{name}: {made} picks, {hit} the measured best, {fine} best or tied")
    header = ("dataset, pictures", "way", "test AP50", "95 %", "valid AP", "seeds", "")
    tables: list[Any] = [
        Table("What each way reached", header, rows, note=NOTE),
        Table(
            "Freeze or tune: who picked what",
            ("dataset, pictures", "measured", "a tie", *right),
            picks,
        ),
        Table("How often", ("who", "picks", "the best", "the best or a tie"), said),
    ]
    tables += [table for key, group in groups.items() if (table := _reused(*key, group))]
    if missing:
        tables.append(Table("Not finished", ("",), [[name] for name in missing]))
    return write_report(
        "transfer",
        "Freeze, tune, or start without features",
        "yolov8n, recipe brief at 288 px, balanced samples. Means over seeds; intervals over seeds "
        "and test pictures; ties after Holm's correction.",
        tables,
        [],
        {"picks": picks, "missing": missing},
        threads=1,
        out=out,
    )


def _reused(dataset: str, images: int, group: list[Reading]) -> Table | None:
    """Which stages tuning kept, on valid pictures; None where the runs for it are not there."""
    from kit.bundle import open_bundle
    from kit.finetune.prepare import examined
    from kit.finetune.reuse import fitted, reuse
    from kit.report.page import Table

    runs = {_way(reading): reading.cells for reading in group}
    if not runs.get("tune") or len(runs.get("random", ())) < 2:
        return None
    tuned, *random = [open_bundle(c.bundle) for c in (runs["tune"][0], *runs["random"])]
    whole = examined(dataset)
    pictures = fitted(tuned, whole.select(whole.split("valid")[:VALID]))
    rows = [
        [
            kept.stage, f"{kept.trained.cka:.2f}", f"{max(r.cka for r in kept.random):.2f}",
            f"{kept.trained.svcca:.2f}", f"{max(r.svcca for r in kept.random):.2f}",
            "yes" if kept.reused else "no",
        ]
        for kept in reuse(tuned, pictures, random=random)
    ]  # fmt: skip
    return Table(
        f"What tuning on {images} pictures of {dataset} has kept",
        ("stage", "CKA", "random", "SVCCA", "random", "reused"),
        rows,
        note=f"Before and after training, seed 0, on {len(pictures)} valid pictures; random: of "
        f"{len(random)} runs from random weights with each other, the most.",
    )


def _picks(
    told: Measured, case: Case, group: list[Reading]
) -> tuple[str, bool, dict[str, str | None]]:
    """The better of freeze and tune on test, whether they tie, and what each adviser picks."""
    from kit.advise.bands import fall
    from kit.advise.measured import nearest
    from kit.study.compared import standings

    pair = [reading for reading in group if _way(reading) in ("freeze", "tune")]
    ways = {_way(reading): reading for reading in pair}
    if len(ways) < 2:
        return "none", False, {"bands": None, "other dataset": None, "try": None}
    best = max(ways, key=lambda way: case.outcomes[way].ap50)
    tie = any(standing.tie for standing in standings(pair).values())
    says = fall(case.cosine, case.fewest).says
    others = [(told, each) for each in told.cases if each.dataset != case.dataset]
    like = nearest(others, case.cosine, case.pictures)
    other = None
    if like is not None and not {"freeze", "tune"} <= set(like[1].tied):
        known = [way for way in ("freeze", "tune") if way in like[1].outcomes]
        other = max(known, key=lambda way: like[1].outcomes[way].ap50, default=None)
    tried = {
        way: next(c.result.valid["ap"] for c in reading.cells if c.result.cell.seed == 0)
        for way, reading in ways.items()
    }
    return best, tie, {
        "bands": None if says == "try both" else says,
        "other dataset": other,
        "try": max(tried, key=lambda way: tried[way]),
    }  # fmt: skip


def _lists(value: Any) -> Any:
    """Without tuples, which YAML would mark."""
    if isinstance(value, dict):
        return {key: _lists(each) for key, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, tuple | list) else value


if __name__ == "__main__":
    finish(main)
