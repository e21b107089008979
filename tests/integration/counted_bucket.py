"""A bucket whose requests are counted, over a network that is slow and loses answers."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import urllib3
from tests.servers.s3_server import S3Server

from so8t_shared.store.credentials import read_credentials
from so8t_shared.store.failures import Failure
from so8t_shared.store.s3 import Bucket, Request


@dataclass(frozen=True)
class Network:
    """What a host's requests suffer."""

    latency_s: float = 0.0
    """Median of a request's time beside the server's work; one in a hundred takes ten times that."""
    lost: float = 0.0
    """Share of requests that break off: half before they reach the server, half before the answer comes back."""


@dataclass(frozen=True)
class Visit:
    """One host's part in a stage; times by the machine's one monotonic clock, in seconds."""

    session: int
    stage: str
    host: int
    fingerprint: str
    began_s: float
    """When it called the runner."""
    computing_s: float
    """When its work began; 0 if another's result was reused."""
    ended_s: float
    error: str
    cut_off: bool


@dataclass
class Report:
    """What the hosts did, and what it cost; add up with `+=`."""

    visits: list[Visit] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of bodies, without headers; the same kinds."""
    received: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def __iadd__(self, other: Report) -> Report:
        self.visits += other.visits
        self.requests += other.requests
        self.sent += other.sent
        self.received += other.received
        self.lost += other.lost
        return self


class CountedBucket(Bucket):
    """Counts requests, and lets them suffer from a network."""

    def __init__(self, server: S3Server, bucket: str, network: Network, choose: random.Random) -> None:
        super().__init__(server.endpoint, bucket, "us-east-1", read_credentials(str(server.root_file)))
        self.report = Report()
        self.connected = threading.Event()
        """Cleared while the host is cut off: requests wait."""
        self.connected.set()
        self._network = network
        self._choose = choose
        self._count_guard = threading.Lock()

    def send(self, request: Request, *, timeout_s: float) -> urllib3.BaseHTTPResponse:
        """Send a request, or lose it."""
        self.connected.wait()
        fate = self._choose.random()
        lost = fate < self._network.lost
        if self._network.latency_s:
            time.sleep(self._network.latency_s * self._choose.lognormvariate(0, 1))
        if lost and fate < self._network.lost / 2:
            self._count(request, b"", lost)
            raise Failure(0, "broken", "lost by the simulation")
        try:
            response = super().send(request, timeout_s=timeout_s)
        except Failure:
            self._count(request, b"", lost)
            raise
        self._count(request, response.data, lost)
        if lost:
            raise Failure(0, "broken", "answer lost by the simulation")
        return response

    def _count(self, request: Request, answer: bytes, lost: bool) -> None:
        kind = kind_of(request)
        with self._count_guard:
            self.report.requests[kind] += 1
            self.report.sent[kind] += len(request.body)
            self.report.received[kind] += 0 if request.method == "HEAD" else len(answer)
            self.report.lost += lost


def kind_of(request: Request) -> str:
    """Like 'GET marker': the method, and what the object is for."""
    address = urlsplit(request.url)
    query = parse_qs(address.query, keep_blank_values=True)
    if "list-type" in query:
        return "LIST folders" if query.get("delimiter", [""])[0] else "LIST objects"
    key = address.path.split("/", 2)[2]
    name = key.rpartition("/")[2]
    named = {"lease.json": "lease", "manifest.json": "manifest", "attempt.json": "attempt", "session.json": "session"}
    markers = {"completed.json", "failed.json", "progress.json"}
    if key.startswith("sessions/by-config/"):
        kind = "newest" if name.startswith("newest-") else "shared" if "/shared/" in key else "session"
    elif name in markers or name.endswith(".jsonl"):
        kind = "log" if name.endswith(".jsonl") else "marker"
    else:
        kind = named.get(name, "file")
    return f"{request.method} {kind}"
