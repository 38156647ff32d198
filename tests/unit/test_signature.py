"""Signatures: what was signed is taken, anything else is not, and each refusal says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import kit
from kit.bundle import Bundle, BundleCard, open_bundle, save_bundle
from kit.cards import Input
from kit.cli.root import main
from kit.errors import BundleError, MissingPackage, UsageError
from kit.signature import SIGNATURE, require_signature, sign

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")

# RFC 8032, 7.1, test 1: the secret key and the public key that belongs to it
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def private_pem(key: object, password: bytes | None = None) -> bytes:
    how = serialization.NoEncryption()
    if password:
        how = serialization.BestAvailableEncryption(password)
    return key.private_bytes(  # type: ignore[attr-defined,no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how
    )


def public_pem(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined,no-any-return]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """Private and public, as files."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(SECRET)
    assert key.public_key().public_bytes_raw() == PUBLIC
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(private_pem(key))
    public.write_bytes(public_pem(key.public_key()))
    return private, public


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    card = BundleCard(
        name="tiny", kind="onnx", family="none", model="none", architecture="none",
        licence="none", classes=("a",), input=Input(64), suppress=None, weights="w.onnx", files={},
    )  # fmt: skip
    return save_bundle(tmp_path / "bundle", card, {"w.onnx": b"weights"})


def test_what_was_signed_is_taken(bundle: Bundle, keys: tuple[Path, Path]) -> None:
    private, public = keys
    name = sign(bundle, private)
    again = open_bundle(bundle.directory)
    assert again.sha256 == bundle.sha256  # signing changes no bundle
    assert require_signature(again, public) == name
    assert kit.open(bundle.directory, backend="null", key=public).classes == ("a",)
    before = (bundle.directory / SIGNATURE).read_bytes()
    sign(bundle, private)
    assert (bundle.directory / SIGNATURE).read_bytes() == before  # Ed25519 draws no numbers


def test_what_was_not_signed_is_not(bundle: Bundle, keys: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match="not signed"):
        kit.open(bundle.directory, backend="null", key=keys[1])


def test_another_key_is_told_apart_from_a_changed_card(
    bundle: Bundle, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    name = sign(bundle, private)
    other = tmp_path / "other.pem"
    other.write_bytes(public_pem(ed25519.Ed25519PrivateKey.generate().public_key()))
    with pytest.raises(BundleError, match=f"the key {name} made it"):
        require_signature(bundle, other)
    card = bundle.directory / "card.json"
    card.write_text(card.read_text().replace('"operating_point": 0.25', '"operating_point": 0.9'))
    with pytest.raises(BundleError, match="changed since"):
        require_signature(open_bundle(bundle.directory), public)


def test_a_signature_of_another_bundle_does_not_fit(
    bundle: Bundle, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    sign(bundle, keys[0])
    other = save_bundle(tmp_path / "other", bundle.card, {"w.onnx": b"other weights"})
    shutil.copy(bundle.directory / SIGNATURE, other.directory)
    with pytest.raises(BundleError, match="not by the key"):
        require_signature(other, keys[1])


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"signature": 3}', '{"signature": "%%"}', '{"signature": "AAAA"}']
)
def test_what_is_no_signature_is_refused(
    bundle: Bundle, keys: tuple[Path, Path], content: str
) -> None:
    (bundle.directory / SIGNATURE).write_text(content)
    with pytest.raises(BundleError):
        require_signature(bundle, keys[1])


def test_wrong_keys_are_one_clear_message(bundle: Bundle, keys: tuple[Path, Path]) -> None:
    private, public = keys
    wrong = private.with_name("wrong.pem")
    with pytest.raises(UsageError, match="can't be read"):
        sign(bundle, wrong)
    for content, says in (
        (b"nonsense", "not a private key"),
        (public.read_bytes(), "not a private key"),
        (private_pem(rsa.generate_private_key(65537, 2048)), "not an Ed25519 key"),
        (private_pem(ed25519.Ed25519PrivateKey.generate(), b"secret"), "has a password"),
    ):
        wrong.write_bytes(content)
        with pytest.raises(UsageError, match=says) as refused:
            sign(bundle, wrong)
        assert "openssl genpkey" in str(refused.value)
    with pytest.raises(UsageError, match="not a public key"):
        require_signature(bundle, private)
    wrong.write_bytes(public_pem(rsa.generate_private_key(65537, 2048).public_key()))
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        require_signature(bundle, wrong)
    assert not (bundle.directory / SIGNATURE).exists()


def test_without_the_library_it_says_what_to_install(
    bundle: Bundle, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.signature.find_spec", lambda _: None)
    with pytest.raises(MissingPackage, match=r"detector-kit\[sign\]"):
        require_signature(bundle, keys[1])


def test_the_verbs(
    bundle: Bundle, keys: tuple[Path, Path], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    private, public = (str(key) for key in keys)
    place = str(bundle.directory)
    assert main(["verify", place]) == 0
    assert "not signed" in capsys.readouterr().out
    assert main(["verify", place, "--key", public]) == 2
    assert main(["sign", place, "--key", private]) == 0
    assert main(["verify", place]) == 0
    capsys.readouterr()
    (bundle.directory / "note.txt").write_text("hello")
    assert main(["verify", place, "--key", public, "--json", "-"]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["bundle_sha256"], result["unnamed"]) == (bundle.sha256, ["note.txt"])
    assert len(result["signed_by"]) == 16
    assert "not part of the bundle, and not read: note.txt" in told.err
    monkeypatch.setenv("KIT_PUBLIC_KEY", public)
    assert main(["verify", place]) == 0
    (bundle.directory / SIGNATURE).unlink()
    assert main(["verify", place]) == 2
    (bundle.directory / "w.onnx").write_bytes(b"others")
    assert main(["verify", place]) == 2
    assert "changed or damaged" in capsys.readouterr().err


def test_every_verb_that_runs_a_bundle_heeds_the_key(
    bundle: Bundle, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "picture.png"
    from kit.pixels import encode_picture

    np = pytest.importorskip("numpy")
    picture.write_bytes(encode_picture(np.zeros((8, 8, 3), np.uint8), ".png"))
    words = ["detect", str(bundle.directory), str(picture), "--backend", "null"]
    words += ["--key", str(keys[1]), "--out", str(tmp_path / "found")]
    assert main(words) == 2
    assert "not signed" in capsys.readouterr().err
    sign(bundle, keys[0])
    assert main(words) == 0
