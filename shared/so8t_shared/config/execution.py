"""Where stages run. Nothing here changes a result."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from so8t_shared.config.section import Section
from so8t_shared.tables import executions
from so8t_shared.tables.executions import ExecutionName
from so8t_shared.tables.resources import StageName

Figure = Literal["cpus", "memory_gib", "disk_gib", "gpus"]


class RayCluster(Section):
    """The Ray cluster."""

    address: str | None = Field(
        None, description="HOST:PORT of a cluster; by default RAY_ADDRESS, and without it one is started here."
    )
    evaluators: int = Field(1, ge=1, description="Processes that share the rows of the test (embedded engine).")
    retries: int = Field(3, ge=0, description="New attempts after a lost host or a killed stage.")


def _label(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", value):
        raise ValueError("use lower-case letters, digits and '-'")
    return value


Label = Annotated[str, AfterValidator(_label)]
"""A name of Kubernetes (RFC 1123)."""


class Kubernetes(Section):
    """The Kubernetes cluster, and what a stage finds there."""

    namespace: Label = Field("so8t-ab", description="Namespace of all objects.")
    registry: str = Field("", description="Where the images are: REGISTRY/PATH before so8t-ab/IMAGE:VERSION.")
    inputs_claim: Label = Field("so8t-inputs", description="PersistentVolumeClaim with models and data, read only.")
    inputs_path: str = Field("inputs", description="Where the configuration's paths expect that claim.")
    results_claim: Label | None = Field(None, description="PersistentVolumeClaim for reports; the bucket has them too.")
    secrets: Label = Field("so8t-ab", description="Secrets with store.json are SECRETS-SERVICE: so8t-ab-trainer.")
    queue: Label | None = Field(None, description="LocalQueue of Kueue.")
    gpu: str = Field("nvidia.com/gpu", description="Resource name of a GPU.")
    deadline_s: int = Field(604_800, ge=60, description="Seconds after which a stage is ended.")
    retries: int = Field(6, ge=0, description="New attempts after a failure that may pass.")


class Execution(Section):
    """Where stages run; changes no result."""

    kind: ExecutionName = Field(
        executions.ROWS[0].name, description="; ".join(f"{row.name}: {row.summary}" for row in executions.ROWS) + "."
    )
    resources: dict[StageName, dict[Figure, Annotated[int, Field(ge=0)]]] = Field(
        default={}, description="Other needs by stage: {train: {cpus: 16, memory_gib: 256, disk_gib: 500, gpus: 8}}."
    )
    ray: RayCluster = Field(RayCluster(), description="The Ray cluster.")
    kubernetes: Kubernetes = Field(Kubernetes(), description="The Kubernetes cluster.")
