"""Free memory of the host, of a control group, and of a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from so8t_shared.free_memory import free_memory_bytes, gpus_memory_bytes


def _group(folder: Path, limit: str, **other: str) -> Path:
    """The files of a control group."""
    folder.mkdir()
    for name, text in {"max": limit, **other}.items():
        (folder / f"memory.{name}").write_text(text)
    return folder


def test_free_memory_of_a_control_group(tmp_path: Path) -> None:
    """Of its limit, what it holds already is not free; files in the cache are."""
    stat = "anon 500\nfile 300\nactive_file 200\ninactive_file 90\nshmem 10\n"
    assert free_memory_bytes(_group(tmp_path / "used", "1000\n", current="800\n", stat=stat)) == 490
    assert free_memory_bytes(_group(tmp_path / "over", "100\n", current="800\n", stat=stat)) == 0
    assert free_memory_bytes(_group(tmp_path / "silent", "1000\n")) == 1000


def test_free_memory_without_a_limit(tmp_path: Path) -> None:
    """The host's."""
    free = psutil.virtual_memory().available
    for group in (_group(tmp_path / "none", "max\n", current="800\n"), tmp_path / "absent"):
        assert free / 2 < free_memory_bytes(group) < free * 2


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("11000, 12288\n", [(11000 << 20, 12288 << 20)]),
        ("11000, 12288\n8, 16\n", [(11000 << 20, 12288 << 20), (8 << 20, 16 << 20)]),
        ("", []),
        ("N/A, N/A\n", []),
    ],
)
def test_free_memory_of_gpus(printed: str, found: list[tuple[int, int]]) -> None:
    """Those that nvidia-smi names, in MiB; none if it names none, fails or is missing."""
    assert gpus_memory_bytes((sys.executable, "-c", f"print({printed!r}, end='')")) == found
    assert gpus_memory_bytes((sys.executable, "-c", "raise SystemExit(9)")) == []
    assert gpus_memory_bytes(("/no/such/nvidia-smi",)) == []
