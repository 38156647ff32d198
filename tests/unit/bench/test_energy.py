"""Counters are added up over their turns; what can't be read is not told as nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.bench.energy import meter


@pytest.fixture
def powercap(tmp_path: Path) -> Path:
    for name in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "other"):
        (tmp_path / name).mkdir()
        count(tmp_path / name, 0)
        (tmp_path / name / "max_energy_range_uj").write_text(f"{int(100e6)}\n")
    return tmp_path


def count(zone: Path, joules: float) -> None:
    (zone / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


def test_packages_are_added_up_and_their_parts_are_not(powercap: Path) -> None:
    made = meter(powercap=powercap)
    assert made.watt_hours() == 0
    for name, joules in (("intel-rapl:0", 36), ("intel-rapl:0:0", 30), ("intel-rapl:1", 18)):
        count(powercap / name, joules)
    assert made.watt_hours() == pytest.approx(54 / 3600)
    assert made.watt_hours() == pytest.approx(54 / 3600)


def test_a_counter_that_begins_anew_goes_on(powercap: Path) -> None:
    count(powercap / "intel-rapl:0", 90)
    made = meter(powercap=powercap)
    count(powercap / "intel-rapl:0", 20)
    assert made.watt_hours() == pytest.approx(30 / 3600)


def test_without_counters_nothing_is_known(tmp_path: Path) -> None:
    assert meter(powercap=tmp_path).watt_hours() is None
    assert meter(powercap=tmp_path / "none").watt_hours() is None


def test_cpu_packages_are_left_out_where_others_work_too(powercap: Path) -> None:
    assert meter(cpu=False, powercap=powercap).watt_hours() is None


def test_a_gpu_counts_millijoules(monkeypatch: Any, powercap: Path) -> None:
    counted = {"GPU-1": 1000.0}

    class Error(Exception):
        pass

    def energy(handle: str) -> float:
        if handle not in counted:
            raise Error
        return counted[handle]

    vendor = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=energy,
        NVMLError=Error,
    )
    monkeypatch.setitem(sys.modules, "pynvml", vendor)
    made = meter(["GPU-1"], cpu=False)
    counted["GPU-1"] += 7_200_000
    assert made.watt_hours() == pytest.approx(2.0)
    both = meter(["GPU-1", "GPU-2"], powercap=powercap)
    assert both.watt_hours() is None, "half of it would be told as the whole"
