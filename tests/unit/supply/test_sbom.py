"""The bill of materials: valid by CycloneDX's own schema, whole, and the same for the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import UsageError
from kit.supply.component import Component
from kit.supply.lock import locked_components, read_lock
from kit.supply.sbom import Subject, sbom
from kit.supply.spdx import Licence

validation = pytest.importorskip("cyclonedx.validation.json")
pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[3]
SUBJECT = Subject("detector-kit", "1.0", "Apache-2.0")
MODEL = Subject(
    "cells", "0123", "AGPL-3.0", sha256="a" * 64, facts={"kit:precision": "fp32"},
    model={"modelParameters": {"task": "object-detection", "modelArchitecture": "yolov8n"}},
)  # fmt: skip


def require_valid(bill: dict[str, Any]) -> None:
    from cyclonedx.schema import SchemaVersion

    wrong = validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    assert wrong is None, str(wrong)[:300]


def test_the_check_checks() -> None:
    bill = sbom(SUBJECT, [])
    require_valid(bill)
    with pytest.raises(AssertionError):
        require_valid({**bill, "components": [{"name": "no type"}]})


def test_of_this_environment_it_is_valid_and_whole(here: tuple[Component, ...]) -> None:
    bill = sbom(SUBJECT, here)
    require_valid(bill)
    told = {each["purl"]: each for each in bill["components"]}
    assert set(told) == {each.purl for each in here}
    assert all(each["licenses"] for each in told.values())
    needs = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    [numpy] = [each.purl for each in here if each.name == "numpy"]
    [cv2] = [each.purl for each in here if each.name == "opencv-python-headless"]
    assert numpy in needs[cv2]
    within = {one["name"] for each in told.values() for one in each.get("components", [])}
    assert within == {part.name for each in here for part in each.parts}
    refs = [each["ref"] for each in bill["dependencies"]]
    assert len(refs) == len({*refs}) > len(told)
    assert set(needs["software:detector-kit"]) == set(told)


@pytest.mark.parametrize("lock", ["edge-cpu", "edge-cuda"])
def test_of_a_lock_it_gives_every_hash(lock: str, here: tuple[Component, ...]) -> None:
    pins = read_lock(ROOT / "requirements" / f"{lock}.txt")
    bill = sbom(SUBJECT, locked_components(pins, here))
    require_valid(bill)
    assert len(bill["components"]) == len(pins)
    digests = {(pin.name, pin.version): {*pin.sha256} for pin in pins}
    for each in bill["components"]:
        [files] = each.get("externalReferences", [each])  # one hash is the component's own
        found = {one["content"] for one in files["hashes"]}
        assert found == digests[each["name"], each["version"]]


def test_a_model_is_one_of_its_parts() -> None:
    bill = sbom(SUBJECT, [], [MODEL])
    require_valid(bill)
    [model] = bill["components"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert model["modelCard"]["modelParameters"]["task"] == "object-detection"
    assert model["licenses"] == [{"license": {"id": "AGPL-3.0-only"}}]


def test_a_model_may_be_called_as_what_carries_it() -> None:
    bill = sbom(replace(SUBJECT, name="cells"), [Component("cells", "1")], [MODEL])
    require_valid(bill)
    refs = [bill["metadata"]["component"]["bom-ref"]]
    refs += [each["bom-ref"] for each in bill["components"]]
    assert len(refs) == len({*refs}) == 3


def test_it_is_the_same_for_the_same_and_another_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    one, two = Component("a", "1", Licence("MIT")), Component("b", "1", Licence("ISC"))
    bill = sbom(SUBJECT, [one, two])
    assert sbom(SUBJECT, [two, one]) == bill
    assert "timestamp" not in bill["metadata"]
    serials = {
        told["serialNumber"]
        for told in (bill, sbom(SUBJECT, [one]), sbom(SUBJECT, [one, two], [MODEL]))
    }
    assert len(serials) == 3
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    dated = sbom(SUBJECT, [one, two])
    require_valid(dated)
    assert dated["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="not a number of seconds"):
        sbom(SUBJECT, [])


@settings(max_examples=25)
@given(
    st.lists(
        st.builds(
            Component,
            st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True),
            st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}(\+[a-z]{1,5})?", fullmatch=True),
            st.sampled_from(["", "MIT", "MIT OR Apache-2.0", "LicenseRef-Own"]).map(Licence),
            sha256=st.lists(st.sampled_from(["a" * 64, "b" * 64]), max_size=2, unique=True).map(
                tuple
            ),
        ),
        max_size=4,
        unique_by=lambda each: each.purl,
    )
)
def test_whatever_is_inside_it_is_valid(components: list[Component]) -> None:
    require_valid(sbom(SUBJECT, components))
