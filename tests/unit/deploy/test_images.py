"""What the Dockerfile's images hold, and that compose.yaml uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.deploy.compose_files import (
    BESIDE,
    DOCKERFILE,
    IMAGES,
    ROOT,
)

from so8t_shared.distribution import EXTRAS
from so8t_shared.tables.resources import BY_STAGE


def test_images_are_pinned(services: dict[str, Any]) -> None:
    """A tag that names one release; never latest."""
    for service in services.values():
        name, _, tag = service["image"].partition(":")
        assert re.search(r"\d", tag), name
    versions = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    own = {s["image"].rpartition(":")[2] for s in services.values() if s["image"].startswith("so8t-ab/")}
    assert own == set(versions)


def test_every_image_can_notify() -> None:
    """What it gets from the wheel's stage includes the packages that deliver, not those alone that the base has."""
    text = DOCKERFILE.read_text("utf-8")
    [wheel] = re.findall(r"^FROM base AS wheel$(.*?)(?=^FROM)", text, re.MULTILINE | re.DOTALL)
    first = wheel.strip().split("\nRUN ")[0]
    assert "lock.py common notify" in first
    assert "--root /installed" in first
    targets = re.findall(r"^FROM \w+ AS (\w+)$(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    final = {name for name, body in targets if "USER 10001" in body}
    assert final == {name for name, body in targets if "COPY --from=wheel /installed /" in body}


def _target(service: str, extra: str) -> str:
    """The lines that make a service's image: with its extra's packages, and nobody as user."""
    text = DOCKERFILE.read_text("utf-8")
    [target] = re.findall(rf"^FROM \w+ AS {service}$(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    assert f"lock.py common {extra} >" in target
    assert "\nUSER 10001:10001\n" in target
    return str(target)


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_is_a_target_of_the_dockerfile(services: dict[str, Any], service: str) -> None:
    """It has the packages of its extra, is started as its service, and nobody is root in it."""
    text, target = DOCKERFILE.read_text("utf-8"), _target(service, EXTRAS[f"so8t_{service}"])
    [stage] = re.findall(r"^FROM \S+ AS base$(.*?)(?=^FROM)", text, re.MULTILINE | re.DOTALL)
    entries = [re.findall(r"^ENTRYPOINT (.*)", part, re.MULTILINE) for part in (stage, target)]
    assert [*entries[0], *entries[1]][-1] == IMAGES[service]
    built = [s["build"] for s in services.values() if s["image"].startswith(f"so8t-ab/{service}:")]
    assert built
    assert all(build == {"context": ".", "target": service} for build in built)


@pytest.mark.parametrize("service", BESIDE)
def test_an_image_beside_the_stages(services: dict[str, Any], service: str) -> None:
    """It has the packages of its extra, and starts its own command as nobody."""
    target = _target(service, BESIDE[service])
    assert f'ENTRYPOINT ["so8t-ab", "{BESIDE[service]}"]' in target
    assert services[service]["build"] == {"context": ".", "target": service}


def test_the_image_that_climbs(services: dict[str, Any]) -> None:
    """A variable chooses it for the stage evaluate alone; it comes last, since some builders build all above it."""
    target = _target("climber", EXTRAS["so8t_evaluator"])
    assert f"lock.py common {EXTRAS['so8t_trainer']} >" in target
    assert "ENTRYPOINT" not in target
    assert DOCKERFILE.read_text("utf-8").endswith(target)
    chosen = "${SO8T_EVALUATOR:-evaluator}"
    assert services["evaluator"]["build"] == {"context": ".", "target": chosen}
    assert [name for name, each in services.items() if each["image"].startswith(f"so8t-ab/{chosen}:")] == ["evaluator"]
    assert (BY_STAGE["evaluate"].chosen_by, BY_STAGE["evaluate"].larger) == ("SO8T_EVALUATOR", "climber")


def test_torch_is_in_a_layer_that_images_share() -> None:
    """The large layer is built and stored once; images without torch come before it."""
    text = DOCKERFILE.read_text("utf-8")
    assert re.findall(r"^FROM models AS (\w+)$", text, re.MULTILINE) == ["converter", "trainer", "climber"]
    assert text.index("AS evaluator") < text.index("AS models") > text.index("AS reporter")


def test_the_dockerfile_installs_from_the_lock_alone() -> None:
    """Every pip install checks hashes, or installs the wheel that was built here."""
    installs = re.findall(r"pip install .*", DOCKERFILE.read_text("utf-8"))
    own = [line for line in installs if "--require-hashes --no-deps --requirement needed.txt" not in line]
    assert own == ["pip install --no-deps --root /installed /dist/*.whl"]


def test_the_dockerfile_needs_no_buildkit() -> None:
    """No heredoc, no COPY --link, no syntax line, no mount: any builder will do."""
    assert not re.search(r"<<|--link|--mount|--chmod|^# *syntax *=", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
