"""Many hosts that work on one bucket through the product's own classes, over a network that is slow and loses answers.

Each host is a thread with a folder, connections and a network of its own; its process has a clock that is wrong. A
session is two stages: one host makes the first, another waits for it to make the second, and a rival wants the first
as well. Some hosts are cut off while they hold a lease, for longer than its time to live.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import minio.time
from tests.integration.counted_bucket import CountedBucket, Network, Report, Visit
from tests.servers.s3_server import S3Server
from tests.unit.shared.material import make_config

from so8t_shared import host as host_clock
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.config.model import Config
from so8t_shared.errors import So8tError
from so8t_shared.interruption import StopSignal
from so8t_shared.leases.lease import TTL_S
from so8t_shared.running.context import StageContext
from so8t_shared.running.events import Listeners
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import Stage
from so8t_shared.store import s3
from so8t_shared.store.client import Client
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.retrying import Limits

FIRST = Stage("convert-a", "tests", 1, "makes two files", reads=("training.seed",))
SECOND = Stage("train", "tests", 1, "reads the first", reads=("visualization.dpi",), needs={"convert-a": ("",)})
"""Small stages under names of the pipeline, so that its readers find them."""

_PATIENCE_S = 7200.0
"""A host may wait for one that has many stages to do before: only a simulation that stands still takes longer."""
_CUT_OFF_S = TTL_S + 15.0
_SKEWS_S = (0.0, -600.0, 600.0, 120.0)
"""Errors of the processes' clocks; a server refuses requests that are off by 900 s."""


@dataclass(frozen=True)
class Load:
    """How many hosts do what."""

    sessions: int
    hosts: int
    processes: int = 2
    network: Network = field(default_factory=Network)
    work_s: tuple[float, float] = (0.05, 0.5)
    """Shortest and longest work of a stage."""
    rivals: float = 0.1
    """Share of first stages that two hosts want at once."""
    cut_off: int = 0
    """First stages with a rival whose holder is cut off, longer than its lease lives."""
    file_bytes: int = 2_000
    names: str = "run-%H%M%S"
    """Pattern of the sessions' names; {} is the number."""
    seed: int = 1


class Host:
    """One host: its folder, and its way to the bucket."""

    def __init__(self, server: S3Server, bucket: str, folder: Path, number: int, load: Load) -> None:
        self.number = number
        self._load = load
        self._choose = random.Random(load.seed * 1_000_003 + number)
        self.bucket = CountedBucket(server, bucket, load.network, self._choose)
        self._folder = folder / f"host-{number}"
        self.store = MinioStore(Client(self.bucket, Limits(120.0)), self._folder / "work" / ".local")

    def config(self, session: int) -> Config:
        """The configuration of a session, which is the same on all hosts."""
        same = {"model_a": {"base_model": "/data/model"}, "dataset": {"paths": ["/data/rows.jsonl"]}}
        return make_config(
            self._folder, training={"seed": session}, session_id_format=self._load.names.format(session), **same
        )

    def visit(self, session: int, stage: Stage, *, cut_off: bool = False) -> None:
        """Do a stage, or reuse it, as a service does, and note what happened."""
        run = StageRun(
            stage,
            open_session(self.store, self.config(session)),
            self.store,
            listeners=Listeners("stage"),
            stop=StopSignal(),
        )
        began, computing, seen, error = time.monotonic(), 0.0, "", ""

        def work(ctx: StageContext) -> None:
            nonlocal computing, seen
            computing, seen = time.monotonic(), ctx.fingerprint
            for need in stage.needs:
                assert len(list(ctx.input_dir(need).iterdir())) == 2
            if cut_off:
                self.bucket.connected.clear()
                time.sleep(_CUT_OFF_S)
                self.bucket.connected.set()
            time.sleep(self._choose.uniform(*self._load.work_s))
            (ctx.output_dir / "host").write_text(str(self.number))
            (ctx.output_dir / "data").write_bytes(self._choose.randbytes(self._load.file_bytes))

        try:
            seen = run.run(lambda: work, patience_s=_PATIENCE_S).fingerprint
        except So8tError as failure:
            error = type(failure).__name__
            run.record_failure(failure)
        self.bucket.report.visits.append(
            Visit(session, stage.name, self.number, seen, began, computing, time.monotonic(), error, cut_off)
        )


def simulate(server: S3Server, bucket: str, folder: Path, load: Load) -> Report:
    """Let all hosts work, in several processes; return what they did.

    Every host does its sessions in the order of their numbers, so the first unfinished one never waits for itself.
    """
    tasks = _tasks(load)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def work(number: int) -> None:
        _set_clock_wrong_by(_SKEWS_S[number % len(_SKEWS_S)])
        mine = [host for host in range(load.hosts) if host % load.processes == number]
        answers.put(_run_hosts([Host(server, bucket, folder, host, load) for host in mine], tasks))

    processes = [context.Process(target=work, args=(number,), daemon=True) for number in range(load.processes)]
    for process in processes:
        process.start()
    report = Report()
    for _ in processes:
        report += answers.get()
    for process in processes:
        process.join()
    return report


