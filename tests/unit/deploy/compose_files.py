"""compose.yaml and its companions, read without Docker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "Dockerfile"
STAGE_OF = {
    "converter-a": "convert-a",
    "trainer": "train",
    "converter-b": "convert-b",
    "importer": "import",
    "evaluator": "evaluate",
    "concluder": "conclude",
    "reporter": "report",
}
SERVERS = {"minio-owner", "minio", "minio-init", "ollama-owner", "ollama"}
BESIDE = {"ui": "ui"}
"""Services that are no stages, and the command that each one's image starts."""
OWNERS = {"minio-owner", "ollama-owner"}
GATEWAY = "gateway"
IMAGES = {
    **dict.fromkeys(["converter", "trainer", "evaluator", "reporter"], '["so8t-ab", "stage"]'),
    GATEWAY: '["so8t-ab", "think"]',
}
"""Images with their entry points."""


class _Loader(yaml.SafeLoader):
    """YAML with compose's own tag that takes a key away."""


_Loader.add_constructor("!reset", lambda loader, node: None)  # type: ignore[no-untyped-call]


def loaded_file(name: str) -> dict[str, Any]:
    """A compose file."""
    loaded: dict[str, Any] = yaml.load((ROOT / name).read_text("utf-8"), Loader=_Loader)
    return loaded


def services_of(name: str) -> dict[str, Any]:
    """The services of a compose file."""
    services: dict[str, Any] = loaded_file(name)["services"]
    return services
