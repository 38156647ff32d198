"""A CycloneDX 1.6 bill of materials: the same one for the same content.

Its serial number is made from what it lists, and it bears a time only where ``SOURCE_DATE_EPOCH``
gives one, so that two builds of the same thing have the same bill.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from kit import __version__
from kit.errors import MissingPackage, UsageError
from kit.files import sha256_json
from kit.supply.component import Component, Part
from kit.supply.spdx import spdx

if TYPE_CHECKING:
    from cyclonedx.model.component import Component as Entry


@dataclass(frozen=True)
class Subject:
    """What a bill is of.

    Attributes:
        model: of what a bundle is, as CycloneDX's ``modelCard``; None for software.
        sha256: of its file, where it is one.
        facts: further ones, by name.
    """

    name: str
    version: str
    licence: str = ""
    model: Mapping[str, Any] | None = None
    sha256: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def ref(self) -> str:
        """Its name within a bill, where a model may be called as what carries it."""
        return f"{'software' if self.model is None else 'model'}:{self.name}"


def sbom(
    subject: Subject, components: Iterable[Component], parts: Iterable[Subject] = ()
) -> dict[str, Any]:
    """The bill, ready to be written as JSON.

    Args:
        components: Python distributions in it.
        parts: what else is in it: models.

    Raises:
        MissingPackage: cyclonedx-python-lib is not installed.
    """
    try:
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component as Entry
        from cyclonedx.model.component import ComponentType
        from cyclonedx.model.tool import ToolRepository
        from cyclonedx.output.json import JsonV1Dot6
    except ModuleNotFoundError as error:
        raise MissingPackage("cyclonedx-python-lib", "supply") from error
    listed = sorted(components, key=lambda each: (each.name, each.version))
    models = list(parts)
    entries = {each.purl: _distribution(each) for each in listed}
    others = {each.ref: _subject(each) for each in models}
    root = _subject(subject)
    tool = Entry(name="detector-kit", version=__version__, type=ComponentType.APPLICATION)
    bom = Bom(
        serial_number=uuid.UUID(int=0),
        metadata=BomMetaData(
            component=root,
            tools=ToolRepository(components=[tool]),
            timestamp=datetime.fromtimestamp(0, timezone.utc),
        ),
        components=[*entries.values(), *others.values()],
    )
    bom.register_dependency(root, [*entries.values(), *others.values()])
    for each in listed:
        named = [entries[other.purl] for other in listed if other.name in each.needs]
        bom.register_dependency(entries[each.purl], named)
    told: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    for model in models:
        if model.model is not None:  # the library leaves this part of the standard out
            entry = next(one for one in told["components"] if one["bom-ref"] == model.ref)
            entry["modelCard"] = dict(model.model)
    return _named_by_content(told)


def _named_by_content(told: dict[str, Any]) -> dict[str, Any]:
    del told["metadata"]["timestamp"], told["serialNumber"]
    if (when := _epoch()) is not None:
        told["metadata"]["timestamp"] = when.isoformat().replace("+00:00", "Z")
    serial = uuid.uuid5(uuid.NAMESPACE_OID, sha256_json(told))
    head = {name: told.pop(name) for name in ("$schema", "bomFormat", "specVersion", "version")}
    return {**head, "serialNumber": serial.urn, **told}


def _epoch() -> datetime | None:
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError("not a number of seconds", where=f"SOURCE_DATE_EPOCH={text}") from error


def _distribution(each: Component) -> Entry:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        XsUri,
    )
    from cyclonedx.model.component import Component as Entry
    from cyclonedx.model.component import ComponentType
    from cyclonedx.model.license import LicenseAcknowledgement
    from packageurl import PackageURL

    licence = each.licence
    known = (
        LicenseAcknowledgement.CONCLUDED
        if licence.known_by == "review"
        else LicenseAcknowledgement.DECLARED
    )
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=text) for text in each.sha256]
    files = []
    if len(hashes) > 1:  # a lock lets several files be the distribution
        where = XsUri(each.purl)
        files = [
            ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=where, hashes=hashes)
        ]
    return Entry(
        name=each.name,
        version=each.version,
        type=ComponentType.LIBRARY,
        bom_ref=each.purl,
        purl=PackageURL("pypi", None, each.name, each.version),
        licenses=[
            LicenseFactory().make_from_string(licence.expression, license_acknowledgement=known)
        ]
        if licence.expression
        else [],
        hashes=hashes if len(hashes) == 1 else [],
        external_references=files,
        components=[_part(each, part) for part in each.parts],
    )


def _part(of: Component, each: Part) -> Entry:
    from cyclonedx.model.component import Component as Entry
    from cyclonedx.model.component import ComponentType
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(each.purl) if each.purl else None
    except ValueError:
        purl = None
    return Entry(
        name=each.name,
        version=each.version or None,
        type=ComponentType.LIBRARY,
        bom_ref=f"{of.purl}#{each.purl or each.name}@{each.version}",
        purl=purl,
    )


def _subject(each: Subject) -> Entry:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component as Entry
    from cyclonedx.model.component import ComponentType

    model = each.model is not None
    return Entry(
        name=each.name,
        version=each.version,
        type=ComponentType.MACHINE_LEARNING_MODEL if model else ComponentType.APPLICATION,
        bom_ref=each.ref,
        # what is no SPDX expression is told as a name
        licenses=[LicenseFactory().make_from_string(spdx(each.licence) or each.licence)]
        if each.licence
        else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)] if each.sha256 else [],
        properties=[Property(name=name, value=text) for name, text in each.facts.items()],
    )
