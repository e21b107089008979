"""Claim: a bucket receives each byte of a conversion once, and sends a consumer only what it needs.

A small model is converted on one host and read on another through a bucket of a real MinIO server, whose own counters
are read before and after.

    python bench/bytes_moved.py

Needs MinIO (make servers).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.integration.conversion_in_bucket import measure  # noqa: E402
from tests.servers.minio_server import running_minio  # noqa: E402

from servers import minio_binary  # noqa: E402

GOAL = 1.05


def main() -> int:
    """Measure and print; return 1 above the goal."""
    if minio_binary() is None:
        print("CANNOT BE MEASURED HERE: MinIO is missing: make servers")
        return 0
    with tempfile.TemporaryDirectory() as scratch, running_minio(Path(scratch) / "minio") as server:
        moved = measure(server, Path(scratch))
    rows = (
        ("conversion: received by MinIO", moved.maker.received, moved.made_bytes),
        ("conversion: sent by MinIO", moved.maker.sent, moved.made_bytes),
        ("consumer: sent by MinIO", moved.consumer.sent, moved.needed_bytes),
    )
    for name, counted, size in rows:
        print(f"{name:<30} {counted / 1e6:7.1f} MB = {counted / size:.3f} x {size / 1e6:.1f} MB")
    good = moved.maker.received <= GOAL * moved.made_bytes and moved.consumer.sent <= GOAL * moved.needed_bytes
    print(f"goal: at most {GOAL} received of a conversion and sent to a consumer: {'met' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
