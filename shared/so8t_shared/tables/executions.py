"""Where a run's stages can run; each row names functions, see functions.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class Row:
    """One kind of execution."""

    name: str
    summary: str
    """For the configuration's description, after the name."""
    open: str
    """Takes (configuration, store), returns an `Executor`."""
    here: bool = False
    """Whether stages run on the host of the run, whose cores, memory and packages then count."""
    share: str = ""
    """Takes (configuration, session's name, engine, callback while waiting), returns an engine that stands for several
    hosts, or the same one."""


ROWS: tuple[Row, ...] = (
    Row("local", "processes on this host", "so8t_shared.running.children:open_local", here=True),
    Row(
        "ray",
        "tasks of a Ray cluster",
        "so8t_ray.executor:open_ray",
        share="so8t_ray.sharing:share",
    ),
    Row("kubernetes", "Jobs of a Kubernetes cluster", "so8t_k8s.executor:open_kubernetes"),
)

BY_NAME = {row.name: row for row in ROWS}

if TYPE_CHECKING:
    ExecutionName = str
else:
    ExecutionName = Literal[tuple(BY_NAME)]
