"""What the page says of a detector's worth, and the samples it offers."""

from __future__ import annotations

from pathlib import Path

import pytest
from doubles.reports import evaluation, timing

from kit.app.settings import Settings
from kit.app.shelf import Served, Shelf
from kit.app.worth import card_page, worth
from kit.bundle import open_bundle
from kit.report.dossier import Dossier
from kit.report.model_card.tell import document

from .conftest import make_bundle


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory, png: bytes) -> Served:
    folder = tmp_path_factory.mktemp("documented")
    plain = open_bundle(make_bundle(folder / "plain", classes=("cell", "dust")))
    picture = folder / "patient DOE.png"
    picture.write_bytes(png)
    dossier = Dossier((evaluation(plain.sha256),), (timing(plain.sha256),), same=plain.same)
    document(plain, dossier, folder / "told", samples=[picture, picture])
    return Shelf.open(Settings(bundles=(folder / "told",))).first


def test_plain_words_come_first(documented: Served) -> None:
    html = worth(documented)
    assert html.index("Finds about 93 of 100") < html.index("<svg") < html.index("Known limits")
    assert "20.0 ms" in html
    assert documented.bundle.sha256 in html


def test_what_is_not_known_is_said_with_the_command(bundle_on_shelf: Shelf) -> None:
    html = worth(bundle_on_shelf.first)
    assert "nobody knows what it is worth" in html
    assert "kit evaluate" in html
    assert "kit bench" in html


def test_the_whole_card_is_a_page(documented: Served) -> None:
    page = card_page(documented)
    assert page.startswith("<!doctype html>")
    assert "Research use only" in page


def test_samples_travel_without_their_names(documented: Served) -> None:
    documents = documented.bundle.card.documents
    assert documents is not None
    assert documents.samples == ("sample-01.jpg", "sample-02.jpg")
    assert b"DOE" not in (documented.bundle.directory / documents.samples[0]).read_bytes()


def test_samples_stay_when_the_card_is_written_anew(documented: Served, tmp_path: Path) -> None:
    again = document(documented.bundle, Dossier(same=documented.bundle.same), tmp_path / "again")
    assert again.card.documents is not None
    assert again.card.documents.samples == ("sample-01.jpg", "sample-02.jpg")
