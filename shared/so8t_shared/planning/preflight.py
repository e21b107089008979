"""Quick checks before a run, without torch: wrong data, a missing GPU, an unreachable server.

The stages would find all of these, but some only after an hour of work by earlier stages.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from so8t_shared.artifacts.fingerprints import check_model_folder
from so8t_shared.config.model import Config
from so8t_shared.distribution import install_command, need_extras
from so8t_shared.errors import ConfigError
from so8t_shared.machine import has_cuda_device
from so8t_shared.models.hf_folder import holds_gates, read_json
from so8t_shared.stage_inputs import ModelInput
from so8t_shared.stages import BY_NAME, STAGES, Stage
from so8t_shared.tables import engines
from so8t_shared.tables.functions import named


def preflight(config: Config, stages: Collection[str] = tuple(BY_NAME), *, here: bool = False) -> list[str]:
    """Notes about the inputs of the stages; with `here`, the stages are about to run on this host.

    Raises:
        InputError: a model or data set on this host cannot be used.
        ConfigError: with `here`, the required device is missing, or has too little memory.
        MissingExtra: with `here`, packages that a stage needs are not installed.
    """
    notes = _two_bases(config)
    if here:
        need_extras(dict.fromkeys(module for s in STAGES if s.name in stages for module in s.modules(config)))
    for stage in STAGES:
        if stage.name in stages:
            notes += [*_models(stage, config), *_look(stage.check, config), *_unchecked(stage, config)]
    if "train" in stages:
        notes += _device(config, here=here)
    if {"import", "evaluate"} & set(stages):
        notes += _look(engines.BY_NAME[config.ab_test.engine].check, config)
    for stage in STAGES if here else ():
        if stage.name in stages:
            notes += _look(stage.fits, config)
    return list(dict.fromkeys(notes))


def _two_bases(config: Config) -> list[str]:
    a, b = config.model_a.base_model, config.base_of_b.base_model
    if os.path.realpath(a) == os.path.realpath(b):
        return []
    note = f"model B is not retrained from model A: model_a.base_model is {a}, model_b.base_model is {b}"
    path = Path(a, "config.json")
    if path.is_file() and holds_gates(read_json(path)):
        return [f"{note}, since A already has SO8T gates and cannot be retrained"]
    return [f"{note}; remove model_b.base_model to retrain model A"]


def _models(stage: Stage, config: Config) -> list[str]:
    notes = []
    default = config.model_b is None or config.model_b.base_model is None  # then model A's note is enough
    for item in stage.inputs(config):
        if isinstance(item, ModelInput):
            if item.path.exists():
                check_model_folder(item)
            elif item.name == "model_a" or not default:
                notes.append(f"{item.name}.base_model = {item.path} does not exist on this host")
    return notes


def _look(target: str, config: Config) -> list[str]:
    """Run the service's own check if its packages are installed; a container has only one service's packages."""
    function = named(target)
    return list(function(config)) if function else []


def _unchecked(stage: Stage, config: Config) -> list[str]:
    if not stage.check or not stage.inputs(config) or named(stage.check):
        return []
    remedy = install_command([stage.module])
    return [f"the inputs of {stage.name} were not checked: its packages are not installed ({remedy})"]


def check_device(config: Config, devices: Path = Path("/dev")) -> None:
    """Check that the device for training is on this host.

    Raises:
        ConfigError: it is not.
    """
    if config.device == "cuda" and not has_cuda_device(devices):
        raise ConfigError(
            "The configuration requires a CUDA device, but this host has none.",
            where="device = cuda",
            remedy="set device to auto or cpu, or run the stage train on a host with a GPU",
        )


def _device(config: Config, *, here: bool, devices: Path = Path("/dev")) -> list[str]:
    try:
        check_device(config, devices)
    except ConfigError:
        if here:
            raise
        return ["device is cuda, but this host has no CUDA device: train would fail here"]
    return []
