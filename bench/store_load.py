"""Claim: hundreds of hosts share one bucket safely, at a constant number of requests for each stage and command.

The product's own classes run 10,000 small stages of 500 hosts on a real MinIO server, with latencies, lost requests and
answers, wrong clocks, and hosts that are cut off while they hold a lease. Then the requests of single commands are
counted in buckets of growing size.

    python bench/store_load.py [--stages 10000] [--hosts 500] [--processes 4]

Needs MinIO (make servers). Returns 1 if a promise was broken or a session's command grew with the others.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]

from tests.integration.counted_bucket import Network, Report  # noqa: E402
from tests.integration.store_growth import growth  # noqa: E402
from tests.integration.store_load import Host, Load, check, notice_s, simulate  # noqa: E402
from tests.servers.minio_server import MinioServer, running_minio  # noqa: E402

from servers import minio_binary  # noqa: E402


def main() -> int:
    """Measure and print; return 1 if a promise was broken."""
    arguments = _parser().parse_args()
    if minio_binary() is None:
        print("CANNOT BE MEASURED HERE: MinIO is missing: make servers")
        return 0
    with tempfile.TemporaryDirectory() as scratch, running_minio(Path(scratch) / "minio") as server:
        good = arguments.stages == 0 or _simulated(server, Path(scratch), arguments)
        return 0 if _grown(server, Path(scratch), arguments.sizes) and good else 1


def _simulated(server: MinioServer, folder: Path, arguments: argparse.Namespace) -> bool:
    network = Network(arguments.latency_ms / 1e3, arguments.lost)
    load = Load(
        sessions=arguments.stages // 2,
        hosts=arguments.hosts,
        processes=arguments.processes,
        network=network,
        work_s=(0.2, 2.0),
        cut_off=arguments.cut_off,
    )
    bucket, before, began = server.new_bucket(), server.traffic(), time.monotonic()
    report = simulate(server, bucket, folder / "hosts", load)
    took_s, traffic = time.monotonic() - began, server.traffic() - before
    broken = check(Host(server, bucket, folder / "checker", 0, Load(1, 1)).store, report, load.sessions)
    stages = 2 * load.sessions
    print(f"{stages} stages, {len(report.visits)} visits by {load.hosts} hosts in {took_s:.0f} s: ", end="")
    total = report.requests.total()
    print(f"{total} requests, {total / took_s:.0f} per s, {report.lost} lost; {load.cut_off} hosts cut off")
    print(f"per stage: {total / stages:.1f} requests; by MinIO's counters, headers included, ", end="")
    print(f"{traffic.received / stages / 1e3:.1f} kB received, {traffic.sent / stages / 1e3:.1f} kB sent")
    _print_kinds(report, stages)
    times = notice_s(report)
    at = statistics.quantiles(times, n=20)
    print(f"an upstream is noticed after {at[9]:.1f} s (median), {at[18]:.1f} s (95 %), {times[-1]:.1f} s (most)")
    failed = Counter(visit.error for visit in report.visits if visit.error and not visit.cut_off)
    print(f"broken promises: {broken}; visits that failed: {dict(failed)}")
    return broken.total == 0


def _print_kinds(report: Report, stages: int) -> None:
    print(f"  {'kind of request':<20}{'per stage':>10}{'bytes sent':>12}{'received':>12}")
    for kind, count in report.requests.most_common():
        sent, received = report.sent[kind] / stages, report.received[kind] / stages
        print(f"  {kind:<20}{count / stages:>10.2f}{sent:>12.0f}{received:>12.0f}")


def _grown(server: MinioServer, folder: Path, sizes: list[int]) -> bool:
    """Print what each command costs in buckets with so many sessions; whether a session's commands cost the same."""
    costs = {size: growth(server, folder / f"growth-{size}", size) for size in sizes}
    print("requests by the number of sessions in the bucket:")
    print(f"  {'command':<28}" + "".join(f"{size:>10}" for size in sizes))
    constant = True
    for command in costs[sizes[0]]:
        counts = [costs[size][command] for size in sizes]
        print(f"  {command.label:<28}" + "".join(f"{count.total():>10}" for count in counts))
        constant &= not command.about_one or _same(counts)
    print(f"goal: commands about one session cost the same in every bucket: {'met' if constant else 'MISSED'}")
    return constant


def _same(counts: list[Counter[str]]) -> bool:
    return all(count == counts[0] for count in counts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stages", type=int, default=10_000, help="0 measures only the growth")
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--latency-ms", type=float, default=20.0, help="median beside the server's own work")
    parser.add_argument("--lost", type=float, default=0.01, help="share of requests or answers that are lost")
    parser.add_argument("--cut-off", type=int, default=10, help="hosts cut off while they hold a lease")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 60, 180], help="sessions in the buckets compared")
    return parser


if __name__ == "__main__":
    sys.exit(main())
