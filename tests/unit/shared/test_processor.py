"""How many cores there are to use, how many are free, and what the processor computes in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from so8t_shared.processor import free_cores, has_bf16_instructions, usable_cores


def _limit(folder: Path, text: str) -> Path:
    path = folder / "cpu.max"
    path.write_text(text)
    return path


def test_what_the_system_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the system lets this process run on; all of them where it cannot say."""
    assert usable_cores(tmp_path / "no limit") == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores(tmp_path / "no limit") == os.cpu_count()


@pytest.mark.parametrize("count", [usable_cores, free_cores])
def test_a_containers_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: type) -> None:
    """It counts for both; a fraction of a core is still one, and a quota above what is there changes nothing."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert count(_limit(tmp_path, "50000 100000\n")) == 1
    assert count(_limit(tmp_path, "300000 100000\n")) == 3
    assert 3 < count(_limit(tmp_path, "9900000 100000\n")) <= 64
    assert count(_limit(tmp_path, "max 100000\n")) <= 64


def test_free_cores(tmp_path: Path) -> None:
    """At least one, at most those that this process may use."""
    assert 1 <= free_cores(tmp_path / "no limit") <= usable_cores(tmp_path / "no limit")


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("flags\t\t: fpu avx2 avx512f sse", False),
        ("flags\t\t: fpu avx512f avx512_bf16 sse", True),
        ("flags\t\t: fpu amx_bf16 sse", True),
        ("Features\t: fp asimd bf16", True),
        ("bugs\t\t: bf16", False),
    ],
)
def test_bf16_by_the_flags(tmp_path: Path, line: str, there: bool) -> None:
    """AVX2 or plain AVX-512 is not enough."""
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: x\n{line}\n", encoding="utf-8")
    assert has_bf16_instructions(tmp_path / "cpuinfo") == there


def test_bf16_here() -> None:
    """The answer agrees with this processor's flags; a system that does not tell has none."""
    flags = Path("/proc/cpuinfo").read_text().split()
    assert has_bf16_instructions() == bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))
    assert not has_bf16_instructions(Path("/nowhere"))
