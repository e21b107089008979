"""The Ray cluster: joined or started, and what it has."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from so8t_shared.config.execution import Needed, RayCluster
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, ServerError
from so8t_shared.files import make_folder, storage_errors, write_temporary
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

ADDRESS_VARIABLE = "RAY_ADDRESS"
_PROBE_S = 60.0


@dataclass(frozen=True)
class Room:
    """The most that a single host of the cluster has."""

    cpus: int
    memory_bytes: int
    gpus: int
    hosts: int


def join(settings: RayCluster) -> bool:
    """Join the cluster at `address` or RAY_ADDRESS, or start one on this host; return whether it was started here.

    Ray's own usage reports are off, unless the environment turns them on.

    Raises:
        ServerError: the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return False
    address = settings.address or os.environ.get(ADDRESS_VARIABLE) or None
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else {"include_dashboard": False}),
        )
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise ServerError(
            f"The Ray cluster cannot be joined: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=f"execution.ray.address or {ADDRESS_VARIABLE}: {address or 'none, so one is started here'}",
            remedy="check the address, and that 'ray status' works here with the same versions of Ray and Python",
        ) from error
    return address is None


def address() -> str:
    """Address of the joined cluster."""
    return str(ray.get_runtime_context().gcs_address)


def room() -> Room:
    """What the largest hosts have."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most = {name: max((each.get(name, 0.0) for each in found), default=0.0) for name in ("CPU", "memory", "GPU")}
    return Room(max(1, int(most["CPU"])), int(most["memory"]), int(most["GPU"]), len(found))


def demands(stage: Stage, config: Config, has: Room, *, share: int = 1) -> dict[str, float]:
    """Ray's resources for a stage, or for each of `share` processes of a host that do its work.

    The table's figures are for large models: where no host has as much, the stage takes the largest host whole. What
    `execution.resources` demands is demanded: Ray waits for a host that has it.
    """
    asked = config.execution.resources.get(stage.name, Needed())
    table = stage.resources
    gpus = 0 if config.device == "cpu" else min(table.gpus, has.gpus // share)
    memory = min(table.memory_gib << 30, has.memory_bytes // share)
    return {
        "num_cpus": asked.cpus or max(1, min(table.cpus, has.cpus // share)),
        "num_gpus": gpus if asked.gpus is None else asked.gpus,
        "memory": asked.memory_gib << 30 if asked.memory_gib else memory,
    }


def on_node(node_id: str) -> NodeAffinitySchedulingStrategy:
    """Strategy that runs something on that node alone."""
    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def _sees(folder: str, file: str) -> bool:
    return Path(folder, file).is_file()


def check_store_is_shared(store: ArtifactStore) -> None:
    """Check that every host sees the store: a bucket, or a folder that all hosts mount at the same path.

    Raises:
        InputError: the store is a folder that a host does not see.
        StorageError: the folder cannot be written.
    """
    nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if store.remote or len(nodes) == 1:
        return
    folder = store.local_root.absolute()
    make_folder(folder)
    with storage_errors(folder):
        probe = write_temporary(folder, b"Do all hosts see this?")
    look = ray.remote(num_cpus=0, max_retries=0)(_sees)
    try:
        looks = {
            node: look.options(scheduling_strategy=on_node(node)).remote(str(folder), probe.name) for node in nodes
        }
        seen = dict(zip(looks, ray.get(list(looks.values()), timeout=_PROBE_S), strict=True))
    except RayError as error:
        raise ServerError(
            "Not every host of the cluster answers.",
            where=", ".join(sorted(set(nodes.values()))),
            remedy="check that so8t-ab[ray] is installed on each host in this version; see 'ray status'",
        ) from error
    finally:
        probe.unlink(missing_ok=True)
    if blind := sorted({nodes[node] for node, sees in seen.items() if not sees}):
        raise InputError(
            f"The store is a folder that {', '.join(blind)} does not see.",
            where=f"checkpoint_dir = {folder}",
            remedy="use a bucket (store.endpoint), or mount the folder at this path on every host",
        )
