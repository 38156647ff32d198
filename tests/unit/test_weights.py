"""Weights are known by their digest, and nothing is fetched that was not asked for."""

from __future__ import annotations

import errno
import hashlib
import io
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.response import addinfourl

import pytest

from kit import network, weights
from kit.cards import Input, ModelCard, Weights
from kit.errors import WeightsError

CONTENT = b"a trained network" * 1000
CARD = ModelCard(
    name="tiny",
    family="ultralytics",
    architecture="tiny.yaml",
    licence="AGPL-3.0",
    weights=Weights(
        file="tiny.pt",
        url="https://example.invalid/tiny.pt",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    ),
    input=Input(640),
    suppress=None,
)
CACHED = f"tiny-{CARD.weights.sha256[:8]}.pt"


class Site:
    """Answers one address, and counts how often it was asked."""

    def __init__(self, content: bytes | Exception) -> None:
        self.content, self.asked = content, 0

    def __call__(self, url: str) -> addinfourl:
        self.asked += 1
        if isinstance(self.content, Exception):
            raise self.content
        headers = Message()
        headers["Content-Length"] = str(len(CONTENT))
        return addinfourl(io.BytesIO(self.content), headers, url)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The user's folder of weights, and the cache."""
    kept, cache = tmp_path / "kept", tmp_path / "cache"
    kept.mkdir()
    (cache / "weights").mkdir(parents=True)
    monkeypatch.setenv("KIT_WEIGHTS", str(kept))
    monkeypatch.setenv("KIT_CACHE", str(cache))
    monkeypatch.setattr(network, "open_https", Site(AssertionError("the network was touched")))
    return kept, cache / "weights"


@pytest.fixture
def site(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Site:
    answer = Site(CONTENT)
    monkeypatch.setattr(network, "open_https", answer)
    return answer


@pytest.mark.parametrize("name", ["tiny.pt", CACHED])
def test_kept_weights_come_first(folders: tuple[Path, Path], name: str) -> None:
    kept, cache = folders
    (kept / name).write_bytes(CONTENT)
    (cache / CACHED).write_bytes(CONTENT)
    assert weights.locate(CARD) == kept / name


def test_then_the_cache(folders: tuple[Path, Path]) -> None:
    _, cache = folders
    assert weights.locate(CARD) is None
    (cache / CACHED).write_bytes(CONTENT)
    assert weights.locate(CARD) == cache / CACHED
    assert weights.require(CARD) == cache / CACHED


def test_another_file_of_the_same_name_is_passed_over_and_named(
    folders: tuple[Path, Path],
) -> None:
    kept, _ = folders
    (kept / "tiny.pt").write_bytes(b"another release")
    assert weights.locate(CARD) is None
    with pytest.raises(WeightsError) as caught:
        weights.require(CARD)
    assert str(kept / "tiny.pt") in str(caught.value)
    assert "digest" in str(caught.value)


def test_a_damaged_cache_is_an_error(folders: tuple[Path, Path]) -> None:
    _, cache = folders
    (cache / CACHED).write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="damaged"):
        weights.locate(CARD)


def test_missing_weights_name_the_ways_to_get_them(folders: tuple[Path, Path]) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.require(CARD)
    assert caught.value.exit_code == 2
    assert "kit fetch tiny" in str(caught.value)
    assert "KIT_WEIGHTS" in str(caught.value)


def test_a_card_without_weights_is_told(folders: tuple[Path, Path]) -> None:
    """Where their makers publish no sha256 there is nothing to look for, and nothing is fetched."""
    bare = replace(CARD, weights=None)
    assert weights.locate(bare) is None
    for ask in (weights.download, lambda card: weights.require(card, allow_download=True)):
        with pytest.raises(WeightsError, match="no sha256") as caught:
            ask(bare)
        assert caught.value.exit_code == 2
        assert "--start PATH" in str(caught.value)


def test_a_download_lands_in_the_cache_once(folders: tuple[Path, Path], site: Site) -> None:
    kept, cache = folders
    path = weights.require(CARD, allow_download=True)
    assert path == cache / CACHED
    assert path.read_bytes() == CONTENT
    assert weights.require(CARD, allow_download=True) == path
    assert site.asked == 1
    assert not list(kept.iterdir())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (CONTENT[:500], "sha256"),
        (b"<html>log in first</html>", "sha256"),
        (urllib.error.URLError("no route to host"), "no route to host"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError("reset by peer"), "reset"),
    ],
)
def test_a_failed_download_leaves_nothing(
    folders: tuple[Path, Path], site: Site, answer: bytes | Exception, told: str
) -> None:
    site.content = answer
    with pytest.raises(WeightsError, match=told):
        weights.download(CARD)
    assert not list(folders[1].iterdir())


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")])
def test_a_stop_and_a_full_disk_leave_nothing_and_are_not_renamed(
    folders: tuple[Path, Path], site: Site, stop: BaseException
) -> None:
    class Stopping:
        def track(self, items: object, label: str, total: int | None = None) -> Iterator[bytes]:
            yield CONTENT[:100]
            raise stop

        def note(self, text: str) -> None: ...

    with pytest.raises(type(stop)) as caught:
        weights.download(CARD, Stopping())  # type: ignore[arg-type]
    assert caught.value is stop
    assert not list(folders[1].iterdir())


def test_a_redirect_away_from_https_is_refused() -> None:
    with pytest.raises(urllib.error.URLError, match="not https"):
        network._OnlyHttps().redirect_request(
            None, None, 302, "Found", Message(), "http://example.invalid/tiny.pt"
        )


def test_an_address_without_https_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not https"):
        network.fetch("http://example.invalid/a", "0" * 64, tmp_path / "a", error=WeightsError)
    assert not list(tmp_path.iterdir())
