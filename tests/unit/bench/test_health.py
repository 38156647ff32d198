"""What a machine tells of itself, from made-up files and a made-up driver."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kit.bench import health
from kit.bench.energy import Rails


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(health, "THERMAL", tmp_path / "thermal")
    monkeypatch.setattr(health, "CPUS", tmp_path / "cpu")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_nothing_told_is_nothing_said(files: Path) -> None:
    assert health.health() == {}
    assert health.throttled({}, {}) is None


def test_heat_and_clocks(files: Path) -> None:
    for place, (kind, value) in enumerate([("cpu", "51500"), ("cpu", "60000"), ("off", "-256000")]):
        write(files / f"thermal/thermal_zone{place}/type", kind)
        write(files / f"thermal/thermal_zone{place}/temp", value)
    write(files / "cpu/cpu0/cpufreq/scaling_cur_freq", "2000000")
    write(files / "cpu/cpu1/cpufreq/scaling_cur_freq", "3000000")
    told = health.health()
    assert told == {"temperatures_c": {"cpu": 51.5, "cpu 1": 60.0}, "cpu_mhz": 2500.0}


def test_a_jetsons_power_mode(files: Path) -> None:
    tool = files / "nvpmodel"
    tool.write_text("#!/bin/sh\necho 'NV Power Mode: 25W'; echo 1\n")
    tool.chmod(0o755)
    assert health.health()["power_mode"] == "NV Power Mode: 25W 1"
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert "power_mode" not in health.health()


class _NoNvml(Exception):
    pass


def driver(**calls: Any) -> Any:
    """NVML with these calls; every other one is not supported, as on a Jetson."""

    def unsupported(*args: Any) -> Any:
        raise _NoNvml

    names = (
        "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetEnforcedPowerLimit", "nvmlSystemGetDriverVersion", "nvmlDeviceGetName",
        "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo", "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetUUID",
    )  # fmt: skip
    return SimpleNamespace(
        **{
            **dict.fromkeys(names, unsupported),
            "NVMLError": _NoNvml, "NVML_TEMPERATURE_GPU": 0, "NVML_CLOCK_SM": 1,
            "NVML_CLOCK_MEM": 2, "nvmlInit": lambda: None,
            "nvmlDeviceGetHandleByIndex": lambda index: f"handle {index}",
            "nvmlDeviceGetHandleByUUID": lambda uuid: f"handle {uuid}",
            "nvmlClocksThrottleReasonSwThermalSlowdown": 0x20,
            "nvmlClocksThrottleReasonSwPowerCap": 0x4,
            **calls,
        }
    )  # fmt: skip


def test_a_gpu_tells_why_it_is_slow(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules,
        "pynvml",
        driver(
            nvmlDeviceGetName=lambda handle: b"H200",
            nvmlDeviceGetTemperature=lambda handle, kind: 71,
            nvmlDeviceGetClockInfo=lambda handle, kind: 1000 * kind,
            nvmlDeviceGetEnforcedPowerLimit=lambda handle: 700_000,
            nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x24,
            nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=3 << 20),
        ),
    )
    told = health.health(0)
    assert told["gpu"] == {
        "name": "H200",
        "temperature_c": 71,
        "sm_mhz": 1000,
        "memory_mhz": 2000,
        "power_limit_w": 700.0,
        "throttled_by": ["power limit", "heat (driver)"],
    }
    assert health.throttled({}, told) is True
    assert health.gpu_memory_mb(0) == 3.0


def test_what_a_board_does_not_support_is_left_out(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlDeviceGetName=lambda handle: "Orin"))
    told = health.health(0)
    assert told["gpu"] == {"name": "Orin"}
    assert health.throttled(told, told) is None, "nobody told: not 'no'"
    assert health.gpu_memory_mb(0) is None


@pytest.mark.parametrize(
    ("visible", "handle"),
    [("", "handle 1"), ("3,5", "handle 5"), ("GPU-a,GPU-b", "handle GPU-b"), ("4", "handle 1")],
)
def test_gpus_are_counted_as_cuda_counts_them(
    monkeypatch: pytest.MonkeyPatch, visible: str, handle: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlDeviceGetUUID=lambda handle: handle))
    assert health.gpu_uuid(1) == handle


def test_no_driver_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert health.gpu_uuid(0) is None


def test_a_boards_own_meter(tmp_path: Path) -> None:
    folder = tmp_path / "1-0040/hwmon/hwmon3"
    for place, (name, volts, amperes) in enumerate(
        [("VDD_CPU_GPU_CV", 5000, 400), ("VDD_IN", 5000, 1500)], 1
    ):
        write(folder / f"in{place}_label", name)
        write(folder / f"in{place}_input", str(volts))
        write(folder / f"curr{place}_input", str(amperes))
    rails = Rails(tmp_path, every=0.001)
    while not rails._watts:
        pass
    assert rails.stop() == pytest.approx(7.5)
    assert Rails(tmp_path / "none").stop() is None
