"""Where stages run. Nothing here changes a result."""

from __future__ import annotations

from pydantic import Field

from so8t_shared.config.section import Section
from so8t_shared.tables import executions
from so8t_shared.tables.executions import ExecutionName
from so8t_shared.tables.resources import StageName


class Needed(Section):
    """Replaces figures of one stage's needs."""

    cpus: int | None = Field(None, ge=1, description="Cores.")
    memory_gib: int | None = Field(None, ge=1, description="Memory in GiB.")
    disk_gib: int | None = Field(None, ge=1, description="Disk in GiB, for scratch files.")
    gpus: int | None = Field(None, ge=0, description="GPUs.")


class RayCluster(Section):
    """The Ray cluster."""

    address: str | None = Field(
        None, description="HOST:PORT of a cluster; by default RAY_ADDRESS, and without it one is started here."
    )
    evaluators: int = Field(1, ge=1, description="Processes that share the rows of the test (embedded engine).")
    retries: int = Field(3, ge=0, description="New attempts after a lost host or a killed stage.")


class Execution(Section):
    """Where stages run; changes no result."""

    kind: ExecutionName = Field(
        executions.ROWS[0].name, description="; ".join(f"{row.name}: {row.summary}" for row in executions.ROWS) + "."
    )
    resources: dict[StageName, Needed] = Field(
        default={}, description="Other needs by stage: {train: {gpus: 8, memory_gib: 256}}."
    )
    ray: RayCluster = Field(RayCluster(), description="The Ray cluster.")
