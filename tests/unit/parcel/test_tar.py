"""The archive's one spelling."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ParcelError, UsageError
from kit.parcel.tar import Reader, Writer, header

NAMES = st.from_regex(r"[a-z]{1,20}(/[a-z]{1,20}){0,2}", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=1500), min_size=1, max_size=5))
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    """By us, and by anybody's tar."""
    made = io.BytesIO()
    writer = Writer(made, "top")
    for name, data in files.items():
        writer.add(name, len(data), [data[:700], data[700:]])
    writer.close()
    assert len(made.getvalue()) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(made.getvalue())) as tar:
        assert [info.name for info in tar] == [f"top/{name}" for name in files]
    reader = Reader(io.BytesIO(made.getvalue()), "it")
    first, *others = files
    assert reader.first(first, 1500) == files[first]
    for name in others:
        reader.expect(name, len(files[name]))
        assert b"".join(reader.content(name, len(files[name]))) == files[name]
    reader.end()


@pytest.mark.parametrize("content", [b"", b"12", b"1234"])
def test_content_of_another_length_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match="changed while it was packed"):
        Writer(io.BytesIO(), "top").add("a", 3, [content])


@pytest.mark.parametrize(("name", "size"), [("x" * 101, 1), ("ü", 1), ("x", 8 << 30)])
def test_what_a_tar_has_no_room_for_is_refused(name: str, size: int) -> None:
    with pytest.raises(UsageError, match="can't be packed"):
        header(name, size)


def test_an_optional_file_is_taken_only_where_it_is() -> None:
    made = io.BytesIO()
    writer = Writer(made, "top")
    for name in ("a", "b"):
        writer.add(name, 1, [b"1"])
    writer.close()
    reader = Reader(io.BytesIO(made.getvalue()), "it")
    reader.first("a", 1)
    assert reader.optional("c", 9) is None
    assert reader.optional("b", 0) is None  # larger than may be
    assert reader.optional("b", 1) == b"1"
    reader.end()
    late = Reader(io.BytesIO(made.getvalue()), "it")
    late.first("a", 1)
    assert late.optional("c", 9) is None
    with pytest.raises(ParcelError, match="more in it"):
        late.end()
