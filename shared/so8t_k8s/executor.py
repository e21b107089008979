"""Runs the stages of a run as Jobs, and follows them by their markers in the store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from kubernetes import client
from kubernetes import config as kube_config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from so8t_k8s.manifests import COMPONENT, SESSION, check_places, config_map, job, network_policies, tag_of
from so8t_k8s.pods import CONTAINER, Manifest
from so8t_shared.artifacts.fingerprints import Key
from so8t_shared.config.model import Config
from so8t_shared.errors import Interrupted, ServerError
from so8t_shared.redaction import presentable
from so8t_shared.running.events import Event
from so8t_shared.running.executor import Hearing
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import Session
from so8t_shared.stages import Stage
from so8t_shared.store.base import ArtifactStore

_LOOK_S = 2.0
_SILENT_S = 300.0
"""A server that does not answer for so long ends the run; Jobs go on without it."""
_CONFLICT = 409
_NOT_FOUND = 404
_LINES = 40


def open_kubernetes(config: Config, store: ArtifactStore) -> KubernetesExecutor:
    """Connect with the current context of kubectl, or as the pod that this is.

    Raises:
        ServerError: there is no context, or the server does not answer.
        ConfigError: pods could not reach the store.
    """
    try:
        try:
            kube_config.load_kube_config(os.environ.get("KUBECONFIG"))  # the package itself reads it at its import
        except kube_config.ConfigException:
            kube_config.load_incluster_config()
    except kube_config.ConfigException as error:
        raise ServerError(
            f"There is no Kubernetes cluster: {error}",
            where="KUBECONFIG",
            remedy="check that 'kubectl get nodes' works",
        ) from error
    return KubernetesExecutor(config, store)


class KubernetesExecutor:
    """Starts stages as Jobs."""

    def __init__(self, config: Config, store: ArtifactStore) -> None:
        check_places(config, [])
        self._store = store
        self._jobs, self._core, self._networks = client.BatchV1Api(), client.CoreV1Api(), client.NetworkingV1Api()
        self._namespace = config.execution.kubernetes.namespace
        _asked(lambda: self._core.list_namespaced_pod(self._namespace, limit=1))

    def start(self, stage: Stage, session: Session, key: Key, hear: Hearing) -> KubernetesStage:  # noqa: ARG002
        """Create the Job, which computes the key itself; see `Executor.start`."""
        check_places(session.config, [stage])
        shared = config_map(session.config, session.session_id)
        self._create(self._core.create_namespaced_config_map, shared)
        for policy in network_policies(session.config, session.session_id):
            self._create(self._networks.create_namespaced_network_policy, policy)
        manifest = job(stage, session.config, config_map_name=shared["metadata"]["name"], session=session.session_id)
        running = KubernetesStage(stage, session, self._store, self._jobs, self._core, self._namespace)
        running.remove()  # an earlier run's
        self._create(self._jobs.create_namespaced_job, manifest)
        running.follow(manifest["metadata"]["name"], hear)
        return running

    def _create(self, create: Callable[..., Any], manifest: Manifest) -> None:
        """Create an object, unless it is there."""
        try:
            _asked(lambda: create(self._namespace, manifest))
        except ApiException as error:
            if error.status != _CONFLICT:
                raise _refused(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ended Jobs stay for those who look; Kubernetes removes them after a week."""


