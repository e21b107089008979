"""The job that runs a configuration in containers: `so8t-ab up`, which needs neither POSIX nor an environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from so8t_shared.autostart.job import KINDS, Job, made_job
from so8t_shared.canonical import digest
from so8t_shared.containers import demo
from so8t_shared.containers.settings import given_variables, setting, settings_for

_DOCKER_WAIT_S = 600
"""Docker Desktop answers minutes after its user has logged in."""


def job_in_containers(config: Path | None, options: Sequence[str] = ()) -> Job:
    """The job that runs a configuration in containers from this clone; without one, what the settings name.

    What the shell sets for compose goes into the command, since a scheduler starts it without. Options of `up`, such as
    --cpu, are no part of the job's name: `up` by hand may end the same session.

    Raises:
        InputError: a path has a control character, which no scheduler's file can hold.
    """
    variables, folder = given_variables(), Path.cwd()
    if config is None:
        chosen = {
            "SO8T_CONFIG": setting("SO8T_CONFIG", demo.CONFIG),
            "SO8T_CONFIGS": setting("SO8T_CONFIGS", "configs"),
        }
        named = []
    else:
        chosen = settings_for(config)
        named = [os.path.abspath(config)]  # noqa: PTH100 - the link, not its target: it may change
        variables.pop("SO8T_CONFIG", None)
    words = [part for name, value in variables.items() for part in ("--var", f"{name}={value}")]
    arguments = [*named, *options, "--docker-wait-s", str(_DOCKER_WAIT_S), *words]
    places = [str(folder), Path(chosen["SO8T_CONFIGS"]).absolute().as_posix(), setting("COMPOSE_PROJECT_NAME", "")]
    mark = digest(["up", chosen["SO8T_CONFIG"], *places])
    return made_job(KINDS["up"], Path(named[0] if named else chosen["SO8T_CONFIG"]), folder, arguments, mark)
