"""The model card tells facts, says what is missing, and shows any text as it stands."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from doubles.reports import CLASSES, bundle, detail, estimate, evaluation, row, timing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.bundle import Bundle, Related, Scaling
from kit.evaluate.coco import ClassScore
from kit.evaluate.report import EvalReport
from kit.evaluate.subgroups import Group
from kit.report.dossier import Dossier
from kit.report.html import render_html
from kit.report.markdown import render_markdown
from kit.report.model_card.limits import limits
from kit.report.model_card.tell import RESEARCH, tell
from kit.report.page import Facts, Page, Plot, Table, Text
from kit.report.statements import ASKED, Lifted, Statements

FULL: dict[str, Any] = {
    "rule": "f1",
    "class_thresholds": {"cell": 0.3},
    "scaling": Scaling("temperature", 0.8),
    "watch": {"method": "mahalanobis", "alarms": 0.031, "threshold": 7.0, "usual": {}},
    "manifests": {"train": "1" * 64, "valid": "2" * 64},
    "dataset": {"name": "bccd", "source": "bccd"},
    "training": {"plan": {"notation": "F1-4 T5-9", "stages": {}}, "seed": 3,
                 "epoch": 5, "epochs": 9, "train_objects": {"cell": 7},
                 "recipe": {"name": "default", "lr": 0.0005}},
    "reports": {
        "operating_point": {
            "together": {"fitted": {"objects": 400}, "expected": {"sensitivity": [0.5, 0.75]}},
            "classes": {"cell": {"fitted": {"objects": 12}}},
        },
        "parity": {"ap": {"before": 0.61, "after": 0.609, "interval": [-0.01, 0.002]}},
        "scaling": {"gain": {"before": {"error": 0.1}, "after": {"error": 0.05}}},
    },
}  # fmt: skip


def known(of: Bundle, *evaluations: EvalReport, **more: Any) -> Dossier:
    return Dossier(evaluations=evaluations, same=of.same, **more)


def text(page: Page) -> str:
    """What its Markdown says, without the marks that keep it from being read as markup."""
    return render_markdown(page).replace("\\", "")


def test_nothing_known_is_nothing_claimed(tmp_path: Path) -> None:
    told = text(tell(cells := bundle(tmp_path / "b"), known(cells)))
    for words in (
        RESEARCH, "no report of `kit evaluate` was given", "kit bench BUNDLE SRC",
        "There is no report of a test split", "It has no watch", "scores are no chances",
        "chosen by no rule", "Not recorded", "no claim of compliance",
        *(f"To be filled in by: {each.by}" for each in ASKED.values()),
    ):  # fmt: skip
        assert words in told
    assert "Finds about" not in told


def test_what_is_known_is_told(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b", licence="AGPL-3.0", **FULL)
    half = Related(("9" * 64,), "child", "fp16", "onnx", {"rest": "fp32", "left_in_float": ["a"]})
    dossier = known(
        cells, evaluation(cells.sha256), evaluation("9" * 64, precision="fp16"),
        latencies=(timing(cells.sha256), timing("9" * 64, precision="fp16", power_w=6.5)),
        related=(half,),
    )  # fmt: skip
    page = tell(cells, dossier)
    told = text(page)
    for words in (
        "Finds about 93 of 100 cell (95 % interval 84 to 98 of 100)", "AGPL-3.0, and so is",
        "MIT", "Shenggan", "two boxes have no area", "0.0005", "epoch 5 of 9", "0.500 to 0.750",
        "-0.0100 to +0.0020", "its child, 999999999999", "fp16 and fp32", "1 layers", "F1-4 T5-9",
        "not measured", "3.1%", "0.841 to 0.979", cells.sha256,
    ):  # fmt: skip
        assert words in told, words
    assert page.sections[0].title == RESEARCH
    (timed,) = [each for each in page.sections if each.title == "Latency"]
    assert isinstance(timed, Table)
    assert [line[timed.header.index("power W")] for line in timed.rows] == ["not measured", 6.5]
    assert render_html(page).count("<svg") == 1
    assert sum(isinstance(each, Plot) for each in page.sections) == 1


def test_every_section_of_figures_names_the_topics_it_follows(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b", **FULL)
    dossier = known(cells, evaluation(cells.sha256), latencies=(timing(cells.sha256),))
    silent = {RESEARCH, "Known flaws of the dataset", "Training objects", "The recipe in full",
              "About this card"}  # fmt: skip
    for section in tell(cells, dossier).sections:
        if section.title in silent:
            continue
        note = section.caption if isinstance(section, Plot) else getattr(section, "note", "")
        assert "Topics of" in (note or ""), section.title


def test_research_only_until_somebody_lifts_it(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b")
    lifted = Lifted("Dr A", datetime.date(2026, 3, 1), "validated on the ward")
    said = known(cells, statements=Statements(contact="the ward", research_use_only=lifted))
    for told in (text(tell(cells, said)), render_html(tell(cells, said))):
        for words in ("Dr A", "2026-03-01", "validated on the ward", "the ward"):
            assert words in told
        assert RESEARCH not in told
    plain = tell(cells, known(cells))
    for told in (text(plain), render_html(plain)):
        assert told.index(RESEARCH) < told.index("In plain words")


def told_limits(cells: Bundle, *reports: EvalReport, **more: Any) -> str:
    return "\n".join(limits(cells.card, known(cells, *reports, **more)).paragraphs)


def test_limits_follow_from_the_facts(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b", **FULL)
    sha = cells.sha256
    few = {"cell": ClassScore(0.5, 0.5, 12), "dust": ClassScore(None, None, 0)}
    wide = detail({"cell": row(estimate(0.5, 12, (0.2, 0.8))), "dust": row()}, units=9)
    poor = told_limits(cells, evaluation(sha, per_class=few, detail=wide))
    for words in (
        "fewer than 50 objects on smears, test: cell (12)", "for want of objects: dust",
        "cell (0.20 to 0.80)", "9 picture(s)", "No patients are named", "one dataset, smears",
        "chosen on fewer than 50 objects: cell", "was not measured on any device",
    ):  # fmt: skip
        assert words in poor, words
    patients = detail(drawn_by="patient")
    rich = told_limits(
        cells, evaluation(sha, detail=patients),
        evaluation(sha, dataset="elsewhere", manifest_sha256="a" * 64, detail=patients),
        latencies=(timing(sha),), statements=Statements(**dict.fromkeys(ASKED, "said")),
    )  # fmt: skip
    for words in ("one dataset", "No patients", "fewer than 50 objects on", "test split", "watch",
                  "chances", "any device", "Not said", "uncertain"):  # fmt: skip
        assert words not in rich, words


def test_figures_of_its_own_pictures_flatter(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b", **FULL)
    told = told_limits(cells, evaluation(cells.sha256, manifest_sha256="1" * 64))
    assert "flatter: these are its own train pictures" in told
    assert "There is no report of a test split" in told, "whatever the split is called"


@pytest.mark.parametrize(
    "reports",
    [
        {"operating_point": 3, "parity": "all", "scaling": []},
        {"operating_point": {"together": {"expected": {"sensitivity": ["a", 1]}}}},
        {"parity": {"ap": {"interval": [1, 2, 3], "before": {"a": [True, None]}}}},
    ],
)
def test_an_odd_card_is_shown_as_it_is(tmp_path: Path, reports: Mapping[str, Any]) -> None:
    odd = {"training": {"start": 3, "recipe": [], "epochs": True, "train_objects": "many"},
           "watch": {"alarms": "few", "method": None}}  # fmt: skip
    cells = bundle(tmp_path / "b", **{**FULL, **odd, "reports": reports})
    assert RESEARCH in render_html(tell(cells, known(cells, evaluation(cells.sha256))))


def test_only_so_many_groups_are_shown(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b")
    groups = tuple(Group(f"group {n}", 1, 2, 1, 0, 0.5, (0.1, 0.9), 1.0) for n in range(50))
    report = evaluation(cells.sha256, detail=detail(subgroups={"group": groups}))
    told = text(tell(cells, known(cells, report)))
    assert "The first 40 of 50." in told
    assert "| group 39 |" in told
    assert "| group 40 |" not in told


def test_old_reports_without_subgroups_say_so(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b")
    for old in (detail(subgroups={}), None):
        told = text(tell(cells, known(cells, evaluation(cells.sha256, detail=old))))
        assert "measure again with `kit evaluate`" in told
        assert "0.600" in told


class Words(HTMLParser):
    """Elements, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=40),
    st.sampled_from(
        ["<script>x()</script>", "<img src=x onerror=x()>", "</svg><script>x()</script>",
         "\" onx='", "]]><b>", "&lt;b&gt;", "javascript:x()", "$x_1$", "{{ 7 * 7 }}"]
    ),
)  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(word=HOSTILE)
def test_every_string_of_a_card_lands_escaped(tmp_path_factory: Any, word: str) -> None:
    classes = (word, "dust")
    cells = bundle(
        tmp_path_factory.mktemp("hostile") / "b", name=word, family=word, model=word,
        architecture=word, licence=f"AGPL {word}", classes=classes, backends=(word,), rule=word,
        class_thresholds={word: 0.5}, dataset={"name": word, "source": word},
        manifests={word: word}, made_by=word, watch={"method": word, "alarms": word},
        training={"start": word, "plan": word, "recipe": {word: word}, "train_objects": {word: 1}},
        reports={"parity": {"ap": {"before": word}}}, parent=word,
    )  # fmt: skip
    report = evaluation(
        cells.sha256, dataset=word, split=word, device=word, provider=word, backend=word,
        per_class={each: ClassScore(0.5, 0.5, 60) for each in classes},
        detail=detail({each: row() for each in classes}),
    )  # fmt: skip
    said = Statements(**dict.fromkeys(ASKED, f"{word}."))
    page = tell(cells, known(
        cells, report, latencies=(timing(cells.sha256, device=word, regime=word),), statements=said,
        related=(Related((word,), "child", word),),
    ))  # fmt: skip
    parsed = Words(render_html(page))
    plain = bundle(tmp_path_factory.mktemp("usual") / "b")
    usual = Words(render_html(tell(plain, known(plain, evaluation(plain.sha256)))))
    assert parsed.tags <= usual.tags | {"dl", "dt", "dd", "pre"}
    assert not {name for name in parsed.attributes if name.startswith("on")}
    assert parsed.text.count(word) > 20, "as it stands, and no other way"


def test_facts_and_texts_have_notes(tmp_path: Path) -> None:
    page = Page("t", "s", [Text("a", ["b"], note="n_1", loud=True), Facts("c", [("d", 1)], "n_2")])
    html = render_html(page)
    assert html.count('class="note"') == 2
    assert '<section class="loud">' in html
    assert {"n_1", "n_2"} <= {*text(page).split()}


def test_a_page_is_the_same_twice(tmp_path: Path) -> None:
    cells = bundle(tmp_path / "b", **FULL)
    dossier = known(cells, evaluation(cells.sha256))
    assert render_html(tell(cells, dossier)) == render_html(tell(cells, replace(dossier)))
    assert CLASSES[0] in render_html(tell(cells, dossier))
