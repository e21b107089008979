"""What must be there before containers start: the engine's own messages name no remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from so8t_shared.containers import demo
from so8t_shared.containers.engine import Engine
from so8t_shared.containers.images import image, missing_images
from so8t_shared.containers.inputs import check_inputs
from so8t_shared.containers.settings import setting
from so8t_shared.errors import InputError
from so8t_shared.tables.resources import ROWS


def check_before_start(engine: Engine, *, demo_follows: bool = False) -> dict[str, Any]:
    """Check GPU, mounted files and the configuration's inputs; return what compose resolves.

    With `demo_follows`, the demo's inputs need not be there yet.

    Raises:
        InputError, ConfigError: one is missing, or the configuration has faults.
        ServerError: the engine does not answer.
    """
    engine.check_compose()
    resolved = engine.resolved()
    if _wants_gpu(resolved) and not engine.has_gpu():
        raise InputError(
            "compose.yaml requests an NVIDIA GPU, but this Docker engine cannot provide one.",
            where="docker info",
            remedy="run so8t-ab up --cpu (which adds compose.cpu.yaml), or install the NVIDIA Container Toolkit",
        )
    for path in _mounted(resolved):
        if not _is_there(path) and not (demo_follows and Path(path).name == demo.FOLDER):
            raise _missing(path)
    check_inputs(no_gpu=engine.instead)
    return resolved


def check_images(engine: Engine) -> None:
    """Check that all images are there.

    Raises:
        InputError: one is missing.
    """
    if missing := missing_images(engine):
        chosen_by = next((row.chosen_by for row in ROWS if row.larger == missing[0]), "")
        asking = f"so8t-ab up --build; or set {chosen_by}={missing[0]} in .env and run " if chosen_by else ""
        raise InputError(
            f"The image {image(missing[0])} is missing.",
            where="docker images",
            remedy=f"{asking}so8t-ab images",
        )


def _wants_gpu(resolved: dict[str, Any]) -> bool:
    for service in resolved["services"].values():
        reserved = service.get("deploy", {}).get("resources", {}).get("reservations", {})
        if any(device.get("driver") == "nvidia" for device in reserved.get("devices", [])):
            return True
    return False


def _mounted(resolved: dict[str, Any]) -> list[str]:
    """Files and folders of this host that the containers see, sorted."""
    volumes = [volume for service in resolved["services"].values() for volume in service.get("volumes", [])]
    found = {volume["source"] for volume in volumes if volume["type"] == "bind"}
    named = [*resolved.get("secrets", {}).values(), *resolved.get("configs", {}).values()]
    return sorted(found | {item["file"] for item in named if "file" in item})


def _is_there(path: str) -> bool:
    return demo.is_there(Path(path)) if Path(path).name == demo.FOLDER else Path(path).exists()


def _missing(path: str) -> InputError:
    name = Path(path).name
    if os.path.abspath(path) == os.path.abspath(setting("SO8T_RESULTS", "results")):  # noqa: PTH100
        what = "The folder for the results is missing."
        remedy = "so8t-ab secrets (it creates the folder, owned by the stages' user; existing keys are kept)"
    elif name.startswith("minio_root_") or name.endswith(".json"):
        what, remedy = "A key file is missing.", "so8t-ab secrets"
    elif name == demo.FOLDER:
        what = "The demo's model and data are missing."
        remedy = "so8t-ab up --build makes them; for your own model, name its configuration: so8t-ab up configs/my.yaml"
    else:
        what = "A folder that the containers read is missing."
        remedy = (
            "create it, with your model and rows; or set SO8T_INPUTS (or SO8T_CONFIGS) in .env to the one that you have"
        )
    return InputError(what, where=path, remedy=remedy)
