"""Frozen features are computed once a picture, and change nothing but the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kit.cards import Recipe
from kit.families import Targets, load_family
from kit.finetune import front as front_module
from kit.finetune.engine import Machine
from kit.finetune.front import Front, find_parts, given
from kit.finetune.layout import lay_out
from kit.finetune.loop import Loop
from kit.finetune.plan import parse
from kit.finetune.shelf import Shelf
from kit.finetune.train import WEIGHTS, train

CPU = Machine("cpu", threads=1)
PLAIN: Any = {"mosaic": 0.0, "augment": (), "plan": "freeze-backbone"}
FAMILY = load_family("ultralytics")


def last(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "last" / WEIGHTS)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each picture whose features were computed."""
    calls: list[int] = []
    compute = Front._compute

    def counted(self: Front, image: Any) -> Any:
        calls.append(int(image.sum()))
        return compute(self, image)

    monkeypatch.setattr(Front, "_compute", counted)
    return calls


@pytest.fixture(scope="module")
def kept(make_job: Any, learnt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept its features."""
    directory = tmp_path_factory.mktemp("kept") / "run"
    train(make_job(start=learnt, **PLAIN), directory, CPU)
    return directory


def test_every_picture_is_computed_once(
    make_job: Any, learnt: Path, kept: Path, tmp_path: Path, computed: list[int]
) -> None:
    """Three epochs over eight training pictures and four of valid."""
    train(make_job(start=learnt, **PLAIN), tmp_path / "run", CPU)
    assert len(computed) == len(set(computed)) == 12
    assert equal(last(tmp_path / "run"), last(kept))


def test_what_is_kept_does_not_change_the_weights(
    make_job: Any,
    learnt: Path,
    kept: Path,
    tmp_path: Path,
    computed: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A shelf without room: everything is computed each time, to the same bits."""
    monkeypatch.setattr(Shelf, "put", lambda self, tensors: None)
    train(make_job(start=learnt, **PLAIN), tmp_path / "run", CPU)
    assert len(computed) > 3 * 12
    assert equal(last(tmp_path / "run"), last(kept))


def test_it_is_the_training_that_passes_everything_through(
    make_job: Any, learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to rounding: a batch is summed in another order than its pictures."""
    step = {"epochs": 1, "batch": 8, "optimizer": "sgd", "lr": 1.0, "ema": 0.0, **PLAIN}
    train(make_job(start=learnt, **step), tmp_path / "kept", CPU)
    monkeypatch.setattr(front_module, "find_parts", lambda *arguments: ())
    train(make_job(start=learnt, **step), tmp_path / "passed", CPU)
    one, other = last(tmp_path / "kept"), last(tmp_path / "passed")
    before = load_file(learnt / WEIGHTS)
    gap, way = (
        sum(float((one[name] - start[name]).square().sum()) for name in one if "weight" in name)
        for start in (other, before)
    )
    assert way > 1e-2
    assert gap < 1e-3 * way


def test_a_killed_run_resumes_to_the_same_weights(
    make_job: Any, learnt: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though what it had kept is gone, and comes again in other batches."""
    done, step = 0, Loop._step

    def fatal(self: Loop, batch: Any) -> None:
        nonlocal done
        if done == 3:
            self.save()
            raise SystemError("the power went out")
        done += 1
        step(self, batch)

    monkeypatch.setattr(Loop, "_step", fatal)
    with pytest.raises(SystemError):
        train(make_job(start=learnt, **PLAIN), tmp_path / "run", CPU)
    monkeypatch.undo()
    train(make_job(start=learnt, **PLAIN), tmp_path / "run", CPU, resume=True)
    assert equal(last(tmp_path / "run"), last(kept))


@pytest.mark.parametrize(("views", "inputs"), [(None, 0), (1, 8), (2, 16)])
def test_views_decide_what_is_kept_of_training(
    make_job: Any,
    learnt: Path,
    tmp_path: Path,
    computed: list[int],
    views: int | None,
    inputs: int,
) -> None:
    """Augmented anew, only what is validated on comes again: valid, and all of this small train."""
    noisy = ({"GaussNoise": {"p": 1.0}},)
    job = make_job(epochs=4, start=learnt, plan="head-only", mosaic=0.0, augment=noisy, views=views)
    train(job, tmp_path / "run", CPU)
    assert len(computed) == 12 + inputs


def test_a_first_stage_that_learns_keeps_nothing(
    make_job: Any, learnt: Path, tmp_path: Path, computed: list[int]
) -> None:
    train(make_job(epochs=1, start=learnt, plan="T1 F:rest R:classes"), tmp_path / "run", CPU)
    assert not computed


def test_only_what_is_read_behind_the_front_is_kept() -> None:
    network = FAMILY.build("yolov8n.yaml", 3, 80).eval().requires_grad_(False)
    loss = FAMILY.loss(network, {})
    read = {
        plan: [
            part.name
            for part in find_parts(loss, lay_out(FAMILY, network, parse(plan)), 64)
            if any(part.read)
        ]
        for plan in ("freeze-backbone", "head-only", "F1-3 T:rest", "T1 F2-11 T12")
    }
    assert read == {
        "freeze-backbone": ["model.4", "model.6", "model.9"],
        "head-only": ["model.15", "model.18", "model.21"],
        "F1-3 T:rest": ["model.2"],
        "T1 F2-11 T12": [],
    }


def test_a_network_is_itself_again_after_an_error(tmp_path: Path) -> None:
    network = FAMILY.build("yolov8n.yaml", 3, 80).eval().requires_grad_(False)
    loss = FAMILY.loss(network, {})
    parts = find_parts(loss, lay_out(FAMILY, network, parse("head-only")), 64)
    front = Front(loss, parts, Shelf(4, limit=1 << 20, directory=tmp_path))
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    none = Targets(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).long())
    before = loss.validate(images, none)[1].scores
    with pytest.raises(SystemError), given(front, network, images):
        raise SystemError
    assert not any("forward" in vars(module) for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())
    with given(front, network, images):
        inside = loss.validate(images.flip(0), none)[1].scores  # what it is called with is not read
    assert torch.allclose(inside, before, atol=1e-6)
    assert torch.equal(loss.validate(images, none)[1].scores, before)


class TestShelf:
    """Room in memory, on disk, or none."""

    def things(self, count: int) -> list[tuple[torch.Tensor, ...]]:
        torch.manual_seed(0)
        made = []
        for _ in range(count):
            first = torch.randn(1, 8, 5, 3).to(memory_format=torch.channels_last)
            made.append((first, torch.randn(1, 7), torch.arange(9, dtype=torch.int64)[None]))
        return made

    @pytest.mark.parametrize("limit", [1 << 20, 1000], ids=["memory", "disk"])
    def test_it_gives_back_what_was_put(self, tmp_path: Path, limit: int) -> None:
        shelf = Shelf(5, limit=limit, directory=tmp_path)
        things = self.things(6)
        kept = [shelf.put(thing) for thing in things]
        assert kept.pop() is None  # it was made for five
        for thing, again in zip(things, kept, strict=False):
            assert again is not None
            for one, other in zip(thing, again, strict=True):
                assert torch.equal(one, other)
                assert one.stride() == other.stride()
                assert one.dtype == other.dtype
                assert one.data_ptr() != other.data_ptr()
        assert list(tmp_path.iterdir()) == []  # the file has no name

    def test_it_takes_what_memory_allows_where_the_disk_is_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*arguments: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.posix_fallocate", full)
        shelf = Shelf(5, limit=1500, directory=tmp_path)
        kept = [shelf.put(thing) is not None for thing in self.things(5)]
        assert kept == [True, True, False, False, False]
        assert list(tmp_path.iterdir()) == []


def test_recipes_that_repeat_say_so() -> None:
    flip = ({"HorizontalFlip": {"p": 0.5}},)
    assert Recipe("r").repeats
    assert Recipe("r", views=3, mosaic=1.0, augment=flip).repeats
    assert not Recipe("r", mosaic=0.1).repeats
    assert not Recipe("r", augment=flip).repeats
    with pytest.raises(ValueError, match="views must be positive"):
        Recipe("r", views=0)
