"""Builds the images, one after another, so that later ones reuse the shared layers of earlier ones."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from so8t_shared.config.model import Config
from so8t_shared.containers.engine import ContainerFailed, Engine
from so8t_shared.containers.settings import setting
from so8t_shared.distribution import version
from so8t_shared.running.needs import image_of
from so8t_shared.stages import STAGES
from so8t_shared.tables.resources import ROWS

SERVICES = ("converter", "trainer", "evaluator", "reporter", "gateway", "ui")
"""Images that are always built; a stage's larger one only where a configuration needs it, or its variable names it."""
_TAIL_LINES = 30


def image(service: str) -> str:
    """Name and tag of a service's image."""
    return f"so8t-ab/{service}:{version()}"


def choose_images(config: Config) -> None:
    """Set the variables of compose.yaml that name larger images, where the configuration needs one."""
    for stage in STAGES:
        if image_of(stage, config) != stage.resources.image:
            os.environ[stage.resources.chosen_by] = image_of(stage, config)


def services() -> list[str]:
    """Services whose images are used."""
    return list(dict.fromkeys([*SERVICES, *(setting(row.chosen_by, row.image) for row in ROWS if row.larger)]))


def build_images(engine: Engine, say: Callable[[str], None]) -> None:
    """Build the images that are used; what is unchanged comes from the engine's cache.

    Raises:
        ContainerFailed: an image cannot be built; the last lines of the build are on standard error.
    """
    engine.check()
    has_buildkit = engine.run(["docker", "buildx", "version"]).returncode == 0
    variables = {} if has_buildkit else {"DOCKER_BUILDKIT": "0"}  # used if it is there, not required
    say("checking the images; what is missing is built, which takes minutes ...")
    for service in services():
        began, before = time.monotonic(), _id(engine, service)
        command = ["docker", "build", "--target", service, "--tag", image(service), "."]
        done = engine.run(command, timeout_s=None, variables=variables)
        if done.returncode:
            sys.stderr.write("\n".join((done.stdout + done.stderr).splitlines()[-_TAIL_LINES:]) + "\n")
            raise ContainerFailed(
                f"The image of {service} could not be built.",
                where=f"Dockerfile, target {service}",
                remedy="see the lines above",
                exit_code=1,
            )
        if _id(engine, service) != before:
            say(f"built {image(service)} in {time.monotonic() - began:.0f} s")


def missing_images(engine: Engine) -> list[str]:
    """Services whose image is not there."""
    return [name for name in services() if not _id(engine, name)]


def _id(engine: Engine, service: str) -> str:
    """The image's id; '' if it is not there."""
    return engine.run(["docker", "image", "inspect", "--format", "{{.Id}}", image(service)]).stdout.strip()
