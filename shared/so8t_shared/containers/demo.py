"""The demo's model and data, made in a container: this host may have neither torch nor make."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from so8t_shared.containers.engine import ContainerFailed, Engine
from so8t_shared.containers.images import image
from so8t_shared.containers.settings import setting
from so8t_shared.processes import UNPRIVILEGED, handed_to_unprivileged

FOLDER = "demo-run"
CONFIG = "demo.yaml"
_TAIL_LINES = 8
_FILES = ("model/config.json", "data/rows.jsonl")
"""A run alone creates a store in the demo's folder, so the folder itself says nothing."""


def is_chosen() -> bool:
    """Whether the containers run the demo, and no configuration of the user's."""
    return setting("SO8T_CONFIG", CONFIG) == CONFIG


def is_there(folder: Path) -> bool:
    """Whether a folder has the demo's inputs."""
    return all((folder / file).exists() for file in _FILES)


def make_demo_inputs(engine: Engine, say: Callable[[str], None]) -> None:
    """Make the inputs in `FOLDER`, owned by the stages' user; downloads 90 MB.

    Raises:
        ContainerFailed: they cannot be made; has the container's own words.
    """
    folder = Path(FOLDER).absolute()
    folder.mkdir(exist_ok=True)
    user, group = handed_to_unprivileged(folder, UNPRIVILEGED)
    say(f"making the demo's model (a download of 90 MB) and data in {FOLDER}/ ...")
    command = ["docker", "run", "--rm", "--user", f"{user}:{group}", "--volume", f"{folder}:/work/{FOLDER}"]
    command += ["--entrypoint", "so8t-ab", image("trainer"), "demo", "--inputs-only"]
    done = engine.run(command, timeout_s=None)
    if done.returncode:
        sys.stderr.write("\n".join(done.stderr.splitlines()[-_TAIL_LINES:]) + "\n")
        raise ContainerFailed(
            "The demo's model and data could not be made.",
            where=str(folder),
            remedy="see the lines above; then run the same command again",
            exit_code=done.returncode,
        )