class KubernetesStage:
    """One Job; passes its progress to `hear`, then None when it has ended."""

    def __init__(
        self, stage: Stage, session: Session, store: ArtifactStore, jobs: Any, core: Any, namespace: str
    ) -> None:
        self.stage = stage
        self.was_asked = False
        self.last_error = ""
        self._markers = StageMarkers(store, session.session_id, stage.name)
        self._jobs, self._core, self._namespace = jobs, core, namespace
        labels = {SESSION: tag_of(session.config, session.session_id), COMPONENT: stage.resources.service}
        self._labels = ",".join(f"{name}={value}" for name, value in labels.items())
        self._code = 1
        self._output = ""

    def follow(self, name: str, hear: Hearing) -> None:
        """Begin to follow the Job of that name."""
        self._name = name
        self._follower = threading.Thread(target=self._follow, args=(hear,), daemon=True)
        self._follower.start()

    def ask_to_stop_once(self) -> None:
        """Delete the Job: its pod gets SIGTERM, saves a checkpoint and ends."""
        if not self.was_asked:
            self.was_asked = True
            with suppress(ApiException, HTTPError):
                self._jobs.delete_namespaced_job(self._name, self._namespace, propagation_policy="Foreground")

    def wait(self) -> int:
        """Wait for the Job to end; return its stage's exit code."""
        self._follower.join()
        return self._code

    def last_output(self) -> str:
        """The last lines of the pod's log."""
        return self._output

    def remove(self) -> None:
        """Delete the stage's Jobs of this session, and wait until their pods are gone."""
        jobs = _asked(lambda: self._jobs.list_namespaced_job(self._namespace, label_selector=self._labels)).items
        for each in jobs:
            with suppress(ApiException):
                self._jobs.delete_namespaced_job(each.metadata.name, self._namespace, propagation_policy="Foreground")
        while jobs and (jobs := self._jobs.list_namespaced_job(self._namespace, label_selector=self._labels).items):
            time.sleep(_LOOK_S)

    def _follow(self, hear: Hearing) -> None:
        try:
            self._code = self._until_ended(hear)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run must learn that nobody follows this Job
            self.last_error = presentable(f"The Job {self._name} cannot be followed: {error}")
        finally:
            hear(self.stage.name, None)

    def _until_ended(self, hear: Hearing) -> int:
        told, heard_at = "", time.monotonic()
        while True:
            time.sleep(_LOOK_S)
            try:
                found = self._jobs.read_namespaced_job(self._name, self._namespace)
                heard_at = time.monotonic()
            except ApiException as error:
                if error.status == _NOT_FOUND:
                    return Interrupted.exit_code  # deleted, by this run or another
                raise
            except HTTPError:
                if time.monotonic() - heard_at > _SILENT_S:
                    raise
                continue
            told = self._tell(hear, told)
            for condition in found.status.conditions or []:
                if condition.status == "True" and condition.type in {"Complete", "Failed"}:
                    return 0 if condition.type == "Complete" else self._failed(condition)

    def _tell(self, hear: Hearing, told: str) -> str:
        """Pass on the progress record, if it has changed."""
        record = self._markers.progress()
        if record is None or record.time + record.message == told or record.state not in {"waiting", "running"}:
            return told
        kind: Any = "waiting" if record.state == "waiting" else "progress"
        hear(self.stage.name, Event(self.stage.name, kind, record.message, record.done, record.total))
        return record.time + record.message

    def _failed(self, condition: Any) -> int:
        """The exit code of the last pod; without one, Kubernetes' reason is the error."""
        pods = self._core.list_namespaced_pod(self._namespace, label_selector=self._labels).items
        ended = [(pod, state) for pod in pods if (state := _terminated(pod))]
        if not ended:
            self.last_error = presentable(f"Kubernetes ended the Job: {condition.reason}: {condition.message}")
            return 1
        pod, state = max(ended, key=lambda each: str(each[1].finished_at))
        self._output = self._log_of(pod)
        return int(state.exit_code)

    def _log_of(self, pod: Any) -> str:
        """The last lines that the pod wrote; empty if they are gone."""
        try:
            answer = self._core.read_namespaced_pod_log(
                pod.metadata.name, self._namespace, container=CONTAINER, tail_lines=_LINES, _preload_content=False
            )
        except (ApiException, HTTPError):
            return ""
        return presentable(answer.data.decode("utf-8", "replace"))


def _terminated(pod: Any) -> Any:
    """State of the stage's ended container, or None."""
    states = [each.state.terminated for each in pod.status.container_statuses or [] if each.name == CONTAINER]
    return states[0] if states else None


def _asked(request: Callable[[], Any]) -> Any:
    try:
        return request()
    except HTTPError as error:
        raise ServerError(
            "The Kubernetes cluster does not answer.",
            where=str(error)[:300],
            remedy="check that 'kubectl get nodes' works",
        ) from error


def _refused(error: ApiException) -> ServerError:
    return ServerError(
        f"Kubernetes refuses an object: {error.reason}",
        where=presentable(str(error.body))[:600],
        remedy="check the namespace and your rights in it: kubectl auth can-i create jobs",
    )
