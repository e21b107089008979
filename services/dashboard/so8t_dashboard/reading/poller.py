"""Reads a store once for all who watch: one listing, then what has changed, newest sessions first.

In a bucket, a listing and a few reads per second are all, however many watch; what does not fit waits for the next
round. While the store is away, the last state stays, and the round is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from so8t_dashboard.reading.committed import Committed, wanted_of
from so8t_dashboard.reading.pace import Pace
from so8t_dashboard.reading.read_only import READS_PER_S, ReadOnlyStore
from so8t_dashboard.reading.snapshot import Snapshot
from so8t_dashboard.reading.state import Outage, State
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import So8tError
from so8t_shared.host import now
from so8t_shared.results.live import LIVE_FILE
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import session_ids
from so8t_shared.stages import BY_NAME
from so8t_shared.store.base import ArtifactStore, ObjectStat, is_safe_key
from so8t_shared.studies.record import ROOT as STUDIES

log = logging.getLogger("so8t.ui")

EVERY_S = 1.0
_LEAST_S = 0.1
"""Shortest pause between two rounds."""
_PATIENCE_S = 2.0
_WATCHED_S = 60.0
"""How long after a look at its page a session's logs are read."""
_PAGE = 1000
"""Keys per request of a bucket's listing: a longer one takes its requests from the next rounds."""
_LEASES_PER_ROUND = 2
_STUDIES_S = 10.0
"""Seconds between two listings of a bucket's studies."""
_ALWAYS = ("session.json", "completed.json", "failed.json", "progress.json", "study.json", "result.json")
_RECORDS = defaultdict[str, set[str]](set, sessions={"session.json"}, **{STUDIES: {"study.json", "result.json"}})
"""Files of a session's or a study's own folder that are read."""
_WATCHED = (LIVE_FILE, "log.jsonl")


