"""The pod of a stage: its container, confined as in compose.yaml, and what is mounted."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from so8t_shared.config.model import Config
from so8t_shared.distribution import version
from so8t_shared.processes import UNPRIVILEGED
from so8t_shared.running.needs import image_of, needs_of
from so8t_shared.stages import Stage

CONTAINER = "stage"
WORK = PurePosixPath("/work")
CONFIG_FILE = "so8t.yaml"
TRAINING_FILE = "training.yaml"
_CONFIG = PurePosixPath("/etc/so8t")
_SECRET = PurePosixPath("/run/secrets/so8t")
_GRACE_S = 120
"""Time to save a checkpoint after SIGTERM."""

Manifest = dict[str, Any]


def image(stage: Stage, config: Config) -> str:
    """Name and tag of a stage's image, with the registry."""
    registry = config.execution.kubernetes.registry.rstrip("/")
    return f"{registry}/so8t-ab/{image_of(stage, config)}:{version()}".lstrip("/")


def secret_name(stage: Stage, config: Config) -> str:
    """Name of the secret with the key of a stage's user at the bucket."""
    return f"{config.execution.kubernetes.secrets}-{stage.resources.service}"


def inputs_at(config: Config) -> PurePosixPath:
    """Where pods have the claim with models and data."""
    return WORK / config.execution.kubernetes.inputs_path


def pod_of(stage: Stage, config: Config, *, config_map: str, session: str) -> Manifest:
    """The pod's spec."""
    return {
        "restartPolicy": "Never",  # the Job's policy decides by the exit code
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UNPRIVILEGED,
            "runAsGroup": UNPRIVILEGED,
            "fsGroup": UNPRIVILEGED,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(stage, config, session)],
        "volumes": _volumes(stage, config, config_map),
    }


def _container(stage: Stage, config: Config, session: str) -> Manifest:
    return {
        "name": CONTAINER,
        "image": image(stage, config),
        "args": [stage.name],
        "workingDir": str(WORK),
        "env": [{"name": name, "value": value} for name, value in _environment(config, session).items()],
        "resources": _resources(stage, config),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(stage, config),
    }


def _environment(config: Config, session: str) -> dict[str, str]:
    """As in compose.yaml; none of it changes the session."""
    return {
        "SO8T_CONFIG": str(_CONFIG / CONFIG_FILE),
        "SO8T_SESSION": session,
        "SO8T_WAIT_S": str(config.execution.kubernetes.deadline_s),
        "SO8T__STORE__CREDENTIALS_FILE": str(_SECRET / "store.json"),
        "SO8T__CHECKPOINT_DIR": "/scratch",
        "SO8T__OUTPUT_BASE_DIR": "/results",
    }


def _resources(stage: Stage, config: Config) -> Manifest:
    needs = needs_of(stage, config)
    figures = {"cpu": str(needs.cpus), "memory": f"{needs.memory_gib}Gi", "ephemeral-storage": f"{needs.disk_gib}Gi"}
    if needs.gpus:
        figures[config.execution.kubernetes.gpu] = str(needs.gpus)
    return {"requests": figures, "limits": dict(figures)}  # as many threads as cores: stages count by the limit


def _mounts(stage: Stage, config: Config) -> list[Manifest]:
    mounts: list[Manifest] = [
        {"name": "config", "mountPath": str(_CONFIG), "readOnly": True},
        {"name": "key", "mountPath": str(_SECRET), "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "results", "mountPath": "/results"},
    ]
    if config.training.config:  # the path is part of the session, and must lead to a file
        path = str(WORK / config.training.config)
        mounts.append({"name": "config", "mountPath": path, "subPath": TRAINING_FILE, "readOnly": True})
    if stage.paths(config):
        mounts.append({"name": "inputs", "mountPath": str(inputs_at(config)), "readOnly": True})
    return mounts


def _volumes(stage: Stage, config: Config, config_map: str) -> list[Manifest]:
    settings = config.execution.kubernetes
    results: Manifest = {"emptyDir": {}}
    if settings.results_claim and stage.resources.hands_over:
        results = {"persistentVolumeClaim": {"claimName": settings.results_claim}}
    volumes: list[Manifest] = [
        {"name": "config", "configMap": {"name": config_map}},
        {"name": "key", "secret": {"secretName": secret_name(stage, config), "defaultMode": 0o440}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "scratch", "emptyDir": {"sizeLimit": f"{needs_of(stage, config).disk_gib}Gi"}},
        {"name": "results", **results},
    ]
    if stage.paths(config):
        claim = {"claimName": settings.inputs_claim, "readOnly": True}
        volumes.append({"name": "inputs", "persistentVolumeClaim": claim})
    return volumes
