"""The kernels' build: by any C compiler, once per machine; and a wheel with and without one."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from services.converter.kernels import build as module
from services.converter.kernels.build import build

ROOT = Path(__file__).resolve().parents[3]
ROWS = """
#include "kernels.h"
int64_t NAME(int type, int source, const uint8_t *x, int64_t values, const float *importance, int64_t length,
             uint8_t *out) {
    return type + source + x[0] + values + !importance + length + out[0];
}
"""
COMPILER = """#!/bin/sh
echo "$@" >> {log}
exec cc "$@"
"""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler: cc")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources that compile quickly, an empty cache, and a compiler that notes its arguments in `log`."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in ("kernels.c", "kernels.h"):
        shutil.copy(module.HERE / name, sources)
    (sources / "rows.c").write_text(ROWS)
    compiler = tmp_path / "compiler"
    compiler.write_text(COMPILER.format(log=tmp_path / "log"))
    compiler.chmod(0o755)
    monkeypatch.setattr(module, "HERE", sources)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setenv("SO8T_AB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _compilations(folder: Path) -> int:
    return (folder / "log").read_text().count(" -c ")


@needs_compiler
def test_it_is_compiled_once(small: Path) -> None:
    """The second place gets it from the cache; a deleted cache or another source compiles anew."""
    assert build(small / "first.so")
    library = ctypes.CDLL(str(small / "first.so"))
    sizes = ctypes.c_int64(7), None, ctypes.c_int64(13)
    assert library.so8t_weighted_rows(0, 2, 3, b"\5", *sizes, b"\13") == 2 + 3 + 5 + 7 + 1 + 13 + 11
    once = _compilations(small)
    assert once >= 2
    assert build(small / "second.so")
    assert (small / "second.so").read_bytes() == (small / "first.so").read_bytes()
    assert _compilations(small) == once
    shutil.rmtree(small / "cache")
    assert build(small / "first.so")
    assert _compilations(small) == 2 * once
    (small / "sources" / "rows.c").write_text(ROWS + "\n")
    assert build(small / "first.so")
    assert _compilations(small) == 3 * once


@needs_compiler
def test_a_cache_that_cannot_be_written(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compiled all the same."""
    monkeypatch.setenv("SO8T_AB_CACHE", str(small / "log"))
    assert build(small / "kernels.so")
    assert (small / "kernels.so").is_file()


@needs_compiler
def test_no_operations_are_fused(small: Path) -> None:
    """Each compilation has the flag, after whatever flags the compiler's name brings."""
    build(small / "kernels.so")
    lines = [line for line in (small / "log").read_text().splitlines() if "-c" in line.split()]
    assert lines
    assert all("-ffp-contract=off" in line and "fast" not in line for line in lines)


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made, what an older source made goes, and one line says so."""
    monkeypatch.setenv("CC", compiler)
    (tmp_path / "kernels.so").touch()
    assert not build(tmp_path / "kernels.so")
    assert list(tmp_path.iterdir()) == []
    assert len(capsys.readouterr().err.splitlines()) == 1


@needs_compiler
def test_sources_that_do_not_compile(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As without a compiler; the line has the compiler's first error."""
    (small / "sources" / "rows.c").write_text("nonsense")
    assert not build(small / "kernels.so")
    [line] = capsys.readouterr().err.splitlines()
    assert "rows.c" in line


@pytest.mark.parametrize("compiler", [pytest.param("cc", marks=needs_compiler), "no-such-compiler"])
def test_the_wheel(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the library it is the platform's, for any Python 3; without, it is complete and for any platform."""
    monkeypatch.setenv("CC", compiler)
    ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
    for name in ("shared", "services", "demo"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    code = "from setuptools.build_meta import build_wheel; build_wheel('.')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    [wheel] = tmp_path.glob("*.whl")
    has_library = "so8t_converter/libkernels.so" in zipfile.ZipFile(wheel).namelist()
    assert has_library == (compiler == "cc")
    assert wheel.stem.endswith("-py3-none-any") != has_library
    assert "-py3-none-" in wheel.name
    assert "so8t_converter/kernels.py" in zipfile.ZipFile(wheel).namelist()