class Poller:
    """Keeps `state` current from a thread of its own; everything else only reads it."""

    def __init__(self, store: ArtifactStore, *, every_s: float = EVERY_S) -> None:
        self.store = ReadOnlyStore(store.patient(_PATIENCE_S))
        self._every_s = every_s
        self._most = int(READS_PER_S * every_s) if store.remote else 1_000_000
        self._etags: dict[str, str] = {}
        self._objects: dict[str, bytes] = {}
        self._committed = Committed(self.store)
        self._studies: dict[str, ObjectStat] = {}
        self._studies_listed = -_STUDIES_S
        self._lease_read: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._paces: dict[tuple[str, str], Pace] = defaultdict(Pace)
        self._hearers: list[Callable[[], None]] = []
        self._stop = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)
        self.state = State(Snapshot(store, {}))

    def start(self) -> None:
        """Begin; the first round, too, is done in the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current round."""
        self._stop.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def look(self, session_id: str) -> None:
        """Someone looks at this session: read its logs for a while."""
        new = not self._watched(session_id)
        self._looked[session_id] = time.monotonic()
        if new and not self.store.remote:
            self._woken.set()

    def on_change(self, hearer: Callable[[], None]) -> None:
        """Call `hearer`, from the poller's thread, after each change of `state`."""
        self._hearers.append(hearer)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._woken.clear()
            requests = self.round()
            rest_s = began + self._every_s * requests - time.monotonic()
            self._woken.wait(max(_LEAST_S, rest_s))

    def round(self) -> int:
        """Read what has changed; return how many requests the listing took."""
        listed = self._studies_listed
        try:
            found = self._listed()
            complete = self._read(found)
        except So8tError as error:
            if self.state.outage is None:
                log.warning("the store is away: %s", error.what)
                self._replace(replace(self.state, outage=Outage(now(), error.what)))
            return 1
        except Exception:  # the thread must outlive whatever one round meets
            log.exception("a round failed")
            return 1
        self._publish(complete)
        return 1 + len(found) // _PAGE + (self._studies_listed != listed) if self.store.remote else 1

    def _listed(self) -> dict[str, ObjectStat]:
        root = Path(self.store.location)
        if not self.store.remote and self.state.sessions and not root.is_dir():
            raise So8tError("The folder is gone.", where=str(root))
        if not self.store.remote or time.monotonic() - self._studies_listed >= _STUDIES_S:
            self._studies = {key: stat for key, stat in self.store.listing(STUDIES) if _kind(key) in _ALWAYS}
            self._studies_listed = time.monotonic()
        found = {key: stat for key, stat in self.store.listing("sessions") if _kind(key) in {*_ALWAYS, *_WATCHED}}
        return {**found, **self._studies}

    def _read(self, found: dict[str, ObjectStat]) -> bool:
        """Read what has changed, as far as this round's budget goes; return whether that was all."""
        for key in self._etags.keys() - found.keys():
            del self._etags[key]
            self._objects.pop(key, None)
        changed = [key for key, stat in found.items() if self._etags.get(key) != stat.etag and self._wanted(key)]
        leases = self._stale_leases()
        for key in [*leases, *self._ordered(changed)][: self._most]:
            self._take(key, found)
        room = self._most - len(leases) - len(changed)
        for _ in range(2):  # a manifest names the files that are read next
            room -= self._committed.read(self._wanted_files(), max(0, room))
        return room >= 0

    def _take(self, key: str, found: dict[str, ObjectStat]) -> None:
        data = self.store.get_bytes(key)
        if key in found:
            self._etags[key] = found[key].etag
        else:
            self._lease_read[key] = time.monotonic()
        if data is None:
            self._objects.pop(key, None)
            return
        self._objects[key] = data
        if _kind(key) == "progress.json":
            _, session_id, stage, _ = key.split("/")
            record = StageMarkers(Snapshot(self.store, {key: data}), session_id, stage).progress()
            if record is not None:
                self._paces[session_id, stage].note(record)
        elif _kind(key) == "completed.json":
            self._committed.forget(key, data)

    def _wanted(self, key: str) -> bool:
        return _kind(key) in _ALWAYS or self._watched(_session(key))

    def _watched(self, session_id: str) -> bool:
        return time.monotonic() - self._looked.get(session_id, -_WATCHED_S) < _WATCHED_S

    def _ordered(self, keys: list[str]) -> list[str]:
        """Sessions that are looked at first, then records, then the rest; each the newest names first."""
        by_name = sorted(keys, key=_session, reverse=True)
        return sorted(by_name, key=lambda key: (not self._watched(_session(key)), _kind(key) != "session.json"))

    def _stale_leases(self) -> list[str]:
        """Leases of running stages, those first that were read longest ago."""
        snapshot, found = Snapshot(self.store, self._objects), []
        for key in [key for key in self._objects if _kind(key) == "progress.json"]:
            _, session_id, stage, _ = key.split("/")
            progress = StageMarkers(snapshot, session_id, stage).progress()
            if progress and progress.state == "running" and progress.fingerprint:
                found.append(Artifact(snapshot, stage, progress.fingerprint).lease_key)
        return sorted(found, key=lambda key: self._lease_read.get(key, 0.0))[:_LEASES_PER_ROUND]

    def _wanted_files(self) -> Iterator[tuple[str, str]]:
        snapshot = Snapshot(self.store, {**self._committed.objects, **self._objects})
        for session_id in self.state.sessions:
            yield from wanted_of(snapshot, session_id, whole=self._watched(session_id))

    def _publish(self, complete: bool) -> None:
        objects, before = {**self._committed.objects, **self._objects}, self.state
        same = objects == before.store.objects and complete == before.complete
        if before.read_at and not before.outage and same:
            return
        store = Snapshot(self.store, objects)
        left_s = {key: pace.left_s for key, pace in self._paces.items() if pace.left_s is not None}
        state = State(store, tuple(reversed(session_ids(store))), read_at=now(), complete=complete)
        self._replace(replace(state, figures=dict(self._committed.figures), left_s=left_s))

    def _replace(self, state: State) -> None:
        self.state = replace(state, version=self.state.version + 1)
        for hearer in tuple(self._hearers):
            hearer()


def _session(key: str) -> str:
    return key.split("/")[1]


def _kind(key: str) -> str:
    """The file's name if the key is that of a session's or a study's own file or of a stage's object, else ''."""
    parts = key.split("/")
    if not is_safe_key(key):
        return ""
    if len(parts) == 4 and parts[0] == "sessions" and parts[2] in BY_NAME and parts[3] != "session.json":
        return parts[3]
    return parts[2] if len(parts) == 3 and parts[2] in _RECORDS[parts[0]] else ""
