"""Claim: file transfers to and from a bucket reach at least 80% of a plain parallel client's speed, including hashing.

Ours: `MinioStore.put_file` and `get_file`, which return the SHA-256. Peers, alternating with ours on the same
server: minio-py's own parallel upload and a plain parallel download by ranges, neither of which hashes the file, and
`mc cp` if installed. The highest rate of each counts.

    python bench/store.py [--size MB] [--rounds N]

The server is started in a temporary folder; if it is missing, the benchmark says so and exits.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from minio import Minio  # noqa: E402
from tests.servers.minio_server import MinioServer, running_minio  # noqa: E402

from servers import mc_binary, minio_binary  # noqa: E402
from so8t_shared.store.client import Client  # noqa: E402
from so8t_shared.store.credentials import read_credentials  # noqa: E402
from so8t_shared.store.minio import MinioStore  # noqa: E402
from so8t_shared.store.retrying import Limits  # noqa: E402
from so8t_shared.store.s3 import Bucket  # noqa: E402
from so8t_shared.store.transfer import PART_BYTES, WORKERS  # noqa: E402

GOAL = 0.8
KEY = "artifacts/train/0/files/model.bin"
MB = 1_000_000


def main() -> int:
    """Measure and print; return 1 below the goal."""
    arguments = _parser().parse_args()
    if minio_binary() is None:
        print("CANNOT BE MEASURED HERE: MinIO is missing: make servers")
        return 0
    with tempfile.TemporaryDirectory() as scratch, running_minio(Path(scratch) / "minio") as server:
        folder = Path(scratch)
        source = folder / "source"
        _write(source, arguments.size * MB)
        uploads, downloads = _candidates(server, server.new_bucket(), folder, source)
        good = [
            _compare("upload", uploads, arguments.size, arguments.rounds),
            _compare("download", downloads, arguments.size, arguments.rounds),
        ]
    return 0 if all(good) else 1


def _candidates(
    server: MinioServer, bucket: str, folder: Path, source: Path
) -> tuple[dict[str, Callable[[], object]], dict[str, Callable[[], object]]]:
    place = Bucket(server.endpoint, bucket, "us-east-1", read_credentials(str(server.root_file)))
    store = MinioStore(Client(place, Limits(60.0)), folder / "local")
    plain = server.client()
    target = folder / "target"
    uploads: dict[str, Callable[[], object]] = {
        "ours": lambda: store.put_file(KEY, source),
        "plain client": lambda: plain.fput_object(
            bucket, KEY, str(source), part_size=PART_BYTES, num_parallel_uploads=WORKERS
        ),
    }
    downloads: dict[str, Callable[[], object]] = {
        "ours": lambda: store.get_file(KEY, target),
        "plain client": lambda: _plain_download(plain, bucket, target),
    }
    if mc := mc_binary():
        remote = f"bench/{bucket}/{KEY}"
        uploads["mc"] = lambda: _mc(mc, server, folder, str(source), remote)
        downloads["mc"] = lambda: _mc(mc, server, folder, remote, str(target))
    return uploads, downloads


def _compare(what: str, candidates: dict[str, Callable[[], object]], size_mb: int, rounds: int) -> bool:
    """Run the candidates alternately, `rounds` times; return whether ours reaches the goal against each peer."""
    best = dict.fromkeys(candidates, 0.0)
    for _ in range(rounds):
        for name, run in candidates.items():
            began = time.monotonic()
            run()
            best[name] = max(best[name], size_mb / (time.monotonic() - began))
    ours = best.pop("ours")
    good = True
    for name, rate in best.items():
        ratio = ours / rate
        good = good and ratio >= GOAL
        verdict = "ok" if ratio >= GOAL else "BELOW THE GOAL"
        print(f"{what}: ours {ours:.0f} MB/s, {name} {rate:.0f} MB/s, ratio {ratio:.2f} (goal {GOAL}) {verdict}")
    return good


def _plain_download(client: Minio, bucket: str, target: Path) -> None:
    """The obvious implementation: ranges in threads, into one file, nothing verified."""
    size = client.stat_object(bucket, KEY).size or 0
    with target.open("wb") as file, ThreadPoolExecutor(WORKERS) as pool:
        file.truncate(size)

        def fetch(start: int) -> None:
            answer = client.get_object(bucket, KEY, offset=start, length=min(PART_BYTES, size - start))
            os.pwrite(file.fileno(), answer.read(), start)
            answer.release_conn()

        list(pool.map(fetch, range(0, size, PART_BYTES)))


def _mc(mc: Path, server: MinioServer, folder: Path, source: str, target: str) -> None:
    keys = server.root
    host = f"http://{keys.access_key}:{keys.secret_key}@{server.host}:{server.port}"
    environment = {**os.environ, "MC_HOST_bench": host, "MC_CONFIG_DIR": str(folder / "mc")}
    subprocess.run([str(mc), "--quiet", "cp", source, target], env=environment, check=True, stdout=subprocess.DEVNULL)


def _write(path: Path, size: int) -> None:
    block = os.urandom(MB)
    with path.open("wb") as file:
        for number in range(size // MB):
            file.write(number.to_bytes(8, "big") + block[8:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, metavar="MB", help="size of the file (256)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each (3)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
