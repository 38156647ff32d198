"""Who made a bundle: a detached Ed25519 signature over its card.

The card holds the sha256 of every file, so a signature over ``card.json`` vouches for all of them.
It lies beside the card as ``card.sig`` and is part of no digest: signing changes no bundle. Keys
are PEM files as openssl writes them (RFC 8410). The archives of `kit pack` are signed alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.bundle import CARD, Bundle
from kit.errors import BundleError, KitError, MissingPackage, UsageError
from kit.files import MOST_SMALL, read_json, read_limited, write_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE = "card.sig"
"""Name of the signature's file."""

_NEW = "openssl genpkey -algorithm ed25519 -out private.pem"
_PUBLIC = "openssl pkey -in private.pem -pubout -out public.pem"
_ASK = "get the bundle again from who made it, or the right public key"


def sign(bundle: Bundle, private: Path) -> str:
    """Write a signature into a bundle's directory, in place of one that is there.

    Args:
        private: key as unencrypted PEM.

    Returns:
        Fingerprint of the key that checks it.

    Raises:
        UsageError: not such a key.
        MissingPackage: cryptography is not installed.
    """
    told = signature_of((bundle.directory / CARD).read_bytes(), private)
    write_json(bundle.directory / SIGNATURE, told)
    return told["key"]


def signature_of(content: bytes, private: Path) -> dict[str, str]:
    """A detached signature over any bytes, as it is written to JSON.

    Raises:
        UsageError: not such a key.
        MissingPackage: cryptography is not installed.
    """
    key = _private(private)
    value = base64.b64encode(key.sign(content)).decode()
    return {"algorithm": "Ed25519", "key": fingerprint(key.public_key()), "signature": value}


def require_signature(bundle: Bundle, public: Path) -> str:
    """Make sure that a bundle was signed with the private half of a key.

    Returns:
        Fingerprint of the key.

    Raises:
        BundleError: it was not signed, with another key, or was changed since.
        UsageError: not a public key.
        MissingPackage: cryptography is not installed.
    """
    path = bundle.directory / SIGNATURE
    require_public_key(public)
    if not path.is_file():
        raise BundleError("it is not signed", where=bundle.directory, fix=_ASK)
    told = read_json(path, "a signature", error=BundleError, fix=_ASK)
    card = (bundle.directory / CARD).read_bytes()
    return require_signature_of(card, told, public, what="the card", where=bundle.directory)


def require_public_key(path: Path) -> str:
    """Make sure that a file holds a key to check signatures with; returns its fingerprint.

    Raises:
        UsageError: it doesn't.
        MissingPackage: cryptography is not installed.
    """
    return fingerprint(_public(path))


def require_signature_of(
    content: bytes,
    told: Any,
    public: Path,
    *,
    what: str,
    where: object,
    error: type[KitError] = BundleError,
    fix: str = _ASK,
) -> str:
    """Make sure that bytes were signed with the private half of a key.

    Args:
        told: what :func:`signature_of` made, or anything else.
        what: was signed, and ``where`` it is, for messages.

    Returns:
        Fingerprint of the key.

    Raises:
        KitError: of the kind ``error``: signed with another key, changed since, or no signature.
        UsageError: not a public key.
        MissingPackage: cryptography is not installed.
    """
    key = _public(public)
    from cryptography.exceptions import InvalidSignature

    name = fingerprint(key)
    try:
        value = base64.b64decode(told["signature"], validate=True)
    except (TypeError, KeyError, ValueError, binascii.Error) as fault:
        raise error("not a signature", where=where, fix=fix) from fault
    try:
        key.verify(value, content)
    except InvalidSignature as fault:
        other = told.get("key")
        why = f"{what} was changed since" if other == name else f"the key {other} made it"
        raise error(
            f"the signature is not by the key {name}: {why}", where=where, fix=fix
        ) from fault
    return name


def fingerprint(key: Ed25519PublicKey) -> str:
    """First 16 hex digits of the sha256 of the key's 32 bytes: enough to tell keys apart."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _private(path: Path) -> Ed25519PrivateKey:
    content = _read(path)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        text = "the key has a password" if "password" in str(error).lower() else "not a private key"
        raise UsageError(text, where=path, fix=f"make one with: {_NEW}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("not an Ed25519 key", where=path, fix=f"make one with: {_NEW}")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    content = _read(path)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError("not a public key", where=path, fix=f"make it with: {_PUBLIC}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError("not an Ed25519 key", where=path, fix=f"make one with: {_NEW}")
    return key


def _read(path: Path) -> bytes:
    """A key's file, once it is sure that there is something to read keys with."""
    if find_spec("cryptography") is None:
        raise MissingPackage("cryptography", "sign")
    try:
        return read_limited(path, MOST_SMALL)
    except OSError as error:
        raise UsageError(f"the key can't be read ({error.strerror})", where=path) from error
