"""Finding and building the real servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

import servers


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and an empty PATH."""
    monkeypatch.setenv("SO8T_AB_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho program\n")
    path.chmod(0o755)
    return path


def test_only_a_finished_build_counts(cache: Path) -> None:
    """A program without the marker is a build that was interrupted."""
    built = _program(cache / "servers" / f"minio-{servers.MINIO}" / "minio")
    assert servers.minio_binary() is None
    (built.parent / "complete").touch()
    assert servers.minio_binary() == built


def test_a_program_on_path_serves_too(cache: Path) -> None:
    """Where nothing was built, a program of that name on PATH is taken; another program called mc is not."""
    assert servers.ollama_binary() is None
    assert servers.ollama_binary() is None
    installed = _program(cache / "bin" / "ollama")
    assert servers.ollama_binary() == installed
    commander = _program(cache / "bin" / "mc")
    assert servers.mc_binary() == commander
    commander.write_text("#!/bin/sh\necho GNU Midnight Commander\n")
    assert servers.mc_binary() is None


def test_what_is_built_is_not_built_again(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second install says where it is and builds nothing."""
    for _ in range(2):
        path = servers._installed("minio", servers.MINIO, lambda folder: _program(folder / "minio") and None)
    assert path == servers.minio_binary()
    assert capsys.readouterr().out.count("from source") == 1


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    """A build that fails leaves no program, no marker and no scratch folder."""

    def fail(folder: Path) -> None:
        _program(folder / "minio")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        servers._installed("minio", servers.MINIO, fail)
    assert servers.minio_binary() is None
    assert [p.name for p in (cache / "servers").iterdir()] == [".minio.lock"]


def test_without_go_one_message_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """Where Go is missing the command ends with what to do, not with a traceback."""
    monkeypatch.setattr(servers, "_GO", str(cache / "go"))
    with said.raised(SystemExit):
        servers.install_minio()


@pytest.mark.parametrize("name", [None, "chromium", "google-chrome"])
def test_the_browser_is_found_or_named(
    cache: Path, name: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the explorer's tests can run is told beside the servers, under whichever name the browser goes."""
    installed = _program(cache / "bin" / name) if name else None
    assert servers.chromium_binary() == installed
    monkeypatch.setattr("sys.argv", ["servers.py", "where"])
    servers.main()
    assert (f"chromium: {installed}" if installed else "chromium: not here") in capsys.readouterr().out
