"""Claim: 130,000 cached answers make at most 100 files and 60 MB, and in a bucket at most one request per 64.

Answers as the evaluate stage stores them, with random digests and timings, are written to a folder and to a bucket of a
real MinIO server on this host, and read back by another cache. Beside it, in the same folder: a plain file for each
answer, flushed to the disk.

    python bench/cached_answers.py [--answers N]

The bucket needs MinIO (make servers).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.servers.minio_server import running_minio  # noqa: E402
from tests.unit.shared.store.buckets import bucket_store  # noqa: E402

from servers import minio_binary  # noqa: E402
from so8t_evaluator.asking import StoredAnswer  # noqa: E402
from so8t_shared.artifacts.segment_cache import SegmentCache  # noqa: E402
from so8t_shared.labels import LABELS  # noqa: E402
from so8t_shared.store.base import ArtifactStore, ObjectStat  # noqa: E402
from so8t_shared.store.local import LocalStore  # noqa: E402

FILES, MEGABYTES, PER_REQUEST = 100, 60.0, 64
PEER = 1_000
"""Plain files written for comparison."""


def main() -> int:
    """Measure and print; return 1 above a goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=130_000, metavar="N", help="answers (130,000)")
    count = parser.parse_args().answers
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        store = LocalStore(Path(scratch) / "store")
        failed = _measure("folder", store, count)
        plain_s = _plain_s(Path(scratch) / "plain", count)
        print(f"a plain file for each answer, flushed: {plain_s:.1f} s for as many (from {PEER:,})")
        if minio_binary():
            with running_minio(Path(scratch) / "minio") as server:
                failed |= _measure("bucket", bucket_store(server, server.new_bucket(), Path(scratch) / "local"), count)
        else:
            print("THE BUCKET CANNOT BE MEASURED HERE: make servers")
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return int(failed)


def _measure(name: str, store: ArtifactStore, count: int) -> bool:
    """Write and read back; return whether a goal was missed."""
    writes = _count_writes(store)
    began = time.monotonic()
    with SegmentCache(store, "samples", "0" * 64) as cache:
        for key, answer in _answers(count):
            cache.get(key)
            cache.put(key, answer)
    write_s, began = time.monotonic() - began, time.monotonic()
    with SegmentCache(store, "samples", "0" * 64) as cache:
        missing = sum(cache.get(key) != answer for key, answer in _answers(count))
    read_s = time.monotonic() - began
    stats = [store.stat(key) for key in store.list("cache")]
    files, megabytes = len(stats), sum(stat.size_bytes for stat in stats if stat) / 1e6
    limits = count / 130_000
    bad = bool(missing) or files > max(1, FILES * limits) or megabytes > MEGABYTES * limits
    bad |= len(writes) > count / PER_REQUEST
    print(
        f"{name}: {count:,} answers in {files} files, {megabytes:.1f} MB, {len(writes):,} writes of an object;", end=" "
    )
    print(
        f"written in {write_s:.1f} s, read back in {read_s:.1f} s, {missing} missing{' ABOVE THE GOAL' if bad else ''}"
    )
    return bad


def _count_writes(store: ArtifactStore) -> list[str]:
    """Return a list that gets the key of each object that is written from now on."""
    written, put_bytes = list[str](), store.put_bytes

    def put(key: str, data: bytes) -> ObjectStat:
        written.append(key)
        return put_bytes(key, data)

    store.put_bytes = put  # type: ignore[method-assign]
    return written


def _answers(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and answers, the same in every call."""
    rng = random.Random(7)
    for _ in range(count):
        label = rng.choice(LABELS)
        answer = StoredAnswer(
            predicted=label,
            final=label,
            lenient=label,
            text=f"The request is about item {rng.randrange(10**6)}. <final>{label}</final>",
            text_kept=True,
            thinking_chars=rng.randrange(2_000),
            thinking_sha256=rng.randbytes(32).hex(),
            answer_sha256=rng.randbytes(32).hex(),
            prompt_tokens=rng.randrange(100, 400),
            completion_tokens=rng.randrange(5, 90),
            latency_ms=rng.uniform(100, 900),
            ttft_ms=rng.uniform(50, 90),
            decode_ms=rng.uniform(50, 800),
            host="workbench",
            run="0" * 64,
            peak_memory_bytes=rng.randrange(10**9),
            gpu_memory_bytes=None,
        )
        yield rng.randbytes(32).hex(), answer.model_dump()


def _plain_s(folder: Path, count: int) -> float:
    """Return the seconds that a flushed file for each answer would take."""
    folder.mkdir()
    began = time.monotonic()
    for key, answer in _answers(PEER):
        with (folder / key).open("w") as file:
            file.write(json.dumps(answer))
            file.flush()
            os.fsync(file.fileno())
    return (time.monotonic() - began) / PEER * count


if __name__ == "__main__":
    sys.exit(main())
