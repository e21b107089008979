"""The objects of a session in Kubernetes: configuration, network policies, and a Job per stage."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

import yaml

from so8t_k8s.pods import CONFIG_FILE, CONTAINER, TRAINING_FILE, WORK, Manifest, inputs_at, pod_of
from so8t_shared.canonical import digest
from so8t_shared.config.model import Config
from so8t_shared.endings import FINAL_EXIT_CODES
from so8t_shared.errors import ConfigError, Interrupted
from so8t_shared.sessions.session import config_digest
from so8t_shared.stages import Stage
from so8t_shared.tables import resources

NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
SESSION = "so8t-ab/session"
_QUEUE = "kueue.x-k8s.io/queue-name"
_KEPT_S = 7 * 86_400
"""Ended Jobs are kept a week for those who look."""
_ELSEWHERE = ("notify", "think", "execution", "inputs_root", "checkpoint_dir", "output_base_dir")
"""Sections and keys that concern the run's host alone."""


def check_places(config: Config, stages: Sequence[Stage]) -> None:
    """Check that pods can reach the store and the inputs.

    Raises:
        ConfigError: the store is a folder, or an input is not where pods have the claim; names all of them.
    """
    faults = []
    if config.store.endpoint is None:
        faults.append("store.endpoint is not set: pods share a bucket, not a folder")
    elif _is_loopback(config.store.endpoint):
        faults.append(f"store.endpoint = {config.store.endpoint}: a pod finds itself there")
    for item in (item for stage in stages for item in stage.paths(config)):
        path = str(item.path)
        if PureWindowsPath(path).drive or not (WORK / PurePosixPath(path)).is_relative_to(inputs_at(config)):
            faults.append(f"{item.name} = {path} is not below execution.kubernetes.inputs_path")
    if config.training.config and PureWindowsPath(config.training.config).drive:
        faults.append(f"training.config = {config.training.config}: pods have no drives")
    if faults:
        lines = "".join(f"\n    - {fault}" for fault in dict.fromkeys(faults))
        raise ConfigError(
            "Pods cannot reach all that the configuration names.",
            where=f"execution.kubernetes.inputs_path = {config.execution.kubernetes.inputs_path}{lines}",
            remedy="copy models and data to the claim, and write their paths below inputs_path",
        )


def config_map(config: Config, session: str) -> Manifest:
    """The configuration, named after its content: Jobs that are at work keep theirs."""
    raw = config.model_dump(mode="json", exclude_unset=True, exclude=set(_ELSEWHERE))
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)
    name = f"so8t-ab-{digest(raw)[:10]}"
    data = {CONFIG_FILE: text}
    if config.training.config:
        data[TRAINING_FILE] = "# Its keys are in so8t.yaml.\n{}\n"
    return {**_head("v1", "ConfigMap", name, config, session), "data": data}


def job(stage: Stage, config: Config, *, config_map_name: str, session: str) -> Manifest:
    """A stage's Job. It waits for the stages that it needs by their markers, so the order of Jobs is free."""
    name = f"so8t-ab-{tag_of(config, session)}-{stage.resources.service}"
    manifest = _head("batch/v1", "Job", name, config, session, stage)
    return {**manifest, "spec": _spec(stage, config, config_map_name, session, manifest["metadata"]["labels"])}


def job_set(stages: Sequence[Stage], config: Config, *, config_map_name: str, session: str) -> Manifest:
    """All stages as one JobSet."""
    manifest = _head("jobset.x-k8s.io/v1alpha2", "JobSet", f"so8t-ab-{tag_of(config, session)}", config, session)
    jobs = []
    for stage in stages:
        labels = _labels(config, session, stage)
        spec = _spec(stage, config, config_map_name, session, labels)
        spec.pop("suspend", None)  # the JobSet is suspended as a whole
        template = {"metadata": {"labels": labels}, "spec": {**spec, "parallelism": 1, "completions": 1}}
        jobs.append({"name": stage.resources.service, "replicas": 1, "template": template})
    suspend = {"suspend": True} if config.execution.kubernetes.queue else {}
    return {**manifest, "spec": {**suspend, "failurePolicy": {"maxRestarts": 0}, "replicatedJobs": jobs}}


def network_policies(config: Config, session: str) -> list[Manifest]:
    """Nobody reaches a stage; a stage reaches name servers, the bucket, and Ollama if it asks it."""
    tag = tag_of(config, session)
    everyone = {"matchLabels": {NAME: "so8t-ab", SESSION: tag}}
    asks = [row.service for row in resources.ROWS if row.asks]
    asking = {
        **everyone,
        "matchExpressions": [{"key": COMPONENT, "operator": "In", "values": asks}],
    }
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    store = [{"ports": names}, *([_way_to(config.store.endpoint)] if config.store.endpoint else [])]
    found = [
        {
            **_head("networking.k8s.io/v1", "NetworkPolicy", f"so8t-ab-{tag}-stages", config, session),
            "spec": {"podSelector": everyone, "policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": store},
        }
    ]
    if config.ab_test.engine == "ollama":
        ways = [_way_to(address) for address in (config.ollama.host, *config.ollama.hosts)]
        manifest = _head("networking.k8s.io/v1", "NetworkPolicy", f"so8t-ab-{tag}-ollama", config, session)
        found.append({**manifest, "spec": {"podSelector": asking, "policyTypes": ["Egress"], "egress": ways}})
    return found


def tag_of(config: Config, session: str) -> str:
    """The session's name as a part of names of Kubernetes; before it has one, a digest of its configuration."""
    return re.sub(r"[^a-z0-9]+", "-", session.lower()).strip("-")[:40] or config_digest(config)[:10]


def _head(api: str, kind: str, name: str, config: Config, session: str, stage: Stage | None = None) -> Manifest:
    labels = _labels(config, session, stage)
    metadata = {"name": name, "namespace": config.execution.kubernetes.namespace, "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def _labels(config: Config, session: str, stage: Stage | None = None) -> dict[str, str]:
    labels = {NAME: "so8t-ab", SESSION: tag_of(config, session)}
    if stage:
        labels[COMPONENT] = stage.resources.service
    if stage and config.execution.kubernetes.queue:
        labels[_QUEUE] = config.execution.kubernetes.queue
    return labels


def _spec(stage: Stage, config: Config, config_map_name: str, session: str, labels: dict[str, str]) -> dict[str, Any]:
    settings = config.execution.kubernetes
    of_pods = {name: value for name, value in labels.items() if name != _QUEUE}
    return {
        **({"suspend": True} if settings.queue else {}),  # Kueue starts it
        "backoffLimit": settings.retries,
        "activeDeadlineSeconds": settings.deadline_s,
        "ttlSecondsAfterFinished": _KEPT_S,
        "podFailurePolicy": {
            "rules": [
                _on_exit("FailJob", *FINAL_EXIT_CODES),
                _on_exit("Ignore", Interrupted.exit_code),  # its work is saved, the next attempt resumes
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": {
            "metadata": {"labels": of_pods},
            "spec": pod_of(stage, config, config_map=config_map_name, session=session),
        },
    }


def _on_exit(action: str, *codes: int) -> Manifest:
    return {"action": action, "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": list(codes)}}


def _way_to(address: str) -> Manifest:
    """A rule of egress to a server: its address if it has one, else its port anywhere, since policies know no names."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    rule: Manifest = {"ports": [{"port": port, "protocol": "TCP"}]}
    try:
        number = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return rule
    return {"to": [{"ipBlock": {"cidr": f"{number}/{number.max_prefixlen}"}}], **rule}


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
