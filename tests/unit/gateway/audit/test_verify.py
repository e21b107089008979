"""Any change to a log is found, at its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.audit.logs import EVERY_CHANGE, Vandal, anchors_of, lines_in, make_log, rewrite_from

from so8t_gateway.audit.anchors import Anchor
from so8t_gateway.audit.line import Entry
from so8t_gateway.audit.log import AuditLog, Limits
from so8t_gateway.audit.segments import segments_of
from so8t_gateway.audit.verify import verify
from so8t_shared.errors import InputError, IntegrityError


@pytest.fixture(scope="module")
def whole_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log to copy; read only."""
    return make_log(tmp_path_factory.mktemp("audit") / "log")


@pytest.fixture
def log(whole_log: Path, tmp_path: Path) -> Path:
    """A log to change."""
    return Path(shutil.copytree(whole_log, tmp_path / "log"))


def test_an_unchanged_log(log: Path) -> None:
    """No faults; what is there is counted."""
    lines = lines_in(log)
    proof = verify(log, anchors_of(log, 3, lines[-1][2].n))
    assert proof.faults == []
    assert (proof.lines, proof.first, proof.last) == (len(lines), 1, len(lines))
    assert (proof.requests, proof.erased, proof.anchors, proof.anchored) == (30, 5, 2, len(lines))
    assert proof.segments == len(segments_of(log)) > 5


@pytest.mark.parametrize("change", EVERY_CHANGE)
def test_every_change_is_found_at_its_place(whole_log: Path, tmp_path: Path, change: str) -> None:
    """The first fault names the file, the line and what was done to it, wherever chance strikes."""
    for seed in range(20):
        log = Path(shutil.copytree(whole_log, tmp_path / str(seed)))
        done = getattr(Vandal(log, seed), change)()
        faults = verify(log, anchors_of(whole_log, 4)).faults
        assert faults, (seed, done)
        place = (faults[0].kind in done.kinds, faults[0].segment, faults[0].line)
        assert place == (True, f"{done.segment:08d}.jsonl", done.line), (seed, done, faults)
        shutil.rmtree(log)


def test_a_rewritten_end_is_found_by_the_next_anchor(log: Path) -> None:
    """Hashes that all fit do not help: the anchor has another one, and the span in question is named."""
    anchors = anchors_of(log, 10, 20, 30)
    rewrite_from(log, 15)
    assert verify(log, anchors[:1]).faults == []
    [fault] = verify(log, anchors).faults
    assert (fault.kind, fault.n) == ("rewritten", 20)
    assert "from 11 to 20" in fault.what


def test_a_cut_at_the_end_is_found_by_an_anchor(log: Path) -> None:
    """Whole lines taken from the end of the last file are missed if an anchor has seen them."""
    last = segments_of(log)[-1]
    anchors = anchors_of(log, lines_in(log)[-1][2].n)
    lines = last.path.read_bytes().splitlines(keepends=True)
    last.path.write_bytes(b"".join(lines[:-1]))
    assert verify(log, None).faults == []
    [fault] = verify(log, anchors).faults
    assert (fault.kind, fault.segment, fault.line) == ("truncated", last.path.name, len(lines))


def test_a_lost_last_file_is_found_by_an_anchor(log: Path) -> None:
    """So is the loss of the whole file that grew."""
    anchors = anchors_of(log, lines_in(log)[-1][2].n)
    segments_of(log)[-1].path.unlink()
    [fault] = verify(log, anchors).faults
    assert (fault.kind, fault.segment) == ("truncated", segments_of(log)[-1].path.name)


def test_a_swap_of_files(log: Path) -> None:
    """Files under each other's names are out of order, from the first of them on."""
    two, three = segments_of(log)[1:3]
    content = two.path.read_bytes()
    two.path.write_bytes(three.path.read_bytes())
    three.path.write_bytes(content)
    faults = verify(log, None).faults
    assert (faults[0].kind, faults[0].segment, faults[0].line) == ("reordered", two.path.name, 1)
    assert len(faults) < 8


def test_anchors_that_were_tampered_with(log: Path) -> None:
    """They are named, behind what is wrong with the log itself."""
    [anchor] = anchors_of(log, 4)
    [fault] = verify(log, [Anchor(anchor.n, anchor.hash, anchor.key, "the anchor was deleted")]).faults
    assert (fault.kind, fault.segment, fault.line, fault.n) == ("anchor", anchor.key, 0, 4)


def test_an_unfinished_erasure(log: Path) -> None:
    """A line whose erasure is recorded but not done is named."""
    [(segment, number)] = [(segment, number) for segment, number, line in lines_in(log) if line.n == 4]
    writer = AuditLog(log, Limits())
    writer.append([Entry("erased", {"count": 1, "lines": [[4, 4]]})])
    writer.close()
    [fault] = verify(log, None).faults
    assert (fault.kind, fault.segment, fault.line) == ("not erased", f"{segment:08d}.jsonl", number)


def test_a_log_without_its_opening_line(tmp_path: Path, said: Said) -> None:
    """It is damaged, not absent; a crash before the first line was whole leaves no log."""
    folder = make_log(tmp_path / "log", requests=2, erased="")
    segment = segments_of(folder)[0].path
    segment.write_bytes(b"x" + segment.read_bytes())
    with said.raised(IntegrityError, where=str(segment)):
        verify(folder, None)
    for rest in (b"", b'{"facts"'):
        segment.write_bytes(rest)
        with pytest.raises(InputError):
            verify(folder, None)


def test_no_log(tmp_path: Path, said: Said) -> None:
    """Exit code 2, and where one was looked for."""
    with said.raised(InputError, where=str(tmp_path)):
        verify(tmp_path, None)
