"""What the run and its tasks tell each other: events one way, the wish to stop the other.

The mailbox is an actor on the run's own node, and ends with the run.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import ray

from so8t_ray.cluster import on_node
from so8t_shared.running.events import Event


class Mailbox:
    """Events by stage, and the stages that are to stop."""

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = defaultdict(list)
        self._begun: set[str] = set()
        self._stopped: set[str] = set()

    def exchange(self, stage: str, events: list[Event]) -> bool:
        """Called by the task: leave events; return whether the stage is to stop."""
        self._begun.add(stage)
        self._events[stage] += events
        return stage in self._stopped

    def take(self, stage: str) -> list[Event]:
        """Called by the run: the events since the last call."""
        return self._events.pop(stage, [])

    def stop(self, stage: str) -> bool:
        """Called by the run: have the stage stop; return whether its task has begun."""
        self._stopped.add(stage)
        return stage in self._begun


def open_mailbox() -> Any:
    """A new mailbox on this process's node."""
    node = ray.get_runtime_context().get_node_id()
    return ray.remote(num_cpus=0)(Mailbox).options(scheduling_strategy=on_node(node)).remote()
