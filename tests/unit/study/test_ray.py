"""What a cell asks a cluster for, and that Ray tells nobody that it is used."""

from __future__ import annotations

import os
from typing import Any

import pytest

from kit.errors import RunFailed
from kit.finetune.engine import Machine
from kit.study.ray import _share, run_on_ray


class Cluster:
    """Nodes by what they have."""

    def __init__(self, *resources: dict[str, float]) -> None:
        self._resources = resources

    def nodes(self) -> list[dict[str, Any]]:
        dead = {"Alive": False, "Resources": {}}
        return [dead, *({"Alive": True, "Resources": each} for each in self._resources)]


@pytest.mark.parametrize(
    ("cluster", "machine", "share"),
    [
        (Cluster({"CPU": 8.0}, {"CPU": 4.0}), Machine(), (4, 0)),
        (Cluster({"CPU": 8.0, "GPU": 2.0}, {"CPU": 64.0}), Machine(), (4, 1)),
        (Cluster({"CPU": 8.0, "GPU": 2.0}), Machine("cpu"), (8, 0)),
        (Cluster({"CPU": 8.0, "GPU": 2.0}), Machine("cuda", threads=3), (3, 1)),
        (Cluster({"GPU": 4.0, "CPU": 2.0}), Machine(), (1, 1)),
    ],
)
def test_every_node_can_take_a_cell(
    cluster: Cluster, machine: Machine, share: tuple[int, int]
) -> None:
    assert _share(cluster, machine) == share


def test_no_cluster_is_told_and_the_usage_report_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "")
    with pytest.raises(RunFailed, match="there is no Ray cluster"):
        list(run_on_ray([], Machine(), "auto"))
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    usage = pytest.importorskip("ray._common.usage.usage_lib")
    assert not usage.usage_stats_enabled()
    assert not ray.is_initialized()
