"""Claim: the demo in a bucket takes at most 5% longer than in a folder.

The demo's configuration runs alternately in a folder and in a bucket of a real MinIO server on this host, shortened to
4 steps and 8 rows so that the store's cost is not lost in the noise of training. The same files are transferred as in
the whole demo; only the answers are fewer, and their cost is measured separately. The total is compared with a whole
demo (--whole runs one in a folder first; --demo-s N gives its known duration).

    python bench/demo_in_bucket.py [--rounds N] [--demo-s N | --whole]

Needs demo-run/ (make inputs) and MinIO (make servers).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.servers.minio_server import running_minio  # noqa: E402

from servers import minio_binary  # noqa: E402
from so8t_shared.artifacts.segment_cache import SegmentCache  # noqa: E402
from so8t_shared.config.load import load_config  # noqa: E402
from so8t_shared.store.base import ArtifactStore  # noqa: E402
from so8t_shared.store.open import open_store  # noqa: E402

GOAL = 0.05
CONFIG = ROOT / "demo" / "so8t_demo" / "demo.yaml"
SHORT = ["training.max_steps=4", "ab_test.max_samples=8"]
ANSWERS = 780
"""Answers in a whole demo: 60 rows, two models, three quantizations, two scorings, and the control."""

RECORDS = 200


def main() -> int:
    """Measure and print; return 1 above the goal."""
    arguments = _parser().parse_args()
    for missing, there in (("MinIO: make servers", minio_binary()), ("demo-run: make inputs", _has_inputs())):
        if not there:
            print(f"CANNOT BE MEASURED HERE: {missing}")
            return 0
    with tempfile.TemporaryDirectory() as scratch, running_minio(Path(scratch) / "minio") as server:
        demo_s = _run(_folder(Path(scratch) / "whole")) if arguments.whole else arguments.demo_s
        bucket = [f"store.endpoint={server.endpoint}", f"store.credentials_file={server.root_file}"]
        in_folder, in_bucket, answer_s = [], [], []
        for number in range(arguments.rounds):
            folder = _folder(Path(scratch) / f"folder-{number}")
            remote = [*_folder(Path(scratch) / f"bucket-{number}"), *bucket, f"store.bucket={server.new_bucket()}"]
            in_folder.append(_run([*folder, *SHORT]))
            in_bucket.append(_run([*remote, *SHORT]))
            answer_s.append(_record_s(_opened(remote)) - _record_s(_opened(folder)))
        cost_s = min(in_bucket) - min(in_folder) + max(0.0, min(answer_s)) * ANSWERS
    share = cost_s / demo_s
    verdict = "ok" if share <= GOAL else "ABOVE THE GOAL"
    print(f"short demo: folder {min(in_folder):.1f} s, bucket {min(in_bucket):.1f} s")
    print(f"one answer's record: {min(answer_s) * 1e3:+.1f} ms in a bucket")
    print(f"whole demo: {demo_s:.0f} s and {cost_s:+.1f} s in a bucket: {share:+.1%} (goal {GOAL:.0%}) {verdict}")
    return 0 if share <= GOAL else 1


def _has_inputs() -> bool:
    return (ROOT / "demo-run" / "model" / "config.json").is_file()


def _folder(place: Path) -> list[str]:
    return [f"checkpoint_dir={place / 'store'}", f"output_base_dir={place / 'results'}"]


def _run(overrides: list[str]) -> float:
    """Return the seconds of one pipeline run."""
    settings = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "so8t_shared.cli", "run", "-c", str(CONFIG), *settings]
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - began


def _opened(overrides: list[str]) -> ArtifactStore:
    os.chdir(ROOT)
    return open_store(load_config(CONFIG, overrides))


def _record_s(store: ArtifactStore) -> float:
    """Return the seconds to look up and write one answer's record."""
    began = time.monotonic()
    with SegmentCache(store, "bench", "bench") as records:
        for _ in range(RECORDS):
            key = 2 * uuid.uuid4().hex
            records.get(key)
            records.put(key, {"predicted": "DENY", "latency_ms": 123.4, "answer_sha256": "0" * 64})
    return (time.monotonic() - began) / RECORDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs of each (2)")
    parser.add_argument("--demo-s", type=float, default=467.0, metavar="N", help="seconds of a whole demo in a folder")
    parser.add_argument("--whole", action="store_true", help="measure a whole demo first (about 8 minutes)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
