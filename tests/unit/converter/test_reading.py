"""The digests of a checkpoint's files, from what a pass reads of them."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from so8t_converter.plan import Computed, Stored
from so8t_converter.reading import reading


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_read_in_whatever_order(tmp_path: Path, seed: int) -> None:
    """Threads read most pieces, in any order and some of them twice; each digest is that of the whole file."""
    chance = random.Random(seed)
    files = [tmp_path / name for name in ("one", "two", "unread", "empty")]
    contents = [chance.randbytes(chance.randint(1, 50_000)) for _ in files[:3]] + [b""]
    pieces = []
    for path, data in zip(files, contents, strict=True):
        path.write_bytes(data)
        if path.name in {"one", "two"}:
            tensor = Stored("F32", path, min(7, len(data)), max(0, len(data) - 7 - chance.randint(0, 9)))
            pieces += [(tensor, start) for start in range(0, tensor.size_bytes, 1000) if chance.random() < 0.9]
    pieces += chance.sample(pieces, len(pieces) // 10)
    chance.shuffle(pieces)
    with reading({path: min(7, path.stat().st_size) for path in files}) as source, ThreadPoolExecutor(4) as threads:

        def read(tensor: Stored, start: int) -> None:
            source.add(tensor, start, tensor.reader()(start, min(1000, tensor.size_bytes - start)))

        list(threads.map(read, *zip(*pieces, strict=True))) if pieces else None
        found = source.digests()
    assert found == {path: hashlib.sha256(data).hexdigest() for path, data in zip(files, contents, strict=True)}


def test_what_is_in_no_file_does_not_count(tmp_path: Path) -> None:
    """A computed tensor, or one of a file that is not watched, changes nothing."""
    (tmp_path / "weights").write_bytes(b"12345678")
    (tmp_path / "other").write_bytes(b"xx345678")
    with reading({tmp_path / "weights": 0}) as source:
        source.add(Computed(lambda: np.zeros(2, np.float32)), 0, np.zeros(8, np.uint8))
        source.add(Stored("F32", tmp_path / "other", 0, 8), 0, np.zeros(8, np.uint8))
        assert source.digests() == {tmp_path / "weights": hashlib.sha256(b"12345678").hexdigest()}
