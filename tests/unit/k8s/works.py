"""The kubelet that the tests are: pods run, end with a code, and tell nothing but what their store says."""

from __future__ import annotations

import time
from typing import Any

from so8t_k8s.manifests import COMPONENT, SESSION
from so8t_k8s.pods import CONTAINER

_PATIENCE_S = 90.0


class Kubelet:
    """Takes a Job's pods to their ends."""

    def __init__(self, client: Any, namespace: str, tag: str) -> None:
        self._core, self._namespace, self._tag = client.CoreV1Api(), namespace, tag
        self.seen: list[str] = []

    def next_pod(self, service: str) -> Any:
        """The next pod of a stage, once the Job's controller has made it."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            for pod in self.pods(service):
                if pod.metadata.uid not in self.seen and not pod.metadata.deletion_timestamp:
                    self.seen.append(pod.metadata.uid)
                    self._take(pod.metadata.name)
                    return pod
            time.sleep(0.2)
        raise AssertionError(f"no further pod of {service}")

    def _take(self, name: str) -> None:
        """Bind the pod to a node, whose kubelet must then agree to its deletion."""
        body = {"metadata": {"name": name}, "target": {"kind": "Node", "apiVersion": "v1", "name": "node"}}
        self._core.create_namespaced_binding(self._namespace, body, _preload_content=False)

    def end(self, pod: Any, code: int) -> None:
        """Have the pod's container end with that code."""
        name = pod.metadata.name
        state = {"exitCode": code, "finishedAt": "2026-11-30T01:02:03Z", "startedAt": "2026-11-30T01:02:03Z"}
        container = {
            "name": CONTAINER,
            "image": "i",
            "imageID": "i",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {**state, "reason": "Completed" if code == 0 else "Error"}},
        }
        phase = "Succeeded" if code == 0 else "Failed"
        body = {"status": {"phase": phase, "containerStatuses": [container]}}
        self._core.patch_namespaced_pod_status(name, self._namespace, body)

    def pods(self, service: str) -> list[Any]:
        """All pods of a stage."""
        selector = f"{COMPONENT}={service},{SESSION}={self._tag}"
        return list(self._core.list_namespaced_pod(self._namespace, label_selector=selector).items)

    def remove(self, pod: Any) -> None:
        """The pod has ended after SIGTERM, and is gone."""
        self._core.delete_namespaced_pod(pod.metadata.name, self._namespace, grace_period_seconds=0)
