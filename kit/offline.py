"""Nothing leaves the house: who would reach for the network of their own accord, and what holds
them.

Most vendors look at their switches once, when they are imported, so :func:`seal` comes before that
import, wherever it stands. The switches are set whatever the environment says: who wants a vendor's
telemetry back has to change this file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from kit.cards import cache_folder


@dataclass(frozen=True)
class Vendor:
    """A package that reaches out, or that leaves files where the user didn't ask for any.

    Attributes:
        package: name of its distribution; ``module`` the name it is imported by.
        reaches: what it would do, in words.
        switches: environment variables that hold it.
        unset: variables that must not be there.
        folders: variables that name a place for its own files, each a folder of the kit's cache;
            one that the user has chosen stays.
        importer: the module of the kit that imports it; None where the kit never does.
    """

    package: str
    module: str
    reaches: str
    switches: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    folders: Mapping[str, str] = field(default_factory=dict)
    importer: str | None = None


@dataclass(frozen=True)
class Held:
    """What a process's environment says of a vendor, before the kit sets anything.

    Attributes:
        against: variables whose value would let it reach out; the kit overrules them in its own
            processes, other programs see them.
    """

    vendor: Vendor
    against: tuple[str, ...] = ()


_NO_CLOUD = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
_CUDA = {"CUDA_CACHE_PATH": "cuda"}
"""Where the driver keeps kernels it had to compile for this GPU."""

VENDORS = (
    Vendor(
        "ultralytics",
        "ultralytics",
        "look up names at import, report trainings and exports, fetch weights and fonts, "
        "install packages with pip",
        {
            "YOLO_OFFLINE": "1",
            "YOLO_AUTOINSTALL": "0",
            "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1",
            "ULTRALYTICS_SAFE_LOAD": "1",
            "YOLO_VERBOSE": "false",
        },
        unset=("ULTRALYTICS_API_KEY", "ULTRALYTICS_PLATFORM_URL"),
        importer="kit.families.ultralytics",
    ),
    Vendor(
        "ultralytics-platform",
        "ultralytics_platform",
        "send trainings to a cloud service",
        unset=("ULTRALYTICS_API_KEY", "ULTRALYTICS_PLATFORM_URL"),
    ),
    Vendor(
        "onnxruntime",
        "onnxruntime",
        "report every session to its maker (its Linux builds from 1.29 on)",
        {"ORT_DISABLE_TELEMETRY": "1"},
        folders=_CUDA,
        importer="kit.runtime.backends.onnxruntime",
    ),
    Vendor(
        "albumentations",
        "albumentations",
        "ask at import whether there is a newer version",
        {"NO_ALBUMENTATIONS_UPDATE": "1"},
        importer="kit.finetune.augment",
    ),
    Vendor(
        "gradio",
        "gradio",
        "report that it was started, ask for a newer version, open a tunnel for a public link",
        {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_RUN_HISTORY": "false",
            "GRADIO_SHARE": "False",
            "GRADIO_MCP_SERVER": "False",
            "GRADIO_SSR_MODE": "False",
            "GRADIO_ALLOWED_PATHS": "",
        },
        importer="kit.app.server",
    ),
    Vendor(
        "huggingface-hub",
        "huggingface_hub",
        "fetch models, and tell which",
        _NO_CLOUD,
        folders={"HF_HOME": "huggingface"},
    ),
    Vendor(
        "ray",
        "ray",
        "report that a cluster is used",
        {"RAY_USAGE_STATS_ENABLED": "0"},
        importer="kit.study.ray",
    ),
    Vendor("comet-ml", "comet_ml", "send trainings to a cloud service", {"COMET_MODE": "disabled"}),
    Vendor("wandb", "wandb", "send trainings to a cloud service", {"WANDB_MODE": "disabled"}),
    Vendor(
        "clearml",
        "clearml",
        "send trainings to a server",
        {"CLEARML_OFFLINE_MODE": "1"},
    ),
    Vendor(
        "mlflow",
        "mlflow",
        "report its use, send trainings to a server",
        {"MLFLOW_DISABLE_TELEMETRY": "true"},
        unset=("MLFLOW_TRACKING_URI",),
    ),
    Vendor("dvc", "dvc", "report its use", {"DVC_NO_ANALYTICS": "1"}),
    Vendor("sentry-sdk", "sentry_sdk", "report crashes", unset=("SENTRY_DSN",)),
    Vendor(
        "torch",
        "torch",
        "nothing; it keeps what it compiled among temporary files, and in the user's folders",
        folders={
            "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
            "TRITON_CACHE_DIR": "triton",
            "TORCH_HOME": "torch",
            **_CUDA,
        },
        importer="kit.families",
    ),
    Vendor(
        "matplotlib",
        "matplotlib",
        "nothing; it keeps a list of fonts in the user's folders",
        folders={"MPLCONFIGDIR": "matplotlib"},
        importer="kit.report.plots",
    ),
)
"""All that are known. Those that are never imported here are what an imported one would pick up."""

ALONG = {
    "ultralytics": (
        "ultralytics-platform", "albumentations", "huggingface-hub", "comet-ml", "wandb", "clearml",
        "mlflow", "dvc", "sentry-sdk", "matplotlib", "ray",
    ),
    "albumentations": ("huggingface-hub",),
    "gradio": ("huggingface-hub", "matplotlib"),
}  # fmt: skip
"""Whom a vendor would bring in where they are installed."""


def seal(package: str) -> None:
    """Set the switches of a vendor and of those it brings along; its import comes next."""
    by_name = {vendor.package: vendor for vendor in VENDORS}
    for vendor in (by_name[name] for name in (package, *ALONG.get(package, ()))):
        os.environ.update(vendor.switches)
        for name in vendor.unset:
            os.environ.pop(name, None)
        for name, folder in vendor.folders.items():
            os.environ.setdefault(name, str(cache_folder() / folder))


def held(environment: Mapping[str, str] | None = None) -> list[Held]:
    """Each vendor, and what in an environment stands against its switches."""
    here = os.environ if environment is None else environment
    return [Held(vendor, _against(vendor, here)) for vendor in VENDORS]


def _against(vendor: Vendor, here: Mapping[str, str]) -> tuple[str, ...]:
    other = [name for name, value in vendor.switches.items() if here.get(name, value) != value]
    return tuple(sorted([*other, *(name for name in vendor.unset if name in here)]))
