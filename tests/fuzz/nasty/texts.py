"""YAML, JSON, XML, and other text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fuzz import seeds
from fuzz.nasty import Look, case
from fuzz.targets import BY_NAME

RECIPE = b"optimizer: adamw\nlr: 0.001\n"
LAUGHS = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c]\n" % (n, n, n - 1, n - 1, n - 1) for n in range(ord("b"), ord("z"))
)
DEEP = 200_000


def parses(target: str, folder: Path, data: bytes) -> Look:
    return lambda: BY_NAME[target].parse(data, folder)


@case(r"refused \(2\).*holds a reference")
def yaml_that_laughs_a_billion_times(folder: Path) -> Look:
    return parses("recipe", folder, LAUGHS)


@case(r"refused \(2\).*holds a reference")
def yaml_that_holds_itself(folder: Path) -> Look:
    return parses("recipe", folder, b"lr: &a [*a]\n")


@case(r"refused \(2\).*could not determine a constructor")
def yaml_that_names_python(folder: Path) -> Look:
    return parses("recipe", folder, b"lr: !!python/object/apply:os.system ['touch ran']\n")


@case(r"refused \(2\).*lr' is there twice")
def yaml_with_a_key_twice(folder: Path) -> Look:
    return parses("recipe", folder, RECIPE + b"lr: 9\n")


@case(r"refused \(2\).*momentun: unknown key")
def yaml_with_an_unknown_key(folder: Path) -> Look:
    return parses("recipe", folder, RECIPE + b"momentun: 0.9\n")


@case(r"refused \(2\).*can't be read as YAML")
def yaml_nested_without_end(folder: Path) -> Look:
    return parses("recipe", folder, b"[" * DEEP)


@case(r"refused \(2\).*larger than")
def yaml_of_megabytes(folder: Path) -> Look:
    return parses("recipe", folder, b"- a\n" * 5_000_000)


@case(r"refused \(2\).*can't be read as YAML")
def yaml_in_utf16(folder: Path) -> Look:
    return parses("recipe", folder, RECIPE.decode().encode("utf-16"))


@case(r"read")
def yaml_with_a_byte_order_mark(folder: Path) -> Look:
    return parses("recipe", folder, b"\xef\xbb\xbf" + RECIPE)


@case(r"refused \(2\).*can't be read as YAML")
def yaml_with_a_day_that_is_none(folder: Path) -> Look:
    return parses("recipe", folder, b"lr: 2026-99-99\n")


@case(r"refused \(2\).*can't be read as YAML")
def yaml_with_a_number_of_100000_digits(folder: Path) -> Look:
    return parses("recipe", folder, b"batch: " + b"9" * 100_000)


@case(r"refused \(2\).*lr: .*finite")
def yaml_with_a_number_that_is_none(folder: Path) -> Look:
    return parses("recipe", folder, b"lr: .nan\n")


@case(r"refused \(2\).*weight_decay: .*finite")
def yaml_with_infinity(folder: Path) -> Look:
    return parses("recipe", folder, b"weight_decay: .inf\n")


def card(**changes: Any) -> bytes:
    return json.dumps({**json.loads(seeds.card()), **changes}).encode()


@case(r"refused \(2\).*not a bundle's card")
def json_nested_without_end(folder: Path) -> Look:
    return parses("bundle card", folder, b"[" * DEEP)


@case(r"refused \(2\).*not a bundle's card \(the key 'weights' is there twice")
def json_with_a_key_twice(folder: Path) -> Look:
    return parses("bundle card", folder, card().replace(b"{", b'{"weights": "../w", ', 1))


@case(r"refused \(2\).*NaN is no number")
def json_with_a_number_that_is_none(folder: Path) -> Look:
    return parses("bundle card", folder, card(operating_point=float("nan")))


@case(r"refused \(2\).*not a bundle's card")
def json_with_a_number_of_100000_digits(folder: Path) -> Look:
    return parses("bundle card", folder, b'{"schema": %s}' % (b"9" * 100_000))


@case(r"refused \(2\).*larger than")
def json_of_hundreds_of_megabytes(folder: Path) -> Look:
    with (folder / "card.json").open("wb") as file:
        file.truncate(300 << 20)  # takes no room

    def look() -> object:
        from kit.bundle import open_bundle

        return open_bundle(folder)

    return look


@case(r"refused \(2\).*names a file outside itself: \.\./w")
def bundle_that_names_a_file_above(folder: Path) -> Look:
    (folder.parent / "w").write_bytes(b"nothing")
    return parses("bundle card", folder, card(weights="../w", files={"../w": "0" * 64}))


@case(r"refused \(2\).*names a file outside itself")
def bundle_that_names_a_file_anywhere(folder: Path) -> Look:
    files = {"/etc/passwd": "0" * 64}
    return parses("bundle card", folder, card(weights="/etc/passwd", files=files))


@case(r"refused \(2\).*names a file outside itself")
def bundle_whose_weights_are_a_link(folder: Path) -> Look:
    (folder / "secret").write_bytes(b"nothing")
    (folder / "x").symlink_to("secret")
    digest = json.loads(seeds.card())["files"]["w"]
    return parses("bundle card", folder, card(weights="x", files={"x": digest}))


@case(r"refused \(2\).*is not the file the card names")
def bundle_whose_weights_were_changed(folder: Path) -> Look:
    return parses("bundle card", folder, card(files={"w": "0" * 64}))


@case(r"refused \(2\).*costs that are not scrypt's")
def users_whose_hash_takes_a_terabyte(folder: Path) -> Look:
    return parses("users", folder, b"me:scrypt$1099511627776$8$1$c3Nzc3Nzc3Nzc3Nzc3Nzcw==$ZGRk\n")


@case(r"refused \(2\).*larger than")
def users_without_end(folder: Path) -> Look:
    return parses("users", folder, b"#\n" * (1 << 20))


@case(r"read: Fault.*damaged")
def audit_log_that_is_one_line(folder: Path) -> Look:
    with (folder / "log").open("wb") as file:
        file.truncate(1300 << 20)  # takes no room

    def look() -> object:
        from kit.app import chain

        return chain.read_file(folder / "log").fault

    return look


@case(r"refused \(2\).*sent as JSON", "gradio")
def correction_nested_without_end(folder: Path) -> Look:
    return parses("correction", folder, b'{"boxes": ' + b"[" * DEEP)


@case(r"refused \(2\).*finite", "gradio")
def correction_with_a_box_that_is_none(folder: Path) -> Look:
    told = {"decision": "drawn", "name": "cell", "box": [0, 0, float("nan"), 9]}
    return parses("correction", folder, seeds.text({"boxes": [told]}))


@case(r"refused \(2\).*not a key|refused \(2\).*not a p")
def key_that_is_a_picture(folder: Path) -> Look:
    return parses("public key", folder, seeds.picture())


@case(r"refused \(2\).*not a signature", "cryptography")
def signature_without_letters(folder: Path) -> Look:
    return parses(
        "signature", folder, b'{"algorithm": "Ed25519", "key": "x", "signature": "\\u0000"}'
    )


@case(r"refused \(2\).*not built here")
def engine_from_elsewhere(folder: Path) -> Look:
    return parses("engine card", folder, seeds.engine())
