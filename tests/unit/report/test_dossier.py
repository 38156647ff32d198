"""Reports count for the bundle they are of, and come back from the bundle as they were given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doubles.reports import bundle, evaluation, timing

from kit.bench.report import LatencyReport, save_reports
from kit.binding import plain
from kit.bundle import Bundle, BundleCard, open_bundle, save_bundle, undocumented
from kit.errors import BundleError, DataError, UsageError
from kit.evaluate.coco import ClassScore
from kit.evaluate.report import EvalReport
from kit.files import write_json
from kit.report.dossier import Dossier, add_reports, add_siblings, read_dossier
from kit.report.model_card.tell import document
from kit.report.statements import Statements
from kit.types import Tiling


@pytest.fixture
def cells(tmp_path: Path) -> Bundle:
    return bundle(tmp_path / "cells", parent="c" * 64)


def saved(folder: Path, *reports: EvalReport | LatencyReport) -> list[Path]:
    paths = []
    for place, report in enumerate(reports):
        path = folder / f"report-{place}.json"
        if isinstance(report, EvalReport):
            report.save(path)
        else:
            save_reports(path, [report])
        paths.append(path)
    return paths


def gathered(cells: Bundle, folder: Path, *reports: EvalReport | LatencyReport) -> Dossier:
    return add_reports(read_dossier(cells), cells, saved(folder, *reports))


def test_a_bundle_without_documents_tells_nothing(cells: Bundle) -> None:
    assert read_dossier(cells) == Dossier(same=(cells.sha256,))


def test_there_and_back(cells: Bundle, tmp_path: Path) -> None:
    test, valid = evaluation(cells.sha256), evaluation(cells.sha256, split="valid",
                                                       manifest_sha256="f" * 64)  # fmt: skip
    timed = timing(cells.sha256)
    (tmp_path / "said.yaml").write_text("contact: the ward\n")
    known = gathered(cells, tmp_path, valid, test, timed)
    made = document(cells, known, tmp_path / "new", statements=tmp_path / "said.yaml")
    back = read_dossier(open_bundle(tmp_path / "new"))
    assert (back.evaluations, back.latencies) == ((valid, test), (timed,))
    assert back.own == (test, valid), "test comes first"
    assert back.statements == Statements(contact="the ward")
    assert (made.card.parent, made.made_from) == (cells.sha256, "c" * 64)
    assert made.same == (cells.sha256, made.sha256)
    assert undocumented(made.card).documents is None
    assert (made.directory / "said.yaml").exists() is False
    assert {"evaluation-test.json", "evaluation-valid.json", "latency.json"} <= {*made.card.files}


def test_a_documented_bundle_is_documented_again(cells: Bundle, tmp_path: Path) -> None:
    """Reports of it, of what it was made from, and of what that was made from, are all of it."""
    first = document(cells, gathered(cells, tmp_path, evaluation(cells.sha256)), tmp_path / "1")
    timed, again = timing(first.sha256), evaluation(cells.sha256, ap=0.7)
    second = document(first, gathered(first, tmp_path, timed, again), tmp_path / "2")
    third = document(second, gathered(second, tmp_path, timing(second.sha256)), tmp_path / "3")
    known = read_dossier(third)
    assert known.evaluations == (again,), "it takes the place of what measured the same"
    assert [each.bundle_sha256 for each in known.latencies] == [first.sha256, second.sha256]
    assert third.same == (cells.sha256, first.sha256, second.sha256, third.sha256)
    assert third.made_from == "c" * 64
    assert {*third.card.files} >= {"w", "latency.json"}
    assert not [name for name in third.card.files if name.startswith("latency-")]


def test_what_it_was_made_from_stands_apart(cells: Bundle, tmp_path: Path) -> None:
    parent = evaluation("c" * 64)
    known = gathered(cells, tmp_path, parent)
    assert known.own == ()
    (related,) = known.related
    assert (related.of, related.relation) == (("c" * 64,), "parent")
    assert known.relative(parent) == related
    back = read_dossier(document(cells, known, tmp_path / "new"))
    assert back.related == known.related
    assert back.own == ()


def test_siblings_are_proven_by_their_cards(cells: Bundle, tmp_path: Path) -> None:
    half = bundle(
        tmp_path / "half", parent=cells.sha256, precision="fp16",
        reports={"parity": {"ap": {"before": 0.5, "after": 0.4}, "per_class": {}}},
    )  # fmt: skip
    eight = bundle(tmp_path / "eight", parent="c" * 64, precision="int8")
    stranger = bundle(tmp_path / "stranger", parent="d" * 64)
    orphan = bundle(tmp_path / "orphan")
    told = evaluation(half.sha256, precision="fp16")
    documented = document(half, gathered(half, tmp_path, told), tmp_path / "half-documented")
    known = add_siblings(read_dossier(cells), cells, [documented, eight])
    assert [each.relation for each in known.related] == ["child", "sibling"]
    assert known.related[0].parity == {"ap": {"before": 0.5, "after": 0.4}}
    assert known.evaluations == (told,)
    assert known.own == ()
    timed = timing(half.sha256)
    known = add_reports(known, cells, saved(tmp_path, timed))
    assert known.relative(timed) == known.related[0]
    for other in (stranger, orphan):
        with pytest.raises(UsageError, match="not known to be of the same model"):
            add_siblings(read_dossier(cells), cells, [other])
    itself = document(cells, read_dossier(cells), tmp_path / "cells-documented")
    for one, other in ((cells, cells), (cells, itself), (itself, cells)):
        with pytest.raises(UsageError, match="this very bundle"):
            add_siblings(read_dossier(one), one, [other])


def test_an_odd_sibling_tells_what_it_can(cells: Bundle, tmp_path: Path) -> None:
    odd = bundle(tmp_path / "odd", parent=cells.sha256, reports={"parity": "all is well"})
    (related,) = add_siblings(read_dossier(cells), cells, [odd]).related
    assert related.parity == {}


def test_documents_take_no_name_that_is_taken(tmp_path: Path) -> None:
    plain_card = bundle(tmp_path / "plain").card
    odd = save_bundle(
        tmp_path / "odd", replace(plain_card, weights="latency.json"), {"latency.json": b"w"}
    )
    made = document(odd, gathered(odd, tmp_path, timing(odd.sha256)), tmp_path / "told")
    assert made.card.documents is not None
    assert made.card.documents.latencies == ("latency-2.json",)
    assert made.weights.read_bytes() == b"w"


def test_labels_of_splits_make_names_of_files(cells: Bundle, tmp_path: Path) -> None:
    odd = evaluation(cells.sha256, split="../Ward 3/")
    made = document(cells, gathered(cells, tmp_path, odd), tmp_path / "told")
    assert made.card.documents is not None
    assert made.card.documents.evaluations == ("evaluation-ward-3.json",)


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ((evaluation("f" * 64, bundle="masks", precision="int8"),),
         ("another bundle", "masks", "f" * 12, "int8", "cells", "--sibling")),
        ((timing("f" * 64),), ("another bundle", "f" * 12)),
        ((evaluation("{own}"), evaluation("{own}", ap=0.9)), ("same as", "report-0.json")),
        ((timing("{own}"), timing("{own}", ap50=0.1)), ("same as", "give one of them")),
        ((evaluation("{own}", per_class={"mask": ClassScore(1, 1, 1)}),), ("classes mask",)),
    ],
)  # fmt: skip
def test_reports_that_are_refused(
    cells: Bundle, tmp_path: Path, reports: Any, told: tuple[str, ...]
) -> None:
    paths = saved(tmp_path, *reports)
    for path in paths:
        path.write_text(path.read_text().replace("{own}", cells.sha256))
    with pytest.raises(DataError) as caught:
        add_reports(read_dossier(cells), cells, paths)
    for words in told:
        assert words in str(caught.value)


def test_two_ways_of_measuring_are_two_reports(cells: Bundle, tmp_path: Path) -> None:
    whole, tiled = evaluation(cells.sha256), evaluation(cells.sha256, tiling=Tiling(640))
    made = document(cells, gathered(cells, tmp_path, whole, tiled), tmp_path / "new")
    assert made.card.documents is not None
    assert made.card.documents.evaluations == ("evaluation-test.json", "evaluation-test-2.json")
    assert read_dossier(made).evaluations == (whole, tiled)


def changed(**changes: Any) -> str:
    return json.dumps({**plain(evaluation("b")), **changes})


def slowed(**changes: Any) -> str:
    return json.dumps([{**plain(timing("b")), **changes}])


@pytest.mark.parametrize(
    "content",
    [
        "{", "[]", "3", "null", '["a"]', "{}", '[{"regime": 1}]', "\x00", "[" * 5000,
        changed(ap="high"), changed(ap=float("nan")), changed(detail={}),
        changed(detail={**plain(evaluation("b"))["detail"], "figures": {}}),
        slowed(stages={}), slowed(throughput=float("inf")),
    ],
)  # fmt: skip
def test_damaged_reports_are_one_message(cells: Bundle, tmp_path: Path, content: str) -> None:
    (tmp_path / "damaged.json").write_text(content)
    with pytest.raises(DataError, match=r"damaged\.json"):
        add_reports(read_dossier(cells), cells, [tmp_path / "damaged.json"])


def recard(directory: Path, **changes: Any) -> Bundle:
    """The same files with other documents, whole to all appearances."""
    card = json.loads((directory / "card.json").read_text())
    card["documents"].update(changes)
    write_json(directory / "card.json", card)
    return open_bundle(directory)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"html": "page.html"}, "no digest for page.html"),
        ({"html": "../page.html"}, "no digest"),
        ({"html": "w"}, "twice"),
        ({"latencies": ["evaluation-test.json"]}, "twice"),
        ({"of": []}, "of which bundle"),
        ({"of": "all"}, "mistake"),
        ({"markdown": None}, "mistake"),
    ],
)
def test_a_card_names_its_documents_rightly(
    cells: Bundle, tmp_path: Path, changes: Any, told: str
) -> None:
    document(cells, gathered(cells, tmp_path, evaluation(cells.sha256)), tmp_path / "new")
    with pytest.raises(BundleError, match=told):
        recard(tmp_path / "new", **changes)


def test_documents_of_another_bundle_are_not_read(cells: Bundle, tmp_path: Path) -> None:
    document(cells, gathered(cells, tmp_path, evaluation(cells.sha256)), tmp_path / "new")
    with pytest.raises(BundleError, match="another bundle"):
        read_dossier(recard(tmp_path / "new", of=["0" * 64]))


def test_a_bundle_whose_statements_are_none_is_told_so(cells: Bundle, tmp_path: Path) -> None:
    made = document(cells, read_dossier(cells), tmp_path / "new")
    content: dict[str, Path | bytes] = {name: made.directory / name for name in made.card.files} | {
        "statements.yaml": b"purpose: all"
    }
    card: BundleCard = made.card
    with pytest.raises(BundleError, match="unknown key"):
        read_dossier(save_bundle(tmp_path / "bad", card, content))