@dataclass(frozen=True)
class _Task:
    session: int
    stage: Stage
    cut_off: bool = False


def _tasks(load: Load) -> dict[int, list[_Task]]:
    """Each host's tasks; the hosts of a session differ."""
    choose = random.Random(load.seed)
    tasks: dict[int, list[_Task]] = {host: [] for host in range(load.hosts)}
    cut_off = load.cut_off
    for session in range(load.sessions):
        maker, reader, rival = choose.sample(range(load.hosts), 3)
        with_rival = choose.random() < load.rivals
        cut = with_rival and cut_off > 0
        cut_off -= cut
        tasks[maker].append(_Task(session, FIRST, cut))
        tasks[reader].append(_Task(session, SECOND))
        if with_rival:
            tasks[rival].append(_Task(session, FIRST))
    return tasks


def _run_hosts(hosts: Sequence[Host], tasks: dict[int, list[_Task]]) -> Report:
    def work(host: Host) -> None:
        for task in tasks[host.number]:
            host.visit(task.session, task.stage, cut_off=task.cut_off)

    _together([lambda host=host: work(host) for host in hosts])  # type: ignore[misc]
    report = Report()
    for host in hosts:
        report += host.bucket.report
    return report


def _together(calls: Iterable[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _set_clock_wrong_by(skew_s: float) -> None:
    """Let this process sign requests and write times by a wrong clock; there is no switch for this in the product."""

    class WrongClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=skew_s)

    right = minio.time.utcnow
    minio.time.utcnow = lambda: right() + timedelta(seconds=skew_s)
    host_clock.datetime = s3.datetime = WrongClock  # type: ignore[misc, attr-defined]


@dataclass(frozen=True)
class Broken:
    """Numbers of broken promises; all must be 0."""

    computed_twice: int
    """Works on one artifact that overlap although the earlier worker kept its lease."""
    incomplete: int
    """Committed artifacts with a file that is missing or differs."""
    unnoticed: int
    """Second stages that never got their first one, or hosts that failed without having been cut off."""
    committed_by_losers: int
    """Artifacts whose content is from a host that had lost the lease."""
    missing: int
    """Stages without a committed artifact."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.computed_twice + self.incomplete + self.unnoticed + self.committed_by_losers + self.missing


def check(store: MinioStore, report: Report, sessions: int) -> Broken:
    """Compare what the hosts reported with what the bucket holds."""
    by_artifact: dict[tuple[str, str], list[Visit]] = {}
    for visit in report.visits:
        if visit.fingerprint:
            by_artifact.setdefault((visit.stage, visit.fingerprint), []).append(visit)
    twice = incomplete = losers = 0
    for (stage, fingerprint), visits in by_artifact.items():
        artifact = Artifact(store, stage, fingerprint)
        manifest = artifact.manifest()
        if manifest is None or artifact.faults(manifest, read=True):
            incomplete += 1
            continue
        [entry] = [entry for entry in manifest.files if entry.path == "host"]
        author = int(store.get_bytes(artifact.key_of(entry)) or b"-1")
        computed = sorted((visit for visit in visits if visit.computing_s), key=lambda visit: visit.computing_s)
        losers += not any(visit.host == author and not visit.error for visit in computed)
        pairs = itertools.pairwise(computed)
        twice += sum(later.computing_s < earlier.ended_s and not earlier.cut_off for earlier, later in pairs)
    unnoticed = sum(bool(visit.error) and not visit.cut_off for visit in report.visits)
    done = {(visit.session, visit.stage) for visit in report.visits if not visit.error}
    return Broken(twice, incomplete, unnoticed, losers, 2 * sessions - len(done))


def notice_s(report: Report) -> list[float]:
    """Seconds from the moment at which the first stage's host was done to the start of the waiting host's work."""
    finished = {v.session: v.ended_s for v in report.visits if v.stage == FIRST.name and v.computing_s and not v.error}
    waited = [v for v in report.visits if v.stage == SECOND.name and v.computing_s and v.session in finished]
    return sorted(v.computing_s - finished[v.session] for v in waited if v.began_s < finished[v.session])


def requests_of(host: Host, work: Callable[[], object]) -> Counter[str]:
    """The requests that one host sends for some work."""
    before = Counter(host.bucket.report.requests)
    work()
    return Counter(host.bucket.report.requests) - before
