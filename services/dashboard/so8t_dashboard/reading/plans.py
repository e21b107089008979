"""What a run would do for a session, worked out in the background when someone asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from so8t_shared.config.model import Config
from so8t_shared.errors import So8tError
from so8t_shared.planning.plan import PlannedStage, make_plan
from so8t_shared.sessions.session import SessionRecord, config_digest
from so8t_shared.store.base import ArtifactStore

_FRESH_S = 60.0


@dataclass(frozen=True)
class Planned:
    """A plan, or why there is none."""

    stages: list[PlannedStage] = field(default_factory=list)
    fault: list[str] = field(default_factory=list)
    """What, where and what to do."""
    own_paths: bool = True
    """Whether the session's own configuration says where the inputs are, not this host's."""


class Plans:
    """Plans by session; each is worked out at most once a minute, one at a time."""

    def __init__(self, store: ArtifactStore, config: Config, on_done: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._config = config
        self._on_done = on_done
        self._made: dict[str, tuple[float, Planned]] = {}
        self._working: set[str] = set()
        self._one = threading.Lock()

    def of(self, record: SessionRecord) -> Planned | None:
        """The plan; None while it is worked out."""
        name = record.session_id
        made, planned = self._made.get(name, (float("-inf"), None))
        if time.monotonic() - made > _FRESH_S and name not in self._working:
            self._working.add(name)
            threading.Thread(target=self._work, args=(record,), name="plan", daemon=True).start()
        return planned

    def _work(self, record: SessionRecord) -> None:
        try:
            with self._one:
                planned = self._plan(record)
            self._made[record.session_id] = (time.monotonic(), planned)
        finally:
            self._working.discard(record.session_id)
        self._on_done()

    def _plan(self, record: SessionRecord) -> Planned:
        own = record.config_digest != config_digest(self._config)
        try:
            config = Config.model_validate(record.config) if own else self._config
        except ValidationError:
            return Planned(fault=["Another program version wrote this session's configuration."])
        try:
            return Planned(make_plan(self._store, config), own_paths=own)
        except So8tError as error:
            return Planned(fault=error.lines(), own_paths=own)
