"""The audit log: a chain in which no line can be touched unseen, and that outlives a power cut."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kit.app import chain
from kit.app.audit import Audit, AuditLog, open_audit
from kit.cli.root import main
from kit.errors import RunFailed, UsageError

HASH = "ab" * 32


def made(path: Path, looks: int = 4) -> list[bytes]:
    log = AuditLog(path)
    log.write("start", bundle_sha256=HASH)
    for number in range(looks):
        log.write(
            "look",
            user="Dr. Ünal",
            bundle_sha256=HASH,
            picture_sha256=f"{number:064x}",
            threshold={"bright": 0.5, "dark": 0.25},
            counts={"bright": number, "dark": 1},
        )
    log.write("stop")
    log.close()
    return path.read_bytes().splitlines(keepends=True)


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A whole log of six events."""
    return made(tmp_path_factory.mktemp("log") / "audit")


def fault(lines: list[bytes]) -> chain.Fault:
    found = chain.read(b"".join(lines).splitlines(keepends=True)).fault
    assert found is not None
    return found


def test_a_log_is_whole_and_says_what_it_should(lines: list[bytes]) -> None:
    found = chain.read(lines)
    assert found.fault is None
    assert found.events == {"start": 1, "look": 4, "stop": 1}
    look = json.loads(lines[1])
    assert look["counts"] == {"bright": 0, "dark": 1}
    assert (look["user"], look["seq"]) == ("Dr. Ünal", 2)
    assert look["previous"] == json.loads(lines[0])["sha256"]
    assert look["time"].endswith("Z")
    assert found.head == json.loads(lines[-1])["sha256"]


@given(st.data())
def test_any_changed_byte_is_found(lines: list[bytes], data: st.DataObject) -> None:
    text = b"".join(lines)
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.binary(max_size=2))
    assume(new != text[at : at + 1])
    changed = text[:at] + new + text[at + 1 :]
    found = chain.read(changed.splitlines(keepends=True))
    assert found.fault is not None
    assert found.entries <= text[:at].count(b"\n")


@given(st.data())
def test_any_removed_lines_but_the_last_are_found(lines: list[bytes], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(lines) - 2))
    end = data.draw(st.integers(start + 1, len(lines) - 1))
    found = fault([*lines[:start], *lines[end:]])
    assert (found.kind, found.line) == ("removed", start + 1)


@given(st.permutations(range(6)))
@example([1, 0, 2, 3, 4, 5])
def test_any_other_order_is_found(lines: list[bytes], order: list[int]) -> None:
    assume(order != sorted(order))
    found = fault([lines[place] for place in order])
    first = next(place for place, number in enumerate(order) if place != number)
    assert (found.kind, found.line) == ("reordered", first + 1)


@given(st.integers(0, 5), st.integers(0, 6))
def test_any_line_put_in_twice_is_found(lines: list[bytes], which: int, where: int) -> None:
    found = fault([*lines[:where], lines[which], *lines[where:]])
    assert found.kind in ("inserted", "reordered")
    assert found.line in (where + 1, which + 1, where + 2)


@given(st.integers(1, 5))
def test_a_line_that_was_forged_to_fit_is_found_by_the_next(lines: list[bytes], where: int) -> None:
    entry = json.loads(lines[where])
    facts = {key: entry[key] for key in entry if key not in ("seq", "previous", "sha256")}
    forged, _ = chain.line(entry["seq"], entry["previous"], {**facts, "user": "nobody"})
    if where < 5:
        put_in = fault([*lines[:where], forged, *lines[where:]])
        replaced = fault([*lines[:where], forged, *lines[where + 1 :]])
        assert (put_in.kind, put_in.line) == ("inserted", where + 2)
        assert (replaced.kind, replaced.line) == ("inserted", where + 2)


def test_a_cut_shows_only_against_a_noted_head(lines: list[bytes]) -> None:
    head = json.loads(lines[4])["sha256"]
    assert chain.read(lines, head).noted == 5
    cut = chain.read(lines[:3], head)
    assert cut.fault is None
    assert cut.noted is None


