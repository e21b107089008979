"""The four images: what each holds, and what it must not hold."""

from __future__ import annotations

import json

import pytest
from tests.compose.engine import docker

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("images")]

SERVICES = {"converter": True, "trainer": True, "evaluator": False, "reporter": False}


def _python(service: str, code: str) -> str:
    image = f"so8t-ab/{service}:0.1.0"
    return docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", code).stdout.strip()


@pytest.mark.parametrize(("service", "wants_torch"), SERVICES.items())
def test_only_what_the_stage_needs(service: str, wants_torch: bool) -> None:
    """torch and transformers are where models are made, not where they are asked; no image holds another's code."""
    names = ["torch", "transformers", "matplotlib", "sklearn", *(f"so8t_{name}" for name in SERVICES)]
    found = json.loads(
        _python(service, f"import importlib.util as u, json; print(json.dumps([n for n in {names} if u.find_spec(n)]))")
    )
    assert ("torch" in found) == ("transformers" in found) == wants_torch
    assert [n for n in found if n.startswith("so8t_")] == [f"so8t_{service}"]
    assert ("matplotlib" in found) == (service == "reporter")


@pytest.mark.parametrize("service", SERVICES)
def test_the_stage_can_be_imported(service: str) -> None:
    """Nothing that the stage imports was left out of its image."""
    assert _python(service, f"import so8t_{service}.stages; print('imported')") == "imported"


@pytest.mark.parametrize("service", SERVICES)
def test_runs_as_nobody(service: str) -> None:
    """Also without compose an image does not run as root, and its entry point is the service."""
    [image] = json.loads(docker("image", "inspect", f"so8t-ab/{service}:0.1.0").stdout)
    assert image["Config"]["User"] == "10001:10001"
    assert image["Config"]["Entrypoint"] == ["python", "-m", f"so8t_{service}"]


def test_torch_is_stored_once() -> None:
    """Converter and trainer have the large layer in common."""
    layers = []
    for service in ("converter", "trainer"):
        [image] = json.loads(docker("image", "inspect", f"so8t-ab/{service}:0.1.0").stdout)
        layers.append(image["RootFS"]["Layers"])
    common = [a for a, b in zip(*layers, strict=False) if a == b]
    rest = docker("history", "--no-trunc", "--format", "{{.Size}} {{.CreatedBy}}", "so8t-ab/trainer:0.1.0").stdout
    assert any("torch" in line for line in rest.splitlines())
    assert len(common) >= 7
