"""The images: what each holds, and what it must not hold."""

from __future__ import annotations

import json

import pytest
from tests.compose.engine import docker

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("images")]

SERVICES = {
    **{"converter": True, "trainer": True, "evaluator": False, "reporter": False},
    "climber": True,
    **{"gateway": False, "ui": False},
}
"""Each with whether it has torch."""
BESIDE = {
    "gateway": ("so8t_gateway.serving", ["so8t-ab", "think"]),
    "ui": ("so8t_dashboard.serving", ["so8t-ab", "ui"]),
}
"""Module and entry point of those that are no stage's."""


def _python(service: str, code: str) -> str:
    image = f"so8t-ab/{service}:0.1.0"
    return docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", code).stdout.strip()


def _module(service: str) -> str:
    if service == "climber":
        return "so8t_evaluator.stages"
    return BESIDE[service][0] if service in BESIDE else f"so8t_{service}.stages"


@pytest.mark.parametrize(("service", "wants_torch"), SERVICES.items())
def test_only_what_the_stage_needs(service: str, wants_torch: bool) -> None:
    """torch and transformers are where models are made, not where they are asked; the wheel is the same in all."""
    names = ["torch", "transformers", "matplotlib", "sklearn", "peft", "libgguf"]
    found = json.loads(
        _python(service, f"import importlib.util as u, json; print(json.dumps([n for n in {names} if u.find_spec(n)]))")
    )
    assert ("torch" in found) == ("transformers" in found) == wants_torch
    for package, owners in {
        "matplotlib": {"reporter"},
        "sklearn": {"evaluator", "climber"},
        "peft": {"trainer", "climber"},
        "libgguf": {"converter"},
    }.items():
        assert (package in found) == (service in owners), package


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_of_its_extra_is_missing(service: str) -> None:
    """What the lock gave to the image is what the stage's extra requires; the trainer's makes the demo's model, too."""
    package = _module(service).partition(".")[0]
    modules = [package, *{"trainer": ["so8t_demo"], "climber": ["so8t_trainer"]}.get(service, [])]
    code = f"from so8t_shared.distribution import missing_packages as m; print(sum(map(m, {modules}), []))"
    assert _python(service, code) == "[]"


@pytest.mark.parametrize("service", SERVICES)
def test_the_stage_can_be_imported(service: str) -> None:
    """Nothing that the stage imports was left out of its image."""
    assert _python(service, f"import {_module(service)}; print('imported')") == "imported"


@pytest.mark.parametrize("service", SERVICES)
def test_runs_as_nobody(service: str) -> None:
    """Also without compose an image does not run as root, and its entry point is the service."""
    [image] = json.loads(docker("image", "inspect", f"so8t-ab/{service}:0.1.0").stdout)
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"] == (BESIDE[service][1] if service in BESIDE else ["so8t-ab", "stage"])


def test_torch_is_stored_once() -> None:
    """Converter, trainer and climber have the large layer, and all below it, in common."""
    layers = []
    for service in ("converter", "trainer", "climber"):
        [image] = json.loads(docker("image", "inspect", f"so8t-ab/{service}:0.1.0").stdout)
        layers.append(image["RootFS"]["Layers"])
    common = sum(len(set(same)) == 1 for same in zip(*layers, strict=False))
    form = ["--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}"]
    told = docker("history", *form, "so8t-ab/trainer:0.1.0").stdout.splitlines()
    steps = [(int(size), step) for size, _, step in (line.partition(" ") for line in reversed(told)) if size != "0"]
    [large] = [index for index, (size, _) in enumerate(steps) if size > 1_000_000_000]
    assert "lock.py common convert train" in steps[large][1]
    assert common > large