@given(st.data())
def test_a_log_goes_on_after_a_power_cut(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(lines)
    path = tmp_path_factory.mktemp("cut") / "audit"
    for _ in range(data.draw(st.integers(1, 3))):  # power may also be cut while it goes on
        path.write_bytes(text[: data.draw(st.integers(1, len(text)))])
        whole = chain.read_file(path)
        assert whole.fault is None or whole.fault.kind in ("half-written", "damaged")
        made(path, looks=1)
        text = path.read_bytes()
        found = chain.read_file(path)
        assert found.fault is None
        kept = text.splitlines(keepends=True)
        assert kept[-1] == text[text.rindex(b"\n", 0, -1) + 1 :]
        assert found.entries >= whole.entries + 3


def test_what_was_half_written_is_vouched_for(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "audit"
    path.write_bytes(b"".join(lines)[:-40])
    assert chain.read_file(path).fault == chain.Fault(
        6, "half-written", fault([*lines[:5], lines[5][:-40]]).what
    )
    made(path)
    text = path.read_bytes().splitlines(keepends=True)
    told = json.loads(text[6])
    assert told["event"] == "recovered"
    assert told["fragment_bytes"] == len(lines[5]) - 40
    assert fault([*text[:5], text[5].replace(b"stop", b"look"), *text[6:]]).kind == "damaged"
    assert fault([*text[:5], *text[6:]]).kind == "removed"
    assert fault([*text[:6], *text[7:]]).kind == "damaged"


@pytest.mark.parametrize("zeros", [b"\0", bytes(300), b'{"bundle' + bytes(60), b"{\0"])
def test_zeros_that_a_power_cut_leaves(tmp_path: Path, lines: list[bytes], zeros: bytes) -> None:
    path = tmp_path / "audit"
    path.write_bytes(b"".join(lines) + zeros)
    assert chain.read_file(path).fault is not None
    made(path)
    found = chain.read_file(path)
    assert (found.fault, found.events["recovered"]) == (None, 1)


def test_a_line_that_only_lacks_its_end_is_completed(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "audit"
    path.write_bytes(b"".join(lines)[:-1])
    made(path)
    found = chain.read_file(path)
    assert found.fault is None
    assert "recovered" not in found.events


@pytest.mark.parametrize(
    "touch",
    [
        lambda text: text.replace(b'"dark":1', b'"dark":2', 1),
        lambda text: text.replace(b'"stop"', b'"look"', 1),
        lambda text: text[text.index(b"\n") + 1 :],
        lambda _: b"a shopping list\n",
        lambda _: b"a shopping list",
        lambda _: b'{"another": "kind of log"}\n',
        lambda _: bytes(3 << 20),
    ],
)
def test_a_broken_log_is_not_gone_on_with(
    tmp_path: Path, lines: list[bytes], touch: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "audit"
    path.write_bytes(before := touch(b"".join(lines)))
    with pytest.raises(UsageError, match="not a whole audit log"):
        AuditLog(path)
    assert path.read_bytes() == before


def test_one_process_writes(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    with pytest.raises(UsageError, match="another process"):
        AuditLog(tmp_path / "audit")
    log.close()
    AuditLog(tmp_path / "audit").close()


def test_where_it_cannot_be(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "audit", Path("/dev/full")):
        with pytest.raises(UsageError):
            AuditLog(path)


def test_it_is_not_for_everybody(tmp_path: Path) -> None:
    made(tmp_path / "audit")
    assert (tmp_path / "audit").stat().st_mode & 0o077 == 0


def test_threads_take_turns(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit")
    writers = [
        Thread(target=lambda: [log.write("look", counts={"a": 1}) for _ in range(50)])
        for _ in range(4)
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    found = chain.read_file(tmp_path / "audit")
    assert (found.fault, found.entries) == (None, 200)


def test_only_numbers_are_measured(tmp_path: Path) -> None:
    log: Any = AuditLog(tmp_path / "audit")
    with pytest.raises(TypeError, match="title"):
        log.write("look", title="Jane Doe.png")
    log.write("live end", frames=12, seconds=1.5)
    assert json.loads((tmp_path / "audit").read_bytes())["frames"] == 12


def test_without_a_file_nothing_is_written() -> None:
    log = open_audit(None)
    assert type(log) is Audit
    log.write("look", counts={"a": 1})
    log.close()


def test_a_full_disk_is_told_and_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    log = AuditLog(path)
    log.write("start")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 40):  # none at all, then some of the line
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, before[1]))
        try:
            with pytest.raises(RunFailed, match="audit log can't be written"):
                log.write("look")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert chain.read_file(path).fault is not None
    log.write("look")
    log.close()
    found = chain.read_file(path)
    assert found.fault is None
    assert found.events == {"start": 1, "recovered": 1, "look": 1}


KILLED = """
import sys
from pathlib import Path
from kit.app.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
while True:
    log.write("look", counts={"a": 1})
    print("written", flush=True)
"""


def test_what_was_written_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    written = 0
    for after in (1, 7, 30):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, env=os.environ
        )
        assert process.stdout is not None
        for _ in range(after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        written += after + len(process.stdout.read().splitlines())
        process.wait()
    log = AuditLog(path)
    log.write("stop")
    log.close()
    found = chain.read_file(path)
    assert found.fault is None
    assert found.events["look"] >= written


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[bytes]) -> None:
    path = tmp_path / "audit"
    path.write_bytes(b"".join(lines))
    head = json.loads(lines[-1])["sha256"]
    assert main(["audit", "verify", str(path)]) == 0
    assert head in capsys.readouterr().out
    path.write_bytes(b"".join(lines[:-1]))
    assert main(["audit", "verify", str(path)]) == 0
    assert main(["audit", "verify", str(path), "--head", head]) == 3
    assert "cut" in capsys.readouterr().err
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert main(["audit", "verify", str(path), "--json", "-"]) == 3
    told = capsys.readouterr()
    assert json.loads(told.out)["broken"]["kind"] == "removed"
    assert "line 3: removed: taken out before this line: event 3" in told.err
    assert main(["audit", "verify", str(tmp_path / "none")]) == 2
    assert main(["audit", "verify", str(path), "--head", "5e1f"]) == 2
