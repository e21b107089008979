"""The Ray cluster: joined or started, and what it has."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from so8t_shared.config.execution import RayCluster
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, InputError, ServerError
from so8t_shared.files import make_folder, storage_errors, write_temporary
from so8t_shared.interruption import take_back_signals
from so8t_shared.running.needs import needs_of
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

ADDRESS_VARIABLE = "RAY_ADDRESS"
_PROBE_S = 60.0
_ANSWER_S = 10.0


@dataclass(frozen=True)
class Host:
    """What a host of the cluster has, busy or not."""

    cpus: int
    memory_bytes: int
    gpus: int


def join(settings: RayCluster) -> bool:
    """Join the cluster at `address` or RAY_ADDRESS, or start one on this host; return whether it was started here.

    Ray's own usage reports are off, unless the environment turns them on.

    Raises:
        ConfigError: the address is Ray Client's, whose drivers are elsewhere.
        ServerError: the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return False
    address = settings.address or os.environ.get(ADDRESS_VARIABLE) or None
    try:
        _check_answers(address or "local")
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else {"include_dashboard": False}),
        )
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise ServerError(
            f"The Ray cluster cannot be joined: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=f"execution.ray.address or {ADDRESS_VARIABLE}: {address or 'none, so one is started here'}",
            remedy="check the address, and that 'ray status' works here with the same versions of Ray and Python",
        ) from error
    finally:
        take_back_signals()  # Ray exits at once on SIGTERM; stages are to save checkpoints
    return address is None


def _check_answers(address: str) -> None:
    """Try to connect; Ray itself would try for minutes."""
    if address.startswith("ray://"):
        raise ConfigError(
            "The run must be on a host of the Ray cluster; Ray Client is not supported.",
            where=f"execution.ray.address or {ADDRESS_VARIABLE}: {address}",
            remedy="run on the head, for example with 'ray job submit', and use HOST:6379 or auto",
        )
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()


def hosts() -> list[Host]:
    """The hosts that can run something."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    return [Host(int(each["CPU"]), int(each.get("memory", 0)), int(each.get("GPU", 0))) for each in found]


def demands(stage: Stage, config: Config, among: list[Host], *, share: int = 1) -> dict[str, float]:
    """Ray's resources for a stage, or for each of `share` processes of a host that do its work.

    The table's figures are for large models. Where a host has less, its figures count, so that each host can take the
    stage when another is lost; a stage that can use a GPU looks at hosts with GPUs alone, if there are any. What
    `execution.resources` demands is demanded: Ray waits for a host that has it.
    """
    asked, needs = config.execution.resources.get(stage.name, {}), needs_of(stage, config)
    with_gpu = [host for host in among if host.gpus] if needs.gpus else []
    fit = with_gpu or among or [Host(1, 0, 0)]
    memory = min(needs.memory_gib << 30, min(host.memory_bytes for host in fit) // share)
    gpus = min(needs.gpus, min(host.gpus for host in with_gpu) // share) if with_gpu else 0
    return {
        "num_cpus": asked.get("cpus") or max(1, min(needs.cpus, min(host.cpus for host in fit) // share)),
        "num_gpus": asked.get("gpus", gpus),
        "memory": asked.get("memory_gib", 0) << 30 or memory,
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
