"""A folder that is complete or absent: builds, kills, damage, and what belongs to somebody else."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_demo.folders import MARKER, build_folder, is_complete
from so8t_shared.errors import InputError

RECIPE = {"source": "a", "version": 1}

_BUILD_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from so8t_demo.folders import build_folder

def build(folder):
    (folder / "half.txt").write_text("half")
    print("building", flush=True)
    time.sleep(600)

build_folder(Path(sys.argv[1]), {"source": "a", "version": 1}, build)
"""


def write_greeting(folder: Path) -> None:
    """A build that takes no time."""
    (folder / "sub").mkdir()
    (folder / "sub" / "greeting.txt").write_text("hello", encoding="utf-8")


def entries(folder: Path) -> set[str]:
    """Everything that lies in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_folder_holds_what_was_built_and_a_marker(tmp_path: Path) -> None:
    """A first build writes exactly its files and the marker, and leaves nothing beside the folder."""
    assert build_folder(tmp_path / "out", RECIPE, write_greeting)
    assert entries(tmp_path) == {"out", "out/sub", "out/sub/greeting.txt", f"out/{MARKER}"}
    assert is_complete(tmp_path / "out", RECIPE)


def test_a_complete_folder_is_not_built_again(tmp_path: Path) -> None:
    """The second call runs no build and changes no file."""
    build_folder(tmp_path / "out", RECIPE, write_greeting)
    before = (tmp_path / "out" / "sub" / "greeting.txt").stat().st_mtime_ns

    def forbidden(_: Path) -> None:
        pytest.fail("built again")

    assert not build_folder(tmp_path / "out", RECIPE, forbidden)
    assert (tmp_path / "out" / "sub" / "greeting.txt").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "marker"])
def test_a_damaged_folder_is_built_anew(tmp_path: Path, damage: str) -> None:
    """A file that was changed, removed or added, or a broken marker, is noticed and mended."""
    out = tmp_path / "out"
    build_folder(out, RECIPE, write_greeting)
    file = out / "sub" / "greeting.txt"
    match damage:
        case "changed":
            file.write_text("hallo", encoding="utf-8")
        case "missing":
            file.unlink()
        case "added":
            (out / "stray.txt").write_text("x", encoding="utf-8")
        case "marker":
            (out / MARKER).write_text("{", encoding="utf-8")
    assert not is_complete(out, RECIPE)
    assert build_folder(out, RECIPE, write_greeting)
    assert file.read_text(encoding="utf-8") == "hello"
    assert entries(tmp_path) == {"out", "out/sub", "out/sub/greeting.txt", f"out/{MARKER}"}


def test_another_recipe_builds_anew(tmp_path: Path) -> None:
    """An undamaged folder made from something else is replaced."""
    build_folder(tmp_path / "out", RECIPE, write_greeting)
    assert build_folder(tmp_path / "out", {**RECIPE, "version": 2}, write_greeting)
    assert is_complete(tmp_path / "out", {**RECIPE, "version": 2})


def test_a_failed_build_leaves_the_old_folder(tmp_path: Path) -> None:
    """When building fails, what was there stays as it was, and nothing half-built remains."""
    build_folder(tmp_path / "out", RECIPE, write_greeting)

    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half", encoding="utf-8")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_folder(tmp_path / "out", {**RECIPE, "version": 2}, fail)
    assert is_complete(tmp_path / "out", RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_somebody_elses_folder_is_never_overwritten(tmp_path: Path, kind: str, said: Said) -> None:
    """A folder or file that this command did not make is refused and kept."""
    out = tmp_path / "out"
    mine = out / "notes.txt" if kind == "folder" else out
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine", encoding="utf-8")
    with said.raised(InputError, where=str(out)):
        build_folder(out, RECIPE, write_greeting)
    assert mine.read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    """An empty folder at the target is nobody's work."""
    (tmp_path / "out").mkdir()
    assert build_folder(tmp_path / "out", RECIPE, write_greeting)
    assert is_complete(tmp_path / "out", RECIPE)


def test_a_killed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """SIGKILL in the middle leaves no target; a build that is alive is left alone, a dead one's rest is removed."""
    out = tmp_path / "out"
    child = subprocess.Popen([sys.executable, "-c", _BUILD_UNTIL_KILLED, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "building\n"
        rest = tmp_path / f".out.partial-{child.pid}"
        assert build_folder(tmp_path / "other", RECIPE, write_greeting)
        assert not out.exists()
        assert build_folder(out, RECIPE, write_greeting)
        assert (rest / "half.txt").is_file()
    finally:
        child.kill()
        child.wait()
    deadline = time.monotonic() + 10
    while rest.exists() and time.monotonic() < deadline:
        build_folder(out, {**RECIPE, "version": time.monotonic_ns()}, write_greeting)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "other"}
