"""`so8t-ab secrets`, `images`, `up` and `down`: the pipeline as containers, from a clone of the project."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.autostart.containers import job_in_containers
from so8t_shared.cli.common import end_autostart
from so8t_shared.containers.engine import Engine
from so8t_shared.containers.images import build_images, choose_images
from so8t_shared.containers.inputs import chosen_configuration
from so8t_shared.containers.keys import make_keys
from so8t_shared.containers.settings import for_configuration, need_project
from so8t_shared.containers.up import down as remove
from so8t_shared.containers.up import up as start
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.terminal.console import say

CpuOption = Annotated[bool, typer.Option("--cpu", envvar="CPU", help="Without an NVIDIA GPU: adds compose.cpu.yaml.")]
GpuOption = Annotated[bool, typer.Option("--gpu-optional", help="Use the CPU where Docker has no NVIDIA GPU.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout-s", envvar="UP_TIMEOUT_S", min=0, help="Seconds to wait for the report.")
]
TIMEOUT_S = 172_800.0


def secrets() -> None:
    """Create keys and folders for the containers, once.

    They go to deploy/secrets, results/ and .env; what is there is kept.
    """
    need_project()
    make_keys(_line)


def images() -> None:
    """Build the images.

    climber, which is large, only if the configuration sets ab_test.ladder, or with SO8T_EVALUATOR=climber.
    """
    need_project()
    with suppress(ConfigError, InputError):  # a faulty configuration is for `up` to refuse
        if config := chosen_configuration():
            choose_images(config)
    build_images(Engine(), _line)


def up(
    config: Annotated[
        Path | None,
        typer.Argument(help="Configuration file; by default SO8T_CONFIG's, or the demo's.", show_default=False),
    ] = None,
    cpu: CpuOption = False,
    gpu_optional: GpuOption = False,
    build: Annotated[bool, typer.Option("--build", help="First create keys and build images, if missing.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show the stages' own lines.")] = False,
    timeout_s: TimeoutOption = TIMEOUT_S,
    docker_wait_s: Annotated[
        float, typer.Option("--docker-wait-s", min=0, help="Seconds to wait until the Docker engine answers.")
    ] = 0.0,
    variables: Annotated[
        list[str], typer.Option("--var", metavar="NAME=VALUE", help="Set a variable of compose.yaml, over .env.")
    ] = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Run all stages in containers and wait for the report.

    Exits with a failed stage's code, or with 75 when the time is over while stages continue.
    """
    need_project()
    os.environ.update(map(_variable, variables))
    if config:
        os.environ.update(for_configuration(config))
    engine = Engine(cpu=cpu)
    if docker_wait_s:
        engine.wait(docker_wait_s)
    engine.check_compose()
    if gpu_optional and not cpu and not engine.has_gpu():
        engine = Engine(cpu=True, instead=True)
    say(start(engine, _line, limit_s=timeout_s, follow=follow, build=build))
    end_autostart(lambda: job_in_containers(None))


def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Delete the bucket and all models, too.")] = False,
) -> None:
    """Stop and remove the containers; keep bucket and models."""
    need_project()
    remove(Engine(), volumes=volumes)


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{given!r} is not NAME=VALUE", param_hint="--var")
    return name, value


def _line(text: str) -> None:
    say(f"{text}\n")


__all__ = ["down", "images", "secrets", "up"]
